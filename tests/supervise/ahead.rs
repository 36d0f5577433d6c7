//! The successor of a service that died is made while it is decided whether it is wanted ([R9] restarts at once).

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mailward::desired::Launch;
use mailward::model::{Boot, Exit, Identity, Incarnation, Name};
use mailward::plan::{Seen, Step};
use mailward::supervise::Host;

use crate::stage::{Stage, cgroup_of, config, role, sh, with_and_without_cgroups};

const SCRIPT: &str = "exec sleep 1000";

/// The children of this process; those that an earlier test left dead among them.
fn children() -> Vec<i32> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    of.flat_map(|pids| pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()).collect()
}

/// Those that came after these.
fn new_children(old: &[i32]) -> Vec<i32> {
    children().into_iter().filter(|pid| !old.contains(pid)).collect()
}

fn spawn(life: u64) -> Step {
    Step::Spawn { incarnation: Incarnation(life), ready_by: Boot(u64::MAX) }
}

fn begin(host: &mut Host, launch: &Arc<Launch>, life: u64) {
    host.perform(&Name::from("imap"), launch, &spawn(life), None);
}

fn spawned(stage: &mut Stage) -> Identity {
    stage.until("imap", |seen| match seen {
        Seen::Spawned { identity, .. } => Some(*identity),
        Seen::SpawnFailed { error, .. } => panic!("{error}"),
        _ => None,
    })
}

fn kill(identity: Identity) {
    let pid = rustix::process::Pid::from_raw(identity.pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Starts imap and kills it; what is left is its successor, which waits: its pid, and the children there were before.
fn die(stage: &mut Stage, launch: &Arc<Launch>) -> (i32, Vec<i32>) {
    let old = children();
    begin(stage.host(), launch, 1);
    let first = spawned(stage);
    kill(first);
    assert_eq!(stage.exit("imap"), Exit::Signal(9));
    stage.empty("imap");
    // Its predecessor may be there too: dead, with nobody having read how.
    let made: Vec<i32> = new_children(&old).into_iter().filter(|pid| *pid != first.pid).collect();
    let [ahead] = made[..] else { panic!("made ahead: {made:?}") };
    (ahead, old)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r09_the_successor_that_was_made_ahead_becomes_the_service_when_the_planner_says_so() {
    with_and_without_cgroups(|stage| {
        let launch = Arc::new(sh(SCRIPT));
        let (ahead, old) = die(stage, &launch);
        let waits = std::fs::read_to_string(format!("/proc/{ahead}/cmdline")).unwrap();
        assert!(!waits.contains("sleep"), "it has no program before it is wanted: {waits}");
        begin(stage.host(), &launch, 2);
        let second = spawned(stage);
        assert_eq!(second.pid, ahead);
        let marker = format!("MAILWARD_SERVICE={}/imap/2", stage.instance());
        stage.until_true("it runs", |_| {
            let runs = std::fs::read_to_string(format!("/proc/{ahead}/comm")).is_ok_and(|name| name == "sleep\n");
            let environ = std::fs::read(format!("/proc/{ahead}/environ")).unwrap();
            runs && environ.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        });
        assert_eq!(new_children(&old), [ahead]);
        kill(second);
        assert_eq!(stage.exit("imap"), Exit::Signal(9));
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r09_what_was_made_ahead_and_is_not_wanted_goes_without_a_trace() {
    with_and_without_cgroups(|stage| {
        let launch = Arc::new(sh(SCRIPT));
        let (_, old) = die(stage, &launch);
        stage.host().decided();
        stage.until_true("nothing is left", |_| new_children(&old).is_empty());
        assert!(!stage.has("imap", |_| true), "nobody is told of it: {:?}", stage.seen);
        begin(stage.host(), &launch, 2);
        let second = spawned(stage);
        assert_eq!(new_children(&old), [second.pid]);
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r19_a_declaration_that_changed_since_is_the_one_that_runs() {
    with_and_without_cgroups(|stage| {
        let (ahead, old) = die(stage, &Arc::new(sh(SCRIPT)));
        begin(stage.host(), &Arc::new(sh("echo changed; exec sleep 1000")), 2);
        let second = spawned(stage);
        assert_ne!(second.pid, ahead);
        stage.until_true("the new one runs alone", |stage| {
            stage.host().last_lines("imap") == ["changed"] && new_children(&old) == [second.pid]
        });
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r19_accounts_that_may_have_changed_since_are_read_before_anything_runs() {
    with_and_without_cgroups(|stage| {
        let launch = Arc::new(Launch { user: Some("root".to_owned()), ..sh(SCRIPT) });
        let (ahead, old) = die(stage, &launch);
        // What is in it stays; when it was changed does not.
        let mode = std::fs::metadata("/etc/group").unwrap().permissions();
        std::fs::set_permissions("/etc/group", mode).unwrap();
        begin(stage.host(), &launch, 2);
        let second = spawned(stage);
        assert_ne!(second.pid, ahead);
        stage.until_true("it runs alone", |_| new_children(&old) == [second.pid]);
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r09_a_service_whose_cgroup_somebody_removed_comes_back_in_a_new_one() {
    let mut stage = Stage::new(true);
    let launch = Arc::new(sh(SCRIPT));
    // From its first end on the folder of its cgroup stays open.
    let (_, old) = die(&mut stage, &launch);
    begin(stage.host(), &launch, 2);
    let second = spawned(&mut stage);
    let folder = cgroup_of(second.pid);
    std::fs::write(folder.with_file_name("cgroup.procs"), second.pid.to_string()).unwrap();
    stage.until_true("it is removed", |_| std::fs::remove_dir(&folder).is_ok());
    kill(second);
    assert_eq!(stage.exit("imap"), Exit::Signal(9));
    stage.empty("imap");
    begin(stage.host(), &launch, 3);
    let third = spawned(&mut stage);
    assert_eq!(cgroup_of(third.pid), folder);
    stage.until_true("it is alone", |_| new_children(&old) == [third.pid]);
    kill(third);
    assert_eq!(stage.exit("imap"), Exit::Signal(9));
    stage.empty("imap");
    let made: Vec<i32> = new_children(&old).into_iter().filter(|pid| *pid != third.pid).collect();
    assert_eq!(made.len(), 1, "the folder of the new one is known: {made:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r03_a_service_that_was_asked_to_end_has_no_successor_made_ahead() {
    with_and_without_cgroups(|stage| {
        let (launch, old) = (sh(SCRIPT), children());
        stage.start("imap", &launch, 1);
        stage.ask("imap", &launch, 1);
        assert_eq!(stage.exit("imap"), Exit::Signal(15));
        stage.empty("imap");
        stage.until_true("its status was read", |_| new_children(&old).is_empty());
    });
}

/// Not a test: an agent in small that never decides.
#[test]
#[ignore = "a role that tests give to this binary"]
fn undecided() {
    let Ok(folder) = std::env::var("FOLDER") else { return };
    let instance = std::env::var("INSTANCE").unwrap();
    let mut host = Host::new(config(folder.as_ref(), &instance, std::env::var("CGROUPS").is_ok(), true)).unwrap();
    begin(&mut host, &Arc::new(sh(SCRIPT)), 1);
    let mut first = None;
    loop {
        let mut poll = [rustix::event::PollFd::from_borrowed_fd(host.fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut poll, None).unwrap();
        let mut events = Vec::new();
        let _ = host.drain(&mut events);
        for event in events {
            match event.what {
                Seen::Spawned { identity, .. } => {
                    kill(identity);
                    first = Some(identity.pid);
                }
                Seen::Emptied { .. } => {
                    for pid in children().iter().filter(|pid| Some(**pid) != first) {
                        println!("\nWAITS {pid}");
                    }
                    loop {
                        std::thread::park();
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn r05_what_an_agent_made_ahead_ends_with_the_agent_that_is_killed() {
    with_and_without_cgroups(|stage| {
        let command = role("ahead::undecided");
        let mut agent = Command::new(&command[0]);
        agent.args(&command[1..]).env("FOLDER", stage.folder.path()).env("INSTANCE", stage.instance());
        if stage.host().has_cgroups() {
            agent.env("CGROUPS", "1");
        }
        let mut agent = agent.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines().map_while(Result::ok);
        let pid = lines.find_map(|line| line.strip_prefix("WAITS ").map(str::to_owned)).unwrap();
        let there = std::path::PathBuf::from(format!("/proc/{pid}"));
        assert!(there.exists());
        agent.kill().unwrap();
        agent.wait().unwrap();
        stage.until_true("it is gone", |_| !there.exists());
    });
}
