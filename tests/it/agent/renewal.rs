//! The agent goes on as another program: `mailward reexec`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use super::house::{House, Said, is_alive, services, signal_to};
use super::surroundings::as_process_one;
use crate::running::{copy_program, eventually, program};

/// A house whose agent runs a copy of ours, which can be replaced.
fn with_a_copy() -> (House, PathBuf) {
    let mut house = House::new(&services(&[("imap", ""), ("pop", ""), ("smtp", "")]));
    let copy = house.path("mailward");
    copy_program(&copy);
    let mut command = Command::new(&copy);
    house.fill_agent(&mut command);
    house.start_by(&mut command);
    house.all_ready();
    (house, copy)
}

/// Another program in the place of the copy, by a rename, as a package manager does it.
fn install(house: &House, copy: &PathBuf, text: &str, mode: u32) {
    let new = house.path("mailward.new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(mode)).unwrap();
    fs::rename(&new, copy).unwrap();
}

/// A successor that can be told from the one before: by its environment.
fn successor() -> String {
    format!("#!/bin/sh\nSUCCESSOR=yes exec {} \"$@\"\n", program().display())
}

fn is_successor(pid: i32) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == b"SUCCESSOR=yes")
}

fn reexec(house: &House) -> Said {
    house.run(&["reexec"])
}

#[test]
fn r05_the_agent_goes_on_as_the_program_that_is_installed_now_and_no_service_is_touched() {
    let (house, copy) = with_a_copy();
    let before = house.all_ready();
    let agent = house.agent_pid();
    house.does(&["stop", "pop"]);
    install(&house, &copy, &successor(), 0o755);
    assert!(!is_successor(agent));

    let said = reexec(&house);

    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains(&format!("the agent (pid {agent}) goes on as ")), "{said:?}");
    assert!(is_successor(agent), "the same process, and it runs what was installed");
    let after = house.until("adopted", |status| status.is_ready("imap") && status.is_ready("smtp"));
    assert_eq!((after.pid("imap"), after.pid("smtp")), (before.pid("imap"), before.pid("smtp")));
    assert_eq!((after.pid("pop"), &after.service("pop")["held"]), (None, &true.into()), "a manual stop stays one");
    assert_eq!(house.times("imap Started"), 0);

    // Its parent it still is, so that it learns how it ended, whatever the kernel.
    let imap = before.pid("imap").unwrap();
    signal_to(imap, Signal::KILL);
    house.again("imap", imap);
    assert_eq!(house.times("imap Crashed"), 1);
    let why = house.does(&["why", "imap"]);
    assert!(why.contains("was killed by SIGKILL"), "{why}");
}

#[test]
fn r05_what_cannot_be_executed_is_refused_or_changes_nothing() {
    let (house, copy) = with_a_copy();
    let before = house.all_ready();

    install(&house, &copy, "no program", 0o644);
    let said = reexec(&house);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.err.contains("cannot be executed"), "{said:?}");

    // The kernel alone can say that this is no program.
    install(&house, &copy, "no program", 0o755);
    let said = reexec(&house);
    assert_eq!(said.code, 0, "the agent before answers again: {said:?}\n{}", house.read("stderr"));
    assert!(house.read("stderr").contains("this agent goes on: "), "{}", house.read("stderr"));
    let after = house.all_ready();
    assert_eq!(after.pids(), before.pids());
    assert_eq!(house.times("imap Started"), 0);

    fs::remove_file(&copy).unwrap();
    let said = reexec(&house);
    assert!(said.err.contains("there is no program"), "{said:?}");
}

#[test]
fn r31_who_is_told_to_end_while_its_program_is_replaced_stops_everything_all_the_same() {
    for _ in 0..5 {
        let (mut house, copy) = with_a_copy();
        install(&house, &copy, &successor(), 0o755);
        let services = house.all_ready().pids();
        let socket = house.path("run/control.sock");
        // The number of an inode that is gone is given to the next.
        let made = || fs::metadata(&socket).map(|socket| (socket.ctime(), socket.ctime_nsec())).ok();
        let before = made();
        let mut order = house.command(&["reexec"]).spawn().unwrap();
        // As soon as the one before has let go of its socket: somewhere between the two programs.
        eventually("the end of its socket", || (made() != before).then_some(()));
        house.signal_agent(Signal::TERM);
        assert!(house.ended().success());
        assert!(services.into_iter().flatten().all(|pid| !is_alive(pid)));
        let _ = order.kill();
        order.wait().unwrap();
    }
}

#[test]
fn r31_who_stops_everything_does_not_begin_anew_as_another_program() {
    let deaf = "command: [/bin/sh, -c, \"trap '' TERM; echo > $0/up; while :; do sleep 0.05; done\", '{dir}'], stopTimeout: 3s";
    let mut house = House::started(&services(&[("imap", deaf)]));
    house.all_ready();
    house.has("up");
    house.signal_agent(Signal::TERM);
    eventually("the stop", || house.status().reason("imap").contains("stop").then_some(()));
    let said = reexec(&house);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.err.contains("everything is being stopped"), "{said:?}");
    assert!(house.ended().success());
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[test]
fn as_process_1_too_the_agent_goes_on_as_another_program() {
    let mut house = House::new(&services(&[("imap", "")]));
    let one = as_process_one(&mut house);
    let before = house.all_ready();
    let said = reexec(&house);
    assert_eq!(said.code, 0, "{said:?}");
    let after = house.all_ready();
    assert_eq!(after.pids(), before.pids());
    signal_to(one, Signal::TERM);
    assert_eq!(house.ended().code(), Some(0));
}

#[test]
fn to_end_with_the_services_and_to_go_on_contradict_each_other() {
    let house = House::started(&services(&[("imap", "")]));
    house.all_ready();
    let (code, body) = house.ask("POST", "/v1/end", r#"{"stopServices":true,"renew":true}"#).unwrap();
    assert_eq!(code, 400, "{body}");
    assert!(body.contains("contradict"), "{body}");
    house.all_ready();
}
