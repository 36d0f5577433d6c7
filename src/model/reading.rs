//! What a gauge read of a disk or a queue, and what that is taken to be.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Name;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Of a disk.
    Disk {
        /// Bytes.
        room: Share,
        /// Inodes; of none where the file system makes them as it needs them.
        inodes: Share,
    },
    /// Of a queue.
    Queue {
        /// What waits, by folder.
        folders: Vec<Waiting>,
        /// Whether everything was counted.
        whole: bool,
    },
    /// Nothing could be read, in words.
    Unknown(Name),
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What is free to use for others than root.
    pub free: u64,
    /// That, and what is used.
    pub total: u64,
}

/// Messages of one folder of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// `deferred`; empty where the queue is one folder.
    pub folder: &'static str,
    /// How many.
    pub messages: u64,
    /// How long the oldest has waited; none where none waits, or where nobody asked.
    pub oldest: Option<Duration>,
}

/// What a reading is taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    /// Within its thresholds.
    Within,
    /// Beyond one of them.
    Crossed,
    /// It could not be measured.
    Unknown,
}
