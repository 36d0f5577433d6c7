//! What the tasks of the link and the loop know of each other: numbers, and two bells.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::status::ApiVitals;

/// Shared by the loop and the tasks; nobody waits for it.
#[derive(Debug)]
pub(super) struct Shared {
    /// The entry may have changed.
    pub(super) changed: Notify,
    /// The API server answers again: whoever pauses need not.
    pub(super) returned: Notify,
    /// The entry as the watch last told of it, by that version of the resource. It may be another than was written:
    /// somebody removed it, the resource is another one, or a write that was given up has overtaken the one after it.
    seen: Mutex<Option<(u64, Option<Value>)>>,
    /// The newest version of the resource that this agent itself has written.
    written: AtomicU64,
    /// The entry in it, as the API server gave it back.
    standing: Mutex<Option<Value>>,
    pub(super) status_writes: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) events_sent: AtomicU64,
    pub(super) events_dropped: AtomicU64,
    /// The object that Events are about, once it was seen.
    pub(super) regarding: watch::Sender<Option<ObjectReference>>,
    away: Mutex<Option<String>>,
    /// Whether the operator says that it replaces pods.
    pub(super) rolls: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            changed: Notify::new(),
            returned: Notify::new(),
            seen: Mutex::default(),
            written: AtomicU64::new(0),
            standing: Mutex::default(),
            status_writes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            events_sent: AtomicU64::new(0),
            events_dropped: AtomicU64::new(0),
            regarding: watch::Sender::new(None),
            rolls: AtomicBool::new(false),
            away: Mutex::new(Some("the API server has not answered yet".to_owned())),
        }
    }
}

/// One more.
pub(super) fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

impl Shared {
    pub(super) fn vitals(&self) -> ApiVitals {
        ApiVitals {
            up: lock(&self.away).is_none(),
            status_writes: self.status_writes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            events_sent: self.events_sent.load(Ordering::Relaxed),
            events_dropped: self.events_dropped.load(Ordering::Relaxed),
        }
    }

    /// This was written, and that is what stands there by this version.
    pub(super) fn stands(&self, entry: Option<Value>, version: u64) {
        *lock(&self.standing) = entry;
        self.written.store(version, Ordering::Relaxed);
    }

    /// This is what stands there by that version. The answer to an own write may still be on its way, so what that means
    /// is asked later.
    pub(super) fn sees(&self, entry: Option<&Value>, version: u64) {
        *lock(&self.seen) = Some((version, entry.cloned()));
        if self.is_lost() {
            self.changed.notify_one();
        }
    }

    /// Whether something else stands there than was written last. What is older than that tells nothing.
    pub(super) fn is_lost(&self) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        let seen = lock(&self.seen);
        let newer = seen.as_ref().filter(|(version, _)| written > 0 && *version > written);
        newer.is_some_and(|(_, entry)| *entry != *lock(&self.standing))
    }

    /// A request failed, for this reason.
    pub(super) fn is_away(&self, words: String) {
        *lock(&self.away) = Some(words);
    }

    /// It answers; says so where it did not.
    pub(super) fn is_back(&self) {
        if lock(&self.away).take().is_some() {
            tracing::info!("the API server answers");
            self.returned.notify_waiters();
        }
    }

    pub(super) fn away(&self) -> Option<String> {
        lock(&self.away).clone()
    }
}

/// A thread that panicked leaves nothing half-made behind: every change is one assignment.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entry of this pod in an object's fields.
pub(super) fn entry_of<'a>(data: &'a Value, pod: &str) -> Option<&'a Value> {
    let entries = data.pointer("/status/instances").and_then(Value::as_array);
    entries.into_iter().flatten().find(|entry| entry["name"] == *pod)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn r28_a_write_that_was_given_up_and_overtakes_the_next_one_is_noticed_and_the_own_one_is_not() {
        let shared = Shared::default();
        let (old, new) = (json!({ "name": "mail-0", "pid": 1 }), json!({ "name": "mail-0", "pid": 2 }));
        shared.sees(None, 4);
        assert!(!shared.is_lost(), "nothing was written yet");
        shared.stands(Some(old.clone()), 5);
        shared.sees(Some(&new), 6);
        shared.stands(Some(new.clone()), 6);
        assert!(!shared.is_lost(), "the watch told of the own write before its answer came");
        shared.sees(Some(&old), 5);
        assert!(!shared.is_lost(), "older than the own write");
        shared.sees(Some(&new), 7);
        assert!(!shared.is_lost(), "somebody wrote something else");
        shared.sees(Some(&old), 8);
        assert!(shared.is_lost(), "overtaken");
        shared.stands(Some(new.clone()), 9);
        assert!(!shared.is_lost());
        shared.sees(None, 10);
        assert!(shared.is_lost(), "removed");
    }

    #[test]
    fn r28_what_the_watch_told_before_the_answer_to_a_write_came_is_not_forgotten() {
        let (shared, new) = (Shared::default(), json!({ "name": "mail-0", "pid": 2 }));
        shared.sees(None, 6);
        shared.stands(Some(new.clone()), 5);
        assert!(shared.is_lost(), "the first write was removed before it was answered");
        let old = json!({ "name": "mail-0", "pid": 1 });
        shared.stands(Some(old.clone()), 7);
        shared.sees(Some(&old), 9);
        shared.stands(Some(new), 8);
        assert!(shared.is_lost(), "a write that was given up came after the one that is answered now");
    }
}
