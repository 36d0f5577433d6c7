//! What is done next about one task: begin a run, look, end what runs too long. When it is due is the scheduler's word.

use std::fmt;

use super::{KILL_PATIENCE, Step};
use crate::desired::{Signal, Task};
use crate::history::{Rung, TaskMarks};
use crate::model::{Boot, Doubt, Fact, Incarnation, Life};
use crate::observed::{Busy, Process};
use crate::policy::grace::TASK_STOP_TIMEOUT;

/// What a verdict about a task is made from.
#[derive(Clone, Copy, Debug)]
pub struct TaskScene<'a> {
    /// What is wanted.
    pub task: &'a Task,
    /// What was.
    pub marks: &'a TaskMarks,
    /// What is.
    pub process: &'a Fact<Process>,
    /// A look or a spawn that was not yet answered.
    pub busy: Option<Busy>,
    /// Everything is being stopped.
    pub ending: bool,
    /// The present life of the agent.
    pub life: Life,
    /// When.
    pub now: Boot,
}

/// What is decided about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskVerdict {
    /// Why.
    pub reason: TaskReason,
    /// What is to be done; nothing while it waits or nothing is asked of it.
    pub act: Option<TaskAct>,
    /// When it must be asked again if nothing happens before.
    pub until: Option<Boot>,
}

/// The one thing to be done next about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskAct {
    /// Do something to the world.
    Step(Step),
    /// Remember that it runs too long.
    Overdue,
    /// Remember that KILL did not empty it.
    StopFailed,
}

/// Why something is done about a task, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskReason {
    /// Nothing of it runs and nothing is asked.
    Idle,
    /// It is looked at.
    Look(Doubt),
    /// A look is under way.
    Looking,
    /// Its run begins.
    Begin,
    /// A spawn is under way.
    Beginning,
    /// It runs.
    Running,
    /// It ran longer than it may.
    Overdue,
    /// Everything is being stopped.
    Ending,
    /// What its dead main process left behind is ended.
    Remains,
    /// It was asked to end.
    Stopping {
        /// When it will be killed.
        kill_at: Boot,
    },
    /// It did not end in time.
    KillTooSlow,
    /// It was killed, and the kernel has not let go of it yet.
    Killed,
    /// KILL did not empty it; no other run is begun beside it.
    StopFailed,
}

impl fmt::Display for TaskReason {
    /// The sentence, without the task's own name and without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("does not run"),
            Self::Look(doubt) => write!(f, "look: {doubt}"),
            Self::Looking => f.write_str("is being looked at"),
            Self::Begin => f.write_str("begin: it was asked for, and nothing of it runs"),
            Self::Beginning => f.write_str("is being begun"),
            Self::Running => f.write_str("runs"),
            Self::Overdue => f.write_str("end: it runs longer than it may"),
            Self::Ending => f.write_str("end: everything is being stopped"),
            Self::Remains => f.write_str("end what its dead main process left behind"),
            Self::Stopping { kill_at } => write!(f, "was asked to end, is killed at {kill_at}"),
            Self::KillTooSlow => f.write_str("kill: it did not end in time"),
            Self::Killed => f.write_str("was killed"),
            Self::StopFailed => f.write_str("could not be ended: KILL left processes; it is not begun beside them"),
        }
    }
}

impl TaskVerdict {
    fn wait(reason: TaskReason) -> Self {
        Self { reason, act: None, until: None }
    }

    fn until(reason: TaskReason, until: Option<Boot>) -> Self {
        Self { reason, act: None, until }
    }

    fn act(reason: TaskReason, act: TaskAct) -> Self {
        Self { reason, act: Some(act), until: None }
    }
}

/// Decides about one task from nothing but its arguments.
pub fn task_verdict(scene: &TaskScene<'_>) -> TaskVerdict {
    match scene.process {
        Fact::Unknown(_) if scene.busy.is_some() => TaskVerdict::wait(TaskReason::Looking),
        // Nobody needs to know before its first run is asked for.
        Fact::Unknown(_) if !scene.marks.thought_alive() && scene.marks.accepted.is_none() => {
            TaskVerdict::wait(TaskReason::Idle)
        }
        Fact::Unknown(doubt) => TaskVerdict::act(TaskReason::Look(*doubt), TaskAct::Step(Step::Look)),
        Fact::Known(Process::Absent | Process::Foreign { .. }) if scene.marks.accepted.is_none() => {
            TaskVerdict::wait(TaskReason::Idle)
        }
        Fact::Known(Process::Absent | Process::Foreign { .. }) => {
            let step = Step::Spawn { incarnation: scene.marks.used.next(), ready_by: scene.now };
            TaskVerdict::act(TaskReason::Begin, TaskAct::Step(step))
        }
        Fact::Known(Process::Remains { incarnation }) => ladder(scene, *incarnation, TaskReason::Remains),
        Fact::Known(Process::Alive(alive)) => living(scene, alive.incarnation),
    }
}

fn living(scene: &TaskScene<'_>, incarnation: Incarnation) -> TaskVerdict {
    if scene.ending {
        return ladder(scene, incarnation, TaskReason::Ending);
    }
    let begun = scene.marks.begun.map(|begun| begun.at);
    let ends = begun.zip(scene.task.timeout).map(|(at, timeout)| at.plus(timeout));
    if scene.marks.overdue {
        return ladder(scene, incarnation, TaskReason::Overdue);
    }
    match ends {
        Some(at) if at <= scene.now => TaskVerdict::act(TaskReason::Overdue, TaskAct::Overdue),
        Some(_) | None if scene.busy.is_some() => TaskVerdict::until(TaskReason::Beginning, ends),
        Some(_) | None => TaskVerdict::until(TaskReason::Running, ends),
    }
}

/// TERM to the main process, or to what is left of it; after a time KILL to everything.
fn ladder(scene: &TaskScene<'_>, incarnation: Incarnation, why: TaskReason) -> TaskVerdict {
    let signal = |reason, rung| TaskVerdict::act(reason, TaskAct::Step(Step::Signal { incarnation, rung }));
    let to_rest = matches!(scene.process, Fact::Known(Process::Remains { .. }));
    // A mark of an earlier life of the agent may have been noted and never sent.
    let stop = scene.marks.stop.filter(|stop| stop.incarnation == incarnation && stop.life == scene.life);
    let Some(stop) = stop else { return signal(why, Rung::Ask(Signal::Term)) };
    match stop.rung {
        Rung::Ask(_) if stop.to_rest != to_rest => signal(why, Rung::Ask(Signal::Term)),
        Rung::Ask(_) => {
            let kill_at = stop.at.plus(TASK_STOP_TIMEOUT);
            if kill_at <= scene.now {
                signal(TaskReason::KillTooSlow, Rung::Kill)
            } else {
                TaskVerdict::until(TaskReason::Stopping { kill_at }, Some(kill_at))
            }
        }
        Rung::Kill if scene.marks.stop_failed => TaskVerdict::wait(TaskReason::StopFailed),
        Rung::Kill => {
            let report_at = stop.at.plus(KILL_PATIENCE);
            if report_at <= scene.now {
                TaskVerdict::act(TaskReason::StopFailed, TaskAct::StopFailed)
            } else {
                TaskVerdict::until(TaskReason::Killed, Some(report_at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{DayRule, Does, Timing, Wanted};
    use crate::history::StopMark;
    use crate::model::Name;
    use crate::observed::Alive;

    const FIRST: Incarnation = Incarnation(1);

    fn verdict(process: &Fact<Process>, marks: &TaskMarks, busy: Option<Busy>) -> TaskVerdict {
        let timing = Timing { crontab: "* * * * *".to_owned(), day_rule: DayRule::And, zone: Name::from("UTC") };
        let task = Task {
            name: Name::from("purge"),
            wanted: Wanted::Yes,
            timing,
            needs: Vec::new(),
            timeout: None,
            does: Does::Probe,
        };
        task_verdict(&TaskScene { task: &task, marks, process, busy, ending: false, life: Life(2), now: Boot(0) })
    }

    fn alive() -> Fact<Process> {
        Fact::Known(Process::Alive(Alive { incarnation: FIRST, identity: None, recovering: false }))
    }

    #[test]
    fn r16_nobody_looks_for_a_task_that_never_ran_and_is_not_asked_for() {
        let unknown = Fact::Unknown(Doubt::NotLookedYet);
        assert_eq!(verdict(&unknown, &TaskMarks::default(), None), TaskVerdict::wait(TaskReason::Idle));
        let begun = TaskMarks { used: FIRST, ..TaskMarks::default() };
        let looks = TaskVerdict::act(TaskReason::Look(Doubt::NotLookedYet), TaskAct::Step(Step::Look));
        assert_eq!(verdict(&unknown, &begun, None), looks);
    }

    #[test]
    fn r16_a_run_begins_until_its_process_is_known() {
        let marks = TaskMarks { used: FIRST, ..TaskMarks::default() };
        assert_eq!(verdict(&alive(), &marks, None).reason, TaskReason::Running);
        assert_eq!(verdict(&alive(), &marks, Some(Busy::Spawning(FIRST))).reason, TaskReason::Beginning);
    }

    #[test]
    fn r16_a_signal_that_an_earlier_agent_noted_is_sent_again_and_one_of_this_agent_is_not() {
        let told_by = |life| {
            let stop =
                StopMark { incarnation: FIRST, rung: Rung::Ask(Signal::Term), at: Boot(0), to_rest: false, life };
            let marks = TaskMarks { used: FIRST, overdue: true, stop: Some(stop), ..TaskMarks::default() };
            verdict(&alive(), &marks, None).reason
        };
        assert_eq!(told_by(Life(1)), TaskReason::Overdue);
        assert_eq!(told_by(Life(2)), TaskReason::Stopping { kill_at: Boot(0).plus(TASK_STOP_TIMEOUT) });
    }
}
