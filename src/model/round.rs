//! What a round of probes brings back about one service, and what it is taken to mean ([R8]).
//!
//! Facts only: whether a silence is a hang, and whether anything excuses it, is decided by `policy::health`.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Name};

/// Everything that one round brought back about one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// One for each listener that was asked, in no order.
    pub answers: Vec<Answer>,
    /// What burdened host, service and prober meanwhile.
    pub strain: Strain,
    /// External dependencies of the service that did not answer in this round.
    pub missing: Vec<Name>,
}

/// What may explain a silence and is not the doing of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// How much later than meant the prober itself came to act.
    pub late: Duration,
    /// Of the whole host; nothing where the kernel does not tell.
    pub host: Pressure,
    /// Of the service's own cgroup; nothing where it has none.
    pub cgroup: Pressure,
}

/// Pressure stall information (the kernel's `Documentation/accounting/psi.rst`): the share, in percent, of the last ten
/// seconds in which tasks waited for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Some task waited for a processor.
    pub cpu: u8,
    /// All tasks waited for memory.
    pub memory: u8,
    /// All tasks waited for input or output.
    pub io: u8,
}

impl Pressure {
    /// The resource that is most wanted, with its share.
    pub fn worst(self) -> (&'static str, u8) {
        [("cpu", self.cpu), ("memory", self.memory), ("io", self.io)]
            .into_iter()
            .max_by_key(|(_, share)| *share)
            .unwrap_or(("cpu", 0))
    }
}

/// What a round says of a service. The words name the listener and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", content = "words")]
pub enum Diagnosis {
    /// Every listener served in time.
    Answers,
    /// Every listener served, one later than the warning threshold.
    Slow(Name),
    /// It speaks its protocol and says no: an answer.
    Refuses(Name),
    /// It serves behind a certificate that is not good: an answer.
    BadCertificate(Name),
    /// It does not speak its protocol, or its command says that it does not serve: an answer.
    Violates(Name),
    /// The prober could not ask: says nothing about the service.
    Unknown(Name),
    /// It showed a sign of a hang, which something else explains: the words say what.
    Excused(Name),
    /// It showed a sign of a hang, and nothing excuses it.
    Fails(Name),
}

/// The kinds of [`Diagnosis`], without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// It answers in time.
    Answers,
    /// It answers late.
    Slow,
    /// It says no.
    Refuses,
    /// Its certificate is not good.
    BadCertificate,
    /// It answers, and wrongly.
    Violates,
    /// Nobody could ask.
    Unknown,
    /// A sign of a hang is excused.
    Excused,
    /// It failed a round.
    Fails,
}

impl Diagnosis {
    /// Its kind.
    pub fn kind(&self) -> Health {
        match self {
            Self::Answers => Health::Answers,
            Self::Slow(_) => Health::Slow,
            Self::Refuses(_) => Health::Refuses,
            Self::BadCertificate(_) => Health::BadCertificate,
            Self::Violates(_) => Health::Violates,
            Self::Unknown(_) => Health::Unknown,
            Self::Excused(_) => Health::Excused,
            Self::Fails(_) => Health::Fails,
        }
    }

    /// Whether it is an answer, of whatever kind: then a row of failed rounds is over.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Answers | Self::Slow(_) | Self::Refuses(_) | Self::BadCertificate(_) | Self::Violates(_) => true,
            Self::Unknown(_) | Self::Excused(_) | Self::Fails(_) => false,
        }
    }

    /// Whether it makes the service worse than it should be, without being a sign of a hang.
    pub fn is_degraded(&self) -> bool {
        match self {
            Self::Slow(_) | Self::Refuses(_) | Self::BadCertificate(_) | Self::Violates(_) => true,
            Self::Answers | Self::Unknown(_) | Self::Excused(_) | Self::Fails(_) => false,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => f.write_str("answers"),
            Self::Slow(words) => write!(f, "answers slowly: {words}"),
            Self::Refuses(words) => write!(f, "refuses service: {words}"),
            Self::BadCertificate(words) => write!(f, "has a certificate that is not good: {words}"),
            Self::Violates(words) => write!(f, "answers wrongly: {words}"),
            Self::Unknown(words) => write!(f, "could not be asked: {words}"),
            Self::Excused(words) => write!(f, "gave no answer, which is excused: {words}"),
            Self::Fails(words) => write!(f, "failed a round of probes: {words}"),
        }
    }
}
