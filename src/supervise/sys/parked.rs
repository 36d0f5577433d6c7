//! A child that waits at its gate while whoever made it goes on.
//!
//! As the other children it shares the agent's memory until it has its program, but nobody is suspended meanwhile. So it has
//! what the suspended ones borrow: memory on the heap that stays until the kernel says that the child is out of it
//! (`CLONE_CHILD_CLEARTID`, which an exec sets off as an exit does), and thread-local memory of its own, for every failed system
//! call writes its number there. Its maker need not block signals: every handler is reset at its birth (`CLONE_CLEAR_SIGHAND`).

use std::ffi::{c_char, c_long};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicI32, Ordering};

use super::child::{Slate, processor};
use super::clone::{Making, Stack, clone3, pointers, reap, unsigned};
use crate::supervise::birth::{Born, Stillborn};
use crate::supervise::order::Order;

/// Thread-local memory above the thread pointer that a C library may take for its own: the head of its thread structure.
const HEAD: usize = 1024;
/// The most that may be below it.
const BELOW: usize = 8 * 1024;

/// Everything that the child uses.
struct Place {
    order: Box<Order>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    stack: Stack,
    tid: AtomicI32,
    /// Not zero while the child is in our memory.
    inside: AtomicI32,
}

/// Such a child.
pub(in crate::supervise) struct Parked {
    pid: libc::pid_t,
    /// Both of boxes that nobody else has; freed by [`Parked::wait`] only, for else the child would run on what is not there.
    place: *mut Place,
    slate: *mut Slate<'static>,
}

// SAFETY: whoever has it owns what it points to; nothing in there belongs to a thread.
unsafe impl Send for Parked {}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parked({})", self.pid)
    }
}

/// How far below the thread pointer the number of the last error is (above: negative); none where that is not known.
#[cfg(target_arch = "x86_64")]
#[expect(clippy::unnecessary_wraps, reason = "on other architectures it is not known")]
fn below_thread_pointer() -> Option<isize> {
    let pointer: usize;
    // SAFETY: the thread pointer is at its own first place (x86-64 ABI of thread-local storage), and both C libraries give a
    // valid pointer to the calling thread's own number.
    let errno = unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly, preserves_flags));
        libc::__errno_location() as usize
    };
    Some(pointer.wrapping_sub(errno).cast_signed())
}

#[cfg(not(target_arch = "x86_64"))]
fn below_thread_pointer() -> Option<isize> {
    None
}

impl Parked {
    /// Whether it can be made at all.
    pub(in crate::supervise) const KNOWN: bool = cfg!(target_arch = "x86_64");

    /// Makes a child that waits at the gate of its birth, in the cgroup of this folder where its birth names one; none where
    /// that cannot be done in this way.
    pub(in crate::supervise) fn make(order: Box<Order>, folder: Option<BorrowedFd<'_>>) -> Option<Self> {
        let below = below_thread_pointer()?;
        let fits = below < BELOW.cast_signed() && below > -HEAD.cast_signed();
        if order.birth.gate.is_none() || !fits || order.birth.cgroup.is_some() != folder.is_some() {
            return None;
        }
        let place = Box::into_raw(Box::new(Place {
            order,
            argv: Vec::new(),
            envp: Vec::new(),
            stack: Stack::new(),
            tid: AtomicI32::new(0),
            inside: AtomicI32::new(1),
        }));
        // SAFETY: the place is ours until the child is made, and after that the child only reads what is set here. Its slate
        // and its birth live until `wait` frees them. The thread-local memory is at the end of the stack's, which is large
        // enough for it and 16 KiB of stack: zero as a new thread's, and its first place and its third lead to itself.
        unsafe {
            let inner = &mut *place;
            inner.argv = pointers(inner.order.birth.argv.each());
            inner.envp = pointers(inner.order.birth.envp.each());
            let end = inner.stack.top();
            let inner = &*place;
            let slate = Slate::new(&inner.order.birth, &inner.argv, &inner.envp, inner.stack.ignored);
            let slate = Box::into_raw(Box::new(slate));
            let below = below.max(0).cast_unsigned().next_multiple_of(64) + 64;
            let pointer = end.wrapping_sub(HEAD);
            let top = pointer.wrapping_sub(below);
            top.write_bytes(0, below + HEAD);
            for own in [pointer, pointer.wrapping_add(16)] {
                own.cast::<[u8; 8]>().write((pointer as u64).to_ne_bytes());
            }
            let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PARENT_SETTID | libc::CLONE_SETTLS;
            let making = Making {
                flags: unsigned(flags),
                cgroup: folder,
                tid: &inner.tid,
                cleared: Some(&inner.inside),
                tls: pointer as u64,
                top,
            };
            let made = clone3(&making, slate);
            if made.is_none() {
                drop(Box::from_raw(slate));
                drop(Box::from_raw(place));
            }
            made.map(|pid| Self { pid, place, slate })
        }
    }

    /// Its pid.
    pub(in crate::supervise) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Gives it the processor that it may have to share with us, until it has left our memory for its program, or for this
    /// long; whether it did and shares it indeed.
    pub(in crate::supervise) fn step_aside(&self, most: std::time::Duration) -> bool {
        let nanoseconds = most.subsec_nanos();
        let most = libc::timespec { tv_sec: 0, tv_nsec: c_long::from(nanoseconds.cast_signed()) };
        // SAFETY: as in `wait`; the box is there as long as `self` is. The call may return early, which is no harm.
        unsafe {
            let inside = &(*self.place).inside;
            let value = inside.load(Ordering::Acquire);
            if value != 0 {
                libc::syscall(libc::SYS_futex, inside.as_ptr(), libc::FUTEX_WAIT, value, &raw const most);
            }
            inside.load(Ordering::Acquire) == 0 && (*self.slate).processor.is_some_and(|its| processor() == Some(its))
        }
    }

    /// Waits until it has its program or has ended; what became of it, none where it never came to its first instruction
    /// and is to be made in another way.
    pub(in crate::supervise) fn wait(self) -> (Box<Order>, Option<Result<Born, Stillborn>>) {
        // SAFETY: the word lives until the box is freed below, which only happens here, once: `self` is consumed.
        let inside = unsafe { &(*self.place).inside };
        loop {
            let value = inside.load(Ordering::Acquire);
            if value == 0 {
                break;
            }
            // SAFETY: the word is the kernel's to compare. Not a private futex: what the kernel wakes at the end is none.
            unsafe {
                let nothing = 0 as c_long;
                libc::syscall(libc::SYS_futex, inside.as_ptr(), libc::FUTEX_WAIT, value, nothing);
            }
        }
        // SAFETY: the child is out of our memory, and both pointers are of boxes that are freed here alone. The slate goes
        // first, for it borrows from the place.
        unsafe {
            let slate = Box::from_raw(self.slate);
            let outcome = if slate.began {
                Some(slate.outcome(self.pid))
            } else {
                reap(self.pid);
                None
            };
            drop(slate);
            (Box::from_raw(self.place).order, outcome)
        }
    }
}
