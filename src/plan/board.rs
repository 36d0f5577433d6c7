//! The verdicts of all services, kept up to date: what one event costs depends on its neighbourhood alone.

use std::collections::BTreeSet;

use super::standing::{Goal, Standing, standing};
use super::verdict::verdict;
use super::{Act, Reason, Scene, Verdict};
use crate::desired::{Desired, Ix, StartOrder};
use crate::model::{Boot, Fact};
use crate::observed::Process;
use crate::policy::reach;

/// Every standing and verdict, what must be planned anew, and when.
///
/// # Guarantees
/// After [`Board::plan`] every verdict equals the one that planning everything from nothing would give; a property test
/// holds that. The board belongs to one [`Desired`]: a new document gets a new board.
#[derive(Clone, Debug)]
pub struct Board {
    pub(super) standings: Vec<Standing>,
    verdicts: Vec<Verdict>,
    /// Place of each service in topological order.
    positions: Vec<u32>,
    /// Services whose marks or facts were written, by position.
    dirty: BTreeSet<u32>,
    /// Positions of what is in motion and of what is leaving; kept in list order only, which alone asks for them.
    in_motion: BTreeSet<u32>,
    leaving: BTreeSet<u32>,
    /// Services that wait for their turn in the list, to start or to stop.
    queued: BTreeSet<u32>,
    /// Services whose verdict is an act.
    acting: BTreeSet<u32>,
    deadlines: BTreeSet<(Boot, u32)>,
    order: Vec<Ix>,
}

impl Board {
    /// An empty board for a document; everything is to be planned.
    pub fn new(desired: &Desired) -> Self {
        let count = desired.services.len();
        let mut positions = vec![0; count];
        for (position, ix) in (0_u32..).zip(&desired.topological) {
            positions[ix.at()] = position;
        }
        Self {
            standings: vec![Standing::UNPLANNED; count],
            verdicts: vec![Verdict::wait(Reason::Running); count],
            dirty: positions.iter().copied().collect(),
            positions,
            in_motion: BTreeSet::new(),
            leaving: BTreeSet::new(),
            queued: BTreeSet::new(),
            acting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            order: desired.topological.clone(),
        }
    }

    /// Says that the marks or facts of a service were written.
    pub fn touch(&mut self, ix: Ix) {
        self.dirty.insert(self.positions[ix.at()]);
    }

    /// Says that something was written that concerns everybody.
    pub fn touch_all(&mut self) {
        self.dirty.extend(self.positions.iter().copied());
    }

    /// Plans anew whatever was touched or is due, and whomever that concerns.
    pub fn plan(&mut self, scene: &Scene<'_>) {
        while let Some((at, position)) = self.deadlines.first().copied().filter(|(at, _)| *at <= scene.now) {
            self.deadlines.remove(&(at, position));
            self.dirty.insert(position);
        }
        if self.dirty.is_empty() {
            return;
        }
        let (first_before, last_before) = (self.in_motion.first().copied(), self.leaving.last().copied());
        let mut affected = BTreeSet::new();
        while let Some(position) = self.dirty.pop_first() {
            let ix = self.order[position as usize];
            affected.insert(position);
            let new = standing(scene, &self.standings, ix);
            if new != std::mem::replace(&mut self.standings[ix.at()], new) {
                self.spread(scene, ix, &mut affected);
            }
            if scene.desired.start_order == StartOrder::Listed {
                keep(&mut self.in_motion, position, new.in_motion);
                keep(&mut self.leaving, position, new.leaving);
            }
        }
        if (first_before, last_before) != (self.in_motion.first().copied(), self.leaving.last().copied()) {
            // Also what acts: a note that came between may have put another one in front of it.
            affected.extend(self.queued.iter().chain(&self.acting));
        }
        for position in affected {
            self.judge(scene, position);
        }
    }

    /// A standing changed: whoever follows from it is worked out anew, whoever reads it is judged anew.
    fn spread(&mut self, scene: &Scene<'_>, ix: Ix, affected: &mut BTreeSet<u32>) {
        let service = scene.desired.service(ix);
        let led = reach::led_by(scene.desired, ix);
        self.dirty
            .extend(service.dependents.iter().chain(led).filter(|on| **on != ix).map(|on| self.positions[on.at()]));
        affected.extend(service.depends_on.iter().map(|on| self.positions[on.at()]));
        if let Some(group) = service.group {
            affected.extend(scene.desired.groups[group.at()].members.iter().map(|on| self.positions[on.at()]));
        }
    }

    fn judge(&mut self, scene: &Scene<'_>, position: u32) {
        let ix = self.order[position as usize];
        let new = verdict(scene, self, ix);
        let old = std::mem::replace(&mut self.verdicts[ix.at()], new);
        let new = &self.verdicts[ix.at()];
        if let Some(at) = old.until.filter(|at| Some(*at) != new.until) {
            self.deadlines.remove(&(at, position));
        }
        if let Some(at) = new.until {
            self.deadlines.insert((at, position));
        }
        let queued = matches!(new.reason, Reason::WaitsForList(_) | Reason::StopWaitsFor(_));
        let acting = new.act.is_some();
        keep(&mut self.queued, position, queued);
        keep(&mut self.acting, position, acting);
    }

    /// The next note to be remembered, if any.
    pub fn next_note(&self) -> Option<(Ix, &super::Note, Reason)> {
        self.acts().find_map(|(ix, act, reason)| match act {
            Act::Note(note) => Some((ix, note, reason)),
            Act::Step(_) => None,
        })
    }

    /// Every step that is to be taken now, in start order.
    pub fn steps(&self) -> impl Iterator<Item = (Ix, &super::Step, Reason)> {
        self.acts().filter_map(|(ix, act, reason)| match act {
            Act::Step(step) => Some((ix, step, reason)),
            Act::Note(_) => None,
        })
    }

    fn acts(&self) -> impl Iterator<Item = (Ix, &Act, Reason)> {
        self.acting.iter().filter_map(|position| {
            let ix = self.order[*position as usize];
            let verdict = &self.verdicts[ix.at()];
            verdict.act.as_ref().map(|act| (ix, act, verdict.reason))
        })
    }

    /// What is decided about a service.
    pub fn verdict(&self, ix: Ix) -> &Verdict {
        &self.verdicts[ix.at()]
    }

    /// Whether a service was ready once in this incarnation and is to stay.
    pub fn is_ready(&self, ix: Ix) -> bool {
        self.standings[ix.at()].ready
    }

    /// Whether a service is wanted up, all things considered; otherwise why not.
    pub fn down(&self, ix: Ix) -> Option<super::Down> {
        match self.standings[ix.at()].goal {
            Goal::Up => None,
            Goal::Down(down) => Some(down),
        }
    }

    /// The next moment at which a plan may differ although nothing happened.
    pub fn wake(&self) -> Option<Boot> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether everything is to end and nothing is left that could still be stopped.
    pub fn is_finished(&self, scene: &Scene<'_>) -> bool {
        scene.history.ending
            && scene.observed.services.iter().zip(&scene.history.services).all(|(facts, marks)| {
                facts.busy.is_none()
                    && match &facts.process {
                        Fact::Known(Process::Absent | Process::Foreign { .. }) => true,
                        Fact::Known(Process::Alive(_) | Process::Remains { .. }) => marks.stop_failed,
                        Fact::Unknown(_) => false,
                    }
            })
    }

    pub(super) fn first_in_motion(&self) -> Option<Ix> {
        self.in_motion.first().map(|position| self.order[*position as usize])
    }

    pub(super) fn last_leaving(&self) -> Option<Ix> {
        self.leaving.last().map(|position| self.order[*position as usize])
    }

    pub(super) fn position(&self, ix: Ix) -> u32 {
        self.positions[ix.at()]
    }

    pub(super) fn into_verdicts(self) -> Vec<Verdict> {
        self.verdicts
    }
}

fn keep(set: &mut BTreeSet<u32>, position: u32, belongs: bool) {
    if belongs {
        set.insert(position);
    } else {
        set.remove(&position);
    }
}
