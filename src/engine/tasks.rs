//! Tasks as the engine knows them ([R16], [R17]): a run is noted before it is begun, and none is begun beside another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Engine, Happened, Happening, TaskDid};
use crate::desired::{Does, Launch, Task, Wanted};
use crate::history::{Accepted, Begun, Outcome, Ran, Rung, StopMark, TaskMarks};
use crate::model::{Boot, Doubt, Exit, Fact, Fingerprint, Identity, Incarnation, Minute, Name, Now};
use crate::observed::{Alive, Busy, Process};
use crate::plan::{Found, Seen, Step, TaskAct, TaskReason, TaskScene, TaskVerdict, task_verdict};

/// What the ledger keeps of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskRecord {
    /// Its marks.
    pub marks: TaskMarks,
    /// How it is run, so that a run can be ended after its task left the document.
    pub launch: Arc<Launch>,
}

/// What remains of a task that left: how far it was followed, and the numbers that are used up.
fn departed(name: &Name, marks: &TaskMarks) -> (Name, TaskRecord) {
    (name.clone(), TaskRecord { marks: marks.clone(), ..TaskRecord::default() })
}

/// One step about a task, for the executor.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskTodo {
    /// Its name among those of services ([`Task::key`]).
    pub key: Name,
    /// How it is run.
    pub launch: Arc<Launch>,
    /// What to do.
    pub step: Step,
    /// Why.
    pub reason: TaskReason,
}

/// What is known of one task.
#[derive(Clone, Debug)]
pub struct TaskState {
    /// What is wanted.
    pub task: Task,
    /// What is remembered.
    pub marks: TaskMarks,
    pub(super) key: Name,
    pub(super) process: Fact<Process>,
    pub(super) busy: Option<Busy>,
    until: Option<Boot>,
    /// It does not know yet from when on its schedule is followed.
    fresh: bool,
}

/// Every task of the document, and every removed one that still runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    pub(super) list: Vec<TaskState>,
    keys: HashMap<Name, usize>,
    /// Those about which something is under way.
    open: BTreeSet<usize>,
    unsaved: BTreeSet<usize>,
    /// What is remembered of tasks that left the document on this boot: numbers and minutes that are used up.
    departed: HashMap<Name, TaskMarks>,
    unsaved_departed: Vec<Name>,
    /// Some task may be fresh.
    fresh: bool,
}

impl TaskState {
    fn new(task: Task, marks: TaskMarks) -> Self {
        // Whether something of it lives is asked before its first run, and at once where the record says so.
        let process = Fact::Unknown(Doubt::NotLookedYet);
        Self { key: Task::key(&task.name), task, marks, process, busy: None, until: None, fresh: false }
    }

    /// Its name among those of services ([`Task::key`]).
    pub fn key(&self) -> &Name {
        &self.key
    }

    /// The pid of the run that goes on.
    pub fn pid(&self) -> Option<i32> {
        self.alive().and_then(|alive| alive.identity).map(|identity| identity.pid)
    }

    /// Whether anything of a run is there, or must be taken to be.
    pub fn is_there(&self) -> bool {
        self.busy.is_some() || self.marks.thought_alive()
    }

    fn alive(&self) -> Option<&Alive> {
        match &self.process {
            Fact::Known(Process::Alive(alive)) => Some(alive),
            Fact::Known(Process::Absent | Process::Remains { .. } | Process::Foreign { .. }) | Fact::Unknown(_) => None,
        }
    }

    fn record(&self) -> (Name, TaskRecord) {
        (self.task.name.clone(), TaskRecord { marks: self.marks.clone(), launch: self.launch() })
    }

    fn launch(&self) -> Arc<Launch> {
        match &self.task.does {
            Does::Run(launch) => Arc::clone(launch),
            Does::Probe => Arc::default(),
        }
    }
}

impl Tasks {
    /// The tasks of a document, with what is remembered of them.
    fn replace(&mut self, new: &[Task], mut kept: HashMap<Name, TaskState>) {
        self.list.clear();
        for task in new {
            let state = match kept.remove(&task.name) {
                Some(mut state) => {
                    state.task = task.clone();
                    state
                }
                None => TaskState::new(task.clone(), self.departed.remove(&task.name).unwrap_or_default()),
            };
            self.list.push(state);
        }
        let mut left: Vec<TaskState> = kept.into_values().collect();
        left.sort_by(|one, other| one.task.name.cmp(&other.task.name));
        for mut state in left {
            if state.is_there() {
                state.task.wanted = Wanted::Removed;
                state.marks.accepted = None;
                self.list.push(state);
            } else {
                self.depart(state);
            }
        }
        for state in &mut self.list {
            let wanted = state.task.wanted == Wanted::Yes;
            let print = if wanted { state.task.timing.print() } else { Fingerprint::default() };
            // What was due by another timing, or while it was disabled, is of no concern.
            state.fresh |= wanted && (state.marks.timing != print || state.marks.followed.is_none());
            state.marks.timing = print;
        }
        self.index();
        self.fresh = true;
    }

    fn depart(&mut self, state: TaskState) {
        let used = state.marks.used;
        let marks = TaskMarks {
            used,
            over: used,
            ended: used,
            timing: Fingerprint::default(),
            ..state.marks.without_process()
        };
        self.departed.insert(state.task.name.clone(), marks);
        self.unsaved_departed.push(state.task.name);
    }

    fn index(&mut self) {
        self.keys = self.list.iter().zip(0..).map(|(state, at)| (state.key.clone(), at)).collect();
        self.open = (0..self.list.len()).filter(|at| self.list[*at].is_there()).collect();
        self.unsaved = (0..self.list.len()).collect();
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|state| &*state.task.name == name)
    }

    pub(super) fn by_key(&self, key: &Name) -> Option<usize> {
        self.keys.get(key).copied()
    }

    /// To be written: what it changes is saved, and planned in the next turn.
    pub(super) fn touch(&mut self, at: usize) -> &mut TaskState {
        self.open.insert(at);
        self.unsaved.insert(at);
        &mut self.list[at]
    }

    pub(super) fn wake(&self) -> Option<Boot> {
        self.open.iter().filter_map(|at| self.list[*at].until).min()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.iter().all(|at| self.list[*at].marks.stop_failed)
    }
}

impl Engine {
    /// Takes back what the ledger kept of tasks; said once, before the first turn.
    pub fn recall_tasks(&mut self, mut records: HashMap<Name, TaskRecord>) {
        let mut kept = HashMap::new();
        for task in &self.desired.tasks {
            let record = records.remove(&task.name).unwrap_or_default();
            kept.insert(task.name.clone(), TaskState::new(task.clone(), record.marks));
        }
        for (name, record) in records {
            if record.marks.thought_alive() {
                kept.insert(name.clone(), TaskState::new(Task::leftover(name, record.launch), record.marks));
            } else {
                self.tasks.departed.insert(name, record.marks);
            }
        }
        self.tasks.replace(&self.desired.tasks, kept);
    }

    pub(super) fn replace_tasks(&mut self) {
        let old = std::mem::take(&mut self.tasks.list);
        let kept = old.into_iter().map(|state| (state.task.name.clone(), state)).collect();
        self.tasks.replace(&self.desired.tasks, kept);
    }

    /// Every task, in list order; those that left the document and still run come last.
    pub fn tasks(&self) -> &[TaskState] {
        &self.tasks.list
    }

    /// The records of tasks that changed since this was last asked, to be saved before the steps of the same turn.
    pub fn take_unsaved_tasks(&mut self) -> Vec<(Name, TaskRecord)> {
        let tasks = &mut self.tasks;
        let departed = std::mem::take(&mut tasks.unsaved_departed)
            .into_iter()
            .filter_map(|name| tasks.departed.get(&name).map(|marks| departed(&name, marks)));
        let mut records: Vec<(Name, TaskRecord)> = departed.collect();
        records.extend(std::mem::take(&mut tasks.unsaved).into_iter().map(|at| tasks.list[at].record()));
        records
    }

    /// The record of every task, saved or not.
    pub fn task_records(&self) -> Vec<(Name, TaskRecord)> {
        let departed = self.tasks.departed.iter().map(|(name, marks)| departed(name, marks));
        departed.chain(self.tasks.list.iter().map(TaskState::record)).collect()
    }

    /// Plans every task about which something is under way.
    pub(super) fn turn_tasks(&mut self, now: Now) -> Vec<TaskTodo> {
        self.follow_from(now);
        let mut steps = Vec::new();
        for at in self.tasks.open.clone() {
            loop {
                let TaskVerdict { reason, act, until } = self.judge_task(now, at);
                self.tasks.list[at].until = until;
                match act {
                    None => {
                        if reason == TaskReason::Idle {
                            self.tasks.open.remove(&at);
                        }
                        break;
                    }
                    Some(TaskAct::Overdue) => {
                        let state = self.tasks.touch(at);
                        state.marks.overdue = true;
                        let limit = state.task.timeout.unwrap_or_default();
                        self.tell_task(now, at, TaskDid::TimedOut { limit });
                    }
                    Some(TaskAct::StopFailed) => {
                        self.tasks.touch(at).marks.stop_failed = true;
                        self.tell_task(now, at, TaskDid::StopFailed);
                    }
                    Some(TaskAct::Step(step)) => {
                        self.issue_task(now, at, &step);
                        let state = &self.tasks.list[at];
                        steps.push(TaskTodo { key: state.key.clone(), launch: state.launch(), step, reason });
                    }
                }
            }
        }
        self.forget_tasks();
        steps
    }

    fn judge_task(&self, now: Now, at: usize) -> TaskVerdict {
        let state = &self.tasks.list[at];
        task_verdict(&TaskScene {
            task: &state.task,
            marks: &state.marks,
            process: &state.process,
            busy: state.busy,
            ending: self.history.ending,
            life: self.history.life,
            now: now.boot,
        })
    }

    /// A schedule is followed from the moment at which its task came into force.
    fn follow_from(&mut self, now: Now) {
        if !std::mem::take(&mut self.tasks.fresh) {
            return;
        }
        for at in 0..self.tasks.list.len() {
            let state = &mut self.tasks.list[at];
            if std::mem::take(&mut state.fresh) {
                state.marks.followed.get_or_insert_default().begin_anew(now.wall.minute());
                self.tasks.unsaved.insert(at);
            }
        }
    }

    /// A task that left the document is forgotten once nothing of it runs.
    fn forget_tasks(&mut self) {
        let gone = |state: &TaskState| state.task.wanted == Wanted::Removed && !state.is_there();
        if !self.tasks.list.iter().any(gone) {
            return;
        }
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tasks.list).into_iter().partition(gone);
        self.tasks.list = kept;
        for state in gone {
            self.tasks.depart(state);
        }
        self.tasks.index();
    }

    /// Notes that a step is being taken, before it is.
    fn issue_task(&mut self, now: Now, at: usize, step: &Step) {
        let life = self.history.life;
        let state = self.tasks.touch(at);
        match step {
            Step::Look => state.busy = Some(Busy::Looking),
            Step::Spawn { incarnation, .. } => {
                state.busy = Some(Busy::Spawning(*incarnation));
                let alive = Alive { incarnation: *incarnation, identity: None, recovering: false };
                state.process = Fact::Known(Process::Alive(alive));
                let marks = &mut state.marks;
                marks.used = *incarnation;
                marks.proven = None;
                let due = marks.accepted.take().and_then(|accepted| accepted.due);
                marks.begun = Some(Begun { due, at: now.boot, wall: now.wall });
                marks.overdue = false;
                marks.stop = None;
                marks.stop_failed = false;
            }
            Step::Signal { incarnation, rung } => {
                let to_rest = state.alive().is_none();
                let same = state.marks.stop.filter(|s| (s.incarnation, s.rung, s.life) == (*incarnation, *rung, life));
                let at_first = same.map_or(now.boot, |stop| stop.at);
                state.marks.stop =
                    Some(StopMark { incarnation: *incarnation, rung: *rung, at: at_first, to_rest, life });
                if *rung == Rung::Kill {
                    self.tell_task(now, at, TaskDid::Killed);
                }
            }
            // Nobody asks these of a task.
            Step::Reload { .. } | Step::Check { .. } => {}
        }
    }

    /// Takes in what was seen of a task.
    pub(super) fn fold_task(&mut self, now: Now, at: usize, seen: &Seen) {
        let state = &self.tasks.list[at];
        let present = state.alive().map(|alive| alive.incarnation);
        match seen {
            Seen::Found(found) if state.busy == Some(Busy::Looking) => self.task_found(now, at, found),
            Seen::Spawned { incarnation, identity } if state.busy == Some(Busy::Spawning(*incarnation)) => {
                self.task_lives(at, *incarnation, *identity);
                let due = self.tasks.list[at].marks.begun.and_then(|begun| begun.due);
                self.tell_task(now, at, TaskDid::Began { pid: identity.pid, due: due.map(words) });
            }
            Seen::SpawnFailed { incarnation, error } if state.busy == Some(Busy::Spawning(*incarnation)) => {
                self.task_ended(now, at, Outcome::NotStarted(error.clone()));
                self.task_gone(at);
                self.tell_task(now, at, TaskDid::NotStarted { error: error.clone() });
            }
            Seen::Exited { incarnation, exit } if present == Some(*incarnation) => {
                self.tasks.touch(at).process = Fact::Known(Process::Remains { incarnation: *incarnation });
                self.task_exited(now, at, *exit);
            }
            Seen::Emptied { incarnation } if state.marks.used == *incarnation && present.is_none() => {
                self.task_gone(at);
            }
            // The answer to no question that is open, of a run that is over, or of no meaning for a task.
            Seen::Found(_)
            | Seen::Spawned { .. }
            | Seen::SpawnFailed { .. }
            | Seen::Exited { .. }
            | Seen::Emptied { .. }
            | Seen::MainIs { .. }
            | Seen::Ready { .. }
            | Seen::Recovering { .. }
            | Seen::Probed { .. }
            | Seen::WatchdogMissed { .. }
            | Seen::Stressed { .. }
            | Seen::Reloaded { .. }
            | Seen::Checked { .. }
            | Seen::Files(_) => {}
        }
    }

    fn task_found(&mut self, now: Now, at: usize, found: &Found) {
        let state = self.tasks.touch(at);
        state.busy = None;
        match found {
            Found::Ours { incarnation, identity } => {
                if state.marks.used < *incarnation {
                    // The ledger was lost.
                    state.marks.begun = Some(Begun { due: None, at: now.boot, wall: now.wall });
                }
                state.marks.used = state.marks.used.max(*incarnation);
                self.task_lives(at, *incarnation, *identity);
                self.tell_task(now, at, TaskDid::Adopted { pid: identity.pid });
            }
            Found::Remains { incarnation } => {
                let unseen = state.marks.is_open();
                state.marks.used = state.marks.used.max(*incarnation);
                state.marks.ended = Incarnation(state.marks.used.0.saturating_sub(1));
                state.process = Fact::Known(Process::Remains { incarnation: *incarnation });
                if unseen {
                    self.task_exited(now, at, Exit::Unknown);
                }
            }
            Found::Nothing | Found::Foreign { .. } => {
                if state.marks.is_open() {
                    // It ended, or never came to be, while nobody watched: it is not begun a second time to make sure.
                    self.task_exited(now, at, Exit::Unknown);
                }
                self.task_gone(at);
            }
        }
        self.settle_accepted(now, at);
    }

    fn task_lives(&mut self, at: usize, incarnation: Incarnation, identity: Identity) {
        let state = self.tasks.touch(at);
        state.busy = None;
        state.process = Fact::Known(Process::Alive(Alive { incarnation, identity: Some(identity), recovering: false }));
        state.marks.proven = Some(identity);
        state.marks.ended = Incarnation(incarnation.0.saturating_sub(1));
    }

    fn task_exited(&mut self, now: Now, at: usize, exit: Exit) {
        let TaskMarks { overdue, begun, proven, .. } = &self.tasks.list[at].marks;
        let (overdue, begun, is_proven) = (*overdue, *begun, proven.is_some());
        self.task_ended(now, at, if overdue { Outcome::TimedOut } else { Outcome::Exited(exit) });
        let after = begun.map_or_else(Default::default, |begun| now.boot.since(begun.at));
        let did = if is_proven { TaskDid::Ended { exit, after, overdue } } else { TaskDid::NotSeen };
        self.tell_task(now, at, did);
    }

    fn task_ended(&mut self, now: Now, at: usize, outcome: Outcome) {
        let marks = &mut self.tasks.touch(at).marks;
        marks.over = marks.used;
        let (due, began) = marks.begun.map_or((None, now.wall), |begun| (begun.due, begun.wall));
        marks.last = Some(Ran { due, began, ended: now.wall, outcome });
    }

    fn task_gone(&mut self, at: usize) {
        let state = self.tasks.touch(at);
        state.busy = None;
        state.process = Fact::Known(Process::Absent);
        let marks = &mut state.marks;
        marks.ended = marks.used;
        marks.over = marks.used;
        marks.stop = None;
        marks.stop_failed = false;
        marks.overdue = false;
    }

    /// What was accepted before anybody had looked: it is begun only where nothing of an earlier run is there, and only by
    /// the life of the agent that accepted it.
    fn settle_accepted(&mut self, now: Now, at: usize) {
        let state = &self.tasks.list[at];
        let Some(Accepted { due, life }) = state.marks.accepted else { return };
        let why = if state.marks.thought_alive() {
            "it still runs"
        } else if life != self.history.life {
            "the agent was killed before it began"
        } else {
            return;
        };
        self.tasks.touch(at).marks.accepted = None;
        self.skip_task(now, at, due, why.to_owned());
    }

    pub(super) fn tell_task(&mut self, now: Now, at: usize, did: TaskDid) {
        let task = self.tasks.list[at].task.name.clone();
        self.news.push(Happening { now, service: None, what: Happened::Task { task, did } });
    }
}

/// A due time for people and programs.
pub(super) fn words(due: Minute) -> Name {
    Name::from(due.to_string())
}
