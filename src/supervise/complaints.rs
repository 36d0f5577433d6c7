//! What could not be done and is worth a person's attention, each thing said once.

use std::collections::BTreeSet;

/// Complaints that wait to be told, and those that were.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    said: BTreeSet<String>,
    waiting: Vec<String>,
    over: Vec<Relief>,
}

/// Something that was complained about works again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relief {
    /// How the complaints begin that are over.
    pub about: String,
    /// What is told.
    pub words: String,
}

impl Complaints {
    /// Says this unless it was said before and not taken back.
    pub(super) fn say(&mut self, text: String) {
        if self.said.insert(text.clone()) {
            self.waiting.push(text);
        }
    }

    /// Says this, however often.
    pub(super) fn repeat(&mut self, text: String) {
        self.waiting.push(text);
    }

    /// Takes back every complaint that begins so.
    pub(super) fn over(&mut self, about: String, words: String) {
        self.over.push(Relief { about, words });
    }

    /// What is over.
    pub(super) fn take_over(&mut self) -> Vec<Relief> {
        std::mem::take(&mut self.over)
    }

    /// What waits.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.waiting)
    }
}
