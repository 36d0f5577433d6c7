//! The second front door: what an agent in a pod has beside a file's ([R25], [R28]). The watching and the writing are
//! the room `kubernetes`; here is what the loop itself does for it.

use std::time::Duration;

use super::run::RunError;
use super::turns::Agent;
use crate::control::Request;
use crate::engine::Happening;
use crate::model::{Boot, Now};
use crate::policy::grace;
use crate::report::default_log::Level;
use crate::sources::{Candidate, Resource};
use crate::status::{self, Instance, Vitals, Whose};
use crate::supervise::give_back_code;

#[cfg(feature = "kubernetes")]
pub(super) use crate::kubernetes::Link;

/// There is no API server in this build: nobody can make one of these.
#[cfg(not(feature = "kubernetes"))]
#[derive(Debug)]
pub(super) enum Link {}

#[cfg(not(feature = "kubernetes"))]
impl Link {
    pub(super) fn changed(&self) {
        match *self {}
    }
    pub(super) fn tell(&self, _: &Happening) {
        match *self {}
    }
    pub(super) fn refused(&self, _: &str) {
        match *self {}
    }
    pub(super) fn vitals(&self) -> crate::status::ApiVitals {
        match *self {}
    }
    pub(super) fn rolls(&self) -> bool {
        match *self {}
    }
    pub(super) fn away(&self) -> Option<String> {
        match *self {}
    }
}

/// Begins to follow the resource.
#[cfg(feature = "kubernetes")]
pub(super) async fn open(
    resource: &Resource,
    candidates: tokio::sync::mpsc::Sender<Candidate>,
    requests: tokio::sync::mpsc::Sender<Request>,
) -> Result<Link, RunError> {
    Link::open(resource, candidates, requests).await.map_err(RunError::Link)
}

/// Refuses to.
#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the other build waits")]
pub(super) async fn open(
    _: &Resource,
    _: tokio::sync::mpsc::Sender<Candidate>,
    _: tokio::sync::mpsc::Sender<Request>,
) -> Result<Link, RunError> {
    Err(RunError::NoKubernetes)
}

/// A write takes much of the program that is not needed between two of them: it is given back after so long without news.
const QUIET: Duration = Duration::from_secs(10);

/// What the loop knows of its resource.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) resource: Resource,
    pub(super) link: Link,
    /// The newest generation that was looked at.
    pub(super) looked_at: i64,
    /// The fingerprint of the `spec` in force.
    pub(super) hash: String,
    /// When fewer restarts count than now, if nothing else happens.
    leaves: Option<Boot>,
    /// When what the last write needed is given back, if nothing else happens.
    quiet: Option<Boot>,
    /// That an ordered stop does not fit into what the pod is given, in words.
    pub(super) short: Option<String>,
}

impl Front {
    pub(super) fn new(resource: Resource, link: Link, looked_at: i64) -> Self {
        Self { resource, link, looked_at, hash: String::new(), leaves: None, quiet: None, short: None }
    }

    /// The next moment a turn is needed for it.
    pub(super) fn wake(&self) -> Option<Boot> {
        self.leaves.into_iter().chain(self.quiet).min()
    }
}

impl Agent {
    /// After a turn: is there something to be told, and when next?
    pub(super) fn turn_of_front(&mut self, now: Now, news: &[Happening], else_changed: bool) {
        let Some(front) = &self.front else { return };
        for happening in news {
            front.link.tell(happening);
        }
        let is_due = |at: Option<Boot>| at.is_some_and(|at| at <= now.boot);
        let (left, quiet) = (is_due(front.leaves), is_due(front.quiet));
        if news.is_empty() && !left && !else_changed {
            if let Some(front) = self.front.as_mut().filter(|_| quiet) {
                front.quiet = None;
                give_back_code();
            }
            return;
        }
        front.link.changed();
        let window = self.engine.desired().autorestart.window;
        let marks = self.engine.history().services.iter();
        let leaves = marks.filter_map(|marks| marks.next_to_leave(window, now.boot)).min();
        if let Some(front) = &mut self.front {
            front.leaves = leaves;
            front.quiet = Some(now.boot.plus(QUIET));
        }
    }

    /// Everything is to be stopped: in a pod before it is killed ([R29]).
    pub(super) fn begin_end(&mut self, now: Now) {
        let grace = self.front.as_ref().and_then(|front| {
            let made_with = front.resource.grace?;
            // A pod keeps the grace period that it was made with, but the operator's own deletion gives it the present one.
            let given = Some(grace::grace_period(self.engine.desired())).filter(|_| front.link.rolls());
            Some(given.map_or(made_with, |given| given.max(made_with)))
        });
        match grace {
            Some(grace) if self.engine.end_within(now, grace) => {
                let words = format!("stop time-outs are shortened: the pod is killed after {} s", grace.as_secs());
                self.chronicle.message(now, Level::Warning, &words);
            }
            Some(_) => {}
            None => self.engine.end(now),
        }
    }

    /// A resource is in force: what it is to the pod it runs in.
    pub(super) fn compare_grace(&mut self, now: Now) {
        let Some(Front { resource: Resource { grace: Some(grace), .. }, .. }) = self.front.as_ref() else { return };
        let (desired, grace) = (self.engine.desired(), *grace);
        let short = (!grace::fits(desired, grace)).then(|| {
            format!(
                "an ordered stop may take {} s and the pod is killed after {} s: stop time-outs are shortened then, \
                 until the pod is replaced",
                grace::critical_path(desired).as_secs(),
                grace.as_secs()
            )
        });
        if let Some(words) = &short {
            self.chronicle.message(now, Level::Warning, words);
        }
        if let Some(front) = &mut self.front {
            front.short = short;
        }
    }

    /// Its own entry of `status.instances`.
    pub(super) fn entry(&mut self) -> Option<Instance> {
        self.front.as_ref()?;
        let reported = self.report(false);
        let front = self.front.as_ref()?;
        let whose = Whose {
            pod: front.resource.pod.clone(),
            pod_uid: front.resource.pod_uid.clone(),
            node: front.resource.node.clone(),
            observed_generation: front.looked_at,
            document_hash: Some(front.hash.clone()),
        };
        let instance = reported.instances.into_iter().next()?;
        Some(status::entry(instance, whose, &reported.conditions))
    }

    /// For whoever asks over and over.
    pub(super) fn vitals(&mut self) -> Vitals {
        let reported = self.report(true);
        let services = reported.instances.first().map(Vitals::services).unwrap_or_default();
        Vitals {
            services,
            probes: self.probe_seconds(),
            probe_commands: self.inquiries.run,
            generation: Some(self.engine.desired().generation),
            refused: self.refused.is_some(),
            suspended: self.engine.desired().suspended,
            api: self.front.as_ref().map(|front| front.link.vitals()),
        }
    }

    /// What a person in the pod is told of the API server and of the pod's grace period.
    pub(super) fn words_of_front(&self, with_api: bool) -> Vec<String> {
        let Some(front) = &self.front else { return Vec::new() };
        let away = front.link.away().filter(|_| with_api);
        front.short.clone().into_iter().chain(away).collect()
    }
}
