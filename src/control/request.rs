//! What may be asked of the running agent. The socket turns HTTP into these; the loop answers between two turns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::schedule::Scheduled;
use crate::engine::{Answer, Asked, Happening, Order, Taken, TaskRefusal};
use crate::history::Missed;
use crate::model::Name;
use crate::sim::Unfolded;
use crate::status::{CanaryRun, Instance, ProbeReport, ProbeSeries, Reported, Vitals};

/// A question or an order, with the way back. An answer that nobody waits for any more is dropped.
#[derive(Debug)]
pub enum Request {
    /// The status of everything, as the object that Kubernetes shows.
    Status(oneshot::Sender<Reported>),
    /// The own entry of `status.instances` of an agent in a pod; none of one that follows a file.
    Entry(oneshot::Sender<Option<Instance>>),
    /// Whether it is ready, and its numbers.
    Vitals(oneshot::Sender<Vitals>),
    /// Somebody orders.
    Order {
        /// What, and whom it concerns.
        order: Order,
        /// Whether it comes from the agent of a cluster manager (`start-msg ha`), which alone may order everything
        /// where one is in charge ([R22]).
        by_manager: bool,
        /// What becomes of it, a line a service; or why it is refused as a whole.
        reply: oneshot::Sender<Result<Vec<Answer>, String>>,
    },
    /// What would be done from here on, each step with its reason in words.
    Plan(oneshot::Sender<Forecast>),
    /// What would be done if this document were put in force.
    PlanDocument(Vec<u8>, oneshot::Sender<Result<Forecast, String>>),
    /// What was decided about a service, and the chain of causes; none for a name nobody knows.
    Why(Name, oneshot::Sender<Option<Vec<String>>>),
    /// What happened, oldest first, of one service or of all.
    History(Option<Name>, oneshot::Sender<Vec<Told>>),
    /// What the clock runs, for the scheduler.
    Schedule(oneshot::Sender<Vec<Scheduled>>),
    /// A task is due, or a person wants it to run now.
    RunTask(Name, Asked, oneshot::Sender<Result<Taken, TaskRefusal>>),
    /// Runs of a task were due while nobody followed the schedule.
    TaskMissed(Name, Missed, oneshot::Sender<Result<Taken, TaskRefusal>>),
    /// A round of probes, of these services or, where none is named, of all; told when it is over. It joins a round that
    /// is under way ([R17]).
    Probe(Vec<Name>, oneshot::Sender<ProbeReport>),
    /// The kept answers of probes, of one service or of all.
    Probes(Option<Name>, oneshot::Sender<Vec<ProbeSeries>>),
    /// A run of the mail canary, told when it is over; nothing where none is declared. It joins a run that is under way.
    Canary(oneshot::Sender<Option<CanaryRun>>),
    /// The kept runs of the canary.
    CanaryRuns(oneshot::Sender<Vec<CanaryRun>>),
    /// The document file is read again, logs are reopened (SIGHUP).
    Refresh,
    /// The agent ends.
    End {
        /// What becomes of it and of the services.
        ending: Ending,
        /// Told once the agent is about to end, or why it does not.
        done: oneshot::Sender<Result<(), NotEnded>>,
    },
    /// The next happenings as they come, for progress while a person waits.
    Follow(tokio::sync::mpsc::UnboundedSender<Told>),
}

/// How the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The services are stopped in order first.
    Everything,
    /// The services run on, and the next agent adopts them.
    AgentAlone,
    /// The process goes on as the program that is installed now, under the same pid, and adopts the services.
    InPlace,
}

/// Why the agent does not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEnded {
    /// It cannot, in words.
    Impossible(String),
    /// A cluster manager is in charge and alone may end it ([R22]), in words.
    ManagerOnly(String),
}

/// A plan in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
    /// Services that would still not be as wanted at the end.
    pub left: Vec<Left>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// `start`, `stop`, `kill`, `reload` or `check`.
    pub verb: String,
    /// Which service.
    pub service: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What it interrupts, in words; empty where nothing is interrupted.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub interrupts: String,
}

/// A service that a plan leaves other than wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// Which service.
    pub service: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// A happening as people and programs are told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// RFC 3339.
    pub time: String,
    /// Which service; absent where it concerns all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// In one sentence.
    pub what: String,
    /// The same for programs.
    pub event: crate::engine::Happened,
}

impl Told {
    /// The service or the task it is about, or `all`.
    pub fn subject(&self) -> &str {
        self.service.as_deref().or(self.event.task()).unwrap_or("all")
    }
}

impl From<&Happening> for Told {
    fn from(happening: &Happening) -> Self {
        Self {
            time: happening.now.wall.to_string(),
            service: happening.service.as_ref().map(ToString::to_string),
            what: happening.what.to_string(),
            event: happening.what.clone(),
        }
    }
}

impl Forecast {
    /// Puts a plan into words. `desired` is the document it was made for.
    pub fn of(unfolded: &Unfolded, desired: &crate::desired::Desired) -> Self {
        use crate::plan::{Rung, Step};
        let mut forecast = Self::default();
        for todo in &unfolded.steps {
            let Some(ix) = desired.find(&todo.service) else { continue };
            let (verb, interrupts) = match &todo.step {
                Step::Look => continue,
                Step::Spawn { .. } => ("start", ""),
                Step::Signal { rung: Rung::Ask(_), .. } => ("stop", "its open connections and running work"),
                Step::Signal { rung: Rung::Kill, .. } => ("kill", "its open connections and running work, at once"),
                Step::Reload { .. } => ("reload", ""),
                Step::Check { .. } => ("check", ""),
            };
            forecast.steps.push(PlannedStep {
                verb: verb.to_owned(),
                service: todo.service.to_string(),
                reason: todo.reason.sentence(desired, ix),
                interrupts: interrupts.to_owned(),
            });
        }
        for (name, reason) in &unfolded.left {
            if let Some(ix) = desired.find(name) {
                let reason = reason.sentence(desired, ix);
                forecast.left.push(Left { service: name.to_string(), reason });
            }
        }
        forecast
    }
}
