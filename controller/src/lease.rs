//! Leader election: one operator of several works, by a Lease of `coordination.k8s.io`.
//!
//! Effect. Clocks of two machines are never compared: a lease is over when it has not changed for its whole time here.
//! Whoever cannot renew in time says so, and its process ends before another may begin.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;

/// Name of the lease.
pub const NAME: &str = "mailward-controller";
/// How long it holds without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// When the holder gives up: before somebody else could begin.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Time between two looks.
pub const PERIOD: Duration = Duration::from_secs(2);

/// Why nothing is known of the lease.
#[derive(Debug, Error)]
pub enum Failure {
    /// The API server does not say.
    #[error("the lease cannot be read or written")]
    Api(#[source] kube::Error),
    /// It does not answer in time.
    #[error("the API server does not answer about the lease")]
    Late,
}

/// Who has the lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This operator.
    Ours,
    /// Another one, or nobody yet.
    Theirs,
}

/// What was last seen of the lease, and when it last changed.
#[derive(Clone, Debug)]
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// One that would like to lead.
pub struct Candidate {
    api: Api<Lease>,
    identity: String,
    seen: Option<Seen>,
}

impl Candidate {
    /// In this namespace, under a name that no other process has.
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), identity: identity.to_owned(), seen: None }
    }

    /// Takes the lease where it is free or over, renews it where it is ours.
    pub async fn step(&mut self) -> Result<Turn, Failure> {
        tokio::time::timeout(DEADLINE / 2, self.look()).await.unwrap_or(Err(Failure::Late))
    }

    /// Looks, and once more where somebody wrote meanwhile: that may have been a label, and what counts is the holder.
    async fn look(&mut self) -> Result<Turn, Failure> {
        match self.try_once().await? {
            Some(turn) => Ok(turn),
            None => Ok(self.try_once().await?.unwrap_or(Turn::Theirs)),
        }
    }

    /// None where somebody else wrote at the same time.
    async fn try_once(&mut self) -> Result<Option<Turn>, Failure> {
        let Some(lease) = self.api.get_opt(NAME).await.map_err(Failure::Api)? else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.held(None)) };
            return taken(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.metadata.resource_version.clone();
        let since = match &self.seen {
            Some(seen) if seen.version == version => seen.since,
            Some(_) | None => Instant::now(),
        };
        self.seen = Some(Seen { version, since });
        if !may_take(lease.spec.as_ref(), &self.identity, since.elapsed()) {
            return Ok(Some(Turn::Theirs));
        }
        let next = Lease { spec: Some(self.held(lease.spec.as_ref())), ..lease };
        // It carries the version that was read, so that of two that try one fails.
        taken(self.api.replace(NAME, &PostParams::default(), &next).await)
    }

    /// Gives it back, so that another need not wait.
    pub async fn release(&self) -> Result<(), Failure> {
        let give_back = async {
            let Some(mut lease) = self.api.get_opt(NAME).await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
            else {
                return Ok(());
            };
            spec.holder_identity = None;
            self.api.replace(NAME, &PostParams::default(), &lease).await.map(drop)
        };
        let answer = tokio::time::timeout(DEADLINE / 2, give_back).await;
        answer.map_or(Err(Failure::Late), |answer| answer.map_err(Failure::Api))
    }

    fn held(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let ours = before.is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let acquired = before.filter(|_| ours).and_then(|spec| spec.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours || before.is_none() { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }
}

/// Whether a lease may be taken: ours, nobody's, or one that has not changed for its whole time.
fn may_take(lease: Option<&LeaseSpec>, identity: &str, unchanged: Duration) -> bool {
    let Some(lease) = lease else { return true };
    let holder = lease.holder_identity.as_deref().unwrap_or_default();
    let seconds = lease.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    holder.is_empty() || holder == identity || unchanged > seconds.map_or(DURATION, Duration::from_secs)
}

fn taken(answer: kube::Result<Lease>) -> Result<Option<Turn>, Failure> {
    match answer {
        Ok(_) => Ok(Some(Turn::Ours)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(Failure::Api(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec { holder_identity: Some(holder.to_owned()), lease_duration_seconds: Some(15), ..LeaseSpec::default() }
    }

    #[test]
    fn a_lease_of_another_is_taken_only_after_its_whole_time() {
        let other = held_by("other");
        assert!(!may_take(Some(&other), "me", Duration::from_secs(15)));
        assert!(may_take(Some(&other), "me", Duration::from_millis(15_001)));
    }

    #[test]
    fn a_lease_that_is_ours_or_nobodys_is_taken_at_once() {
        for lease in [None, Some(held_by("me")), Some(held_by("")), Some(LeaseSpec::default())] {
            assert!(may_take(lease.as_ref(), "me", Duration::ZERO), "{lease:?}");
        }
    }

    #[test]
    fn the_holder_gives_up_before_another_may_begin() {
        assert!(DEADLINE + PERIOD < DURATION);
    }
}
