//! Crontabs: what the five fields mean, and how long they may keep silent.
//!
//! Knows the calendar and nothing of clocks or time zones; a day has 24 hours here. Validation asks it, and
//! [`super::due`], which knows zones.

pub use crate::desired::DayRule;

use std::time::Duration;

/// Why five fields are no crontab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("a crontab has five fields (minute hour day month weekday), not {0}")]
    FieldCount(usize),
    /// A piece of a field is no number, name, range or step.
    #[error("`{piece}` is no {field}: expected {least} to {most}, `*`, a list, a range or a step")]
    BadField {
        /// Which field.
        field: &'static str,
        /// The piece of it.
        piece: String,
        /// Its smallest value.
        least: u8,
        /// Its largest value.
        most: u8,
    },
}

/// A crontab: the moments at which it is due, as sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    rule: Days,
}

/// Which day fields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    Both,
    Either,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One field's name, range and names for its values.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

impl Crontab {
    /// Reads five fields. A weekday of 7 is Sunday, as 0 is.
    pub fn parse(text: &str, rule: DayRule) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::FieldCount(fields.len()));
        };
        let minutes = Field { name: "minute", least: 0, most: 59, names: &[] }.set(minute)?;
        let hours = Field { name: "hour", least: 0, most: 23, names: &[] }.set(hour)?;
        let days = Field { name: "day of the month", least: 1, most: 31, names: &[] }.set(day)?;
        let months = Field { name: "month", least: 1, most: 12, names: &MONTHS }.set(month)?;
        let mut weekdays = Field { name: "weekday", least: 0, most: 7, names: &WEEKDAYS }.set(weekday)?;
        if weekdays & (1 << 7) != 0 {
            weekdays |= 1;
        }
        // A field that starts with a star restricts nothing by itself, so "either" would mean every day (crontab(5)).
        let both_set = !day.starts_with('*') && !weekday.starts_with('*');
        let rule = if both_set && rule == DayRule::Or { Days::Either } else { Days::Both };
        Ok(Self { minutes, hours, days, months, weekdays, rule })
    }

    /// The longest time between two moments at which it is due; nothing when it is never due, as on 30 February.
    pub fn longest_gap(&self) -> Option<Duration> {
        let of_day = self.minutes_of_day();
        let (first, last) = (*of_day.first()?, *of_day.last()?);
        let mut gap = of_day.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        // The calendar repeats after 400 years, weekdays included; one round more sees the gap over its seam.
        let due: Vec<u32> =
            calendar().take(146_097 * 2).filter(|date| self.matches(*date)).map(|date| date.number).collect();
        if due.is_empty() {
            return None;
        }
        for pair in due.windows(2) {
            gap = gap.max((pair[1] - pair[0]) * 1440 + first - last);
        }
        Some(Duration::from_secs(u64::from(gap) * 60))
    }

    /// The minutes of a day at which it is due, counted from midnight, ascending.
    pub(super) fn minutes_of_day(&self) -> Vec<u32> {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        hours
            .flat_map(|hour| (0..60).filter(|minute| has(self.minutes, *minute)).map(move |minute| hour * 60 + minute))
            .collect()
    }

    /// Whether it is due at all on a day of a month (both from 1) that is this day of the week (0 is Sunday).
    pub(super) fn is_due_on(&self, month: u32, day: u32, weekday: u32) -> bool {
        self.matches(Date { number: weekday, month, day })
    }

    fn matches(&self, date: Date) -> bool {
        let day = has(self.days, date.day);
        let weekday = has(self.weekdays, date.number % 7);
        let days = match self.rule {
            Days::Both => day && weekday,
            Days::Either => day || weekday,
        };
        days && has(self.months, date.month)
    }
}

impl Field {
    fn set(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0;
        for piece in text.split(',') {
            set |= self.piece(piece).ok_or_else(|| CronError::BadField {
                field: self.name,
                piece: piece.to_owned(),
                least: self.least,
                most: self.most,
            })?;
        }
        Ok(set)
    }

    /// `*`, `5`, `mon`, `1-5`, each perhaps with `/2` behind it.
    fn piece(&self, piece: &str) -> Option<u64> {
        let (range, step) = piece.split_once('/').map_or((piece, None), |(range, step)| (range, Some(step)));
        let (from, to) = if range == "*" {
            (self.least, self.most)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(from)?, self.value(to)?)
        } else {
            let value = self.value(range)?;
            (value, if step.is_some() { self.most } else { value })
        };
        let step: u8 = step.map_or(Some(1), |step| number(step).filter(|step| *step > 0))?;
        (from <= to).then(|| (from..=to).step_by(usize::from(step)).fold(0, |set, value| set | (1 << value)))
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        match named {
            Some(at) => u8::try_from(at).ok().map(|at| at + self.least),
            None => number(text).filter(|value| (self.least..=self.most).contains(value)),
        }
    }
}

fn number(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn has(set: u64, value: u32) -> bool {
    set >> value & 1 == 1
}

/// A day; number 0 is a Sunday.
#[derive(Clone, Copy)]
struct Date {
    number: u32,
    month: u32,
    day: u32,
}

/// The days from Saturday, 1 January 2000 on. Day 6 is that one, so that a number's remainder by 7 is its weekday.
fn calendar() -> impl Iterator<Item = Date> {
    let lengths = |year: u32| {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    };
    (2000..)
        .flat_map(move |year| (1..).zip(lengths(year)))
        .flat_map(|(month, length)| (1..=length).map(move |day| (month, day)))
        .zip(6..)
        .map(|((month, day), number)| Date { number, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(text: &str, rule: DayRule) -> Option<u64> {
        Crontab::parse(text, rule).unwrap().longest_gap().map(|gap| gap.as_secs() / 60)
    }

    #[test]
    fn r13_the_longest_gap_is_found_across_hours_days_and_years() {
        for (text, minutes) in [
            ("5,15,25,35,45,55 * * * *", 10),
            ("* * * * *", 1),
            ("*/7 * * * *", 7),
            ("0 0,4,8,12,16,20 * * *", 240),
            ("0 23 * * *", 1440),
            ("0 9-17 * * mon-fri", 16 * 60 + 48 * 60),
            ("0 0 1 * *", 31 * 1440),
            // 29 February 2096 to 29 February 2104: 2100 is no leap year.
            ("0 0 29 2 *", (8 * 365 + 1) * 1440),
        ] {
            assert_eq!(gap(text, DayRule::Or), Some(minutes), "{text}");
        }
        // 29 February is a Wednesday forty years apart from 2288 to 2328, for 2300 has none.
        assert_eq!(gap("0 0 29 2 wed", DayRule::And), Some(14_609 * 1440));
    }

    #[test]
    fn r16_both_day_fields_must_match_with_and_and_one_with_or() {
        assert_eq!(gap("0 0 */1 * 2", DayRule::And), Some(7 * 1440));
        assert_eq!(gap("0 0 17 * 2", DayRule::Or), Some(7 * 1440));
        assert!(gap("0 0 17 * 2", DayRule::And) > Some(60 * 1440), "the 17th is seldom a Tuesday");
    }

    #[test]
    fn r16_names_steps_and_a_sunday_of_seven_are_understood() {
        let parse = |text| Crontab::parse(text, DayRule::Or).unwrap();
        assert_eq!(parse("0 0 * jan,DEC sun").months, 1 << 1 | 1 << 12);
        assert_eq!(parse("0 0 * * 7").weekdays & 1, 1);
        assert_eq!(parse("10/20 * * * *").minutes, 1 << 10 | 1 << 30 | 1 << 50);
    }

    #[test]
    fn r16_what_is_no_crontab_names_the_piece_and_its_range() {
        let error = |text| Crontab::parse(text, DayRule::Or).unwrap_err().to_string();
        assert_eq!(error("60 * * * *"), "`60` is no minute: expected 0 to 59, `*`, a list, a range or a step");
        assert_eq!(error("0 0 * * fry"), "`fry` is no weekday: expected 0 to 7, `*`, a list, a range or a step");
        assert_eq!(error("* * * *"), "a crontab has five fields (minute hour day month weekday), not 4");
        for text in ["5-1 * * * *", "*/0 * * * *", ", * * * *", "+5 * * * *", "1- * * * *", "* * 0 * *"] {
            assert!(Crontab::parse(text, DayRule::Or).is_err(), "{text}");
        }
    }

    #[test]
    fn r16_a_crontab_that_is_never_due_has_no_gap() {
        assert_eq!(gap("0 0 30 2 *", DayRule::Or), None);
    }
}
