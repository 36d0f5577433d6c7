//! What a child does between clone and exec, in the agent's memory: raw system calls only, on what its maker keeps alive
//! (`clone.rs`, `parked.rs`).

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

use super::clone::reap;
use crate::supervise::birth::{Birth, Born, Entrance, Limit, Stage, Stillborn};
use crate::supervise::gate::Gate;

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
    pub(super) move_into: Option<&'a Entrance>,
    pub(super) cgroup_errno: i32,
    short_limits: u8,
    /// The signals whose disposition is not the default, one bit each, the first for signal 1.
    pub(super) signals: u64,
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
pub(super) extern "C" fn child(arg: *mut c_void) -> c_int {
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
