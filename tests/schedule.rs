//! The schedule against the system's time zones ([R16]): a year of minutes, each looked at by an independent calculation.

#![cfg(feature = "agent")]
#![allow(missing_docs, reason = "nobody links against a test")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mailward::clock::LocalZone;
use mailward::history::Followed;
use mailward::model::Minute;
use mailward::policy::agenda::agenda;
use mailward::policy::cron::{Crontab, DayRule};
use mailward::policy::due::Zone as _;

/// With an hour, half an hour, no and several changes a year, and offsets that are no whole hours.
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Africa/Casablanca",
];

/// The five fields, and the same once more as plain sets, written down by hand.
struct Case {
    crontab: &'static str,
    rule: DayRule,
    minutes: Vec<i8>,
    hours: Vec<i8>,
    day: fn(day: i8, month: i8, weekday: i8) -> bool,
}

fn cases() -> Vec<Case> {
    let every = |from: i8, to: i8, step: usize| (from..=to).step_by(step).collect::<Vec<i8>>();
    let case = |crontab, rule, minutes, hours, day| Case { crontab, rule, minutes, hours, day };
    vec![
        case("5,15,25,35,45,55 * * * *", DayRule::And, vec![5, 15, 25, 35, 45, 55], every(0, 23, 1), |_, _, _| true),
        case("0 23 * * *", DayRule::And, vec![0], vec![23], |_, _, _| true),
        case("30 0 * * *", DayRule::Or, vec![30], vec![0], |_, _, _| true),
        case("30 2 * * *", DayRule::Or, vec![30], vec![2], |_, _, _| true),
        case("*/20 1-3 * * *", DayRule::Or, vec![0, 20, 40], vec![1, 2, 3], |_, _, _| true),
        case("15 */6 17 * tue", DayRule::Or, vec![15], vec![0, 6, 12, 18], |day, _, week| day == 17 || week == 2),
        case("15 */6 17 * tue", DayRule::And, vec![15], vec![0, 6, 12, 18], |day, _, week| day == 17 && week == 2),
        case("59 23 31 jan,mar,dec *", DayRule::Or, vec![59], vec![23], |day, month, _| {
            day == 31 && [1, 3, 12].contains(&month)
        }),
    ]
}

fn minute(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second() / 60
}

/// When each case is due. Every minute of local time once: what was skipped counts at the first one after it, what comes
/// again does not count.
fn by_hand(cases: &[Case], zone: &TimeZone, from: i64, to: i64) -> Vec<Vec<i64>> {
    let local = |at: i64| zone.to_datetime(Timestamp::from_second(at * 60).unwrap());
    let mut seen = local(from);
    let mut due = vec![Vec::new(); cases.len()];
    for at in from + 1..=to {
        let now = local(at);
        let mut matches = vec![false; cases.len()];
        while seen < now {
            seen = seen.checked_add(jiff::Span::new().minutes(1)).unwrap();
            let weekday = seen.weekday().to_sunday_zero_offset();
            for (matches, case) in matches.iter_mut().zip(cases) {
                *matches |= case.minutes.contains(&seen.minute())
                    && case.hours.contains(&seen.hour())
                    && (case.day)(seen.day(), seen.month(), weekday);
            }
        }
        for (due, _) in due.iter_mut().zip(matches).filter(|(_, matches)| *matches) {
            due.push(at);
        }
    }
    due
}

/// What a scheduler runs that sleeps from one due minute to the next.
fn by_the_scheduler(case: &Case, zone: &str, from: i64, to: i64) -> Vec<i64> {
    let crontab = Crontab::parse(case.crontab, case.rule).unwrap();
    let zone = LocalZone::find(zone).expect("tzdata is installed");
    let mut followed = Followed::from(Minute(from));
    let mut now = Minute(from);
    let mut ran = Vec::new();
    loop {
        let found = agenda(&crontab, &zone, &followed, now.plus(-1), now);
        assert_eq!(found.missed, None);
        if let Some(due) = found.due {
            ran.push(due.0);
            followed.answer(due);
        }
        match found.next {
            Some(next) if next.0 <= to => now = next,
            Some(_) | None => return ran,
        }
    }
}

#[test]
fn r16_a_year_of_minutes_in_eight_zones_is_what_an_independent_calculation_says() {
    let (from, to) = (minute("2025-12-31T12:00:00Z"), minute("2027-01-01T12:00:00Z"));
    for name in ZONES {
        let zone = TimeZone::get(name).expect("tzdata is installed");
        let cases = cases();
        for (case, expected) in cases.iter().zip(by_hand(&cases, &zone, from, to)) {
            let ran = by_the_scheduler(case, name, from, to);
            let differ: Vec<String> = expected
                .iter()
                .collect::<BTreeSet<_>>()
                .symmetric_difference(&ran.iter().collect())
                .map(|due| Minute(**due).to_string())
                .collect();
            assert_eq!(expected, ran, "{name} {} {:?}: {differ:?}", case.crontab, case.rule);
            assert!(ran.len() > 2 || case.rule == DayRule::And, "{name} {}", case.crontab);
        }
    }
}

#[test]
fn r16_in_half_an_hour_of_lord_howe_the_gap_runs_once_after_it_and_the_overlap_once() {
    // On 4 October 2026 two o'clock becomes half past two; on 5 April 2026 two o'clock becomes half past one.
    let case = |crontab: &'static str| Case { crontab, ..cases().remove(0) };
    let ran = |crontab, from, to| -> Vec<String> {
        let ran = by_the_scheduler(&case(crontab), "Australia/Lord_Howe", minute(from), minute(to));
        ran.into_iter().map(|due| Minute(due).to_string()).collect()
    };
    let gap = ran("*/10 2 * * *", "2026-10-03T15:00:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(gap, ["2026-10-03T15:30:00Z", "2026-10-03T15:40:00Z", "2026-10-03T15:50:00Z"]);
    let overlap = ran("45 1 * * *", "2026-04-04T12:00:00Z", "2026-04-05T12:00:00Z");
    assert_eq!(overlap, ["2026-04-04T14:45:00Z"]);
}

#[test]
fn r16_a_zone_that_the_system_does_not_know_is_none_and_utc_always_is() {
    assert!(LocalZone::find("Europe/Nowhere").is_none());
    assert_eq!(LocalZone::find("UTC").map(|zone| zone.offset(0)), Some(0));
    assert_eq!(LocalZone::find("Asia/Kathmandu").map(|zone| zone.offset(1_800_000_000)), Some(20_700));
}
