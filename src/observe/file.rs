//! Small files that a probe needs: certificates and passwords.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use crate::protocol::{Credentials, CredentialsError};

/// The longest password file; what follows the first line may be a comment.
const SECRET_LIMIT: usize = 4 * 1024;

/// Why a login cannot be made. Never says what is in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("others may read it (mode {0:04o}): chmod 600")]
    Mode(u32),
    #[error("it belongs to user {0}, who is neither root nor the agent's user")]
    Owner(u32),
    #[error("its first line is no password: {0}")]
    Form(#[from] CredentialsError),
    #[error("it is not UTF-8")]
    Encoding,
}

/// A regular file of at most `limit` bytes. Opened without waiting, so that a FIFO of that name blocks nobody.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    whole(&mut opened(path)?, limit)
}

/// The first line of a file that only its owner may read, who is root or this process.
pub(super) fn credentials(user: &str, path: &Path) -> Result<Credentials, SecretError> {
    let mut file = opened(path)?;
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 {
        return Err(SecretError::Mode(metadata.mode() & 0o7777));
    }
    if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(SecretError::Owner(metadata.uid()));
    }
    let bytes = whole(&mut file, SECRET_LIMIT)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::Encoding)?;
    let first = text.lines().next().unwrap_or_default();
    Ok(Credentials::new(user, first)?)
}

fn opened(path: &Path) -> io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = std::fs::File::from(open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

fn whole(file: &mut std::fs::File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}
