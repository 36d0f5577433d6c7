//! Tasks between the socket and the engine, and how far their schedules were followed on its way to the state folder.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::turns::Agent;
use crate::clock::LocalZone;
use crate::desired::Wanted;
use crate::engine::{Asked, Taken, TaskRecord, TaskRefusal, TaskState, TaskTodo};
use crate::history::TaskMarks;
use crate::ledger::State;
use crate::model::{Minute, Name, Now};
use crate::policy::cron::Crontab;
use crate::policy::due;
use crate::report::default_log::Level;
use crate::status::{self, TaskStatus};
use crate::supervise::Recorded;

/// The way back to whoever asked something of a task.
pub(super) type Reply = (Result<Taken, TaskRefusal>, oneshot::Sender<Result<Taken, TaskRefusal>>);

/// What is remembered of tasks at the beginning of a life: by the journal of this boot, else by the state folder.
pub(super) fn recalled(journal: HashMap<Name, TaskRecord>, state: &State) -> HashMap<Name, TaskRecord> {
    let kept = state.schedule().into_iter().map(|(name, marks)| (name, TaskRecord { marks, ..TaskRecord::default() }));
    let mut records: HashMap<Name, TaskRecord> = kept.collect();
    records.extend(journal);
    records
}

impl Agent {
    /// A task is due, or a person wants it to run.
    pub(super) fn run_task(&mut self, now: Now, name: &Name, asked: Asked) -> Result<Taken, TaskRefusal> {
        let taken = self.engine.run_task(now, name, asked)?;
        if taken == Taken::Probes {
            // What the round says is dealt with as it comes in; nobody waits for a report of it.
            let (reply, _) = tokio::sync::oneshot::channel();
            self.want_round(Vec::new(), reply);
            self.engine.task_probed(now, name, asked);
        }
        Ok(taken)
    }

    pub(super) fn perform_tasks(&mut self, todos: &[TaskTodo]) {
        for todo in todos {
            let state = self.engine.tasks().iter().find(|state| state.key() == &todo.key);
            let recorded = state.map(|state| Recorded { incarnation: state.marks.used, identity: state.marks.proven });
            let recorded = recorded.filter(|recorded| recorded.incarnation.0 > 0);
            self.host.perform(&todo.key, &todo.launch, &todo.step, recorded.as_ref());
        }
    }

    /// What a reboot must not end is written by a thread.
    pub(super) fn keep_schedule(&mut self, now: Now) {
        let marks: HashMap<Name, TaskMarks> =
            self.engine.tasks().iter().map(|state| (state.task.name.clone(), state.marks.clone())).collect();
        if let Err(error) = self.schedule.keep(State::schedule_of(&marks)) {
            self.chronicle.message(now, Level::Error, &format!("the schedule was not kept: {error}"));
        }
    }

    pub(super) fn task_status(&self, now: Now) -> Vec<TaskStatus> {
        let sched = self.engine.find("sched").map(|ix| &self.engine.desired().service(ix).wanted);
        let followed = sched.is_some_and(|wanted| *wanted == Wanted::Yes);
        status::tasks(&self.engine, followed, |state| next(state, now))
    }
}

/// When a task is next due.
fn next(state: &TaskState, now: Now) -> Result<Minute, String> {
    let timing = &state.task.timing;
    let crontab = Crontab::parse(&timing.crontab, timing.day_rule).map_err(|error| error.to_string())?;
    let zone =
        LocalZone::find(&timing.zone).ok_or_else(|| format!("this system knows no time zone {}", timing.zone))?;
    let followed = state.marks.followed.clone().unwrap_or_default();
    // Bounded: a clock that was set back by years is a matter for a person, who sees that nothing is due.
    let mut dues = due::dues(&crontab, &zone, now.wall.minute()).take(10_000);
    dues.find(|due| !followed.is_answered(*due)).ok_or_else(|| "it is not due any more".to_owned())
}
