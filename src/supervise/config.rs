//! What a host is given and finds around it, and what it answers beside events.

use std::path::PathBuf;

use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::FdFlags;

pub use super::order::Own;
use crate::model::{Identity, Incarnation};

/// How a host works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// For pipes and sockets; on a tmpfs, kept from agent to agent.
    pub runtime_dir: PathBuf,
    /// For the services' own output, a file each.
    pub log_dir: PathBuf,
    /// Bytes after which a log file is rotated; zero for never.
    pub rotate_size: u64,
    /// Rotated files that are kept.
    pub keep: u32,
    /// Tells this agent's services from those of another agent on the machine: `[A-Za-z0-9_.-]`, at most 64.
    pub instance: String,
    /// Whether cgroups are used where they may be.
    pub cgroups: bool,
    /// What commands that are this program, or ask this agent, are given.
    pub own: Own,
    /// Whether this process takes in orphans and reads their exit status. True in the agent, which has no other
    /// children; false in a process that starts some by other means.
    pub orphans: bool,
}

impl HostConfig {
    /// The FIFO of a service's output.
    pub(super) fn output_of(&self, name: &str) -> PathBuf {
        self.runtime_dir.join("out").join(name)
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A folder cannot be made.
    #[error("the folder {path} cannot be made; choose another or make it writable")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel refuses something that nothing works without.
    #[error("the kernel gives no {what}; Linux 5.9 or later is needed")]
    Kernel {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Characters that cannot be part of a file name and a marker.
    #[error("the instance name `{0}` must be 1 to 64 characters of A-Z a-z 0-9 _ . -")]
    Instance(String),
}

/// What the ledger remembers of a life, for a look. It must be of this boot: the caller compares boot ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The last one begun.
    pub incarnation: Incarnation,
    /// Its main process; none when the agent was killed before it could write that down.
    pub identity: Option<Identity>,
}

/// Whether everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Nothing is left; wait for the descriptor.
    Dry,
    /// There is more (a service floods its output): drain again on the next turn without waiting.
    More,
}

/// Whether the out-of-memory killer is told to spare this process.
pub(super) fn protected() -> bool {
    std::fs::read_to_string("/proc/self/oom_score_adj")
        .is_ok_and(|text| text.trim().parse::<i32>().is_ok_and(|score| score < 0))
}

/// Whether descriptor 0 is `/dev/null` (character device 1:3), and goes on to a child's program.
pub(super) fn input_is_null() -> bool {
    let input = rustix::stdio::stdin();
    let is_null = |about: Stat| {
        FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice
            && about.st_rdev == rustix::fs::makedev(1, 3)
    };
    rustix::fs::fstat(input).is_ok_and(is_null)
        && rustix::io::fcntl_getfd(input).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
        && rustix::fs::fcntl_getfl(input).is_ok_and(|flags| !flags.contains(OFlags::WRONLY))
}
