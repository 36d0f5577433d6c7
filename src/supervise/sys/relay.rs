//! The handler that tells of signals with who sent them: only the kernel's own word says whether the terminal has sent
//! one to the whole process group, or somebody to this process alone.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the handler writes; -1 for nowhere.
static RELAY: AtomicI32 = AtomicI32::new(-1);

/// Runs on any thread at any moment: one system call, and the interrupted code's error number put back.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let relay = RELAY.load(Ordering::Relaxed);
    if relay >= 0 {
        // SAFETY: write(2) is async-signal-safe; the bytes are a local; sigaction(2) gives a valid structure to a handler
        // with SA_SIGINFO; the descriptor is a pipe that its owner never closes.
        unsafe {
            let number = *libc::__errno_location();
            // Whoever sends by kill(2), tkill(2) or sigqueue(3) shows as zero or less, the kernel as more.
            let by_kernel = u8::from((*info).si_code > 0);
            let bytes = [u8::try_from(signal).unwrap_or(0), by_kernel];
            libc::write(relay, bytes.as_ptr().cast(), 2);
            *libc::__errno_location() = number;
        }
    }
}

/// From now on these signals are written to this pipe, two bytes each: the number, and whether the kernel sent it. One
/// that is ignored stays so, as whoever started us wished (nohup(1)).
pub(in crate::supervise) fn relay_signals(signals: &[c_int], to: BorrowedFd<'_>) {
    RELAY.store(to.as_raw_fd(), Ordering::Relaxed);
    for signal in signals {
        // SAFETY: the structures are zeroed and filled as sigaction(2) describes; the handler does only what it may.
        unsafe {
            let mut before = std::mem::zeroed::<libc::sigaction>();
            libc::sigaction(*signal, std::ptr::null(), &raw mut before);
            if before.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP | libc::SA_SIGINFO;
            libc::sigaction(*signal, &raw const action, std::ptr::null_mut());
        }
    }
}
