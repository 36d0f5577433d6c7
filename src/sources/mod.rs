//! Where declarations come from: the document's file, and the files that a service says it reads. An agent in a pod
//! follows a [`Resource`] instead of a file; that is watched by the room `kubernetes`.
//!
//! Touches files and inotify, decides nothing: a document that cannot be read is a [`Candidate`] with an error, and
//! what follows from it (the last good one stays in force, [R18]) is for the agent loop, which is the only caller.
//!
//! Everything here happens on one thread of its own with one inotify instance: a path may lie on a file system that
//! hangs, and the loop that supervises processes must not hang with it. At rest the thread sleeps without a deadline, and
//! so does the one of `notify`: the kernel is asked for changes only, not for opens and reads.
//!
//! What is noticed: a write in place, a rename over the file, a symlink swapped (also the `..data` of a Kubernetes config
//! map), deletion and recreation, the folder itself replaced or missing, a file mounted by itself into a container. What
//! is not: the renaming of a folder above the file's own (watching `/etc` for it would wake the agent whenever anything
//! there changes), and a change made by another host on a network file system, which inotify(7) never tells.

pub mod file;
mod folders;
mod inbox;
pub mod resource;
mod settle;
#[cfg(test)]
mod tests;
mod thread;
mod trail;
pub mod watch_files;

pub use file::{Candidate, Origin, SourceError};
pub use resource::{Resource, ResourceError};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::Name;
use crate::plan::Event;
use inbox::{Command, Inbox};

/// The files of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSet {
    /// Whose they are.
    pub service: Name,
    /// Absolute paths; any may be missing, a symlink, or a folder (then the files directly in it count).
    pub paths: Vec<PathBuf>,
}

/// How patient the watching is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// So long nothing may have happened to a file before it is read.
    quiet: Duration,
    /// But after this long it is read in any case.
    longest: Duration,
    /// How often everything is read where inotify cannot be had.
    poll: Duration,
}

const PACE: Pace =
    Pace { quiet: Duration::from_millis(50), longest: Duration::from_secs(1), poll: Duration::from_secs(5) };

/// The watching; dropping it ends it.
#[derive(Debug)]
pub struct Sources {
    inbox: Arc<Inbox>,
}

impl Sources {
    /// Begins with the document's file, when there is one: its content, or why it has none, is the first
    /// [`Candidate`]; each change that leaves another content is one more. `events` gets [`Seen::Files`] for the
    /// services that [`Sources::watch`] names.
    ///
    /// Where the kernel has no inotify instance or watch left (EMFILE, ENOSPC), or refuses one, everything is read every
    /// 5 seconds instead; that is logged once, and once when it is over.
    ///
    /// # Errors
    /// No thread could be started, or the working directory is gone and the path relative.
    ///
    /// [`Seen::Files`]: crate::plan::Seen::Files
    pub fn start(
        document: Option<&Path>,
        candidates: mpsc::Sender<Candidate>,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        Self::start_with(document, candidates, events, folders::inotify, PACE)
    }

    fn start_with(
        document: Option<&Path>,
        candidates: mpsc::Sender<Candidate>,
        events: mpsc::Sender<Event>,
        open: folders::Open,
        pace: Pace,
    ) -> io::Result<Self> {
        let document = document.map(std::path::absolute).transpose()?;
        let inbox = Arc::new(Inbox::default());
        let watching = thread::Watching::new(Arc::clone(&inbox), document, candidates, events, open, pace);
        std::thread::Builder::new().name("mailward-files".to_owned()).spawn(move || watching.run())?;
        Ok(Self { inbox })
    }

    /// From now on these are the watched files. A service that is new here gets its fingerprint told once; one whose
    /// paths changed, only when the fingerprint did; one that is no longer named is forgotten.
    pub fn watch(&self, sets: Vec<WatchSet>) {
        self.inbox.command(Command::Watch(sets));
    }

    /// Reads the document now and tells its content even if it is the old one: a person asked.
    pub fn reread(&self) {
        self.inbox.command(Command::Reread);
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.inbox.command(Command::Stop);
    }
}
