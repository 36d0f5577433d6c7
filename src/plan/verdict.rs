//! What is to be done about one service, and why: the decisions of [R1] to [R12], [R19], [R30] and [R31].
//!
//! Reads the service's own marks and facts and the standings of its neighbours; writes nothing.

use std::time::Duration;

use super::clients;
use super::note::{ClientsPart, GroupRestart, Note};
use super::reason::{Down, Reason};
use super::standing::{Goal, LIST_PATIENCE, is_doomed, leads_back, may_start};
use super::{Board, Scene, Verdict};
use crate::desired::{Group, GroupIx, Ix, OnGiveUp, StartOrder};
use crate::history::{Cause, Force, Marks, Rung};
use crate::model::{Fact, Fingerprint, Incarnation};
use crate::observed::{Busy, Errand, Process};
use crate::plan::step::Step;
use crate::policy::{budget, reach};

/// How long the kernel may take to let go of what was killed before that is reported.
pub const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// After how long a stranger's place is looked at again: it may have gone, and nothing tells us.
pub const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Decides about one service.
pub(crate) fn verdict(scene: &Scene<'_>, board: &Board, ix: Ix) -> Verdict {
    let (_, marks, facts) = scene.of(ix);
    let goal = board.standings[ix.at()].goal;
    if let Goal::Down(Down::GaveUp { .. }) = goal
        && hands_over(scene, ix)
    {
        return Verdict::note(Reason::HandOver, Note::HandOver { service: ix });
    }
    match facts.busy {
        Some(Busy::Looking) => return Verdict::wait(Reason::Looking),
        Some(Busy::Spawning(_)) => return Verdict::wait(Reason::Spawning),
        None => {}
    }
    if let Some(answer) = Some(goal).filter(|goal| *goal == Goal::Up).and_then(|_| answer_failure(scene, board, ix)) {
        return answer;
    }
    if let Some(answer) = clients::answer(scene, board, ix) {
        return answer;
    }
    match &facts.process {
        Fact::Unknown(doubt) => Verdict::step(Reason::Look(*doubt), Step::Look),
        Fact::Known(Process::Foreign { .. }) => match goal {
            Goal::Up => {
                let again = facts.looked_at.plus(LOOK_AGAIN);
                if scene.now >= again {
                    Verdict::step(Reason::Look(crate::model::Doubt::AfterForeign), Step::Look)
                } else {
                    Verdict::wait(Reason::Foreign).until(again)
                }
            }
            Goal::Down(down) => down_and_out(scene, ix, down),
        },
        Fact::Known(Process::Absent) => match goal {
            Goal::Up => start(scene, board, ix),
            Goal::Down(down) => down_and_out(scene, ix, down),
        },
        Fact::Known(Process::Remains { incarnation }) => {
            if is_doomed(scene, goal, marks, facts, *incarnation) {
                stop(scene, board, ix, *incarnation)
            } else {
                match goal {
                    Goal::Up => Verdict::wait(why_no_start(scene, marks)),
                    Goal::Down(down) => down_and_out(scene, ix, down),
                }
            }
        }
        Fact::Known(Process::Alive(alive)) => {
            if is_doomed(scene, goal, marks, facts, alive.incarnation) {
                return stop(scene, board, ix, alive.incarnation);
            }
            let ordered = marks.restart_ordered.is_some() || marks.reload_ordered;
            match goal {
                // A hang that spent the budget: what lives is left alone, and is tried again where that is declared.
                Goal::Down(down @ Down::GaveUp { .. }) if !ordered => {
                    let verdict = down_and_out(scene, ix, down);
                    let waits = verdict.act.is_none();
                    if waits { Verdict { reason: Reason::LeftAlive(down), ..verdict } } else { verdict }
                }
                Goal::Up | Goal::Down(_) => alive_and_wanted(scene, ix, alive.incarnation, alive.recovering),
            }
        }
    }
}

/// Answers a failure that nobody has answered yet; none where failures are only reported.
fn answer_failure(scene: &Scene<'_>, board: &Board, ix: Ix) -> Option<Verdict> {
    let (service, marks, facts) = scene.of(ix);
    let failure = marks.failure.as_ref()?;
    if scene.desired.suspended {
        return None;
    }
    let changed = failure.declaration != service.declaration
        || (facts.files.is_some() && failure.files.is_some() && facts.files != failure.files)
        || marks.restarted_at != service.restarted_at;
    if changed {
        return Some(Verdict::note(Reason::Forgive, Note::Forgive { service: ix }));
    }
    if !scene.desired.watched || !scene.desired.autorestart.enabled {
        return None;
    }
    let concerned = |group: &GroupIx| concerns_group(marks, &scene.desired.groups[group.at()], ix);
    if let Some(group) = service.group.filter(concerned) {
        return Some(answer_for_group(scene, board, group));
    }
    if budget::allows(marks, &scene.desired.autorestart, scene.now) {
        let followers = reach::followers(scene.desired, &[ix]);
        return Some(Verdict::note(Reason::Charge, Note::Charge { service: ix, followers }));
    }
    Some(Verdict::note(Reason::GiveUp, Note::GiveUp { service: ix }))
}

/// A failure concerns the group when the member had been ready, or is the lead and fails in the middle of a restart of
/// the group, which then begins again ([R9]).
fn concerns_group(marks: &Marks, group: &Group, ix: Ix) -> bool {
    marks.failure.as_ref().is_some_and(|failure| failure.was_ready)
        || (group.lead == Some(ix)
            && marks.retire.is_some_and(|retire| retire.cause.is_of_group() && retire.cause != Cause::GaveUp))
}

/// One restart for everything of a group that failed, clients of the store included.
pub(crate) fn answer_for_group(scene: &Scene<'_>, board: &Board, at: GroupIx) -> Verdict {
    let group = &scene.desired.groups[at.at()];
    let mut answer = GroupRestart { clients: clients::part(scene, at), ..GroupRestart::default() };
    for member in &group.members {
        let (_, marks, _) = scene.of(*member);
        if board.standings[member.at()].goal != Goal::Up {
            continue;
        }
        if marks.failure.is_some() && concerns_group(marks, group, *member) {
            if budget::allows(marks, &scene.desired.autorestart, scene.now) {
                answer.charged.push(*member);
                answer.members.push(*member);
            } else {
                answer.given_up.push(*member);
            }
        } else {
            answer.members.push(*member);
        }
    }
    // A lead that gives up takes its group down with it, uncharged; where only members give up, they do so one by one
    // and leave the others as they are ([R11]).
    let gives_up = group.lead.filter(|lead| answer.given_up.contains(lead));
    let nobody_restarts = answer.charged.is_empty() && answer.clients != ClientsPart::Charged;
    if let Some(service) = gives_up.or_else(|| answer.given_up.first().copied().filter(|_| nobody_restarts)) {
        return Verdict::note(Reason::GiveUp, Note::GiveUp { service });
    }
    answer.followers = reach::followers(scene.desired, &answer.members);
    Verdict::note(Reason::Charge, Note::GroupRestart(answer))
}

/// A service that is wanted up and is not there: its start, or what it waits for.
fn start(scene: &Scene<'_>, board: &Board, ix: Ix) -> Verdict {
    let (service, marks, _) = scene.of(ix);
    if !may_start(scene, marks) {
        return Verdict::wait(why_no_start(scene, marks));
    }
    let lead = leads_back(scene, &board.standings, ix);
    if let Some(on) = service.depends_on.iter().chain(&lead).find(|on| !board.standings[on.at()].ready) {
        return Verdict::wait(Reason::WaitsForDependency(*on));
    }
    if let Some(group) = service.group {
        let peers = &scene.desired.groups[group.at()].members;
        if let Some(peer) = peers.iter().find(|peer| **peer != ix && board.standings[peer.at()].lingers) {
            return Verdict::wait(Reason::WaitsForPeer(*peer));
        }
    }
    let first = board.first_in_motion().filter(|first| board.position(*first) < board.position(ix));
    if let (StartOrder::Listed, Some(first)) = (scene.desired.start_order, first) {
        return Verdict::wait(Reason::WaitsForList(first));
    }
    let reason = marks.retire.map_or(Reason::Start, |retire| Reason::StartAgain(retire.cause));
    let spawn = Step::Spawn { incarnation: marks.used.next(), ready_by: scene.now.plus(service.start_timeout) };
    Verdict::step(reason, spawn)
}

fn why_no_start(scene: &Scene<'_>, marks: &Marks) -> Reason {
    if scene.desired.suspended {
        Reason::Suspended
    } else if !scene.desired.watched {
        Reason::NotWatched
    } else {
        debug_assert!(marks.failure.is_some(), "only an unanswered failure is left as a reason");
        Reason::AutorestartOff
    }
}

/// A service that is not wanted up and of which nothing is to be stopped.
fn down_and_out(scene: &Scene<'_>, ix: Ix, down: Down) -> Verdict {
    let settled = Verdict::wait(Reason::Down(down));
    let Down::GaveUp { retry_at } = down else { return settled };
    if scene.desired.suspended {
        return settled;
    }
    if has_new_chance(scene, ix) {
        return Verdict::note(Reason::Forgive, Note::Forgive { service: ix });
    }
    match retry_at {
        Some(at) if scene.now >= at => Verdict::note(Reason::Retry, Note::Retry { service: ix }),
        Some(at) => settled.until(at),
        None => settled,
    }
}

/// Whether what it gave up with has changed since ([R11]).
fn has_new_chance(scene: &Scene<'_>, ix: Ix) -> bool {
    let (service, marks, facts) = scene.of(ix);
    let changed = marks.given_up.as_ref().is_some_and(|given_up| {
        given_up.declaration != service.declaration
            || (facts.files.is_some() && given_up.files.is_some() && facts.files != given_up.files)
    });
    changed || marks.restarted_at != service.restarted_at
}

/// Whether its give-up is the cluster manager's affair ([R23]).
fn hands_over(scene: &Scene<'_>, ix: Ix) -> bool {
    let policy = &scene.desired.autorestart;
    let acts = policy.enabled && scene.desired.watched && !scene.desired.suspended;
    acts && policy.on_give_up == OnGiveUp::Failover && scene.desired.service(ix).required && !has_new_chance(scene, ix)
}

/// The stop ladder ([R3]).
fn stop(scene: &Scene<'_>, board: &Board, ix: Ix, incarnation: Incarnation) -> Verdict {
    let (service, marks, facts) = scene.of(ix);
    let standing = &board.standings[ix.at()];
    let signal = |reason, rung| Verdict::step(reason, Step::Signal { incarnation, rung });
    match marks.stop.filter(|stop| stop.incarnation == incarnation) {
        None => {
            if let Some(first) = goes_first(scene, board, ix) {
                return Verdict::wait(Reason::StopWaitsFor(first));
            }
            if marks.forced {
                return signal(Reason::KillForced, Rung::Kill);
            }
            let reason = match (marks.retire, standing.goal, &facts.process) {
                (_, Goal::Down(down), _) if super::standing::stops_now(scene, standing.goal) => Reason::Stop(down),
                (Some(retire), _, _) if incarnation <= retire.upto => match &facts.process {
                    Fact::Known(Process::Remains { .. }) => Reason::StopRemains,
                    Fact::Known(Process::Absent | Process::Alive(_) | Process::Foreign { .. }) | Fact::Unknown(_) => {
                        Reason::StopAgain(retire.cause)
                    }
                },
                (_, _, _) => Reason::StopRemains,
            };
            signal(reason, Rung::Ask(service.launch.stop_signal))
        }
        Some(mark) if mark.life != scene.history.life => signal(Reason::SignalAgain, mark.rung),
        Some(mark) => match mark.rung {
            Rung::Ask(_) => {
                let kill_at = mark.at.plus(service.stop_timeout);
                if marks.forced {
                    signal(Reason::KillForced, Rung::Kill)
                } else if scene.now >= kill_at {
                    signal(Reason::KillTooSlow, Rung::Kill)
                } else if !mark.to_rest && facts.alive().is_none() {
                    // The main process went as asked and left others: they are asked too, in what time is left.
                    signal(Reason::StopRemains, mark.rung)
                } else {
                    Verdict::wait(Reason::Stopping { kill_at }).until(kill_at)
                }
            }
            Rung::Kill => {
                let report_at = mark.at.plus(KILL_PATIENCE);
                if marks.stop_failed {
                    Verdict::wait(Reason::StopFailed)
                } else if scene.now >= report_at {
                    Verdict::note(Reason::StopFailed, Note::StopFailed { service: ix })
                } else {
                    Verdict::wait(Reason::Killed { report_at }).until(report_at)
                }
            }
        },
    }
}

/// Who must be gone before this one is asked to stop: what depends on it, the members of the group it leads, and in
/// list order everything that stands later and is to stop as well.
fn goes_first(scene: &Scene<'_>, board: &Board, ix: Ix) -> Option<Ix> {
    let leaves = |other: &&Ix| **other != ix && board.standings[other.at()].leaving;
    let service = scene.desired.service(ix);
    service
        .dependents
        .iter()
        .find(leaves)
        .or_else(|| reach::led_by(scene.desired, ix).iter().find(leaves))
        .copied()
        .or_else(|| match scene.desired.start_order {
            StartOrder::Listed => board.last_leaving().filter(|last| board.position(*last) > board.position(ix)),
            StartOrder::Parallel => None,
        })
}

/// A living service that is wanted up: is it ready, and is it what the document says?
fn alive_and_wanted(scene: &Scene<'_>, ix: Ix, incarnation: Incarnation, recovering: bool) -> Verdict {
    let (_, marks, facts) = scene.of(ix);
    if marks.forced {
        return Verdict::note(Reason::ForceTakenBack, Note::DropForce { service: ix });
    }
    if marks.ready == incarnation {
        if facts.hang().is_some_and(|hang| !hang.noted) {
            return Verdict::note(Reason::HangSeen, Note::Hang { service: ix });
        }
        return change(scene, ix, incarnation).unwrap_or_else(|| Verdict::wait(settled_reason(scene, ix)));
    }
    let patience = marks.spawned_at.plus(LIST_PATIENCE);
    let listed = scene.desired.start_order == StartOrder::Listed && scene.now < patience;
    if recovering {
        let waits = change(scene, ix, incarnation).unwrap_or_else(|| Verdict::wait(Reason::Recovering));
        return if listed { waits.until(patience) } else { waits };
    }
    let acts = (!scene.desired.suspended || marks.ordered || marks.retire.is_some()) && scene.desired.watched;
    if acts && scene.now >= marks.ready_by {
        return Verdict::note(Reason::NotReadyInTime, Note::NotReadyInTime { service: ix });
    }
    let overdue = scene.now >= marks.ready_by;
    let starting = if overdue { Reason::Overdue } else { Reason::Starting { ready_by: marks.ready_by } };
    let mut waits = change(scene, ix, incarnation).unwrap_or(Verdict::wait(starting));
    if !overdue {
        waits = waits.until(marks.ready_by);
    }
    if listed { waits.until(patience) } else { waits }
}

/// Why nothing is done about a ready service: it is as declared, or what differs may not be changed.
fn settled_reason(scene: &Scene<'_>, ix: Ix) -> Reason {
    if scene.desired.suspended && (pending_restart(scene, ix).is_some() || pending_reload(scene, ix)) {
        Reason::Suspended
    } else {
        let (_, marks, facts) = scene.of(ix);
        if facts.hang().is_some() || marks.hung().is_some() { Reason::Hangs } else { Reason::Running }
    }
}

/// What is to change about a living service, if anything.
fn change(scene: &Scene<'_>, ix: Ix, incarnation: Incarnation) -> Option<Verdict> {
    let (_, marks, _) = scene.of(ix);
    let ordered = marks.restart_ordered.is_some() || marks.reload_ordered;
    if scene.desired.suspended && !ordered {
        return None;
    }
    if let Some(cause) = pending_restart(scene, ix) {
        let unchecked = cause == Cause::Person && marks.restart_ordered == Some(Force::Yes);
        return Some(unless_refused(scene, ix, unchecked, || {
            Verdict::note(Reason::Retire(cause), Note::Retire { services: reach::restart(scene.desired, ix, cause) })
        }));
    }
    if marks.ready == incarnation && pending_reload(scene, ix) {
        let (_, _, facts) = scene.of(ix);
        if let Some(Errand::Reloading(..)) = facts.errand {
            return Some(Verdict::wait(Reason::Reloading));
        }
        let files = facts.files.unwrap_or_default();
        return Some(unless_refused(scene, ix, false, || {
            Verdict::step(Reason::Reload, Step::Reload { incarnation, files })
        }));
    }
    None
}

/// The restart that the document, its files or a person want, most pressing first.
fn pending_restart(scene: &Scene<'_>, ix: Ix) -> Option<Cause> {
    let (service, marks, facts) = scene.of(ix);
    if marks.restart_ordered.is_some() {
        Some(Cause::Person)
    } else if marks.restarted_at != service.restarted_at && service.restarted_at.is_some() {
        Some(Cause::RestartedAt)
    } else if marks.launched_as != service.launch_print {
        Some(Cause::Declaration)
    } else if !service.has_reload && files_changed(marks, facts.files) {
        Some(Cause::Files)
    } else {
        None
    }
}

fn pending_reload(scene: &Scene<'_>, ix: Ix) -> bool {
    let (service, marks, facts) = scene.of(ix);
    service.has_reload && (marks.reload_ordered || files_changed(marks, facts.files))
}

fn files_changed(marks: &Marks, now: Option<Fingerprint>) -> bool {
    matches!((marks.files, now), (Some(with), Some(are)) if with != are)
}

/// Lets `act` happen once the product's own checker has accepted what it would run with ([R19]).
fn unless_refused(scene: &Scene<'_>, ix: Ix, unchecked: bool, act: impl FnOnce() -> Verdict) -> Verdict {
    let (service, marks, facts) = scene.of(ix);
    if !service.has_check || unchecked {
        return act();
    }
    let print = check_print(service.launch_print, facts.files);
    if let Some(Errand::Checking(_)) = facts.errand {
        return Verdict::wait(Reason::Checking);
    }
    match marks.checked.as_ref().filter(|checked| checked.print == print) {
        None => Verdict::step(Reason::Check, Step::Check { print }),
        Some(checked) if checked.complaint.is_none() => act(),
        Some(_) if marks.restart_ordered.is_some() || marks.reload_ordered => {
            Verdict::note(Reason::CheckFailed, Note::RefuseOrder { service: ix })
        }
        Some(_) => Verdict::wait(Reason::CheckFailed),
    }
}

/// What a check is a check of.
pub(crate) fn check_print(launch: Fingerprint, files: Option<Fingerprint>) -> Fingerprint {
    launch.and(&files.unwrap_or_default().0.to_le_bytes())
}
