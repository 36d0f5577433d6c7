//! A folder with a document and an agent in it. Everything is killed with the test.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use mailward::model::Fingerprint;
use rustix::process::Signal;
use serde_json::Value;

use crate::processes::{cgroup_of, everyone, family, members, remove_cgroup};
pub(crate) use crate::processes::{is_alive, signal_to};
use crate::running::{PATIENCE, eventually, program};

/// `NAME`, then it waits. The book tells who began and who was asked to end, in order and by the services' own words.
const SERVICE: &str = r#"trap 'echo "-$1" >> "$0.book"; kill $!; exit 0' TERM
sleep 1000000 &
echo "+$1" >> "$0.book"
wait $!
"#;

/// One agent with all it has.
pub(crate) struct House {
    folder: tempfile::TempDir,
    agent: Option<Child>,
    /// Where its store clients register.
    pub(crate) port: u16,
    /// The runtime folder is mounted for the agent only.
    pub(crate) socket_below_root_of_agent: bool,
    /// Set for the agent.
    pub(crate) environment: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The status, as it is printed.
pub(crate) struct Status(pub(crate) Value);

impl House {
    /// With this document; nothing runs yet.
    pub(crate) fn new(spec: &str) -> Self {
        let house = Self::empty();
        house.declare(spec);
        house
    }

    /// Without a document.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("mw").tempdir_in("/tmp").unwrap();
        // Services of other users must reach their scripts.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let port = free_port();
        let house = Self { folder, agent: None, port, socket_below_root_of_agent: false, environment: Vec::new() };
        for name in ["conf", "data"] {
            fs::create_dir(house.path(name)).unwrap();
        }
        fs::write(house.path("svc"), SERVICE).unwrap();
        house
    }

    /// With this document, and the agent in it.
    pub(crate) fn started(spec: &str) -> Self {
        let mut house = Self::new(spec);
        house.start();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The whole document around what stands below `spec`; `{dir}` is the folder.
    pub(crate) fn document(&self, spec: &str) -> String {
        let dir = self.folder.path().to_str().unwrap();
        let profile = if spec.contains("profile:") { "" } else { "  profile: Custom\n" };
        let spec = spec.replace("{dir}", dir);
        // Houses stand side by side, and the port of the watcher is one for all.
        let watcher =
            if spec.contains("watcher:") { String::new() } else { format!("  watcher: {{port: {}}}\n", self.port) };
        // A cluster manager that happens to run on this machine is none of a test's business.
        let alone = if spec.contains("highAvailability") { "" } else { "  highAvailability: {mode: None}\n" };
        format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n{profile}{alone}{watcher}  \
             dataRoot: {dir}/data\n{spec}"
        )
    }

    /// Another document in the place of the old one, by a rename.
    pub(crate) fn declare(&self, spec: &str) {
        self.write_document(&self.document(spec));
    }

    /// The same, of a whole document.
    pub(crate) fn write_document(&self, text: &str) {
        self.put("conf/.new", text);
        fs::rename(self.path("conf/.new"), self.path("conf/mailward.yaml")).unwrap();
    }

    pub(crate) fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until this file is there, such as one that says that a shell's trap is set: a shell that is ready at once may
    /// not have come to its first word.
    pub(crate) fn has(&self, name: &str) {
        eventually(name, || self.path(name).exists().then_some(()));
    }

    /// What the services wrote, an entry each.
    pub(crate) fn book(&self) -> Vec<String> {
        self.read("svc.book").lines().map(str::to_owned).collect()
    }

    /// The agent's command line, not yet started.
    pub(crate) fn agent_command(&self) -> Command {
        let mut command = Command::new(program());
        self.fill_agent(&mut command);
        command
    }

    /// The words of `run` after a program that may be another one, which then runs ours.
    pub(crate) fn fill_agent(&self, command: &mut Command) {
        let errors = File::options().create(true).append(true).open(self.path("stderr")).unwrap();
        command
            .arg("run")
            .args(["--config".into(), self.path("conf/mailward.yaml")])
            .args(["--state-dir".into(), self.path("state")])
            .args(["--runtime-dir".into(), self.path("run")])
            .env_remove("NOTIFY_SOCKET")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
    }

    /// The agent; returns when it answers.
    pub(crate) fn start(&mut self) {
        let mut command = self.agent_command();
        self.start_by(&mut command);
    }

    pub(crate) fn start_by(&mut self, command: &mut Command) {
        assert!(self.agent.is_none());
        self.agent = Some(command.process_group(0).spawn().unwrap());
        self.answers();
    }

    fn answers(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.ask("GET", "/v1/status", "").is_none() {
            if let Some(status) = self.agent.as_mut().and_then(|agent| agent.try_wait().unwrap()) {
                panic!("the agent ended: {status}\n{}", self.read("stderr"));
            }
            assert!(Instant::now() < until, "the agent does not answer\n{}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// An agent that is not to run: its exit code and what it said.
    pub(crate) fn refuses_to_start(&self) -> (i32, String) {
        let before = self.read("stderr").len();
        let mut child = self.agent_command().spawn().unwrap();
        let status = eventually("the agent's end", || child.try_wait().unwrap());
        (status.code().unwrap(), self.read("stderr")[before..].to_owned())
    }

    pub(crate) fn agent_pid(&self) -> i32 {
        i32::try_from(self.agent.as_ref().unwrap().id()).unwrap()
    }

    pub(crate) fn signal_agent(&self, signal: Signal) {
        signal_to(self.agent_pid(), signal);
    }

    /// The agent's own end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut agent = self.agent.take().unwrap();
        eventually("the agent's end", || agent.try_wait().unwrap())
    }

    /// `kill -9`.
    pub(crate) fn kill_agent(&mut self) {
        self.signal_agent(Signal::KILL);
        self.ended();
    }

    /// `kill -9`, and another one.
    pub(crate) fn restart_agent(&mut self) {
        self.kill_agent();
        self.start();
    }

    fn socket(&self) -> PathBuf {
        let socket = self.path("run/control.sock");
        if !self.socket_below_root_of_agent {
            return socket;
        }
        let root = PathBuf::from(format!("/proc/{}/root", self.agent_pid()));
        root.join(socket.strip_prefix("/").unwrap())
    }

    /// One question on the control socket: status code and body; none where nobody answers.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\n");
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (code, body) = self.ask("GET", path, "").expect("an agent");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn status(&self) -> Status {
        Status(self.get("/v1/status"))
    }

    /// What happened, oldest first: `store: started, pid 7`, without pids and times.
    pub(crate) fn history(&self) -> Vec<String> {
        let told = self.get("/v1/history");
        let line = |told: &Value| {
            let what = told["event"]["event"].as_str().unwrap();
            match told["service"].as_str() {
                Some(service) => format!("{service} {what}"),
                None => what.to_owned(),
            }
        };
        told.as_array().unwrap().iter().map(line).collect()
    }

    /// How often this happened: `imap Crashed`.
    pub(crate) fn times(&self, what: &str) -> usize {
        self.history().iter().filter(|line| *line == what).count()
    }

    /// Asks for the status until it is as wished.
    pub(crate) fn until(&self, what: &str, mut wished: impl FnMut(&Status) -> bool) -> Status {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if wished(&status) {
                return status;
            }
            let all = || format!("{what}\n{:#}\n{:#?}\n{}", status.0, self.history(), self.read("stderr"));
            assert!(Instant::now() < until, "not in time: {}", all());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Every enabled service is ready.
    pub(crate) fn all_ready(&self) -> Status {
        self.until("all ready", |status| status.condition("Ready").0 == "True")
    }

    /// Waits until this is ready, as another process than that.
    pub(crate) fn again(&self, name: &str, before: i32) -> i32 {
        let status = self.until(&format!("{name} again"), |status| {
            status.is_ready(name) && status.pid(name).is_some_and(|pid| pid != before)
        });
        status.pid(name).unwrap()
    }

    /// Waits until this happened so often in all.
    pub(crate) fn happens(&self, what: &str, times: usize) {
        self.until(what, |_| self.times(what) >= times);
    }

    /// Waits until the services have written so many entries.
    pub(crate) fn written(&self, entries: usize) -> Vec<String> {
        eventually(&format!("{entries} entries in {:?}", self.book()), || {
            Some(self.book()).filter(|book| book.len() >= entries)
        })
    }

    /// The document that is in force is on the disk, where a killed agent's successor finds it.
    pub(crate) fn keeps_its_document(&self) {
        let document = self.read("conf/mailward.yaml");
        eventually("the last good document", || (self.read("state/last-good.yaml") == document).then_some(()));
    }

    /// The command line, told where the agent is.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(words).env("MAILWARD_SOCKET", self.socket()).env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        said(self.command(words))
    }

    /// It runs, and ends with 0.
    pub(crate) fn does(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}\n{}", self.read("stderr"));
        said.out
    }

    /// As `start-msg`, `stop-msg` or `refresh`: by the name it is called with.
    pub(crate) fn called(&self, name: &str, words: &[&str]) -> Said {
        let link = self.path(name);
        if !link.exists() {
            std::os::unix::fs::symlink(program(), &link).unwrap();
        }
        let mut command = Command::new(link);
        command.args(words).args(["--config".into(), self.path("conf/mailward.yaml")]);
        command.args(["--state-dir".into(), self.path("state")]).args(["--runtime-dir".into(), self.path("run")]);
        command.env("NO_COLOR", "1").env_remove("MAILWARD_SOCKET").stdin(Stdio::null());
        said(command)
    }

    /// How its agent names itself to its services and in the tree of cgroups.
    fn instance(&self) -> String {
        format!("{:016x}", Fingerprint::of(self.path("run").as_os_str().as_encoded_bytes()).0)
    }

    /// Pids of everything of this house that lives, but not the agent that is our child.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let marker = format!("MAILWARD_SERVICE={}/", self.instance());
        let folder = format!("{}/", self.folder.path().to_str().unwrap());
        let cgroup = cgroup_of(&self.instance()).map(|folder| members(&folder)).unwrap_or_default();
        let own = |pid: &i32| {
            let has = |file: &str, text: &str| {
                let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(text)
            };
            let is_agent = self.agent.as_ref().is_some_and(|agent| i64::from(agent.id()) == i64::from(*pid));
            // What a mail server's worker is called and which environment it has is its own affair; where it works is not.
            let works_here = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
            let is_ours = cgroup.contains(pid)
                || has("environ", &marker)
                || has("environ", &folder)
                || has("cmdline", &folder)
                || works_here();
            !is_agent && is_alive(*pid) && is_ours
        };
        everyone().into_iter().filter(own).collect()
    }

    /// Ends everything. The agent takes in every orphan of its services, so what descends from it is all there is.
    fn sweep(&mut self) {
        let mut born = Vec::new();
        if let Some(mut agent) = self.agent.take() {
            let pid = i32::try_from(agent.id()).unwrap();
            // Stopped, it starts nothing more.
            signal_to(pid, Signal::STOP);
            born = family(pid);
            let _ = agent.kill();
            let _ = agent.wait();
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let left = self.processes();
            born.retain(|process| process.lives() && process.pid != std::process::id().cast_signed());
            if (left.is_empty() && born.is_empty()) || Instant::now() > until {
                break;
            }
            for pid in left.into_iter().chain(born.iter().map(|process| process.pid)) {
                signal_to(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        while let Some(cgroup) = cgroup_of(&self.instance()).filter(|_| Instant::now() < until) {
            remove_cgroup(&cgroup);
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.sweep();
    }
}

impl Status {
    pub(crate) fn services(&self) -> &Vec<Value> {
        self.0["status"]["instances"][0]["services"].as_array().unwrap()
    }

    /// Null where there is none of this name.
    pub(crate) fn service(&self, name: &str) -> &Value {
        self.services().iter().find(|service| service["name"] == name).unwrap_or(&Value::Null)
    }

    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        self.service(name)["pid"].as_i64().map(|pid| i32::try_from(pid).unwrap())
    }

    pub(crate) fn pids(&self) -> Vec<Option<i32>> {
        let pids = self.services().iter().map(|service| service["pid"].as_i64());
        pids.map(|pid| pid.map(|pid| i32::try_from(pid).unwrap())).collect()
    }

    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.service(name)["ready"] == "True"
    }

    pub(crate) fn is_settled(&self, name: &str) -> bool {
        self.service(name)["settled"] == true
    }

    pub(crate) fn reason(&self, name: &str) -> String {
        self.service(name)["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Status, reason and message.
    pub(crate) fn condition(&self, kind: &str) -> (String, String, String) {
        let all = self.0["status"]["conditions"].as_array().unwrap();
        let found = all.iter().find(|condition| condition["type"] == kind).unwrap();
        let text = |field: &str| found[field].as_str().unwrap().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    pub(crate) fn generation(&self) -> i64 {
        self.0["status"]["observedGeneration"].as_i64().unwrap()
    }
}

/// `services:` with one entry each: a name and its fields. Fields that begin with no command get one that writes into
/// the book.
pub(crate) fn services(all: &[(&str, &str)]) -> String {
    let mut text = "  services:\n".to_owned();
    for (name, fields) in all {
        let (comma, own) = (if fields.is_empty() { "" } else { ", " }, fields.starts_with("command:"));
        let command = if own { String::new() } else { format!(", command: [/bin/sh, {{dir}}/svc, {name}]") };
        let _ = writeln!(text, "    - {{name: {name}{command}{comma}{fields}}}");
    }
    text
}

/// Runs a command to its end.
pub(crate) fn said(mut command: Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
