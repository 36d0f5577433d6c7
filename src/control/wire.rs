//! What goes over the wire and is not said elsewhere: the status types, forecasts and happenings travel as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::Ending;
use crate::engine::{Accepted, Answer, Order, Verb, Whom};
use crate::model::Name;

/// An order to the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderRequest {
    /// What.
    pub verb: Verb,
    /// To whom; every service that the verb makes sense for when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub services: Option<Vec<String>>,
    /// KILL at once for a stop; no configuration check for a restart.
    #[serde(default)]
    pub force: bool,
    /// It comes from the agent of a cluster manager, as `start-msg ha` does: without it an order to everything is refused
    /// where a manager is in charge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_manager: bool,
}

/// A round of probes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeRequest {
    /// Whom; every probed service that is wanted when absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// What became of an order, one for each service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The name that was ordered.
    pub service: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What a command ends with: 0, 64 unknown, 69 waits or cannot, 78 disabled.
    pub exit_code: u8,
    /// One sentence; empty where there is nothing to say.
    pub message: String,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is being done.
    Doing,
    /// It was so already.
    AlreadySo,
    /// It is not done, or not now.
    Refused,
}

/// What was decided about a service, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The service.
    pub service: String,
    /// The chain of causes, a sentence each.
    pub sentences: Vec<String>,
}

/// How the agent is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Whether the services are stopped in order first; otherwise they run on and the next agent adopts them.
    #[serde(default)]
    pub stop_services: bool,
    /// Whether the agent's process goes on, as the program that is installed now, and adopts the services. Not together
    /// with `stopServices`.
    #[serde(default)]
    pub renew: bool,
}

impl End {
    /// What is meant; nothing where the two contradict each other.
    pub(super) fn ending(self) -> Option<Ending> {
        match (self.stop_services, self.renew) {
            (true, false) => Some(Ending::Everything),
            (false, false) => Some(Ending::AgentAlone),
            (false, true) => Some(Ending::InPlace),
            (true, true) => None,
        }
    }
}

impl From<Ending> for End {
    fn from(ending: Ending) -> Self {
        Self { stop_services: ending == Ending::Everything, renew: ending == Ending::InPlace }
    }
}

impl From<OrderRequest> for Order {
    fn from(request: OrderRequest) -> Self {
        let OrderRequest { verb, services, force, by_manager: _ } = request;
        let whom = services
            .map_or(Whom::All, |names| Whom::These(names.into_iter().map(|name| Name::from(name.as_str())).collect()));
        Self { verb, whom, force }
    }
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        let service = answer.service.to_string();
        match answer.outcome {
            Ok(Accepted::Doing) => Self { service, outcome: Outcome::Doing, exit_code: 0, message: String::new() },
            Ok(Accepted::AlreadySo) => {
                Self { service, outcome: Outcome::AlreadySo, exit_code: 0, message: String::new() }
            }
            Err(refusal) => Self {
                service,
                outcome: Outcome::Refused,
                exit_code: refusal.exit_code(),
                message: refusal.to_string(),
            },
        }
    }
}
