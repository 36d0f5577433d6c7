//! Playing a scenario: the engine on the scripted host, told line by line.
//!
//! A line is a time, a service and what happened, was decided or is waited for. Looks at a beginning and the start of a
//! process that follows from a step are not told; neither is "runs as declared", which "ready" has said.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Host;
use super::scenario::{Incident, Moment, Scenario};
use crate::desired::{Desired, Ix};
use crate::engine::{Asked, Engine, HANDED_OVER, Happened, Record, Taken, TaskRecord, TaskTodo, Todo};
use crate::history::{Hold, Marks};
use crate::model::{Boot, Doubt, Fingerprint, Life, Name, Now, Wall};
use crate::plan::{ClientSeen, Reason, Rung, Step};

/// More turns than any scenario takes.
const TURNS: usize = 100_000;

/// Reads a document; the play is told what a person would be told when it is refused.
pub type Reader<'a> = dyn Fn(&str, i64) -> Result<Desired, String> + 'a;

/// Plays a scenario and gives the text it tells.
///
/// # Errors
/// The first document is refused, or the play never comes to rest.
pub fn play(scenario: &Scenario, read: &Reader<'_>) -> Result<String, String> {
    let desired = read(&scenario.document, 1)?;
    let mut stage = Stage {
        read,
        desired,
        host: Host::new(),
        engine: None,
        ledger: HashMap::new(),
        task_ledger: HashMap::new(),
        now: Now::default(),
        life: 0,
        generation: 1,
        files: 0,
        told: HashMap::new(),
        wake: None,
        doom: None,
        from: scenario.from,
        text: String::new(),
    };
    let mut waiting = scenario.timeline.iter().peekable();
    for _ in 0..TURNS {
        let Some(limit) = waiting.peek().map(|(at, _)| *at) else { return Ok(stage.text) };
        if let Some(at) = stage.next_at().filter(|at| *at < limit) {
            stage.now.boot = at.max(stage.now.boot);
            stage.turn();
            continue;
        }
        stage.now.boot = limit.max(stage.now.boot);
        while let Some((_, incident)) = waiting.next_if(|(at, _)| *at == limit) {
            stage.happens(incident);
            if matches!(incident, Incident::Reboot) {
                stage.now.boot = Boot(0);
                break;
            }
        }
        stage.turn();
    }
    Err(format!("{}the play never comes to rest", stage.text))
}

struct Stage<'a> {
    read: &'a Reader<'a>,
    desired: Desired,
    host: Host,
    engine: Option<Engine>,
    ledger: HashMap<Name, Record>,
    task_ledger: HashMap<Name, TaskRecord>,
    now: Now,
    life: u64,
    generation: i64,
    files: u64,
    told: HashMap<Name, Reason>,
    wake: Option<Boot>,
    /// The agent is killed around its next step.
    doom: Option<Moment>,
    /// Nothing is told before this; taken away once it has come, for a reboot turns the clock back.
    from: Boot,
    text: String,
}

impl Stage<'_> {
    fn next_at(&self) -> Option<Boot> {
        if self.host.has_news_of_clients() && self.engine.is_some() {
            return Some(self.now.boot);
        }
        let wake = self.engine.as_ref().and_then(Engine::wake);
        [self.host.next_at(), wake].into_iter().flatten().min()
    }

    fn line(&mut self, who: &str, what: &str) {
        if self.now.boot < self.from {
            return;
        }
        self.from = Boot(0);
        let _ = writeln!(self.text, "{} {who}: {what}", self.now.boot);
    }

    fn happens(&mut self, incident: &Incident) {
        let boot = self.now.boot;
        match incident {
            Incident::AgentStarts => {
                self.line("agent", "starts");
                self.agent_starts();
            }
            Incident::AgentStartsFor(names) => {
                self.line("agent", &format!("starts for {}", names.join(" ")));
                self.agent_starts();
                if let Some(engine) = &mut self.engine {
                    engine.hold_what_does_not_run_but(names);
                }
            }
            Incident::AgentKilled => {
                self.host.agent_dies();
                self.engine = None;
                self.line("agent", "is killed");
            }
            Incident::AgentKilledAround(moment) => self.doom = Some(*moment),
            Incident::AgentEnds => {
                if let Some(engine) = &mut self.engine {
                    engine.end(self.now);
                }
            }
            Incident::Person(order) => {
                let Some(mut engine) = self.engine.take() else {
                    self.line("person", "no agent is running");
                    return;
                };
                for answer in engine.order(self.now, order) {
                    if let Err(refusal) = &answer.outcome {
                        self.line("person", &format!("{} (exit {})", refusal, refusal.exit_code()));
                    }
                }
                self.engine = Some(engine);
            }
            Incident::Ends(name, exit) => {
                if !self.host.end_main(boot, name, *exit) {
                    self.line(name, "does not run, so it cannot end");
                }
            }
            Incident::Behaves(name, behaviour) => self.host.behave(boot, name, (**behaviour).clone()),
            Incident::Round(names) => {
                if let Some(engine) = &self.engine {
                    self.host.round(boot, engine, names);
                }
            }
            Incident::Listens(name, listener, way) => self.host.listens(name, *listener, way.clone()),
            Incident::Strained(whom, pressure) => self.host.strain(whom.as_ref(), *pressure),
            Incident::ProberLate(by) => self.host.prober_late(*by),
            Incident::External(name, up) => self.host.external(name, *up),
            Incident::WatchdogMissed(name) => self.host.watchdog_missed(boot, name),
            Incident::Stressed(name, span) => self.host.stressed(boot, name, *span),
            Incident::Place(name, who) => self.host.stranger(name, who.clone()),
            Incident::FilesChange(name) => {
                self.files += 1;
                self.host.write_files(boot, name, Fingerprint(self.files));
            }
            Incident::Client(name, seen) => {
                let is_there = match seen {
                    ClientSeen::Gone(exit) => self.host.client_ends(name, *exit),
                    said @ (ClientSeen::Registered { .. }
                    | ClientSeen::Alive
                    | ClientSeen::Stressed
                    | ClientSeen::Goodbye
                    | ClientSeen::Disconnected) => self.host.client_says(boot, name, said.clone()),
                };
                if !is_there {
                    self.line("watcher", &format!("{name} does not run"));
                }
            }
            Incident::Document(text) => self.document(text),
            Incident::TaskIsDue(name) => self.task_asked(name, false),
            Incident::PersonRuns(name) => self.task_asked(name, true),
            Incident::WallJumps(seconds) => {
                self.now.wall = Wall(self.now.wall.0.saturating_add(seconds.saturating_mul(1_000)));
            }
            Incident::Reboot => {
                self.line("host", "reboots");
                self.host.reboot();
                self.engine = None;
                self.ledger.retain(|_, record| record.marks.hold == Some(Hold::Held));
                for record in self.task_ledger.values_mut() {
                    record.marks = std::mem::take(&mut record.marks).without_process();
                }
                for record in self.ledger.values_mut() {
                    record.marks = Marks { hold: Some(Hold::Held), ..Marks::default() };
                }
            }
            Incident::End => {}
        }
    }

    fn agent_starts(&mut self) {
        self.life += 1;
        self.host.agent_lives(self.now.boot);
        self.told.clear();
        self.wake = None;
        let mut engine = Engine::new(self.desired.clone(), Life(self.life), self.ledger.clone());
        engine.recall_tasks(self.task_ledger.clone());
        self.host.watch_clients(&engine.observed().clients);
        self.engine = Some(engine);
    }

    fn document(&mut self, text: &str) {
        match (self.read)(text, self.generation + 1) {
            Ok(desired) => {
                self.generation += 1;
                self.desired = desired.clone();
                if let Some(engine) = &mut self.engine {
                    engine.accept(self.now, desired);
                    self.told.clear();
                }
            }
            Err(words) => {
                // What a person sees below each error (the line, the cure) is the document's own story.
                let errors: Vec<&str> = words.lines().filter(|line| !line.starts_with(' ')).collect();
                self.line("document", &format!("refused, the last good one stays in force: {}", errors.join("; ")));
            }
        }
    }

    fn turn(&mut self) {
        let seen = self.host.drain(self.now.boot);
        let Some(mut engine) = self.engine.take() else { return };
        for event in seen {
            engine.see(self.now, &event);
        }
        for event in self.host.drain_clients() {
            if let Err(refused) = engine.see_client(self.now, &event) {
                self.line("watcher", &format!("does not register pid {}: {refused}", event.client.pid));
            }
        }
        let turn = engine.turn(self.now);
        self.ledger.extend(engine.take_unsaved());
        self.task_ledger.extend(engine.take_unsaved_tasks());
        for happening in &turn.news {
            match &happening.what {
                Happened::Started { .. } | Happened::Asked { .. } | Happened::Killed { locks_of: None, .. } => {}
                Happened::Killed { locks_of: Some(_), .. }
                | Happened::Recovers
                | Happened::Ready { .. }
                | Happened::Adopted { .. }
                | Happened::Crashed { .. }
                | Happened::NotSpawned { .. }
                | Happened::NotReadyInTime
                | Happened::Probed { .. }
                | Happened::Measured { .. }
                | Happened::Stressed
                | Happened::Hangs { .. }
                | Happened::LeftHanging { .. }
                | Happened::RestartsAlone { .. }
                | Happened::GroupRestarts { .. }
                | Happened::GaveUp { .. }
                | Happened::OnlyReported { .. }
                | Happened::Client { .. }
                | Happened::ClientsGaveUp { .. }
                | Happened::HandsOver
                | Happened::Forgiven
                | Happened::Retried
                | Happened::ToRestart { .. }
                | Happened::Stopped { .. }
                | Happened::StopFailed
                | Happened::Foreign { .. }
                | Happened::Reloaded
                | Happened::ReloadFailed { .. }
                | Happened::CheckFailed { .. }
                | Happened::Ordered { .. }
                | Happened::HeldBy { .. }
                | Happened::Forgotten
                | Happened::DocumentAccepted { .. }
                | Happened::Ending => self.line(happening.subject(), &happening.what.to_string()),
                Happened::Task { task, did } => self.line(&format!("task {task}"), &did.to_string()),
            }
        }
        let steps = turn.steps.iter().map(|todo| &todo.step).chain(turn.tasks.iter().map(|todo| &todo.step));
        let acts = steps.clone().any(|step| *step != Step::Look);
        let doom = self.doom.take_if(|_| acts);
        for todo in &turn.steps {
            self.tell_step(&engine, todo);
            if doom != Some(Moment::BeforeStep) {
                self.host.perform(self.now.boot, todo, engine.desired());
            }
        }
        for client in &turn.kills {
            self.host.kill_client(*client);
        }
        for todo in &turn.tasks {
            self.tell_task_step(todo);
            if doom != Some(Moment::BeforeStep) {
                self.host.perform_task(self.now.boot, todo);
            }
        }
        if let Some(moment) = doom {
            self.host.agent_dies();
            self.line(
                "agent",
                match moment {
                    Moment::BeforeStep => "is killed before that is done",
                    Moment::BeforeAnswer => "is killed before that is answered",
                },
            );
            return;
        }
        self.tell_reasons(&engine);
        if turn.finished {
            match &engine.history().handover {
                Some(_) => self.line("agent", &format!("ends with {HANDED_OVER}, so that another node takes over")),
                None => self.line("agent", "ends"),
            }
            self.host.agent_dies();
            return;
        }
        self.tell_wake(turn.wake);
        self.engine = Some(engine);
    }

    fn tell_step(&mut self, engine: &Engine, todo: &Todo) {
        let Some(ix) = engine.find(&todo.service) else { return };
        let verb = match &todo.step {
            Step::Look if todo.reason == Reason::Look(Doubt::NotLookedYet) => return,
            Step::Look => "look",
            Step::Spawn { incarnation, .. } => &format!("spawn {}", incarnation.0),
            Step::Signal { rung: Rung::Ask(signal), .. } => &format!("signal {signal:?}"),
            Step::Signal { rung: Rung::Kill, .. } => "signal Kill",
            Step::Reload { .. } => "reload",
            Step::Check { .. } => "check",
        };
        let why = todo.reason.sentence(engine.desired(), ix);
        self.line(&todo.service, &format!("{verb} ({why})"));
    }

    fn tell_task_step(&mut self, todo: &TaskTodo) {
        let verb = match &todo.step {
            Step::Look | Step::Reload { .. } | Step::Check { .. } => return,
            Step::Spawn { incarnation, .. } => &format!("run {}", incarnation.0),
            Step::Signal { rung: Rung::Ask(signal), .. } => &format!("signal {signal:?}"),
            Step::Signal { rung: Rung::Kill, .. } => "signal Kill",
        };
        let name = todo.key.split_once('.').map_or(&*todo.key, |(_, name)| name).to_owned();
        self.line(&format!("task {name}"), &format!("{verb} ({})", todo.reason));
    }

    /// A task is due now, or a person wants it to run now.
    fn task_asked(&mut self, name: &Name, by_person: bool) {
        let Some(mut engine) = self.engine.take() else {
            self.line("sched", "no agent is running");
            return;
        };
        // The wall clock of a play stands still but for its jumps; the boot clock makes it go on.
        let wall = Wall(self.now.wall.0.saturating_add_unsigned(self.now.boot.0));
        let asked = if by_person { Asked::ByPerson } else { Asked::ByClock(wall.minute()) };
        match engine.run_task(self.now, name, asked) {
            Ok(Taken::AlreadySo) => self.line(&format!("task {name}"), "that minute was answered before"),
            Ok(Taken::Probes) => engine.task_probed(self.now, name, asked),
            Err(refusal) if by_person => {
                self.line("person", &format!("{refusal} (exit {})", refusal.why.exit_code()));
            }
            Ok(Taken::Begins) | Err(_) => {}
        }
        self.engine = Some(engine);
    }

    /// Tells why nothing is done about a service, once for each new reason.
    fn tell_reasons(&mut self, engine: &Engine) {
        let changed: Vec<(Ix, Reason)> = engine
            .desired()
            .indices()
            .map(|ix| (ix, engine.verdict(ix).reason))
            .filter(|(ix, reason)| {
                let told = self.told.get(&engine.desired().service(*ix).name);
                told.is_none_or(|told| !is_the_same_wait(*told, *reason))
            })
            .collect();
        for (ix, reason) in changed {
            let name = engine.desired().service(ix).name.clone();
            self.told.insert(name.clone(), reason);
            let is_news = !matches!(
                reason,
                Reason::Running
                    | Reason::Looking
                    | Reason::Spawning
                    | Reason::Starting { .. }
                    | Reason::Stopping { .. }
                    | Reason::Killed { .. }
                    | Reason::Checking
                    | Reason::Reloading
                    | Reason::Recovering
                    | Reason::Down(crate::plan::Down::Disabled | crate::plan::Down::Ending)
            );
            if is_news {
                self.line(&name, &reason.sentence(engine.desired(), ix));
            }
        }
    }

    /// Tells a wake-up when it is another than before; one that is due at once is not waited for.
    fn tell_wake(&mut self, wake: Option<Boot>) {
        if wake == self.wake || self.host.next_at() == Some(self.now.boot) {
            return;
        }
        self.wake = wake;
        match wake {
            Some(at) => self.line("agent", &format!("wakes at {at}")),
            None => self.line("agent", "sleeps until something happens"),
        }
        debug_assert!(wake.is_none_or(|at| at.since(self.now.boot) > Duration::ZERO), "a wake-up lies ahead");
    }
}

/// Whether a reason tells nothing new: in a queue only the one in front changes.
fn is_the_same_wait(told: Reason, reason: Reason) -> bool {
    told == reason
        || matches!(
            (told, reason),
            (Reason::WaitsForList(_), Reason::WaitsForList(_)) | (Reason::StopWaitsFor(_), Reason::StopWaitsFor(_))
        )
}
