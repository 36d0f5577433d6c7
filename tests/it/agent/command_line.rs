//! The command line against a running agent: exit codes and words.

use rustix::process::Signal;
use serde_json::Value;

use super::house::{House, free_port, said, services, signal_to};

pub(super) const ALL: [(&str, &str); 4] = [
    ("store", "group: store, groupRole: Lead"),
    ("imap", "group: store, dependsOn: [store]"),
    ("web", "enabled: false"),
    ("smtp", ""),
];

pub(super) fn running() -> House {
    let house = House::started(&services(&ALL));
    house.all_ready();
    house.written(3);
    house
}

#[test]
fn r04_the_exit_codes_of_start_stop_and_restart() {
    let house = running();
    let code = |words: &[&str]| house.run(words).code;
    assert_eq!(code(&["start", "imap"]), 0, "already so");
    assert_eq!(code(&["stop", "imap"]), 0);
    assert_eq!(code(&["stop", "imap"]), 0, "already so");
    assert_eq!(code(&["start", "imap"]), 0);
    for verb in ["start", "stop", "restart"] {
        let said = house.run(&[verb, "impa"]);
        assert_eq!((said.code, said.err.contains("did you mean imap?")), (64, true), "{said:?}");
        let said = house.run(&[verb, "web"]);
        assert_eq!((said.code, said.err.contains("web is disabled")), (78, true), "{said:?}");
    }
    assert_eq!(code(&["stop", "store"]), 0);
    let said = house.run(&["start", "imap"]);
    assert_eq!((said.code, said.err.contains("waits for store, which is held")), (69, true), "{said:?}");
    assert_eq!(code(&["start", "store"]), 0);
    house.all_ready();
}

#[test]
fn r04_a_start_that_is_not_ready_in_time_ends_with_75() {
    let slow = "readiness: {type: Command, command: [/usr/bin/test, -e, '{dir}/go']}";
    let house = House::started(&services(&[("imap", slow), ("never", "command: ['{dir}/missing']")]));
    let said = house.run(&["start", "imap", "--timeout", "300ms"]);
    assert_eq!(said.code, 75, "{said:?}");
    let said = house.run(&["restart", "never"]);
    assert_eq!(said.code, 75, "{said:?}");
    assert!(house.status().reason("never").contains("gave up"));
    house.put("go", "");
    house.does(&["start", "imap"]);
}

#[test]
fn r04_with_a_failed_configuration_check_restart_ends_with_78_and_says_what_the_checker_said() {
    let check = "check: {command: [/bin/sh, -c, 'echo bad line 3; exit 1']}";
    let house = House::started(&services(&[("imap", check)]));
    let before = house.all_ready();
    let said = house.run(&["restart", "imap"]);
    assert_eq!((said.code, said.err.contains("bad line 3")), (78, true), "{said:?}");
    assert_eq!(house.status().pid("imap"), before.pid("imap"));
}

#[test]
fn r04_no_wait_returns_at_once_and_a_limit_bounds_the_wait() {
    let slow = "command: [/bin/sh, -c, 'trap \"until test -e $0/go; do sleep 0.01; done; exit 0\" TERM; : > $0/up; while :; do sleep 0.02; done', '{dir}']";
    let house = House::started(&services(&[("imap", slow)]));
    let pid = house.all_ready().pid("imap").unwrap();
    house.has("up");
    assert!(house.does(&["stop", "imap", "--no-wait"]).contains("imap: stop is ordered"));
    assert_eq!(house.status().pid("imap"), Some(pid));
    let said = house.run(&["stop", "imap", "--timeout", "200ms"]);
    assert!(said.code == 75 && said.err.contains("not done within 0.2 s"), "{said:?}");
    house.put("go", "");
    house.until("it is gone", |status| status.pid("imap").is_none());
}

#[test]
fn r06_stopping_what_others_need_stops_those_first_and_they_come_back_with_it() {
    let house = running();
    house.does(&["stop", "store"]);
    let status = house.status();
    assert_eq!((status.pid("imap"), &status.service("imap")["held"]), (None, &false.into()));
    assert!(status.reason("imap").contains("waits: store held"), "{}", status.reason("imap"));
    assert_eq!(house.written(5)[3..], ["-imap", "-store"]);
    house.does(&["start", "store"]);
    house.all_ready();
}

#[test]
fn a_command_without_an_agent_ends_with_69_and_status_with_3_and_both_say_so() {
    let mut house = House::new(&services(&ALL));
    for verb in ["start", "stop", "restart", "why", "reload"] {
        let said = house.run(&[verb, "imap"]);
        assert_eq!((said.code, said.err.contains("no agent is running")), (69, true), "{verb} {said:?}");
    }
    let said = house.run(&["status"]);
    assert_eq!((said.code, said.err.contains("no agent is running")), (3, true), "{said:?}");
    let said = house.run(&["status", "-o", "json"]);
    let object: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &object["status"]["conditions"][0]["reason"]), (3, &"NoAgent".into()));
    house.start();
    house.all_ready();
    house.kill_agent();
    let said = house.run(&["status"]);
    assert!(said.code == 3 && said.err.contains("ended without cleaning up"), "{said:?}");
    house.start();
    assert_eq!(house.run(&["status"]).code, 0);
}

#[test]
fn status_ends_with_0_when_all_is_ready_and_1_when_not() {
    let house = running();
    assert_eq!(house.run(&["status"]).code, 0);
    house.does(&["stop", "imap"]);
    let said = house.run(&["status"]);
    assert!(said.code == 1 && said.out.contains("imap"), "{said:?}");
    assert_eq!(house.run(&["status", "imap"]).code, 1);
    assert_eq!(house.run(&["status", "smtp"]).code, 0);
    assert_eq!(house.run(&["status", "impa"]).code, 64);
}

#[test]
fn status_as_json_has_the_fields_that_scripts_rely_on() {
    let house = running();
    let object: Value = serde_json::from_str(&house.does(&["status", "-o", "json"])).unwrap();
    assert_eq!((&object["apiVersion"], &object["kind"]), (&"mailward.dev/v1alpha1".into(), &"MessagingServer".into()));
    assert_eq!(object["metadata"]["name"], "mail");
    let conditions = object["status"]["conditions"].as_array().unwrap();
    for name in ["Ready", "Reconciling", "Stalled", "Degraded", "ConfigValid", "Suspended"] {
        let condition = conditions.iter().find(|condition| condition["type"] == name).unwrap();
        assert!(["True", "False", "Unknown"].contains(&condition["status"].as_str().unwrap()));
        for field in ["reason", "message", "lastTransitionTime"] {
            assert!(condition[field].is_string(), "{name} {field}");
        }
    }
    let services = object["status"]["instances"][0]["services"].as_array().unwrap();
    assert_eq!(services.len(), 4);
    for service in services {
        let up = service["name"] != "web";
        assert!(service["name"].is_string() && service["reason"].is_string() && service["ready"].is_string());
        assert_eq!(
            (&service["enabled"], &service["held"], &service["gaveUp"]),
            (&up.into(), &false.into(), &false.into())
        );
        assert_eq!((service["pid"].is_u64(), service["since"].is_string()), (up, up), "{service}");
        assert_eq!(service["restartsInWindow"], 0);
    }
    let yaml = house.does(&["status", "-o", "yaml"]);
    assert!(yaml.contains("kind: MessagingServer"));
}

#[test]
fn r20_plan_ends_with_0_when_nothing_is_to_do_and_2_with_the_steps_when_there_is_and_changes_nothing() {
    let house = running();
    let before = house.status();
    assert_eq!(house.run(&["plan"]).code, 0);
    let changed = services(&[
        ("store", "group: store, groupRole: Lead"),
        ("imap", "group: store, dependsOn: [store], environment: [{name: A, value: b}]"),
        ("pop", ""),
    ]);
    house.put("other.yaml", &house.document(&changed));
    let other = house.path("other.yaml");
    let said = house.run(&["plan", other.to_str().unwrap(), "-o", "json"]);
    assert_eq!(said.code, 2, "{said:?}");
    let object: Value = serde_json::from_str(&said.out).unwrap();
    let steps: Vec<String> = object["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            assert!(!step["reason"].as_str().unwrap().is_empty());
            format!("{} {}", step["verb"].as_str().unwrap(), step["service"].as_str().unwrap())
        })
        .collect();
    for step in ["stop imap", "start imap", "stop smtp", "start pop"] {
        assert!(steps.contains(&step.to_owned()), "{step}: {steps:?}");
    }
    assert!(!steps.iter().any(|step| step.ends_with("store")), "{steps:?}");
    let table = house.run(&["plan", other.to_str().unwrap()]);
    assert!(table.code == 2 && table.out.contains("its declaration changed"), "{table:?}");
    assert_eq!(house.status().pids(), before.pids());
    assert_eq!(house.written(3).len(), 3);
}

#[test]
fn r20_the_agent_does_what_plan_said() {
    let house = running();
    let changed = services(&[
        ("store", "group: store, groupRole: Lead, environment: [{name: A, value: b}]"),
        ("imap", "group: store, dependsOn: [store]"),
        ("pop", "dependsOn: [imap]"),
        ("smtp", ""),
    ]);
    house.put("other.yaml", &house.document(&changed));
    let other = house.path("other.yaml");
    let object: Value = serde_json::from_str(&house.run(&["plan", other.to_str().unwrap(), "-o", "json"]).out).unwrap();
    let count = |verb: &str| {
        let steps = object["steps"].as_array().unwrap().iter();
        let mut names: Vec<String> = steps
            .filter(|step| step["verb"] == verb)
            .map(|step| step["service"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let known = house.history().len();
    house.declare(&changed);
    house.until("pop runs", |status| status.is_ready("pop"));
    house.all_ready();
    let done = |what: &str| {
        let history = house.history();
        let mut names: Vec<String> =
            history[known..].iter().filter_map(|line| line.strip_suffix(what)).map(str::to_owned).collect();
        names.sort();
        // What a main process left behind is asked too; that is the same stop.
        names.dedup();
        names
    };
    assert_eq!(count("start"), done(" Started"));
    assert_eq!(count("stop"), done(" Asked"));
    assert_eq!(house.run(&["plan"]).code, 0);
}

#[test]
fn plan_without_an_agent_unfolds_the_document_as_if_nothing_ran() {
    let house = House::new(&services(&ALL));
    let file = house.path("conf/mailward.yaml");
    let said = house.run(&["plan", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(said.code, 2, "{said:?}");
    let object: Value = serde_json::from_str(&said.out).unwrap();
    let started: Vec<&Value> = object["steps"].as_array().unwrap().iter().map(|step| &step["service"]).collect();
    assert_eq!(started, ["store", "smtp", "imap"]);
    assert!(said.err.contains("no agent is running"));
    house.put("conf/mailward.yaml", "kind: X");
    let said = house.run(&["plan", file.to_str().unwrap()]);
    assert_eq!(said.code, 65, "{said:?}");
}

#[test]
fn why_tells_the_chain_of_causes_and_history_what_happened() {
    let house = running();
    house.does(&["stop", "store"]);
    let why = house.does(&["why", "imap"]);
    assert!(why.contains("imap stays down: waits: store held."), "{why}");
    assert!(why.contains("store stays down: a person stopped it."), "{why}");
    assert_eq!(house.run(&["why", "impa"]).code, 64);
    let history = house.does(&["history", "store"]);
    for words in ["started, pid", "ready after", "held until started by a person", "stopped"] {
        assert!(history.contains(words), "{words}: {history}");
    }
    assert!(!history.contains("smtp"));
    let all: Value = serde_json::from_str(&house.does(&["history", "-o", "json"])).unwrap();
    assert!(all.as_array().unwrap().iter().all(|told| told["time"].is_string() && told["what"].is_string()));
}

#[test]
fn r11_c28_why_says_what_is_left_of_the_budget_and_until_when_a_failure_is_one_too_many() {
    let house = House::started(&services(&[("imap", "")]));
    let first = house.all_ready().pid("imap").unwrap();
    assert!(house.does(&["why", "imap"]).contains("Budget: 0 of 1 automatic restart(s) within 600 s are spent."));
    signal_to(first, Signal::KILL);
    house.again("imap", first);
    let why = house.does(&["why", "imap"]);
    assert!(why.contains("Budget: 1 of 1 automatic restart(s) within 600 s are spent: a failure before 20"), "{why}");
}

#[test]
fn r06_reset_makes_the_budget_whole_again() {
    let house = House::started(&services(&[("imap", "")]));
    let first = house.all_ready().pid("imap").unwrap();
    signal_to(first, Signal::KILL);
    let second = house.again("imap", first);
    house.does(&["reset", "imap"]);
    assert_eq!(house.status().service("imap")["restartsInWindow"], 0);
    signal_to(second, Signal::KILL);
    house.again("imap", second);
    assert_eq!(house.times("imap GaveUp"), 0);
}

#[test]
fn r25_without_the_feature_or_the_environment_there_is_no_resource_to_follow() {
    let house = House::new(&services(&ALL));
    let mut command = house.command(&["run", "--from", "kubernetes"]);
    let said = said({
        command.env_remove("MAILWARD_NAMESPACE");
        command
    });
    let (code, words) = if cfg!(feature = "kubernetes") {
        (78, "MAILWARD_NAMESPACE is not set")
    } else {
        (64, "built without the feature `kubernetes`")
    };
    assert!(said.code == code && said.err.contains(words), "{said:?}");
}

#[test]
fn r30_an_agent_with_a_file_serves_its_health_too() {
    let mut house = House::new(&services(&ALL));
    let port = free_port();
    let mut command = house.agent_command();
    command.args(["--health", &format!("127.0.0.1:{port}")]);
    house.start_by(&mut command);
    house.all_ready();
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    assert!(get("/livez").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").contains("mailward_services_ready 3"), "{}", get("/metrics"));
    assert_eq!(house.run(&["stop", "smtp"]).code, 0);
    let answer = get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not ready: smtp"), "{answer}");
}
