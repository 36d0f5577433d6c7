//! What a reboot must not end, on its way to the state folder: the document in force, and how far schedules were followed.
//!
//! It is synced, and so written by a thread: a slow disk must not hold up a restart. One thread at a time and the newest
//! content last, however fast one change follows another; none while there is nothing to write.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::turns::chain;
use crate::ledger::{LedgerError, State};

/// How a content is written.
type Save = fn(&State, &[u8]) -> Result<(), LedgerError>;

/// What keeps one content.
pub(super) struct OffLoop {
    save: Save,
    state: State,
    waiting: Arc<Mutex<Waiting>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Waiting {
    next: Option<Vec<u8>>,
    is_writing: bool,
}

impl OffLoop {
    /// In this folder, written so.
    pub(super) fn new(state: State, save: Save) -> Self {
        Self { save, state, waiting: Arc::default(), writer: None }
    }

    /// Keeps this one, soon; one that still waits is not written any more.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn keep(&mut self, content: Vec<u8>) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        waiting.next = Some(content);
        if waiting.is_writing {
            return Ok(());
        }
        let (shared, state, save) = (Arc::clone(&self.waiting), self.state.clone(), self.save);
        let writer = std::thread::Builder::new().name("mailward-state".to_owned()).spawn(move || {
            while let Some(content) = next(&shared) {
                if let Err(error) = save(&state, &content) {
                    tracing::error!("{}", chain(&error));
                }
            }
        })?;
        waiting.is_writing = true;
        self.writer = Some(writer);
        Ok(())
    }

    /// Waits until everything is written: the process is about to end.
    pub(super) fn settle(&mut self) {
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has written nothing more; the old content is whole.
            let _ = writer.join();
        }
    }
}

/// The next to write. That there is none and that the writer ends is one moment, so nothing is left lying.
fn next(waiting: &Mutex<Waiting>) -> Option<Vec<u8>> {
    let mut waiting = lock(waiting);
    let next = waiting.next.take();
    waiting.is_writing = next.is_some();
    next
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_of_many_documents_in_a_row_the_last_one_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        let mut last_good = OffLoop::new(state.clone(), State::save_last_good);
        for round in 0..20 {
            let document = |n: usize| format!("{round} {n} ").repeat(1 + (n * 7919) % 5_000).into_bytes();
            for n in 0..40 {
                last_good.keep(document(n)).unwrap();
            }
            last_good.settle();
            assert_eq!(state.last_good(), Some(document(39)), "round {round}");
        }
    }
}
