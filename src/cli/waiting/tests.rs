use super::*;
use crate::model::Name;

fn status(ready: bool, settled: bool, pid: Option<i32>) -> ServiceStatus {
    ServiceStatus {
        name: "imap".into(),
        enabled: true,
        ready: Truth::from(ready),
        settled,
        pid,
        reason: "the reason".into(),
        ..ServiceStatus::default()
    }
}

fn since(events: &[Happened], calm: u8) -> Since {
    let mut since = Since::default();
    for event in events {
        since.take(event);
    }
    since.calm = calm;
    since
}

fn failed(code: u8, words: &str) -> Fate {
    Fate::Failed(code, words.to_owned())
}

#[test]
fn r04_a_start_is_done_when_ready_and_fails_only_when_nothing_more_comes() {
    let table = [
        (status(true, true, Some(7)), 0, Fate::Done),
        // It is still alive, and about to stop.
        (status(true, false, Some(7)), 2, Fate::Pending),
        (status(false, false, Some(7)), 2, Fate::Pending),
        (status(false, true, None), 1, Fate::Pending),
        (status(false, true, None), 2, failed(75, "the reason")),
    ];
    for (status, calm, expected) in table {
        assert_eq!(fate(Goal::Up, Some(&status), &since(&[], calm)), expected, "{status:?}");
    }
}

#[test]
fn a_stop_is_done_when_the_process_is_gone() {
    let table = [
        (status(false, true, None), 0, Fate::Done),
        (status(true, true, Some(7)), 1, Fate::Pending),
        (status(false, false, Some(7)), 2, Fate::Pending),
        (status(false, true, Some(7)), 2, failed(75, "the reason")),
    ];
    for (status, calm, expected) in table {
        assert_eq!(fate(Goal::Down, Some(&status), &since(&[], calm)), expected, "{status:?}");
    }
}

#[test]
fn a_restart_is_done_only_by_another_process() {
    let goal = Goal::Again(Some(7));
    let started = [Happened::Started { pid: 8 }];
    let refused = [Happened::CheckFailed { words: Name::from("line 3") }];
    let table: [(ServiceStatus, &[Happened], u8, Fate); 5] = [
        (status(true, true, Some(7)), &[], 1, Fate::Pending),
        (status(true, true, Some(8)), &[], 0, Fate::Done),
        // The kernel may give the same number again.
        (status(true, true, Some(7)), &started, 0, Fate::Done),
        (status(true, true, Some(7)), &refused, 0, failed(78, "its configuration is refused by its checker: line 3")),
        (status(true, true, Some(7)), &[], 2, failed(75, "the reason")),
    ];
    for (status, events, calm, expected) in table {
        assert_eq!(fate(goal, Some(&status), &since(events, calm)), expected, "{status:?} {events:?}");
    }
    assert_eq!(fate(Goal::Again(None), Some(&status(true, true, Some(7))), &since(&[], 0)), Fate::Done);
}

#[test]
fn r19_a_reload_is_done_when_told_so_and_fails_with_the_words_of_the_service() {
    let ready = status(true, true, Some(7));
    let words = Name::from("bad");
    assert_eq!(fate(Goal::Reloaded, Some(&ready), &since(&[Happened::Reloaded], 0)), Fate::Done);
    assert_eq!(fate(Goal::Reloaded, Some(&ready), &since(&[], 1)), Fate::Pending);
    assert_eq!(
        fate(Goal::Reloaded, Some(&ready), &since(&[Happened::ReloadFailed { words }], 0)),
        failed(78, "runs the previous configuration, its reload failed: bad")
    );
}

#[test]
fn a_release_is_done_when_whatever_follows_has_followed() {
    let held = ServiceStatus { held: true, ..status(false, true, None) };
    let disabled = ServiceStatus { enabled: false, ..status(false, true, None) };
    let table = [
        (status(true, true, Some(7)), 1, Fate::Pending),
        (status(true, true, Some(7)), 2, Fate::Done),
        (held, 2, Fate::Done),
        (disabled, 2, Fate::Done),
        (status(false, true, None), 2, failed(75, "the reason")),
    ];
    for (status, calm, expected) in table {
        assert_eq!(fate(Goal::Settled, Some(&status), &since(&[], calm)), expected, "{status:?}");
    }
}

#[test]
fn a_service_that_leaves_the_document_ends_the_wait() {
    assert_eq!(fate(Goal::Down, None, &since(&[], 0)), Fate::Done);
    assert_eq!(fate(Goal::Up, None, &since(&[], 0)), failed(75, "it left the document"));
}
