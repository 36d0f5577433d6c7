//! The document that a life begins with: the file's, the resource's, or the last good one ([R18], [R28]).

use std::time::Duration;

use tokio::sync::mpsc;

use super::front::Link;
use super::run::RunError;
use super::signals::Signals;
use super::turns::chain;
use super::wishes::{self, Wish};
use super::{Request, Settings};
use crate::control::{Ending, NotEnded};
use crate::ledger::State;
use crate::sources::{Candidate, Origin, Resource, file, resource};
use crate::status::{ApiVitals, Instance, Refusal, Reported, Status, Vitals, waiting};
use crate::supervise::Told;

/// How long the API server is waited for while there is a last good document to begin with: a newer one would restart
/// what that one started.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// The document that a life begins with.
pub(super) struct First {
    pub(super) wish: Wish,
    pub(super) bytes: Vec<u8>,
    /// Why the newest one is not it, if it is not.
    pub(super) refused: Option<Refusal>,
    /// The newest generation of the resource that was looked at.
    pub(super) looked_at: i64,
}

/// The document of the file, or where that is bad the last good one ([R18]).
pub(super) fn of_file(settings: &Settings, state: &State) -> Result<First, RunError> {
    let origin = settings.config.display().to_string();
    let refused = match file::read(&settings.config) {
        Ok(bytes) => match wishes::read(&bytes, &origin, 1) {
            Ok(wish) => return Ok(First { wish, bytes, refused: None, looked_at: 0 }),
            Err(refused) => refused,
        },
        Err(error) => wishes::Refused::unread(format!("{origin}: {}", chain(&error))),
    };
    let last = state.last_good().and_then(|bytes| {
        let wish = wishes::read(&bytes, "the last good document", 1).ok()?;
        Some(First { wish, bytes, refused: Some(refused.first.clone()), looked_at: 0 })
    });
    last.ok_or(RunError::NoDocument(refused.all))
}

/// What an agent in a pod hears while it has no document.
pub(super) struct Ears<'a> {
    pub(super) declared: &'a mut mpsc::Receiver<Candidate>,
    pub(super) asked: &'a mut mpsc::Receiver<Request>,
    pub(super) signals: &'a Signals,
}

/// The resource's document; where it is bad or the API server does not give it, the last good one; with neither it waits,
/// answers and says so. None when the agent is told to end before.
pub(super) async fn of_resource(resource: &Resource, link: &Link, state: &State, ears: Ears<'_>) -> Option<First> {
    let Ears { declared, asked, signals } = ears;
    let mut last = state.last_good().and_then(|bytes| {
        let generation = resource::generation(&bytes)?;
        let wish = wishes::read_resource(&bytes, "the last good document", generation).ok()?;
        Some(First { wish, bytes, refused: None, looked_at: generation })
    });
    let mut waits = Waiting { resource, link, refused: None, looked_at: 0 };
    let mut patience = std::pin::pin!(tokio::time::sleep(FIRST_ANSWER));
    loop {
        let candidate = tokio::select! {
            candidate = declared.recv() => candidate?,
            request = asked.recv() => {
                if waits.answer(request?) {
                    continue;
                }
                return None;
            }
            () = &mut patience, if last.is_some() => {
                tracing::warn!("the API server has not answered for {} s: the last good document is in force", FIRST_ANSWER.as_secs());
                return last;
            }
            // A descriptor that cannot be read would be no way to end it.
            told = signals.next() => match told {
                Ok(Told::Reopen) => continue,
                Ok(Told::End) | Err(_) => return None,
            },
        };
        let Candidate { bytes, origin } = candidate;
        let Origin::Resource { generation, .. } = origin else { continue };
        let refused = match bytes {
            Ok(bytes) => match wishes::read_resource(&bytes, &origin.to_string(), generation) {
                Ok(wish) => return Some(First { wish, bytes, refused: None, looked_at: generation }),
                Err(refused) => refused,
            },
            Err(error) => {
                if let Some(last) = last.take() {
                    tracing::warn!("{origin}: {}: the last good document is in force", chain(&error));
                    return Some(last);
                }
                tracing::warn!("{origin}: {}: it is waited for, and nothing is started", chain(&error));
                continue;
            }
        };
        link.refused(&refused.first.words);
        if let Some(last) = last.take() {
            tracing::warn!("the last good document is in force: {}", refused.all);
            return Some(First { refused: Some(refused.first), looked_at: generation, ..last });
        }
        tracing::warn!("a good document is waited for, and nothing is started: {}", refused.all);
        waits.refused = Some(refused.first);
        waits.looked_at = generation;
        link.changed();
    }
}

/// An agent without a document, to whoever asks.
struct Waiting<'a> {
    resource: &'a Resource,
    link: &'a Link,
    refused: Option<Refusal>,
    looked_at: i64,
}

impl Waiting<'_> {
    /// Answers; false when it is told to end.
    fn answer(&self, request: Request) -> bool {
        match request {
            Request::Entry(reply) => drop(reply.send(Some(self.entry()))),
            Request::Vitals(reply) => drop(reply.send(self.vitals())),
            Request::Status(reply) => {
                let status = Status { instances: vec![self.entry()], ..Status::default() };
                drop(reply.send(Reported::new(&self.resource.name, status)));
            }
            Request::End { ending: Ending::InPlace, done } => {
                let words = "nothing is in force yet, so there is nothing to go on with; end this agent instead";
                drop(done.send(Err(NotEnded::Impossible(words.to_owned()))));
            }
            Request::End { ending: Ending::Everything | Ending::AgentAlone, done } => {
                drop(done.send(Ok(())));
                return false;
            }
            // There is nothing to order, to run or to tell of; whoever asks is told that nobody answers.
            Request::Order { .. }
            | Request::Plan(_)
            | Request::PlanDocument(..)
            | Request::Why(..)
            | Request::History(..)
            | Request::Schedule(_)
            | Request::RunTask(..)
            | Request::TaskMissed(..)
            | Request::Probe(..)
            | Request::Probes(..)
            | Request::Canary(_)
            | Request::CanaryRuns(_)
            | Request::Refresh
            | Request::Follow(_) => {}
        }
        true
    }

    fn entry(&self) -> Instance {
        Instance {
            name: self.resource.pod.clone(),
            pod_uid: Some(self.resource.pod_uid.clone()),
            node: self.resource.node.clone(),
            agent_pid: rustix::process::getpid().as_raw_nonzero().get(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            observed_generation: self.looked_at,
            conditions: waiting(self.refused.as_ref()),
            ..Instance::default()
        }
    }

    fn vitals(&self) -> Vitals {
        let api: ApiVitals = self.link.vitals();
        Vitals { refused: self.refused.is_some(), api: Some(api), ..Vitals::default() }
    }
}
