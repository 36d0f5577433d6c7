//! Signals of the agent's own threads: kept out, or read from a descriptor.

use std::ffi::c_int;
use std::os::fd::{FromRawFd, OwnedFd};

/// Blocks every signal in the calling thread: what a thread that makes children does first.
pub(in crate::supervise) fn block_signals() {
    // SAFETY: the set is a local that sigfillset initialises; the call cannot fail with these arguments.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

fn set_of(signals: &[c_int]) -> libc::sigset_t {
    // SAFETY: the set is a local that sigemptyset initialises.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// Blocks these signals in the calling thread and in those that it starts.
pub(in crate::supervise) fn block(signals: &[c_int]) {
    let set = set_of(signals);
    // SAFETY: the set is initialised; the call cannot fail with these arguments.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Whether the calling thread blocks a signal.
pub(in crate::supervise) fn is_blocked(signal: c_int) -> bool {
    let mut now = set_of(&[]);
    // SAFETY: without a new set the call only fills the local.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut now);
        libc::sigismember(&raw const now, signal) == 1
    }
}

/// Blocks these signals in the calling thread and gives a descriptor to read them from (signalfd(2)).
pub(in crate::supervise) fn take_signals(signals: &[c_int]) -> std::io::Result<OwnedFd> {
    block(signals);
    let set = set_of(signals);
    // SAFETY: the set is initialised; a descriptor that is not negative is new and ours alone.
    unsafe {
        match libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) {
            descriptor if descriptor >= 0 => Ok(OwnedFd::from_raw_fd(descriptor)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}
