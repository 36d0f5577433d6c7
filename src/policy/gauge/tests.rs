//! Readings at, before and beyond a threshold, and on the way back.

use std::time::Duration;

use super::*;
use crate::desired::QueueKind;

fn disk(room: Option<Reserve>, inodes: Option<Reserve>) -> Gauge {
    Gauge { name: Name::from("disk /d"), of: Measured::Disk { path: "/d".to_owned(), room, inodes } }
}

fn queue(messages: Option<u32>, age: Option<u64>) -> Gauge {
    let age = age.map(Duration::from_secs);
    let (kind, path) = (QueueKind::Postfix, "/q".to_owned());
    Gauge { name: Name::from("queue q"), of: Measured::Queue { kind, path, messages, age } }
}

fn free(free: u64, nodes: u64) -> Reading {
    Reading::Disk { room: Share { free, total: 1_000 }, inodes: Share { free: nodes, total: 100 } }
}

fn waits(hold: u64, deferred: u64, oldest: Option<u64>) -> Reading {
    let waiting =
        |folder, messages, oldest: Option<u64>| Waiting { folder, messages, oldest: oldest.map(Duration::from_secs) };
    let folders = vec![waiting("hold", hold, None), waiting("deferred", deferred, oldest)];
    Reading::Queue { folders, whole: true }
}

fn crossed(thresholds: &[Threshold]) -> Standing {
    if thresholds.is_empty() { Standing::Within } else { Standing::Crossed(thresholds.to_vec()) }
}

#[test]
fn r08_a_disk_has_too_little_room_below_its_threshold_and_not_at_it() {
    use Threshold::{Inodes, Room};
    let (percent, amount) = (Some(Reserve::Percent(10)), Some(Reserve::Amount(300)));
    let table: [(_, _, _, &[Threshold]); 9] = [
        (percent, None, free(100, 0), &[]),
        (percent, None, free(99, 0), &[Room]),
        (amount, None, free(300, 0), &[]),
        (amount, None, free(299, 0), &[Room]),
        (amount, percent, free(0, 9), &[Room, Inodes]),
        (None, percent, free(0, 10), &[]),
        (None, percent, free(0, 9), &[Inodes]),
        (None, Some(Reserve::Amount(7)), free(0, 6), &[Inodes]),
        (None, None, free(0, 0), &[]),
    ];
    for (room, inodes, reading, expected) in table {
        let judged = judge(&disk(room, inodes), &Standing::Within, &reading);
        assert_eq!(judged, crossed(expected), "{room:?} {inodes:?} {reading:?}");
    }
}

#[test]
fn r08_a_file_system_that_makes_inodes_as_it_needs_them_lacks_none() {
    let reading = Reading::Disk { room: Share { free: 1, total: 1_000 }, inodes: Share::default() };
    for inodes in [Reserve::Percent(50), Reserve::Amount(1)] {
        assert_eq!(judge(&disk(None, Some(inodes)), &Standing::Within, &reading), Standing::Within);
    }
}

#[test]
fn r08_a_queue_is_too_long_or_too_old_beyond_its_thresholds_and_not_at_them() {
    use Threshold::{Age, Messages};
    let table: [(_, _, _, &[Threshold]); 7] = [
        (Some(10), None, waits(4, 6, Some(9_999)), &[]),
        (Some(10), None, waits(5, 6, None), &[Messages]),
        (Some(0), None, waits(0, 0, None), &[]),
        (Some(0), None, waits(1, 0, None), &[Messages]),
        (None, Some(60), waits(1, 1, Some(60)), &[]),
        (None, Some(60), waits(1, 1, Some(61)), &[Age]),
        (Some(1), Some(60), waits(1, 1, Some(61)), &[Messages, Age]),
    ];
    for (messages, age, reading, expected) in table {
        let judged = judge(&queue(messages, age), &Standing::Within, &reading);
        assert_eq!(judged, crossed(expected), "{messages:?} {age:?} {reading:?}");
    }
}

#[test]
fn r08_what_was_crossed_is_over_only_a_tenth_beyond_so_that_hovering_is_told_once() {
    let room = crossed(&[Threshold::Room]);
    let gauge = disk(Some(Reserve::Percent(10)), None);
    for (free_now, expected) in [(99, &room), (100, &room), (109, &room), (110, &Standing::Within)] {
        assert_eq!(&judge(&gauge, &room, &free(free_now, 0)), expected, "{free_now}");
    }
    let long = crossed(&[Threshold::Messages]);
    let gauge = queue(Some(100), None);
    for (number, expected) in [(101, &long), (91, &long), (90, &Standing::Within)] {
        assert_eq!(&judge(&gauge, &long, &waits(0, number, None)), expected, "{number}");
    }
}

#[test]
fn r08_what_could_not_be_read_or_counted_is_unknown_and_never_within() {
    let unread = Reading::Unknown(Name::from("gone"));
    assert_eq!(judge(&queue(Some(1), None), &Standing::Within, &unread).level(), Level::Unknown);
    let some =
        |number| Reading::Queue { folders: vec![Waiting { messages: number, ..Waiting::default() }], whole: false };
    assert_eq!(judge(&queue(Some(10), None), &Standing::Within, &some(3)).level(), Level::Unknown);
    assert_eq!(judge(&queue(Some(10), None), &Standing::Within, &some(11)).level(), Level::Crossed);
    let other = judge(&disk(None, None), &Standing::Within, &some(3));
    assert_eq!(other.level(), Level::Unknown);
}

#[test]
fn r08_the_words_of_a_finding_hold_no_number_that_was_read() {
    let gauge = disk(Some(Reserve::Percent(10)), Some(Reserve::Amount(50)));
    let words = |reading| sentence(&gauge, &judge(&gauge, &Standing::Within, &reading));
    assert_eq!(words(free(7, 3)), "less than 10% is free, less than 50 of its inodes are free");
    assert_eq!(words(free(7, 3)), words(free(9, 4)));
    let gauge = queue(Some(5), Some(14_400));
    let standing = judge(&gauge, &Standing::Within, &waits(4, 9, Some(20_000)));
    assert_eq!(sentence(&gauge, &standing), "more than 5 messages wait, a message has waited longer than 4h");
    assert_eq!(numbers(&waits(4, 9, Some(20_000))), "13 messages (hold 4, deferred 9), the oldest for 5h");
    assert_eq!(numbers(&free(512, 50)), "512 B of 1000 B free (51%), 50% inodes");
}

#[test]
fn r08_the_numbers_name_the_folders_in_which_something_waits() {
    assert_eq!(numbers(&waits(0, 3, Some(90))), "3 messages (deferred 3), the oldest for 90s");
    assert_eq!(numbers(&waits(0, 0, None)), "0 messages");
    let room = |free| Reading::Disk { room: Share { free, total: 1 << 40 }, inodes: Share::default() };
    assert_eq!(numbers(&room(5_583_457_485)), "5.2 GiB of 1.0 TiB free (0%)");
    assert_eq!(numbers(&room(1_023)), "1023 B of 1.0 TiB free (0%)");
    assert_eq!(numbers(&room(1_024)), "1.0 KiB of 1.0 TiB free (0%)");
    let nameless = vec![Waiting { folder: "", messages: 2, oldest: None }];
    assert_eq!(numbers(&Reading::Queue { folders: nameless, whole: false }), "at least 2 messages");
}

#[test]
fn r08_a_series_holds_what_is_free_or_waits_and_nothing_where_that_is_not_known() {
    assert_eq!(value(&free(41, 7)), Some(41));
    assert_eq!(value(&waits(2, 3, None)), Some(5));
    assert_eq!(value(&Reading::Unknown(Name::from("no such folder"))), None);
}
