//! One round for one resource: the five steps in order, and what follows a failure of one.
//!
//! Effect. [`crate::run`] drives it. A failure concerns its resource alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kube::Client;
use kube::core::DynamicObject;
use kube::runtime::controller::Action;
use mailward::model::Wall;
use thiserror::Error;
use tracing::{Instrument as _, field, trace_span};

use crate::apply::{self, Applier, Known};
use crate::build::build;
use crate::cache::{Cache, unfolded};
use crate::events::{Events, Reason};
use crate::failures::Failures;
use crate::gather::gather;
use crate::metrics::Metrics;
use crate::pods::Pod;
use crate::roll::{Template, roll};
use crate::telemetry::STEPS;
use crate::update_status::{self, Outcome, update, update_status};
use crate::validate::{Environment, Identity, Invalid, identity, validate};

/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What every round needs.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What it holds.
    pub cache: Cache,
    /// What the operator was given.
    pub environment: Environment,
    /// What was applied.
    pub known: Arc<Known>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is told.
    pub events: Events,
    /// What failed since it last went well.
    pub failures: Arc<Failures>,
}

/// Which step failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The object has no name: nothing can be said about it in its status either.
    #[error("the object cannot be told from others")]
    Validate(#[source] Invalid),
    /// An object is not as it is to be.
    #[error("apply failed")]
    Apply(#[source] apply::Failure),
    /// The status is not.
    #[error("the status was not updated")]
    UpdateStatus(#[source] update_status::Failure),
}

impl Error {
    /// The step, as metrics call it.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Validate(_) => "validate",
            Self::Apply(_) => "apply",
            Self::UpdateStatus(_) => "update_status",
        }
    }
}

/// One round; where somebody collects traces it is one, with a span a step.
pub async fn reconcile(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconciled();
    let about = identity(&object).map_err(Error::Validate)?;
    let span = trace_span!(
        target: STEPS, "reconcile",
        k8s.namespace.name = about.namespace, mailward.server.name = about.name, mailward.server.generation = about.generation,
        otel.status_code = field::Empty, otel.status_description = field::Empty,
    );
    let outcome = round(unfolded(&object), context, about).instrument(span.clone()).await;
    if let Err(error) = &outcome {
        span.record("otel.status_code", "ERROR").record("otel.status_description", chain(error));
    }
    outcome
}

/// A span of one step.
macro_rules! step {
    ($name:literal) => {
        trace_span!(target: STEPS, $name)
    };
}

async fn round(object: DynamicObject, context: Arc<Context>, about: Identity) -> Result<Action, Error> {
    // Its objects go with it, each in its own time.
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    context.cache.ready().await;
    let gathered = step!("gather").in_scope(|| gather(&context.cache, &about.namespace, &about.name));
    let pods: Vec<Pod> = gathered.pods.iter().map(|pod| Pod::of(pod)).filter(|pod| !pod.ended).collect();
    let Context { client, metrics, events, known, .. } = context.as_ref();
    let applier = Applier { client, known, metrics, events };

    let validated = step!("validate").in_scope(|| validate(&object, &context.environment));
    let again = match &validated {
        Err(invalid) => {
            let update = update(&object, &about, &pods, &Outcome::Refused(invalid), now());
            let written = update_status(client, metrics, &about, &update).instrument(step!("update_status"));
            written.await.map_err(Error::UpdateStatus)?;
            update.again
        }
        Ok(server) => {
            let prepared = step!("build").in_scope(|| build(server));
            let resources = match applier.apply(&about, &gathered, prepared).instrument(step!("apply")).await {
                Ok(resources) => resources,
                // The resource goes with it: that is told as a change.
                Err(failure) if failure.is_of_ending_namespace() => return Ok(Action::await_change()),
                Err(failure) => {
                    let words = failure.to_string();
                    // What will go by itself blocks nobody.
                    let passes = matches!(failure, apply::Failure::OfPredecessor { .. });
                    if !passes && context.failures.is_news(&about.uid, &words) {
                        events.tell(&about, Reason::WorkloadBlocked, &words).await;
                    }
                    return Err(Error::Apply(failure));
                }
            };
            let template = Template {
                hash: &resources.workload_hash,
                replicas: server.replicas,
                grace: server.grace,
                agent_image: &server.agent_image,
                suspended: server.suspended,
                active: None,
            };
            let (rollout, next) = roll(&pods, template);
            // Before the pod is deleted: whoever waits must not see an old Ready meanwhile.
            let outcome = Outcome::Applied { server, resources: &resources, rollout };
            let update = update(&object, &about, &pods, &outcome, now());
            let written = update_status(client, metrics, &about, &update).instrument(step!("update_status"));
            written.await.map_err(Error::UpdateStatus)?;
            if let Some(pod) = next {
                let replaced = applier.replace(&about, pod, server.grace).instrument(step!("roll"));
                replaced.await.map_err(Error::Apply)?;
            }
            update.again
        }
    };
    context.failures.forget(&about.uid);
    Ok(again.map_or_else(Action::await_change, |seconds| Action::requeue(Duration::from_secs(seconds))))
}

/// What follows a failure: another try, later each time. A change of the object is looked at at once.
#[expect(clippy::needless_pass_by_value, reason = "kube hands them over so")]
pub fn after_failure(object: Arc<DynamicObject>, error: &Error, context: Arc<Context>) -> Action {
    context.metrics.failed(error.step());
    let metadata = &object.metadata;
    tracing::warn!(namespace = metadata.namespace, server = metadata.name, error = chain(error), "a round failed");
    Action::requeue(wait(context.failures.count(metadata.uid.as_deref().unwrap_or_default())))
}

/// 1 s, 2 s, 4 s and so on.
fn wait(failures: u32) -> Duration {
    Duration::from_secs(1_u64 << failures.saturating_sub(1).min(9)).min(LONGEST_WAIT)
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_is_tried_later_each_time_but_not_for_ever_later() {
        let waits: Vec<u64> = [1, 2, 3, 9, 10, 1_000].map(|failures| wait(failures).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
    }
}
