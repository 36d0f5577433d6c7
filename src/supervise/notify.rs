//! `sd_notify(3)`: a datagram socket a service. What is said on it is read by [`crate::protocol::sd_notify`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::sys::{self, Received};

/// The socket of one service, kept across its lives. Its file outlives the agent: the next one binds the same path.
#[derive(Debug)]
pub(super) struct Mailbox {
    socket: OwnedFd,
    path: PathBuf,
    owner: Option<u32>,
}

impl Mailbox {
    /// Binds the socket anew; an earlier agent's file at the same path has nobody behind it.
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        let words = |what: &str, errno: rustix::io::Errno| format!("{}: {what}: {errno}", path.display());
        let address = SocketAddrUnix::new(&path).map_err(|_| {
            format!("{} is too long for a socket (107 bytes); choose a shorter runtime folder", path.display())
        })?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
            .map_err(|e| words("no socket", e))?;
        rustix::net::sockopt::set_socket_passcred(&socket, true).map_err(|e| words("no credentials", e))?;
        let _ = std::fs::remove_file(&path);
        rustix::net::bind(&socket, &address).map_err(|e| words("the socket cannot be made", e))?;
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::chmod(&path, mode).map_err(|e| words("its mode cannot be set", e))?;
        Ok(Self { socket, path, owner: None })
    }

    /// Lets this user, besides root, write to it.
    pub(super) fn give_to(&mut self, uid: u32) {
        if self.owner != Some(uid) && chown(&self.path, Some(uid), None).is_ok() {
            self.owner = Some(uid);
        }
    }

    /// Whom it was given to.
    pub(super) fn owner(&self) -> Option<u32> {
        self.owner
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Readable when something was said.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next datagram.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<Received> {
        sys::receive(self.socket.as_fd(), buffer)
    }

    /// Throws away what an earlier life said and nobody has read.
    pub(super) fn discard(&self) {
        let mut buffer = [0u8; 16];
        while self.receive(&mut buffer).is_some() {}
    }
}
