//! The logs, the output of services, and what a child inherits.

use std::fs;

use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;

use super::failures::store_group;
use super::house::{House, services, signal_to};
use crate::running::eventually;

/// Every number is N, every row of dots three.
fn plain(text: &str) -> Vec<String> {
    let text = Regex::new(r"\d+").unwrap().replace_all(text, "N").into_owned();
    let text = Regex::new(r"\.{3,}").unwrap().replace_all(&text, "...").into_owned();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn r15_the_watcher_log_keeps_the_oracle_forms() {
    let mut house = store_group("{maxRestarts: 1}");
    let imap = house.status().pid("imap").unwrap();
    signal_to(imap, Signal::KILL);
    house.again("imap", imap);
    house.all_ready();
    house.does(&["stop", "smtp"]);
    house.signal_agent(Signal::TERM);
    house.ended();
    let log = house.read("data/log/watcher");
    let first =
        Regex::new(r"^watcher process \d+ started at (Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w+ \d{1,2} \d\d:\d\d:\d\d \d{4}\n");
    assert!(first.unwrap().is_match(&log), "{log}");
    let lines = plain(&log);
    let in_order = [
        "Starting store server ... N",
        "checking store server status ... ready",
        "Starting imap server ... N",
        "Watched 'sh' process N exited abnormally",
        "Received request to restart: store imap pop",
        "Connecting to watcher ...",
        "imap server is not running",
        "Stopping store server N ... done",
        "Starting store server ... N",
        "checking store server status ... ready",
        "Starting imap server ... N",
        "Stopping smtp server N ... done",
        "Stopping store server N ... done",
    ];
    let mut rest = lines.iter();
    for wanted in in_order {
        assert!(rest.any(|line| line == wanted), "{wanted}, in order: {log}");
    }
    assert!(lines.last().unwrap().starts_with("watcher process N stopped at "), "{log}");
    let form = Regex::new(
        "^(watcher process N (started|stopped) at .*|Starting \\w+ server \\.\\.\\. N|checking store server status \\.\\.\\. ready\
         |Stopping \\w+ server N \\.\\.\\. done|\\w+ server is not running|Watched 'sh' process N exited abnormally\
         |Received request to restart: [\\w ]+|Connecting to watcher \\.\\.\\.)$",
    )
    .unwrap();
    assert_eq!(lines.iter().filter(|line| !form.is_match(line)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn r15_each_line_of_the_watcher_log_is_an_event_with_time_service_and_reason() {
    let mut house = store_group("{maxRestarts: 1}");
    house.does(&["restart", "smtp"]);
    house.signal_agent(Signal::TERM);
    house.ended();
    let events: Vec<Value> =
        house.read("data/log/events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<&str> = events.iter().filter_map(|event| event["line"].as_str()).collect();
    let log = house.read("data/log/watcher");
    assert_eq!(told, log.lines().collect::<Vec<_>>());
    let time = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$").unwrap();
    for event in &events {
        assert!(time.is_match(event["time"].as_str().unwrap()), "{event}");
        assert!(!event["reason"].as_str().unwrap().is_empty() && event["what"].is_string(), "{event}");
    }
    assert!(events.iter().any(|event| event["service"] == "smtp" && event["what"] == "Stopped"));
}

#[test]
fn r12_failures_stand_in_the_default_log_in_its_form() {
    let house = store_group("{maxRestarts: 1}");
    let smtp = house.status().pid("smtp").unwrap();
    signal_to(smtp, Signal::KILL);
    house.again("smtp", smtp);
    let log = house.read("data/log/default");
    let pid = house.agent_pid();
    let form = format!(
        r"(?m)^\[\d\d/\w{{3}}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}}\] \S+ watcher\[{pid}\]: \w+ Error: smtp: failed: was killed by SIGKILL$"
    );
    assert!(Regex::new(&form).unwrap().is_match(&log), "{log}");
}

#[test]
fn hup_opens_every_log_anew_after_somebody_moved_it_away() {
    let chatty = "command: [/bin/sh, -c, 'while :; do echo a line; sleep 0.02; done']";
    let house = House::started(&services(&[("chatty", chatty), ("smtp", "")]));
    house.all_ready();
    let names = ["watcher", "events.jsonl", "chatty"];
    let log = |name: &str| house.path(&format!("data/log/{name}"));
    eventually("output", || log("chatty").exists().then_some(()));
    for name in names {
        fs::rename(log(name), log(&format!("{name}.moved"))).unwrap();
    }
    house.signal_agent(Signal::HUP);
    eventually("the output is in a new file", || log("chatty").exists().then_some(()));
    // The output is reopened in the same turn as the logs, so from here on lines are in the new ones.
    let moved = fs::read_to_string(log("watcher.moved")).unwrap();
    house.does(&["restart", "smtp"]);
    let smtp = house.status().pid("smtp").unwrap();
    assert_eq!(
        plain(&house.read("data/log/watcher")),
        ["Stopping smtp server N ... done", "Starting smtp server ... N"]
    );
    assert!(house.read("data/log/watcher").contains(&smtp.to_string()));
    assert!(house.read("data/log/events.jsonl").contains(&smtp.to_string()));
    assert_eq!(fs::read_to_string(log("watcher.moved")).unwrap(), moved);
}

#[test]
fn r15_the_output_of_a_flooding_service_is_rotated_and_bounded_and_disturbs_nobody() {
    let flood = "command: [/usr/bin/yes, a line of the flood that is not short]";
    let spec = format!("  logs: {{rotateSize: 64Ki, keep: 2}}\n{}", services(&[("flood", flood), ("smtp", "")]));
    let house = House::started(&spec);
    let before = house.all_ready();
    let log = |name: &str| house.path(&format!("data/log/{name}"));
    eventually("it was rotated", || log("flood.2").exists().then_some(()));
    let sizes = || -> Vec<(String, u64)> {
        let all = fs::read_dir(house.path("data/log")).unwrap().map(|entry| entry.unwrap());
        let flood = all.filter(|entry| entry.file_name().to_str().unwrap().starts_with("flood"));
        // A file may be rotated away while we look.
        flood.filter_map(|e| Some((e.file_name().into_string().ok()?, e.metadata().ok()?.len()))).collect()
    };
    for _ in 0..10 {
        let smtp = house.status().pid("smtp").unwrap();
        house.does(&["restart", "smtp"]);
        assert_ne!(house.status().pid("smtp"), Some(smtp));
        let sizes = sizes();
        assert!(sizes.len() <= 3 && sizes.iter().all(|(_, size)| *size <= 64 * 1024 + 8 * 1024), "{sizes:?}");
    }
    assert_eq!(house.status().pid("flood"), before.pid("flood"));
    let text = eventually("it is not being rotated", || fs::read_to_string(log("flood.1")).ok());
    assert!(
        text.lines().skip(1).take(10).all(|line| line.ends_with("a line of the flood that is not short")),
        "whole lines"
    );
}

#[test]
fn the_last_lines_of_a_failed_service_are_in_its_status() {
    let fails = "command: [/bin/sh, -c, 'echo starting up; echo cannot open /srv/mail >&2; exit 4']";
    let house = House::started(&format!("  autorestart: {{maxRestarts: 0}}\n{}", services(&[("imap", fails)])));
    let status = house.until("gave up", |status| status.service("imap")["gaveUp"] == true);
    let lines = status.service("imap")["lastLines"].to_string();
    assert!(lines.contains("starting up") && lines.contains("cannot open /srv/mail"), "{lines}");
    assert!(status.service("imap")["lastExit"].as_str().unwrap().contains("exited with code 4"));
    assert!(house.read("data/log/imap").contains("cannot open /srv/mail"));
}

#[test]
fn r15_c19_the_event_of_a_failure_has_the_last_lines_of_the_service() {
    let talks = "command: [/bin/sh, -c, 'echo cannot open /srv/mail; exec sleep 1000']";
    let house = House::started(&services(&[("imap", talks), ("smtp", "")]));
    let pid = house.all_ready().pid("imap").unwrap();
    eventually("its words are in its log", || house.read("data/log/imap").contains("cannot open").then_some(()));
    signal_to(pid, Signal::KILL);
    house.again("imap", pid);
    let events = house.read("data/log/events.jsonl");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failures: Vec<&Value> = events.iter().filter(|event| event["what"] == "ExitedAbnormally").collect();
    let [failure] = failures[..] else { panic!("one failure: {failures:?}") };
    assert!(failure["output"].to_string().contains("cannot open /srv/mail"), "{failure}");
    assert!(events.iter().all(|event| event == failure || event["output"].is_null()), "{events:?}");
}

#[test]
fn user_group_environment_directory_and_limits_are_those_that_are_declared() {
    let script = "id -un; id -gn; id -G; ulimit -n; ulimit -c; pwd; echo \"[$GREETING]\"; env | cut -d= -f1 | sort | tr \"\\n\" \" \"; echo; echo end; exec sleep 1000000";
    let fields = format!(
        "command: [/bin/sh, -c, '{script}'], user: nobody, userGroup: mail, workingDirectory: /usr, \
         limits: {{openFiles: 321, coreSize: 0}}, environment: [{{name: GREETING, value: 'Good  day'}}]"
    );
    let mut house = House::new(&services(&[("imap", &fields)]));
    house.environment.push(("OF_THE_AGENT".to_owned(), "secret".to_owned()));
    house.start();
    let pid = house.all_ready().pid("imap").unwrap();
    let log = eventually("its output", || Some(house.read("data/log/imap")).filter(|log| log.contains("end\n")));
    for word in ["nobody", "mail", "321", "0", "/usr", "[Good  day]"] {
        assert!(
            log.lines().any(|line| line.split(' ').next_back() == Some(word) || line.ends_with(word)),
            "{word}: {log}"
        );
    }
    assert!(log.contains("GREETING") && !log.contains("OF_THE_AGENT"), "{log}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534") && status.contains("Gid:\t8\t8\t8\t8"), "{status}");
    // The loader of its program has files open for a moment.
    let files = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    eventually("nothing of the agent's own is open in it", || (files() == 3).then_some(()));
}
