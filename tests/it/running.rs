//! Services of a demo's document as child processes, without an agent: started by their command, awaited by
//! `sd_notify` or by their port, and gone with the test.

use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mailward::demo::ServiceText;
use rustix::process::{Pid, Signal, kill_process};

/// More than any of this ever takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The `mailward` binary.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mailward"))
}

/// Copies the `mailward` binary to this path.
///
/// By a process of its own: a child that another test starts meanwhile holds every descriptor of this process until its exec, and
/// what somebody may still write to is not executed (`ETXTBSY`).
pub(crate) fn copy_program(to: &Path) {
    assert!(Command::new("/bin/cp").arg(program()).arg(to).status().unwrap().success());
}

/// One service.
pub(crate) struct Running {
    name: String,
    child: Child,
    notify: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts it in a process group of its own.
    pub(crate) fn start(service: &ServiceText) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let notify = UnixDatagram::bind(&path).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(&service.command[0])
            .args(&service.command[1..])
            .env("NOTIFY_SOCKET", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { name: service.name.clone(), child, notify, _folder: folder }
    }

    /// Starts it and waits for `READY=1`.
    pub(crate) fn ready(service: &ServiceText) -> Self {
        let running = Self::start(service);
        running.says("READY=1");
        running
    }

    /// Waits until it says this by `sd_notify`.
    pub(crate) fn says(&self, state: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self.notify.recv(&mut buffer).unwrap_or_else(|error| panic!("{}: {error}", self.name));
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == state) {
                return;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: how it ended, and what it complained.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let status = eventually(&self.name, || self.child.try_wait().unwrap());
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        (status, text)
    }

    /// TERM, and its end.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until there is an answer; panics with `what` when there is none in a long time.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
