//! The child that shares the agent's memory until it executes its program.
//!
//! Everything between clone and exec is here: raw system calls on memory that the parent keeps alive, by being
//! suspended meanwhile or as `parked.rs` says.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use crate::supervise::birth::{Birth, Born, Entrance, Limit, Stage, Stillborn};
use crate::supervise::gate::Gate;

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

/// What parent and child share: written by the child until it has its program, read by the parent after that.
pub(super) struct Slate<'a> {
    birth: &'a Birth,
    argv: *const *const c_char,
    envp: *const *const c_char,
    agent: libc::pid_t,
    stage: Stage,
    errno: i32,
    candidate: usize,
    /// Whether the child came to its first instruction.
    pub(super) began: bool,
    /// The cgroup that the child was not born in and has to move into.
    move_into: Option<&'a Entrance>,
    cgroup_errno: i32,
    short_limits: u8,
    /// The signals whose disposition is not the default, one bit each, the first for signal 1.
    signals: u64,
    /// The processor that the child left our memory on; none before, and where the kernel does not say.
    pub(super) processor: Option<u32>,
}

impl<'a> Slate<'a> {
    /// For a child that is to run with these; `ignored` are the signals that a clone leaves ignored.
    pub(super) fn new(birth: &'a Birth, argv: &[*const c_char], envp: &[*const c_char], ignored: u64) -> Self {
        Self {
            birth,
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            agent: rustix::process::getpid().as_raw_pid(),
            stage: Stage::Clone,
            errno: 0,
            candidate: 0,
            began: false,
            move_into: None,
            cgroup_errno: 0,
            short_limits: 0,
            signals: ignored,
            processor: None,
        }
    }

    /// What became of the child of this pid, which has left our memory; one that failed is reaped.
    pub(super) fn outcome(&self, pid: libc::pid_t) -> Result<Born, Stillborn> {
        if self.errno != 0 {
            reap(pid);
            return Err(Stillborn { stage: self.stage, errno: self.errno, candidate: self.candidate });
        }
        let cgroup_errno = (self.cgroup_errno != 0).then_some(self.cgroup_errno);
        Ok(Born { pid, cgroup_errno, short_limits: self.short_limits })
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

/// The last error number of a raw system call in the child. The thread-local it reads is the suspended parent's, or the
/// child's own where the parent goes on (`parked.rs`).
fn errno() -> i32 {
    // SAFETY: glibc and musl both give a valid pointer to the calling thread's own number.
    unsafe { *libc::__errno_location() }
}

/// Ends the child with its reason on the slate.
fn fail(slate: &mut Slate<'_>, stage: Stage) -> ! {
    slate.stage = stage;
    slate.errno = errno().max(1);
    // SAFETY: exit_group ends the child alone; it runs no handler and flushes no buffer of the parent.
    unsafe { libc::syscall(libc::SYS_exit_group, 127 as c_long) };
    loop {
        std::hint::spin_loop();
    }
}

/// Runs in the child, in the parent's memory: raw system calls only, no allocation, no lock, no panic.
extern "C" fn child(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the slate that `spawn` passed; the parent does not look at it meanwhile.
    let slate = unsafe { &mut *arg.cast::<Slate<'_>>() };
    slate.began = true;
    // SAFETY: every pointer below comes from the slate, which the suspended parent keeps alive, or from a local.
    unsafe {
        let birth = slate.birth;
        leave_descriptors(slate, c_long::from(birth.keeps_input));
        let at = c_long::from(libc::AT_FDCWD);
        if !birth.keeps_input
            && libc::syscall(libc::SYS_openat, at, c"/dev/null".as_ptr(), c_long::from(libc::O_RDONLY), 0 as c_long) < 0
        {
            fail(slate, Stage::Null);
        }
        // Read and write: the child is then its own reader, so that a killed agent means no SIGPIPE.
        let both = c_long::from(libc::O_RDWR | libc::O_NOCTTY);
        if libc::syscall(libc::SYS_openat, at, birth.output.as_ptr(), both, 0 as c_long) < 0
            || libc::syscall(libc::SYS_dup, 1 as c_long) < 0
        {
            fail(slate, Stage::Output);
        }
        if let Some(cgroup) = slate.move_into
            && !write_file(&cgroup.procs, b"0")
        {
            slate.cgroup_errno = errno();
        }
        if libc::syscall(libc::SYS_setsid) < 0 {
            fail(slate, Stage::Session);
        }
        let mut bit = 1u8;
        for limit in &birth.limits {
            if !set_limit(*limit) {
                slate.short_limits |= bit;
            }
            bit = bit.wrapping_shl(1);
        }
        if birth.forgive_oom {
            // Raising is always allowed; a failure leaves a child that is as protected as the agent.
            write_file(c"/proc/self/oom_score_adj", b"0");
        }
        if let Some(gate) = &birth.gate
            && !pass(gate.word(), slate.agent)
        {
            fail(slate, Stage::Gate);
        }
        if let Some(ids) = &birth.ids {
            let count = ids.groups.len();
            // Raw calls change this process alone; the C library's would reach for the agent's other threads.
            if libc::syscall(libc::SYS_setgroups, count, ids.groups.as_ptr()) < 0 {
                fail(slate, Stage::Groups);
            }
            let gid = c_long::from(ids.gid);
            if libc::syscall(libc::SYS_setresgid, gid, gid, gid) < 0 {
                fail(slate, Stage::Group);
            }
            let uid = c_long::from(ids.uid);
            if libc::syscall(libc::SYS_setresuid, uid, uid, uid) < 0 {
                fail(slate, Stage::User);
            }
        }
        libc::syscall(libc::SYS_umask, 0o022 as c_long);
        if libc::syscall(libc::SYS_chdir, birth.directory.as_ptr()) < 0 {
            fail(slate, Stage::Directory);
        }
        reset_signals(slate.signals);
        slate.processor = processor();
        let mut worst = 0;
        for (index, path) in birth.candidates.iter().enumerate() {
            libc::syscall(libc::SYS_execve, path.as_ptr(), slate.argv, slate.envp);
            let this = errno();
            // As execvp(3): a directory of PATH without it is passed over, and a refusal is remembered.
            if worst == 0 || this != libc::ENOENT {
                worst = this;
                slate.candidate = index;
            }
            if !matches!(this, libc::ENOENT | libc::ENOTDIR | libc::EACCES) {
                break;
            }
        }
        *libc::__errno_location() = worst;
        fail(slate, Stage::Exec)
    }
}

/// The processor that the caller runs on at this moment.
pub(super) fn processor() -> Option<u32> {
    let mut processor = 0u32;
    // SAFETY: the call only fills the local. Raw, because a child may use nothing else.
    let answer = unsafe {
        let nothing = std::ptr::null_mut::<c_void>();
        libc::syscall(libc::SYS_getcpu, &raw mut processor, nothing, nothing)
    };
    (answer == 0).then_some(processor)
}

/// How often a child looks at its gate before it sleeps there: some 50 us on an idle processor. Whoever else wants the
/// processor has it meanwhile.
const LOOKS: u32 = 100;

/// Waits at a gate, unless it is decided already; whether it opened. Whoever waits there ends with the agent.
unsafe fn pass(gate: &AtomicU32, agent: libc::pid_t) -> bool {
    if gate.load(Ordering::Acquire) != Gate::CLOSED {
        return gate.load(Ordering::Acquire) == Gate::OPEN;
    }
    // SAFETY: the word is the gate's, which the birth keeps alive; nothing else is read or written.
    unsafe {
        let nothing = 0 as c_long;
        let on_death = |signal: c_int| libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, c_long::from(signal));
        on_death(libc::SIGKILL);
        // It may have died before.
        if libc::syscall(libc::SYS_getppid) != c_long::from(agent) {
            return false;
        }
        let mut looks = 0;
        while gate.load(Ordering::Acquire) == Gate::CLOSED {
            if looks < LOOKS {
                looks = looks.wrapping_add(1);
                libc::syscall(libc::SYS_sched_yield);
            } else {
                let wait = c_long::from(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG);
                libc::syscall(libc::SYS_futex, gate.as_ptr(), wait, c_long::from(Gate::CLOSED), nothing);
            }
        }
        on_death(0);
        gate.load(Ordering::Acquire) == Gate::OPEN
    }
}

/// Takes a descriptor table of its own with nothing in it from this one on, without copying the agent's.
unsafe fn leave_descriptors(slate: &mut Slate<'_>, first: c_long) {
    // SAFETY: both calls change only the child's table, which the first one makes its own.
    unsafe {
        let unshare = c_long::from(libc::CLOSE_RANGE_UNSHARE);
        if libc::syscall(libc::SYS_close_range, first, c_long::from(u32::MAX), unshare) == 0 {
            return;
        }
        // A container's filter may refuse what it does not know.
        if libc::syscall(libc::SYS_unshare, c_long::from(libc::CLONE_FILES)) < 0 {
            fail(slate, Stage::Descriptors);
        }
        let mut have = libc::rlimit64 { rlim_cur: 65_536, rlim_max: 0 };
        let null = std::ptr::null::<libc::rlimit64>();
        libc::syscall(libc::SYS_prlimit64, 0 as c_long, c_long::from(libc::RLIMIT_NOFILE), null, &raw mut have);
        let end = c_long::try_from(have.rlim_cur.min(1 << 20)).unwrap_or(c_long::MAX);
        let mut descriptor = first;
        while descriptor < end {
            libc::syscall(libc::SYS_close, descriptor);
            descriptor = descriptor.wrapping_add(1);
        }
    }
}

/// Writes a few bytes to a file; the child's stand-in for `std::fs::write`.
unsafe fn write_file(path: &CStr, bytes: &[u8]) -> bool {
    // SAFETY: path and bytes are valid for the call.
    unsafe {
        let flags = c_long::from(libc::O_WRONLY | libc::O_CLOEXEC);
        let file = libc::syscall(libc::SYS_openat, c_long::from(libc::AT_FDCWD), path.as_ptr(), flags, 0 as c_long);
        if file < 0 {
            return false;
        }
        let wrote = libc::syscall(libc::SYS_write, file, bytes.as_ptr(), bytes.len());
        let number = errno();
        libc::syscall(libc::SYS_close, file);
        *libc::__errno_location() = number;
        wrote >= 0
    }
}

/// Sets both limits; where the hard one may not be raised, the soft one goes as high as it may. False in that case.
unsafe fn set_limit(limit: Limit) -> bool {
    // SAFETY: the structures are locals of the layout that prlimit64 reads and writes.
    unsafe {
        let wanted = libc::rlimit64 { rlim_cur: limit.value, rlim_max: limit.value };
        let nothing = std::ptr::null_mut::<libc::rlimit64>();
        let which = c_long::from(limit.resource);
        if libc::syscall(libc::SYS_prlimit64, 0 as c_long, which, &raw const wanted, nothing) == 0 {
            return true;
        }
        let mut have = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
        let null = std::ptr::null::<libc::rlimit64>();
        if libc::syscall(libc::SYS_prlimit64, 0 as c_long, which, null, &raw mut have) == 0 {
            have.rlim_cur = limit.value.min(have.rlim_max);
            libc::syscall(libc::SYS_prlimit64, 0 as c_long, which, &raw const have, nothing);
        }
        false
    }
}

/// Default dispositions and an empty mask: an ignored signal (Rust ignores SIGPIPE) and a blocked one survive exec.
///
/// Each call costs the restart its time, so only what needs one is asked for: a clone may have reset every handler.
unsafe fn reset_signals(which: u64) {
    // SAFETY: a zeroed kernel sigaction is SIG_DFL with no flags and an empty mask on every architecture; the set is
    // eight bytes, as the kernel's is.
    unsafe {
        let default = [0u64; 4];
        let nothing = std::ptr::null_mut::<u64>();
        let mut signal: c_long = 1;
        while signal <= 64 {
            if which >> signal.wrapping_sub(1) & 1 == 1 {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, 8 as c_long);
            }
            signal = signal.wrapping_add(1);
        }
        let empty = 0u64;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            c_long::from(libc::SIG_SETMASK),
            &raw const empty,
            nothing,
            8 as c_long,
        );
    }
}

/// Replaces the program of this process; its environment stays. Returns only what went wrong.
///
/// Not by the standard library: that empties the signal mask first, and a signal that waits would end the successor.
pub(in crate::supervise) fn execute(program: &CStr, argv: &[CString]) -> std::io::Error {
    let argv = pointers(argv.iter().map(CString::as_bytes_with_nul));
    // SAFETY: the path and the words are terminated strings that outlive the call, and the array ends with a null.
    unsafe { libc::execv(program.as_ptr(), argv.as_ptr()) };
    std::io::Error::last_os_error()
}
