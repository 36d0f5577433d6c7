//! When a crontab is due on a wall clock with a time zone ([R16]).
//!
//! Each minute of the *local* calendar that a crontab names is due once: where the clocks go forward over it, right
//! after the gap; where they go back and it comes twice, the first time. Zones come in as the offset they have at a
//! moment; nothing here reads one. Asked by the scheduler, which decides when, and by status, which tells it.

use super::cron::Crontab;
use crate::model::Minute;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// Days that are looked through for one on which a crontab is due: the calendar repeats after 400 years.
const DAYS: i64 = 146_097;

/// A time zone.
pub trait Zone {
    /// Seconds that local time is ahead of UTC at a moment, given in seconds since 1970.
    fn offset(&self, at: i64) -> i64;
}

impl<F: Fn(i64) -> i64> Zone for F {
    fn offset(&self, at: i64) -> i64 {
        self(at)
    }
}

/// Every minute at which a crontab is due, after one moment, ascending and each once. Ends where the crontab is never
/// due again, as on 30 February.
#[derive(Debug)]
pub struct Dues<'a, Z> {
    crontab: &'a Crontab,
    zone: &'a Z,
    of_day: Vec<u32>,
    /// The local day that is looked at, in days since 1970, and the next of its minutes.
    day: i64,
    next: usize,
    /// Only what is later is told.
    after: Minute,
}

/// The minutes at which a crontab is due after `after`.
pub fn dues<'a, Z: Zone>(crontab: &'a Crontab, zone: &'a Z, after: Minute) -> Dues<'a, Z> {
    let at = after.0.saturating_mul(MINUTE);
    // What a gap swallowed is due after it, so the day before counts, and the one before that where a whole local day
    // was left out (as in Samoa in 2011).
    let day = at.saturating_add(zone.offset(at)).div_euclid(DAY) - 2;
    Dues { crontab, zone, of_day: crontab.minutes_of_day(), day, next: 0, after }
}

/// The first minute after `after` at which a crontab is due; none where it is never due again.
pub fn next<Z: Zone>(crontab: &Crontab, zone: &Z, after: Minute) -> Option<Minute> {
    dues(crontab, zone, after).next()
}

impl<Z: Zone> Iterator for Dues<'_, Z> {
    type Item = Minute;

    fn next(&mut self) -> Option<Minute> {
        let last = *self.of_day.last()?;
        for _ in 0..DAYS {
            let at = |minute: u32| moment(self.zone, self.day * DAY + i64::from(minute) * MINUTE);
            if self.next == 0 && (!is_due_on(self.crontab, self.day) || at(last) <= self.after) {
                self.day += 1;
                continue;
            }
            while let Some(minute) = self.of_day.get(self.next) {
                self.next += 1;
                let due = at(*minute);
                if due > self.after {
                    self.after = due;
                    return Some(due);
                }
            }
            // The last of this day is not later than what was told, so the next round goes on to the next day.
            self.next = 0;
        }
        None
    }
}

fn is_due_on(crontab: &Crontab, day: i64) -> bool {
    let (month, of_month) = month_and_day(day);
    // 1 January 1970 was a Thursday.
    let weekday = u32::try_from((day + 4).rem_euclid(7)).unwrap_or(0);
    crontab.is_due_on(month, of_month, weekday)
}

/// The month and the day of it, both from 1, of a day counted from 1970.
fn month_and_day(day: i64) -> (u32, u32) {
    // Counted from a 1 March in eras of 400 years, so that a leap day is the last of its year.
    let of_era = (day + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (u32::try_from(month).unwrap_or(1), u32::try_from(of_month).unwrap_or(1))
}

/// When a local time (in seconds, as if it were UTC) is: the first time where it comes twice, the end of the gap where it
/// never comes.
fn moment(zone: &impl Zone, local: i64) -> Minute {
    // No offset is a day, and no zone changes twice within two, so these are the offsets before and after any change.
    let (before, after) = (zone.offset(local - DAY), zone.offset(local + DAY));
    let (early, late) = (local - before, local - after);
    let holds = |at: i64| zone.offset(at) == local - at;
    let seconds = match (holds(early), holds(late)) {
        (true, true) => early.min(late),
        (true, false) => early,
        (false, true) => late,
        (false, false) => end_of_gap(zone, early.min(late), early.max(late)),
    };
    Minute(seconds.div_euclid(MINUTE) + i64::from(seconds.rem_euclid(MINUTE) > 0))
}

/// The first second after `low`, at most `high`, at which another offset holds than at `low`.
fn end_of_gap(zone: &impl Zone, mut low: i64, mut high: i64) -> i64 {
    let before = zone.offset(low);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if zone.offset(middle) == before { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cron::DayRule;

    /// Half past one o'clock on 29 March 2026 is followed by half past three: two hours ahead instead of one.
    fn spring(at: i64) -> i64 {
        if at < minute("2026-03-29T01:00:00Z").0 * 60 { 3_600 } else { 7_200 }
    }

    /// Half past two o'clock on 25 October 2026 comes twice.
    fn autumn(at: i64) -> i64 {
        if at < minute("2026-10-25T01:00:00Z").0 * 60 { 7_200 } else { 3_600 }
    }

    fn utc(_: i64) -> i64 {
        0
    }

    fn minute(text: &str) -> Minute {
        Minute::parse(text).expect(text)
    }

    fn told<Z: Zone>(crontab: &str, zone: &Z, after: &str, number: usize) -> Vec<String> {
        let crontab = Crontab::parse(crontab, DayRule::And).unwrap();
        dues(&crontab, zone, minute(after)).take(number).map(|due| due.to_string()).collect()
    }

    #[test]
    fn r16_a_task_is_due_at_the_next_minute_that_its_crontab_names() {
        for (crontab, after, next) in [
            ("5,15 * * * *", "2026-11-23T10:04:00Z", "2026-11-23T10:05:00Z"),
            ("5,15 * * * *", "2026-11-23T10:05:00Z", "2026-11-23T10:15:00Z"),
            ("5,15 * * * *", "2026-11-23T10:15:00Z", "2026-11-23T11:05:00Z"),
            ("0 23 * * *", "2026-12-31T23:00:00Z", "2027-01-01T23:00:00Z"),
            ("0 0 29 2 *", "2026-11-23T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
            ("0 9 * * mon-fri", "2026-11-27T09:00:00Z", "2026-11-30T09:00:00Z"),
            ("0 0 17 * tue", "2026-11-23T00:00:00Z", "2027-08-17T00:00:00Z"),
        ] {
            assert_eq!(told(crontab, &utc, after, 1), [next], "{crontab}");
            let crontab = Crontab::parse(crontab, DayRule::And).unwrap();
            assert_eq!(super::next(&crontab, &utc, minute(after)), Some(minute(next)));
        }
        assert!(told("0 0 30 2 *", &utc, "2026-11-23T00:00:00Z", 1).is_empty());
        let never = Crontab::parse("0 0 30 2 *", DayRule::And).unwrap();
        assert_eq!(super::next(&never, &utc, minute("2026-11-23T00:00:00Z")), None);
    }

    #[test]
    fn r16_every_day_of_a_whole_calendar_has_its_month_and_its_day() {
        let (mut month, mut of_month) = (1, 1);
        let mut year = 1970;
        for day in 0..DAYS + 366 {
            assert_eq!(month_and_day(day), (month, of_month), "day {day}, in {year}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (month, of_month) = if of_month < last { (month, of_month + 1) } else { (month + 1, 1) };
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(month_and_day(-1), (12, 31), "1969");
    }

    #[test]
    fn r16_only_the_offsets_around_a_day_count_whatever_a_zone_was_or_will_be() {
        let zone = |at: i64| match Minute(at / 60) {
            at if at < minute("1980-01-01T00:00:00Z") => -18_000,
            at if at < minute("2040-01-01T00:00:00Z") => spring(at.0 * 60),
            _ => 36_000,
        };
        let after = "2026-03-28T12:00:00Z";
        assert_eq!(told("30 2 * * *", &zone, after, 2), ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        assert_eq!(told("30 2 * * *", &zone, "2026-03-26T12:00:00Z", 1), ["2026-03-27T01:30:00Z"]);
        // Within a day before a change the offset before it holds, and within a day after it the one after it.
        assert_eq!(told("0 12 * * *", &zone, "2026-03-27T12:00:00Z", 1), ["2026-03-28T11:00:00Z"]);
        assert_eq!(told("30 0 * * *", &zone, "2026-03-29T12:00:00Z", 1), ["2026-03-29T22:30:00Z"]);
    }

    #[test]
    fn r16_where_an_offset_is_no_whole_minute_it_is_due_at_the_next_one() {
        // Amsterdam until 1937.
        let amsterdam = |_: i64| 1_172;
        let after = "1930-05-01T00:00:00Z";
        assert_eq!(told("0 10 * * *", &amsterdam, after, 2), ["1930-05-01T09:41:00Z", "1930-05-02T09:41:00Z"]);
    }

    #[test]
    fn r16_what_a_gap_swallows_runs_once_after_it() {
        let after = "2026-03-28T12:00:00Z";
        assert_eq!(told("30 2 * * *", &spring, after, 2), ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        assert_eq!(
            told("*/20 2-3 29 3 *", &spring, after, 3),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"],
            "three minutes of the gap and the one that follows it are one run"
        );
    }

    #[test]
    fn r16_an_overlap_runs_once() {
        let after = "2026-10-24T12:00:00Z";
        assert_eq!(told("30 2 * * *", &autumn, after, 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        assert_eq!(told("30 2,3 25 10 *", &autumn, after, 2), ["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"]);
    }

    #[test]
    fn r16_a_day_that_a_zone_left_out_runs_once_after_it() {
        // Samoa had no 30 December 2011.
        let change = minute("2011-12-30T10:00:00Z").0 * 60;
        let samoa = |at: i64| if at < change { -10 * 3_600 } else { 14 * 3_600 };
        assert_eq!(
            told("0 12 * * *", &samoa, "2011-12-28T12:00:00Z", 4),
            ["2011-12-28T22:00:00Z", "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]
        );
    }
}
