//! The life of the operator: waits for its turn, works, hands over.
//!
//! Effect. On TERM the rounds under way are completed, then the lease is given back; one that loses the lease ends at once,
//! so that two never work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use kube::Client;
use kube::runtime::{applier, controller};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::apply::Known;
use crate::cache::Cache;
use crate::events::Events;
use crate::failures::Failures;
use crate::http::{Ready, serve};
use crate::lease::{self, Candidate, Turn};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::reconcile::{Context, after_failure, chain, reconcile};
use crate::validate::Environment;

/// How many rounds may be under way at once.
const ROUNDS: u16 = 16;

/// Why the operator ends other than by being told to.
#[derive(Debug, Error)]
pub enum Failure {
    /// There is nothing to run pods with.
    #[error("--agent-image is needed")]
    NoAgentImage,
    /// No API server is configured.
    #[error("no API server is configured")]
    Client(#[source] kube::Error),
    /// The port is taken.
    #[error("cannot listen on {0}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// Another may lead.
    #[error("the lease could not be renewed in time; another operator may lead")]
    LostLease,
}

/// Runs until `stop` says so, or the lease is lost.
pub async fn run(options: Options, client: Client, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
    let agent_image = options.agent_image.clone().ok_or(Failure::NoAgentImage)?;
    let identity = identity();
    let metrics = Arc::new(Metrics::default());
    metrics.observed_by(&opentelemetry::global::meter("mailward-controller"));
    let ready: Ready = Arc::new(AtomicBool::new(false));
    // Everything in it ends when this function does.
    let mut tasks = JoinSet::new();
    let listening = serve(options.http, Arc::clone(&ready), Arc::clone(&metrics), &mut tasks).await;
    let address = listening.map_err(|error| Failure::Listen(options.http, error))?;
    tracing::info!(%address, identity, version = env!("CARGO_PKG_VERSION"), "the operator runs");

    let mut candidate =
        options.leader_elect.then(|| Candidate::new(client.clone(), &options.lease_namespace, &identity));
    let since = match &mut candidate {
        Some(candidate) => wait_for_turn(candidate, &ready, &mut stop).await,
        None => Some(Instant::now()),
    };
    let Some(since) = since else { return Ok(()) };
    metrics.leads(true);
    tracing::info!(identity, "this operator leads");

    let (end, ended) = watch::channel(false);
    let mut work = tokio::spawn(work(options, client, agent_image, identity, metrics, ready, ended));
    let outcome = keep_turn(candidate.as_mut(), since, &mut stop).await;
    if let Ok(renewed) = &outcome {
        let _ = end.send(true);
        // Completed, but never longer than the lease is ours without being renewed.
        if tokio::time::timeout_at((*renewed + lease::DEADLINE).into(), &mut work).await.is_err() {
            tracing::warn!("rounds under way took too long and were broken off");
        }
    }
    work.abort();
    if let (Ok(_), Some(candidate)) = (&outcome, &candidate)
        && let Err(error) = candidate.release().await
    {
        tracing::warn!(error = chain(&error), "the lease was not given back; it ends by itself");
    }
    outcome.map(drop)
}

/// When it came; none where the end did. Like every renewal it counts from before it was asked for: the lease may have been
/// written then, however late the answer is.
async fn wait_for_turn(candidate: &mut Candidate, ready: &Ready, stop: &mut watch::Receiver<bool>) -> Option<Instant> {
    loop {
        let begun = Instant::now();
        match candidate.step().await {
            Ok(turn) => {
                ready.store(true, Ordering::Relaxed);
                if turn == Turn::Ours {
                    return Some(begun);
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "the lease is not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(lease::PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return None,
        }
    }
}

/// Renews until the end, or until another may begin. Returns when the lease was last renewed.
async fn keep_turn(
    candidate: Option<&mut Candidate>,
    since: Instant,
    stop: &mut watch::Receiver<bool>,
) -> Result<Instant, Failure> {
    let mut renewed = since;
    let Some(candidate) = candidate else {
        let _ = stop.wait_for(|stop| *stop).await;
        return Ok(Instant::now());
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(lease::PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(renewed),
        }
        let begun = Instant::now();
        match tokio::time::timeout_at((renewed + lease::DEADLINE).into(), candidate.step()).await {
            Ok(Ok(Turn::Ours)) => renewed = begun,
            Ok(Ok(Turn::Theirs)) | Err(_) => return Err(Failure::LostLease),
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "the lease was not renewed yet"),
        }
    }
}

async fn work(
    options: Options,
    client: Client,
    agent_image: String,
    identity: String,
    metrics: Arc<Metrics>,
    ready: Ready,
    mut ended: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let (known, failures) = (Arc::new(Known::default()), Arc::new(Failures::default()));
    let gone: Arc<dyn Fn(&str) + Send + Sync> = {
        let (known, failures) = (Arc::clone(&known), Arc::clone(&failures));
        Arc::new(move |uid: &str| {
            known.forget(uid);
            failures.forget(uid);
        })
    };
    let (cache, touched) = Cache::watch(&client, options.namespace.as_deref(), &gone, &mut tasks);
    let servers = cache.servers.clone();
    let context = Arc::new(Context {
        events: Events::of(client.clone(), &identity),
        client,
        cache,
        environment: Environment { agent_image, standby: false },
        known,
        metrics: Arc::clone(&metrics),
        failures,
    });
    let counted = servers.clone();
    let queue = stream::unfold(touched, |mut touched| async move {
        let next = touched.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(next), touched))
    });
    let queue = queue.inspect(move |_| metrics.resources(counted.len()));
    let queue = queue.take_until(async move {
        let _ = ended.wait_for(|ended| *ended).await;
    });
    let config = controller::Config::default().concurrency(ROUNDS);
    let reconcile = |object, context| Box::pin(reconcile(object, context));
    let rounds = applier(reconcile, after_failure, context, servers, queue, config);
    ready.store(true, Ordering::Relaxed);
    rounds
        .for_each(|round| async move {
            // What a round failed of was logged by `after_failure`; an object that is gone is no failure.
            if let Ok((object, _)) = round {
                tracing::debug!(%object, "a round is complete");
            }
        })
        .await;
}

/// A name that no other process has, not even the same container after a restart.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "mailward-controller".to_owned());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{host}_{}_{}", std::process::id(), since.as_millis())
}
