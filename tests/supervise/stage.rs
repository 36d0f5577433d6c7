//! A host in a temporary folder, and waiting for what it says.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mailward::desired::{Launch, Signal};
use mailward::model::{Boot, Exit, Identity, Incarnation, Name};
use mailward::plan::{Event, Found, Rung, Seen, Step};
use mailward::supervise::{Drained, Host, HostConfig, Recorded};

/// What is waited for comes within milliseconds; this only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(30);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Option<Host>,
    pub(crate) seen: Vec<Event>,
    launches: BTreeSet<(Name, u64)>,
    instance: String,
    cgroups: bool,
    _turn: MutexGuard<'static, ()>,
}

/// Both ways of telling whose a process is; what holds must hold with each.
pub(crate) fn with_and_without_cgroups(test: impl Fn(&mut Stage)) {
    for cgroups in [false, true] {
        let mut stage = Stage::new(cgroups);
        assert!(!cgroups || stage.host().has_cgroups(), "these tests need a cgroup v2 hierarchy they may write to");
        test(&mut stage);
    }
}

/// The folder of a process's cgroup (version 2).
pub(crate) fn cgroup_of(pid: i32) -> PathBuf {
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let below = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap().split(' ').nth(4).unwrap();
    Path::new(mount).join(below)
}

/// A service that is this shell script.
pub(crate) fn sh(script: &str) -> Launch {
    Launch {
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        check_timeout: PATIENCE,
        reload_timeout: PATIENCE,
        ..Launch::default()
    }
}

/// A command that is this test binary in another role; see [`crate::notify::role`].
pub(crate) fn role(test: &str) -> Vec<String> {
    let exe = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    [exe.as_str(), "--exact", test, "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

pub(crate) fn config(folder: &Path, instance: &str, cgroups: bool, orphans: bool) -> HostConfig {
    HostConfig {
        own: mailward::supervise::Own::default(),
        runtime_dir: folder.join("run"),
        log_dir: folder.join("log"),
        rotate_size: 0,
        keep: 2,
        instance: instance.to_owned(),
        cgroups,
        orphans,
    }
}

impl Stage {
    pub(crate) fn new(cgroups: bool) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // Services of other users must reach their working directory.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let instance = folder.path().file_name().unwrap().to_str().unwrap().replace('.', "t");
        let host = Host::new(config(folder.path(), &instance, cgroups, true)).unwrap();
        let (seen, launches) = (Vec::new(), BTreeSet::new());
        Self { folder, host: Some(host), seen, launches, instance, cgroups, _turn: turn }
    }

    pub(crate) fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn instance(&self) -> String {
        self.instance.clone()
    }

    /// The agent is gone without a word, and another one begins.
    pub(crate) fn new_host(&mut self, orphans: bool) {
        drop(self.host.take());
        let config = config(self.folder.path(), &self.instance, self.cgroups, orphans);
        self.host = Some(Host::new(config).unwrap());
        self.seen.clear();
    }

    pub(crate) fn perform(&mut self, name: &str, launch: &Launch, step: &Step) {
        let life = match step {
            Step::Spawn { incarnation, .. } | Step::Signal { incarnation, .. } => incarnation.0,
            Step::Look | Step::Reload { .. } | Step::Check { .. } => 1,
        };
        self.launches.insert((Name::from(name), life));
        self.host().perform(&Name::from(name), &Arc::new(launch.clone()), step, None);
    }

    pub(crate) fn look(&mut self, name: &str, launch: &Launch, recorded: Option<Recorded>) -> Found {
        let life = recorded.map_or(1, |r| r.incarnation.0);
        self.launches.insert((Name::from(name), life));
        self.host().perform(&Name::from(name), &Arc::new(launch.clone()), &Step::Look, recorded.as_ref());
        self.until(name, |seen| match seen {
            Seen::Found(found) => Some(found.clone()),
            _ => None,
        })
    }

    pub(crate) fn spawn(&mut self, name: &str, launch: &Launch, life: u64) {
        let ready_by = Boot(u64::MAX);
        self.perform(name, launch, &Step::Spawn { incarnation: Incarnation(life), ready_by });
    }

    /// Starts it and waits until its process is there.
    pub(crate) fn start(&mut self, name: &str, launch: &Launch, life: u64) -> Identity {
        self.spawn(name, launch, life);
        self.until(name, |seen| match seen {
            Seen::Spawned { identity, .. } => Some(*identity),
            Seen::SpawnFailed { error, .. } => panic!("{error}"),
            _ => None,
        })
    }

    pub(crate) fn fails_to_start(&mut self, name: &str, launch: &Launch) -> String {
        self.spawn(name, launch, 1);
        self.until(name, |seen| match seen {
            Seen::SpawnFailed { error, .. } => Some(error.to_string()),
            Seen::Spawned { .. } => panic!("it was started"),
            _ => None,
        })
    }

    pub(crate) fn ask(&mut self, name: &str, launch: &Launch, life: u64) {
        let step = Step::Signal { incarnation: Incarnation(life), rung: Rung::Ask(Signal::Term) };
        self.perform(name, launch, &step);
    }

    pub(crate) fn kill(&mut self, name: &str, launch: &Launch, life: u64) {
        let step = Step::Signal { incarnation: Incarnation(life), rung: Rung::Kill };
        self.perform(name, launch, &step);
    }

    pub(crate) fn exit(&mut self, name: &str) -> Exit {
        self.until(name, |seen| match seen {
            Seen::Exited { exit, .. } => Some(*exit),
            _ => None,
        })
    }

    pub(crate) fn empty(&mut self, name: &str) {
        self.until(name, |seen| matches!(seen, Seen::Emptied { .. }).then_some(()));
    }

    pub(crate) fn ready(&mut self, name: &str) {
        self.until(name, |seen| matches!(seen, Seen::Ready { .. }).then_some(()));
    }

    pub(crate) fn has(&self, name: &str, wanted: impl Fn(&Seen) -> bool) -> bool {
        self.seen.iter().any(|event| &*event.service == name && wanted(&event.what))
    }

    /// Waits for an event of a service and takes it and everything of that service before it.
    pub(crate) fn until<T>(&mut self, name: &str, wanted: impl Fn(&Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self
                .seen
                .iter()
                .enumerate()
                .filter(|(_, event)| &*event.service == name)
                .find_map(|(at, event)| Some((at, wanted(&event.what)?)));
            if let Some((at, value)) = found {
                self.seen = self
                    .seen
                    .drain(..)
                    .enumerate()
                    .filter(|(n, event)| *n > at || &*event.service != name)
                    .map(|(_, event)| event)
                    .collect();
                return value;
            }
            assert!(Instant::now() < deadline, "it did not come; seen: {:#?}", self.seen);
            self.turn();
        }
    }

    /// Waits until something outside holds, while the host works on.
    pub(crate) fn until_true(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}; seen: {:#?}", self.seen);
            self.turn();
        }
    }

    /// One turn: waits for the host's descriptor (not for ever: what is outside makes no event) and drains it.
    pub(crate) fn turn(&mut self) {
        let mut events = Vec::new();
        let host = self.host.as_mut().unwrap();
        wait(host.fd());
        let _: Drained = host.drain(&mut events);
        self.seen.append(&mut events);
    }
}

fn wait(fd: BorrowedFd<'_>) {
    let mut poll = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
    let bound = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    let _ = rustix::event::poll(&mut poll, Some(&bound));
}

impl Drop for Stage {
    /// Leaves nothing running.
    fn drop(&mut self) {
        let marked = |instance: &str| {
            let wanted = format!("MAILWARD_SERVICE={instance}/");
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(move |entry| {
                let environ = std::fs::read(entry.path().join("environ")).ok()?;
                let of_us = environ.split(|b| *b == 0).any(|e| e.starts_with(wanted.as_bytes()));
                of_us.then(|| entry.file_name().to_str()?.parse::<i32>().ok())?
            })
        };
        if let Some(host) = &mut self.host {
            for (name, life) in &self.launches {
                let step = Step::Signal { incarnation: Incarnation(*life), rung: Rung::Kill };
                host.perform(name, &Arc::new(Launch::default()), &step, None);
            }
            for _ in 0..50 {
                let mut events = Vec::new();
                let _: Drained = host.drain(&mut events);
                let left: Vec<i32> = marked(&self.instance).collect();
                for pid in &left {
                    let pid = rustix::process::Pid::from_raw(*pid).unwrap();
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                if left.is_empty() {
                    break;
                }
                wait(host.fd());
            }
            for (name, _) in &self.launches {
                host.forget(name);
            }
        }
    }
}
