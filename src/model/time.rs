//! Time as a value: the pure half never reads a clock, it is told.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on the boot clock (`CLOCK_BOOTTIME`), in milliseconds: it goes on through suspend and no wall-clock jump
/// moves it, which is why windows and deadlines are measured on it ([R11]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(pub u64);

impl Boot {
    /// The moment `after` later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero when it lies ahead (a record of another boot, or a clock that went back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A moment on the wall clock, in milliseconds since 1970; for people only, never for a decision about a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl fmt::Display for Wall {
    /// RFC 3339 in UTC, to the second, as Kubernetes prints times: `2026-11-23T20:26:52Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since 0000-03-01, counted in eras of 400 years, so that a leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }
}

impl Wall {
    /// The minute it lies in.
    pub fn minute(self) -> Minute {
        Minute(self.0.div_euclid(60_000))
    }
}

/// A minute of the wall clock, counted from 1970 in UTC: what a schedule reckons in ([R16]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub i64);

impl Minute {
    /// Its first moment.
    pub fn begins(self) -> Wall {
        Wall(self.0.saturating_mul(60_000))
    }

    /// So many minutes later, or earlier; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// Reads what [`Display`](fmt::Display) writes: `2026-11-23T20:26:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let shape = "dddd-dd-ddTdd:dd:00Z";
        let fits = |(byte, wanted): (u8, u8)| if wanted == b'd' { byte.is_ascii_digit() } else { byte == wanted };
        if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
            return None;
        }
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute) = (number(11, 13)?, number(14, 16)?);
        // Years begin in March, so that a leap day is the last of its year.
        let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
        let read = Self((days * 24 + hour) * 60 + minute);
        // A 30 February would have become another day.
        (read.to_string() == text).then_some(read)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.begins().fmt(f)
    }
}

/// The one moment a turn happens at; sampled once, before its events are drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For every decision.
    pub boot: Boot,
    /// For every line a person reads.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_prints_as_rfc_3339() {
        assert_eq!(Wall(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Wall(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Wall(1_795_465_612_345).to_string(), "2026-11-23T20:26:52Z");
        assert_eq!(Wall(-1_000).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_minute_reads_what_it_prints_and_nothing_else() {
        for minute in [0, 29_924_426, 15_863_040, -1, -719_000] {
            assert_eq!(Minute::parse(&Minute(minute).to_string()), Some(Minute(minute)), "{minute}");
        }
        assert_eq!(Wall(1_795_465_612_345).minute().to_string(), "2026-11-23T20:26:00Z");
        for text in ["2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T20:26:52Z", "2026-11-23", "", "é"] {
            assert_eq!(Minute::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_before_its_past_is_no_time_ago() {
        assert_eq!(Boot(5).since(Boot(9)), Duration::ZERO);
        assert_eq!(Boot(u64::MAX).plus(Duration::from_secs(1)), Boot(u64::MAX));
    }
}
