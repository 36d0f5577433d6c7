//! What surrounds an agent: systemd, a container, full disks, strangers on its ports.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use super::house::{House, free_port, services, signal_to};
use crate::running::{PATIENCE, eventually, program};

/// What the agent told systemd, a datagram an entry.
#[derive(Clone, Default)]
struct Systemd(Arc<Mutex<Vec<String>>>);

impl Systemd {
    fn listens(house: &mut House) -> Self {
        let path = house.path("systemd");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        house.environment.push(("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned()));
        let told = Self::default();
        let all = told.0.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                all.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        told
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a datagram that has this line, from the given entry on; gives the entry behind it.
    fn says(&self, from: usize, line: &str) -> usize {
        eventually(&format!("{line} in {:?}", self.all()), || {
            let all = self.all();
            let at = all.iter().skip(from).position(|told| told.lines().any(|found| found.starts_with(line)))?;
            Some(from + at + 1)
        })
    }
}

#[test]
fn systemd_is_told_ready_status_reloading_and_stopping_and_its_watchdog_is_fed() {
    let mut house = House::new(&services(&[("imap", ""), ("smtp", "")]));
    let systemd = Systemd::listens(&mut house);
    house.environment.push(("WATCHDOG_USEC".to_owned(), "400000".to_owned()));
    house.start();
    let ready = systemd.says(0, "READY=1");
    let all = systemd.says(0, "STATUS=2 of 2 services ready");
    let fed = systemd.says(systemd.says(all, "WATCHDOG=1"), "WATCHDOG=1");
    house.does(&["stop", "smtp"]);
    systemd.says(fed, "STATUS=1 of 2 services ready");
    house.declare(&services(&[("imap", "")]));
    let reloading = systemd.says(ready, "RELOADING=1");
    assert!(systemd.all()[reloading - 1].contains("MONOTONIC_USEC="), "systemd wants the moment too");
    let again = systemd.says(reloading, "READY=1");
    house.signal_agent(Signal::TERM);
    systemd.says(again, "STOPPING=1");
    assert_eq!(house.ended().code(), Some(0));
    let services_saw_it = house.read("svc.book").contains("NOTIFY_SOCKET");
    assert!(!services_saw_it);
}

#[test]
fn a_watchdog_is_fed_by_the_loop_itself_and_so_not_while_that_hangs() {
    let mut house = House::new(&services(&[("imap", "")]));
    let systemd = Systemd::listens(&mut house);
    house.environment.push(("WATCHDOG_USEC".to_owned(), "100000".to_owned()));
    house.start();
    systemd.says(0, "WATCHDOG=1");
    house.signal_agent(Signal::STOP);
    let pid = house.agent_pid();
    eventually("it is stopped", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") T ").then_some(())
    });
    // A marker through the same socket: everything that was sent before it has been read when it has.
    let marker = UnixDatagram::unbound().unwrap();
    marker.send_to(b"MARK=1", house.path("systemd")).unwrap();
    let at = systemd.says(0, "MARK=1");
    marker.send_to(b"MARK=2", house.path("systemd")).unwrap();
    systemd.says(at, "MARK=2");
    assert_eq!(systemd.all().len(), at + 1, "nothing came from a stopped agent");
    house.signal_agent(Signal::CONT);
    systemd.says(at + 1, "WATCHDOG=1");
}

/// The agent as process 1 of a namespace of its own; what is its pid here.
pub(super) fn as_process_one(house: &mut House) -> i32 {
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child=KILL"]).arg(program());
    house.fill_agent(&mut command);
    house.start_by(&mut command);
    let parent = house.agent_pid();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn as_process_1_the_agent_reaps_orphans_and_term_stops_all_in_order() {
    let orphan = "command: [/bin/sh, -c, '(setsid sh -c \"echo \\$\\$ > $0/orphan.new; mv $0/orphan.new $0/orphan\" &); exec sleep 1000000', '{dir}']";
    let mut house = House::new(&services(&[("store", ""), ("imap", "dependsOn: [store]"), ("parent", orphan)]));
    let one = as_process_one(&mut house);
    let status = house.all_ready();
    assert_eq!(status.0["status"]["instances"][0]["agentPid"], 1);
    let orphan = eventually("the orphan", || house.read("orphan").trim().parse::<i32>().ok());
    let inside = PathBuf::from(format!("/proc/{one}/root/proc"));
    assert!(inside.join("1").exists());
    eventually("the orphan is reaped", || (!inside.join(orphan.to_string()).exists()).then_some(()));
    house.written(2);
    let refused = house.called("stop-msg", &["watcher"]);
    assert!(refused.code != 0 && refused.err.contains("the agent is process 1 here"), "{refused:?}");
    let killed = status.pid("imap").unwrap();
    // Its pid there, not here.
    let said = Command::new("/usr/bin/nsenter")
        .args(["--target", &one.to_string(), "--pid", "--mount", "/bin/kill", "-9", &killed.to_string()])
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    house.again("imap", killed);
    house.written(3);
    signal_to(one, Signal::TERM);
    assert_eq!(house.ended().code(), Some(0));
    // The first two may write in either order: what is ready at once was not asked whether it wrote yet.
    assert_eq!(house.book()[2..], ["+imap", "-imap", "-store"]);
    assert_eq!(house.processes(), Vec::<i32>::new());
}

/// The agent with a small disk of its own at this folder, which is seen below its root only.
fn with_small_disk(house: &mut House, folder: &str) -> PathBuf {
    let place = house.path(folder);
    fs::create_dir_all(&place).unwrap();
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "/bin/sh", "-c", "mount -t tmpfs -o size=128k,mode=755 tmpfs \"$0\" && exec \"$@\""]);
    command.arg(&place).arg(program());
    house.fill_agent(&mut command);
    if folder == "run" {
        house.socket_below_root_of_agent = true;
    }
    house.start_by(&mut command);
    PathBuf::from(format!("/proc/{}/root", house.agent_pid())).join(place.strip_prefix("/").unwrap())
}

/// Not a byte is left.
fn fill(folder: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(folder.join("filler")).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[test]
fn with_the_disk_of_its_data_full_the_agent_goes_on_says_so_and_recovers() {
    let chatty = "command: [/bin/sh, -c, 'while :; do echo a line of some length; sleep 0.02; done']";
    let mut house =
        House::new(&format!("  autorestart: {{maxRestarts: 9}}\n{}", services(&[("imap", ""), ("chatty", chatty)])));
    let data = with_small_disk(&mut house, "data");
    let before = house.all_ready();
    fill(&data);
    let mut imap = before.pid("imap").unwrap();
    for _ in 0..3 {
        signal_to(imap, Signal::KILL);
        imap = house.again("imap", imap);
    }
    let status = house.until("it says so", |status| status.condition("Degraded").1 == "AgentComplains");
    assert_eq!(status.condition("Ready").0, "True", "the services are well");
    let log = house.read("stderr");
    assert!(log.contains("data/log/default: ") && log.contains("No space left on device"), "{log}");
    house.until("of the output too", |_| house.read("stderr").contains("output of chatty cannot be written"));
    fs::remove_file(data.join("filler")).unwrap();
    signal_to(imap, Signal::KILL);
    imap = house.again("imap", imap);
    let watcher = || fs::read_to_string(data.join("log/watcher")).unwrap();
    eventually("it is logged again", || watcher().contains(&imap.to_string()).then_some(()));
    house.until("it is well again", |status| status.condition("Degraded").0 == "False");
}

#[test]
fn with_the_disk_of_its_runtime_folder_full_the_agent_goes_on_says_so_and_recovers() {
    let mut house =
        House::new(&format!("  autorestart: {{maxRestarts: 9}}\n{}", services(&[("imap", ""), ("smtp", "")])));
    let run = with_small_disk(&mut house, "run");
    let before = house.all_ready();
    fill(&run);
    let mut imap = before.pid("imap").unwrap();
    for _ in 0..5 {
        signal_to(imap, Signal::KILL);
        imap = house.again("imap", imap);
    }
    let status = house.until("it says so", |status| status.condition("Degraded").1 == "AgentComplains");
    assert!(status.condition("Degraded").2.contains("journal"), "{:?}", status.condition("Degraded"));
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    fs::remove_file(run.join("filler")).unwrap();
    signal_to(imap, Signal::KILL);
    house.again("imap", imap);
    house.until("it is well again", |status| status.condition("Degraded").0 == "False");
    let journal = fs::read_to_string(run.join("journal")).unwrap();
    assert!(journal.contains("imap") && journal.contains("smtp"), "everything is written anew");
}

#[test]
fn r05_a_stranger_on_the_port_is_named_and_never_signalled_and_nothing_is_started_beside_it() {
    let port = free_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let acts = super::actor::acts(&format!("greet {port} * OK IMAP4rev1"));
    let fields = format!("{acts}, listeners: [{{port: {port}, protocol: Imap}}]");
    let house = House::started(&services(&[("imap", &fields), ("smtp", "")]));
    house.until("smtp runs", |status| status.is_ready("smtp"));
    let status = house.until("it is named", |status| {
        status.reason("imap").contains(&port.to_string())
            && status.reason("imap").contains(&std::process::id().to_string())
    });
    assert_eq!(status.pid("imap"), None);
    house.run(&["stop", "--force", "imap"]);
    house.run(&["start", "imap", "--no-wait"]);
    assert_eq!(house.times("imap Started"), 0);
    drop(stranger);
    house.does(&["start", "imap"]);
    house.all_ready();
}

#[test]
fn sigint_ends_the_agent_as_term_does() {
    let mut house = House::started(&services(&[("imap", "")]));
    house.all_ready();
    house.signal_agent(Signal::INT);
    assert_eq!(house.ended().code(), Some(0));
    assert_eq!(house.processes(), Vec::<i32>::new());
}
