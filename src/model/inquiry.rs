//! What became of a command that asked whether a service serves ([R8], `probes.command`).
//!
//! Made by `supervise`, which ran it; `protocol::command` says what it means.

use std::time::Duration;

use super::{Exit, Name};

/// One run of a probe's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// From its start to its end, or to where it was given up.
    pub took: Duration,
    /// How it ended.
    pub end: InquiryEnd,
    /// The last of what it wrote, at most 2 KiB.
    pub said: Vec<u8>,
}

/// How a run of a probe's command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InquiryEnd {
    /// By itself, or by a signal of somebody else.
    Exited(Exit),
    /// It had not ended in its time and was killed, this much after that time was over.
    Overdue(Duration),
    /// It was not run, or not to its end, in words: no such program, no user, no descriptor. The service has no part in it.
    CutOff(Name),
}
