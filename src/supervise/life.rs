//! From spawn to the last process gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};

use super::account::Account;
use super::birth::{Born, Entrance};
use super::capture::Capture;
use super::host::{Host, Source};
use super::notify::Mailbox;
use super::order::{Order, Purpose};
use super::service::{Main, Run, Watch};
use super::spawner::{Done, Job, Newborn, Work};
use super::timer::Due;
use super::{place, proc, sys};
use crate::desired::Readiness;
use crate::model::{Boot, Exit, Identity, Incarnation, Name};
use crate::plan::Seen;

/// Marks the ticket of an errand; the rest is its index.
pub(super) const ERRAND: u64 = 1 << 63;

/// How a process stands.
enum How {
    /// It lives.
    Lives,
    /// Our child has ended so; its status is not read yet, so its pid is still its own.
    Child(Exit),
    /// One that is not our child has ended so.
    Other(Exit),
    /// It has ended, and how will be known once its parent has reaped it.
    Wait,
}

/// An exit status in our words.
pub(super) fn exit_of(status: &WaitIdStatus) -> Exit {
    status
        .exit_status()
        .map(Exit::Code)
        .or_else(|| status.terminating_signal().map(Exit::Signal))
        .unwrap_or(Exit::Unknown)
}

fn how(pidfd: BorrowedFd<'_>, last_chance: bool) -> How {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match rustix::process::waitid(WaitId::PidFd(pidfd), look) {
        Ok(Some(status)) => How::Child(exit_of(&status)),
        Ok(None) => How::Lives,
        Err(_) if !ended(pidfd) => How::Lives,
        Err(_) => match sys::exit_of(pidfd) {
            sys::Ended::How(exit) => How::Other(exit),
            sys::Ended::NotYet if !last_chance => How::Wait,
            sys::Ended::NotYet | sys::Ended::Never => How::Other(Exit::Unknown),
        },
    }
}

/// Whether the process of a pidfd has ended, whoever its parent is.
pub(super) fn ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut poll = [rustix::event::PollFd::from_borrowed_fd(pidfd, rustix::event::PollFlags::IN)];
    let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut poll, Some(&at_once)).is_ok_and(|n| n > 0)
}

/// Reads the status of a child that has ended; whether there was one.
pub(super) fn bury(pidfd: BorrowedFd<'_>) -> Option<Exit> {
    let read = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    rustix::process::waitid(WaitId::PidFd(pidfd), read).ok().flatten().map(|status| exit_of(&status))
}

impl Host {
    /// Starts a life.
    pub(super) fn spawn(&mut self, slot: u32, incarnation: Incarnation, ready_by: Boot) {
        let made = match self.service(slot).run {
            Run::Unknown | Run::Absent => self.make(slot, incarnation),
            Run::Spawning { .. } | Run::Alive(_) | Run::Detached | Run::Remains => {
                Err("an earlier life of it is not over".to_owned())
            }
        };
        match made {
            Ok(in_cgroup) => {
                let service = self.service_mut(slot);
                service.begin(incarnation);
                service.in_cgroup = in_cgroup;
                service.watch = Some(Box::new(Watch { until: ready_by, wait: Duration::ZERO }));
                service.run = Run::Spawning { then: None };
                // A child may speak before its maker has answered; it is heard when it is known.
                self.hear_mail(slot, false);
            }
            Err(error) => self.see(slot, Seen::SpawnFailed { incarnation, error: Name::from(error) }),
        }
    }

    /// Lets the child go on that was begun ahead, or has one made; whether in a cgroup.
    fn make(&mut self, slot: u32, incarnation: Incarnation) -> Result<bool, String> {
        place::clear_pid_file(&self.service(slot).launch);
        if let Some(in_cgroup) = self.goes_on(slot, incarnation) {
            return Ok(in_cgroup);
        }
        let launch = &self.services[slot as usize].launch;
        let account = self.accounts.find(launch.user.as_deref(), launch.user_group.as_deref())?;
        let order = self.prepare(slot, incarnation, &account)?;
        let in_cgroup = order.birth.cgroup.is_some();
        self.spawner.submit(Job { ticket: u64::from(slot), work: Work::Make(Box::new(order)) });
        self.expect_answer();
        Ok(in_cgroup)
    }

    /// Everything that a child of this life needs, with the account it is to have.
    pub(super) fn prepare(&mut self, slot: u32, incarnation: Incarnation, account: &Account) -> Result<Order, String> {
        self.open_capture(slot)?;
        let launch = self.service(slot).launch.clone();
        if launch.readiness == Readiness::Notify {
            self.open_mailbox(slot)?;
        }
        let cgroup = self.entrance(slot);
        let name = self.service(slot).name.clone();
        let marker = format!("{}/{name}/{}", self.config.instance, incarnation.0);
        let service = &mut self.services[slot as usize];
        let output = self.config.output_of(&name);
        let purpose = Purpose {
            command: &launch.command,
            marker: Some(marker),
            notify: service.mailbox.as_ref().map(|m| m.path()),
            watchdog: launch.watchdog.filter(|_| launch.readiness == Readiness::Notify),
            main: None,
            output: &output,
            cgroup,
            forgive_oom: self.forgive_oom,
            keeps_input: self.keeps_input,
            agent: &self.config.own,
        };
        let order = Order::new(&launch, account, purpose)?;
        if let Some(ids) = &order.birth.ids {
            service.capture.iter_mut().for_each(|c| c.give_to(&output, ids.uid));
        }
        service.mailbox.iter_mut().for_each(|m| m.give_to(account.ids.uid));
        Ok(order)
    }

    /// The service's cgroup, or none with a complaint.
    fn entrance(&mut self, slot: u32) -> Option<Entrance> {
        let domain = self.domain.as_ref()?;
        match domain.entrance(&self.service(slot).name) {
            Ok(entrance) => Some(entrance),
            Err(why) => {
                self.complaints.say(format!("a service runs without a cgroup of its own: {why}"));
                None
            }
        }
    }

    /// Opens the output pipe, where that is not done.
    pub(super) fn open_capture(&mut self, slot: u32) -> Result<(), String> {
        if self.service(slot).capture.is_none() {
            let capture = Capture::open(&self.config.output_of(&self.service(slot).name))?;
            self.listen(capture.fd(), Source::Output(slot)).map_err(|e| format!("its output cannot be read: {e}"))?;
            self.service_mut(slot).capture = Some(capture);
        }
        Ok(())
    }

    /// Opens the notify socket, where that is not done; what is left in it from an earlier life is thrown away.
    pub(super) fn open_mailbox(&mut self, slot: u32) -> Result<(), String> {
        if let Some(mailbox) = &self.service(slot).mailbox {
            mailbox.discard();
            return Ok(());
        }
        let path = self.config.runtime_dir.join("notify").join(&*self.service(slot).name);
        let mailbox = Mailbox::open(path)?;
        self.listen(mailbox.fd(), Source::Mailbox(slot))
            .map_err(|e| format!("its notify socket cannot be read: {e}"))?;
        self.service_mut(slot).mailbox = Some(Box::new(mailbox));
        Ok(())
    }

    fn hear_mail(&mut self, slot: u32, hear: bool) {
        if let Some(mailbox) = &self.service(slot).mailbox {
            if hear {
                if let Err(errno) = self.listen(mailbox.fd(), Source::Mailbox(slot)) {
                    let name = self.service(slot).name.clone();
                    self.complaints.say(format!("the notify socket of {name} cannot be read: {errno}"));
                }
            } else {
                self.ignore(mailbox.fd());
            }
        }
    }

    /// Takes the spawner's answers.
    pub(super) fn collect(&mut self) {
        for Done { ticket, result } in self.spawner.collect() {
            self.answers += 1;
            let at = u32::try_from(ticket & !ERRAND).unwrap_or(u32::MAX);
            if ticket & ERRAND == 0 { self.spawned(at, result) } else { self.errand_spawned(at, result) }
        }
        self.expect_nothing();
    }

    fn spawned(&mut self, slot: u32, result: Result<Newborn, String>) {
        self.hear_mail(slot, true);
        let service = self.service_mut(slot);
        let (incarnation, in_cgroup) = (service.life, service.in_cgroup);
        let then = match &service.run {
            Run::Spawning { then } => *then,
            Run::Unknown | Run::Absent | Run::Alive(_) | Run::Detached | Run::Remains => return,
        };
        let newborn = match result {
            Ok(newborn) => newborn,
            Err(error) => {
                service.run = Run::Absent;
                service.watch = None;
                return self.see(slot, Seen::SpawnFailed { incarnation, error: Name::from(error) });
            }
        };
        let starter = service.launch.readiness == Readiness::PidFile;
        service.session = newborn.identity.pid;
        service.since = newborn.identity.started;
        service.in_cgroup = in_cgroup && newborn.born.cgroup_errno.is_none();
        service.run = Run::Alive(Main { identity: newborn.identity, pidfd: newborn.pidfd, starter });
        self.complain_of(slot, &newborn.born, &newborn.about.limits);
        self.listen_to_main(slot);
        self.see(slot, Seen::Spawned { incarnation, identity: newborn.identity });
        if let Some(rung) = then {
            self.signal(slot, incarnation, rung);
        }
        self.begin_readiness(slot);
    }

    fn complain_of(&mut self, slot: u32, born: &Born, limits: &[&'static str]) {
        let name = self.service(slot).name.clone();
        if let Some(errno) = born.cgroup_errno {
            let why = super::words::message(errno);
            self.complaints.say(format!("{name} could not enter its cgroup ({why}) and runs in a process group"));
        }
        for (bit, limit) in limits.iter().enumerate() {
            if born.short_limits >> bit & 1 == 1 {
                self.complaints.say(format!(
                    "{name}: {limit} is above the agent's own hard limit, which it may not raise; the service runs with \
                     what there is"
                ));
            }
        }
    }

    fn listen_to_main(&mut self, slot: u32) {
        let failure =
            self.service(slot).main().and_then(|main| self.listen(main.pidfd.as_fd(), Source::Main(slot)).err());
        if let Some(errno) = failure {
            let name = self.service(slot).name.clone();
            self.complaints.say(format!("the end of {name} will not be noticed: {errno}"));
        }
    }

    /// Makes a process that is proven to be the service's its main process; false when it is gone meanwhile.
    pub(super) fn take_main(&mut self, slot: u32, identity: Identity, starter: bool) -> bool {
        let Some(pid) = Pid::from_raw(identity.pid) else { return false };
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // After opening: from here on the descriptor cannot mean another process.
        if !proc::lives(identity) {
            return false;
        }
        self.drop_main(slot);
        let service = self.service_mut(slot);
        service.run = Run::Alive(Main { identity, pidfd, starter });
        // Every session of a service was begun in it, since its first process begins one; a daemon may have begun
        // another.
        service.session = proc::stat(identity.pid).map_or(service.session, |stat| stat.session);
        self.listen_to_main(slot);
        true
    }

    /// Out of epoll before it is closed and before another is put in; its descriptor.
    fn drop_main(&mut self, slot: u32) -> Option<OwnedFd> {
        let main = self.service(slot).main()?;
        self.ignore(main.pidfd.as_fd());
        match std::mem::replace(&mut self.service_mut(slot).run, Run::Remains) {
            Run::Alive(main) => Some(main.pidfd),
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Detached | Run::Remains => None,
        }
    }

    /// The descriptor of a main process says that it ended.
    pub(super) fn main_ended(&mut self, slot: u32, last_chance: bool) {
        let Some(main) = self.service(slot).main() else { return };
        let (exit, child) = match how(main.pidfd.as_fd(), last_chance) {
            How::Lives => return,
            How::Child(exit) => (exit, true),
            How::Other(exit) => (exit, false),
            How::Wait => {
                self.listen_for_end(main.pidfd.as_fd(), Source::Main(slot));
                let life = self.service(slot).life;
                return self.timer.after(Duration::from_millis(100), Due::Reaped(slot, life));
            }
        };
        // Of a daemonising service, its starter that has done its work.
        let detached = main.starter && exit == Exit::Code(0);
        // Before its status is read: until then nobody else can have its pid, so its session is proof.
        let left = self.survivors(slot);
        let gone = !detached && self.nothing_left(slot, &left);
        if gone {
            self.go_ahead(slot);
        }
        let dead = self.drop_main(slot).filter(|_| child);
        self.last_words(slot);
        let incarnation = self.service(slot).life;
        if detached {
            self.service_mut(slot).run = Run::Detached;
            self.look_at_pid_file(slot);
        } else {
            self.service_mut(slot).watch = None;
            self.end_questions(slot);
            self.see(slot, Seen::Exited { incarnation, exit });
        }
        if gone {
            self.emptied(slot);
        } else if !detached || matches!(self.service(slot).run, Run::Detached) {
            // Otherwise the pid file has led to the main process, or said that there is none.
            self.watch_left(slot, left);
        }
        if let Some(dead) = dead {
            self.bury_main(slot, dead);
        }
    }

    /// Reads what a main process wrote last, within bounds, so that it is there when its end is reported.
    pub(super) fn last_words(&mut self, slot: u32) {
        for _ in 0..16 {
            if self.pump(slot) == 0 {
                break;
            }
        }
        let Self { services, logs, complaints, .. } = self;
        let service = &mut services[slot as usize];
        let log = service.launch.log.as_deref().unwrap_or(&service.name);
        if let Some(capture) = &mut service.capture {
            capture.finish(log, service.launch.output, logs, complaints);
        }
    }
}
