//! One round of probes: every listener of some running services is asked once, a command where one is declared, and
//! what came back is told ([R8]).
//!
//! One task that lives as long as the round; between rounds there is nothing. It judges nothing: what explains a silence
//! is measured beside it (pressure, external dependencies) and told with it. Called by the agent, which sees to it that
//! rounds do not overlap.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::ask::{Asked, Question, ask};
use super::command::{self, Inquire};
use super::pressure;
use crate::desired::{External, Listener};
use crate::model::{Incarnation, Name, Pressure, Reading, Round, Strain};
use crate::status::CanaryRun;

/// Questions under way at once: a round of a thousand services must not use up the agent's descriptors.
const AT_ONCE: usize = 64;

/// What a round asks.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// The services.
    pub services: Vec<Roster>,
    /// What is asked for their sake.
    pub externals: Vec<External>,
}

/// One service of a round.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Its name.
    pub service: Name,
    /// Which life of it is asked.
    pub incarnation: Incarnation,
    /// Its enabled listeners, in order.
    pub listeners: Vec<Listener>,
    /// The program of its command, where it has one.
    pub command: Option<String>,
    /// How long each may take.
    pub timeout: Duration,
    /// Names of [`Roll::externals`].
    pub needs: Vec<Name>,
    /// Its cgroup's folder, where it has one.
    pub cgroup: Option<PathBuf>,
    /// How late the round began, for this service.
    pub late: Duration,
}

/// What a round tells.
#[derive(Debug)]
pub enum Told {
    /// A service has been asked.
    Service(Found),
    /// Something external has been asked.
    External(Name, Vec<Asked>),
    /// A command is to be run.
    Inquire(Inquire),
    /// That was all.
    Over,
    /// A run of the canary is over.
    Canary(CanaryRun),
    /// A disk or a queue was read.
    Gauge {
        /// Which gauge.
        name: Name,
        /// What it read.
        reading: Reading,
        /// How long that took.
        took: Duration,
    },
    /// Every disk and queue was read.
    GaugesOver,
}

/// What was found of one service.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub service: Name,
    /// Which life of it was asked.
    pub incarnation: Incarnation,
    /// For the planner.
    pub round: Round,
    /// The conversations, by listener.
    pub asked: Vec<Asked>,
}

/// Holds a round; its last word is [`Told::Over`]. Nobody listens any more where the agent has ended.
pub async fn hold(roll: Roll, tell: mpsc::Sender<Told>) {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let commands = Arc::new(Semaphore::new(command::AT_ONCE));
    let (known, missing) = watch::channel(None::<Arc<Vec<Name>>>);
    let mut tasks = JoinSet::new();
    for roster in roll.services {
        let (gate, commands) = (Arc::clone(&gate), Arc::clone(&commands));
        let (missing, tell) = (missing.clone(), tell.clone());
        tasks.spawn(async move {
            let by_command = command::ask(&roster, &commands, &tell);
            let (mut asked, answer) = tokio::join!(of_listeners(&roster.listeners, roster.timeout, &gate), by_command);
            asked.extend(answer);
            let found = of_service(roster, asked, missing).await;
            let _ = tell.send(Told::Service(found)).await;
        });
    }
    let mut externals = JoinSet::new();
    for external in roll.externals {
        let gate = Arc::clone(&gate);
        externals.spawn(async move {
            let asked = of_listeners(&external.listeners, external.timeout, &gate).await;
            (external.name, asked)
        });
    }
    let mut down = Vec::new();
    while let Some(Ok((name, asked))) = externals.join_next().await {
        if asked.iter().any(|asked| asked.answer.heard.is_sign_of_hang()) {
            down.push(Arc::clone(&name));
        }
        let _ = tell.send(Told::External(name, asked)).await;
    }
    let _ = known.send(Some(Arc::new(down)));
    while tasks.join_next().await.is_some() {}
    let _ = tell.send(Told::Over).await;
}

async fn of_service(roster: Roster, asked: Vec<Asked>, mut missing: watch::Receiver<Option<Arc<Vec<Name>>>>) -> Found {
    let is_amiss = asked.iter().any(|asked| asked.answer.heard.is_sign_of_hang());
    let mut round = Round { answers: asked.iter().map(|asked| asked.answer.clone()).collect(), ..Round::default() };
    if is_amiss {
        round.strain = Strain {
            late: roster.late,
            host: pressure::of_host(),
            cgroup: roster.cgroup.as_deref().map_or(Pressure::default(), pressure::of_cgroup),
        };
        if !roster.needs.is_empty() {
            let known = missing.wait_for(Option::is_some).await;
            let down = known.ok().and_then(|down| down.clone()).unwrap_or_default();
            round.missing = roster.needs.iter().filter(|need| down.contains(need)).cloned().collect();
        }
    }
    Found { service: roster.service, incarnation: roster.incarnation, round, asked }
}

/// Asks listeners side by side; the answers come in their order.
async fn of_listeners(listeners: &[Listener], limit: Duration, gate: &Arc<Semaphore>) -> Vec<Asked> {
    let mut asking = JoinSet::new();
    for (number, listener) in (0_u16..).zip(listeners) {
        let question = Question::whole(number, listener, limit);
        let gate = Arc::clone(gate);
        asking.spawn(async move {
            let _turn = gate.acquire_owned().await;
            ask(&question).await
        });
    }
    let mut asked = asking.join_all().await;
    asked.sort_by_key(|asked| asked.answer.listener);
    asked
}
