//! Processes and cgroups as the kernel shows them, for tests that must know what lives and what is left.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// A process that cannot be taken for a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    started: u64,
    /// As the kernel names it: at most 15 bytes.
    pub(crate) name: String,
}

/// The fields of `/proc/PID/stat` that matter here.
struct Stat {
    name: String,
    state: char,
    parent: i32,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // The name may hold anything, brackets and spaces included (proc_pid_stat(5)).
    let (before, after) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = after.split(' ').collect();
    Some(Stat {
        name: before.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Every pid there is.
pub(crate) fn everyone() -> Vec<i32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A zombie is nobody.
pub(crate) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

pub(crate) fn signal_to(pid: i32, signal: Signal) {
    // It may be gone in the moment between.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

impl Process {
    /// The one that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X'))?;
        Some(Self { pid, started: stat.started, name: stat.name })
    }

    /// It lives, and so nobody else has its number.
    pub(crate) fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.pid, signal);
    }
}

/// A process and all that descends from it, itself first.
pub(crate) fn family(pid: i32) -> Vec<Process> {
    let parents: Vec<(i32, i32)> = everyone().into_iter().filter_map(|pid| Some((pid, stat(pid)?.parent))).collect();
    let mut pids = vec![pid];
    let mut at = 0;
    while let Some(parent) = pids.get(at).copied() {
        pids.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    pids.into_iter().filter_map(Process::of).collect()
}

/// The cgroup of version 2 in which an agent of this name that we start puts its services, where it can.
pub(crate) fn cgroup_of(instance: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(mount).join(own).join(format!("mailward.{instance}"))).filter(|folder| folder.is_dir())
}

/// Everything in a cgroup and below it.
pub(crate) fn members(cgroup: &Path) -> Vec<i32> {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0);
    own.chain(folders(cgroup).iter().flat_map(|folder| members(folder))).collect()
}

/// Removes a cgroup and those below it; the kernel keeps what something lives in.
pub(crate) fn remove_cgroup(cgroup: &Path) {
    for folder in folders(cgroup) {
        remove_cgroup(&folder);
    }
    let _ = fs::remove_dir(cgroup);
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
