//! When the mail canary is sent, and what is kept of it.
//!
//! One run at a time: who asks while one is under way is told of that one. Nothing is restarted for what it finds;
//! status names the hop that broke. A suspended agent goes on with it, as with its probes.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};

use super::turns::Agent;
use crate::clock;
use crate::desired::Canary;
use crate::model::{Boot, Now};
use crate::observe::canary;
use crate::observe::round::Told;
use crate::policy::rounds::due;
use crate::report::default_log::Level;
use crate::status::CanaryRun;

/// Runs that are kept.
const KEPT: usize = 120;

/// The agent's memory of the canary.
pub(super) struct Flights {
    tell: mpsc::Sender<Told>,
    declared: Option<Canary>,
    due: Option<Boot>,
    is_under_way: bool,
    kept: VecDeque<CanaryRun>,
    waiting: Vec<oneshot::Sender<Option<CanaryRun>>>,
}

impl Flights {
    pub(super) fn new(tell: mpsc::Sender<Told>) -> Self {
        Self { tell, declared: None, due: None, is_under_way: false, kept: VecDeque::new(), waiting: Vec::new() }
    }

    /// What the document says now. What another canary found says nothing of this one.
    pub(super) fn declare(&mut self, declared: Option<&Canary>) {
        if self.declared.as_ref() != declared {
            self.declared = declared.cloned();
            self.due = None;
            self.kept.clear();
        }
    }

    /// The next moment at which it is due.
    pub(super) fn wake(&self) -> Option<Boot> {
        self.due
    }

    /// The runs that are kept, oldest first.
    pub(super) fn kept(&self) -> Vec<CanaryRun> {
        self.kept.iter().cloned().collect()
    }

    /// The broken hop of the last run, in words.
    pub(super) fn finding(&self) -> Option<String> {
        self.kept.back().and_then(CanaryRun::finding)
    }
}

impl Agent {
    /// Somebody wants a run.
    pub(super) fn want_canary(&mut self, reply: oneshot::Sender<Option<CanaryRun>>) {
        self.flights.waiting.push(reply);
    }

    /// A run is over.
    pub(super) fn hear_canary(&mut self, now: Now, run: CanaryRun) {
        self.flights.is_under_way = false;
        for waiting in std::mem::take(&mut self.flights.waiting) {
            let _ = waiting.send(Some(run.clone()));
        }
        let (before, after) = (self.flights.finding(), run.finding());
        if self.flights.kept.len() == KEPT {
            self.flights.kept.pop_front();
        }
        match (&before, &after) {
            (before, Some(words)) if before.as_ref() != Some(words) => {
                self.chronicle.message(now, Level::Warning, words);
            }
            (Some(_), None) if run.came_through() => {
                self.chronicle.message(now, Level::Notice, "the canary comes through again");
            }
            (Some(_) | None, Some(_) | None) => {}
        }
        self.flights.kept.push_back(run);
    }

    /// After a turn: whether a run begins.
    pub(super) fn turn_of_canary(&mut self, now: Now) {
        let Some(canary) = &self.flights.declared else {
            for waiting in std::mem::take(&mut self.flights.waiting) {
                // Whoever asked may have gone.
                let _ = waiting.send(None);
            }
            return;
        };
        let is_due = self.flights.due.is_some_and(|at| at <= now.boot);
        if self.flights.due.is_none() || is_due {
            self.flights.due = canary.period.map(|period| due("canary", period, now.boot));
        }
        if self.flights.is_under_way || !(is_due || !self.flights.waiting.is_empty()) {
            return;
        }
        self.flights.is_under_way = true;
        let (canary, tell) = (canary.clone(), self.flights.tell.clone());
        let (began, date) = (now.wall, clock::mail_date(now.wall));
        tokio::spawn(async move {
            let run = canary::run(&canary, began, &date).await;
            // Nobody listens any more where the agent has ended.
            let _ = tell.send(Told::Canary(run)).await;
        });
    }
}
