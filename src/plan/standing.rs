//! Where a service stands: what its neighbours need to know of it, and no more.
//!
//! The standing of a service follows from its own marks and facts and from the standings of what it depends on and of
//! the lead of its group, so it is worked out in topological order and has no cycle. A verdict then reads the standings
//! of the neighbours. When an event changes no standing, nobody else is planned anew: that is what keeps the cost of
//! an event independent of the number of services.

use std::time::Duration;

use super::Scene;
use super::reason::Down;
use crate::desired::{Ix, OnGiveUp, Wanted};
use crate::history::Marks;
use crate::model::{Boot, Fact, Incarnation};
use crate::observed::{Facts, Process};
use crate::policy::budget;

/// How long one service may hold up the list order ([R1]: "Listed order goes on after 120 s").
pub const LIST_PATIENCE: Duration = Duration::from_mins(2);

/// Whether a service is wanted up, all things considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Yes.
    Up,
    /// No, and why.
    Down(Down),
}

/// Where a service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether it is wanted up.
    pub(crate) goal: Goal,
    /// It was ready once in this incarnation and stays: dependents may start.
    pub(crate) ready: bool,
    /// What exists of it is to go, so what must stop after it waits.
    pub(crate) leaving: bool,
    /// What exists of it is to go and its group restarts, so no member starts.
    pub(crate) lingers: bool,
    /// Its restart budget is spent, so the group it leads is stopped.
    pub(crate) gave_up: bool,
    /// Its start is on its way, so what stands later in the list waits.
    pub(crate) in_motion: bool,
}

impl Standing {
    pub(crate) const UNPLANNED: Self =
        Self { goal: Goal::Up, ready: false, leaving: false, lingers: false, gave_up: false, in_motion: false };
}

/// Works out one standing; those it follows from must be worked out already.
pub(crate) fn standing(scene: &Scene<'_>, standings: &[Standing], ix: Ix) -> Standing {
    let (_, marks, facts) = scene.of(ix);
    let goal = goal(scene, standings, ix);
    let leaving = match facts.present() {
        Some(incarnation) => is_doomed(scene, goal, marks, facts, incarnation) && !marks.stop_failed,
        None => matches!(facts.process, Fact::Unknown(_)) && marks.thought_alive() && stops_now(scene, goal),
    };
    let lingers = match (facts.present(), marks.retire) {
        (Some(incarnation), Some(retire)) => incarnation <= retire.upto && retire.cause.is_of_group(),
        (None, _) | (_, None) => false,
    };
    let ready = facts.alive().is_some_and(|alive| marks.ready == alive.incarnation) && !leaving;
    let in_motion = in_motion(scene, standings, ix, goal);
    Standing { goal, ready, leaving, lingers, gave_up: marks.given_up.is_some(), in_motion }
}

/// Whether what exists of an incarnation is to end.
pub(crate) fn is_doomed(scene: &Scene<'_>, goal: Goal, marks: &Marks, facts: &Facts, incarnation: Incarnation) -> bool {
    if marks.retires(incarnation) || stops_now(scene, goal) {
        return true;
    }
    // What a dead main process left behind goes before the service starts again, so only where it may start again.
    matches!(facts.process, Fact::Known(Process::Remains { .. })) && goal == Goal::Up && may_start(scene, marks)
}

/// Whether the goal stops a living process at this time.
pub(crate) fn stops_now(scene: &Scene<'_>, goal: Goal) -> bool {
    match goal {
        Goal::Up => false,
        Goal::Down(down) => down.stops() && (down.is_ordered() || !scene.desired.suspended),
    }
}

/// Whether a start may follow by itself: no failure is unanswered, and nothing is suspended, or a person or a restart
/// that had begun says so.
pub(crate) fn may_start(scene: &Scene<'_>, marks: &Marks) -> bool {
    marks.failure.is_none() && (!scene.desired.suspended || marks.ordered || marks.retire.is_some())
}

fn goal(scene: &Scene<'_>, standings: &[Standing], ix: Ix) -> Goal {
    let (service, marks, _) = scene.of(ix);
    if scene.history.ending {
        return Goal::Down(Down::Ending);
    }
    // A removal forgets a hold; any other edit does not, so a hold comes before whether the document wants it.
    if let Some(hold) = marks.hold.filter(|_| service.wanted != Wanted::Removed) {
        return Goal::Down(Down::Held(hold));
    }
    let waits_for = service.depends_on.iter().find_map(|on| held_root(scene, standings, *on));
    if let Some(root) = waits_for.filter(|_| scene.desired.suspended) {
        // The document stops nothing while everything automatic is suspended; a person who stops what this needs does.
        return Goal::Down(Down::WaitsForHeld(root));
    }
    match service.wanted {
        Wanted::Yes => {}
        Wanted::Disabled => return Goal::Down(Down::Disabled),
        Wanted::DependencyDisabled(_) => return Goal::Down(Down::DependencyDisabled),
        Wanted::Removed => return Goal::Down(Down::Removed),
    }
    if service.held {
        return Goal::Down(Down::HeldByDocument);
    }
    if let Some(root) = waits_for {
        return Goal::Down(Down::WaitsForHeld(root));
    }
    let lead = service.group.and_then(|group| scene.desired.groups[group.at()].lead);
    if let Some(lead) = lead.filter(|lead| *lead != ix && standings[lead.at()].gave_up) {
        return Goal::Down(Down::LeadGaveUp(lead));
    }
    match &marks.given_up {
        Some(given_up) => Goal::Down(Down::GaveUp { retry_at: retry_at(scene, marks, given_up.at) }),
        None => Goal::Up,
    }
}

/// The lead of its group, where a restart of the group brings both back: the members start behind its readiness, also
/// those that do not depend on it ([R9]).
pub(crate) fn leads_back(scene: &Scene<'_>, standings: &[Standing], ix: Ix) -> Option<Ix> {
    let (service, marks, _) = scene.of(ix);
    marks.retire.filter(|retire| retire.cause.is_of_group())?;
    let lead = scene.desired.groups[service.group?.at()].lead?;
    (lead != ix && standings[lead.at()].goal == Goal::Up).then_some(lead)
}

/// The held service at the bottom of a chain of dependencies, if there is one.
fn held_root(scene: &Scene<'_>, standings: &[Standing], on: Ix) -> Option<Ix> {
    match standings[on.at()].goal {
        Goal::Down(Down::HeldByDocument) if scene.desired.suspended => None,
        Goal::Down(Down::HeldByDocument | Down::Held(_)) => Some(on),
        Goal::Down(Down::WaitsForHeld(root)) => Some(root),
        Goal::Up
        | Goal::Down(
            Down::Ending
            | Down::Disabled
            | Down::DependencyDisabled
            | Down::Removed
            | Down::LeadGaveUp(_)
            | Down::GaveUp { .. },
        ) => None,
    }
}

fn retry_at(scene: &Scene<'_>, marks: &Marks, gave_up: Boot) -> Option<Boot> {
    let policy = &scene.desired.autorestart;
    match policy.on_give_up {
        OnGiveUp::RetryAfter(after) if policy.enabled && scene.desired.watched => {
            budget::allows_from(marks, policy, gave_up.plus(after.max(policy.window)))
        }
        OnGiveUp::RetryAfter(_) | OnGiveUp::Stay | OnGiveUp::Failover => None,
    }
}

fn in_motion(scene: &Scene<'_>, standings: &[Standing], ix: Ix, goal: Goal) -> bool {
    let (service, marks, facts) = scene.of(ix);
    if goal != Goal::Up || marks.stumbled || marks.failure.is_some() || marks.stop_failed {
        return false;
    }
    match &facts.process {
        Fact::Unknown(_) | Fact::Known(Process::Remains { .. }) => true,
        Fact::Known(Process::Foreign { .. }) => false,
        Fact::Known(Process::Absent) => {
            let lead = leads_back(scene, standings, ix);
            may_start(scene, marks)
                && service
                    .depends_on
                    .iter()
                    .chain(&lead)
                    .all(|on| standings[on.at()].ready || standings[on.at()].in_motion)
        }
        Fact::Known(Process::Alive(alive)) => {
            marks.retires(alive.incarnation)
                || (marks.ready != alive.incarnation && scene.now < marks.spawned_at.plus(LIST_PATIENCE))
        }
    }
}
