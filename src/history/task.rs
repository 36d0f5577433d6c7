//! What must not be forgotten of a task: which run was begun, and how far its schedule was followed.

use serde::{Deserialize, Serialize};

use super::StopMark;
use crate::model::{Boot, Exit, Fingerprint, Identity, Incarnation, Life, Minute, Name, Wall};

/// Stretches of the wall clock that are kept. A new one begins where runs were missed, so they become many only on a
/// machine that is suspended every night.
const STRETCHES: usize = 16;

/// The record of one task: bounded, whatever happens to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskMarks {
    /// The number of the last run, noted before the spawn.
    pub used: Incarnation,
    /// Which process that is; none until the spawn was answered.
    pub proven: Option<Identity>,
    /// The last run whose end was recorded; others of it may be left.
    pub over: Incarnation,
    /// The last run of which nothing is left, or that never came to be.
    pub ended: Incarnation,
    /// The last run that was begun.
    pub begun: Option<Begun>,
    /// A run that was accepted and waits for a look at what is there.
    pub accepted: Option<Accepted>,
    /// It ran longer than it may: noted before its first signal.
    pub overdue: bool,
    /// The rung of the stop ladder that was last taken.
    pub stop: Option<StopMark>,
    /// KILL did not empty it: noted once, so that it is said once.
    pub stop_failed: bool,
    /// How the last run that ended did.
    pub last: Option<Ran>,
    /// The last time it was due and was not run.
    pub skipped: Option<Skipped>,
    /// What was missed the last time.
    pub missed: Option<Missed>,
    /// How far its schedule was followed; nothing until it was first followed.
    pub followed: Option<Followed>,
    /// The timing that was followed; none while the task is disabled.
    pub timing: Fingerprint,
}

/// A run that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// When it was due; nothing where a person asked.
    pub due: Option<Minute>,
    /// When, for its time-out.
    pub at: Boot,
    /// When, for people.
    pub wall: Wall,
}

/// A run that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When it was due; nothing where a person asked.
    pub due: Option<Minute>,
    /// By which life of the agent; a later one does not make up for it.
    pub life: Life,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// When it was due; nothing where a person had asked.
    pub due: Option<Minute>,
    /// When it began.
    pub began: Wall,
    /// When it ended, or was found to have ended.
    pub ended: Wall,
    /// How.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its process ended.
    Exited(Exit),
    /// It ran longer than it may, and was ended.
    TimedOut,
    /// It could not be started, in words.
    NotStarted(Name),
    /// A round of probes was asked for.
    Probed,
}

/// A run that was due and refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// When it was due.
    pub due: Minute,
    /// Why, in words.
    pub why: Name,
}

/// Runs that were due while nobody followed the schedule: reported, never made up ([R16]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The first of them.
    pub first: Minute,
    /// The last of them.
    pub last: Minute,
    /// How many.
    pub count: u64,
}

/// How far a schedule was followed, on a wall clock that jumps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Whatever was due up to here was run, refused or reported.
    pub upto: Minute,
    /// Stretches within which everything due was run or refused: a clock that goes back into one repeats nothing. What
    /// was only reported as missed lies in none, so a clock that was wrong and is put right keeps nothing from running.
    pub answered: Vec<Stretch>,
}

/// From one minute to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first one.
    pub from: Minute,
    /// The last one.
    pub to: Minute,
}

impl Followed {
    /// From now on, this minute excluded.
    pub fn from(now: Minute) -> Self {
        let mut followed = Self::default();
        followed.begin_anew(now);
        followed
    }

    /// From now on, this minute excluded: another timing is followed, or the task was disabled meanwhile. What was
    /// answered stays so.
    pub fn begin_anew(&mut self, now: Minute) {
        if !self.is_answered(now) {
            self.push(now);
        }
        self.upto = now;
    }

    /// Whether a run that was due then was run or refused.
    pub fn is_answered(&self, due: Minute) -> bool {
        self.answered.iter().any(|stretch| (stretch.from..=stretch.to).contains(&due))
    }

    /// A run is run or refused.
    pub fn answer(&mut self, due: Minute) {
        if !self.is_answered(due) {
            let upto = self.upto;
            match self.answered.iter_mut().find(|stretch| stretch.to == upto && upto <= due) {
                // Nothing was missed in between: that would have moved the mark away from the end of the stretch.
                Some(stretch) => stretch.to = due,
                None => self.push(due),
            }
        }
        self.upto = due;
    }

    fn push(&mut self, due: Minute) {
        self.answered.push(Stretch { from: due, to: due });
        let surplus = self.answered.len().saturating_sub(STRETCHES);
        self.answered.drain(..surplus);
    }

    /// Runs were missed, the last of them then.
    pub fn miss(&mut self, last: Minute) {
        self.upto = last;
    }
}

impl TaskMarks {
    /// Whether the record says that a run goes on that nobody saw end.
    pub fn thought_alive(&self) -> bool {
        self.used > self.ended
    }

    /// Whether a run was begun whose end was not recorded yet.
    pub fn is_open(&self) -> bool {
        self.used > self.ended && self.used > self.over
    }

    /// What is left of it once the machine was restarted, or its process belongs to nobody's past: what people read, and
    /// how far its schedule was followed.
    #[must_use]
    pub fn without_process(self) -> Self {
        let Self { last, skipped, missed, followed, timing, .. } = self;
        Self { last, skipped, missed, followed, timing, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(answers: &[i64]) -> Followed {
        let mut followed = Followed::from(Minute(0));
        for due in answers {
            followed.answer(Minute(*due));
        }
        followed
    }

    #[test]
    fn r16_a_step_back_repeats_nothing_that_was_answered() {
        let mut followed = followed(&[10, 20, 30]);
        for due in [10, 15, 20, 30] {
            assert!(followed.is_answered(Minute(due)), "{due}");
        }
        assert!(!followed.is_answered(Minute(40)));
        followed.answer(Minute(20));
        followed.answer(Minute(40));
        assert!(followed.is_answered(Minute(30)));
    }

    #[test]
    fn r16_what_was_only_reported_as_missed_runs_once_the_clock_is_put_right() {
        let mut followed = followed(&[10, 20]);
        followed.miss(Minute(1_000));
        followed.answer(Minute(1_010));
        assert!(!followed.is_answered(Minute(30)));
        for due in [30, 40, 1_000] {
            followed.answer(Minute(due));
        }
        assert!(followed.is_answered(Minute(500)) && followed.is_answered(Minute(1_010)));
        followed.answer(Minute(1_020));
        assert!(followed.is_answered(Minute(1_015)));
    }

    #[test]
    fn the_record_stays_bounded_whatever_the_clock_does() {
        let mut followed = Followed::default();
        for jump in 0..1_000 {
            followed.answer(Minute(jump * 10));
            followed.miss(Minute(jump * 10 + 5));
        }
        assert_eq!(followed.answered.len(), STRETCHES);
        assert!(followed.is_answered(Minute(9_990)), "the newest are kept");
    }
}
