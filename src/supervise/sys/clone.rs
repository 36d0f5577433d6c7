//! Making a child: clone with the agent's memory, born in its cgroup where it has one.
//!
//! The maker's side; what the child does is in `child.rs`. Whoever makes one keeps everything alive that it uses, by being
//! suspended meanwhile ([`spawn`]) or as `parked.rs` says.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::AtomicI32;

use super::child::{Slate, child};
use crate::supervise::birth::{Birth, Born, Entrance, Stage, Stillborn};

/// What a maker of children has: memory for a child to run on until it executes, never touched before use, so that it costs
/// a page or two; and what a child must not inherit.
pub(in crate::supervise) struct Stack {
    memory: Vec<u8>,
    /// Signals that this process ignores, one bit each.
    pub(super) ignored: u64,
}

impl Stack {
    /// 32 KiB: ten times what [`child`] needs in an unoptimised build.
    pub(in crate::supervise) fn new() -> Self {
        static IGNORED: OnceLock<u64> = OnceLock::new();
        Self { memory: Vec::with_capacity(32 * 1024), ignored: *IGNORED.get_or_init(ignored_signals) }
    }

    /// Its end, aligned to 16 as the ABIs demand.
    pub(super) fn top(&mut self) -> *mut u8 {
        let end = self.memory.as_mut_ptr().wrapping_add(self.memory.capacity());
        end.wrapping_sub(end as usize % 16)
    }
}

/// What this process ignores; it does not change once the agent runs.
fn ignored_signals() -> u64 {
    (1..=64).fold(0, |ignored, signal: c_int| {
        let mut action = [0u64; 4];
        // SAFETY: without a new action the call only fills the local, which is as large as the kernel's structure and
        // begins with the handler. Not the C library's call: that hides the signals it keeps for itself, which a parent
        // may have ignored all the same.
        let answer = unsafe {
            let nothing = std::ptr::null::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, c_long::from(signal), nothing, action.as_mut_ptr(), 8 as c_long)
        };
        ignored | u64::from(answer == 0 && action[0] == libc::SIG_IGN as u64) << (signal - 1)
    })
}

/// As the kernel takes them: where each begins, and a null. Each ends with a NUL.
pub(super) fn pointers<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<*const c_char> {
    texts.map(|text| text.as_ptr().cast()).chain([std::ptr::null()]).collect()
}

/// Makes a child and returns once it runs its program, or has failed to.
///
/// `CLONE_VM | CLONE_VFORK` copies no page tables and `CLONE_FILES` no descriptor table, so the cost depends neither
/// on the agent's memory nor on how many descriptors it has open. `announced` holds the child's pid from before its
/// first instruction, so that whoever reaps orphans can tell it from one; the caller clears it.
///
/// The calling thread must have every signal blocked: a handler run by the child would run in the agent's memory.
pub(in crate::supervise) fn spawn(birth: &Birth, stack: &mut Stack, announced: &AtomicI32) -> Result<Born, Stillborn> {
    let (argv, envp) = (pointers(birth.argv.each()), pointers(birth.envp.each()));
    let mut slate = Slate::new(birth, &argv, &envp, stack.ignored);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::CLONE_PARENT_SETTID;
    let born_inside = birth.cgroup.as_ref().and_then(open).and_then(|cgroup| {
        let (flags, cgroup) = (unsigned(flags), Some(cgroup.as_fd()));
        let making = Making { flags, cgroup, tid: announced, cleared: None, tls: 0, top: stack.top() };
        // SAFETY: CLONE_VFORK suspends this thread until the child has left our memory, so everything that it uses outlives it.
        unsafe { clone3(&making, &raw mut slate) }
    });
    // From 6.14 on the kernel compares how often `cgroup.kill` was used in the parent's cgroup with how often it was in
    // the child's, and kills what is born where the numbers differ.
    if let Some(pid) = born_inside.filter(|_| !slate.began) {
        reap(pid);
    }
    let born_inside = born_inside.filter(|_| slate.began);
    let pid = born_inside.unwrap_or_else(|| {
        match birth.cgroup.as_ref().map(enterable) {
            Some(Err(errno)) => slate.cgroup_errno = errno.raw_os_error(),
            Some(Ok(())) | None => slate.move_into = birth.cgroup.as_ref(),
        }
        slate.signals = !0;
        // SAFETY: the stack is ours for the whole call, its top is inside or one past its allocation and aligned to 16
        // as both ABIs demand; CLONE_VFORK suspends this thread until the child has left our memory, so `slate`, the
        // arrays and the stack outlive every use; `announced` is a valid place for a pid.
        unsafe {
            let slate = (&raw mut slate).cast::<c_void>();
            libc::clone(child, stack.top().cast(), flags | libc::SIGCHLD, slate, announced.as_ptr())
        }
    });
    if pid < 0 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(Stillborn { stage: Stage::Clone, errno, candidate: 0 });
    }
    slate.outcome(pid)
}

/// The folder of a cgroup, made where it is missing.
fn open(cgroup: &Entrance) -> Option<OwnedFd> {
    let folder = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let open = || rustix::fs::open(&*cgroup.directory, folder, rustix::fs::Mode::empty());
    let opened = match open() {
        Err(rustix::io::Errno::NOENT) => enterable(cgroup).and_then(|()| open()),
        opened => opened,
    };
    opened.ok()
}

/// How a child is made.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "there is nobody who reads it"))]
pub(super) struct Making<'a> {
    /// Beside those that every child gets.
    pub(super) flags: u64,
    /// Where it is born.
    pub(super) cgroup: Option<BorrowedFd<'a>>,
    /// Gets its pid before its first instruction.
    pub(super) tid: &'a AtomicI32,
    /// Becomes zero when it has left our memory.
    pub(super) cleared: Option<&'a AtomicI32>,
    /// Its thread-local memory, where that is not the caller's.
    pub(super) tls: u64,
    /// The end of its stack, aligned to 16.
    pub(super) top: *mut u8,
}

pub(super) fn unsigned(value: c_int) -> u64 {
    u64::from(value.unsigned_abs())
}

/// Makes a child that begins at [`child`], in its cgroup where it has one; none where the kernel, a container's filter or this
/// architecture's code cannot, and nothing was made then.
///
/// A process that moves into a cgroup waits for every processor to pass through the scheduler (the kernel's
/// `cgroup_threadgroup_rwsem`, an RCU grace period): 10 to 30 ms on a quiet machine. One that is born there does not.
///
/// # Safety
/// The stack is the child's alone and at least 16 KiB; it, the slate and what that leads to live until the child has left our
/// memory, and so does what `making` leads to.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone3(making: &Making<'_>, slate: *mut Slate<'_>) -> Option<libc::pid_t> {
    // Of linux/sched.h; they fit no c_int.
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    // The kernel adds the two.
    const SIZE: u64 = 16 * 1024;
    // SAFETY: the structure is plain numbers, and zero means "not asked for" in each.
    let mut args = unsafe { std::mem::zeroed::<libc::clone_args>() };
    args.flags = making.flags | CLEAR_SIGHAND;
    args.parent_tid = making.tid.as_ptr() as u64;
    args.exit_signal = unsigned(libc::SIGCHLD);
    args.stack = (making.top as u64).saturating_sub(SIZE);
    args.stack_size = SIZE;
    args.tls = making.tls;
    if let Some(cgroup) = making.cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = unsigned(cgroup.as_raw_fd());
    }
    if let Some(cleared) = making.cleared {
        args.flags |= unsigned(libc::CLONE_CHILD_CLEARTID);
        args.child_tid = cleared.as_ptr() as u64;
    }
    let pid: c_long;
    // SAFETY: the kernel starts the child behind the system call with the same registers and the stack of `args`, which
    // is aligned and its own; it calls `child`, which never returns. What the child uses lives, as the caller promises, and
    // nothing is on its stack that this thread needs.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => pid,
            in("rdi") &raw const args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r8") slate.cast::<c_void>(),
            in("r9") child as *const (),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0)
}

/// Makes a cgroup where it is missing.
fn enterable(cgroup: &Entrance) -> rustix::io::Result<()> {
    match rustix::fs::mkdir(&*cgroup.directory, rustix::fs::Mode::from_raw_mode(0o755)) {
        Err(errno) if errno != rustix::io::Errno::EXIST => Err(errno),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reads the status of a child that never became its program.
pub(super) fn reap(pid: libc::pid_t) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::waitid(rustix::process::WaitId::Pid(pid), rustix::process::WaitIdOptions::EXITED);
    }
}

/// Written for x86-64 only; elsewhere the child moves.
///
/// # Safety
/// It does nothing.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn clone3(_: &Making<'_>, _: *mut Slate<'_>) -> Option<libc::pid_t> {
    None
}
