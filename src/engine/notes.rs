//! Writing decisions into the marks: the only place where a plan changes what is remembered.

use super::{Engine, Happened};
use crate::desired::{Ix, OnGiveUp};
use crate::history::{Cause, Failed, GivenUp, Retire, StopMark};
use crate::model::{Fact, Incarnation, Now};
use crate::observed::{Alive, Busy, Errand, Process};
use crate::plan::{ClientsPart, GroupRestart, Note, Rung, Step};
use crate::policy::{budget, reach};

impl Engine {
    /// Writes a note of the planner into the marks.
    pub(super) fn remember(&mut self, now: Now, subject: Ix, note: Note) {
        match note {
            Note::Charge { service, followers } => {
                let charges = self.charge(now, service);
                self.tell(now, service, Happened::RestartsAlone { charges });
                self.retire(service, Cause::Failed);
                for follower in followers {
                    self.retire(follower, Cause::DependencyRestarted);
                }
            }
            Note::GroupRestart(restart) => self.restart_group(now, subject, restart),
            Note::GiveUp { service } => self.give_up(now, service),
            Note::NotReadyInTime { service } => self.not_ready_in_time(now, service),
            Note::Hang { service } => self.hangs(now, service),
            Note::Forgive { service } => {
                let restarted_at = self.desired.service(service).restarted_at.clone();
                // What hangs lives, and `restartedAt` is an order to what lives: it still has to be carried out.
                let lives = self.observed.services[service.at()].alive().is_some();
                self.facts(service).probed = None;
                let marks = self.marks(service);
                marks.forgive();
                if !lives {
                    marks.restarted_at = restarted_at;
                }
                self.tell(now, service, Happened::Forgiven);
            }
            Note::Retry { service } => {
                self.marks(service).given_up = None;
                self.charge(now, service);
                self.retire(service, Cause::Failed);
                self.tell(now, service, Happened::Retried);
            }
            Note::Retire { services } => {
                let meant = services.first().map(|(ix, cause)| (*ix, *cause));
                for (ix, cause) in services {
                    self.retire(ix, cause);
                }
                if let Some((ix, cause)) = meant {
                    if self.speaks_for_clients(ix) {
                        self.forgive_clients();
                    }
                    let restarted_at = self.desired.service(ix).restarted_at.clone();
                    let marks = self.marks(ix);
                    marks.restart_ordered = None;
                    marks.restarted_at = restarted_at;
                    self.tell(now, ix, Happened::ToRestart { cause });
                }
            }
            Note::ClientsGiveUp => self.clients_give_up(now),
            Note::HandOver { service } => {
                self.tell(now, service, Happened::HandsOver);
                self.history.handover = Some(self.desired.service(service).name.clone());
                self.history.ending = true;
                self.board.touch_all();
            }
            Note::RefuseOrder { service } => {
                let marks = self.marks(service);
                marks.restart_ordered = None;
                marks.reload_ordered = false;
            }
            Note::DropForce { service } => self.marks(service).forced = false,
            Note::StopFailed { service } => {
                self.marks(service).stop_failed = true;
                self.tell(now, service, Happened::StopFailed);
            }
        }
    }

    fn charge(&mut self, now: Now, ix: Ix) -> usize {
        let policy = self.desired.autorestart;
        let marks = self.marks(ix);
        if let Some(failure) = marks.failure.take() {
            marks.stumbled = !failure.was_ready;
        }
        budget::charge(&mut marks.charges, &policy, now.boot);
        marks.charged_within(policy.window, now.boot)
    }

    /// Marks whatever exists of a service to end; what does not exist is not started again by this.
    fn retire(&mut self, ix: Ix, cause: Cause) {
        self.forgets_hangs_blamed_on(ix);
        let marks = self.marks(ix);
        if marks.used > Incarnation(0) {
            marks.retire = Some(Retire { upto: marks.used, cause });
        }
    }

    fn restart_group(&mut self, now: Now, subject: Ix, restart: GroupRestart) {
        let GroupRestart { charged, given_up, clients, members, followers } = restart;
        let names = |list: &[Ix]| list.iter().map(|ix| self.desired.service(*ix).name.clone()).collect();
        let client = self.history.clients.failure.as_ref().filter(|_| clients == ClientsPart::Charged);
        let client = client.map(|failure| failure.name.clone());
        let what = Happened::GroupRestarts { members: names(&members), failed: names(&charged), client };
        // Told of one that failed; the verdict may be that of a member that gives up and restarts nothing.
        self.tell(now, charged.first().copied().unwrap_or(subject), what);
        for ix in given_up {
            self.give_up(now, ix);
        }
        self.retire_what_hangs_on(&members);
        for ix in charged {
            self.charge(now, ix);
        }
        match clients {
            ClientsPart::None => {}
            ClientsPart::Charged => {
                let policy = self.desired.autorestart;
                self.write_clients(|clients| {
                    budget::charge(&mut clients.charges, &policy, now.boot);
                    clients.failure = None;
                });
            }
            ClientsPart::GivesUp => self.clients_give_up(now),
        }
        for ix in members {
            self.retire(ix, Cause::GroupFailed);
        }
        for ix in followers {
            self.retire(ix, Cause::DependencyRestarted);
        }
    }

    /// A member that gave up over a hang lives: it goes with the group it shares locks with, and stays down.
    fn retire_what_hangs_on(&mut self, members: &[Ix]) {
        let group = members.first().and_then(|ix| self.desired.service(*ix).group);
        let Some(group) = group.map(|group| self.desired.groups[group.at()].members.clone()) else { return };
        for ix in group {
            if self.history.services[ix.at()].given_up.is_some() && self.observed.services[ix.at()].alive().is_some() {
                self.retire(ix, Cause::GaveUp);
            }
        }
    }

    fn give_up(&mut self, now: Now, ix: Ix) {
        let service = self.desired.service(ix);
        let (declaration, window) = (service.declaration, self.desired.autorestart.window);
        // The members of a lead that gives up stop and wait; a failure among them is nobody's charge any more.
        let led: Vec<Ix> = reach::led_by(&self.desired, ix).to_vec();
        for member in led {
            if member != ix && self.history.services[member.at()].failure.is_some() {
                self.marks(member).failure = None;
            }
        }
        let marks = self.marks(ix);
        let failure = marks.failure.take();
        let hung = failure.as_ref().is_some_and(|failure| failure.how.is_hang());
        let files = failure.as_ref().and_then(|failure| failure.files);
        let declaration = failure.map_or(declaration, |failure| failure.declaration);
        marks.given_up = Some(Box::new(GivenUp { at: now.boot, wall: now.wall, declaration, files }));
        let charges = marks.charged_within(window, now.boot);
        self.tell(now, ix, Happened::GaveUp { charges });
        // A hung lead is no use to a group that stops ([R11]); any other is left as it is.
        if hung && reach::led_by(&self.desired, ix).len() > 1 {
            self.retire(ix, Cause::GaveUp);
        }
    }

    fn clients_give_up(&mut self, now: Now) {
        let charges = budget::within(&self.history.clients.charges, &self.desired.autorestart, now.boot);
        self.write_clients(|clients| {
            clients.failure = None;
            clients.given_up = Some(now.boot);
        });
        if let Some((_, speaker)) = reach::store_group(&self.desired) {
            self.tell(now, speaker, Happened::ClientsGaveUp { charges });
        }
    }

    /// Whoever starts this here after a hand-over is the manager, and a manager's start acts as a person's: the give-up
    /// is over, the window is kept ([R23]).
    pub(super) fn hand_over_marks(&mut self) {
        if self.desired.autorestart.on_give_up != OnGiveUp::Failover {
            return;
        }
        for ix in self.desired.indices() {
            let marks = &self.history.services[ix.at()];
            if marks.given_up.is_some() || marks.failure.is_some() {
                self.marks(ix).forgive();
            }
        }
    }

    fn not_ready_in_time(&mut self, now: Now, ix: Ix) {
        self.retire(ix, Cause::NotReadyInTime);
        self.tell(now, ix, Happened::NotReadyInTime);
        let incarnation = self.history.services[ix.at()].used;
        self.fail(now, ix, incarnation, Failed::NotReady);
    }

    /// Notes that a step is being taken, before it is: a killed agent must find the mark.
    pub(super) fn issue(&mut self, now: Now, ix: Ix, step: &Step) {
        match step {
            Step::Look => {
                let facts = self.facts(ix);
                facts.busy = Some(Busy::Looking);
                facts.looked_at = now.boot;
            }
            Step::Spawn { incarnation, ready_by } => {
                let service = self.desired.service(ix);
                let (print, restarted_at) = (service.launch_print, service.restarted_at.clone());
                let facts = self.facts(ix);
                facts.busy = Some(Busy::Spawning(*incarnation));
                facts.process =
                    Fact::Known(Process::Alive(Alive { incarnation: *incarnation, identity: None, recovering: false }));
                facts.probed = None;
                let files = facts.files;
                if self.speaks_for_clients(ix) {
                    self.store_begins_anew();
                }
                let marks = self.marks(ix);
                marks.used = *incarnation;
                marks.proven = None;
                marks.spawned_at = now.boot;
                marks.spawned_wall = now.wall;
                marks.ready_by = *ready_by;
                marks.launched_as = print;
                marks.files = files;
                marks.restarted_at = restarted_at;
                marks.stop = None;
                marks.forced = false;
                marks.stop_failed = false;
                marks.restart_ordered = None;
                marks.reload_ordered = false;
                marks.reload_failed = None;
            }
            Step::Signal { incarnation, rung } => {
                let life = self.history.life;
                let alive = self.observed.services[ix.at()].alive();
                let (pid, to_rest) = (alive.and_then(|alive| alive.identity).map(|id| id.pid), alive.is_none());
                let marks = self.marks(ix);
                // The time to KILL runs from the first signal, also where the rest is asked after its main process.
                let same =
                    marks.stop.filter(|stop| (stop.incarnation, stop.rung, stop.life) == (*incarnation, *rung, life));
                let at = same.map_or(now.boot, |stop| stop.at);
                marks.stop = Some(StopMark { incarnation: *incarnation, rung: *rung, at, to_rest, life });
                marks.stop_failed = false;
                let what = match rung {
                    Rung::Ask(signal) => Happened::Asked { signal: *signal, pid },
                    Rung::Kill => {
                        let group = self.desired.service(ix).group;
                        let locks_of = group.map(|group| self.desired.groups[group.at()].name.clone());
                        Happened::Killed { pid, locks_of }
                    }
                };
                self.tell(now, ix, what);
            }
            Step::Reload { incarnation, files } => {
                self.facts(ix).errand = Some(Errand::Reloading(*incarnation, *files));
            }
            Step::Check { print } => self.facts(ix).errand = Some(Errand::Checking(*print)),
        }
    }
}
