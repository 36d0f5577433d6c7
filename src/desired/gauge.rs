//! What rounds of probes measure beside the services: the room on disks, and messages that wait in queues.
//!
//! No service hangs on what is measured; it is reported, and nothing is restarted for it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Name;

/// Everything that is measured, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// In the order of the document: disks, then queues.
    pub list: Vec<Gauge>,
    /// Time between two measurements; none where somebody asks for them.
    pub period: Option<Duration>,
    /// A file system that has not answered after this long is not waited for.
    pub timeout: Duration,
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// For people, and unique: `disk /var/mail`, `queue outgoing`.
    pub name: Name,
    /// What is measured there, and what is too little or too much.
    pub of: Measured,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The room on the file system of a path.
    Disk {
        /// A path on it.
        path: String,
        /// Less free room is too little.
        room: Option<Reserve>,
        /// Fewer free inodes are too few.
        inodes: Option<Reserve>,
    },
    /// Messages that wait.
    Queue {
        /// How they lie there.
        kind: QueueKind,
        /// The folder.
        path: String,
        /// More are too many.
        messages: Option<u32>,
        /// Longer is too long.
        age: Option<Duration>,
    },
}

/// What must stay free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// This many percent of the whole, 1 to 99.
    Percent(u8),
    /// Bytes, or inodes.
    Amount(u64),
}

/// How messages lie in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QueueKind {
    /// As Postfix keeps them: hold, deferred, active, incoming and maildrop, each counted. Age is time since arrival.
    Postfix,
    /// A file a message, in the folder and in those below it, three deep at most. Age is time since the file was last
    /// written.
    Directory,
}
