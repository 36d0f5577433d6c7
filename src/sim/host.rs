//! The scripted host: it performs steps as the real one does and answers with the same events.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::clients::Clients;
use crate::desired::Desired;
use crate::engine::{TaskTodo, Todo};
use crate::model::{Boot, Exit, Fingerprint, Identity, Incarnation, Name};
use crate::plan::{Event, Found, Rung, Seen, Step};
use crate::sim::probes::{Probes, Way};

/// How the processes of one service behave from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Ready this long after the start; never when absent.
    pub ready_after: Option<Duration>,
    /// Says that it recovers, right after its start.
    pub recovers: bool,
    /// Its starter ends this long after the start, and the process its pid file names then is the main one.
    pub daemonises: Option<Duration>,
    /// Ends by itself this long after the start.
    pub dies: Option<(Duration, Exit)>,
    /// So long after its start the agent learns which process it is.
    pub spawn_takes: Duration,
    /// Cannot be started, in these words.
    pub spawn_error: Option<Name>,
    /// The main process ends this long after a stop signal; it ignores it when absent.
    pub stops_after: Option<Duration>,
    /// Workers outlive the main process until they are signalled or this long.
    pub workers_stay: Option<Duration>,
    /// KILL does not end it.
    pub unkillable: bool,
    /// What the configuration checker complains about.
    pub check_fails: Option<Name>,
    /// How long a check or a reload takes.
    pub errand_takes: Duration,
    /// What a reload complains about.
    pub reload_fails: Option<Name>,
}

impl Default for Behaviour {
    /// Ready after one second, stopped after half of one, and otherwise well-behaved.
    fn default() -> Self {
        Self {
            ready_after: Some(Duration::from_secs(1)),
            recovers: false,
            daemonises: None,
            dies: None,
            spawn_takes: Duration::ZERO,
            spawn_error: None,
            stops_after: Some(Duration::from_millis(500)),
            workers_stay: None,
            unkillable: false,
            check_fails: None,
            errand_takes: Duration::from_millis(100),
            reload_fails: None,
        }
    }
}

/// A process of a service, with its workers.
#[derive(Clone, Debug)]
struct Running {
    incarnation: Incarnation,
    identity: Identity,
    main: bool,
    behaviour: Behaviour,
    ready_at: Option<Boot>,
    /// It said that it recovers, and says so until it is ready.
    recovers: bool,
    /// KILL is pending on it, as on a process in an uninterruptible wait.
    killed: bool,
    /// How its listeners answer, where that is not well; the last one that fits counts.
    ways: Vec<(Option<u16>, Way)>,
}

/// What will happen on the host, at its time.
#[derive(Clone, Debug)]
enum Due {
    Say(Event),
    StarterEnds(Name, Incarnation),
    MainEnds(Name, Incarnation, Exit),
    WorkersEnd(Name, Incarnation),
}

/// The host. It goes on when the agent is killed; only what it would have said in the meantime is lost.
#[derive(Clone, Debug, Default)]
pub struct Host {
    running: HashMap<Name, Running>,
    behaviours: HashMap<Name, Behaviour>,
    strangers: HashMap<Name, Name>,
    pub(super) probes: Probes,
    files: HashMap<Name, Fingerprint>,
    queue: BTreeMap<(Boot, u64), Due>,
    sequence: u64,
    pub(super) last_pid: i32,
    pub(super) agent_lives: bool,
    pub(super) clients: Clients,
}

impl Host {
    /// An empty host; pids count up from 100, as in a young container.
    pub fn new() -> Self {
        Self { last_pid: 99, agent_lives: true, ..Self::default() }
    }

    /// How a service behaves from its next start on, and at once where that concerns signals, checks and reloads.
    pub fn behave(&mut self, now: Boot, service: &Name, behaviour: Behaviour) {
        if let Some(running) = self.running.get_mut(service) {
            running.behaviour = behaviour.clone();
            let incarnation = running.incarnation;
            if running.killed && !behaviour.unkillable {
                self.die(now, service, incarnation);
            }
        }
        self.behaviours.insert(service.clone(), behaviour);
    }

    /// The behaviour that is in force.
    pub fn behaviour(&self, service: &str) -> Behaviour {
        self.behaviours.get(service).cloned().unwrap_or_default()
    }

    /// Puts a stranger into the place of a service, or takes it away.
    pub fn stranger(&mut self, service: &Name, who: Option<Name>) {
        match who {
            Some(who) => self.strangers.insert(service.clone(), who),
            None => self.strangers.remove(service),
        };
    }

    /// Changes the content of the watched files of a service.
    pub fn write_files(&mut self, now: Boot, service: &Name, content: Fingerprint) {
        self.files.insert(service.clone(), content);
        self.say(now, service, Seen::Files(content));
    }

    /// Ends the main process of a service from outside; false when there is none.
    pub fn end_main(&mut self, now: Boot, service: &Name, exit: Exit) -> bool {
        let Some(running) = self.running.get(service).filter(|running| running.main) else { return false };
        let incarnation = running.incarnation;
        self.schedule(now, Due::MainEnds(service.clone(), incarnation, exit));
        true
    }

    /// The agent is killed: what was on its way to it is lost, and nobody listens until the next life.
    pub fn agent_dies(&mut self) {
        self.agent_lives = false;
        self.clients.agent_dies();
        self.queue.retain(|_, due| !matches!(due, Due::Say(_)));
    }

    /// The next life of the agent listens; it is told the content of the watched files.
    pub fn agent_lives(&mut self, now: Boot) {
        self.agent_lives = true;
        let files: Vec<(Name, Fingerprint)> = self.files.iter().map(|(name, print)| (name.clone(), *print)).collect();
        for (service, content) in files {
            self.say(now, &service, Seen::Files(content));
        }
    }

    /// Everything is gone: the machine was restarted.
    pub fn reboot(&mut self) {
        self.running.clear();
        self.clients.reboot();
        self.queue.clear();
        self.agent_lives = false;
    }

    /// The pid of the living main process.
    pub fn main_pid(&self, service: &str) -> Option<i32> {
        self.running.get(service).filter(|running| running.main).map(|running| running.identity.pid)
    }

    /// How the listeners of the living process of a service answer from now on; its next life answers well.
    pub fn listens(&mut self, service: &Name, listener: Option<u16>, way: Way) {
        if let Some(running) = self.running.get_mut(service) {
            running.ways.push((listener, way));
        }
    }

    pub(super) fn way(&self, service: &str, listener: u16) -> Option<&Way> {
        let ways = &self.running.get(service).filter(|running| running.main)?.ways;
        ways.iter().rev().find(|(which, _)| which.is_none_or(|which| which == listener)).map(|(_, way)| way)
    }

    pub(super) fn main_incarnation(&self, service: &str) -> Option<Incarnation> {
        self.running.get(service).filter(|running| running.main).map(|running| running.incarnation)
    }

    /// Whether anything at all of a service exists.
    pub fn exists(&self, service: &str) -> bool {
        self.running.contains_key(service)
    }

    /// Whether the living main process had its time to become ready.
    pub fn is_ready(&self, service: &str, now: Boot) -> bool {
        self.running.get(service).is_some_and(|r| r.main && r.ready_at.is_some_and(|at| at <= now))
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Boot> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Everything that has happened by now, as the agent sees it.
    pub fn drain(&mut self, now: Boot) -> Vec<Event> {
        let mut seen = Vec::new();
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (at, due) = (entry.key().0, entry.remove());
            match due {
                Due::Say(event) => seen.push(event),
                Due::StarterEnds(service, incarnation) => seen.extend(self.starter_ends(at, &service, incarnation)),
                Due::MainEnds(service, incarnation, exit) => {
                    seen.extend(self.main_ends(at, &service, incarnation, exit));
                }
                Due::WorkersEnd(service, incarnation) => seen.extend(self.workers_end(&service, incarnation)),
            }
        }
        if self.agent_lives { seen } else { Vec::new() }
    }

    /// Performs one step: one attempt, answered by events.
    pub fn perform(&mut self, now: Boot, todo: &Todo, desired: &Desired) {
        debug_assert!(desired.find(&todo.service).is_some(), "a step names a service of the document");
        self.attempt(now, &todo.service, &todo.step);
    }

    /// Performs one step about a task; its runs are processes as those of services are.
    pub fn perform_task(&mut self, now: Boot, todo: &TaskTodo) {
        self.attempt(now, &todo.key, &todo.step);
    }

    fn attempt(&mut self, now: Boot, service: &Name, step: &Step) {
        match step {
            Step::Look => self.look(now, service),
            Step::Spawn { incarnation, .. } => self.spawn(now, service, *incarnation),
            Step::Signal { incarnation, rung } => self.signal(now, service, *incarnation, *rung),
            Step::Reload { incarnation, files } => {
                let behaviour = self.behaviour(service);
                let outcome = behaviour.reload_fails.map_or(Ok(()), Err);
                let seen = Seen::Reloaded { incarnation: *incarnation, files: *files, outcome };
                self.say(now.plus(behaviour.errand_takes), service, seen);
            }
            Step::Check { print } => {
                let behaviour = self.behaviour(service);
                let outcome = behaviour.check_fails.map_or(Ok(()), Err);
                self.say(now.plus(behaviour.errand_takes), service, Seen::Checked { print: *print, outcome });
            }
        }
    }

    fn schedule(&mut self, at: Boot, due: Due) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    pub(super) fn say(&mut self, at: Boot, service: &Name, what: Seen) {
        if self.agent_lives {
            self.schedule(at, Due::Say(Event { service: service.clone(), what }));
        }
    }

    fn look(&mut self, now: Boot, service: &Name) {
        let (found, main) = match (self.running.get(service), self.strangers.get(service)) {
            (Some(running), _) if running.main => {
                let found = Found::Ours { incarnation: running.incarnation, identity: running.identity };
                (found, Some(running.clone()))
            }
            (Some(running), _) => (Found::Remains { incarnation: running.incarnation }, None),
            (None, Some(who)) => (Found::Foreign { who: who.clone() }, None),
            (None, None) => (Found::Nothing, None),
        };
        self.say(now, service, Seen::Found(found));
        let Some(Running { incarnation, recovers, ready_at, .. }) = main else { return };
        if recovers && ready_at.is_none_or(|at| at > now) {
            self.say(now, service, Seen::Recovering { incarnation });
        }
        if let Some(at) = ready_at {
            self.say(at.max(now), service, Seen::Ready { incarnation });
        }
    }

    fn spawn(&mut self, now: Boot, service: &Name, incarnation: Incarnation) {
        let behaviour = self.behaviour(service);
        if let Some(error) = behaviour.spawn_error.clone() {
            self.say(now, service, Seen::SpawnFailed { incarnation, error });
            return;
        }
        self.last_pid += 1;
        let identity = Identity { pid: self.last_pid, started: now.0 };
        let ready_at = behaviour.ready_after.map(|after| now.plus(after));
        self.say(now.plus(behaviour.spawn_takes), service, Seen::Spawned { incarnation, identity });
        if behaviour.recovers {
            self.say(now, service, Seen::Recovering { incarnation });
        }
        if let Some(at) = ready_at {
            self.say(at, service, Seen::Ready { incarnation });
        }
        if let Some(after) = behaviour.daemonises {
            self.schedule(now.plus(after), Due::StarterEnds(service.clone(), incarnation));
        }
        if let Some((after, exit)) = behaviour.dies {
            self.schedule(now.plus(after), Due::MainEnds(service.clone(), incarnation, exit));
        }
        let recovers = behaviour.recovers;
        let running = Running {
            incarnation,
            identity,
            main: true,
            behaviour,
            ready_at,
            recovers,
            killed: false,
            ways: Vec::new(),
        };
        self.running.insert(service.clone(), running);
    }

    fn signal(&mut self, now: Boot, service: &Name, incarnation: Incarnation, rung: Rung) {
        let Some(running) = self.running.get(service).filter(|running| running.incarnation == incarnation) else {
            return;
        };
        let (main, behaviour) = (running.main, running.behaviour.clone());
        match rung {
            Rung::Ask(_) => {
                if let Some(after) = behaviour.stops_after {
                    let due = if main {
                        Due::MainEnds(service.clone(), incarnation, Exit::Code(0))
                    } else {
                        Due::WorkersEnd(service.clone(), incarnation)
                    };
                    self.schedule(now.plus(after), due);
                }
            }
            Rung::Kill if behaviour.unkillable => {
                if let Some(running) = self.running.get_mut(service) {
                    running.killed = true;
                }
            }
            Rung::Kill => self.die(now, service, incarnation),
        }
    }

    fn die(&mut self, now: Boot, service: &Name, incarnation: Incarnation) {
        self.schedule(now, Due::MainEnds(service.clone(), incarnation, Exit::Signal(9)));
        self.schedule(now, Due::WorkersEnd(service.clone(), incarnation));
    }

    /// The starter hands over to a process of its own making; its exit is told to nobody.
    fn starter_ends(&mut self, now: Boot, service: &Name, incarnation: Incarnation) -> Option<Event> {
        let running = self.running.get_mut(service).filter(|r| r.incarnation == incarnation && r.main)?;
        self.last_pid += 1;
        running.identity = Identity { pid: self.last_pid, started: now.0 };
        let what = Seen::MainIs { incarnation, identity: running.identity };
        Some(Event { service: service.clone(), what })
    }

    fn main_ends(&mut self, now: Boot, service: &Name, incarnation: Incarnation, exit: Exit) -> Vec<Event> {
        let Some(running) = self.running.get_mut(service).filter(|r| r.incarnation == incarnation && r.main) else {
            return Vec::new();
        };
        running.main = false;
        running.ready_at = None;
        let stay = running.behaviour.workers_stay;
        let mut seen = vec![Event { service: service.clone(), what: Seen::Exited { incarnation, exit } }];
        match stay {
            Some(stay) => self.schedule(now.plus(stay), Due::WorkersEnd(service.clone(), incarnation)),
            None => seen.extend(self.workers_end(service, incarnation)),
        }
        seen
    }

    fn workers_end(&mut self, service: &Name, incarnation: Incarnation) -> Option<Event> {
        self.running.get(service).filter(|running| running.incarnation == incarnation && !running.main)?;
        self.running.remove(service);
        Some(Event { service: service.clone(), what: Seen::Emptied { incarnation } })
    }
}
