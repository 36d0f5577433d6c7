use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::desired::Launch;
use crate::engine::{Record, TaskRecord};
use crate::history::{ClientMarks, Followed, Hold, Marks, Registered, TaskMarks};
use crate::model::{Boot, Identity, Incarnation, Life, Minute, Name};

fn epoch(boot: &str) -> Epoch {
    Epoch { boot: boot.to_owned(), namespace: "pid:[1]".to_owned(), pod: None }
}

fn record_of(used: u64) -> Record {
    Record { marks: Marks { used: Incarnation(used), charges: vec![Boot(7)], ..Marks::default() }, ..Record::default() }
}

/// A life of the agent: its journal, and all the records that it has.
struct Agent {
    journal: Journal,
    all: Changed,
}

impl Agent {
    fn begin(folder: &Path, epoch: Epoch) -> Self {
        let (journal, found) = Journal::open(folder, epoch);
        let all = Changed { services: found.services.into_iter().collect(), tasks: found.tasks.into_iter().collect() };
        Self { journal, all }
    }

    fn save(&mut self, changed: Changed) -> Result<(), LedgerError> {
        self.all.services.extend(changed.services.clone());
        self.all.tasks.extend(changed.tasks.clone());
        self.journal.save(changed, || self.all.clone())
    }
}

fn save(folder: &Path, epoch: Epoch, changed: Vec<(Name, Record)>) {
    Agent::begin(folder, epoch).save(services(changed)).unwrap();
}

fn services(services: Vec<(Name, Record)>) -> Changed {
    Changed { services, tasks: Vec::new() }
}

fn found(folder: &Path, epoch: Epoch) -> Kept {
    Journal::open(folder, epoch).1
}

fn kept(folder: &Path, epoch: Epoch, name: &str) -> Option<u64> {
    found(folder, epoch).services.get(name).map(|record| record.marks.used.0)
}

#[test]
fn r11_a_killed_agent_finds_every_record_it_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::begin(folder.path(), epoch("a"));
    assert_eq!(agent.journal.life(), Life(1));
    agent.save(services(vec![("store".into(), record_of(1)), ("imap".into(), record_of(2))])).unwrap();
    agent.save(services(vec![("imap".into(), record_of(3))])).unwrap();
    assert_eq!(Journal::open(folder.path(), epoch("a")).0.life(), Life(2));
    let kept = |name| kept(folder.path(), epoch("a"), name);
    assert_eq!((kept("store"), kept("imap")), (Some(1), Some(3)));
}

#[test]
fn r05_how_a_service_is_launched_is_kept_though_a_line_says_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let launch = |program: &str| Arc::new(Launch { command: vec![program.to_owned()], ..Launch::default() });
    let record =
        |used, launch: &Arc<Launch>| Record { launch: Arc::clone(launch), stop_timeout_ms: 7, ..record_of(used) };
    let size = || std::fs::metadata(folder.path().join("journal")).unwrap().len();
    let (one, other) = (launch("/usr/sbin/dovecot"), launch("/usr/sbin/other"));
    let mut agent = Agent::begin(folder.path(), epoch("a"));
    agent.save(services(vec![("imap".into(), record(1, &one))])).unwrap();
    let (first, before) = (found(folder.path(), epoch("a")), size());
    agent.save(services(vec![("imap".into(), record(2, &one))])).unwrap();
    let (second, after) = (found(folder.path(), epoch("a")), size());
    agent.save(services(vec![("imap".into(), record(3, &other))])).unwrap();
    agent.save(services(vec![("imap".into(), record(4, &other)), ("pop".into(), record(1, &one))])).unwrap();
    let last = found(folder.path(), epoch("a"));
    assert_eq!(first.services["imap"], record(1, &one));
    assert_eq!(second.services["imap"], record(2, &one));
    assert!(after - before < 200, "{before} and {after} bytes: the second line says the launch again");
    assert_eq!((&last.services["imap"], &last.services["pop"]), (&record(4, &other), &record(1, &one)));
}

#[test]
fn r05_a_journal_of_the_format_before_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let marks = Marks { used: Incarnation(4), ended: Incarnation(3), charges: vec![Boot(7)], ..Marks::default() };
    let launch = Launch { command: vec!["/usr/sbin/dovecot".to_owned()], ..Launch::default() };
    let record = Record { marks, launch: Arc::new(launch), stop_timeout_ms: 7, clients: None };
    let sealed = |json: String| format!("{:016x} {json}\n", crate::model::Fingerprint::of(json.as_bytes()).0);
    let head = serde_json::json!({"version": 2, "epoch": epoch("a"), "life": 6}).to_string();
    let line = serde_json::json!({"services": [["imap", record]]}).to_string();
    std::fs::write(folder.path().join("journal"), sealed(head) + &sealed(line)).unwrap();
    let (journal, kept) = Journal::open(folder.path(), epoch("a"));
    assert_eq!((journal.life(), &kept.services["imap"]), (Life(7), &record));
}

#[test]
fn r16_a_killed_agent_finds_which_run_it_had_begun_and_how_far_schedules_were_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut followed = Followed::from(Minute(7));
    followed.answer(Minute(9));
    let marks = TaskMarks { used: Incarnation(3), followed: Some(followed), ..TaskMarks::default() };
    let record = TaskRecord { marks: marks.clone(), ..TaskRecord::default() };
    let mut agent = Agent::begin(folder.path(), epoch("a"));
    agent
        .save(Changed { tasks: vec![("purge".into(), record)], services: vec![("purge".into(), record_of(1))] })
        .unwrap();
    let next = found(folder.path(), epoch("a"));
    assert_eq!(next.tasks.get("purge").map(|record| &record.marks), Some(&marks));
    assert_eq!(next.services["purge"].marks.used.0, 1, "a service may have the name of a task");
    let state = State::new(folder.path());
    state.save_schedule(&State::schedule_of(&HashMap::from([(Name::from("purge"), marks.clone())]))).unwrap();
    assert_eq!(
        state.schedule().get("purge"),
        Some(&marks.without_process()),
        "a reboot ends the run, not the schedule"
    );
    std::fs::write(folder.path().join("schedule.json"), "{").unwrap();
    assert!(state.schedule().is_empty());
}

#[test]
fn r05_a_torn_journal_gives_every_whole_line_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::begin(folder.path(), epoch("a"));
    agent.save(services(vec![("store".into(), record_of(1))])).unwrap();
    agent.save(services(vec![("imap".into(), record_of(2))])).unwrap();
    let whole = std::fs::read(folder.path().join("journal")).unwrap();
    let first = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).nth(1).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(folder.path().join("journal"), &whole[..cut]).unwrap();
        let torn = found(folder.path(), epoch("a")).services;
        assert!(!torn.contains_key("imap"), "cut at {cut}");
        assert_eq!(torn.contains_key("store"), cut > first, "cut at {cut}");
    }
}

#[test]
fn r05_a_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), epoch("a"), vec![("store".into(), record_of(1))]);
    let mut bytes = std::fs::read(folder.path().join("journal")).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    std::fs::write(folder.path().join("journal"), &bytes).unwrap();
    assert_eq!(kept(folder.path(), epoch("a"), "store"), None);
}

#[test]
fn r05_a_journal_of_another_boot_or_a_newer_version_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), epoch("a"), vec![("store".into(), record_of(1))]);
    assert_eq!(kept(folder.path(), epoch("b"), "store"), None);
    let text = std::fs::read_to_string(folder.path().join("journal")).unwrap();
    let head = text.lines().next().unwrap()[17..].replace("\"version\":3", "\"version\":4");
    let seal = crate::model::Fingerprint::of(head.as_bytes()).0;
    let rest: String = text.lines().skip(1).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(folder.path().join("journal"), format!("{seal:016x} {head}\n{rest}")).unwrap();
    assert_eq!(kept(folder.path(), epoch("a"), "store"), None);
}

#[test]
fn the_journal_stays_bounded_however_often_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), epoch("a"));
    for turn in 0..50_000 {
        let all = services(vec![("store".into(), record_of(turn))]);
        journal.save(all.clone(), || all).unwrap();
    }
    let size = std::fs::metadata(folder.path().join("journal")).unwrap().len();
    assert!(size < 300_000, "{size} bytes");
    assert_eq!(kept(folder.path(), epoch("a"), "store"), Some(49_999));
}

#[test]
fn a_disk_that_takes_nothing_is_reported_and_loses_nothing_once_it_does_again() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("run");
    let mut agent = Agent::begin(&runtime, epoch("a"));
    let error = agent.save(services(vec![("store".into(), record_of(1))])).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    std::fs::create_dir(&runtime).unwrap();
    agent.save(services(vec![("imap".into(), record_of(2))])).unwrap();
    let kept = |name| kept(&runtime, epoch("a"), name);
    assert_eq!((kept("store"), kept("imap")), (Some(1), Some(2)));
}

#[test]
fn r06_holds_and_r18_the_last_good_document_are_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::new(folder.path());
    assert!(state.holds().is_empty());
    let holds: BTreeSet<String> = ["imap".to_owned(), "pop".to_owned()].into();
    state.save_holds(&holds).unwrap();
    state.save_last_good(b"kind: MessagingServer").unwrap();
    assert_eq!(state.holds(), holds);
    assert_eq!(state.last_good().as_deref(), Some(&b"kind: MessagingServer"[..]));
    let name: Name = "unused".into();
    assert!(State::new(&folder.path().join(&*name)).last_good().is_none());
}

fn in_pod(pod: &str, boot: &str, namespace: &str) -> Epoch {
    Epoch { boot: boot.to_owned(), namespace: namespace.to_owned(), pod: Some(pod.to_owned()) }
}

#[test]
fn r06_a_container_restart_keeps_what_was_decided_and_forgets_every_process() {
    let folder = tempfile::tempdir().unwrap();
    let marks = Marks {
        used: Incarnation(4),
        ready: Incarnation(4),
        proven: Some(Identity { pid: 7, started: 9 }),
        hold: Some(Hold::Stopped),
        charges: vec![Boot(5)],
        ..Marks::default()
    };
    let clients = ClientMarks {
        charges: vec![Boot(6)],
        registered: vec![Registered { identity: Identity { pid: 8, started: 9 }, name: "reconstruct".into() }],
        ..ClientMarks::default()
    };
    let records = vec![
        (Name::from("imap"), Record { marks: marks.clone(), ..Record::default() }),
        (Name::from("watcher"), Record { clients: Some(clients), ..Record::default() }),
    ];
    save(folder.path(), in_pod("a", "boot", "pid:[1]@1"), records);

    let same = found(folder.path(), in_pod("a", "boot", "pid:[1]@1"));
    assert_eq!(same.services["imap"].marks, marks, "the same container");
    let (next, records) = Journal::open(folder.path(), in_pod("a", "boot", "pid:[1]@2"));
    let kept = &records.services["imap"].marks;
    assert_eq!((kept.hold, &kept.charges, kept.used), (Some(Hold::Stopped), &vec![Boot(5)], Incarnation(4)));
    assert!(!kept.thought_alive() && kept.proven.is_none(), "{kept:?}");
    let clients = records.services["watcher"].clients.clone().unwrap();
    assert_eq!((clients.charges, clients.registered), (vec![Boot(6)], vec![]));
    assert_eq!(next.life(), Life(2), "its lives are counted on");
}

#[test]
fn r06_a_new_pod_and_a_reboot_end_what_a_container_restart_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = in_pod("a", "boot", "pid:[1]@1");
    save(folder.path(), first, vec![("imap".into(), record_of(1))]);
    let outside = Epoch { pod: None, ..in_pod("", "boot", "pid:[1]@1") };
    for other in [in_pod("b", "boot", "pid:[1]@1"), in_pod("a", "other", "pid:[1]@1"), outside] {
        assert_eq!(kept(folder.path(), other.clone(), "imap"), None, "{other:?}");
    }
}

#[test]
fn the_present_epoch_is_the_same_twice() {
    assert_eq!(Epoch::present(Some("a")), Epoch::present(Some("a")));
    assert!(Epoch::present(None).namespace.contains('@'), "{:?}", Epoch::present(None));
}
