//! What a run of the mail canary found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One run, hop by hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryRun {
    /// When it began, RFC 3339.
    pub time: String,
    /// The hops in the order of the message, as far as it came.
    pub hops: Vec<CanaryHop>,
}

/// One hop of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryHop {
    /// Which.
    pub hop: Hop,
    /// How long it took, or was waited for.
    pub took_ms: u64,
    /// How it went.
    pub outcome: HopOutcome,
    /// In words, where there is more to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

/// The way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hop {
    /// It is handed in.
    Smtp,
    /// Whether its recipient is taken where it is delivered.
    Lmtp,
    /// From handed in until it lies in the mailbox.
    Queue,
    /// Login and search.
    Imap,
    /// Deletion.
    Delete,
}

impl Hop {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Queue => "queue",
            Self::Imap => "imap",
            Self::Delete => "delete",
        }
    }
}

/// How a hop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HopOutcome {
    /// The message passed it.
    Passed,
    /// The message did not pass it; the last hop of its run.
    Broke,
    /// The prober could not ask; the last hop of its run, and nothing is said of the mail server.
    Unknown,
}

impl CanaryRun {
    /// The hop that broke, with its words.
    pub fn broken(&self) -> Option<&CanaryHop> {
        self.hops.iter().find(|hop| hop.outcome == HopOutcome::Broke)
    }

    /// Whether the message came through and is gone again.
    pub fn came_through(&self) -> bool {
        self.hops.last().is_some_and(|hop| hop.hop == Hop::Delete && hop.outcome == HopOutcome::Passed)
    }

    /// The broken hop in a sentence that holds no time, so that it stays the same while the same is broken.
    pub fn finding(&self) -> Option<String> {
        let broken = self.broken()?;
        Some(format!("the canary broke at {}: {}", broken.hop.word(), broken.words))
    }
}
