//! Rounds of probes on the scripted host: who answers how, and what burdens the host meanwhile.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Host;
use crate::engine::Engine;
use crate::model::{Answer, Boot, Heard, Name, Pressure, Round, Strain};
use crate::plan::Seen;

/// How a listener answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// After this long; a silent one is waited for until the time-out.
    pub after: Duration,
    /// What is heard.
    pub heard: Heard,
}

/// What the rounds of a host meet beside the services.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    pressures: HashMap<Option<Name>, Pressure>,
    late: Duration,
    down: HashSet<Name>,
}

impl Host {
    /// A round: every named service that may be asked is, all of them where none is named. Each one's answers come when
    /// the last of its listeners, and its command, has answered.
    pub fn round(&mut self, now: Boot, engine: &Engine, names: &[Name]) {
        for askable in engine.askable().filter(|asked| names.is_empty() || names.contains(&asked.service.name)) {
            let service = askable.service;
            let timeout = service.probing.timeout;
            let served = Way { after: Duration::from_millis(10), heard: Heard::Served };
            let answers: Vec<Answer> = (0..service.launch.questions().max(1))
                .filter_map(|at| u16::try_from(at).ok())
                .map(|listener| {
                    let way = self.way(&service.name, listener).unwrap_or(&served);
                    let silent = way.heard == Heard::Silent || way.after > timeout;
                    let (took, heard) = if silent { (timeout, Heard::Silent) } else { (way.after, way.heard.clone()) };
                    Answer { listener, took, heard }
                })
                .collect();
            let took = answers.iter().map(|answer| answer.took).max().unwrap_or_default();
            let missing = service.probing.needs.iter().filter(|name| self.probes.down.contains(*name));
            let round = Round { answers, strain: self.strain_of(&service.name), missing: missing.cloned().collect() };
            let seen = Seen::Probed { incarnation: askable.incarnation, round };
            self.say(now.plus(took), &service.name, seen);
        }
    }

    fn strain_of(&self, service: &Name) -> Strain {
        let pressure = |whom: Option<Name>| self.probes.pressures.get(&whom).copied().unwrap_or_default();
        Strain { late: self.probes.late, host: pressure(None), cgroup: pressure(Some(service.clone())) }
    }

    /// The pressure of the host, or of the cgroup of a service, from now on.
    pub fn strain(&mut self, whom: Option<&Name>, pressure: Pressure) {
        self.probes.pressures.insert(whom.cloned(), pressure);
    }

    /// How late the prober comes to act from now on.
    pub fn prober_late(&mut self, by: Duration) {
        self.probes.late = by;
    }

    /// Whether an external dependency answers from now on.
    pub fn external(&mut self, name: &Name, up: bool) {
        if up {
            self.probes.down.remove(name);
        } else {
            self.probes.down.insert(name.clone());
        }
    }

    /// The living process of a service gives no sign of life in time.
    pub fn watchdog_missed(&mut self, now: Boot, service: &Name) {
        let Some(incarnation) = self.main_incarnation(service) else { return };
        let words = Name::from("gave no sign of life within its watchdog's time");
        let strain = self.strain_of(service);
        self.say(now, service, Seen::WatchdogMissed { incarnation, words, strain });
    }

    /// The living process of a service says that it is stressed.
    pub fn stressed(&mut self, now: Boot, service: &Name, span: Duration) {
        if let Some(incarnation) = self.main_incarnation(service) {
            self.say(now, service, Seen::Stressed { incarnation, span });
        }
    }
}
