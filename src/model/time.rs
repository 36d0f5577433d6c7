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
    fn a_moment_before_its_past_is_no_time_ago() {
        assert_eq!(Boot(5).since(Boot(9)), Duration::ZERO);
        assert_eq!(Boot(u64::MAX).plus(Duration::from_secs(1)), Boot(u64::MAX));
    }
}
