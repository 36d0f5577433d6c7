//! The only unsafe code of Mailward: what the kernel offers and no safe wrapper has.
//!
//! A child that shares the agent's memory until it executes a program, at once or behind a gate, the handler that turns
//! `SIGCHLD` into a readable descriptor, the exit status of a process that is not our child, signals with who sent them,
//! datagrams with their sender, signals by a descriptor, another program for this process, and the keeper that outlives the
//! agent. Called by this room alone.
#![allow(unsafe_code)]

mod child;
mod clone;
mod parked;
mod relay;
mod signals;

pub(super) use clone::{Stack, spawn};
pub(super) use parked::Parked;
pub(super) use relay::relay_signals;
pub(super) use signals::{block, block_signals, is_blocked, take_signals};

use std::ffi::{CStr, CString, c_int, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::model::Exit;

/// Where the handler writes; -1 for nowhere.
static CHILD_BELL: AtomicI32 = AtomicI32::new(-1);

/// Runs on any thread at any moment: one system call, and the interrupted code's error number put back.
extern "C" fn on_child(_: c_int) {
    let bell = CHILD_BELL.load(Ordering::Relaxed);
    if bell >= 0 {
        let one = 1u64;
        // SAFETY: write(2) is async-signal-safe; the eight bytes are a local; the descriptor is an eventfd that its
        // owner keeps open until it has called `silence_children`.
        unsafe {
            let number = *libc::__errno_location();
            libc::write(bell, (&raw const one).cast(), 8);
            *libc::__errno_location() = number;
        }
    }
}

/// A descriptor that the death of any child makes readable: eight bytes of it are read at least.
///
/// Where the caller keeps `SIGCHLD` out of all threads ([`block`]), the signal is read from it: a handler would interrupt
/// the wait of the agent's loop whenever a service ends, which costs as much as the planning of the restart. Elsewhere it
/// is a handler's bell, one per process: a later call replaces it.
pub(super) fn children() -> std::io::Result<OwnedFd> {
    if is_blocked(libc::SIGCHLD) {
        return take_signals(&[libc::SIGCHLD]);
    }
    let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
    let bell = rustix::event::eventfd(0, flags)?;
    CHILD_BELL.store(bell.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: the structure is zeroed and filled as sigaction(2) describes; the handler does only what it may.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = on_child as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
        libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut());
    }
    Ok(bell)
}

/// Ends what [`children`] began, if this is still the bell.
pub(super) fn silence_children(bell: BorrowedFd<'_>) {
    let _ = CHILD_BELL.compare_exchange(bell.as_raw_fd(), -1, Ordering::Relaxed, Ordering::Relaxed);
}

/// What the kernel says of the end of a process that is not our child.
pub(super) enum Ended {
    /// Reaped, and this is how it ended.
    How(Exit),
    /// The kernel could say, but the process's parent has not reaped it yet.
    NotYet,
    /// This kernel (before 6.15) cannot say.
    Never,
}

/// Asks by `PIDFD_GET_INFO` how a process ended; the answer exists once its parent has reaped it.
pub(super) fn exit_of(pidfd: BorrowedFd<'_>) -> Ended {
    const EXIT: u64 = 1 << 3; // PIDFD_INFO_EXIT of linux/pidfd.h
    // SAFETY: the structure is plain numbers, zero is valid for all of them, and the request carries its size.
    let (answer, info) = unsafe {
        let mut info = std::mem::zeroed::<libc::pidfd_info>();
        info.mask = EXIT;
        let answer = libc::ioctl(pidfd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info);
        (answer, info)
    };
    if answer == 0 && info.mask & EXIT != 0 {
        let status = info.exit_code;
        return Ended::How(match status & 0x7f {
            0 => Exit::Code((status >> 8) & 0xff),
            signal => Exit::Signal(signal),
        });
    }
    // A kernel that knows the call but not the bit answers without it, and says ESRCH once the process is reaped.
    if answer == 0 { Ended::NotYet } else { Ended::Never }
}

/// A child that has ended and whose status nobody has read; it is left as it is.
pub(super) fn dead_child() -> Option<i32> {
    // SAFETY: the structure is a local, zero is valid for it, and si_pid is what waitid(2) fills (zero for no child).
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let answer = libc::waitid(libc::P_ALL, 0, &raw mut info, options);
        (answer == 0).then(|| info.si_pid()).filter(|pid| *pid > 0)
    }
}

/// A datagram and who sent it, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes in the buffer; a longer datagram is reported as none.
    pub(super) length: usize,
    /// The sender's pid; zero for a sender outside our pid namespace.
    pub(super) pid: i32,
    /// The sender's user id.
    pub(super) uid: u32,
}

/// Receives one datagram from a socket with `SO_PASSCRED`; descriptors sent along are closed, which is all that
/// `BARRIER=1` of `sd_notify(3)` asks for. None when there is nothing (more) to receive.
///
/// Not by rustix: its credential type cannot hold the pid zero that the kernel gives for a stranger.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Option<Received> {
    // SAFETY: the message refers to locals that outlive the call; control messages are walked by the C library's own
    // rules and read unaligned; each descriptor found is ours alone and closed once.
    unsafe {
        let mut control = [0u64; 64];
        let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut message = std::mem::zeroed::<libc::msghdr>();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = std::mem::size_of_val(&control) as _;
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
        let mut received = Received { length: usize::try_from(length).ok()?, pid: 0, uid: u32::MAX };
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let payload = libc::CMSG_DATA(header);
            let size = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if size >= size_of::<libc::ucred>() => {
                    // pid, uid and gid, four bytes each (unix(7)).
                    let [pid, uid, _] = payload.cast::<[[u8; 4]; 3]>().read();
                    received.pid = i32::from_ne_bytes(pid);
                    received.uid = u32::from_ne_bytes(uid);
                }
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for index in 0..size / size_of::<c_int>() {
                        let bytes = payload.add(index * size_of::<c_int>()).cast::<[u8; 4]>().read();
                        libc::close(c_int::from_ne_bytes(bytes));
                    }
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        if message.msg_flags & libc::MSG_TRUNC != 0 {
            received.length = 0;
        }
        Some(received)
    }
}

/// Leaves a process that copies each pipe to its log until the first descriptor is readable or no pipe has a writer.
///
/// A fork, not an exec: the program on disk may be another one by now. The child of a process with threads may call
/// only what is safe in a signal handler, so everything it needs is made before.
pub(super) fn leave_keeper(
    call: BorrowedFd<'_>,
    null: BorrowedFd<'_>,
    pipes: &[(OwnedFd, OwnedFd)],
) -> std::io::Result<()> {
    let waits = |fd: c_int| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut poll: Vec<libc::pollfd> =
        std::iter::once(waits(call.as_raw_fd())).chain(pipes.iter().map(|(pipe, _)| waits(pipe.as_raw_fd()))).collect();
    let logs: Vec<c_int> = pipes.iter().map(|(_, log)| log.as_raw_fd()).collect();
    let mut kept: Vec<c_int> = poll.iter().map(|p| p.fd).chain(logs.iter().copied()).collect();
    kept.sort_unstable();
    let mut buffer = vec![0u8; 16 * 1024];
    // SAFETY: the child calls nothing but system calls on descriptors and memory that exist, and never returns.
    unsafe {
        match libc::fork() {
            -1 => Err(std::io::Error::last_os_error()),
            0 => {
                libc::setsid();
                for standard in 0..3 {
                    libc::dup2(null.as_raw_fd(), standard);
                }
                // Everything else is the agent's: an open socket or pipe of it would look as if it lived.
                let mut from = 3;
                for fd in &kept {
                    if *fd > from {
                        libc::syscall(libc::SYS_close_range, c_long::from(from), c_long::from(*fd - 1), 0 as c_long);
                    }
                    from = from.max(*fd + 1);
                }
                libc::syscall(libc::SYS_close_range, c_long::from(from), c_long::from(u32::MAX), 0 as c_long);
                libc::prctl(libc::PR_SET_NAME, c"mailward-keep".as_ptr());
                // The agent takes them from a descriptor; the keeper just ends.
                let mut none = std::mem::zeroed::<libc::sigset_t>();
                libc::sigemptyset(&raw mut none);
                libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
                keep(&mut poll, &logs, &mut buffer)
            }
            _ => Ok(()),
        }
    }
}

/// The keeper's whole life.
unsafe fn keep(poll: &mut [libc::pollfd], logs: &[c_int], buffer: &mut [u8]) -> ! {
    // SAFETY: descriptors are open, the buffer is as long as is said; a slot is left out by a negative descriptor.
    unsafe {
        let mut open = logs.len();
        while open > 0 {
            if libc::poll(poll.as_mut_ptr(), poll.len() as libc::nfds_t, -1) < 0 {
                continue;
            }
            let Some((call, pipes)) = poll.split_first_mut() else { break };
            if call.revents & libc::POLLIN != 0 {
                break;
            }
            for (pipe, log) in pipes.iter_mut().zip(logs) {
                if pipe.revents & libc::POLLIN != 0 {
                    let length = libc::read(pipe.fd, buffer.as_mut_ptr().cast(), buffer.len());
                    if length > 0 {
                        libc::write(*log, buffer.as_ptr().cast(), length.unsigned_abs());
                    }
                } else if pipe.revents != 0 {
                    pipe.fd = -1;
                    open -= 1;
                }
            }
        }
        libc::_exit(0)
    }
}

/// Drops the pages of a mapping of a file that nobody can write: they are read from the file again when they are needed.
pub(super) fn drop_clean_pages(from: usize, to: usize) {
    // SAFETY: the caller names a private mapping of a file without write permission, so every page in it is clean and
    // equal to the file's; after MADV_DONTNEED the next access maps the same content again (madvise(2)).
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(from), to.saturating_sub(from), libc::MADV_DONTNEED);
    }
}

/// Gives free pages of the heap back to the kernel.
pub(super) fn trim_heap() {
    // SAFETY: malloc_trim(3) takes the allocator's own locks and changes nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Replaces the program of this process; its environment stays. Returns only what went wrong.
///
/// Not by the standard library: that empties the signal mask first, and a signal that waits would end the successor.
pub(super) fn execute(program: &CStr, argv: &[CString]) -> std::io::Error {
    let argv = clone::pointers(argv.iter().map(CString::as_bytes_with_nul));
    // SAFETY: the path and the words are terminated strings that outlive the call, and the array ends with a null.
    unsafe { libc::execv(program.as_ptr(), argv.as_ptr()) };
    std::io::Error::last_os_error()
}
