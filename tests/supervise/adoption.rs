//! The agent dies; its services do not.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mailward::desired::{Launch, Readiness};
use mailward::model::{Boot, Exit, Identity, Incarnation, Name};
use mailward::plan::{Event, Found, Seen, Step};
use mailward::supervise::{Drained, Host, Recorded};

use crate::stage::{Stage, config, role, sh, with_and_without_cgroups};

const SCRIPT: &str = "sleep 1000 & echo started; while :; do sleep 1000 & wait $!; done";

/// Not a test: an agent in small, which starts one service, says its identity and waits for its own end.
#[test]
#[ignore = "a role that tests give to this binary"]
fn agent() {
    let Ok(folder) = std::env::var("FOLDER") else { return };
    let instance = std::env::var("INSTANCE").unwrap();
    let cgroups = std::env::var("CGROUPS").is_ok();
    let mut host = Host::new(config(folder.as_ref(), &instance, cgroups, true)).unwrap();
    let step = Step::Spawn { incarnation: Incarnation(3), ready_by: Boot(u64::MAX) };
    host.perform(&Name::from("imap"), &Arc::new(sh(SCRIPT)), &step, None);
    loop {
        let mut poll = [rustix::event::PollFd::from_borrowed_fd(host.fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut poll, None).unwrap();
        let mut events = Vec::new();
        let _: Drained = host.drain(&mut events);
        for Event { what, .. } in events {
            if let Seen::Spawned { identity, .. } = what {
                println!("\nSPAWNED {} {}", identity.pid, identity.started);
            }
        }
    }
}

fn start_agent(stage: &mut Stage) -> (Child, Identity) {
    let command = role("adoption::agent");
    let mut agent = Command::new(&command[0]);
    agent.args(&command[1..]).env("FOLDER", stage.folder.path()).env("INSTANCE", stage.instance());
    if stage.host().has_cgroups() {
        agent.env("CGROUPS", "1");
    }
    let mut child = agent.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let identity = lines
        .map_while(Result::ok)
        .find_map(|line| {
            let (pid, started) = line.strip_prefix("SPAWNED ")?.split_once(' ')?;
            Some(Identity { pid: pid.parse().ok()?, started: started.parse().ok()? })
        })
        .unwrap();
    (child, identity)
}

#[test]
fn r05_a_service_of_an_agent_killed_with_9_is_adopted_with_the_same_pid() {
    with_and_without_cgroups(|stage| {
        stage.new_host(false);
        // Orphans of the killed agent go to init, as they would: nothing of it becomes our child.
        rustix::process::set_child_subreaper(None).unwrap();
        let (mut agent, identity) = start_agent(stage);
        agent.kill().unwrap();
        agent.wait().unwrap();
        let recorded = Recorded { incarnation: Incarnation(3), identity: Some(identity) };
        let found = stage.look("imap", &sh(SCRIPT), Some(recorded));
        assert_eq!(found, Found::Ours { incarnation: Incarnation(3), identity });
        stage.ready("imap");
        stage.ask("imap", &sh(SCRIPT), 3);
        // From Linux 6.15 on the kernel tells how; before, it is unknown, and that is a value.
        let exit = stage.exit("imap");
        assert!(matches!(exit, Exit::Signal(15) | Exit::Unknown), "{exit:?}");
        stage.kill("imap", &sh(SCRIPT), 3);
        stage.empty("imap");
    });
}

#[test]
fn r05_an_agent_killed_before_it_wrote_the_pid_down_still_finds_its_service() {
    with_and_without_cgroups(|stage| {
        stage.new_host(false);
        let (mut agent, identity) = start_agent(stage);
        agent.kill().unwrap();
        agent.wait().unwrap();
        let recorded = Recorded { incarnation: Incarnation(3), identity: None };
        let found = stage.look("imap", &sh(SCRIPT), Some(recorded));
        assert_eq!(found, Found::Ours { incarnation: Incarnation(3), identity });
        stage.kill("imap", &sh(SCRIPT), 3);
        stage.exit("imap");
        stage.empty("imap");
    });
}

#[test]
fn r05_with_the_ledger_lost_the_incarnation_is_read_from_the_process() {
    with_and_without_cgroups(|stage| {
        stage.new_host(false);
        let (mut agent, identity) = start_agent(stage);
        agent.kill().unwrap();
        agent.wait().unwrap();
        assert_eq!(stage.look("imap", &sh(SCRIPT), None), Found::Ours { incarnation: Incarnation(3), identity });
        stage.kill("imap", &sh(SCRIPT), 3);
        stage.empty("imap");
    });
}

#[test]
fn r05_a_pid_that_was_given_to_another_process_is_not_adopted() {
    with_and_without_cgroups(|stage| {
        let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(stranger.id()).unwrap();
        let identity = Identity { pid, started: 1 };
        let recorded = Recorded { incarnation: Incarnation(5), identity: Some(identity) };
        let launch = sh("exec sleep 1000");
        assert_eq!(stage.look("imap", &launch, Some(recorded)), Found::Nothing);
        stage.kill("imap", &launch, 5);
        for _ in 0..5 {
            stage.turn();
        }
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger was signalled");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    });
}

#[test]
fn r03_what_is_left_of_a_life_that_ended_while_no_agent_was_there_is_found_and_ended() {
    with_and_without_cgroups(|stage| {
        let launch = sh("sleep 1000 & sleep 1000 & echo two; wait");
        let identity = stage.start("imap", &launch, 1);
        stage.until_true("its children are there", |s| s.host().last_lines("imap") == ["two"]);
        drop(stage.host.take());
        let pid = rustix::process::Pid::from_raw(identity.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
        stage.new_host(true);
        let recorded = Recorded { incarnation: Incarnation(1), identity: Some(identity) };
        let found = stage.look("imap", &launch, Some(recorded));
        assert_eq!(found, Found::Remains { incarnation: Incarnation(1) });
        stage.kill("imap", &launch, 1);
        stage.empty("imap");
        assert_eq!(stage.look("imap", &launch, Some(recorded)), Found::Nothing);
    });
}

#[test]
fn r07_an_adopted_daemon_is_the_one_its_pid_file_names() {
    with_and_without_cgroups(|stage| {
        let file = stage.text("d.pid");
        let launch = Launch {
            readiness: Readiness::PidFile,
            pid_file: Some(file.clone()),
            environment: vec![("PIDFILE".to_owned(), file)],
            ..sh("setsid sh -c 'echo $$ > $PIDFILE; exec sleep 1000' & exit 0")
        };
        let starter = stage.start("daemon", &launch, 1);
        stage.ready("daemon");
        let main = stage.host().main("daemon").unwrap();
        stage.new_host(true);
        // The agent was killed after the starter and before the daemon was on record.
        let recorded = Recorded { incarnation: Incarnation(1), identity: Some(starter) };
        let found = stage.look("daemon", &launch, Some(recorded));
        assert_eq!(found, Found::Ours { incarnation: Incarnation(1), identity: main });
        stage.ready("daemon");
        stage.ask("daemon", &launch, 1);
        assert_eq!(stage.exit("daemon"), Exit::Signal(15));
        stage.empty("daemon");
    });
}
