//! Answers to questions; they change nothing.

use super::turns::Agent;
use super::{Forecast, wishes};
use crate::clock;
use crate::desired::{Ix, Wanted};
use crate::model::Name;
use crate::policy::budget;
use crate::sim::unfold;
use crate::status::{About, Facets, Reported, Status, conditions, instance};

/// How many happenings `why` tells of a service.
const TOLD: usize = 12;

impl Agent {
    pub(super) fn status(&mut self) -> Reported {
        let status = self.report(true);
        Reported::new(&self.engine.desired().name, status)
    }

    /// Everything there is to tell; of the way to the API server only where it is not told there itself.
    pub(super) fn report(&mut self, with_api: bool) -> Status {
        let now = clock::now();
        let about =
            About { name: self.name.clone(), agent_pid: self.pid, agent_version: env!("CARGO_PKG_VERSION").to_owned() };
        let says = |name: &str| self.host.said(name).and_then(|said| said.status.clone());
        let mut instance = instance(&self.engine, &about, now.boot, says, |name| self.host.last_lines(name));
        instance.tasks = self.task_status(now);
        instance.gauges = self.gauge_status();
        for words in self.words_of_front(with_api) {
            instance.advice = if instance.advice.is_empty() { words } else { format!("{}; {words}", instance.advice) };
        }
        let facets = Facets {
            refused: self.refused.clone(),
            newer: self.newer.clone(),
            suspended: self.engine.desired().suspended,
            watched: self.engine.desired().watched,
            complaints: self.chronicle.complaints(),
            canary: self.flights.finding(),
        };
        self.conditions = conditions(&instance, &facets, &self.conditions, now.wall);
        Status {
            observed_generation: instance.observed_generation,
            conditions: self.conditions.clone(),
            instances: vec![instance],
            ..Status::default()
        }
    }

    /// What would be done from here on; the same code on a copy.
    pub(super) fn forecast(&self) -> Forecast {
        let unfolded = unfold(self.engine.clone(), clock::now());
        Forecast::of(&unfolded, self.engine.desired())
    }

    /// What would be done if this document were put in force.
    pub(super) fn forecast_of(&self, bytes: &[u8]) -> Result<Forecast, String> {
        let generation = self.engine.desired().generation.saturating_add(1);
        let wish = wishes::read(bytes, "the document", generation).map_err(|refused| refused.all)?;
        let now = clock::now();
        let mut copy = self.engine.clone();
        copy.accept(now, wish.desired);
        let merged = copy.desired().clone();
        Ok(Forecast::of(&unfold(copy, now), &merged))
    }

    /// What was decided about a service, the chain of whom that is about, and what happened to it.
    pub(super) fn why(&self, name: &Name) -> Option<Vec<String>> {
        let desired = self.engine.desired();
        let mut next = Some(self.engine.find(name)?);
        let mut told: Vec<Ix> = Vec::new();
        let mut lines = Vec::new();
        while let Some(ix) = next.filter(|ix| !told.contains(ix)) {
            told.push(ix);
            let reason = self.engine.verdict(ix).reason;
            lines.push(format!("{} {}.", desired.service(ix).name, reason.sentence(desired, ix)));
            next = reason.concerns();
        }
        let of = self.engine.find(name)?;
        if desired.watched && desired.service(of).wanted == Wanted::Yes {
            let marks = &self.engine.history().services[of.at()];
            // What gave up has no next failure before it is started again.
            if marks.given_up.is_none() {
                lines.push(format!("Budget: {}.", budget::sentence(marks, &desired.autorestart, clock::now())));
            }
        }
        let happened = self.chronicle.history(Some(name));
        let from = happened.len().saturating_sub(TOLD);
        lines.extend(happened[from..].iter().map(|told| format!("{}: {}.", told.time, told.what)));
        Some(lines)
    }
}
