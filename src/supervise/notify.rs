//! `sd_notify(3)`: a datagram socket a service, and what is said on it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// One thing a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `STATUS=...`.
    Status(String),
    /// `MAINPID=...`.
    MainPid(i32),
    /// `WATCHDOG=1`: it is well.
    Watchdog,
    /// `WATCHDOG=trigger`: it says itself that it hangs.
    Hangs,
    /// `EXTEND_TIMEOUT_USEC=...`.
    Extend(Duration),
}

/// Reads a datagram; what is unknown or malformed is passed over, as the protocol demands.
pub(super) fn parse(datagram: &[u8]) -> Vec<Word> {
    String::from_utf8_lossy(datagram)
        .lines()
        .filter_map(|line| match line.split_once('=')? {
            ("READY", "1") => Some(Word::Ready),
            ("RELOADING", "1") => Some(Word::Reloading),
            ("STOPPING", "1") => Some(Word::Stopping),
            ("STATUS", text) => Some(Word::Status(text.chars().filter(|c| !c.is_control()).take(512).collect())),
            ("MAINPID", pid) => pid.parse().ok().filter(|pid| *pid > 0).map(Word::MainPid),
            ("WATCHDOG", "1") => Some(Word::Watchdog),
            ("WATCHDOG", "trigger") => Some(Word::Hangs),
            ("EXTEND_TIMEOUT_USEC", text) => text.parse().ok().map(|us| Word::Extend(Duration::from_micros(us))),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_datagram_is_understood_and_noise_is_passed_over() {
        let said = parse(b"READY=1\nSTATUS=init: replaying\x07 log\nMAINPID=77\nMAINPID=-1\nX\nWATCHDOG=1\nERRNO=2\n");
        let status = Word::Status("init: replaying log".to_owned());
        assert_eq!(said, [Word::Ready, status, Word::MainPid(77), Word::Watchdog]);
        assert_eq!(
            parse(b"WATCHDOG=trigger\nEXTEND_TIMEOUT_USEC=5000000"),
            [Word::Hangs, Word::Extend(Duration::from_secs(5))]
        );
        assert_eq!(parse(b"\xff\xfe=\n=\n\n"), []);
    }
}
