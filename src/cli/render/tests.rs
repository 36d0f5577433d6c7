//! Golden texts.

use std::time::Duration;

use super::*;
use crate::agent::{Forecast, Left, PlannedStep, Told};
use crate::desired::Signal;
use crate::engine::{Happened, Verb};
use crate::model::{Exit, Wall};
use crate::status::{Condition, Instance, Reported, ServiceStatus, Status, Truth};

const NOW: Wall = Wall(1_767_323_045_000); // 2026-01-02T03:04:05Z

fn service(name: &str) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        enabled: true,
        ready: Truth::False,
        settled: true,
        reason: "runs as declared".to_owned(),
        ..ServiceStatus::default()
    }
}

fn condition(name: &str, status: Truth, reason: &str, message: &str) -> Condition {
    Condition {
        r#type: name.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: String::new(),
        observed_generation: 3,
    }
}

fn reported() -> Reported {
    let up = |name: &str, pid, since: &str| ServiceStatus {
        pid: Some(pid),
        since: Some(since.to_owned()),
        ready: Truth::True,
        group: Some("store".to_owned()),
        ..service(name)
    };
    let services = vec![
        up("store", 101, "2026-01-01T03:04:05Z"),
        ServiceStatus {
            ready: Truth::False,
            settled: false,
            says: Some("loads".into()),
            reason: "starts".into(),
            ..up("imap", 7, "2026-01-02T03:04:00Z")
        },
        ServiceStatus { held: true, reason: "stays down: a person stopped it".into(), ..service("pop") },
        ServiceStatus {
            gave_up: true,
            restarts_in_window: 1,
            last_exit: Some("was killed by SIGKILL at 2026-01-02T03:00:00Z".into()),
            last_lines: vec!["cannot \u{1b}[31mbind".into()],
            reason: "stays down: gave up".into(),
            ..service("http")
        },
        ServiceStatus { enabled: false, reason: "stays down: it is disabled".into(), ..service("ens") },
        ServiceStatus {
            ready: Truth::Unknown,
            settled: false,
            reason: "is being looked at".into(),
            ..service("sched")
        },
    ];
    let instance = Instance {
        name: "mx1".into(),
        agent_pid: 42,
        agent_version: "0.1.0".into(),
        observed_generation: 3,
        services,
        ..Instance::default()
    };
    let conditions = vec![
        condition("Ready", Truth::False, "ServicesNotReady", "not ready: imap, http"),
        condition("ConfigValid", Truth::False, "RuleBroken", "mw.yaml:3:1: error: bad"),
        condition("Degraded", Truth::False, "None", "nothing is amiss"),
    ];
    Reported::new("mail", Status { observed_generation: 3, conditions, instances: vec![instance], ..Status::default() })
}

#[test]
fn a_status_shows_what_stands_out_and_a_line_a_service() {
    let expected = "\
mail on mx1: not ready: imap, http
RuleBroken: mw.yaml:3:1: error: bad
agent 0.1.0 (pid 42), document 3

NAME   STATE     PID  AGE  RESTARTS  WHY
store  ready     101  24h  0         runs as declared
imap   starting  7    5s   0         starts; it says: loads
pop    held                0         stays down: a person stopped it
http   gave up             1         stays down: gave up
ens    disabled            0         stays down: it is disabled
sched  unknown             0         is being looked at

last lines of http:
  cannot \u{fffd}[31mbind
";
    assert_eq!(status(&reported(), &[], false, NOW, Style::Plain), expected);
}

#[test]
fn a_wide_status_of_some_services_shows_every_column_of_those() {
    let expected = "\
mail on mx1: not ready: imap, http
RuleBroken: mw.yaml:3:1: error: bad
agent 0.1.0 (pid 42), document 3

NAME   STATE    PID  AGE  SINCE                 RESTARTS  ENABLED  HELD  GROUP  LAST EXIT                                      WHY
store  ready    101  24h  2026-01-01T03:04:05Z  0         yes      no    store                                                 runs as declared
http   gave up                                  1         yes      no           was killed by SIGKILL at 2026-01-02T03:00:00Z  stays down: gave up

last lines of http:
  cannot \u{fffd}[31mbind
";
    let only = ["store".to_owned(), "http".to_owned()];
    assert_eq!(status(&reported(), &only, true, NOW, Style::Plain), expected);
}

#[test]
fn colours_change_nothing_but_colours() {
    let plain = status(&reported(), &[], true, NOW, Style::Plain);
    let mut coloured = status(&reported(), &[], true, NOW, Style::Coloured);
    assert!(coloured.contains("\u{1b}[32mready\u{1b}[0m"), "{coloured}");
    for code in ["0", "1", "2", "31", "32", "33"] {
        coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn r20_a_plan_shows_steps_reasons_and_what_they_interrupt() {
    let step = |verb: &str, service: &str, reason: &str, interrupts: &str| PlannedStep {
        verb: verb.into(),
        service: service.into(),
        reason: reason.into(),
        interrupts: interrupts.into(),
    };
    let forecast = Forecast {
        steps: vec![
            step("stop", "imap", "stop, to start again: its declaration changed", "its open connections"),
            step("start", "imap", "start again: its declaration changed", ""),
        ],
        left: vec![Left { service: "http".into(), reason: "cannot start: somebody else is in its place".into() }],
    };
    let expected = "\
STEP   SERVICE  WHY                                            INTERRUPTS
stop   imap     stop, to start again: its declaration changed  its open connections
start  imap     start again: its declaration changed

not reached:
  http: cannot start: somebody else is in its place
";
    assert_eq!(plan(&forecast, Style::Plain), expected);
    assert_eq!(plan(&Forecast::default(), Style::Plain), "nothing to do\n");
}

#[test]
fn a_history_has_a_line_a_happening() {
    let told = |service: Option<&str>, event: Happened| Told {
        time: "2026-01-02T03:04:05Z".into(),
        service: service.map(str::to_owned),
        what: event.to_string(),
        event,
    };
    let events =
        [told(None, Happened::DocumentAccepted { generation: 2 }), told(Some("imap"), Happened::Started { pid: 7 })];
    let expected = "\
TIME                  SERVICE  WHAT
2026-01-02T03:04:05Z  all      document 2 is in force
2026-01-02T03:04:05Z  imap     started, pid 7
";
    assert_eq!(history(&events, Style::Plain), expected);
    assert_eq!(history(&[], Style::Plain), "nothing has happened since the agent started\n");
}

#[test]
fn what_is_so_after_an_order_is_one_line() {
    let up = ServiceStatus { pid: Some(7), ..service("imap") };
    let table = [
        (Verb::Start, false, "imap is ready, pid 7"),
        (Verb::Start, true, "imap is already running, pid 7"),
        (Verb::Restart, false, "imap is restarted and ready, pid 7"),
        (Verb::Reload, false, "imap has taken over its files, pid 7"),
        (Verb::Release, false, "imap is released, pid 7"),
        (Verb::Release, true, "imap was not held"),
        (Verb::Reset, false, "imap has a whole restart budget again, pid 7"),
    ];
    for (verb, already, expected) in table {
        assert_eq!(after_order(verb, "imap", Some(&up), already), expected);
    }
    assert_eq!(after_order(Verb::Stop, "imap", None, false), "imap is stopped until it is started");
    assert_eq!(after_order(Verb::Hold, "imap", None, false), "imap is stopped and held until it is released");
}

fn started(pid: i32) -> Happened {
    Happened::Started { pid }
}

fn ready() -> Happened {
    Happened::Ready { after: Duration::from_secs(1) }
}

fn crashed(pid: i32) -> Happened {
    Happened::Crashed { pid: Some(pid), exit: Exit::Signal(9) }
}

/// What is printed for events; no event is a second that goes by.
fn start(script: &[Option<(&str, Happened)>]) -> String {
    let mut lines = Starting::default();
    let mut text = String::new();
    for moment in script {
        match moment {
            Some((service, event)) => text.push_str(&lines.happened(service, event)),
            None => text.push_str(lines.tick()),
        }
    }
    text.push_str(&lines.finish());
    text
}

#[test]
fn r01_the_lines_of_a_start_are_those_of_the_manual() {
    let mut script = vec![Some(("store", started(9356))), None, None, Some(("store", ready()))];
    for (name, pid) in [("purge", 9413), ("imap", 9420), ("pop", 9425), ("http", 9437)] {
        script.extend([Some((name, started(pid))), None, Some((name, ready()))]);
    }
    script.extend([Some(("sched", started(9451))), Some(("sched", ready()))]);
    for (name, pid) in [("dispatcher", 9461), ("job_controller", 9466)] {
        script.extend([Some((name, started(pid))), None, Some((name, ready()))]);
    }
    let expected = "\
Starting store server ... 9356
Checking store server status ..... ready
Starting purge server .... 9413
Starting imap server .... 9420
Starting pop server .... 9425
Starting http server .... 9437
Starting sched server ... 9451
Starting dispatcher server .... 9461
Starting job_controller server .... 9466
";
    assert_eq!(start(&script), expected);
}

#[test]
fn services_that_start_at_once_still_have_a_line_each() {
    let script = [
        Some(("dovecot", started(1))),
        Some(("postfix", started(2))),
        None,
        Some(("postfix", ready())),
        Some(("dovecot", ready())),
    ];
    assert_eq!(start(&script), "Starting dovecot server .... 1\nStarting postfix server ... 2\n");
}

#[test]
fn r02_a_start_that_fails_says_so_in_its_line_and_a_later_one_has_a_line_of_its_own() {
    let script = [
        Some(("store", started(1))),
        Some(("store", crashed(1))),
        Some(("sched", Happened::NotSpawned { error: "no such file".into() })),
        Some(("store", started(2))),
        None,
        Some(("store", ready())),
    ];
    let expected = "\
Starting store server ... 1
Checking store server status ... failed
Starting sched server ... failed
Starting store server ... 2
Checking store server status .... ready
";
    assert_eq!(start(&script), expected);
}

#[test]
fn r01_a_store_that_recovers_closes_its_line_when_others_go_on_and_is_told_when_it_is_ready() {
    let script = [
        Some(("store", started(1))),
        Some(("store", Happened::Recovers)),
        None,
        Some(("sched", started(2))),
        Some(("store", ready())),
        Some(("sched", ready())),
    ];
    let expected = "\
Starting store server ... 1
Checking store server status .... recovering
Starting sched server ... 2
Checking store server status ... ready
";
    assert_eq!(start(&script), expected);
}

#[test]
fn what_is_told_twice_is_printed_once_and_what_ends_early_is_closed() {
    let script = [
        Some(("imap", started(1))),
        Some(("imap", started(1))),
        Some(("imap", ready())),
        Some(("imap", ready())),
        Some(("imap", crashed(1))),
        Some(("pop", started(2))),
    ];
    assert_eq!(start(&script), "Starting imap server ... 1\nStarting pop server ... 2\n");
    assert_eq!(
        start(&[Some(("store", started(1)))]),
        "Starting store server ... 1\nChecking store server status ... not ready\n"
    );
    assert_eq!(start(&[Some(("imap", ready())), None]), "", "what was there before is not started");
}

fn stop(order: &[&str], absent: &[&str], script: &[Option<(&str, Happened)>]) -> String {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut lines = Stopping::new(own(order), own(absent));
    let mut text = String::new();
    for moment in script {
        match moment {
            Some((service, event)) => text.push_str(&lines.happened(service, event)),
            None => text.push_str(lines.tick()),
        }
    }
    text.push_str(&lines.finish());
    text
}

fn asked(pid: i32) -> Happened {
    Happened::Asked { signal: Signal::Term, pid: Some(pid) }
}

fn stopped(pid: i32) -> Happened {
    Happened::Stopped { pid: Some(pid), exit: Exit::Code(0) }
}

#[test]
fn r09_the_lines_of_a_stop_are_those_of_the_manual_with_the_absent_in_their_place() {
    let script = [
        Some(("http", asked(13440))),
        None,
        Some(("http", stopped(13440))),
        Some(("pop", asked(13431))),
        Some(("pop", stopped(13431))),
        Some(("store", asked(13426))),
        None,
        Some(("store", stopped(13426))),
    ];
    let expected = "\
Stopping http server 13440 .... done
Stopping pop server 13431 ... done
imap server is not running
Stopping store server 13426 .... done
";
    assert_eq!(stop(&["http", "pop", "imap", "store"], &["imap"], &script), expected);
}

#[test]
fn r03_the_ladder_to_kill_is_one_line_and_what_stays_is_failed() {
    let script = [
        Some(("imap", asked(1))),
        None,
        Some(("imap", Happened::Killed { pid: Some(1), locks_of: None })),
        Some(("imap", stopped(1))),
        Some(("store", asked(2))),
        Some(("store", Happened::Killed { pid: Some(2), locks_of: None })),
        Some(("store", Happened::StopFailed)),
    ];
    let expected = "Stopping imap server 1 .... done\nStopping store server 2 ... failed\n";
    assert_eq!(stop(&["imap", "store"], &[], &script), expected);
}

#[test]
fn stops_that_go_at_once_have_a_line_each_and_all_absent_are_named() {
    let script = [Some(("a", asked(1))), Some(("b", asked(2))), Some(("b", stopped(2))), None, Some(("a", stopped(1)))];
    assert_eq!(
        stop(&["c", "b", "a", "d"], &["c", "d"], &script),
        "c server is not running\nStopping a server 1 .... done\nStopping b server 2 ... done\nd server is not running\n"
    );
}
