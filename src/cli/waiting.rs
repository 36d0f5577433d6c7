//! Waiting until what was ordered is so, or cannot be: by the agent's events and by its status.
//!
//! What is asked of each service is a [`Goal`]; [`fate`] judges it from the status and from what happened since the
//! order. A settled service that is not as wished must be seen so twice: between an order and its first step the status
//! may still tell of the turn before.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at};

use super::failure::{CONFIG, Failure, NOT_IN_TIME};
use crate::agent::Told;
use crate::control::{Client, ClientError, Events};
use crate::engine::Happened;
use crate::status::{Reported, ServiceStatus, Truth};

/// What a person waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// It is ready.
    Up,
    /// It is gone.
    Down,
    /// It is ready, as another process than this one.
    Again(Option<i32>),
    /// It has taken over its files.
    Reloaded,
    /// Whatever follows has followed.
    Settled,
}

/// How that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// More is to come.
    Pending,
    /// It is so.
    Done,
    /// It will not be so; the exit code and why.
    Failed(u8, String),
}

/// What happened to a service since the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    started: bool,
    reloaded: bool,
    refused: Option<String>,
    calm: u8,
}

impl Since {
    fn take(&mut self, event: &Happened) {
        match event {
            Happened::Started { .. } => self.started = true,
            Happened::Reloaded => self.reloaded = true,
            Happened::ReloadFailed { words } => {
                self.refused = Some(format!("runs the previous configuration, its reload failed: {words}"));
            }
            Happened::CheckFailed { words } => {
                self.refused = Some(format!("its configuration is refused by its checker: {words}"));
            }
            Happened::Ready { .. }
            | Happened::Recovers
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
            | Happened::Asked { .. }
            | Happened::Killed { .. }
            | Happened::Stopped { .. }
            | Happened::StopFailed
            | Happened::Foreign { .. }
            | Happened::Ordered { .. }
            | Happened::HeldBy { .. }
            | Happened::Forgotten
            | Happened::DocumentAccepted { .. }
            | Happened::Ending
            | Happened::Task { .. } => {}
        }
    }
}

/// Judges one service; none where the status no longer knows it.
pub(crate) fn fate(goal: Goal, status: Option<&ServiceStatus>, since: &Since) -> Fate {
    let Some(status) = status else {
        return match goal {
            Goal::Down | Goal::Settled => Fate::Done,
            Goal::Up | Goal::Again(_) | Goal::Reloaded => Fate::Failed(NOT_IN_TIME, "it left the document".to_owned()),
        };
    };
    if !status.settled {
        return Fate::Pending;
    }
    let (ready, calm) = (status.ready == Truth::True, since.calm >= CALM_LOOKS);
    let reached = match goal {
        Goal::Up => ready,
        Goal::Down => status.pid.is_none(),
        Goal::Again(before) => ready && (since.started || status.pid != before),
        // The event of a reload may have come before anybody followed; a calm, ready service has done it.
        Goal::Reloaded => since.reloaded || (ready && calm && since.refused.is_none()),
        Goal::Settled => calm && (ready || status.held || !status.enabled),
    };
    match &since.refused {
        _ if reached => Fate::Done,
        Some(words) if matches!(goal, Goal::Again(_) | Goal::Reloaded) => Fate::Failed(CONFIG, words.clone()),
        Some(_) | None if calm => Fate::Failed(NOT_IN_TIME, status.reason.clone()),
        Some(_) | None => Fate::Pending,
    }
}

/// Somebody who shows what happens meanwhile.
pub(crate) trait Audience {
    /// Something happened.
    fn happened(&mut self, told: &Told) -> Result<(), Failure>;
    /// A second has gone by.
    fn tick(&mut self) -> Result<(), Failure>;
}

/// How a wait ended.
pub(crate) struct Waited {
    /// Each service with its fate; pending where time ran out.
    pub(crate) fates: Vec<(String, Fate)>,
    /// The last status.
    pub(crate) reported: Reported,
}

impl Waited {
    /// The status of a service.
    pub(crate) fn service(&self, name: &str) -> Option<&ServiceStatus> {
        find(&self.reported, name)
    }
}

/// A service of a status.
pub(crate) fn find<'a>(reported: &'a Reported, name: &str) -> Option<&'a ServiceStatus> {
    reported.status.instances.iter().flat_map(|instance| &instance.services).find(|service| service.name == name)
}

/// How soon after an event the status is asked: a turn tells several.
const SOON: Duration = Duration::from_millis(30);
/// How often it is asked without an event, and a tick is given.
const SECOND: Duration = Duration::from_secs(1);
/// Looks after which a settled service is believed not to be as wished.
const CALM_LOOKS: u8 = 2;
/// The time between them.
const CALM: Duration = Duration::from_millis(250);

/// How long events may lag behind the status.
const GRACE: Duration = Duration::from_millis(50);

/// Waits until every goal is reached or cannot be, or until `limit`. `events` were opened before the order.
pub(crate) async fn wait(
    client: &Client,
    events: &mut Events,
    goals: &[(String, Goal)],
    limit: Option<Duration>,
    audience: &mut dyn Audience,
) -> Result<Waited, Failure> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut since: HashMap<&str, Since> = goals.iter().map(|(name, _)| (name.as_str(), Since::default())).collect();
    let mut second = interval(SECOND);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.tick().await;
    let mut ask_at = Instant::now();
    let mut is_followed = true;
    loop {
        let out_of_time = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        tokio::select! {
            biased;
            told = events.next(), if is_followed => match told? {
                Some(told) => {
                    if let Some(since) = told.service.as_deref().and_then(|name| since.get_mut(name)) {
                        since.take(&told.event);
                        since.calm = 0;
                    }
                    audience.happened(&told)?;
                    ask_at = ask_at.min(Instant::now() + SOON);
                    continue;
                }
                None => is_followed = false,
            },
            _ = second.tick() => {
                audience.tick()?;
                continue;
            }
            () = sleep_until(ask_at) => {}
        }
        let reported = status(client, deadline).await?;
        let mut fates = Vec::new();
        let mut calming = false;
        for (name, goal) in goals {
            let status = find(&reported, name);
            let since = since.entry(name).or_default();
            if status.is_some_and(|status| status.settled) {
                since.calm = since.calm.saturating_add(1);
                calming |= since.calm < CALM_LOOKS;
            } else {
                since.calm = 0;
            }
            fates.push((name.clone(), fate(*goal, status, since)));
        }
        if out_of_time || fates.iter().all(|(_, fate)| *fate != Fate::Pending) {
            // What the status tells of was told to followers first, over another connection.
            while let Ok(Ok(Some(told))) = timeout(GRACE, events.next()).await {
                audience.happened(&told)?;
            }
            return Ok(Waited { fates, reported });
        }
        ask_at = Instant::now() + if calming { CALM } else { SECOND };
        if let Some(deadline) = deadline {
            ask_at = ask_at.min(deadline);
        }
    }
}

async fn status(client: &Client, deadline: Option<Instant>) -> Result<Reported, ClientError> {
    match deadline {
        // A last look is taken however late it is.
        Some(deadline) => match timeout_at(deadline.max(Instant::now() + SECOND), client.status()).await {
            Ok(reported) => reported,
            Err(_) => Err(ClientError::Silent(client.socket().to_owned())),
        },
        None => client.status().await,
    }
}

#[cfg(test)]
mod tests;
