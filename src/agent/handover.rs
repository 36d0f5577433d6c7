//! The way out under an HA manager ([R23]): the reason is written down, and the process ends with a code that says so.

use std::fmt::Write as _;

use super::run::RunError;
use super::turns::Agent;
use crate::engine::{HANDED_OVER, Happened, Happening};
use crate::model::{Name, Now};
use crate::report::Handover;
use crate::report::default_log::Level;

/// What is told of a hand-over.
#[derive(Debug)]
pub(super) struct Parting {
    pub(super) book: Handover,
    killed: Vec<Name>,
    left: Vec<Name>,
}

impl Parting {
    pub(super) fn new(book: Handover) -> Self {
        Self { book, killed: Vec::new(), left: Vec::new() }
    }
}

impl Agent {
    /// Says whether another node handed over, and that this one has it now.
    pub(super) fn takes_over(&mut self, now: Now) {
        if let Some(reason) = self.parting.book.pending() {
            self.chronicle.message(now, Level::Notice, &format!("this mail server was handed over: {reason}"));
            self.parting.book.take_over(now.wall);
            for words in self.parting.book.settle() {
                self.chronicle.complain(words);
            }
        }
    }

    /// Keeps what belongs into the report of a hand-over.
    pub(super) fn note_parting(&mut self, happening: &Happening) {
        let Some(service) = &happening.service else { return };
        let is_under_way = self.engine.history().handover.is_some();
        if happening.what == Happened::HandsOver {
            let ix = self.engine.find(service);
            let last = ix.and_then(|ix| self.engine.history().services[ix.at()].last_death);
            let last = last.map(|death| format!(" (it {})", death.exit)).unwrap_or_default();
            let words = format!("{service} gave up{last}; everything is stopped, so that another node takes over");
            self.parting.book.write(happening.now.wall, &words);
        } else if is_under_way && matches!(happening.what, Happened::Killed { .. }) {
            self.parting.killed.push(service.clone());
        } else if is_under_way && happening.what == Happened::StopFailed {
            self.parting.left.push(service.clone());
        }
    }

    /// The last word of an agent that hands over; none of one that was told to end.
    pub(super) fn parts(&mut self, now: Now) -> Option<RunError> {
        let service = self.engine.history().handover.clone()?;
        let mut words = format!("{service} gave up; everything has stopped and the agent ends with {HANDED_OVER}");
        if !self.parting.killed.is_empty() {
            let killed = self.parting.killed.join(", ");
            // Writing to a string cannot fail.
            let _ = write!(words, "; killed, for they did not stop in time: {killed}");
        }
        if !self.parting.left.is_empty() {
            let left = self.parting.left.join(", ");
            let _ = write!(words, "; NOT EVEN KILL ENDED {left}: fence this host before its data is used elsewhere");
        }
        self.chronicle.message(now, Level::Critical, &words);
        self.parting.book.write(now.wall, &words);
        for wrong in self.parting.book.settle() {
            self.chronicle.complain(wrong);
        }
        Some(RunError::HandedOver(words))
    }
}
