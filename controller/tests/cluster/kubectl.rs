//! The cluster as its administrator speaks to it: kubectl and `.ci/cluster`. Every test uses it, through its namespace or
//! alone.

use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

/// The project.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A cluster that runs.
pub(crate) struct Cluster {
    folder: PathBuf,
    kube: String,
    helm: String,
}

/// What a command said.
struct Said {
    good: bool,
    out: String,
    error: String,
}

/// The cluster that was brought up for these tests.
///
/// # Panics
/// Without one: a test on a cluster that has none must not pass.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let folder = env::var_os("MAILWARD_CLUSTER")
            .expect("MAILWARD_CLUSTER is not set: .ci/test-cluster brings a cluster up and runs these tests in it");
        let path = |of| good(script().args(["path", of]), "").trim().to_owned();
        Cluster { folder: folder.into(), kube: path("kube"), helm: path("helm") }
    })
}

impl Cluster {
    /// kubectl as the administrator, not yet run.
    pub(crate) fn command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new(&self.kube);
        command.arg("kubectl").args(arguments).env("KUBECONFIG", self.folder.join("kubeconfig"));
        command
    }

    /// What kubectl prints.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_reads(arguments, "")
    }

    /// The same, with something on its standard input.
    pub(crate) fn kubectl_reads(&self, arguments: &[&str], input: &str) -> String {
        good(&mut self.command(arguments), input)
    }

    /// What helm prints. Charts are named from the project's folder.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn helm(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.helm);
        command.args(arguments).env("KUBECONFIG", self.folder.join("kubeconfig")).current_dir(PROJECT);
        good(&mut command, "")
    }

    /// The folder that goes with the cluster. Its node sees it too.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What kubectl complains of.
    ///
    /// # Panics
    /// When it succeeds.
    pub(crate) fn refused(&self, arguments: &[&str], input: &str) -> String {
        let said = run(&mut self.command(arguments), input);
        assert!(!said.good, "{arguments:?} was not refused: {}", said.out);
        said.error
    }

    /// What kubectl says, good or bad: for a person who reads why a test failed.
    pub(crate) fn hearsay(&self, arguments: &[&str]) -> String {
        let Said { out, error, .. } = run(&mut self.command(arguments), "");
        format!("$ kubectl {}\n{out}{error}", arguments.join(" "))
    }

    /// Stops a part of the cluster (etcd, apiserver, kubelet, ...) until what this returns is dropped. Only for a test that
    /// is alone: those beside it do not expect that.
    pub(crate) fn without(&self, part: &'static str) -> Away<'_> {
        good(script().arg("stop").arg(&self.folder).arg(part), "");
        Away { cluster: self, part }
    }
}

/// A part of the cluster that is away. It comes back with the end of this, in a test that fails too.
pub(crate) struct Away<'a> {
    cluster: &'a Cluster,
    part: &'static str,
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let said = run(script().arg("start").arg(&self.cluster.folder).arg(self.part), "");
        assert!(said.good || thread::panicking(), "{} does not start: {}", self.part, said.error);
    }
}

fn script() -> Command {
    Command::new(Path::new(PROJECT).join(".ci/cluster"))
}

fn good(command: &mut Command, input: &str) -> String {
    let said = run(command, input);
    assert!(said.good, "{command:?} failed:\n{}{}\n{input}", said.out, said.error);
    said.out
}

fn run(command: &mut Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = thread::scope(|scope| {
        // One that does not read to the end says why itself.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output().expect("it was started")
    });
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { good: output.status.success(), out: text(&output.stdout), error: text(&output.stderr) }
}
