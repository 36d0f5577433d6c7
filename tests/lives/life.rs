//! One life: a document, a host, faults, orders, edits, kills of the agent, and quiet at the end.

mod faults;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mailward::desired::{OnGiveUp, Task};
use mailward::engine::{Accepted, Engine, Order, Record, TaskRecord, Verb, Whom};
use mailward::model::{Boot, Exit, Fingerprint, Heard, Life as Number, Name, Now, Wall};
use mailward::plan::{ClientSeen, Reason, plan};
use mailward::sim::{Behaviour, Host, Way};

use super::random::{Draft, NAMES, Random};
use super::tasks::{TASKS, TaskWatch};
pub use super::totals::Totals;
use super::watch::Watch;

pub struct Life {
    random: Random,
    draft: Draft,
    host: Host,
    engine: Option<Engine>,
    ledger: HashMap<Name, Record>,
    task_ledger: HashMap<Name, TaskRecord>,
    tasks: TaskWatch,
    number: u64,
    now: Now,
    watch: Watch,
    held: BTreeSet<String>,
    totals: Totals,
    told: bool,
    faults: bool,
}

impl Life {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let draft = Draft::random(&mut random);
        Self {
            random,
            draft,
            host: Host::new(),
            engine: None,
            ledger: HashMap::new(),
            task_ledger: HashMap::new(),
            tasks: TaskWatch::default(),
            number: 0,
            now: Now { boot: Boot(10_000), wall: Wall(0) },
            watch: Watch::default(),
            held: BTreeSet::new(),
            totals: Totals::default(),
            told: false,
            faults: true,
        }
    }

    pub fn told(mut self) -> Self {
        self.told = true;
        self
    }

    fn say(&self, line: impl FnOnce() -> String) {
        if self.told {
            println!("[{}] {}", self.now.boot, line());
        }
    }

    pub fn play(mut self) -> Result<Totals, String> {
        self.say(|| format!("{:#?}", self.draft.desired().services.iter().map(|s| &s.name).collect::<Vec<_>>()));
        self.begin();
        let events = 4 + self.random.below(22);
        for _ in 0..events {
            self.run_for_a_while()?;
            self.happen();
        }
        self.faults = false;
        self.quiet()?;
        let Watch { spawns, charged, gave_up, group_restarts, hangs, handovers, client_restarts, frozen, .. } =
            self.watch;
        let task_runs = self.tasks.runs;
        let watched = Totals {
            spawns,
            charged,
            gave_up,
            group_restarts,
            hangs,
            handovers,
            client_restarts,
            frozen,
            ..self.totals
        };
        Ok(Totals { task_runs, ..watched })
    }

    fn begin(&mut self) {
        self.number += 1;
        self.host.agent_lives(self.now.boot);
        self.say(|| format!("agent begins life {}", self.number));
        let mut engine = Engine::new(self.draft.desired(), Number(self.number), self.ledger.clone());
        engine.recall_tasks(self.task_ledger.clone());
        self.host.watch_clients(&engine.observed().clients);
        self.engine = Some(engine);
        let desired = self.draft.desired();
        self.watch.documented(&desired);
    }

    fn kill(&mut self) {
        self.say(|| "agent is killed".to_owned());
        self.totals.kills += 1;
        self.host.agent_dies();
        self.engine = None;
    }

    /// One turn of the agent, which may be killed before its records are saved or between any two steps.
    fn turn(&mut self) -> Result<(), String> {
        let seen = self.host.drain(self.now.boot);
        let Some(mut engine) = self.engine.take() else { return Ok(()) };
        self.totals.turns += 1;
        for event in seen {
            self.say(|| format!("  sees {}: {:?}", event.service, event.what));
            engine.see(self.now, &event);
        }
        for event in self.host.drain_clients() {
            self.say(|| format!("  sees client {}: {:?}", event.client.pid, event.what));
            self.watch.hears(self.now.boot, &event);
            // One that is refused is not watched, and its end changes nothing.
            let _ = engine.see_client(self.now, &event);
        }
        let turn = engine.turn(self.now);
        if turn.wake.is_some_and(|wake| wake <= self.now.boot) {
            return Err(format!("asks to be woken at {:?}, which is not after now {}", turn.wake, self.now.boot));
        }
        let kill = self.faults && self.random.chance(2);
        if kill && self.random.chance(30) {
            self.kill();
            return Ok(());
        }
        self.ledger.extend(engine.take_unsaved());
        self.task_ledger.extend(engine.take_unsaved_tasks());
        for happening in &turn.news {
            self.tasks.news(happening, &engine)?;
            self.say(|| format!("  {}: {}", happening.service.as_deref().unwrap_or("-"), happening.what));
            self.watch.news(happening, engine.desired())?;
        }
        let survives = if kill {
            self.random.below((turn.steps.len() + turn.tasks.len()) as u64 + 1) as usize
        } else {
            usize::MAX
        };
        let desired = engine.desired().clone();
        self.watch.asks_one_by_one(&turn.steps, &desired)?;
        for todo in turn.steps.iter().take(survives) {
            let ix = desired.find(&todo.service);
            self.say(|| {
                let why = ix.map(|ix| todo.reason.sentence(&desired, ix)).unwrap_or_default();
                format!("  {} {:?}: {why}", todo.service, todo.step)
            });
            self.watch.step(self.now, todo, &desired, &self.host)?;
            self.host.perform(self.now.boot, todo, &desired);
        }
        for client in &turn.kills {
            self.say(|| format!("  kills client {}", client.pid));
            self.watch.kills_client(self.now.boot, client)?;
            self.host.kill_client(*client);
        }
        let survives = survives.saturating_sub(turn.steps.len());
        for todo in turn.tasks.iter().take(survives) {
            self.say(|| format!("  {} {:?}: {}", todo.key, todo.step, todo.reason));
            self.tasks.step(self.now, todo, &engine, &self.host)?;
            self.host.perform_task(self.now.boot, todo);
        }
        self.compare_with_full_plan(&engine)?;
        if turn.finished {
            self.watch.handed_over(&engine, &self.host)?;
            self.say(|| "the agent hands over, and is started again".to_owned());
            self.host.agent_dies();
            self.begin();
            return self.turn();
        }
        if kill {
            self.kill();
            return Ok(());
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// Planning what changed gives what planning everything would give ([1]).
    fn compare_with_full_plan(&mut self, engine: &Engine) -> Result<(), String> {
        if !self.random.chance(20) && !self.told {
            return Ok(());
        }
        let whole = plan(engine.desired(), engine.observed(), engine.history(), self.now);
        for ix in engine.desired().indices() {
            if whole.verdicts[ix.at()] != *engine.verdict(ix) {
                let (part, whole) = (engine.verdict(ix), &whole.verdicts[ix.at()]);
                let name = &engine.desired().service(ix).name;
                return Err(format!("{name}: planned in part {part:?}, as a whole {whole:?}"));
            }
        }
        Ok(())
    }

    fn next_at(&self) -> Option<Boot> {
        if self.host.has_news_of_clients() && self.engine.is_some() {
            return Some(self.now.boot);
        }
        let wake = self.engine.as_ref().and_then(Engine::wake);
        [self.host.next_at(), wake].into_iter().flatten().min()
    }

    fn run_for_a_while(&mut self) -> Result<(), String> {
        let until =
            self.now.boot.plus(Duration::from_millis(*self.random.pick(&[0, 1, 300, 1_000, 5_000, 40_000, 700_000])));
        self.run_until(until)
    }

    fn run_until(&mut self, until: Boot) -> Result<(), String> {
        self.turn()?;
        for _ in 0..10_000 {
            let Some(at) = self.next_at().filter(|at| *at <= until) else {
                self.now.boot = until.max(self.now.boot);
                return self.turn();
            };
            self.now.boot = at.max(self.now.boot);
            self.turn()?;
        }
        Err("it never comes to rest".to_owned())
    }

    fn service(&mut self) -> Name {
        let at = self.random.below(self.draft.services.len() as u64) as usize;
        Arc::from(self.draft.services[at].name)
    }

    /// One fault, order or edit.
    fn happen(&mut self) {
        let service = self.service();
        match self.random.below(39) {
            35..=38 => self.client(),
            30..=32 => self.run_task(),
            33 => {
                let name = self.random.pick::<&'static str>(&TASKS);
                let task = Task::key(name);
                self.change_behaviour(&task);
            }
            34 => {
                let name = self.random.pick::<&'static str>(&TASKS);
                let task = Task::key(name);
                self.host.end_main(self.now.boot, &task, Exit::Code(1));
            }
            0..=5 => {
                let exit = *self.random.pick(&[Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Signal(11)]);
                self.say(|| format!("{service} is hit: {exit}"));
                self.host.end_main(self.now.boot, &service, exit);
                if self.random.chance(20) {
                    let other = self.service();
                    self.host.end_main(self.now.boot, &other, Exit::Signal(9));
                }
            }
            6..=8 => self.change_behaviour(&service),
            9..=12 => self.order(&service),
            13..=15 => self.edit(),
            16 => {
                if self.engine.is_some() {
                    self.kill();
                }
            }
            17 => self.host.stranger(&service, Some(Arc::from("a stranger"))),
            18 => self.host.stranger(&service, None),
            19 => {
                let content = Fingerprint(self.random.below(5) + 1);
                self.host.write_files(self.now.boot, &service, content);
            }
            21..=28 => self.probe(&service),
            20 => self.now.wall = Wall(self.now.wall.0 - 3_600_000 + self.random.below(7_200_000).cast_signed()),
            _ => self.reboot(),
        }
        if self.engine.is_none() && self.random.chance(60) {
            self.begin();
        }
    }

    fn order(&mut self, service: &Name) {
        let Some(mut engine) = self.engine.take() else { return };
        let verbs =
            [Verb::Start, Verb::Start, Verb::Stop, Verb::Restart, Verb::Reload, Verb::Hold, Verb::Release, Verb::Reset];
        let verb = *self.random.pick(&verbs);
        let force = self.random.chance(20);
        let order = Order { verb, whom: Whom::These(vec![service.clone()]), force };
        let answer = engine.order(self.now, &order).remove(0);
        self.say(|| format!("a person: {} {service}, force {force}: {:?}", verb.word(), answer.outcome));
        let done = match &answer.outcome {
            Ok(Accepted::Doing | Accepted::AlreadySo) => true,
            Err(refusal) => matches!(refusal, mailward::engine::Refusal::Waits { .. }),
        };
        if done {
            self.watch.ordered(verb, service, force);
            match verb {
                Verb::Hold => {
                    self.held.insert(service.to_string());
                }
                Verb::Start | Verb::Restart | Verb::Release => {
                    self.held.remove(&**service);
                }
                Verb::Stop | Verb::Reload | Verb::Reset => {}
            }
        }
        // A person's order is answered when it is saved.
        self.ledger.extend(engine.take_unsaved());
        self.engine = Some(engine);
    }

    fn edit(&mut self) {
        self.draft.edit(&mut self.random);
        if self.random.chance(25) {
            self.draft.edit(&mut self.random);
        }
        let desired = self.draft.desired();
        self.say(|| format!("document {}", self.draft.generation));
        if let Some(engine) = &mut self.engine {
            engine.accept(self.now, desired.clone());
            self.watch.documented(&desired);
            let names: BTreeSet<&str> = self.draft.services.iter().map(|service| service.name).collect();
            self.held.retain(|name| names.contains(&**name));
        }
    }

    fn reboot(&mut self) {
        self.say(|| "reboot".to_owned());
        self.host.reboot();
        self.engine = None;
        self.ledger.retain(|name, _| self.held.contains(&**name));
        for record in self.ledger.values_mut() {
            record.marks = mailward::history::Marks {
                hold: Some(mailward::history::Hold::Held),
                ..mailward::history::Marks::default()
            };
        }
        self.watch.rebooted(&self.held);
        for record in self.task_ledger.values_mut() {
            record.marks = std::mem::take(&mut record.marks).without_process();
        }
        self.tasks.rebooted();
        self.now.boot = Boot(5_000);
        self.begin();
    }

    /// Everything answers again, which a round finds: then nothing hangs any more.
    fn heal(&mut self) -> Result<(), String> {
        for name in NAMES {
            self.host.listens(&Arc::from(name), None, Way { after: Duration::from_millis(10), heard: Heard::Served });
        }
        let Some(engine) = &self.engine else { return Ok(()) };
        self.host.round(self.now.boot, engine, &[]);
        self.run_until(self.now.boot.plus(Duration::from_secs(1)))?;
        let Some(engine) = &self.engine else { return Ok(()) };
        // What is not wanted and only runs because everything is suspended is not asked, and so does not answer.
        let asked = !engine.desired().suspended;
        let hung = engine.desired().indices().find(|ix| asked && engine.verdict(*ix).reason == Reason::Hangs);
        hung.map_or(Ok(()), |ix| Err(format!("{} answers and hangs", engine.desired().service(ix).name)))
    }

    /// When faults end, everything is as wanted or says why not; then nothing is done any more ([10], [9]).
    fn quiet(&mut self) -> Result<(), String> {
        for client in ["mboxutil", "reconstruct"] {
            self.host.client_says(self.now.boot, &Arc::from(client), ClientSeen::Goodbye);
            self.host.client_ends(client, Exit::Code(0));
        }
        for name in TASKS {
            let well = Behaviour { dies: Some((Duration::from_secs(5), Exit::Code(0))), ..Behaviour::default() };
            self.host.behave(self.now.boot, &Task::key(name), well);
            self.host.end_main(self.now.boot, &Task::key(name), Exit::Code(0));
        }
        for name in NAMES {
            self.host.behave(self.now.boot, &Arc::from(name), Behaviour::default());
            self.host.stranger(&Arc::from(name), None);
        }
        if self.engine.is_none() {
            self.begin();
        }
        self.run_until(self.now.boot.plus(Duration::from_secs(2_000)))?;
        self.heal()?;
        self.run_until(self.now.boot.plus(Duration::from_secs(2_000)))?;
        let now = self.now;
        let engine = self.engine.as_mut().ok_or("the agent is gone")?;
        for ix in engine.desired().indices() {
            let name = &engine.desired().service(ix).name;
            let reason = engine.verdict(ix).reason;
            let up = self.host.main_pid(name).is_some() && self.host.is_ready(name, now.boot);
            let explained = match reason {
                Reason::Running => up,
                Reason::Down(down) if down.stops() => !self.host.exists(name),
                Reason::Down(_)
                | Reason::Suspended
                | Reason::Hangs
                | Reason::LeftAlive(_)
                | Reason::AutorestartOff
                | Reason::NotWatched
                | Reason::Overdue
                | Reason::Recovering
                | Reason::CheckFailed
                | Reason::WaitsForDependency(_) => true,
                _ => false,
            };
            let policy = &engine.desired().autorestart;
            let is_active = policy.enabled && engine.desired().watched && !engine.desired().suspended;
            let gave_up = matches!(reason, Reason::Down(mailward::plan::Down::GaveUp { .. }));
            if gave_up && is_active && policy.on_give_up == OnGiveUp::Failover && engine.desired().service(ix).required
            {
                return Err(format!("{name} gave up and nothing was handed over"));
            }
            if !explained {
                return Err(format!("at the end {name} is not as wanted: {}", reason.sentence(engine.desired(), ix)));
            }
        }
        let before = engine.history().clone();
        let turn = engine.turn(now);
        if !turn.steps.is_empty() || !turn.tasks.is_empty() || !turn.news.is_empty() || *engine.history() != before {
            return Err(format!("converged, and yet: {:?} {:?}", turn.steps, turn.news));
        }
        TaskWatch::quiet(engine, &self.host)?;
        if !engine.take_unsaved().is_empty() {
            return Err("converged, and yet something is written".to_owned());
        }
        Ok(())
    }
}
