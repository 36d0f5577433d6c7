//! One turn of the loop, without the world: what was seen and ordered goes in, steps and news come out.
//!
//! The agent feeds it from real processes, the simulator from a scripted host, `plan` from an optimistic one; all three
//! run this same code. It samples no clock: [`Now`] comes in, and is sampled before the events are drained, so that a
//! deadline never beats a fact that is already there.

mod clients;
mod document;
mod fold;
mod happening;
mod health;
mod notes;
mod orders;
mod runs;
mod task_told;
mod tasks;

pub use clients::NotRegistered;
pub use document::Record;
pub use happening::{ClientNews, Happened, Happening, Verb};
pub use health::Askable;
pub use orders::{Accepted, Answer, Order, Refusal, Whom};
pub use runs::{Asked, NotRun, Taken, TaskRefusal};
pub use task_told::TaskDid;
pub use tasks::{TaskRecord, TaskState, TaskTodo};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use clients::ClientBook;

use crate::desired::{Desired, Ix, Wanted};
use crate::history::{History, Marks};
use crate::model::{Boot, Identity, Incarnation, Life, Name, Now};
use crate::observed::{Facts, Observed};
use crate::plan::{Board, Event, Reason, Scene, Step, Verdict};

/// The journal's name for what is kept of the store clients; no service has it, for it is reserved.
const CLIENTS: &str = "watcher";

/// What the agent ends with when it gave up and another node is to take over ([R23]): `EX_UNAVAILABLE` of sysexits.h.
pub const HANDED_OVER: u8 = 69;

/// The planner's state between two turns.
#[derive(Clone, Debug)]
pub struct Engine {
    desired: Desired,
    observed: Observed,
    history: History,
    board: Board,
    names: HashMap<Name, Ix>,
    unsaved: BTreeSet<Ix>,
    /// The last incarnation of services that left the document on this boot: their numbers are not used again if they
    /// return.
    departed: HashMap<Name, Incarnation>,
    unsaved_departed: Vec<Name>,
    /// Held as soon as a look finds that they do not run.
    held_if_absent: HashSet<Name>,
    /// Whether any service has left the document and is still there.
    has_removed: bool,
    clients: ClientBook,
    news: Vec<Happening>,
    tasks: tasks::Tasks,
}

/// What came out of a turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// To be taken now, each once, after the records were saved.
    pub steps: Vec<Todo>,
    /// Store clients to be killed now, each once.
    pub kills: Vec<Identity>,
    /// The same about tasks.
    pub tasks: Vec<TaskTodo>,
    /// What happened, for people, in order.
    pub news: Vec<Happening>,
    /// The next moment a turn is needed although nothing happens.
    pub wake: Option<Boot>,
    /// Everything that was to stop has stopped and the agent may end.
    pub finished: bool,
}

/// One step for the executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// Which service.
    pub service: Name,
    /// What to do.
    pub step: Step,
    /// Why.
    pub reason: Reason,
}

impl Engine {
    /// Begins a life of the agent with a document and what the ledger kept. A service that no record mentions and that
    /// is not wanted is taken to be absent; everything else is unknown and will be looked at.
    pub fn new(mut desired: Desired, life: Life, mut records: HashMap<Name, Record>) -> Self {
        let clients = records.remove(CLIENTS).and_then(|record| record.clients).unwrap_or_default();
        document::with_leftovers(&mut desired, &records);
        let mut marks_of = |name: &Name| {
            let mut marks = records.remove(name).map(|record| record.marks).unwrap_or_default();
            if marks.hung().is_some() {
                // Seen by an earlier life of the agent, and it may answer by now: a hang has to be seen anew.
                marks.failure = None;
            }
            marks
        };
        let services: Vec<Marks> = desired.services.iter().map(|s| marks_of(&s.name)).collect();
        let facts =
            desired.services.iter().zip(&services).map(|(service, marks)| document::first_facts(service, marks));
        let mut engine = Self {
            observed: Observed { services: facts.collect(), clients: BTreeMap::new() },
            history: History { life, ending: false, handover: None, clients, services },
            board: Board::new(&desired),
            names: HashMap::new(),
            unsaved: BTreeSet::new(),
            news: Vec::new(),
            departed: records.into_iter().map(|(name, record)| (name, record.marks.used)).collect(),
            unsaved_departed: Vec::new(),
            held_if_absent: HashSet::new(),
            clients: ClientBook::default(),
            has_removed: desired.services.iter().any(|service| service.wanted == Wanted::Removed),
            tasks: tasks::Tasks::default(),
            desired,
        };
        engine.index_names();
        engine.meet_again();
        engine.recall_tasks(HashMap::new());
        engine
    }

    fn index_names(&mut self) {
        self.names = self.desired.services.iter().map(|s| s.name.clone()).zip(self.desired.indices()).collect();
    }

    /// Takes in what was seen. Facts of a life that is over change nothing.
    pub fn see(&mut self, now: Now, event: &Event) {
        if let Some(ix) = self.names.get(&event.service).copied() {
            self.fold(now, ix, &event.what);
        } else if let Some(at) = self.tasks.by_key(&event.service) {
            self.fold_task(now, at, &event.what);
        }
    }

    /// Plans, remembers what must be remembered, and says what is to be done.
    pub fn turn(&mut self, now: Now) -> Turn {
        let mut steps = Vec::new();
        // Marks as of the last plan say whether the store is there; what was seen since is in them.
        self.plan(now);
        self.miss_words(now);
        loop {
            self.plan(now);
            if let Some((ix, note, _)) = self.board.next_note() {
                let note = note.clone();
                self.remember(now, ix, note);
                continue;
            }
            let todo: Vec<(Ix, Step, Reason)> =
                self.board.steps().map(|(ix, step, why)| (ix, step.clone(), why)).collect();
            if todo.is_empty() {
                break;
            }
            for (ix, step, reason) in todo {
                self.issue(now, ix, &step);
                steps.push(Todo { service: self.desired.service(ix).name.clone(), step, reason });
            }
        }
        self.forget_what_left(now);
        // Stop before start: what is freed by a stop may be what a start needs.
        steps.sort_by_key(|todo| !matches!(todo.step, Step::Signal { .. }));
        let tasks = self.turn_tasks(now);
        let finished = self.tasks.is_idle() && self.board.is_finished(&self.scene(now));
        if finished {
            self.hand_over_marks();
        }
        Turn {
            steps,
            kills: self.clients.take_kills(),
            tasks,
            news: std::mem::take(&mut self.news),
            wake: self.wake(),
            finished,
        }
    }

    /// The next moment a turn is needed although nothing happens.
    pub fn wake(&self) -> Option<Boot> {
        [self.board.wake(), self.clients.wake(), self.tasks.wake()].into_iter().flatten().min()
    }

    fn scene(&self, now: Now) -> Scene<'_> {
        Scene { desired: &self.desired, observed: &self.observed, history: &self.history, now: now.boot }
    }

    fn plan(&mut self, now: Now) {
        let scene = Scene { desired: &self.desired, observed: &self.observed, history: &self.history, now: now.boot };
        self.board.plan(&scene);
    }

    /// The document in force.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What is known.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What is remembered.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What is decided about a service, as of the last turn.
    pub fn verdict(&self, ix: Ix) -> &Verdict {
        self.board.verdict(ix)
    }

    /// The board, for whoever reads more than one verdict.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The index of a service by its name.
    pub fn find(&self, name: &str) -> Option<Ix> {
        self.names.get(name).copied()
    }

    /// What the ledger keeps of a service.
    pub fn record(&self, ix: Ix) -> Record {
        let service = self.desired.service(ix);
        Record {
            marks: self.history.services[ix.at()].clone(),
            launch: service.launch.clone(),
            stop_timeout_ms: u64::try_from(service.stop_timeout.as_millis()).unwrap_or(u64::MAX),
            clients: None,
        }
    }

    /// The records that changed since this was last asked, to be saved before the steps of the same turn are taken.
    pub fn take_unsaved(&mut self) -> Vec<(Name, Record)> {
        let changed = std::mem::take(&mut self.unsaved);
        let mut records: Vec<(Name, Record)> = std::mem::take(&mut self.unsaved_departed)
            .into_iter()
            .filter_map(|name| self.departed.get(&name).map(|used| (name, Record::departed(*used))))
            .collect();
        if self.clients.take_unsaved() {
            records.push(self.clients_record());
        }
        records.extend(changed.into_iter().map(|ix| (self.desired.service(ix).name.clone(), self.record(ix))));
        records
    }

    /// Every record there is, saved or not.
    pub fn records(&self) -> Vec<(Name, Record)> {
        let departed = self.departed.iter().map(|(name, used)| (name.clone(), Record::departed(*used)));
        let present = self.desired.indices().map(|ix| (self.desired.service(ix).name.clone(), self.record(ix)));
        departed.chain([self.clients_record()]).chain(present).collect()
    }

    fn clients_record(&self) -> (Name, Record) {
        let clients = Some(self.history.clients.clone());
        (Name::from(CLIENTS), Record { clients, ..Record::default() })
    }

    fn marks(&mut self, ix: Ix) -> &mut Marks {
        self.board.touch(ix);
        self.unsaved.insert(ix);
        &mut self.history.services[ix.at()]
    }

    fn facts(&mut self, ix: Ix) -> &mut Facts {
        self.board.touch(ix);
        &mut self.observed.services[ix.at()]
    }

    fn tell(&mut self, now: Now, ix: Ix, what: Happened) {
        let service = Some(self.desired.service(ix).name.clone());
        self.news.push(Happening { now, service, what });
    }

    fn tell_all(&mut self, now: Now, what: Happened) {
        self.news.push(Happening { now, service: None, what });
    }
}
