//! Disks and queues: when they are measured, what holds of each, and what is kept of it.
//!
//! Measured with every round that somebody asks for of everything, and every `probes.period`. What a reading means is said
//! by `policy::gauge`; nothing is ever started, stopped or restarted for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;

use super::turns::Agent;
use crate::desired::Gauge;
use crate::engine::{Happened, Happening};
use crate::model::{Boot, Level, Name, Now, Reading, Wall};
use crate::observe::gauge::{self, Threads};
use crate::observe::round::Told;
use crate::policy::gauge::{Standing, judge, numbers, sentence, value};
use crate::policy::rounds::due;
use crate::status::{GaugeProbe, GaugeStatus, ProbeSample, ProbeSeries};

/// Readings kept of a gauge.
const SAMPLES: usize = 120;

/// The agent's memory of measurements.
pub(super) struct Gauges {
    tell: mpsc::Sender<Told>,
    due: Option<Boot>,
    running: bool,
    queued: bool,
    threads: Threads,
    known: BTreeMap<Name, Known>,
}

/// What is known of one gauge.
struct Known {
    /// As it was declared when it was read.
    gauge: Gauge,
    standing: Standing,
    reading: Reading,
    took: Duration,
    kept: VecDeque<Sample>,
}

/// A reading, small.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Wall,
    took: Duration,
    level: Level,
    value: Option<u64>,
}

impl Gauges {
    pub(super) fn new(tell: mpsc::Sender<Told>) -> Self {
        let (threads, known) = (Threads::default(), BTreeMap::new());
        Self { tell, due: None, running: false, queued: false, threads, known }
    }

    /// The next moment at which they are due.
    pub(super) fn wake(&self) -> Option<Boot> {
        self.due
    }

    /// Somebody wants to know.
    pub(super) fn want(&mut self) {
        self.queued = true;
    }

    pub(super) fn over(&mut self) {
        self.running = false;
    }

    pub(super) fn is_pending(&self) -> bool {
        self.running || self.queued
    }

    /// What was read, of one gauge or of all.
    pub(super) fn series(&self, only: Option<&Name>) -> impl Iterator<Item = ProbeSeries> {
        let wanted = self.known.iter().filter(move |(name, _)| only.is_none_or(|only| only == *name));
        wanted.map(|(name, known)| ProbeSeries {
            service: name.to_string(),
            samples: known.kept.iter().map(|sample| sample.told()).collect(),
        })
    }
}

impl Agent {
    /// After a turn: whether they are due, and whether they are measured now.
    pub(super) fn turn_of_gauges(&mut self, now: Now, news: &[Happening]) {
        let declared = &self.engine.desired().gauges;
        let is_new = news.iter().any(|happening| matches!(happening.what, Happened::DocumentAccepted { .. }));
        if is_new {
            // What is measured against another threshold has to be measured anew.
            self.gauges.known.retain(|_, known| declared.list.contains(&known.gauge));
        }
        let period = declared.period.filter(|_| !declared.list.is_empty());
        let is_due = self.gauges.due.is_some_and(|due| due <= now.boot);
        if is_new || is_due || self.gauges.due.is_some() != period.is_some() {
            self.gauges.due = period.map(|period| due("disks and queues", period, now.boot));
        }
        self.gauges.queued |= is_due && period.is_some();
        if self.gauges.queued && !self.gauges.running {
            self.gauges.queued = false;
            if !declared.list.is_empty() {
                self.gauges.running = true;
                gauge::read(&declared.list, declared.timeout, &mut self.gauges.threads, self.gauges.tell.clone());
            }
        }
    }

    /// One was read.
    pub(super) fn hear_gauge(&mut self, now: Now, name: &Name, reading: Reading, took: Duration) {
        let declared = self.engine.desired().gauges.list.iter().find(|gauge| gauge.name == *name);
        let Some(gauge) = declared.cloned() else { return };
        let (before, mut kept) = match self.gauges.known.remove(name) {
            Some(known) => (known.standing, known.kept),
            None => (Standing::Within, VecDeque::new()),
        };
        let standing = judge(&gauge, &before, &reading);
        if kept.len() == SAMPLES {
            kept.pop_front();
        }
        kept.push_back(Sample { at: now.wall, took, level: standing.level(), value: value(&reading) });
        if standing != before {
            let (numbers, words) = (numbers(&reading), sentence(&gauge, &standing));
            let again = if standing == Standing::Within { " again" } else { "" };
            let numbers = if numbers.is_empty() { numbers } else { format!(": {numbers}") };
            let words = Name::from(format!("{words}{again}{numbers}"));
            let what = Happened::Measured { gauge: name.clone(), level: standing.level(), words };
            self.chronicle.tell(Happening { now, service: None, what }, self.engine.desired(), |_| Vec::new());
        }
        self.gauges.known.insert(name.clone(), Known { gauge, standing, reading, took, kept });
    }

    /// Those that are not within their thresholds.
    pub(super) fn gauge_status(&self) -> Vec<GaugeStatus> {
        let known = self.engine.desired().gauges.list.iter().filter_map(|gauge| self.gauges.known.get(&gauge.name));
        let amiss = known.filter(|known| known.standing != Standing::Within);
        let told = amiss.map(|Known { gauge, standing, .. }| GaugeStatus {
            name: gauge.name.to_string(),
            level: standing.level(),
            finding: sentence(gauge, standing),
        });
        told.collect()
    }

    pub(super) fn gauge_report(&self) -> Vec<GaugeProbe> {
        let declared = self.engine.desired().gauges.list.iter();
        let told = declared.map(|gauge| {
            let name = gauge.name.to_string();
            let Some(known) = self.gauges.known.get(&gauge.name) else {
                return GaugeProbe { name, ..GaugeProbe::default() };
            };
            let finding = match &known.standing {
                Standing::Within => String::new(),
                Standing::Crossed(_) | Standing::Unknown(_) => sentence(gauge, &known.standing),
            };
            GaugeProbe {
                name,
                level: Some(known.standing.level()),
                took_ms: u64::try_from(known.took.as_millis()).unwrap_or(u64::MAX),
                numbers: numbers(&known.reading),
                finding,
            }
        });
        told.collect()
    }
}

impl Sample {
    fn told(self) -> ProbeSample {
        let word = match self.level {
            Level::Within => "Within",
            Level::Crossed => "Crossed",
            Level::Unknown => "Unknown",
        };
        ProbeSample {
            time: self.at.to_string(),
            listener: 0,
            took_ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            verdict: word.to_owned(),
            value: self.value,
        }
    }
}
