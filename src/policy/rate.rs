//! How often something may be written elsewhere, and how long to wait after it failed.
//!
//! Time is an argument: the caller's boot clock. Nothing here waits.

use std::time::Duration;

use crate::model::Boot;

/// A token bucket: so many at once, then one each so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    burst: u32,
    every: Duration,
    /// When it is full again.
    full_at: Boot,
}

impl Bucket {
    /// A full one. A burst of none is one of one: the last state has to get through.
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst: burst.max(1), every, full_at: Boot(0) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none; the moment at which there is one.
    pub fn take(&mut self, now: Boot) -> Result<(), Boot> {
        let full_at = self.full_at.max(now);
        let spare = self.every.saturating_mul(self.burst - 1);
        let free_at = Boot(full_at.0.saturating_sub(u64::try_from(spare.as_millis()).unwrap_or(u64::MAX)));
        if free_at > now {
            return Err(free_at);
        }
        self.full_at = full_at.plus(self.every);
        Ok(())
    }
}

/// Growing waits between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// `first` after the first failure, twice as long after each further one, never longer than `longest`. `seed` says
    /// where in the last fifth of a wait this one ends: a thousand agents do not come back in one moment.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, failures: 0, seed }
    }

    /// It failed once more: how long to wait now.
    pub fn failed(&mut self) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures.min(31))).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        // SplitMix64's multiplier: neighbouring seeds lie far apart.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let part = (self.seed ^ (self.seed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
        let fifth = u64::try_from(whole.as_millis() / 5).unwrap_or(u64::MAX);
        whole.saturating_sub(Duration::from_millis(part % (fifth + 1)))
    }

    /// It succeeded: the next wait is the first one again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How often it failed since it last succeeded.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_then_one_each_so_often() {
        let mut bucket = Bucket::new(5, Duration::from_secs(5));
        let now = Boot(100_000);
        assert_eq!((0..5).map(|_| bucket.take(now)).collect::<Vec<_>>(), [Ok(()); 5]);
        assert_eq!(bucket.take(now), Err(Boot(105_000)));
        assert_eq!(bucket.take(Boot(104_999)), Err(Boot(105_000)));
        assert_eq!(bucket.take(Boot(105_000)), Ok(()));
        assert_eq!(bucket.take(Boot(105_001)), Err(Boot(110_000)));
    }

    #[test]
    fn an_hour_of_crashes_every_tenth_of_a_second_is_bounded_by_the_declared_rate() {
        let mut bucket = Bucket::new(5, Duration::from_secs(5));
        let taken = (0..36_000_u64).filter(|tenth| bucket.take(Boot(tenth * 100)).is_ok()).count();
        assert_eq!(taken, 5 + 3_599 / 5);
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_and_not_more() {
        let mut bucket = Bucket::new(2, Duration::from_secs(1));
        assert_eq!((bucket.take(Boot(0)), bucket.take(Boot(0))), (Ok(()), Ok(())));
        let later = Boot(1_000_000);
        assert_eq!((bucket.take(later), bucket.take(later)), (Ok(()), Ok(())));
        assert_eq!(bucket.take(later), Err(Boot(1_001_000)));
    }

    #[test]
    fn waits_grow_to_their_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1), 7);
        for whole in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.failed();
            let whole = Duration::from_secs(whole);
            assert!(wait <= whole && wait >= whole * 4 / 5, "{wait:?} of {whole:?}");
        }
        assert_eq!(backoff.failures(), 9);
        backoff.succeeded();
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.failed() <= Duration::from_secs(1));
    }

    #[test]
    fn a_wait_too_short_to_be_spread_is_whole() {
        let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(4), 7);
        assert_eq!([backoff.failed(), backoff.failed()], [Duration::from_millis(2), Duration::from_millis(4)]);
    }

    #[test]
    fn agents_that_fail_together_do_not_come_back_together() {
        // The last fifth of the second wait has 1,024 places: of such a number the lowest bits alone choose.
        for wait in [Duration::from_mins(1), Duration::from_millis(5 * 1_023)] {
            let waits: std::collections::BTreeSet<Duration> =
                (0..100).map(|seed| Backoff::new(wait, wait, seed).failed()).collect();
            assert!(waits.len() > 90, "{} of {wait:?}", waits.len());
        }
    }
}
