//! The agent's process goes on as another program (same pid, same children, nothing else of it stays), and the signals that
//! tell the agent something, which must outlive that.
//!
//! Decides nothing. Called by the agent: at its begin, in its loop, and last in its way out.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::sys;

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// TERM or INT: stop everything and end.
    End,
    /// HUP: read the files again.
    Reopen,
}

/// From now on TERM, INT and HUP wait until they are read from this descriptor ([`next_signal`]), and CHLD until the host
/// reads it. For the calling thread and those that it starts: it must be the first, or another would be ended by them.
pub fn take_signals() -> io::Result<OwnedFd> {
    sys::block(&[libc::SIGCHLD]);
    sys::take_signals(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])
}

/// The next signal that waits; none when there is none.
pub fn next_signal(descriptor: impl AsFd) -> io::Result<Option<Told>> {
    // struct signalfd_siginfo: 128 bytes, the first four of which are the number (signalfd(2)).
    let mut info = [0u8; 128];
    match rustix::io::read(descriptor, &mut info) {
        Ok(_) => {
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            Ok(Some(if i32::try_from(number) == Ok(libc::SIGHUP) { Told::Reopen } else { Told::End }))
        }
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Replaces the program of this process, with these words (the name it is called by among them) and the same environment.
/// It returns only when that fails, and says why. Signals that are taken wait for the successor.
pub fn succeed(program: &Path, words: &[OsString]) -> io::Error {
    let program = CString::new(program.as_os_str().as_bytes());
    let words: Result<Vec<CString>, _> = words.iter().map(|word| CString::new(word.clone().into_vec())).collect();
    let (Ok(program), Ok(words)) = (program, words) else {
        return io::Error::new(io::ErrorKind::InvalidInput, "a path or a word with a NUL in it");
    };
    sys::execute(&program, &words)
}
