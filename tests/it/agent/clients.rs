//! Store clients of every kind at the watcher's doors.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;

use super::house::{House, is_alive, services, signal_to};
use crate::running::{PATIENCE, eventually};

pub(super) const STORE: [(&str, &str); 3] =
    [("store", "group: store, groupRole: Lead"), ("imap", "group: store, dependsOn: [store]"), ("smtp", "")];

/// Connects to a socket or a port, sends what it is told and gives back what it hears; `@` is its own pid. `close` ends
/// the connection and `die N` the process.
const CLIENT: &str = r#"import hashlib, hmac, os, socket, sys
at, secret = sys.argv[1], sys.argv[2]
if at.isdigit():
    line = socket.create_connection(("127.0.0.1", int(at)))
else:
    line = socket.socket(socket.AF_UNIX); line.connect(at)
lines = line.makefile("r", newline="\n")
print(os.getpid(), flush=True)
greeting = lines.readline().split()
print(" ".join(greeting), flush=True)
for said in sys.stdin:
    said = said.rstrip("\n").replace("@", str(os.getpid()))
    if said == "prove":
        said = "PROOF " + hmac.new(open(secret).read().strip().encode(), greeting[3].encode(), hashlib.sha256).hexdigest()
    if said == "close":
        lines.close(); line.close(); print("closed", flush=True); continue
    if said.startswith("die "):
        os._exit(int(said.split()[1]))
    quiet = said.split(" ")[0] in ("ALIVE", "STRESSED")
    try:
        line.sendall(said.encode() + b"\n")
        print("sent" if quiet else lines.readline().strip(), flush=True)
    except OSError:
        print("", flush=True)
"#;

/// A client that does as it is told.
struct Puppet {
    process: Child,
    heard: BufReader<ChildStdout>,
    pid: i32,
    greeting: String,
}

impl Puppet {
    fn on(house: &House, at: &str) -> Self {
        house.put("client.py", CLIENT);
        let mut command = Command::new("python3");
        command.arg(house.path("client.py")).arg(at).arg(house.path("run/watcher.secret"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
        let mut heard = BufReader::new(process.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            heard.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        let (pid, greeting) = (line().parse().expect("its pid"), line());
        Self { process, heard, pid, greeting }
    }

    fn unix(house: &House) -> Self {
        Self::on(house, house.path("run/watcher.sock").to_str().unwrap())
    }

    /// On the Unix socket, registered.
    fn registered(house: &House, heartbeat: &str) -> Self {
        let mut client = Self::unix(house);
        assert_eq!(client.greeting, "MAILWARD 1");
        assert_eq!(client.says(&format!("REGISTER mboxutil @{heartbeat}")), "OK");
        client
    }

    fn says(&mut self, words: &str) -> String {
        writeln!(self.process.stdin.as_ref().unwrap(), "{words}").unwrap();
        let mut line = String::new();
        self.heard.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn dies(mut self, code: i32) {
        let _ = writeln!(self.process.stdin.as_ref().unwrap(), "die {code}");
        self.process.wait().unwrap();
    }

    fn killed(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn house(policy: &str) -> House {
    let house = House::started(&format!("{policy}{}", services(&STORE)));
    house.all_ready();
    house
}

/// How often what is told of a client is of this kind.
fn told(house: &House, kind: &str) -> usize {
    let told = house.get("/v1/history");
    let is_it = |told: &&serde_json::Value| told["event"]["news"]["kind"] == kind;
    told.as_array().unwrap().iter().filter(is_it).count()
}

/// The store's services are other processes than before, and smtp is the same; the group restarted so often in all.
fn restarted(house: &House, before: &super::house::Status, times: usize) -> super::house::Status {
    house.until("the restart of the store's services", |status| {
        let is_new = |name: &str| status.is_ready(name) && status.pid(name) != before.pid(name);
        is_new("store") && is_new("imap")
    });
    let status = house.all_ready();
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    assert_eq!(house.times("store GroupRestarts"), times, "{:?}", house.history());
    status
}

#[test]
fn r14_a_client_that_is_killed_or_ends_without_a_goodbye_restarts_the_stores_services_and_nothing_else() {
    let house = house("  autorestart: {maxRestarts: 2}\n");
    let before = house.status();
    let killed = Puppet::registered(&house, "");
    let pid = killed.pid;
    killed.killed();
    let between = restarted(&house, &before, 1);
    assert!(!is_alive(pid), "nobody started it again");
    assert!(house.read("data/log/watcher").contains(&format!("Watched 'mboxutil' process {pid} exited abnormally")));
    Puppet::registered(&house, "").dies(0);
    restarted(&house, &between, 2);
    let listed = &house.status().0["status"]["instances"][0]["clients"];
    assert!(listed.as_array().is_none_or(Vec::is_empty), "{listed}");
}

#[test]
fn r14_after_a_goodbye_nothing_follows_however_a_client_ends() {
    let house = house("");
    let before = house.status();
    let mut client = Puppet::registered(&house, "");
    let listed = house.status().0["status"]["instances"][0]["clients"].clone();
    assert_eq!(listed, serde_json::json!([{"name": "mboxutil", "pid": client.pid}]));
    assert_eq!(client.says("GOODBYE"), "OK");
    client.killed();
    // Whoever comes later and dies is seen, so the one before was seen too.
    Puppet::registered(&house, "").dies(1);
    restarted(&house, &before, 1);
    assert_eq!((told(&house, "SaidGoodbye"), told(&house, "Died")), (1, 1));
}

#[test]
fn r14_a_client_that_loses_its_connection_is_watched_by_its_pid_and_may_come_back() {
    let house = house("");
    let before = house.status();
    let mut client = Puppet::registered(&house, "");
    assert_eq!(client.says("close"), "closed");
    eventually("it is noticed", || (told(&house, "LostItsLine") == 1).then_some(()));
    assert_eq!((house.status().pids(), told(&house, "Died")), (before.pids(), 0));
    client.killed();
    restarted(&house, &before, 1);
}

#[test]
fn r14_a_client_that_hangs_is_killed_and_then_it_is_a_crash() {
    let house = house("");
    let before = house.status();
    let mut client = Puppet::registered(&house, " heartbeat=1");
    assert_eq!(client.says("ALIVE"), "sent");
    restarted(&house, &before, 1);
    assert_eq!(told(&house, "Froze"), 1);
    let status = client.process.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[test]
fn r14_a_client_that_registers_twice_is_one() {
    let house = house("");
    let before = house.status();
    let mut client = Puppet::registered(&house, "");
    assert_eq!(client.says("REGISTER mboxutil @ heartbeat=3600"), "OK");
    assert_eq!(client.says("REGISTER reconstruct @"), "OK", "the later name counts");
    let listed = house.status().0["status"]["instances"][0]["clients"].clone();
    assert_eq!(listed, serde_json::json!([{"name": "reconstruct", "pid": client.pid}]));
    client.killed();
    restarted(&house, &before, 1);
    assert_eq!(told(&house, "Died"), 1);
}

#[test]
fn r14_a_client_that_lies_about_its_pid_is_refused() {
    let house = house("");
    let before = house.status().pids();
    let store = house.status().pid("store").unwrap();
    for (pid, words) in [
        (1, "NO process 1 is neither"),
        (store, "is neither yours nor below you"),
        (i32::MAX, "NO there is no process"),
    ] {
        let mut client = Puppet::unix(&house);
        let answer = client.says(&format!("REGISTER mboxutil {pid}"));
        assert!(answer.contains(words), "{pid}: {answer}");
        assert_eq!(client.says("GOODBYE"), "", "the connection has ended");
    }
    assert_eq!((told(&house, "Registered"), house.status().pids()), (0, before));
}

#[test]
fn r14_a_flood_is_slowed_and_bounded_and_disturbs_nobody() {
    let house = house("");
    let mut flood = UnixStream::connect(house.path("run/watcher.sock")).unwrap();
    flood.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let lines = "STRESSED smtp\n".repeat(100_000);
    // It is read 32 lines a second; what it may have sent ahead is the kernel's buffer.
    let mut sent = 0;
    while let Ok(length) = flood.write(&lines.as_bytes()[sent..]) {
        sent += length;
    }
    assert!(sent < lines.len() / 2, "{sent} bytes were taken");
    let mut long = UnixStream::connect(house.path("run/watcher.sock")).unwrap();
    long.set_read_timeout(Some(PATIENCE)).unwrap();
    long.write_all(&[b'A'; 300]).unwrap();
    let mut heard = String::new();
    let _ = long.read_to_string(&mut heard);
    assert_eq!(heard, "MAILWARD 1\nNO a line may have 256 bytes\n");
    let before = house.status();
    Puppet::registered(&house, "").killed();
    restarted(&house, &before, 1);
}

#[test]
fn r14_on_tcp_a_stranger_cannot_cause_a_restart_and_who_can_read_the_secret_can() {
    let house = house("");
    let before = house.status();
    let port = house.port.to_string();
    let mode = fs::metadata(house.path("run/watcher.secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "no mail user is declared, so nobody else reads it");
    for words in ["REGISTER mboxutil @", "PROOF 00", "GOODBYE"] {
        let mut stranger = Puppet::on(&house, &port);
        assert!(stranger.greeting.starts_with("MAILWARD 1 PROVE "), "{}", stranger.greeting);
        assert!(stranger.says(words).starts_with("NO "));
        stranger.killed();
    }
    assert_eq!(told(&house, "Registered"), 0);
    let mut client = Puppet::on(&house, &port);
    assert_eq!(client.says("prove"), "OK");
    assert!(client.says("REGISTER mboxutil 1").starts_with("NO "), "a pid is proved on TCP too");
    let mut client = Puppet::on(&house, &port);
    assert_eq!((client.says("prove"), client.says("REGISTER mboxutil @")), ("OK".to_owned(), "OK".to_owned()));
    client.killed();
    restarted(&house, &before, 1);
}

#[test]
fn r14_another_user_may_not_register_and_the_mail_user_may() {
    let lead = "group: store, groupRole: Lead, user: mail";
    let house = House::started(&services(&[("store", lead), ("smtp", "")]));
    house.all_ready();
    let socket = house.path("run/watcher.sock");
    let ask = |user: &str| {
        // Perl is part of every Debian, and no user's own.
        let script = r#"my $s = IO::Socket::UNIX->new($ARGV[0]) or die "$!\n"; print scalar <$s>"#;
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                user,
                "--regid",
                "nogroup",
                "--init-groups",
                "/usr/bin/perl",
                "-MIO::Socket::UNIX",
                "-e",
                script,
            ])
            .arg(&socket);
        let output = command.output().expect("setpriv is installed");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(ask("nobody").contains("Permission denied"));
    // Whoever gets past the file's mode is told by the kernel's word.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(ask("nobody").contains("NO only root"), "{}", ask("nobody"));
    assert!(ask("mail").contains("MAILWARD 1"), "{}", ask("mail"));
    let secret = fs::metadata(house.path("run/watcher.secret")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o640);
}

#[test]
fn r14_after_an_agent_restart_clients_are_watched_again_by_pid() {
    let mut house = house("");
    let before = house.status();
    let client = Puppet::registered(&house, "");
    house.restart_agent();
    house.all_ready();
    assert_eq!(house.status().0["status"]["instances"][0]["clients"][0]["pid"], client.pid);
    client.killed();
    restarted(&house, &before, 1);
}

#[test]
fn r31_with_the_watcher_off_there_is_no_door() {
    let house = house("");
    let client = Puppet::registered(&house, "");
    house.declare(&format!("  watcher: {{enabled: false, port: {}}}\n{}", house.port, services(&STORE)));
    house.until("the new document", |status| status.generation() == 2);
    assert!(!house.path("run/watcher.sock").exists());
    eventually("the port is closed", || TcpStream::connect(("127.0.0.1", house.port)).is_err().then_some(()));
    let before = house.status().pids();
    client.killed();
    house.declare(&services(&STORE));
    house.until("the third document", |status| status.generation() == 3);
    Puppet::registered(&house, "").says("GOODBYE");
    assert_eq!((house.status().pids(), told(&house, "Died")), (before, 0));
}

#[test]
fn r12_with_autorestart_off_the_advice_lists_the_store_clients_that_live() {
    let house = house("  autorestart: {enabled: false}\n");
    let client = Puppet::registered(&house, "");
    signal_to(house.status().pid("imap").unwrap(), Signal::KILL);
    house.happens("imap OnlyReported", 1);
    let named = format!("mboxutil (pid {})", client.pid);
    assert!(house.read("data/log/default").contains(&named), "{}", house.read("data/log/default"));
    let advice = house.status().0["status"]["instances"][0]["advice"].clone();
    assert!(advice.as_str().is_some_and(|advice| advice.contains(&named)), "{advice}");
    assert!(house.run(&["status"]).out.contains(&named));
    let said = house.called("start-msg", &["imap"]);
    assert!(said.code == 0 && said.err.contains(&named), "{said:?}");
}

#[test]
fn r14_the_examples_of_the_reference_in_python_and_c_do_what_they_say() {
    let house = house("");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/reference/watcher.md")).unwrap();
    let example = |language: &str| {
        let code =
            page.split_once(&format!("```{language}\n")).expect(language).1.split_once("```").unwrap().0.to_owned();
        let lines = code.lines().count();
        assert!(lines <= 20, "{language}: {lines} lines");
        code
    };
    house.put("example.py", &example("python"));
    house.put("example.c", &example("c"));
    let built = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .args([house.path("example"), house.path("example.c")])
        .status();
    assert!(built.expect("a C compiler is installed").success());
    let socket = house.path("run/watcher.sock");
    let python = || {
        let mut command = Command::new("python3");
        command.arg(house.path("example.py"));
        command
    };
    let c = || Command::new(house.path("example"));
    for (command, name) in [(python(), "reindex"), (c(), "compact")] {
        let mut command = command;
        assert!(command.arg(&socket).status().unwrap().success(), "{name}");
    }
    assert_eq!((told(&house, "Registered"), told(&house, "SaidGoodbye"), told(&house, "Died")), (2, 2, 0));
    let mut killed = c().arg(&socket).arg("works").spawn().unwrap();
    eventually("it is registered", || (told(&house, "Registered") == 3).then_some(()));
    let before = house.status();
    killed.kill().unwrap();
    killed.wait().unwrap();
    restarted(&house, &before, 1);
}
