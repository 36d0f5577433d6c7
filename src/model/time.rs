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

/// The one moment a turn happens at; sampled once, before its events are drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For every decision.
    pub boot: Boot,
    /// For every line a person reads.
    pub wall: Wall,
}
