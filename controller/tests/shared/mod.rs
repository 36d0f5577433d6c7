//! A control plane for the tests of a program, which goes with its process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The project.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// An API server that runs.
pub(crate) struct Plane {
    pub(crate) folder: PathBuf,
    /// Ends the servers when its standard input ends, which is when this process does, however that comes.
    _janitor: Child,
}

/// The control plane; the first who asks starts it, with these words for the script.
pub(crate) fn plane(with: &[&str]) -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| Plane::start(with))
}

impl Plane {
    /// Another one, for what concerns a whole cluster.
    pub(crate) fn start(with: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder").keep().join("plane");
        let script = Path::new(ROOT).join(".ci/cluster");
        let janitor = Command::new("sh")
            .args(["-c", "read -r _; \"$0\" down \"$1\" >/dev/null 2>&1; rm -rf \"${1%/plane}\""])
            .args([&script, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        // The servers inherit it, so it is a file and no pipe.
        let log = folder.with_extension("log");
        let out = File::create(&log).expect("a log");
        let mut command = Command::new(script);
        command.arg("control-plane").arg(&folder).args(with);
        command.stdout(out.try_clone().expect("twice")).stderr(out);
        let good = command.status().expect("the script is there").success();
        assert!(good, "no control plane: {}", fs::read_to_string(&log).unwrap_or_default());
        Self { folder, _janitor: janitor }
    }
}
