//! What is left of a life whose main process is gone, and the moment when nothing is.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, Signal as Number};

use super::cgroup::Kept;
use super::host::{Host, Source};
use super::life::{bury, ended};
use super::proc::{self, Marker};
use super::service::{Left, Run};
use super::timer::Due;
use crate::model::{Exit, Identity};
use crate::plan::Seen;

/// Processes of a service, as far as they can tell.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Proven to be its.
    pub(super) proven: Vec<Identity>,
    /// Whether some process could not tell whose it is, because it was between two programs: ask again.
    pub(super) unsettled: bool,
}

impl Host {
    /// Whether a process is of this service's present life, by its session or its marker. Not asked in a cgroup. None
    /// when the process cannot tell at this moment.
    fn belongs(&self, slot: u32, pid: i32, stat: &proc::Stat) -> Option<bool> {
        let service = self.service(slot);
        if !stat.alive() || stat.started < service.since || u32::try_from(pid) == Ok(std::process::id()) {
            return Some(false);
        }
        if service.session != 0 && (stat.session == service.session || stat.group == service.session) {
            return Some(true);
        }
        match proc::marker(pid) {
            Marker::Of(instance, name, life) => {
                Some(instance == self.config.instance && *name == *service.name && life == service.life)
            }
            Marker::None => Some(false),
            Marker::NotNow => None,
        }
    }

    /// Whether a process is proven to be of this service's present life.
    pub(super) fn attributed(&self, slot: u32, pid: i32, stat: &proc::Stat) -> bool {
        self.belongs(slot, pid, stat) == Some(true)
    }

    /// What lives of a service beside its main process, where no cgroup tells.
    ///
    /// Whatever loses its parent becomes our child, so for a life that we began the list of our orphans is enough: a
    /// process that is not in it has a living parent, which is in it or is the main process.
    pub(super) fn survivors(&self, slot: u32) -> Census {
        let service = self.service(slot);
        if service.in_cgroup {
            return Census::default();
        }
        let orphans = if self.config.orphans && !service.adopted { proc::orphans() } else { None };
        self.of_service(slot, orphans.unwrap_or_else(proc::everyone))
    }

    /// Those of these processes that are the service's, its main process excepted.
    pub(super) fn of_service(&self, slot: u32, pids: Vec<i32>) -> Census {
        let main = self.service(slot).main().map(|main| main.identity.pid);
        let mut census = Census::default();
        for pid in pids.into_iter().filter(|pid| Some(*pid) != main) {
            let Some(stat) = proc::stat(pid) else { continue };
            match self.belongs(slot, pid, &stat) {
                Some(true) => census.proven.push(Identity { pid, started: stat.started }),
                Some(false) => {}
                None => census.unsettled = true,
            }
        }
        census
    }

    /// Waits for the end of what a dead main process left, or reports that there is nothing.
    pub(super) fn watch_left(&mut self, slot: u32, left: Census) {
        if self.service(slot).in_cgroup {
            return self.watch_cgroup(slot);
        }
        if left.proven.is_empty() {
            if left.unsettled {
                let life = self.service(slot).life;
                return self.timer.after(Duration::from_millis(5), Due::Left(slot, life));
            }
            // Until the start time-out its pid file is looked at anyway, and this is asked again each time.
            let detached = matches!(self.service(slot).run, Run::Detached);
            if detached && self.config.orphans && self.may_be_elsewhere(slot) {
                return;
            }
            return self.emptied(slot);
        }
        let mut unwatched = false;
        for identity in left.proven {
            // Born while its siblings were killed.
            if self.service(slot).killed {
                self.send(slot, identity, Number::KILL);
            }
            let opened = Pid::from_raw(identity.pid)
                .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
                .filter(|pidfd| self.listen(pidfd.as_fd(), Source::Left(slot)).is_ok());
            match opened {
                Some(pidfd) => self.service_mut(slot).left.push(Left { identity, pidfd }),
                None => unwatched = true,
            }
        }
        if unwatched {
            let life = self.service(slot).life;
            self.timer.after(Duration::from_millis(200), Due::Left(slot, life));
        }
    }

    /// Whether nothing of a life is left but its main process, which has ended.
    pub(super) fn nothing_left(&mut self, slot: u32, left: &Census) -> bool {
        if self.service(slot).in_cgroup { !self.populated(slot) } else { left.proven.is_empty() && !left.unsettled }
    }

    /// Whether something lives in its cgroup.
    fn populated(&mut self, slot: u32) -> bool {
        let Self { domain, services, .. } = self;
        let service = &mut services[slot as usize];
        domain.as_ref().is_some_and(|domain| domain.still_populated(&service.name, &mut service.cgroup))
    }

    fn watch_cgroup(&mut self, slot: u32) {
        if !self.populated(slot) {
            return self.emptied(slot);
        }
        let Some(domain) = &self.domain else { return };
        let events = domain.events(&self.service(slot).name);
        let watch =
            self.inotify.as_ref().and_then(|i| inotify::add_watch(i, &events, inotify::WatchFlags::MODIFY).ok());
        // Asked again after the watch stands: it may have become empty in between.
        let populated = self.populated(slot);
        if watch.is_none() {
            let life = self.service(slot).life;
            self.timer.after(Duration::from_millis(200), Due::Left(slot, life));
        }
        self.service_mut(slot).cgroup_watch = watch;
        if !populated {
            self.emptied(slot);
        }
    }

    /// Some watched cgroup changed.
    pub(super) fn cgroups_changed(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut space = [std::mem::MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(inotify.as_fd(), &mut space);
        let mut changed = Vec::new();
        while let Ok(event) = reader.next() {
            changed.push(event.wd());
        }
        for slot in 0..u32::try_from(self.services.len()).unwrap_or(u32::MAX) {
            if self.service(slot).cgroup_watch.is_some_and(|watch| changed.contains(&watch)) {
                self.whether_empty(slot);
            }
        }
    }

    /// Processes of a dead life have ended.
    pub(super) fn left_ended(&mut self, slot: u32) {
        let left = std::mem::take(&mut self.service_mut(slot).left);
        for one in left {
            if ended(one.pidfd.as_fd()) {
                bury(one.pidfd.as_fd());
                self.ignore(one.pidfd.as_fd());
            } else {
                self.service_mut(slot).left.push(one);
            }
        }
        if self.service(slot).left.is_empty() {
            self.whether_empty(slot);
        }
    }

    /// Asks anew whether anything is left of a life without a main process.
    pub(super) fn whether_empty(&mut self, slot: u32) {
        match self.service(slot).run {
            Run::Detached | Run::Remains => {}
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Alive(_) => return,
        }
        if self.service(slot).in_cgroup {
            if !self.populated(slot) {
                self.emptied(slot);
            } else if self.service(slot).cgroup_watch.is_none() {
                self.watch_cgroup(slot);
            }
        } else if self.service(slot).left.is_empty() {
            let left = self.survivors(slot);
            self.watch_left(slot, left);
        }
    }

    /// The last process of a life that has no main process any more is gone.
    pub(super) fn emptied(&mut self, slot: u32) {
        let incarnation = self.service(slot).life;
        match self.service(slot).run {
            Run::Detached => {
                self.end_questions(slot);
                self.see(slot, Seen::Exited { incarnation, exit: Exit::Code(0) });
            }
            Run::Remains => {}
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Alive(_) => return,
        }
        let service = self.service_mut(slot);
        service.run = Run::Absent;
        service.watch = None;
        self.unwatch_cgroup(slot);
        let Self { domain, services, .. } = self;
        let service = &mut services[slot as usize];
        if let Some(domain) = domain.as_ref().filter(|_| service.in_cgroup && service.killed) {
            // Nothing can be born any more where `cgroup.kill` was used, only move in, which is slow.
            service.cgroup = Kept::default();
            domain.remove(&service.name);
        }
        self.last_words(slot);
        self.see(slot, Seen::Emptied { incarnation });
    }

    /// Ends the watch on a cgroup.
    pub(super) fn unwatch_cgroup(&mut self, slot: u32) {
        let watch = self.service_mut(slot).cgroup_watch.take();
        if let (Some(watch), Some(inotify)) = (watch, &self.inotify) {
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// Whether a daemon that left session, group and environment may be on its way to its pid file: an orphan of ours
    /// that is no older than this life and that nobody claims.
    fn may_be_elsewhere(&self, slot: u32) -> bool {
        let since = self.service(slot).since;
        let claimed = |pid: i32| {
            self.services.iter().any(|s| {
                s.main().is_some_and(|main| main.identity.pid == pid) || s.left.iter().any(|l| l.identity.pid == pid)
            })
        };
        proc::orphans()
            .unwrap_or_default()
            .into_iter()
            .any(|pid| proc::stat(pid).is_some_and(|s| s.alive() && s.started >= since) && !claimed(pid))
    }
}
