//! Starting and stopping in order, behind each kind of readiness.

use rustix::process::Signal;

use super::actor::acts;
use super::house::{House, Status, free_port, is_alive, services};

/// `second` must wait until the file `go` is there and `first` therefore ready.
fn goes_in_order(mut house: House) {
    house.start();
    let status = house.until("first lives", |status| status.pid("first").is_some());
    assert_eq!(status.service("first")["ready"], "False");
    let status = house.until("second waits", |status| status.reason("second").contains("waits for first"));
    assert_eq!(status.pid("second"), None);
    assert!(!house.book().contains(&"+second".to_owned()));
    house.put("go", "");
    house.all_ready();
    let history = house.history();
    let at =
        |what: &str| history.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what}: {history:#?}"));
    assert!(at("first Started") < at("first Ready") && at("first Ready") < at("second Started"), "{history:#?}");
    house.written(1);
}

#[test]
fn r01_who_depends_on_a_service_ready_by_notify_starts_when_it_says_so() {
    let fields = format!("{}, readiness: {{type: Notify}}", acts("await {dir}/go;notify READY=1|STATUS=serving"));
    goes_in_order(House::new(&services(&[("first", &fields), ("second", "dependsOn: [first]")])));
}

#[test]
fn r01_who_depends_on_a_service_ready_by_a_command_starts_when_it_succeeds() {
    let fields = "readiness: {type: Command, command: [/usr/bin/test, -e, '{dir}/go']}";
    goes_in_order(House::new(&services(&[("first", fields), ("second", "dependsOn: [first]")])));
}

#[test]
fn r01_who_depends_on_a_service_ready_by_its_pid_file_starts_when_that_names_it() {
    let script = "until [ -e $0/go ]; do sleep 0.01; done; sleep 1000000 & echo $! > $0/first.pid";
    let fields = format!(
        "command: [/bin/sh, -c, '{script}', '{{dir}}'], readiness: {{type: PidFile}}, pidFile: '{{dir}}/first.pid'"
    );
    let mut house = House::new(&services(&[("first", &fields), ("second", "dependsOn: [first]")]));
    house.start();
    house.until("second waits", |status| status.reason("second").contains("waits for first"));
    house.put("go", "");
    let status = house.all_ready();
    assert_eq!(status.pid("first").unwrap().to_string(), house.read("first.pid").trim(), "the file names the main one");
    assert!(status.pid("second").is_some());
    assert_eq!(house.times("first Crashed"), 0, "the starter's end is no failure");
}

#[test]
fn r01_who_depends_on_a_probed_service_starts_when_it_greets() {
    let port = free_port();
    let acts = acts(&format!("await {{dir}}/go;greet {port} * OK IMAP4rev1"));
    let fields = format!("{acts}, listeners: [{{port: {port}, protocol: Imap}}]");
    goes_in_order(House::new(&services(&[("first", &fields), ("second", "dependsOn: [first]")])));
}

#[test]
fn r01_what_depends_on_nothing_starts_at_once_and_a_chain_goes_link_by_link() {
    let house =
        House::started(&services(&[("c", "dependsOn: [b]"), ("b", "dependsOn: [a]"), ("a", ""), ("alone", "")]));
    house.all_ready();
    let history = house.history();
    let at = |what: &str| history.iter().position(|line| line == what).unwrap();
    assert!(at("a Ready") < at("b Started") && at("b Ready") < at("c Started"), "{history:#?}");
}

#[test]
fn r01_in_listed_order_each_waits_for_the_one_before() {
    let waiting = "readiness: {type: Command, command: [/usr/bin/test, -e, '{dir}/go']}";
    let all = services(&[("one", ""), ("two", waiting), ("three", "")]);
    let house = House::started(&format!("  startOrder: Listed\n{all}"));
    let status = house.until("three waits", |status| status.reason("three").contains("waits its turn behind two"));
    assert!(status.is_ready("one") && status.pid("three").is_none());
    house.put("go", "");
    house.all_ready();
    let started: Vec<String> = house.history().into_iter().filter(|line| line.ends_with(" Started")).collect();
    assert_eq!(started, ["one Started", "two Started", "three Started"]);
}

#[test]
fn r02_what_depends_on_a_store_that_never_gets_ready_stays_down_and_the_rest_runs() {
    let never = "readiness: {type: Command, command: [/bin/false]}, startTimeout: 1s";
    let all = services(&[("store", never), ("imap", "dependsOn: [store]"), ("smtp", "")]);
    let house = House::started(&format!("  autorestart: {{maxRestarts: 0}}\n{all}"));
    let status = house.until("store gave up", |status| status.service("store")["gaveUp"] == true);
    assert!(status.is_ready("smtp"));
    assert_eq!(status.pid("imap"), None);
    assert!(status.reason("imap").contains("store"), "{}", status.reason("imap"));
    assert_eq!(house.times("imap Started"), 0);
}

#[test]
fn r02_c19_what_cannot_be_started_says_why_in_its_status_until_it_is_mended() {
    let mut house = House::started(&services(&[("imap", "user: nobody-by-this-name"), ("smtp", "")]));
    let given_up = |status: &Status| status.service("imap")["gaveUp"] == true;
    let status = house.until("imap gave up", given_up);
    let words = "user `nobody-by-this-name` is not in /etc/passwd";
    assert!(status.reason("imap").contains(words), "{}", status.reason("imap"));
    house.restart_agent();
    let status = house.until("the next agent knows it", given_up);
    assert!(status.reason("imap").contains(words), "{}", status.reason("imap"));
    house.declare(&services(&[("imap", ""), ("smtp", "")]));
    assert!(!house.all_ready().reason("imap").contains(words));
}

#[test]
fn r31_term_stops_all_in_reverse_order_holds_nothing_and_leaves_nothing() {
    let all = services(&[
        ("store", ""),
        ("imap", "dependsOn: [store]"),
        ("web", "dependsOn: [imap]"),
        ("stubborn", "command: [/bin/sh, -c, 'trap \"\" TERM; : > $0/up; sleep 1000000', '{dir}'], stopTimeout: 1s"),
    ]);
    let mut house = House::started(&all);
    house.all_ready();
    house.written(3);
    house.has("up");
    let pids = house.status().pids();
    house.signal_agent(Signal::TERM);
    assert_eq!(house.ended().code(), Some(0));
    // What is ready at once may write its first line after its dependant did; a last line is written before the exit.
    let book = house.book();
    let (starts, stops) = book.split_at(3);
    assert!(["+store", "+imap", "+web"].iter().all(|start| starts.contains(&(*start).to_owned())), "{starts:?}");
    assert_eq!(stops, ["-web", "-imap", "-store"]);
    assert!(pids.iter().flatten().all(|pid| !is_alive(*pid)));
    assert_eq!(house.processes(), Vec::<i32>::new());
    assert!(!house.path("run/control.sock").exists());
    house.start();
    let status = house.all_ready();
    assert!(status.services().iter().all(|service| service["held"] == false && service["restartsInWindow"] == 0));
}

#[test]
fn r03_what_is_left_of_a_service_after_its_stop_is_killed_with_it() {
    let script = "(trap \"\" TERM; sleep 1000000) & (trap \"\" TERM; exec setsid sleep 1000000) & exec sleep 1000000";
    let house =
        House::started(&services(&[("messy", &format!("command: [/bin/sh, -c, '{script}'], stopTimeout: 1s"))]));
    house.all_ready();
    house.until("all three live", |_| house.processes().len() >= 3);
    house.does(&["stop", "messy"]);
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[test]
fn two_hundred_services_start_and_stop() {
    let names: Vec<String> = (0..200).map(|n| format!("s{n}")).collect();
    let fields: Vec<String> =
        (0..200).map(|n| if n % 10 == 0 { String::new() } else { format!("dependsOn: [s{}]", n - 1) }).collect();
    let fields: Vec<String> = fields
        .iter()
        .map(|fields| format!("command: [/bin/sleep, '1000000']{}{fields}", if fields.is_empty() { "" } else { ", " }))
        .collect();
    let all: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(fields.iter().map(String::as_str)).collect();
    let mut house = House::started(&services(&all));
    let status = house.all_ready();
    assert_eq!(status.pids().iter().flatten().count(), 200);
    house.does(&["stop"]);
    let status = house.status();
    assert_eq!(status.pids().iter().flatten().count(), 0);
    assert_eq!(house.processes(), Vec::<i32>::new());
    house.does(&["start"]);
    house.all_ready();
    house.signal_agent(Signal::TERM);
    assert_eq!(house.ended().code(), Some(0));
    assert_eq!(house.processes(), Vec::<i32>::new());
}
