//! What survives a killed agent, on disk.
//!
//! Two places, because two things end them: the *journal* in the runtime folder holds the marks and is void after a
//! reboot, so it is not synced and costs one write before a restart; the state folder holds what a reboot must not
//! end (holds by `hold`, the last good document, how far schedules were followed) and is synced, off the loop.
//!
//! A journal that is torn, empty, of another boot or pid namespace, or of a newer version is never an error and never
//! proof of a process: the agent starts without what it cannot read, and looks.

pub mod evidence;
mod journal;
mod state;
#[cfg(test)]
mod tests;

pub use journal::{Changed, Epoch, Journal, Kept, Worth, read};
pub use state::State;

use std::path::PathBuf;

/// What cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A folder cannot be made.
    #[error("the folder {path} cannot be made")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path} cannot be written; what happens from now on is lost if the agent is killed")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
