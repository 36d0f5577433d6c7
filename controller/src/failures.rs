//! What failed of each resource since it last went well, by uid.
//!
//! State alone. [`crate::reconcile`] writes it; [`crate::run`] has it forget what is gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of one resource.
#[derive(Debug, Default)]
struct Failed {
    rounds: u32,
    /// What was told of it in an event.
    told: String,
}

/// Of all of them.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<String, Failed>>);

impl Failures {
    /// Another round failed; how many have, one after the other.
    pub fn count(&self, uid: &str) -> u32 {
        let mut all = self.lock();
        let failed = all.entry(uid.to_owned()).or_default();
        failed.rounds = failed.rounds.saturating_add(1);
        failed.rounds
    }

    /// Whether these words were not told last: the same at every try would bury what else is told.
    pub fn is_news(&self, uid: &str, words: &str) -> bool {
        let mut all = self.lock();
        let failed = all.entry(uid.to_owned()).or_default();
        let is_news = failed.told != words;
        words.clone_into(&mut failed.told);
        is_news
    }

    /// It went well, or is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_until_its_words_change_or_it_went_well_between() {
        let failures = Failures::default();
        assert!(failures.is_news("a", "no quota"));
        assert!(!failures.is_news("a", "no quota"));
        assert!(failures.is_news("b", "no quota"), "another resource");
        assert!(failures.is_news("a", "forbidden"));
        assert_eq!([failures.count("a"), failures.count("a"), failures.count("b")], [1, 2, 1]);
        failures.forget("a");
        assert!(failures.is_news("a", "forbidden"));
        assert_eq!(failures.count("a"), 1);
    }
}
