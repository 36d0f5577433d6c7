//! What befalls a life: processes that behave badly, probes that meet something, tasks, store clients.

use std::sync::Arc;
use std::time::Duration;

use mailward::engine::Asked;
use mailward::model::{Exit, Heard, Name, Pressure, Wall};
use mailward::plan::ClientSeen;
use mailward::sim::{Behaviour, Way};

use super::super::tasks::TASKS;
use super::Life;

impl Life {
    /// Something of a store client. All have one name, so that the one entry they share in the budget can be watched.
    pub(super) fn client(&mut self) {
        let name: Name = Arc::from(*self.random.pick(&["mboxutil", "reconstruct"]));
        let seconds = Duration::from_secs(1 + self.random.below(60));
        let heartbeat = if self.random.chance(50) { Some(seconds) } else { None };
        let what = match self.random.below(10) {
            0..=2 => ClientSeen::Registered { name: name.clone(), heartbeat },
            3 => ClientSeen::Alive,
            4 => ClientSeen::Stressed,
            5 => ClientSeen::Disconnected,
            6 => ClientSeen::Goodbye,
            _ => ClientSeen::Gone(*self.random.pick(&[Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Unknown])),
        };
        self.say(|| format!("client {name}: {what:?}"));
        match what {
            ClientSeen::Gone(exit) => drop(self.host.client_ends(&name, exit)),
            ClientSeen::Goodbye => {
                self.host.client_says(self.now.boot, &name, ClientSeen::Goodbye);
                self.host.client_ends(&name, Exit::Code(0));
            }
            said => drop(self.host.client_says(self.now.boot, &name, said)),
        }
    }

    /// A round of probes, or something that a probe meets.
    pub(super) fn probe(&mut self, service: &Name) {
        let soon = |heard| Way { after: Duration::from_millis(10), heard };
        let words = || Name::from("words");
        let boot = self.now.boot;
        match self.random.below(12) {
            0..=2 => {
                let heard = match self.random.below(7) {
                    0..=2 => Heard::Silent,
                    3 => Heard::NotListening(words()),
                    4 => Heard::ClosedEarly(words()),
                    5 => Heard::Refused(words()),
                    _ => Heard::Unknown(words()),
                };
                self.say(|| format!("{service} answers from now on: {heard:?}"));
                self.host.listens(service, None, soon(heard));
                for _ in 0..self.random.below(5) {
                    if let Some(engine) = &self.engine {
                        self.host.round(boot, engine, &[]);
                    }
                }
            }
            3 => self.host.listens(service, None, soon(Heard::Served)),
            4 => {
                let share = self.random.below(101) as u8;
                let whom = self.random.chance(50).then(|| service.clone());
                self.host.strain(whom.as_ref(), Pressure { io: share, ..Pressure::default() });
            }
            5 => self.host.prober_late(Duration::from_secs(self.random.below(12))),
            6 => {
                let up = self.random.chance(50);
                self.host.external(&Name::from("ldap"), up);
            }
            7 => self.host.watchdog_missed(boot, service),
            8 => self.host.stressed(boot, service, Duration::MAX),
            _ => {
                let Some(engine) = &self.engine else { return };
                let names = if self.random.chance(50) { vec![service.clone()] } else { Vec::new() };
                self.say(|| format!("a round of {names:?}"));
                self.host.round(boot, engine, &names);
            }
        }
    }

    /// The clock or a person asks for a run.
    pub(super) fn run_task(&mut self) {
        let name = *self.random.pick(&TASKS);
        let minute = Wall(self.now.wall.0.saturating_add_unsigned(self.now.boot.0)).minute();
        let asked = if self.random.chance(70) { Asked::ByClock(minute) } else { Asked::ByPerson };
        let Some(engine) = &mut self.engine else { return };
        let taken = engine.run_task(self.now, name, asked);
        self.say(|| format!("{name} is asked for, {asked:?}: {taken:?}"));
    }

    pub(super) fn change_behaviour(&mut self, service: &Name) {
        let seconds = Duration::from_secs(1 + self.random.below(100));
        let mut behaviour = Behaviour::default();
        match self.random.below(12) {
            0 => behaviour.ready_after = None,
            1 => behaviour.ready_after = Some(seconds),
            2 => behaviour.dies = Some((Duration::from_millis(self.random.below(5_000)), Exit::Code(1))),
            3 => behaviour.spawn_error = Some(Arc::from("no such file")),
            4 => behaviour.stops_after = None,
            5 => behaviour.stops_after = Some(seconds),
            6 => behaviour.workers_stay = Some(seconds),
            7 => behaviour.unkillable = true,
            8 => behaviour.check_fails = Some(Arc::from("line 1: syntax error")),
            9 => behaviour.spawn_takes = Duration::from_millis(self.random.below(900)),
            10 => behaviour.reload_fails = Some(Arc::from("cannot")),
            _ => behaviour.recovers = true,
        }
        self.say(|| format!("{service} behaves: {behaviour:?}"));
        self.host.behave(self.now.boot, service, behaviour);
    }
}
