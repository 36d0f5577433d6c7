//! A pod made of a folder, a namespace and an agent: everything is gone with the test.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::door::Door;
use crate::plane::{Plane, plane};

/// More than any of this takes on a machine that works: the longest pause of the agent and a new connection are in it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// `NAME`, then it waits. The book tells who began and who was asked to end.
const SERVICE: &str = r#"trap 'echo "-$1" >> "$0.book"; kill $!; exit 0' TERM
sleep 1000000 &
echo "+$1" >> "$0.book"
wait $!
"#;

/// One agent, its resource and its door.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    pub(crate) plane: &'static Plane,
    pub(crate) namespace: String,
    pub(crate) door: Door,
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) grace: Option<u64>,
    /// Words before the agent's program.
    pub(crate) before: Vec<String>,
    pub(crate) health: u16,
    agent: Option<Child>,
}

impl Server {
    /// A namespace and no resource; nothing runs.
    pub(crate) fn new() -> Self {
        Self::on(plane())
    }

    /// The same on this control plane.
    pub(crate) fn on(plane: &'static Plane) -> Self {
        let folder = tempfile::Builder::new().prefix("mwk").tempdir_in("/tmp").unwrap();
        fs::write(folder.path().join("svc"), SERVICE).unwrap();
        let door = Door::before(plane.address);
        fs::write(folder.path().join("kubeconfig"), plane.kubeconfig_at(door.address())).unwrap();
        Self {
            folder,
            plane,
            namespace: plane.namespace(),
            door,
            pod: "mail-0".to_owned(),
            uid: "11111111-0000-0000-0000-000000000000".to_owned(),
            grace: None,
            before: Vec::new(),
            health: free_port(),
            agent: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn api(&self) -> Api<DynamicObject> {
        self.plane.resources(&self.namespace)
    }

    /// A whole spec around these fields.
    pub(crate) fn spec(&self, fields: &Value) -> Value {
        let mut spec = json!({
            "profile": "Custom",
            "highAvailability": { "mode": "None" },
            "dataRoot": self.path("data"),
            "watcher": { "port": free_port() },
        });
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    }

    pub(crate) fn create(&self, fields: &Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
            "metadata": { "name": "mail" }, "spec": self.spec(fields),
        });
        let object = serde_json::from_value(object).unwrap();
        self.plane.wait_for(self.api().create(&PostParams::default(), &object)).unwrap()
    }

    /// A merge patch of the spec; the new generation.
    pub(crate) fn edit(&self, fields: &Value) -> i64 {
        let patch = Patch::Merge(json!({ "spec": fields }));
        let done = self.plane.wait_for(self.api().patch("mail", &PatchParams::default(), &patch)).unwrap();
        done.metadata.generation.unwrap()
    }

    pub(crate) fn delete(&self) {
        self.plane.wait_for(self.api().delete("mail", &DeleteParams::default())).unwrap();
    }

    pub(crate) fn object(&self) -> DynamicObject {
        self.plane.wait_for(self.api().get("mail")).unwrap()
    }

    pub(crate) fn version(&self) -> String {
        self.object().metadata.resource_version.unwrap()
    }

    /// The entry of this pod on the API server; null where there is none.
    pub(crate) fn entry(&self) -> Value {
        entry(&self.object(), &self.pod)
    }

    /// Waits until the entry is as wished.
    pub(crate) fn entry_until(&self, what: &str, wished: impl Fn(&Value) -> bool) -> Value {
        self.eventually(what, || Some(self.entry()).filter(&wished))
    }

    pub(crate) fn command(&self) -> Command {
        let mut words = self.before.clone();
        words.push(env!("CARGO_BIN_EXE_mailward").to_owned());
        let mut command = Command::new(&words[0]);
        let errors = File::options().create(true).append(true).open(self.path("stderr")).unwrap();
        command
            .args(&words[1..])
            .args(["run", "--from", "kubernetes", "--health", &format!("127.0.0.1:{}", self.health)])
            .args(["--state-dir".into(), self.path("state")])
            .args(["--runtime-dir".into(), self.path("run")])
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("MAILWARD_NAMESPACE", &self.namespace)
            .env("MAILWARD_NAME", "mail")
            .env("MAILWARD_POD_NAME", &self.pod)
            .env("MAILWARD_POD_UID", &self.uid)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        if let Some(grace) = self.grace {
            command.env("MAILWARD_GRACE_SECONDS", grace.to_string());
        }
        command
    }

    /// The agent; returns at once.
    pub(crate) fn begin(&mut self) {
        assert!(self.agent.is_none());
        self.agent = Some(self.command().process_group(0).spawn().unwrap());
    }

    /// The agent; returns when every required service is ready.
    pub(crate) fn start(&mut self) {
        self.begin();
        self.all_ready();
    }

    pub(crate) fn all_ready(&self) {
        self.eventually("all ready", || (self.get("/readyz")?.0 == 200).then_some(()));
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.agent.as_ref().unwrap().id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Waits for the agent's own end.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.agent.as_mut().unwrap().try_wait().unwrap() {
                self.agent = None;
                return status.code();
            }
            assert!(Instant::now() < until, "the agent does not end\n{}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`; returns when its lock is free, for what we have started may be only the agent's parent.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended();
        let lock = File::open(self.path("run/agent.pid")).unwrap();
        let now = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        self.eventually("the end of the agent itself", || rustix::fs::flock(&lock, now).ok());
    }

    /// One question at the health port: status code and body.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let stream = std::net::TcpStream::connect(("127.0.0.1", self.health)).ok()?;
        ask(stream, "GET", path, "")
    }

    /// One question on the control socket.
    pub(crate) fn control(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        ask(UnixStream::connect(self.path("run/control.sock")).ok()?, method, path, body)
    }

    /// The agent's own status.
    pub(crate) fn status(&self) -> Option<Value> {
        let (code, body) = self.control("GET", "/v1/status", "")?;
        (code == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// A service in the agent's own status; null where there is none.
    pub(crate) fn service(&self, name: &str) -> Value {
        let status = self.status().unwrap_or_default();
        find(&status["status"]["instances"][0]["services"], name)
    }

    /// Waits until a service runs and is ready, as another process than that.
    pub(crate) fn again(&self, name: &str, before: i64) -> i64 {
        self.eventually(&format!("{name} again"), || {
            let service = self.service(name);
            service["pid"].as_i64().filter(|pid| *pid != before && service["ready"] == "True")
        })
    }

    pub(crate) fn service_pid(&self, name: &str) -> i64 {
        self.again(name, 0)
    }

    /// A crash of a service; its next process.
    pub(crate) fn crash(&self, name: &str) -> i64 {
        let pid = self.service_pid(name);
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        self.again(name, pid)
    }

    /// An order by a person.
    pub(crate) fn order(&self, verb: &str, service: &str) {
        let body = json!({ "verb": verb, "services": [service] }).to_string();
        let (code, answer) = self.control("POST", "/v1/orders", &body).unwrap();
        assert_eq!(code, 200, "{answer}");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// What the services wrote, an entry each.
    pub(crate) fn book(&self) -> Vec<String> {
        self.read("svc.book").lines().map(str::to_owned).collect()
    }

    /// A number of `/metrics`.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let (_, text) = self.get("/metrics").unwrap_or_default();
        let value = text.lines().find_map(|is| is.strip_prefix(line)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or(-1.0)
    }

    /// The Events about the resource: reason, action and note.
    pub(crate) fn events(&self) -> Vec<(String, String, String)> {
        let api: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(self.plane.client.clone(), &self.namespace);
        let list = self.plane.wait_for(api.list(&kube::api::ListParams::default())).unwrap();
        let told = list.items.into_iter().map(|event| {
            assert_eq!(event.reporting_controller.as_deref(), Some("mailward.dev/agent"));
            let regarding = event.regarding.unwrap();
            assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("MessagingServer"), Some("mail")));
            (event.reason.unwrap(), event.action.unwrap(), event.note.unwrap())
        });
        told.collect()
    }

    pub(crate) fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            if Instant::now() > until {
                let object = self.plane.wait_for(self.api().get_opt("mail")).ok().flatten();
                panic!("{what}: not in time\n{:#?}\n{:#?}\n{}", self.status(), object, self.read("stderr"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A service that writes into the book.
    pub(crate) fn writer(&self, name: &str) -> Value {
        json!({ "name": name, "command": ["/bin/sh", self.path("svc"), name] })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            // Everything of it stops in order; what does not is killed.
            let _ = kill_process(Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap(), Signal::TERM);
            let until = Instant::now() + Duration::from_secs(10);
            while matches!(agent.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap(), Signal::KILL);
            let _ = agent.wait();
        }
        let folder = self.folder.path().to_string_lossy().into_owned();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| String::from_utf8_lossy(&cmdline).contains(&folder)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The entry of a pod in an object; null where there is none.
pub(crate) fn entry(object: &DynamicObject, pod: &str) -> Value {
    find(&object.data["status"]["instances"], pod)
}

/// The condition of an entry; null where there is none.
pub(crate) fn condition(entry: &Value, kind: &str) -> Value {
    entry["conditions"].as_array().into_iter().flatten().find(|is| is["type"] == kind).cloned().unwrap_or_default()
}

/// The item of this name; null where there is none.
pub(crate) fn find(list: &Value, name: &str) -> Value {
    list.as_array().into_iter().flatten().find(|item| item["name"] == name).cloned().unwrap_or_default()
}

fn ask(mut stream: impl std::io::Read + std::io::Write, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
