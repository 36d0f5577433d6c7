//! Under an HA manager: who may start and stop everything, and how it is handed over.

use rustix::process::Signal;

use super::house::{House, is_alive, services, signal_to};
use crate::running::eventually;

const MANAGER: &str = "  highAvailability: {mode: Manager, manager: {type: VeritasCluster, version: '5.0', resource: ms-rs, group: ms-sg, system: alpha}}\n";
const ALL: [(&str, &str); 3] =
    [("store", "group: store, groupRole: Lead"), ("imap", "group: store, dependsOn: [store]"), ("smtp", "")];

/// Every command of table 3-3 with the names of [`MANAGER`].
const COMMANDS: [&str; 4] = [
    "hares -online ms-rs -sys alpha",
    "hares -offline ms-rs -sys alpha",
    "hagrp -online ms-sg -sys alpha",
    "hagrp -offline ms-sg -sys alpha",
];

#[test]
fn r22_under_a_manager_everything_is_refused_with_the_managers_commands_and_ha_is_its_entry() {
    let house = House::new(&format!("{MANAGER}{}", services(&ALL)));
    let refuses = |said: &super::house::Said| {
        assert_eq!(said.code, 77, "{said:?}");
        assert!(said.err.contains("an HA setup was detected: the document declares"), "{said:?}");
        assert!(COMMANDS.iter().all(|command| said.err.contains(command)), "{said:?}");
    };
    refuses(&house.called("start-msg", &[]));
    refuses(&house.called("start-msg", &["imap"]));
    assert!(!house.path("run/control.sock").exists(), "nothing was launched");

    let begun = house.called("start-msg", &["ha"]);
    assert_eq!(begun.code, 0, "{begun:?}");
    assert!(
        begun.out.contains("Launching watcher ... ") && begun.out.contains("Starting smtp server ..."),
        "{begun:?}"
    );
    let before = house.all_ready();
    refuses(&house.called("start-msg", &[]));
    refuses(&house.called("stop-msg", &[]));
    refuses(&house.called("stop-msg", &["-f"]));
    refuses(&house.called("stop-msg", &["watcher"]));
    for verb in ["start", "stop", "restart", "hold"] {
        refuses(&house.run(&[verb]));
    }
    assert_eq!(house.status().pids(), before.pids(), "nothing was touched");
    assert_eq!(house.called("start-msg", &["ha"]).code, 0, "already so");

    assert_eq!(house.called("stop-msg", &["imap"]).code, 0);
    assert_eq!(house.status().pid("imap"), None);
    assert_eq!(house.called("start-msg", &["imap"]).code, 0);
    house.does(&["restart", "smtp"]);
    let running = house.all_ready();
    let agent = running.0["status"]["instances"][0]["agentPid"].as_i64().unwrap();

    let ended = house.called("stop-msg", &["ha"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let at = |name: &str| {
        let line = format!("Stopping {name} server {}", running.pid(name).unwrap());
        ended.out.find(&line).unwrap_or_else(|| panic!("{line}: {ended:?}"))
    };
    assert!(at("imap") < at("store"), "{ended:?}");
    assert!(!is_alive(i32::try_from(agent).unwrap()) && house.processes().is_empty());
    assert_eq!(house.called("stop-msg", &["ha"]).code, 0, "a manager may stop what does not run");
    assert!(house.processes().is_empty());
    assert_eq!(house.called("start-msg", &["ha"]).code, 0, "nothing is held by a manager's stop");
    assert!(house.all_ready().services().iter().all(|service| service["held"] == false));
    assert_eq!(house.called("stop-msg", &["ha"]).code, 0);
}

#[test]
fn r22_stop_msg_ha_leaves_nothing_of_a_killed_agent() {
    let mut house = House::started(&format!("{MANAGER}{}", services(&ALL)));
    let pids = house.all_ready().pids();
    house.kill_agent();
    assert!(pids.iter().flatten().all(|pid| is_alive(*pid)));
    let ended = house.called("stop-msg", &["ha"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    eventually("the end of all", || house.processes().is_empty().then_some(()));
    assert!(!pids.iter().flatten().any(|pid| is_alive(*pid)));
}

#[test]
fn r23_on_give_up_everything_stops_the_reason_is_written_and_the_agent_ends_with_its_code() {
    let stubborn = "command: [/bin/sh, -c, 'trap \"\" TERM; echo $$ > $0/up; while :; do sleep 1; done', '{dir}'], group: store, groupRole: Lead, stopTimeout: 1s";
    let spec = format!(
        "{MANAGER}  autorestart: {{maxRestarts: 0}}\n{}",
        services(&[
            ("store", stubborn),
            ("imap", "group: store, dependsOn: [store]"),
            ("web", "required: false"),
            ("smtp", "")
        ])
    );
    let mut house = House::started(&spec);
    let before = house.all_ready();
    house.has("up");
    signal_to(before.pid("web").unwrap(), Signal::KILL);
    house.until("web gave up", |status| status.service("web")["gaveUp"] == true);
    assert_eq!(house.times("web HandsOver"), 0, "it is not required");
    signal_to(before.pid("smtp").unwrap(), Signal::KILL);
    assert_eq!(house.ended().code(), Some(69));
    assert!(house.processes().is_empty() && !is_alive(before.pid("store").unwrap()));
    for file in ["state/failover", "data/log/failover"] {
        let text = house.read(file);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("smtp gave up (it was killed by SIGKILL)"), "{file}: {text}");
        assert!(
            lines[1].contains("ends with 69") && lines[1].contains("did not stop in time: store"),
            "{file}: {text}"
        );
    }
    // The next node, or this one when the manager says so.
    house.start();
    house.all_ready();
    assert!(house.read("data/log/default").contains("this mail server was handed over: "), "{}", house.read("stderr"));
    assert!(house.read("data/log/failover").ends_with("took over\n"));
}

#[test]
fn r23_a_manager_that_is_found_and_not_declared_makes_the_commands_refuse_unless_mode_none_is_written() {
    let mut house = House::new(&services(&ALL).replace("services:", "services: # highAvailability is not said"));
    house.environment.push(("OCF_RESOURCE_INSTANCE".to_owned(), "mail:0".to_owned()));
    house.start();
    let before = house.all_ready();
    let said = house.run(&["stop"]);
    assert_eq!(said.code, 77, "{said:?}");
    assert!(
        said.err.contains("OCF_RESOURCE_INSTANCE=mail:0") && said.err.contains("pcs resource disable mail\n"),
        "{said:?}"
    );
    assert_eq!(house.status().pids(), before.pids());
    house.declare(&format!("  highAvailability: {{mode: None}}\n{}", services(&ALL)));
    house.until("the new document", |status| status.generation() == 2);
    house.does(&["stop"]);
    assert!(house.status().pids().iter().all(Option::is_none));
}
