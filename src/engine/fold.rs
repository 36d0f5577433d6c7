//! Taking in what was seen: events become facts and marks.
//!
//! An event names the incarnation it is about. One of a life that is over is dropped: a late "ready" of the process
//! before must not make the present one ready.

use super::{Engine, Happened};
use crate::desired::{Ix, Wanted};
use crate::history::{Checked, Death, Failed, Failure, Force, Hold};
use crate::model::{Doubt, Exit, Fact, Fingerprint, Identity, Incarnation, Name, Now};
use crate::observed::{Alive, Busy, Errand, Process};
use crate::plan::{Found, Seen};

impl Engine {
    pub(super) fn fold(&mut self, now: Now, ix: Ix, seen: &Seen) {
        match seen {
            Seen::Found(found) => self.found(now, ix, found),
            Seen::Spawned { incarnation, identity } => self.spawned(now, ix, *incarnation, *identity),
            Seen::SpawnFailed { incarnation, error } => self.not_spawned(now, ix, *incarnation, error),
            Seen::MainIs { incarnation, identity } => {
                if self.is_present(ix, *incarnation) {
                    if let Some(alive) = self.alive(ix) {
                        alive.identity = Some(*identity);
                    }
                    self.marks(ix).proven = Some(*identity);
                }
            }
            Seen::Ready { incarnation } => self.ready(now, ix, *incarnation),
            Seen::Recovering { incarnation } => {
                let news = self.is_present(ix, *incarnation) && self.history.services[ix.at()].ready < *incarnation;
                if let Some(alive) = self.alive(ix).filter(|alive| news && !alive.recovering) {
                    alive.recovering = true;
                    self.tell(now, ix, Happened::Recovers);
                }
            }
            Seen::Probed { incarnation, round } => self.probed(now, ix, *incarnation, round),
            Seen::WatchdogMissed { incarnation, words, strain } => {
                self.missed_watchdog(now, ix, *incarnation, words, *strain);
            }
            Seen::Stressed { incarnation, span } => self.stressed(now, ix, *incarnation, *span),
            Seen::Exited { incarnation, exit } => {
                if self.observed.services[ix.at()].alive().is_some_and(|alive| alive.incarnation == *incarnation) {
                    self.exited(now, ix, *incarnation, *exit);
                }
            }
            Seen::Emptied { incarnation } => {
                if self.observed.services[ix.at()].present() == Some(*incarnation) {
                    self.emptied(ix);
                }
            }
            Seen::Reloaded { incarnation, files, outcome } => self.reloaded(now, ix, *incarnation, *files, outcome),
            Seen::Checked { print, outcome } => self.checked(now, ix, *print, outcome),
            Seen::Files(files) => {
                self.facts(ix).files = Some(*files);
                if self.history.services[ix.at()].files.is_none() {
                    self.marks(ix).files = Some(*files);
                }
            }
        }
    }

    fn alive(&mut self, ix: Ix) -> Option<&mut Alive> {
        match &mut self.facts(ix).process {
            Fact::Known(Process::Alive(alive)) => Some(alive),
            Fact::Known(Process::Absent | Process::Remains { .. } | Process::Foreign { .. }) | Fact::Unknown(_) => None,
        }
    }

    fn is_present(&self, ix: Ix, incarnation: Incarnation) -> bool {
        self.observed.services[ix.at()].present() == Some(incarnation)
    }

    fn spawned(&mut self, now: Now, ix: Ix, incarnation: Incarnation, identity: Identity) {
        if self.observed.services[ix.at()].busy != Some(Busy::Spawning(incarnation)) {
            return;
        }
        self.facts(ix).busy = None;
        if let Some(alive) = self.alive(ix) {
            alive.identity = Some(identity);
        }
        self.marks(ix).proven = Some(identity);
        self.tell(now, ix, Happened::Started { pid: identity.pid });
    }

    fn not_spawned(&mut self, now: Now, ix: Ix, incarnation: Incarnation, error: &Name) {
        if self.observed.services[ix.at()].busy != Some(Busy::Spawning(incarnation)) {
            return;
        }
        let facts = self.facts(ix);
        facts.busy = None;
        facts.process = Fact::Known(Process::Absent);
        self.marks(ix).ended = incarnation;
        self.tell(now, ix, Happened::NotSpawned { error: error.clone() });
        if !self.is_ordered_end(ix, incarnation) {
            self.fail(now, ix, incarnation, Failed::NotSpawned(error.clone()));
        }
    }

    fn ready(&mut self, now: Now, ix: Ix, incarnation: Incarnation) {
        let marks = &self.history.services[ix.at()];
        let alive = self.observed.services[ix.at()].alive();
        if alive.is_none_or(|alive| alive.incarnation != incarnation) || marks.ready == incarnation {
            return;
        }
        let after = now.boot.since(marks.spawned_at);
        if let Some(alive) = self.alive(ix) {
            alive.recovering = false;
        }
        let marks = self.marks(ix);
        marks.ready = incarnation;
        marks.start_failed = None;
        // A restart that is over leaves no mark; one that was raised over this very incarnation still has to happen.
        marks.retire = marks.retire.filter(|retire| incarnation <= retire.upto);
        if marks.retire.is_none() {
            marks.stumbled = false;
            marks.ordered = false;
        }
        self.tell(now, ix, Happened::Ready { after });
    }

    fn exited(&mut self, now: Now, ix: Ix, incarnation: Incarnation, exit: Exit) {
        let ordered = self.is_ordered_end(ix, incarnation);
        let pid = self.history.services[ix.at()].proven.map(|identity| identity.pid);
        if self.observed.services[ix.at()].hang().is_some() {
            self.takes_its_hang_back(ix);
        }
        let facts = self.facts(ix);
        facts.process = Fact::Known(Process::Remains { incarnation });
        facts.busy = None;
        facts.probed = None;
        let marks = self.marks(ix);
        marks.ended = incarnation;
        marks.last_death = Some(Death { incarnation, wall: now.wall, exit });
        if ordered {
            self.tell(now, ix, Happened::Stopped { pid, exit });
        } else {
            self.tell(now, ix, Happened::Crashed { pid, exit });
            self.fail(now, ix, incarnation, Failed::Exited(exit));
        }
    }

    /// Whether the end of an incarnation was ordered, or concerns nobody: it is marked to end, is not wanted up, or
    /// everything ends ([R7], [R9], [R31]).
    fn is_ordered_end(&self, ix: Ix, incarnation: Incarnation) -> bool {
        let marks = &self.history.services[ix.at()];
        let service = self.desired.service(ix);
        marks.retires(incarnation)
            || self.history.ending
            || service.wanted != Wanted::Yes
            || service.held
            || marks.hold.is_some()
            || self.board.down(ix).is_some_and(crate::plan::Down::stops)
    }

    /// A failure that waits for its answer.
    pub(super) fn fail(&mut self, now: Now, ix: Ix, incarnation: Incarnation, how: Failed) {
        let declaration = self.desired.service(ix).declaration;
        let is_hang = how.is_hang();
        let marks = self.marks(ix);
        let was_ready = marks.ready == incarnation;
        if !was_ready {
            marks.start_failed = how.of_a_start();
        }
        let files = marks.files;
        marks.failure = Some(Box::new(Failure { at: now.boot, incarnation, how, was_ready, declaration, files }));
        if !was_ready {
            // What made it fail before it was ready may be somebody else in its place.
            let facts = self.facts(ix);
            if facts.process == Fact::Known(Process::Absent) {
                facts.process = Fact::Unknown(Doubt::AfterFailedStart);
            }
        }
        // Nothing answers a failure while autorestart is off: that is said with it ([R12]), and with a hang in other
        // words, for what hangs does not stay down.
        if !self.desired.autorestart.enabled && self.desired.watched && !is_hang {
            let clients = self.living_clients();
            self.tell(now, ix, Happened::OnlyReported { clients });
        }
    }

    fn emptied(&mut self, ix: Ix) {
        let marks = &self.history.services[ix.at()];
        let failed_to_start = marks.stumbled || marks.failure.as_ref().is_some_and(|failure| !failure.was_ready);
        let facts = self.facts(ix);
        facts.process =
            if failed_to_start { Fact::Unknown(Doubt::AfterFailedStart) } else { Fact::Known(Process::Absent) };
        self.nothing_is_left(ix);
    }

    fn found(&mut self, now: Now, ix: Ix, found: &Found) {
        if self.observed.services[ix.at()].busy != Some(Busy::Looking) {
            return;
        }
        self.facts(ix).busy = None;
        let name = self.desired.service(ix).name.clone();
        let to_be_held = self.held_if_absent.remove(&name) && !matches!(found, Found::Ours { .. });
        match found {
            Found::Nothing => {
                self.found_ended(now, ix);
                self.facts(ix).process = Fact::Known(Process::Absent);
                self.nothing_is_left(ix);
            }
            Found::Remains { incarnation } => {
                self.found_ended(now, ix);
                self.facts(ix).process = Fact::Known(Process::Remains { incarnation: *incarnation });
                let marks = self.marks(ix);
                marks.used = marks.used.max(*incarnation);
                marks.ended = marks.used;
            }
            Found::Ours { incarnation, identity } => self.adopt(now, ix, *incarnation, *identity),
            Found::Foreign { who } => {
                self.found_ended(now, ix);
                self.nothing_is_left(ix);
                let new = Fact::Known(Process::Foreign { who: who.clone() });
                if std::mem::replace(&mut self.facts(ix).process, new.clone()) != new {
                    self.tell(now, ix, Happened::Foreign { who: who.clone() });
                }
            }
        }
        if to_be_held && self.history.services[ix.at()].hold.is_none() {
            self.marks(ix).hold = Some(Hold::Stopped);
            self.tell(now, ix, Happened::HeldBy { hold: Hold::Stopped });
        }
    }

    /// Whatever ran has ended, and every stop of it with it.
    fn nothing_is_left(&mut self, ix: Ix) {
        let marks = self.marks(ix);
        marks.ended = marks.used;
        marks.stop = None;
        marks.forced = false;
        marks.stop_failed = false;
    }

    /// The record says that it lived, and it does not: an end that nobody watched counts once, at its discovery, and
    /// only where the process had been seen ([R7]).
    fn found_ended(&mut self, now: Now, ix: Ix) {
        let marks = &self.history.services[ix.at()];
        let (incarnation, proven) = (marks.used, marks.proven);
        if !marks.thought_alive() {
            return;
        }
        let ordered = self.is_ordered_end(ix, incarnation);
        let marks = self.marks(ix);
        marks.ended = incarnation;
        let Some(identity) = proven else { return };
        marks.last_death = Some(Death { incarnation, wall: now.wall, exit: Exit::Unknown });
        if ordered {
            self.tell(now, ix, Happened::Stopped { pid: Some(identity.pid), exit: Exit::Unknown });
        } else {
            self.tell(now, ix, Happened::Crashed { pid: Some(identity.pid), exit: Exit::Unknown });
            self.fail(now, ix, incarnation, Failed::Exited(Exit::Unknown));
        }
    }

    fn adopt(&mut self, now: Now, ix: Ix, incarnation: Incarnation, identity: Identity) {
        let service = self.desired.service(ix);
        let (print, restarted_at) = (service.launch_print, service.restarted_at.clone());
        let ready_by = now.boot.plus(service.start_timeout);
        let facts = self.facts(ix);
        facts.process = Fact::Known(Process::Alive(Alive { incarnation, identity: Some(identity), recovering: false }));
        facts.probed = None;
        let files = facts.files;
        let marks = self.marks(ix);
        if marks.used < incarnation {
            // The ledger was lost: what runs is taken to be what is declared.
            marks.launched_as = print;
            marks.restarted_at = restarted_at;
            marks.files = files;
            marks.spawned_at = now.boot;
            marks.spawned_wall = now.wall;
        }
        marks.used = marks.used.max(incarnation);
        marks.ended = Incarnation(incarnation.0.saturating_sub(1));
        marks.proven = Some(identity);
        if marks.ready != incarnation {
            // Its time ran while nobody could see it become ready.
            marks.ready_by = ready_by;
        }
        self.tell(now, ix, Happened::Adopted { pid: identity.pid });
    }

    fn reloaded(&mut self, now: Now, ix: Ix, incarnation: Incarnation, files: Fingerprint, outcome: &Result<(), Name>) {
        if self.observed.services[ix.at()].errand != Some(Errand::Reloading(incarnation, files)) {
            return;
        }
        self.facts(ix).errand = None;
        if !self.is_present(ix, incarnation) {
            return;
        }
        let marks = self.marks(ix);
        marks.files = marks.files.map(|_| files);
        marks.reload_ordered = false;
        marks.reload_failed = outcome.as_ref().err().cloned();
        match outcome {
            Ok(()) => self.tell(now, ix, Happened::Reloaded),
            Err(words) => self.tell(now, ix, Happened::ReloadFailed { words: words.clone() }),
        }
    }

    fn checked(&mut self, now: Now, ix: Ix, print: Fingerprint, outcome: &Result<(), Name>) {
        if self.observed.services[ix.at()].errand != Some(Errand::Checking(print)) {
            return;
        }
        self.facts(ix).errand = None;
        let marks = self.marks(ix);
        marks.checked = Some(Box::new(Checked { print, complaint: outcome.as_ref().err().cloned() }));
        if marks.restart_ordered == Some(Force::Yes) {
            marks.checked = None;
        }
        if let Err(words) = outcome {
            self.tell(now, ix, Happened::CheckFailed { words: words.clone() });
        }
    }
}
