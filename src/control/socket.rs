//! The socket file: made by the agent, told apart from what a killed agent left.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::Access;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers there.
    #[error("another agent answers on {0}; stop it first, or use another runtime folder")]
    Taken(PathBuf),
    /// What stands there is no socket, and is left alone.
    #[error("{0} is no socket; remove it, or use another runtime folder")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot listen on {path}")]
    System {
        /// The socket.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Makes the control socket. A socket file on which nobody answers was left by a killed agent and is replaced.
///
/// # Errors
/// Another agent answers there, something else stands there, or the system refuses.
pub async fn listen(path: &Path, access: &Access) -> Result<UnixListener, ListenError> {
    let system = |source| ListenError::System { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path).await {
            Ok(_) => return Err(ListenError::Taken(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(system)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(system(source)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(system(source)),
    }
    let listener = UnixListener::bind(path).map_err(system)?;
    let_others_read(path, access, access.others_may_read()).map_err(system)?;
    Ok(listener)
}

/// Says from now on whether others may look: connecting to a Unix socket takes write permission on its file (unix(7)),
/// so readers need the mode as well; what they may do is decided by their credentials.
///
/// # Errors
/// The mode cannot be changed; the rule itself is changed all the same.
pub fn let_others_read(path: &Path, access: &Access, others_may_read: bool) -> io::Result<()> {
    access.set_others_may_read(others_may_read);
    let mode = if others_may_read { 0o666 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
