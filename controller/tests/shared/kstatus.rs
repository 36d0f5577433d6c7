//! What Flux makes of an object: its own library, asked by a program of a few lines.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::shared::ROOT;

/// The word for an object: `InProgress`, `Failed`, `Current` or what else there is.
pub(crate) fn kstatus(object: &Value) -> String {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let source = Path::new(ROOT).join("tests/cluster/kstatus");
        // Beside the test's own program, so that it is there the next time; Go looks whether it is what the source says.
        let to = std::env::current_exe().expect("it runs").with_file_name("kstatus");
        let built =
            Command::new("go").args(["build", "-mod=readonly", "-o"]).arg(&to).arg(".").current_dir(source).output();
        let built = built.expect("Go is there: the control plane is built with it");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        to
    });
    let mut asked = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
    let mut question = asked.stdin.take().expect("it is piped");
    question.write_all(object.to_string().as_bytes()).expect("it reads");
    drop(question);
    let answer = asked.wait_with_output().expect("it ends");
    assert!(answer.status.success());
    String::from_utf8(answer.stdout).expect("a word").trim().to_owned()
}
