//! The invariants, told in terms of what is done to the host and of what persons ordered; none of the planner's own
//! records is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mailward::desired::{Desired, StartOrder};
use mailward::engine::{Engine, Happened, Happening, Todo, Verb};
use mailward::model::{Boot, Identity, Incarnation, Now};
use mailward::plan::{ClientEvent, ClientSeen, Reason, Rung, Step};
use mailward::sim::Host;

/// All store clients share one entry.
const CLIENTS: &str = "store clients";

#[derive(Default)]
pub struct Watch {
    used: BTreeSet<(String, Incarnation)>,
    restarts: BTreeMap<String, Vec<Boot>>,
    pub stopped: BTreeSet<String>,
    asked: BTreeMap<(String, Incarnation), Boot>,
    forced: BTreeSet<String>,
    pub spawns: u64,
    pub gave_up: u64,
    pub charged: u64,
    pub group_restarts: u64,
    speaker: String,
    pub handovers: u64,
    pub client_restarts: u64,
    pub frozen: u64,
    /// When each client was last heard of, and how often it said it would be; none where nobody waits for it.
    heard: BTreeMap<Identity, Option<(Boot, Duration)>>,
    pub hangs: u64,
}

impl Watch {
    /// What a person ordered changes what may happen.
    pub fn ordered(&mut self, verb: Verb, name: &str, force: bool) {
        match verb {
            Verb::Start | Verb::Restart | Verb::Release => {
                self.stopped.remove(name);
            }
            Verb::Stop | Verb::Hold => {
                self.stopped.insert(name.to_owned());
            }
            Verb::Reset => {
                self.restarts.remove(name);
                // Whoever resets the store, whether it leads the group or only stands first in it, resets its clients.
                if name == self.speaker {
                    self.restarts.remove(CLIENTS);
                }
            }
            Verb::Reload => {}
        }
        if force && verb == Verb::Stop {
            self.forced.insert(name.to_owned());
        }
    }

    /// A service that leaves the document takes its hold and its window along.
    pub fn documented(&mut self, desired: &Desired) {
        self.stopped.retain(|name| desired.find(name).is_some());
        self.restarts.retain(|name, _| name == CLIENTS || desired.find(name).is_some());
        let speaker = mailward::policy::reach::store_group(desired).map(|(_, speaker)| speaker);
        self.speaker = speaker.map(|ix| desired.service(ix).name.to_string()).unwrap_or_default();
    }

    /// A reboot ends manual stops, windows and incarnations.
    pub fn rebooted(&mut self, held: &BTreeSet<String>) {
        self.stopped.retain(|name| held.contains(name));
        self.restarts.clear();
        self.used.clear();
        self.asked.clear();
    }

    /// 8: in list order services are asked to stop one by one, each when the one behind it is gone.
    pub fn asks_one_by_one(&self, steps: &[Todo], desired: &Desired) -> Result<(), String> {
        let mut asked = Vec::new();
        for todo in steps {
            if let Step::Signal { incarnation, rung: Rung::Ask(_) } = todo.step
                && todo.reason != Reason::SignalAgain
                && !self.asked.contains_key(&(todo.service.to_string(), incarnation))
            {
                asked.push(&*todo.service);
            }
        }
        if desired.start_order == StartOrder::Listed && asked.len() > 1 {
            return Err(format!("asked to stop at once: {}", asked.join(", ")));
        }
        Ok(())
    }

    /// 3, 4, 7, 8: one step against what is on the host.
    pub fn step(&mut self, now: Now, todo: &Todo, desired: &Desired, host: &Host) -> Result<(), String> {
        let name = &*todo.service;
        let ix = desired.find(name).ok_or(format!("a step for {name}, which no document names"))?;
        let service = desired.service(ix);
        match &todo.step {
            Step::Look | Step::Check { .. } => Ok(()),
            Step::Reload { incarnation, .. } => {
                if service.has_reload {
                    Ok(())
                } else {
                    Err(format!("{name} {incarnation:?} has no reload"))
                }
            }
            Step::Spawn { incarnation, .. } => {
                self.spawns += 1;
                if host.exists(name) {
                    return Err(format!("a second instance of {name}"));
                }
                if !self.used.insert((name.to_owned(), *incarnation)) {
                    return Err(format!("{name} uses {incarnation:?} twice"));
                }
                if self.stopped.contains(name) || service.held {
                    return Err(format!("{name} is started although it is held"));
                }
                if service.wanted != mailward::desired::Wanted::Yes {
                    return Err(format!("{name} is started although it is not wanted"));
                }
                for on in &service.depends_on {
                    let on = &desired.service(*on).name;
                    if host.main_pid(on).is_none() {
                        return Err(format!("{name} is started although {on} is not there"));
                    }
                }
                self.forced.remove(name);
                Ok(())
            }
            Step::Signal { incarnation, rung } => {
                let key = (name.to_owned(), *incarnation);
                match rung {
                    Rung::Ask(_) => {
                        let asked = self.asked.entry(key).or_insert(now.boot);
                        if todo.reason == Reason::SignalAgain {
                            *asked = now.boot;
                        }
                        if self.stopped.contains(name) {
                            for dependent in &service.dependents {
                                let dependent = &desired.service(*dependent).name;
                                if host.main_pid(dependent).is_some() && todo.reason != Reason::SignalAgain {
                                    return Err(format!("{name} is stopped before {dependent}, which needs it"));
                                }
                            }
                        }
                        Ok(())
                    }
                    Rung::Kill => {
                        let asked = self.asked.get(&key);
                        let waited = asked.is_some_and(|at| now.boot.since(*at) >= service.stop_timeout);
                        let forced = todo.reason == Reason::KillForced || todo.reason == Reason::SignalAgain;
                        if waited || forced {
                            Ok(())
                        } else {
                            Err(format!("{name} is killed before its time was over (asked at {asked:?})"))
                        }
                    }
                }
            }
        }
    }

    /// What a client says, as the agent hears it.
    pub fn hears(&mut self, now: Boot, event: &ClientEvent) {
        match &event.what {
            ClientSeen::Registered { heartbeat, .. } => {
                self.heard.insert(event.client, heartbeat.map(|heartbeat| (now, heartbeat)));
            }
            ClientSeen::Alive | ClientSeen::Stressed => {
                if let Some(Some((heard, _))) = self.heard.get_mut(&event.client) {
                    *heard = now;
                }
            }
            ClientSeen::Goodbye | ClientSeen::Gone(_) => drop(self.heard.remove(&event.client)),
            ClientSeen::Disconnected => drop(self.heard.insert(event.client, None)),
        }
    }

    /// R14: a client is killed only when it was silent for twice the time it had promised.
    pub fn kills_client(&mut self, now: Boot, client: &Identity) -> Result<(), String> {
        self.frozen += 1;
        match self.heard.get(client) {
            Some(Some((heard, heartbeat))) if now.since(*heard) >= *heartbeat * 2 => Ok(()),
            other => Err(format!("client {} is killed although nothing says that it froze: {other:?}", client.pid)),
        }
    }

    /// R23: an agent that ends by itself hands over: a required service gave up, and nothing that could be stopped is left.
    pub fn handed_over(&mut self, engine: &Engine, host: &Host) -> Result<(), String> {
        self.handovers += 1;
        let desired = engine.desired();
        let name = engine.history().handover.clone().ok_or("the agent ends, and nobody told it to")?;
        if desired.find(&name).is_some_and(|ix| !desired.service(ix).required) {
            return Err(format!("{name} is not required and triggered a hand-over"));
        }
        for ix in desired.indices() {
            let service = &desired.service(ix).name;
            if host.exists(service) && !engine.history().services[ix.at()].stop_failed {
                return Err(format!("{service} is left behind by a hand-over"));
            }
        }
        Ok(())
    }

    /// 5, 6: charges and give-ups.
    pub fn news(&mut self, happening: &Happening, desired: &Desired) -> Result<(), String> {
        let policy = &desired.autorestart;
        let now = happening.now.boot;
        let budget = policy.max_restarts as usize;
        let charged: Vec<String> = match (&happening.what, &happening.service) {
            (Happened::RestartsAlone { .. } | Happened::Retried, Some(name)) => vec![name.to_string()],
            (Happened::Hangs { .. }, _) => {
                self.hangs += 1;
                Vec::new()
            }
            (Happened::GroupRestarts { failed, client, .. }, _) => {
                self.group_restarts += 1;
                self.client_restarts += u64::from(client.is_some());
                let clients = client.iter().map(|_| CLIENTS.to_owned());
                failed.iter().map(ToString::to_string).chain(clients).collect()
            }
            (Happened::ClientsGaveUp { .. }, _) => {
                let inside = self.inside(CLIENTS, policy.window, now);
                if inside < budget {
                    return Err(format!("the clients gave up with {inside} of {budget} restarts in their window"));
                }
                Vec::new()
            }
            (Happened::GaveUp { .. }, Some(name)) => {
                self.gave_up += 1;
                let inside = self.inside(name, policy.window, now);
                if inside < budget {
                    return Err(format!("{name} gave up with {inside} of {budget} restarts in its window"));
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        for name in charged {
            self.charged += 1;
            let inside = self.inside(&name, policy.window, now) + 1;
            if inside > budget {
                return Err(format!("{name} is restarted {inside} times in its window of {budget}"));
            }
            self.restarts.entry(name).or_default().push(now);
        }
        Ok(())
    }

    fn inside(&self, name: &str, window: std::time::Duration, now: Boot) -> usize {
        self.restarts.get(name).map_or(0, |all| all.iter().filter(|at| now.since(**at) <= window).count())
    }
}
