//! The agent's second front door ([R25], [R27], [R28]): its own resource is watched, its own entry of the status is
//! written, and what matters is told as Events.
//!
//! Talks to one API server, decides nothing about services. Everything here runs beside the loop, on tasks of the same
//! thread: the loop is handed candidates, is asked for the entry when there is room for a write, and never waits. Every
//! request has a time-out; every failure (refused, a black hole, a bad certificate, 401, 403, 404, 410, 429) is waited
//! out with growing pauses and means nothing to the services.
//!
//! The loop is the only caller, by [`Link`].

mod events;
mod failure;
mod reasons;
mod shared;
mod status;
mod watch;

pub use reasons::{Reason, Told, reason};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kube::config::KubeConfigOptions;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, Config};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::control::Request;
use crate::engine::Happening;
use crate::sources::{Candidate, Resource};
use crate::status::ApiVitals;
use events::Bell;
use shared::Shared;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request but a watch may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The API server cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The file of `KUBECONFIG` is not good.
    #[error("the file that KUBECONFIG names cannot be used")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// Neither is this a pod with a token.
    #[error(
        "neither KUBECONFIG is set nor is there a pod's own configuration (KUBERNETES_SERVICE_HOST, token, ca.crt)"
    )]
    InCluster(#[source] kube::config::InClusterError),
    /// No client can be made of it, such as with a certificate that is none.
    #[error("no client can be made")]
    Client(#[source] kube::Error),
}

/// The agent's hold on its API server; dropping it ends what runs beside the loop.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    bell: Bell,
    tasks: Vec<JoinHandle<()>>,
}

impl Link {
    /// Begins to follow the resource: by the file that `KUBECONFIG` names, else by the pod's own configuration, whose
    /// token is read again before it expires. Candidates come from now on; `requests` is the way to the loop.
    ///
    /// # Errors
    /// There is no configuration. An API server that does not answer is no error.
    pub async fn open(
        resource: &Resource,
        candidates: mpsc::Sender<Candidate>,
        requests: mpsc::Sender<Request>,
    ) -> Result<Self, LinkError> {
        let client = client().await?;
        let of = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("mailward.dev", "v1alpha1", "MessagingServer"),
            "messagingservers",
        );
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &resource.namespace, &of);
        let shared = Arc::new(Shared::default());
        let (bell, rung) = events::bell();
        let tasks = vec![
            tokio::spawn(watch::follow(api.clone(), resource.clone(), candidates, Arc::clone(&shared))),
            tokio::spawn(status::publish(api, resource.clone(), requests, Arc::clone(&shared))),
            tokio::spawn(events::tell(client, resource.clone(), rung, Arc::clone(&shared))),
        ];
        Ok(Self { shared, bell, tasks })
    }

    /// Something that the entry tells may have changed. Costs nothing; the loop is asked for it when it can be written.
    pub fn changed(&self) {
        self.shared.changed.notify_one();
    }

    /// Tells what happened, where it is one of the reasons of an Event. Never waits: too many are dropped and counted.
    pub fn tell(&self, happening: &Happening) {
        if let Some(told) = reason(happening) {
            self.bell.ring(told, &self.shared);
        }
    }

    /// Tells that the newest document was refused.
    pub fn refused(&self, words: &str) {
        self.bell.ring(Told::refused(words), &self.shared);
        self.changed();
    }

    /// Whether the operator says that it replaces pods: an end that comes then is its own, with the time that the present
    /// document needs.
    pub fn rolls(&self) -> bool {
        self.shared.rolls.load(Ordering::Relaxed)
    }

    /// What went there so far.
    pub fn vitals(&self) -> ApiVitals {
        self.shared.vitals()
    }

    /// In words that the API server does not answer, while it does not.
    pub fn away(&self) -> Option<String> {
        self.shared.away()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn client() -> Result<Client, LinkError> {
    let mut config = if std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        Config::from_kubeconfig(&KubeConfigOptions::default()).await.map_err(LinkError::Kubeconfig)?
    } else {
        Config::incluster().map_err(LinkError::InCluster)?
    };
    config.connect_timeout = Some(CONNECT);
    // A watch is silent for long, and has a patience of its own.
    config.read_timeout = None;
    config.write_timeout = Some(ATTEMPT);
    Client::try_from(config).map_err(LinkError::Client)
}
