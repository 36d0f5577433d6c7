//! What one listener answered when it was asked once ([R8]).
//!
//! Made by `observe` from the verdict of a `protocol` dialogue; judged by the planner. Each kind is a fact of its own,
//! because each has other consequences: only silence, a refused connection and a close before the greeting are signs of
//! a hang; an answer that says no is an answer; and what the prober itself could not find out says nothing at all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Name;

/// One question to one listener, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which listener: its place among the enabled listeners of the service, in the order of the document; the number
    /// after the last is the command's.
    pub listener: u16,
    /// From the first attempt to connect to what was heard; with [`Heard::Silent`] how long was waited.
    pub took: Duration,
    /// What came back.
    pub heard: Heard,
}

impl Heard {
    /// Its kind in one word, as `mailward probe` prints it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Served => "Served",
            Self::Refused(_) => "Refused",
            Self::BadCertificate(_) => "BadCertificate",
            Self::Violation(_) => "Violation",
            Self::Silent => "Silent",
            Self::NotListening(_) => "NotListening",
            Self::ClosedEarly(_) => "ClosedEarly",
            Self::Unknown(_) => "Unknown",
        }
    }

    /// What is said beside the kind.
    pub fn words(&self) -> Option<&Name> {
        match self {
            Self::Served | Self::Silent => None,
            Self::Refused(words)
            | Self::BadCertificate(words)
            | Self::Violation(words)
            | Self::NotListening(words)
            | Self::ClosedEarly(words)
            | Self::Unknown(words) => Some(words),
        }
    }

    /// Whether it is a sign of a hang.
    pub fn is_sign_of_hang(&self) -> bool {
        match self {
            Self::Silent | Self::NotListening(_) | Self::ClosedEarly(_) => true,
            Self::Served | Self::Refused(_) | Self::BadCertificate(_) | Self::Violation(_) | Self::Unknown(_) => false,
        }
    }
}

/// What came back from a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heard {
    /// It speaks its protocol and serves.
    Served,
    /// It speaks its protocol and says no (421, BYE, -ERR, 503); what it said, printable and cut. An answer.
    Refused(Name),
    /// It serves behind a certificate that is not good (expired, another name, not trusted), in words. An answer.
    BadCertificate(Name),
    /// It does not speak its protocol, or the command that asked it exited with another code than 0, in words. An answer.
    Violation(Name),
    /// Nothing, over the whole time-out. A sign of a hang.
    Silent,
    /// Nobody accepts connections there, in words. A sign of a hang.
    NotListening(Name),
    /// It accepted and closed before a whole greeting. A sign of a hang.
    ClosedEarly(Name),
    /// The prober could not ask (no descriptor, no route, no secret), in words. Says nothing about the service.
    Unknown(Name),
}
