//! The demo and its tour from outside: played to the end, stopped by a signal, killed; and nothing is left of them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use mailward::demo::debian::missing;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::running::{eventually, program};

/// A folder for temporary files that only this demo uses; its name is short, for sockets lie in it.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::Builder::new().prefix("mw").tempdir_in("/tmp").unwrap();
    // Debian's servers work in it as users of their own.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn demo(temporary: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("demo").args(words).env("TMPDIR", temporary).env("NO_COLOR", "1").env_remove("MAILWARD_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The processes whose command line, working directory or environment names this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let processes = processes.filter(|path| path.join("cmdline").exists());
    let words = |path: PathBuf| {
        let mut words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        words.extend(std::fs::read(path.join("environ")).unwrap_or_default());
        words.extend(std::fs::read_link(path.join("cwd")).unwrap_or_default().as_os_str().as_encoded_bytes());
        String::from_utf8_lossy(&words).replace('\0', " ")
    };
    processes.map(words).filter(|words| words.contains(&name)).collect()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

fn tour(words: &[&str]) {
    let folder = folder();
    let Output { status, stdout, stderr } = demo(folder.path(), words).output().unwrap();
    let text = String::from_utf8_lossy(&stdout);
    assert!(status.success(), "{status}: {}\n{text}", String::from_utf8_lossy(&stderr));
    // Each of the ten steps has seen something, and the watcher log was quoted in Oracle's words.
    let steps: Vec<&str> = text.split("\n\n").filter(|part| part.contains("   seen: ")).collect();
    assert!(steps.len() >= 10, "{text}");
    assert!(text.contains("     | imap server is not running\n"), "{text}");
    assert!(text.contains("     | dispatcher server hangs: Smtp "), "{text}");
    assert!(text.contains("   seen: state/evidence/dispatcher/"), "{text}");
    assert!(text.contains("     | Watched 'mboxutil' process "), "{text}");
    assert!(text.contains("\nEverything was seen to happen"), "{text}");
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
    assert!(is_empty(folder.path()), "the folder is left");
}

#[test]
fn the_tour_sees_everything_happen_and_leaves_nothing() {
    tour(&["--tour"]);
}

#[test]
fn the_tour_sees_everything_happen_with_dovecot_postfix_and_nginx() {
    assert_eq!(missing(), None);
    tour(&["--tour", "--with", "debian"]);
}

/// A demo that runs; it is stopped in order with this value.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts one and reads to the end of what it says at the start.
    fn start() -> (Self, String) {
        let folder = folder();
        let mut child = demo(folder.path(), &[]).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, out, folder };
        let text = running.until("Ctrl-C here stops everything");
        (running, text)
    }

    /// Reads to the line that begins so.
    fn until(&mut self, begin: &str) -> String {
        let mut text = String::new();
        let mut line = String::new();
        while !line.starts_with(begin) {
            line.clear();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended: {text}");
            text.push_str(&line);
        }
        text
    }

    fn root(&self) -> PathBuf {
        std::fs::read_dir(self.folder.path()).unwrap().next().unwrap().unwrap().path()
    }

    /// What a second terminal is told by the commands of the demo's own folder.
    fn says(&self, command: &str, words: &[&str]) -> Output {
        let root = self.root();
        let mut command = Command::new(root.join("server/bin").join(command));
        command.args(words).env("MAILWARD_SOCKET", root.join("run/control.sock")).output().unwrap()
    }

    fn pid(&self, service: &str) -> Option<i32> {
        let status: Value = serde_json::from_slice(&self.says("mailward", &["status", "-o", "json"]).stdout).unwrap();
        let services = status["status"]["instances"][0]["services"].as_array().unwrap();
        let service = services.iter().find(|found| found["name"] == service).unwrap();
        service["pid"].as_i64().map(|pid| i32::try_from(pid).unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(i32::try_from(self.child.id()).unwrap(), signal);
    }

    /// Reads to its end: how it ended, and what it said.
    fn end(&mut self) -> (std::process::ExitStatus, String) {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap(), text)
    }

    /// Nothing is left: no process, no folder.
    fn is_gone(&self) {
        assert_eq!(processes_of(self.folder.path()), Vec::<String>::new());
        assert!(is_empty(self.folder.path()), "the folder is left");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its agent goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Every line in this order, each somewhere after the one before.
fn in_order(text: &str, lines: &[&str]) {
    let mut rest = text;
    for line in lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("`{line}` is not in its place:\n{text}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn the_demo_starts_and_stops_in_the_words_of_oracle_and_its_commands_work() {
    let (mut demo, text) = Running::start();
    in_order(
        &text,
        &[
            "Connecting to watcher ...\nLaunching watcher ... ",
            "\nStarting store server ...",
            "\nChecking store server status ...",
            " ready\nStarting purge server ...",
            "\nStarting imap server ...",
            "\nStarting job_controller server ...",
            "\nNAME ",
            "\nimap            ready ",
            " stand-in ",
            "\nTo try in a second terminal:\n",
            "  export MAILWARD_SOCKET=",
        ],
    );
    assert!(text.contains(&format!("  kill -9 {}", demo.pid("imap").unwrap())), "{text}");
    let stopped = demo.says("stop-msg", &["imap"]);
    assert!(stopped.status.success(), "{stopped:?}");
    let table = demo.until("not enabled:");
    in_order(&table, &["\nimap            held ", " stand-in "]);
    let refused = demo.says("start-msg", &["impa"]);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    assert!(demo.says("start-msg", &["imap"]).status.success());
    demo.signal(Signal::INT);
    let (status, text) = demo.end();
    assert!(status.success(), "{status}: {text}");
    let names = ["job_controller", "dispatcher", "sched", "http", "pop", "imap", "purge", "store"];
    let lines: Vec<String> = names.iter().map(|name| format!("Stopping {name} server ")).collect();
    in_order(&text, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    in_order(&text, &["Stopping store server ", " done\n", "Stopping watcher ", " done\n"]);
    demo.is_gone();
}

#[test]
fn r05_a_demo_whose_agent_was_killed_still_stops_every_service() {
    let (mut demo, _) = Running::start();
    let (agent, imap) = (std::fs::read_to_string(demo.root().join("run/agent.pid")).unwrap(), demo.pid("imap"));
    kill(agent.trim().parse().unwrap(), Signal::KILL);
    demo.until("This is how it was");
    demo.signal(Signal::TERM);
    let (status, text) = demo.end();
    assert!(status.success(), "{status}: {text}");
    in_order(&text, &["Launching watcher ... ", &format!("Stopping imap server {} ", imap.unwrap())]);
    demo.is_gone();
}

#[test]
fn a_demo_that_is_killed_takes_its_agent_and_its_services_with_it_and_the_next_one_sweeps() {
    let (mut demo, _) = Running::start();
    let left = demo.root();
    demo.signal(Signal::KILL);
    demo.end();
    eventually("the services gone", || processes_of(demo.folder.path()).is_empty().then_some(()));
    assert!(left.exists());
    // Any demo sweeps before it begins; this one is told to end at once.
    let mut next = self::demo(demo.folder.path(), &[]).spawn().unwrap();
    eventually("the folder swept", || (!left.exists()).then_some(()));
    kill(i32::try_from(next.id()).unwrap(), Signal::TERM);
    let output = next.wait().unwrap();
    assert!(output.success(), "{output}");
    demo.is_gone();
}
