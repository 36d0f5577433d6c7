//! What is asked of tasks: run now, by the clock or by a person; these were missed ([R16]).

use super::tasks::words;
use super::{Engine, Happened, Happening, TaskDid};
use crate::desired::{Does, Wanted};
use crate::history::{Accepted, Missed, Outcome, Ran, Skipped};
use crate::model::{Fact, Minute, Name, Now, Wall};

/// Who asks for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The scheduler: it was due then. Asked twice for the same minute, it runs once.
    ByClock(Minute),
    /// A person, now.
    ByPerson,
}

/// What became of a wish for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is begun.
    Begins,
    /// A round of probes is to be begun; the agent decides whether one is.
    Probes,
    /// That minute was answered before.
    AlreadySo,
}

/// A task that is not run, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task}: {why}")]
pub struct TaskRefusal {
    /// The task.
    pub task: Name,
    /// Why.
    pub why: NotRun,
}

/// Why a task is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// No such task; sysexits 64.
    #[error("there is no such task")]
    Unknown,
    /// It is disabled; sysexits 78.
    #[error("it is disabled")]
    Disabled,
    /// Something it needs is disabled, and it with that; sysexits 78.
    #[error("it needs {0}, which is disabled")]
    NeedDisabled(Name),
    /// Never two runs of one task; sysexits 75.
    #[error("it still runs, since {0}")]
    StillRuns(Wall),
    /// Something it needs is held or down; sysexits 69.
    #[error("it needs {on}, which {why}")]
    Needs {
        /// What it needs.
        on: Name,
        /// `is held`, and so on.
        why: &'static str,
    },
    /// Everything is being stopped; sysexits 69.
    #[error("everything is being stopped")]
    Ending,
}

impl NotRun {
    /// The exit code a command ends with (sysexits.h).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown => 64,
            Self::Disabled | Self::NeedDisabled(_) => 78,
            Self::StillRuns(_) => 75,
            Self::Needs { .. } | Self::Ending => 69,
        }
    }
}

impl TaskRefusal {
    /// There is no such task.
    pub fn unknown(name: &str) -> Self {
        Self { task: Name::from(name), why: NotRun::Unknown }
    }
}

impl Engine {
    /// Asks for one run of a task. Its marks are written before anything is begun.
    ///
    /// # Errors
    /// It is not run now, nor later for this: a run that was due and refused is told and never made up.
    pub fn run_task(&mut self, now: Now, name: &str, asked: Asked) -> Result<Taken, TaskRefusal> {
        let at = self.tasks.find(name).ok_or_else(|| TaskRefusal::unknown(name))?;
        let due = match asked {
            Asked::ByClock(due) => {
                let followed = self.tasks.touch(at).marks.followed.get_or_insert_default();
                if followed.is_answered(due) {
                    return Ok(Taken::AlreadySo);
                }
                followed.answer(due);
                Some(due)
            }
            Asked::ByPerson => None,
        };
        if let Some(why) = self.refuses(now, at) {
            self.skip_task(now, at, due, why.to_string());
            return Err(TaskRefusal { task: Name::from(name), why });
        }
        if self.tasks.list[at].task.does == Does::Probe {
            return Ok(Taken::Probes);
        }
        let life = self.history.life;
        self.tasks.touch(at).marks.accepted = Some(Accepted { due, life });
        Ok(Taken::Begins)
    }

    /// A round of probes that a task asked for was begun.
    pub fn task_probed(&mut self, now: Now, name: &str, asked: Asked) {
        let Some(at) = self.tasks.find(name) else { return };
        let due = match asked {
            Asked::ByClock(due) => Some(due),
            Asked::ByPerson => None,
        };
        let last = Ran { due, began: now.wall, ended: now.wall, outcome: Outcome::Probed };
        self.tasks.touch(at).marks.last = Some(last);
        self.tell_task(now, at, TaskDid::Probed);
    }

    /// The scheduler found that runs were due while nobody followed the schedule: told once, never made up.
    ///
    /// # Errors
    /// There is no such task.
    pub fn task_missed(&mut self, now: Now, name: &str, missed: Missed) -> Result<Taken, TaskRefusal> {
        let at = self.tasks.find(name).ok_or_else(|| TaskRefusal::unknown(name))?;
        let marks = &mut self.tasks.touch(at).marks;
        if marks.missed == Some(missed) {
            return Ok(Taken::AlreadySo);
        }
        marks.followed.get_or_insert_default().miss(missed.last);
        marks.missed = Some(missed);
        let Missed { first, last, count } = missed;
        self.tell_task(now, at, TaskDid::Missed { count, first: words(first), last: words(last) });
        Ok(Taken::Begins)
    }

    /// Why a task is not run at this moment.
    fn refuses(&self, now: Now, at: usize) -> Option<NotRun> {
        let state = &self.tasks.list[at];
        match &state.task.wanted {
            Wanted::Yes => {}
            Wanted::Disabled => return Some(NotRun::Disabled),
            Wanted::DependencyDisabled(on) => return Some(NotRun::NeedDisabled(on.clone())),
            Wanted::Removed => return Some(NotRun::Unknown),
        }
        if self.history.ending {
            return Some(NotRun::Ending);
        }
        // An accepted run that waits for a look is as good as one that runs. What an earlier life of the agent left is
        // looked at first.
        let runs = state.marks.thought_alive() && !matches!(state.process, Fact::Unknown(_));
        if runs || state.marks.accepted.is_some() {
            return Some(NotRun::StillRuns(state.marks.begun.filter(|_| runs).map_or(now.wall, |begun| begun.wall)));
        }
        let (on, why) = state.task.needs.iter().find_map(|need| Some((need, self.lacks(need)?)))?;
        Some(NotRun::Needs { on: on.clone(), why })
    }

    /// What is the matter with a service that a task needs.
    fn lacks(&self, need: &str) -> Option<&'static str> {
        let Some(ix) = self.find(need) else { return Some("is not in the document") };
        let (service, marks) = (self.desired.service(ix), &self.history.services[ix.at()]);
        if service.wanted != Wanted::Yes {
            Some("is disabled")
        } else if service.held || marks.hold.is_some() {
            Some("is held")
        } else if self.board.is_ready(ix) {
            None
        } else {
            Some("is down")
        }
    }

    /// A run that was due and is not run: told, and kept for status. What a person asked for, the person is told.
    pub(super) fn skip_task(&mut self, now: Now, at: usize, due: Option<Minute>, why: String) {
        let Some(due) = due else { return };
        let why = Name::from(why);
        self.tasks.touch(at).marks.skipped = Some(Skipped { due, why: why.clone() });
        let task = self.tasks.list[at].task.name.clone();
        let did = TaskDid::Skipped { due: words(due), why };
        self.news.push(Happening { now, service: None, what: Happened::Task { task, did } });
    }
}
