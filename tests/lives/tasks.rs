//! Tasks in a life: what must never happen to them, told in terms of what is done to the host.

use std::collections::{BTreeMap, BTreeSet};

use mailward::desired::Task;
use mailward::engine::{Engine, Happened, Happening, TaskDid, TaskTodo};
use mailward::model::{Boot, Incarnation, Minute, Now};
use mailward::plan::{Rung, Step};
use mailward::sim::Host;

/// The tasks of every life.
pub const TASKS: [&str; 2] = ["expire", "report"];
/// From TERM to KILL, milliseconds.
const STOP_TIMEOUT: u64 = 30_000;

#[derive(Default)]
pub struct TaskWatch {
    used: BTreeSet<(String, Incarnation)>,
    begun: BTreeSet<(String, Minute)>,
    ended: BTreeSet<(String, Incarnation)>,
    asked: BTreeMap<(String, Incarnation), Boot>,
    pub runs: u64,
}

impl TaskWatch {
    /// Numbers and pids begin anew; what was run stays run.
    pub fn rebooted(&mut self) {
        self.used.clear();
        self.ended.clear();
        self.asked.clear();
    }

    /// Never two runs of one task, never a minute twice, KILL only after the time of TERM.
    pub fn step(&mut self, now: Now, todo: &TaskTodo, engine: &Engine, host: &Host) -> Result<(), String> {
        let key = &*todo.key;
        match &todo.step {
            Step::Spawn { incarnation, .. } => {
                self.runs += 1;
                if host.exists(key) {
                    return Err(format!("a second run of {key}"));
                }
                if !self.used.insert((key.to_owned(), *incarnation)) {
                    return Err(format!("{key} uses {incarnation:?} twice"));
                }
                let state = engine.tasks().iter().find(|state| &**state.key() == key);
                let due = state.and_then(|state| state.marks.begun).and_then(|begun| begun.due);
                if due.is_some_and(|due| !self.begun.insert((key.to_owned(), due))) {
                    return Err(format!("{key} runs twice for one minute"));
                }
            }
            Step::Signal { incarnation, rung: Rung::Ask(_) } => {
                self.asked.entry((key.to_owned(), *incarnation)).or_insert(now.boot);
            }
            Step::Signal { incarnation, rung: Rung::Kill } => {
                let asked = self.asked.get(&(key.to_owned(), *incarnation));
                if asked.is_none_or(|asked| now.boot.0 < asked.0 + STOP_TIMEOUT) {
                    return Err(format!("{key} is killed before its time"));
                }
            }
            Step::Look | Step::Reload { .. } | Step::Check { .. } => {}
        }
        Ok(())
    }

    /// A run ends once.
    pub fn news(&mut self, happening: &Happening, engine: &Engine) -> Result<(), String> {
        let Happened::Task { task, did: TaskDid::Ended { .. } } = &happening.what else { return Ok(()) };
        let Some(state) = engine.tasks().iter().find(|state| state.task.name == *task) else { return Ok(()) };
        if self.ended.insert((task.to_string(), state.marks.used)) {
            Ok(())
        } else {
            Err(format!("a run of {task} ends twice"))
        }
    }

    /// Once faults have ended nothing of a task is left, and nothing more is written.
    pub fn quiet(engine: &mut Engine, host: &Host) -> Result<(), String> {
        for name in TASKS {
            if host.exists(&Task::key(name)) {
                return Err(format!("at the end {name} still runs"));
            }
        }
        if engine.take_unsaved_tasks().is_empty() {
            Ok(())
        } else {
            Err("converged, and yet tasks are written".to_owned())
        }
    }
}
