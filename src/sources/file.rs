//! The document's file, read within bounds.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Most bytes that are read of a document: its limit of 1 MiB and one more, so that whoever judges it sees that the
/// limit is passed and says so in its own words.
pub const READ_LIMIT: u64 = 1024 * 1024 + 1;

/// A document that may or may not be a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it says, at most [`READ_LIMIT`] bytes; or why nothing could be read.
    pub bytes: Result<Vec<u8>, SourceError>,
    /// Where it is from, for messages.
    pub origin: Origin,
}

/// Where a document is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This file, by its absolute path.
    File(PathBuf),
    /// A resource of an API server.
    Resource {
        /// Which, for messages.
        words: String,
        /// Its `metadata.generation`.
        generation: i64,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Resource { words, .. } => f.write_str(words),
        }
    }
}

/// Why a document could not be read. None of these ever means "no services" ([R18]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there, or a symlink leads nowhere.
    #[error("the file does not exist; write it there, or name another with --config")]
    Missing,
    /// A folder, a pipe or a device is there.
    #[error("this is not a regular file; a document is read again at each change, so it must be one")]
    NotAFile,
    /// The system refused.
    #[error("the file cannot be read")]
    Unreadable(#[source] Errno),
    /// The API server knows no such resource, or it was deleted. Its pods are stopped by TERM, never by this.
    #[error("there is no such resource; the services run on")]
    Gone,
    /// The API server does not let this agent read it.
    #[error("the API server forbids to read it; the services run on")]
    Forbidden,
    /// The API server does not answer, or not as it should.
    #[error("the API server does not answer")]
    Away,
}

impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            _ => Self::Unreadable(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
}

/// Reads a document's file as it is now.
pub fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let (file, metadata) = open(path)?;
    if !metadata.is_file() {
        return Err(SourceError::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens anything without waiting: a pipe without a writer would block the open for ever (fifo(7)).
pub(super) fn open(path: &Path) -> io::Result<(File, std::fs::Metadata)> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}
