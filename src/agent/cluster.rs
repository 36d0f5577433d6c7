//! Under an HA manager ([R22]): what the agent does not do for a person who does not ask the manager.

use super::turns::Agent;
use crate::engine::{Order, Verb, Whom};
use crate::observe::surroundings;
use crate::policy::cluster::{Said, Surroundings, detect};

/// What is known of a manager.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// By the document that is in force.
    pub(super) said: Said,
    /// By what the agent was started from: a parent that is gone by now, a cluster's environment.
    pub(super) born: Surroundings,
}

impl Agent {
    /// The refusal of an order that only a cluster manager may give; none for one that a person may.
    pub(super) fn refused_for_manager(&self, order: &Order) -> Option<String> {
        let of_everything = order.whom == Whom::All;
        match order.verb {
            Verb::Start | Verb::Stop | Verb::Restart | Verb::Hold if of_everything => self.manager_says_no(),
            Verb::Start | Verb::Stop | Verb::Restart | Verb::Hold | Verb::Reload | Verb::Release | Verb::Reset => None,
        }
    }

    /// The words, where a manager is in charge.
    pub(super) fn manager_says_no(&self) -> Option<String> {
        let born = self.cluster.born.clone();
        let now = surroundings::surroundings();
        let seen = Surroundings { pacemaker: now.pacemaker, commands: now.commands, ..born };
        detect(&self.cluster.said, &seen).map(|detected| detected.refusal())
    }
}
