//! The same servers made of real parts from Debian: Dovecot, Postfix and nginx, each with a configuration of its own
//! in a folder of the caller's, on high ports of 127.0.0.1, in the foreground.
//!
//! Writes folders and files, starts nothing. Nothing outside the folder is written: the system's own Dovecot, Postfix
//! and nginx, if they run, are not touched. Used by `demo --with debian` and by the tests with real mail.
//!
//! Facts that shape it:
//! - Dovecot's login process finds the authentication of another instance when its first argument is that socket, and
//!   only outside its chroot; the socket's name must end in `-login`, for Dovecot tells kinds of clients by it.
//!   `imap -a SOCKET` and `pop3 -a SOCKET` then verify the login there.
//! - `postfix start-fg` is a shell with `master` as its child in a session of its own: a signal to the shell alone
//!   leaves `master` running.
//! - A folder that processes of other users work in must be open to them, so the root becomes mode 0755.

mod dovecot;
mod files;
mod nginx;
mod oracle;
mod pair;
mod postfix;
mod requirements;

pub use oracle::oracle_of_debian_parts;
pub use pair::{PairPorts, dovecot_and_postfix};
pub use requirements::{Missing, missing, missing_packages};

/// Why the files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// The path is unfit for configuration files and socket names.
    #[error("{0} cannot be the folder: use at most 60 of the characters a-z A-Z 0-9 / . _ -")]
    Folder(String),
    /// An account that a package makes.
    #[error("there is no user {0}; install the packages that missing_packages() names")]
    NoUser(&'static str),
    /// The file system said no.
    #[error("cannot write {path}")]
    File {
        /// Which file or folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}
