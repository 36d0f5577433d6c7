//! The agent by Oracle's names: `start-msg`, `stop-msg`, `refresh`.

use super::command_line::{ALL, running};
use super::house::{House, is_alive, services};

#[test]
fn r04_start_msg_launches_the_agent_and_stop_msg_stops_all_in_the_old_words() {
    let house = House::new(&services(&ALL));
    let begun = house.called("start-msg", &[]);
    let status = house.until("an agent", |_| true);
    assert_eq!(begun.code, 0, "{begun:?}");
    let pid = |name: &str| status.pid(name).unwrap();
    let agent = status.0["status"]["instances"][0]["agentPid"].to_string();
    let lines: Vec<&str> = begun.out.lines().collect();
    assert_eq!(lines[0], "Connecting to watcher ...");
    assert_eq!(lines[1], format!("Launching watcher ... {agent}"));
    for line in [
        format!("Starting store server .... {}", pid("store")),
        "Checking store server status ... ready".to_owned(),
        format!("Starting imap server ... {}", pid("imap")),
        format!("Starting smtp server ... {}", pid("smtp")),
    ] {
        let squeezed = |text: &str| text.replace("....", "...");
        assert!(lines.iter().any(|found| squeezed(found) == squeezed(&line)), "{line}: {begun:?}");
    }
    let again = house.called("start-msg", &["imap"]);
    assert!(again.code == 0 && again.err.contains("already running"), "{again:?}");
    let one = house.called("stop-msg", &["smtp"]);
    assert_eq!(one.code, 0);
    let text = format!("Stopping smtp server {} ... done\n", pid("smtp"));
    assert!(one.out.replace("....", "...").contains(&text), "{one:?}");
    let ended = house.called("stop-msg", &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let at = |name: &str| {
        ended.out.find(&format!("Stopping {name} server {}", pid(name))).unwrap_or_else(|| panic!("{ended:?}"))
    };
    assert!(at("imap") < at("store"));
    assert!(ended.out.contains("smtp server is not running"), "{ended:?}");
    assert!(house.status().pids().iter().all(Option::is_none), "the agent itself is still there");
}

#[test]
fn r04_start_msg_with_names_and_no_agent_starts_these_and_holds_the_rest() {
    let house = House::new(&services(&ALL));
    let begun = house.called("start-msg", &["smtp"]);
    house.until("an agent", |_| true);
    assert_eq!(begun.code, 0, "{begun:?}");
    let status = house.status();
    assert!(status.is_ready("smtp"));
    for name in ["store", "imap"] {
        assert_eq!((status.pid(name), &status.service(name)["held"]), (None, &true.into()));
    }
    assert_eq!(house.called("start-msg", &[]).code, 0);
    house.all_ready();
}

#[test]
fn r04_stop_msg_watcher_ends_the_agent_alone_and_start_msg_adopts() {
    let mut house = running();
    let before = house.status();
    let ended = house.called("stop-msg", &["watcher"]);
    assert!(
        ended.code == 0 && ended.out.contains(&format!("Stopping watcher {} ... done", house.agent_pid())),
        "{ended:?}"
    );
    assert_eq!(house.ended().code(), Some(0));
    assert!(before.pids().iter().flatten().all(|pid| is_alive(*pid)));
    let begun = house.called("start-msg", &["watcher"]);
    house.until("an agent", |_| true);
    assert!(begun.code == 0 && begun.out.contains("Launching watcher ... "), "{begun:?}");
    let status = house.all_ready();
    assert_eq!(status.pids(), before.pids());
    assert!(status.services().iter().all(|service| service["held"] == false));
    assert_eq!(house.written(3).len(), 3);
}

#[test]
fn r04_mta_stands_for_dispatcher_and_job_controller() {
    let house = House::started(&services(&[("dispatcher", ""), ("job_controller", ""), ("smtp", "")]));
    let before = house.all_ready();
    assert_eq!(house.called("stop-msg", &["mta"]).code, 0);
    let status = house.status();
    assert_eq!(status.pids(), [None, None, before.pid("smtp")]);
    assert_eq!(house.called("start-msg", &["imta"]).code, 0);
    house.all_ready();
    house.does(&["stop", "mta"]);
    assert_eq!(house.status().pids(), [None, None, before.pid("smtp")]);
}

#[test]
fn r03_stop_msg_f_kills_at_once_and_names_the_risk_for_the_store() {
    let stubborn = "command: [/bin/sh, -c, 'trap \"\" TERM; echo $$ > $0/up; while :; do sleep 1; done', '{dir}'], group: store, groupRole: Lead, stopTimeout: 1h";
    let house = House::started(&services(&[("store", stubborn), ("smtp", "")]));
    let pid = house.all_ready().pid("store").unwrap();
    house.has("up");
    let ended = house.called("stop-msg", &["-f", "store"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains(&format!("Stopping store server {pid} ... done")), "{ended:?}");
    assert!(house.read("data/log/watcher").contains(&format!("Stopping store server {pid} ... killed")));
    assert!(ended.err.contains("locks may be left in the message store"), "{ended:?}");
    assert!(!is_alive(pid));
}

#[test]
fn refresh_lets_services_take_over_their_files_and_the_agent_read_its_document() {
    let reload = "reload: {command: [/bin/sh, -c, 'echo $MAINPID >> $0/reloads', '{dir}']}";
    let house = House::started(&services(&[("imap", reload), ("smtp", "")]));
    let pid = house.all_ready().pid("imap").unwrap();
    let one = house.called("refresh", &["imap"]);
    assert!(one.code == 0 && one.out.contains("Refreshing imap server ... done"), "{one:?}");
    assert_eq!(house.read("reloads"), format!("{pid}\n"));
    let all = house.called("refresh", &[]);
    assert!(all.code == 0 && all.out.contains("Refreshing watcher ... done"), "{all:?}");
    let none = house.called("refresh", &["smtp"]);
    assert!(none.code == 69 && none.err.contains("declares no reload"), "{none:?}");
    assert_eq!(house.called("refresh", &["nosuch"]).code, 64);
}

#[test]
fn the_old_commands_print_their_usage() {
    let house = House::new(&services(&ALL));
    for name in ["start-msg", "stop-msg", "refresh"] {
        let said = house.called(name, &["-h"]);
        assert!(said.code == 0 && said.out.contains(name) && said.out.contains("COMPONENTS"), "{said:?}");
        assert_eq!(house.called(name, &["--nonsense"]).code, 64);
    }
    let said = house.called("stop-msg", &["imap"]);
    assert!(said.code == 69 && said.err.contains("no agent is running"), "{said:?}");
}
