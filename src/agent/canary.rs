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
    /// The run under way is of a canary that is not declared any more.
    is_stale: bool,
    kept: VecDeque<CanaryRun>,
    waiting: Vec<oneshot::Sender<Option<CanaryRun>>>,
}

impl Flights {
    pub(super) fn new(tell: mpsc::Sender<Told>) -> Self {
        Self {
            tell,
            declared: None,
            due: None,
            is_under_way: false,
            is_stale: false,
            kept: VecDeque::new(),
            waiting: Vec::new(),
        }
    }

    /// What the document says now. What another canary found says nothing of this one.
    pub(super) fn declare(&mut self, declared: Option<&Canary>) {
        if self.declared.as_ref() != declared {
            self.declared = declared.cloned();
            self.due = None;
            self.kept.clear();
            self.is_stale = self.is_under_way;
        }
    }

    /// A run is over; whether it says something of the canary that is declared.
    fn end(&mut self) -> bool {
        self.is_under_way = false;
        !std::mem::take(&mut self.is_stale)
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
        if !self.flights.end() {
            // Whoever asked is told of the run that follows, or that none is declared.
            return;
        }
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
        if self.flights.is_under_way || !is_due && self.flights.waiting.is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    fn declared(recipient: &str) -> Option<Canary> {
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: \
             Custom\n  services: [{{name: web, command: [/bin/web]}}]\n  canary:\n    recipient: {recipient}\n    submit: \
             {{port: 25, protocol: Smtp}}\n    read: {{port: 143, protocol: Imap, login: {{user: a, passwordFile: \
             /etc/a}}}}\n"
        );
        document::settings(&document::read(text.as_bytes(), "test.yaml").document.expect("a document")).canary
    }

    #[test]
    fn a_run_of_a_canary_that_is_not_declared_any_more_says_nothing() {
        let mut flights = Flights::new(mpsc::channel(1).0);
        let (before, after) = (declared("a@example.org"), declared("b@example.org"));
        assert!(before.is_some() && before != after);
        flights.declare(before.as_ref());
        flights.is_under_way = true;
        flights.declare(before.as_ref());
        assert!(flights.end(), "the same document again is no change");
        for next in [after.as_ref(), None] {
            flights.is_under_way = true;
            flights.declare(next);
            assert!(!flights.end(), "it is of the one before");
            flights.is_under_way = true;
            assert!(flights.end(), "and the next is not");
        }
        flights.declare(before.as_ref());
        assert!(flights.end(), "none was under way");
    }
}
