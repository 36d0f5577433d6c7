//! kubectl and helm of a control plane.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::shared::{Plane, ROOT};

/// What `helm template` is told: as it asks no API server, and is built from source, it takes the cluster for an old one.
pub(crate) const KUBE: [&str; 2] = ["--kube-version", "1.34.0"];

impl Plane {
    /// The script, with words for this control plane: `kubectl`, `helm`.
    pub(crate) fn run(&self, word: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new(ROOT).join(".ci/cluster"));
        command.arg(word).arg(&self.folder).args(arguments).current_dir(ROOT).stdin(Stdio::null());
        command.output().expect("the script is there")
    }

    /// The same where it is sure to go well: what it said.
    pub(crate) fn does(&self, word: &str, arguments: &[&str]) -> String {
        let ran = self.run(word, arguments);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{word} {arguments:?}: {said}{}", String::from_utf8_lossy(&ran.stdout));
        String::from_utf8(ran.stdout).expect("it is text")
    }
}
