//! Taking in what probes say of a running service, and what a hang of it leads to ([R8]).
//!
//! A round is judged when it is taken in (`policy::health`), because what explains a silence is what is known then. A
//! round of another life, of one that was never ready or is on its way out, says nothing.

use super::{Engine, Happened};
use crate::desired::{Ix, OnHang, Service, Wanted};
use crate::history::Failed;
use crate::model::{Boot, Diagnosis, Health, Incarnation, Name, Now, Round, Strain};
use crate::observed::Probed;
use crate::plan::left_hanging;
use crate::policy::health::{self, Circumstances, STRESS_BELIEVED};

/// A service that may be asked now.
#[derive(Clone, Copy, Debug)]
pub struct Askable<'a> {
    /// The service.
    pub service: &'a Service,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl Engine {
    /// The services that a round may ask now, in list order: probed, ready in this incarnation, and meant to stay.
    pub fn askable(&self) -> impl Iterator<Item = Askable<'_>> {
        self.desired.indices().filter_map(|ix| {
            let service = self.desired.service(ix);
            let incarnation = self.probed_life(ix).filter(|_| service.probing.enabled)?;
            Some(Askable { service, incarnation })
        })
    }

    /// The incarnation of which a probe may say something: alive, ready once, wanted up, and not on its way out.
    fn probed_life(&self, ix: Ix) -> Option<Incarnation> {
        let marks = &self.history.services[ix.at()];
        let incarnation = self.observed.services[ix.at()].alive()?.incarnation;
        let stays = marks.ready == incarnation
            && !marks.retires(incarnation)
            && marks.restart_ordered.is_none()
            && !self.history.ending
            && self.desired.service(ix).wanted == Wanted::Yes
            && self.board.down(ix).is_none_or(|down| !down.stops());
        stays.then_some(incarnation)
    }

    pub(super) fn probed(&mut self, now: Now, ix: Ix, incarnation: Incarnation, round: &Round) {
        self.judge(now, ix, incarnation, |before, about| health::after_round(before, round, about));
    }

    pub(super) fn missed_watchdog(&mut self, now: Now, ix: Ix, incarnation: Incarnation, words: &str, strain: Strain) {
        self.judge(now, ix, incarnation, |before, about| health::after_missed_watchdog(before, words, strain, about));
    }

    fn judge(
        &mut self,
        now: Now,
        ix: Ix,
        incarnation: Incarnation,
        judge: impl FnOnce(&Probed, &Circumstances<'_>) -> Probed,
    ) {
        if self.probed_life(ix) != Some(incarnation) {
            return;
        }
        let before = self.observed.services[ix.at()].probed.as_deref().cloned().unwrap_or_default();
        let waits_for = self.waits_for(ix);
        let service = self.desired.service(ix);
        let about = Circumstances {
            probing: &service.probing,
            launch: &service.launch,
            now: now.boot,
            begins_by: self.begins_by(ix),
            waits_for: waits_for.as_deref(),
        };
        let after = judge(&before, &about);
        let answers = after.diagnosis.as_ref().is_some_and(Diagnosis::is_answer);
        let hangs_anew = after.hang.is_some() && before.hang.is_none();
        if let Some(diagnosis) = after.diagnosis.clone().filter(|_| !hangs_anew)
            && is_news(&before, &after)
        {
            self.tell(now, ix, Happened::Probed { diagnosis });
        }
        if after != before {
            self.facts(ix).probed = Some(Box::new(after));
        }
        if answers && before.hang.is_some() {
            self.takes_its_hang_back(ix);
        }
    }

    /// Until when an incarnation that has not answered yet may begin to: its start time-out, counted from its start.
    fn begins_by(&self, ix: Ix) -> Boot {
        self.history.services[ix.at()].spawned_at.plus(self.desired.service(ix).start_timeout)
    }

    /// What explains any silence of a service: something it depends on, or that a hang of it would restart, is not
    /// ready.
    fn waits_for(&self, ix: Ix) -> Option<Name> {
        let service = self.desired.service(ix);
        let other = match &service.probing.on_hang {
            OnHang::RestartService(name) => self.find(name),
            OnHang::Restart | OnHang::Report => None,
        };
        let missing = service.depends_on.iter().chain(&other).find(|on| self.probed_life(**on).is_none());
        missing.map(|on| self.desired.service(*on).name.clone())
    }

    /// It answers, or has ended: a hang of it that nothing has answered is over, whoever was blamed for it.
    pub(super) fn takes_its_hang_back(&mut self, ix: Ix) {
        let name = self.desired.service(ix).name.clone();
        let blamed: Vec<Ix> = self.desired.indices().filter(|at| self.hung_over(*at) == Some(&name)).collect();
        for at in blamed {
            self.marks(at).failure = None;
        }
    }

    /// Whose hang the unanswered failure of a service is.
    fn hung_over(&self, ix: Ix) -> Option<&Name> {
        match &self.history.services[ix.at()].failure.as_ref()?.how {
            Failed::Hung { service, .. } => Some(service),
            Failed::Exited(_) | Failed::NotReady | Failed::NotSpawned(_) => None,
        }
    }

    /// A new document may probe otherwise, or blame another: such a hang has to be seen anew.
    pub(super) fn forgets_hangs_of_another_document(&mut self) {
        let stale: Vec<Ix> = self.desired.indices().filter(|ix| !self.is_still_blamed(*ix)).collect();
        for ix in stale {
            self.marks(ix).failure = None;
        }
    }

    fn is_still_blamed(&self, ix: Ix) -> bool {
        let Some(who) = self.hung_over(ix) else { return true };
        let Some(by) = self.find(who).filter(|by| self.observed.services[by.at()].hang().is_some()) else {
            return false;
        };
        match &self.desired.service(by).probing.on_hang {
            OnHang::Restart => by == ix,
            OnHang::RestartService(other) => self.find(other) == Some(ix),
            OnHang::Report => false,
        }
    }

    pub(super) fn stressed(&mut self, now: Now, ix: Ix, incarnation: Incarnation, span: std::time::Duration) {
        if self.observed.services[ix.at()].alive().is_none_or(|alive| alive.incarnation != incarnation) {
            return;
        }
        let until = now.boot.plus(span.min(STRESS_BELIEVED));
        let probed = self.facts(ix).probed.get_or_insert_default();
        let was = probed.stressed_until.is_some_and(|before| now.boot <= before);
        probed.stressed_until = Some(until);
        // It repeats itself as long as it is stressed; that is told once.
        if !was {
            self.tell(now, ix, Happened::Stressed);
        }
    }

    /// A hang was seen: it is told, and becomes the failure of whoever is to be restarted for it.
    pub(super) fn hangs(&mut self, now: Now, ix: Ix) {
        let Some(hang) = self.facts(ix).probed.as_mut().and_then(|probed| probed.hang.as_mut()) else { return };
        hang.noted = true;
        let words = hang.words.clone();
        let name = self.desired.service(ix).name.clone();
        let blamed = match &self.desired.service(ix).probing.on_hang {
            OnHang::Restart => Some(ix),
            OnHang::RestartService(other) => self.find(other),
            OnHang::Report => None,
        };
        self.tell(now, ix, Happened::Hangs { words: words.clone() });
        if let Some(at) = blamed {
            let Some(incarnation) = self.probed_life(at) else {
                // It is on its way already: what hangs is judged anew when it is back.
                self.facts(ix).probed = None;
                return;
            };
            let marks = &self.history.services[at.at()];
            if marks.failure.is_none() && marks.given_up.is_none() {
                self.fail(now, at, incarnation, Failed::Hung { service: name, words });
            }
        }
        let policy = &self.desired;
        if blamed.is_none() || policy.suspended || !policy.watched || !policy.autorestart.enabled {
            let why = Name::from(left_hanging(policy, ix));
            self.tell(now, ix, Happened::LeftHanging { why });
        }
    }

    /// What hangs because of `ix` begins anew once `ix` restarts.
    pub(super) fn forgets_hangs_blamed_on(&mut self, ix: Ix) {
        let name = self.desired.service(ix).name.clone();
        let blames: Vec<Ix> = self
            .desired
            .indices()
            .filter(|at| self.desired.service(*at).probing.on_hang == OnHang::RestartService(name.clone()))
            .filter(|at| self.observed.services[at.at()].hang().is_some())
            .collect();
        for at in blames {
            self.facts(at).probed = None;
        }
    }
}

/// Whether people are told: whenever a round says another thing than the one before, of the first only what is amiss,
/// and of failed rounds each that counts, be it towards a hang or towards the excuses.
fn is_news(before: &Probed, after: &Probed) -> bool {
    let kind = |probed: &Probed| probed.diagnosis.as_ref().map(Diagnosis::kind);
    let counts = after.strained > before.strained || (after.failed > before.failed && after.hang.is_none());
    let first = kind(before).is_none() && kind(after) == Some(Health::Answers);
    counts || (kind(before) != kind(after) && !first)
}
