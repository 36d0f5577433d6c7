//! When a service with a period of its own is asked next ([R8]).
//!
//! The services of one host are not asked at the same moment: each has its place within its period, by its name alone,
//! so that the same document gives the same rounds on every agent and after every restart of one.

use std::time::Duration;

use crate::model::{Boot, Fingerprint};

/// The first moment after `after` at which a service of this name and period is due.
pub fn due(name: &str, period: Duration, after: Boot) -> Boot {
    let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
    let place = Fingerprint::of(name.as_bytes()).0 % period;
    let since = after.0.saturating_sub(place);
    let next = if after.0 < place { 0 } else { since / period + 1 };
    Boot(next.saturating_mul(period).saturating_add(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r08_rounds_of_a_period_are_one_period_apart_and_lie_ahead() {
        let period = Duration::from_secs(30);
        let mut at = Boot(0);
        let mut before = None;
        for _ in 0..100 {
            let next = due("imap", period, at);
            assert!(next > at);
            assert!(before.is_none_or(|before: Boot| next.since(before) == period), "{next} after {before:?}");
            (before, at) = (Some(next), next);
        }
    }

    #[test]
    fn r08_the_first_round_of_a_name_is_at_its_place_within_the_first_period() {
        let period = Duration::from_secs(30);
        for name in (0..100).map(|number| format!("service{number}")) {
            let place = due(&name, period, Boot(0));
            assert!(place.0 <= 30_000, "{name}: {place}");
            assert_eq!(due(&name, period, Boot(place.0 - 1)), place, "{name}");
            assert_eq!(due(&name, period, place), Boot(place.0 + 30_000), "{name}");
        }
    }

    #[test]
    fn r08_names_spread_over_the_period_and_an_agents_restart_changes_nothing() {
        let period = Duration::from_secs(30);
        let places: std::collections::BTreeSet<u64> =
            (0..100).map(|number| due(&format!("service{number}"), period, Boot(1_000_000)).0).collect();
        assert!(places.len() > 90, "{} places for 100 names", places.len());
        let (early, late) = (due("imap", period, Boot(1_000_000)), due("imap", period, Boot(1_000_001)));
        assert!(early == late || early == Boot(1_000_001));
    }

    #[test]
    fn r08_no_period_is_too_short_or_too_long() {
        assert!(due("a", Duration::ZERO, Boot(5)) > Boot(5));
        assert!(due("a", Duration::MAX, Boot(5)) > Boot(5));
    }
}
