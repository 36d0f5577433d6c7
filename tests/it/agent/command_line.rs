//! The command line against a running agent: exit codes, words, and the Oracle names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::house::{House, is_alive, said, services, signal_to};
use crate::running::{eventually, program};

const ALL: [(&str, &str); 4] = [
    ("store", "group: store, groupRole: Lead"),
    ("imap", "group: store, dependsOn: [store]"),
    ("web", "enabled: false"),
    ("smtp", ""),
];

fn running() -> House {
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
    let slow = "command: [/bin/sh, -c, 'trap \"until test -e $0/go; do sleep 0.01; done; exit 0\" TERM; while :; do sleep 0.02; done', '{dir}']";
    let house = House::started(&services(&[("imap", slow)]));
    let pid = house.all_ready().pid("imap").unwrap();
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
    assert!(again.code == 0 && again.out.contains("already running"), "{again:?}");
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
    eventually("its trap is set", || house.path("up").exists().then_some(()));
    let ended = house.called("stop-msg", &["-f", "store"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains(&format!("Stopping store server {pid} ... done")), "{ended:?}");
    assert!(house.read("data/log/watcher").contains(&format!("Stopping store server {pid} ... killed")));
    assert!(ended.err.contains("it may have left locks in the message store"), "{ended:?}");
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

#[test]
fn another_user_may_not_ask_and_may_only_read_when_the_document_says_so() {
    let closed = services(&ALL);
    let mut house = House::new(&closed);
    // The binary must be within reach of another user.
    let copy = house.path("mailward");
    fs::copy(program(), &copy).unwrap();
    house.start();
    house.all_ready();
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy).args(words);
        command.arg("--socket").arg(house.path("run/control.sock")).env("NO_COLOR", "1").stdin(Stdio::null());
        said(command)
    };
    let refused = as_nobody(&["status"]);
    assert!(refused.code == 4 && refused.err.contains("may not ask the agent"), "{refused:?}");
    let refused = as_nobody(&["stop", "imap"]);
    assert_eq!(refused.code, 77, "{refused:?}");
    house.declare(&format!("  control: {{othersMayRead: true}}\n{closed}"));
    house.happens("DocumentAccepted", 1);
    assert_eq!(as_nobody(&["status"]).code, 0);
    assert_eq!(as_nobody(&["plan"]).code, 0);
    assert_eq!(as_nobody(&["history"]).code, 0);
    for words in [&["stop", "imap"][..], &["start"], &["stop", "--force"], &["hold", "imap"], &["stop-msg", "watcher"]]
    {
        let refused = as_nobody(words);
        assert_eq!(refused.code, 77, "{words:?} {refused:?}");
    }
    assert!(house.status().is_ready("imap") && house.status().service("imap")["held"] == false);
    house.declare(&closed);
    house.happens("DocumentAccepted", 2);
    assert_eq!(as_nobody(&["status"]).code, 4);
    let mode = fs::metadata(house.path("run/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn curl_talks_to_the_control_socket() {
    let house = running();
    let curl = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/curl");
        command.args(["--silent", "--show-error", "--unix-socket"]).arg(house.path("run/control.sock")).args(words);
        said(command)
    };
    let status: Value = serde_json::from_str(&curl(&["http://agent/v1/status"]).out).unwrap();
    assert_eq!(status["kind"], "MessagingServer");
    let order = r#"{"verb":"stop","services":["smtp"]}"#;
    let answer: Value = serde_json::from_str(&curl(&["-d", order, "http://agent/v1/orders"]).out).unwrap();
    assert_eq!((&answer[0]["service"], &answer[0]["outcome"]), (&"smtp".into(), &"doing".into()));
    house.until("smtp is down", |status| status.pid("smtp").is_none());
    let described: Value = serde_json::from_str(&curl(&["http://agent/v1/openapi.json"]).out).unwrap();
    assert!(described["paths"]["/v1/orders"].is_object());
    let wrong = curl(&["-o", "/dev/null", "-w", "%{http_code}", "http://agent/v2/nothing"]);
    assert_eq!(wrong.out, "404");
    let wrong = curl(&["-d", "{\"verb\":\"explode\"}", "-w", "%{http_code}", "http://agent/v1/orders"]);
    assert!(wrong.out.contains("explode") && wrong.out.ends_with("400"), "{wrong:?}");
}

#[test]
fn events_are_told_as_they_happen_each_on_a_line() {
    use std::io::BufRead as _;
    let house = running();
    let mut curl = Command::new("/usr/bin/curl")
        .args(["--silent", "--no-buffer", "--unix-socket"])
        .arg(house.path("run/control.sock"))
        .arg("http://agent/v1/events")
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(curl.stdout.take().unwrap()).lines();
    let pid = house.status().pid("smtp").unwrap();
    // Followed or not yet: sooner or later a restart is told, however often it takes.
    let reader = std::thread::spawn(move || lines.next().unwrap().unwrap());
    while !reader.is_finished() {
        house.does(&["restart", "smtp"]);
    }
    let told: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert!(told["time"].is_string() && told["event"]["event"].is_string(), "{told}");
    curl.kill().unwrap();
    curl.wait().unwrap();
    assert!(!is_alive(pid));
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
