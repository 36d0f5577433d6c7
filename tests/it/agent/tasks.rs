//! Tasks of the schedule, with the scheduler as the service it is: a process of its own that may be killed or stopped.

use std::collections::HashMap;
use std::fmt::Write as _;

use mailward::clock;
use mailward::desired::{DayRule, Timing};
use mailward::history::{Followed, TaskMarks};
use mailward::ledger::State;
use mailward::model::{Minute, Name};
use rustix::process::Signal;
use serde_json::Value;

use super::house::{House, is_alive, signal_to};
use crate::running::eventually;

/// The scheduler as the profiles have it.
const SCHED: &str = "    - {name: sched, command: [mailward, sched], readiness: {type: Notify}}\n";
/// Writes into its book that it begins, runs until there is a file `go`, and writes that it ends.
const WAITS: &str = "command: [/bin/sh, -c, 'echo began >> $0/task.book; until test -e $0/go; do sleep 0.02; done; \
    echo ended >> $0/task.book; echo bye', '{dir}']";

/// A document with the scheduler and these tasks, each a minute's crontab and its other fields.
fn document(tasks: &[(&str, &str)]) -> String {
    let mut text =
        format!("  services:\n    - {{name: store, command: [/bin/sleep, '1000000']}}\n{SCHED}  schedule:\n");
    for (name, fields) in tasks {
        let _ = writeln!(text, "    - {{name: {name}, crontab: '* * * * *', {fields}}}");
    }
    text
}

/// A house whose schedule was followed up to so many minutes ago, as the last agent on this machine left it.
fn left(minutes: i64, tasks: &[(&str, &str)]) -> House {
    let house = House::new(&document(tasks));
    let timing = Timing { crontab: "* * * * *".to_owned(), day_rule: DayRule::Or, zone: Name::from("UTC") };
    let followed = Followed { upto: now().plus(-minutes), answered: Vec::new() };
    let marks = TaskMarks { followed: Some(followed), timing: timing.print(), ..TaskMarks::default() };
    let kept: HashMap<Name, TaskMarks> = tasks.iter().map(|(name, _)| (Name::from(*name), marks.clone())).collect();
    std::fs::create_dir_all(house.path("state")).unwrap();
    State::new(&house.path("state")).save_schedule(&State::schedule_of(&kept)).unwrap();
    house
}

fn now() -> Minute {
    clock::wall().minute()
}

/// What happened to a task, by its words for programs, oldest first.
fn did(house: &House, task: &str) -> Vec<Value> {
    let told = house.get("/v1/history");
    let of = |told: &&Value| told["event"]["event"] == "Task" && told["event"]["task"] == task;
    told.as_array().unwrap().iter().filter(of).map(|told| told["event"]["did"].clone()).collect()
}

fn times(house: &House, task: &str, what: &str) -> usize {
    did(house, task).iter().filter(|did| did["event"] == what).count()
}

/// Waits until this happened to a task, and gives it.
fn until_did(house: &House, task: &str, what: &str) -> Value {
    house.until(&format!("{task} {what}"), |_| times(house, task, what) > 0);
    did(house, task).into_iter().find(|did| did["event"] == what).unwrap()
}

fn task(house: &House, name: &str) -> Value {
    let status = house.status();
    let tasks = status.0["status"]["instances"][0]["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["name"] == name).cloned().unwrap_or(Value::Null)
}

fn pid_of(house: &House, name: &str) -> i32 {
    eventually("the task's process", || i32::try_from(task(house, name)["pid"].as_i64()?).ok())
}

#[test]
fn r20_a_task_that_has_not_been_due_has_an_empty_history_and_what_nobody_declared_has_none() {
    let house =
        House::started(&document(&[]).replace(
            "  schedule:\n",
            "  schedule:\n    - {name: seldom, crontab: '0 0 1 1 *', command: [/bin/true]}\n",
        ));
    house.all_ready();
    assert_eq!(house.does(&["history", "seldom"]), "nothing has happened since the agent started\n");
    assert_eq!(house.does(&["history", "seldom", "-o", "json"]).trim(), "[]");
    let unknown = house.run(&["history", "seldum"]);
    assert_eq!((unknown.code, unknown.err.contains("did you mean seldom?")), (64, true), "{unknown:?}");
}

#[test]
fn r16_a_task_that_is_due_is_run_and_its_end_is_recorded() {
    let mut house = left(1, &[("report", "command: [/bin/sh, -c, 'echo hello; exit 3']")]);
    house.start();
    house.all_ready();
    assert_eq!(until_did(&house, "report", "Ended")["exit"]["Code"], 3);
    let report = task(&house, "report");
    assert_eq!((&report["lastOutcome"], &report["lastEndedWell"]), (&"exited with code 3".into(), &false.into()));
    let next = report["nextRun"].as_str().and_then(Minute::parse).expect("it is due again");
    assert!(next >= now(), "{report}");
    eventually("its output", || house.read("data/log/report").contains("hello").then_some(()));
    let table = house.run(&["status"]).out;
    let row = table.lines().find(|line| line.starts_with("report ")).expect("a row").to_owned();
    assert!(row.contains("exited with code 3") && row.contains("waiting"), "{table}");
    assert!(house.does(&["history", "report"]).contains("failed after"));
    assert!(house.read("data/log/events.jsonl").contains(r#""task":"report","what":"TaskEnded""#));
}

#[test]
fn r16_months_of_missed_time_are_told_once_a_task_and_no_run_is_made_up() {
    let months = 90 * 1_440;
    let fields = "command: [/bin/sh, -c, 'echo ran >> $0/task.book', '{dir}']";
    let mut house = left(months, &[("report", fields), ("digest", "command: [/bin/true]")]);
    house.start();
    for name in ["report", "digest"] {
        let missed = until_did(&house, name, "Missed");
        let count = missed["count"].as_i64().unwrap();
        assert!((months - 3..=months + 60).contains(&count), "{missed}");
        until_did(&house, name, "Ended");
    }
    house.restart_agent();
    house.all_ready();
    // Runs of minutes that have come meanwhile may follow.
    let runs = house.read("task.book").lines().count();
    assert!(runs < 30, "{runs} runs");
    assert_eq!(times(&house, "report", "Missed"), 0, "the next agent does not tell it again");
}

#[test]
fn r17_a_scheduler_that_is_killed_while_a_task_runs_is_restarted_and_the_task_ends_once() {
    let mut house = left(1, &[("report", WAITS)]);
    house.start();
    let sched = house.all_ready().pid("sched").unwrap();
    let pid = pid_of(&house, "report");
    signal_to(sched, Signal::KILL);
    house.again("sched", sched);
    assert_eq!(pid_of(&house, "report"), pid, "its task was neither killed nor begun again");
    house.put("go", "");
    let ended = until_did(&house, "report", "Ended");
    assert_eq!(ended["exit"]["Code"], 0);
    let begun = did(&house, "report").iter().filter(|did| did["event"] == "Began" && did["pid"] == pid).count();
    assert_eq!((begun, house.times("sched Crashed")), (1, 1));
    let book = house.read("task.book");
    assert!(book.starts_with("began\nended\n"), "never two at once: {book}");
}

#[test]
fn r17_a_scheduler_that_is_frozen_while_a_task_runs_is_restarted_and_the_task_ends_once() {
    let impatient = "readiness: {type: Notify}, watchdog: 5s, stopTimeout: 1s}\n";
    let spec = document(&[("report", WAITS)]).replace("readiness: {type: Notify}}\n", impatient);
    // What the test machine suffers excuses nothing.
    let house = House::started(&format!("  probes: {{pressureThreshold: 100}}\n{spec}"));
    let sched = house.all_ready().pid("sched").unwrap();
    house.does(&["task", "run", "report"]);
    let pid = pid_of(&house, "report");
    signal_to(sched, Signal::STOP);
    house.again("sched", sched);
    assert!(!is_alive(sched), "the frozen one is gone");
    assert_eq!(pid_of(&house, "report"), pid, "its task was neither killed nor begun again");
    house.put("go", "");
    assert_eq!(until_did(&house, "report", "Ended")["exit"]["Code"], 0);
    let begun = did(&house, "report").iter().filter(|did| did["event"] == "Began" && did["pid"] == pid).count();
    let times = |what: &str| house.times(&format!("sched {what}"));
    assert_eq!((begun, times("Hangs"), times("Crashed")), (1, 1, 0));
    let book = house.read("task.book");
    assert!(book.starts_with("began\nended\n"), "never two at once: {book}");
}

#[test]
fn r16_a_task_has_the_user_and_the_environment_that_it_declares_and_a_log_of_its_name() {
    let fields = "command: [/bin/sh, -c, 'id -u; echo \"$SPOOL\"'], user: nobody, \
        environment: [{name: SPOOL, value: a b}]";
    let house = House::started(&document(&[("report", fields)]));
    house.all_ready();
    house.does(&["task", "run", "report"]);
    assert_eq!(until_did(&house, "report", "Ended")["exit"]["Code"], 0);
    let nobody = std::fs::read_to_string("/etc/passwd").unwrap();
    let nobody = nobody.lines().find_map(|line| line.strip_prefix("nobody:")?.split(':').nth(1)).unwrap().to_owned();
    eventually("its output, each line with its time", || {
        let log = house.read("data/log/report");
        let said: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        said.windows(2).any(|two| *two == [&*nobody, "a b"]).then_some(())
    });
}

#[test]
fn r17_an_agent_that_is_killed_while_a_task_runs_finds_it_and_records_its_end_once() {
    let mut house = left(1, &[("report", WAITS)]);
    house.start();
    let sched = house.all_ready().pid("sched").unwrap();
    let pid = pid_of(&house, "report");
    house.restart_agent();
    assert_eq!(until_did(&house, "report", "Adopted")["pid"], pid);
    assert_eq!(house.all_ready().pid("sched"), Some(sched), "the scheduler goes on and asks the next agent");
    assert_eq!(house.run(&["task", "run", "report"]).code, 75, "it still runs");
    house.put("go", "");
    until_did(&house, "report", "Ended");
    assert!(house.read("task.book").starts_with("began\nended\n"));
    assert_eq!(
        did(&house, "report").iter().filter(|did| did["event"] == "Ended").count(),
        times(&house, "report", "Began") + 1
    );
}

#[test]
fn r17_a_task_that_ended_while_no_agent_ran_is_not_run_again_for_its_minute() {
    let mut house = House::started(&document(&[("report", WAITS)]));
    house.all_ready();
    let due = format!(r#"{{"due":"{}"}}"#, now().plus(-5));
    let run = |house: &House| -> Value {
        let (code, body) = house.ask("POST", "/v1/tasks/report/runs", &due).unwrap();
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(run(&house)["outcome"], "doing");
    assert_eq!(run(&house)["outcome"], "alreadySo");
    let pid = pid_of(&house, "report");
    house.kill_agent();
    signal_to(pid, Signal::KILL);
    eventually("its end", || (!is_alive(pid)).then_some(()));
    house.put("go", "");
    house.start();
    until_did(&house, "report", "Ended");
    assert_eq!(run(&house)["outcome"], "alreadySo", "asked by a scheduler that did not hear the answer");
}

#[test]
fn r16_a_person_runs_a_task_by_hand_and_is_told_why_not() {
    let all = [("report", "command: [/bin/true], needs: [store]"), ("idle", "command: [/bin/true], enabled: false")];
    let house = House::started(&document(&all));
    house.all_ready();
    assert_eq!(house.does(&["task", "run", "report"]), "report is begun; its output is in its log\n");
    until_did(&house, "report", "Ended");
    house.does(&["stop", "store"]);
    let said = house.run(&["task", "run", "report"]);
    assert_eq!((said.code, &*said.err), (69, "mailward: report: it needs store, which is held\n"));
    let said = house.run(&["task", "run", "idle"]);
    assert_eq!((said.code, &*said.err), (78, "mailward: idle: it is disabled\n"));
    let said = house.run(&["task", "run", "rep"]);
    assert_eq!(said.code, 64, "{said:?}");
}

#[test]
fn r16_a_task_that_runs_too_long_is_ended_with_everything_it_began() {
    let fields = "command: [/bin/sh, -c, 'sleep 100001 & echo $! > $0/child; sleep 100002', '{dir}'], timeout: 1s";
    let house = House::started(&document(&[("report", fields)]));
    house.all_ready();
    house.does(&["task", "run", "report"]);
    until_did(&house, "report", "TimedOut");
    until_did(&house, "report", "Ended");
    let child: i32 = house.read("child").trim().parse().unwrap();
    eventually("the end of what it began", || (!is_alive(child)).then_some(()));
    assert_eq!(task(&house, "report")["lastOutcome"], "ran longer than it may and was ended");
}

#[test]
fn r16_a_change_of_the_document_reaches_the_scheduler_without_a_restart() {
    let house = House::started(&document(&[("report", "command: [/bin/true]")]));
    let sched = house.all_ready().pid("sched");
    // A zone that nobody knows is said at once, so that no minute has to be waited for.
    house.declare(&document(&[("report", "command: [/bin/true], timeZone: Europe/Nowhere")]));
    eventually("the new schedule", || {
        house.read("data/log/sched").contains("report is not followed: this system knows no time zone").then_some(())
    });
    assert_eq!(house.all_ready().pid("sched"), sched);
    assert_eq!(task(&house, "report")["reason"], "this system knows no time zone Europe/Nowhere");
}

#[test]
fn r16_a_scheduler_waits_for_an_agent_that_is_away_and_ends_when_it_is_told() {
    let house = House::new(&document(&[("report", "command: [/bin/true]")]));
    let said = std::fs::File::create(house.path("said")).unwrap();
    let mut sched = house.command(&["sched"]).stderr(said).spawn().unwrap();
    eventually("it says that it waits", || house.read("said").contains("it is asked again every second").then_some(()));
    signal_to(i32::try_from(sched.id()).unwrap(), Signal::TERM);
    let status = eventually("its end", || sched.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
