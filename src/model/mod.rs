//! The words every other room speaks: identities, time, facts and exits.
//!
//! Decides nothing and touches nothing; depends on no other module of the crate. Everybody uses it.

mod answer;
mod certificate;
mod exit;
mod fact;
mod fingerprint;
mod inquiry;
mod reading;
mod round;
mod time;

pub use answer::{Answer, Heard};
pub use certificate::{Certificate, Loaded};
pub use exit::Exit;
pub use fact::{Doubt, Fact};
pub use fingerprint::Fingerprint;
pub use inquiry::{Inquiry, InquiryEnd};
pub use reading::{Level, Reading, Share, Waiting};
pub use round::{Diagnosis, Health, Pressure, Round, Strain};
pub use time::{Boot, Minute, Now, Wall};

use serde::{Deserialize, Serialize};

/// The name of a service as the document writes it: at most 63 characters of `[a-z0-9_-]`, starting with a letter.
/// Shared, because every event and every step carries one.
pub type Name = std::sync::Arc<str>;

/// Which life of a service this is. The first start of a service is incarnation 1; a number is never used twice on one
/// boot, so a late event of an earlier life cannot be taken for one of the present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The next unused number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Which life of the agent this is; a mark of an earlier life means that its effect may not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Life(pub u64);

/// What proves that a pid still means the process we started: a pid alone is reused by the kernel (pid(7)), a pid with
/// its start time (field 22 of /proc/PID/stat, in clock ticks since boot) on the same boot is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process id in the agent's own pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since boot, as /proc/PID/stat tells it.
    pub started: u64,
}
