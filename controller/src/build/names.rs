//! What the objects of a resource are called.

use crate::kinds::Kind;

/// The names of every object of one resource.
#[derive(Clone, Debug)]
pub struct Names {
    /// The `StatefulSet`; its pods have a number more.
    pub stateful_set: String,
    /// The Service for clients.
    pub service: String,
    /// The Service that gives pods their names.
    pub headless: String,
    /// `ServiceAccount`, Role and `RoleBinding` of the agent.
    pub agent: String,
    /// The claim.
    pub claim: String,
    /// The `PodDisruptionBudget`.
    pub disruption_budget: String,
    /// The `NetworkPolicy`.
    pub network_policy: String,
}

impl Names {
    /// Of the resource with this name.
    pub fn of(name: &str) -> Self {
        Self {
            stateful_set: name.to_owned(),
            service: name.to_owned(),
            headless: format!("{name}-pods"),
            agent: format!("{name}-mailward"),
            claim: format!("{name}-data"),
            disruption_budget: name.to_owned(),
            network_policy: name.to_owned(),
        }
    }

    /// Every one, by kind.
    pub fn all(&self) -> [(Kind, String); 9] {
        let Self { stateful_set, service, headless, agent, claim, disruption_budget, network_policy } = self.clone();
        [
            (Kind::StatefulSet, stateful_set),
            (Kind::Service, service),
            (Kind::Service, headless),
            (Kind::ServiceAccount, agent.clone()),
            (Kind::Role, agent.clone()),
            (Kind::RoleBinding, agent),
            (Kind::Claim, claim),
            (Kind::DisruptionBudget, disruption_budget),
            (Kind::NetworkPolicy, network_policy),
        ]
    }
}
