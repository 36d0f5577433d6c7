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
    /// Which listener: its place among the enabled listeners of the service, in the order of the document.
    pub listener: u16,
    /// From the first attempt to connect to what was heard; with [`Heard::Silent`] how long was waited.
    pub took: Duration,
    /// What came back.
    pub heard: Heard,
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
    /// It does not speak its protocol, in words. An answer.
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
