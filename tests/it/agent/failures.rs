//! Crashes, the restart group and the budget.

use rustix::process::Signal;

use super::house::{House, is_alive, services, signal_to};
use crate::running::eventually;

const STORE_GROUP: [(&str, &str); 4] = [
    ("store", "group: store, groupRole: Lead"),
    ("imap", "group: store, dependsOn: [store]"),
    ("pop", "group: store, dependsOn: [store]"),
    ("smtp", ""),
];

/// A running one of `STORE_GROUP`.
pub(crate) fn store_group(policy: &str) -> House {
    let house = House::started(&format!("  autorestart: {policy}\n{}", services(&STORE_GROUP)));
    house.all_ready();
    house.written(4);
    house
}

#[test]
fn r07_a_killed_service_is_started_again_and_the_others_do_not_notice() {
    let house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let before = house.all_ready();
    let (imap, smtp) = (before.pid("imap").unwrap(), before.pid("smtp").unwrap());
    signal_to(imap, Signal::KILL);
    house.again("imap", imap);
    let status = house.status();
    assert_eq!(status.pid("smtp"), Some(smtp));
    assert_eq!((house.times("imap Crashed"), house.times("imap RestartsAlone")), (1, 1));
    assert_eq!(status.service("imap")["restartsInWindow"], 1);
    assert!(status.service("imap")["lastExit"].as_str().unwrap().contains("SIGKILL"));
}

#[test]
fn r07_an_exit_with_0_that_nobody_ordered_is_a_crash() {
    let once = "command: [/bin/sh, -c, 'test -e $0/go || exec sleep 1000000; rm $0/go', '{dir}']";
    let house = House::started(&services(&[("imap", once)]));
    let pid = house.all_ready().pid("imap").unwrap();
    house.put("go", "");
    signal_to(pid, Signal::KILL);
    house.happens("imap Crashed", 2);
    let exits: Vec<String> =
        house.get("/v1/history").as_array().unwrap().iter().map(|told| told["what"].to_string()).collect();
    assert!(exits.iter().any(|what| what.contains("exited with code 0")), "{exits:#?}");
}

#[test]
fn r09_when_one_of_the_store_group_fails_all_of_it_restarts_in_order_and_nobody_else() {
    let house = store_group("{maxRestarts: 5}");
    let before = house.status();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    for name in ["store", "imap", "pop"] {
        house.again(name, before.pid(name).unwrap());
    }
    let status = house.all_ready();
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    let book = house.written(4 + 2 + 3);
    let at = |what: &str| book.iter().rposition(|line| line == what).unwrap_or_else(|| panic!("{what} {book:#?}"));
    assert!(at("-pop") < at("-store") && at("-store") < at("+store"), "{book:#?}");
    // These services are ready at once, so what they write themselves may cross; what the agent did may not.
    let history = house.history();
    let last = |what: &str| history.iter().rposition(|line| line == what);
    assert!(last("store Ready") < last("imap Started") && last("store Ready") < last("pop Started"), "{history:#?}");
    assert!(!book.contains(&"-imap".to_owned()), "it was gone already");
    assert_eq!((house.times("imap Crashed"), house.times("store Crashed"), house.times("pop Crashed")), (1, 0, 0));
    assert_eq!(status.service("imap")["restartsInWindow"], 1);
    assert_eq!(status.service("pop")["restartsInWindow"], 0);
}

#[test]
fn r09_members_that_die_together_are_absorbed_into_one_restart() {
    let house = store_group("{maxRestarts: 5}");
    let before = house.status();
    // Stopped, the agent sees both deaths at once.
    house.signal_agent(Signal::STOP);
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    signal_to(before.pid("pop").unwrap(), Signal::KILL);
    for name in ["imap", "pop"] {
        eventually(name, || (!is_alive(before.pid(name).unwrap())).then_some(()));
    }
    house.signal_agent(Signal::CONT);
    house.again("pop", before.pid("pop").unwrap());
    let status = house.all_ready();
    let restarts = house.history().iter().filter(|line| line.ends_with("GroupRestarts")).count();
    assert_eq!(restarts, 1, "{:#?}", house.history());
    let charges = |name: &str| status.service(name)["restartsInWindow"].as_u64();
    assert_eq!([charges("store"), charges("imap"), charges("pop")], [Some(0), Some(1), Some(1)]);
}

#[test]
fn r11_one_failure_more_than_the_budget_gives_up_and_leaves_the_others() {
    let house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let before = house.all_ready();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    let second = house.again("imap", before.pid("imap").unwrap());
    signal_to(second, Signal::KILL);
    let status = house.until("gave up", |status| status.service("imap")["gaveUp"] == true);
    assert_eq!(status.pid("imap"), None);
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    assert_eq!((status.condition("Stalled").0.as_str(), status.condition("Stalled").1.as_str()), ("True", "GaveUp"));
    assert_eq!((house.times("imap Crashed"), house.times("imap GaveUp")), (2, 1));
    house.does(&["start", "imap"]);
    let status = house.all_ready();
    assert_eq!(
        (status.service("imap")["gaveUp"].clone(), status.condition("Stalled").0),
        (false.into(), "False".into())
    );
}

#[test]
fn r11_where_the_store_gives_up_its_group_stops_and_waits_uncharged() {
    let house = store_group("{maxRestarts: 0}");
    let before = house.status();
    signal_to(before.pid("store").unwrap(), Signal::KILL);
    let status = house.until("the group is down", |status| {
        status.service("store")["gaveUp"] == true && ["imap", "pop"].iter().all(|name| status.pid(name).is_none())
    });
    assert!(status.reason("imap").contains("waits: store gave up"), "{}", status.reason("imap"));
    assert_eq!(status.service("imap")["restartsInWindow"], 0);
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    assert!(["imap", "pop"].iter().all(|name| !is_alive(before.pid(name).unwrap())));
}

#[test]
fn r12_with_autorestart_off_a_failure_is_told_everywhere_and_nothing_restarts() {
    let house = store_group("{enabled: false}");
    let before = house.status();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    house.happens("imap OnlyReported", 1);
    let status = house.status();
    assert_eq!(status.pid("imap"), None);
    assert!(status.reason("imap").contains("stop and start all services"), "{}", status.reason("imap"));
    assert_eq!((status.pid("store"), status.pid("pop")), (before.pid("store"), before.pid("pop")));
    let pid = before.pid("imap").unwrap();
    assert!(house.read("data/log/watcher").contains(&format!("Watched 'sh' process {pid} exited abnormally")));
    assert!(house.read("data/log/default").contains("imap: failed: was killed by SIGKILL"));
    assert!(house.read("stderr").contains("imap: failed: was killed by SIGKILL"));
    house.does(&["start", "imap"]);
    house.all_ready();
}

#[test]
fn a_stopped_service_does_not_disturb_the_others() {
    let house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let before = house.all_ready();
    let (imap, smtp) = (before.pid("imap").unwrap(), before.pid("smtp").unwrap());
    signal_to(imap, Signal::STOP);
    signal_to(smtp, Signal::KILL);
    house.again("smtp", smtp);
    assert_eq!(house.status().pid("imap"), Some(imap));
    signal_to(imap, Signal::CONT);
    house.does(&["stop", "imap"]);
    assert!(!is_alive(imap));
}

#[test]
fn r31_with_the_watcher_off_nothing_restarts_and_status_says_that_nobody_watches() {
    let house = House::started(&format!("  watcher: {{enabled: false}}\n{}", services(&[("imap", ""), ("smtp", "")])));
    let before = house.all_ready();
    assert_eq!(before.condition("Degraded").1, "NotWatched");
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    let status = house.until("imap is gone", |status| status.pid("imap").is_none());
    assert!(status.is_settled("imap"), "{}", status.reason("imap"));
    house.does(&["restart", "smtp"]);
    house.does(&["start", "imap"]);
    house.all_ready();
    assert_eq!(house.times("imap RestartsAlone"), 0);
}
