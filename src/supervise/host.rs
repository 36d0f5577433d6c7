//! The host: what it is made of, what it is asked, and where its descriptors lead.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, epoll};
use rustix::fs::inotify;

use super::account::Accounts;
use super::ahead::Ahead;
use super::cgroup::Domain;
use super::complaints::Complaints;
use super::config::{Drained, HostConfig, HostError, Recorded, input_is_null, protected};
use super::errand::Errand;
use super::log::Logs;
use super::look::Scan;
use super::place::Sockets;
use super::service::Service;
use super::spawner::Spawner;
use super::sys;
use super::timer::{Due, Timer};
use crate::desired::Launch;
use crate::model::{Incarnation, Inquiry, Name};
use crate::plan::{Event, Seen, Step};

/// Output read from all services in one drain; more waits for the next, so that a flood does not hold a turn up.
const OUTPUT_A_DRAIN: usize = 1 << 20;
/// How long a spawner may be silent before another one is added.
const STALL: Duration = Duration::from_secs(1);

/// What a descriptor in the nested epoll stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The spawner has answers, or events wait.
    Bell,
    /// Some child has ended.
    Children,
    /// A moment has come.
    Timer,
    /// A cgroup has changed.
    Cgroups,
    /// The main process of a service.
    Main(u32),
    /// A process left of a service.
    Left(u32),
    /// The output of a service.
    Output(u32),
    /// The notify socket of a service.
    Mailbox(u32),
    /// The process of an errand.
    Errand(u32),
    /// The output of an errand.
    ErrandOutput(u32),
}

impl Source {
    fn token(self) -> u64 {
        let (kind, index) = match self {
            Self::Bell => (0, 0),
            Self::Children => (1, 0),
            Self::Timer => (2, 0),
            Self::Cgroups => (3, 0),
            Self::Main(at) => (4, at),
            Self::Left(at) => (5, at),
            Self::Output(at) => (6, at),
            Self::Mailbox(at) => (7, at),
            Self::Errand(at) => (8, at),
            Self::ErrandOutput(at) => (9, at),
        };
        (kind << 32) | u64::from(index)
    }

    fn of(token: u64) -> Option<Self> {
        let at = u32::try_from(token & 0xffff_ffff).ok()?;
        Some(match token >> 32 {
            0 => Self::Bell,
            1 => Self::Children,
            2 => Self::Timer,
            3 => Self::Cgroups,
            4 => Self::Main(at),
            5 => Self::Left(at),
            6 => Self::Output(at),
            7 => Self::Mailbox(at),
            8 => Self::Errand(at),
            9 => Self::ErrandOutput(at),
            _ => return None,
        })
    }
}

/// The owner of every child process.
pub struct Host {
    pub(super) config: HostConfig,
    epoll: OwnedFd,
    bell: OwnedFd,
    children: Option<OwnedFd>,
    pub(super) timer: Timer,
    pub(super) spawner: Spawner,
    pub(super) ahead: Option<Ahead>,
    pub(super) domain: Option<Domain>,
    pub(super) inotify: Option<OwnedFd>,
    pub(super) services: Vec<Service>,
    pub(super) names: HashMap<Name, u32>,
    pub(super) free: Vec<u32>,
    pub(super) errands: Vec<Option<Errand>>,
    pub(super) errand_number: u64,
    pub(super) inquiries: Vec<(Name, Inquiry)>,
    pub(super) logs: Logs,
    pub(super) complaints: Complaints,
    pub(super) forgive_oom: bool,
    /// Whether our standard input is what every service gets: `/dev/null`.
    pub(super) keeps_input: bool,
    pub(super) accounts: Accounts,
    /// Some child has ended and was not accounted for yet.
    pub(super) zombies: bool,
    /// Answers of the spawner so far, and how many there were when it last seemed stuck.
    pub(super) answers: u64,
    stalled_at: Option<u64>,
    out: Vec<Event>,
    pub(super) scan: Option<Scan>,
    pub(super) sockets: Option<Sockets>,
    pub(super) buffer: Vec<u8>,
    budget: usize,
}

impl Host {
    /// Makes the folders, takes in orphans from now on, and finds out where cgroups may be made; starts nothing.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if config.instance.is_empty() || config.instance.len() > 64 || !config.instance.chars().all(fits) {
            return Err(HostError::Instance(config.instance));
        }
        for folder in ["out", "notify"].map(|name| config.runtime_dir.join(name)) {
            std::fs::create_dir_all(&folder).map_err(|source| HostError::Folder { path: folder.clone(), source })?;
            // Services reach their sockets through it; what is in it has permissions of its own.
            let mode = rustix::fs::Mode::from_raw_mode(0o711);
            rustix::fs::chmod(&folder, mode)
                .map_err(|errno| HostError::Folder { path: folder.clone(), source: errno.into() })?;
        }
        super::keeper::relieve(&config.runtime_dir);
        let kernel = |what| move |errno: rustix::io::Errno| HostError::Kernel { what, source: errno.into() };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(kernel("epoll"))?;
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let bell = bell.map_err(kernel("eventfd"))?;
        let timer = Timer::new().map_err(kernel("timer"))?;
        let spawner = Spawner::new(bell.as_fd()).map_err(|source| HostError::Kernel { what: "thread", source })?;
        let mut complaints = Complaints::default();
        let children = if config.orphans {
            let children = sys::children()
                .map_err(|source| HostError::Kernel { what: "descriptor for the end of children", source })?;
            rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(kernel("subreaper"))?;
            Some(children)
        } else {
            None
        };
        let mut host = Self {
            domain: None,
            inotify: None,
            logs: Logs::new(config.log_dir.clone(), config.rotate_size, config.keep),
            epoll,
            bell,
            children,
            timer,
            spawner,
            ahead: None,
            services: Vec::new(),
            names: HashMap::new(),
            free: Vec::new(),
            errands: Vec::new(),
            errand_number: 0,
            inquiries: Vec::new(),
            forgive_oom: protected(),
            keeps_input: input_is_null(),
            accounts: Accounts::default(),
            zombies: config.orphans,
            answers: 0,
            stalled_at: None,
            out: Vec::new(),
            scan: None,
            sockets: None,
            buffer: Vec::new(),
            budget: 0,
            complaints: Complaints::default(),
            config,
        };
        if host.config.cgroups {
            match Domain::find(&host.config.instance) {
                Ok(domain) => {
                    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
                    host.inotify = Some(inotify::init(flags).map_err(kernel("inotify"))?);
                    host.domain = Some(domain);
                }
                // In a container they are seldom there, and the first process of it loses nobody either: that is no flaw.
                Err(_) if rustix::process::getpid().is_init() => {}
                Err(why) => complaints.say(format!("services run without cgroups of their own: {why}")),
            }
        }
        host.complaints = complaints;
        for (source, fd) in [
            (Source::Bell, Some(host.bell.as_fd())),
            (Source::Children, host.children.as_ref().map(AsFd::as_fd)),
            (Source::Timer, Some(host.timer.fd())),
            (Source::Cgroups, host.inotify.as_ref().map(AsFd::as_fd)),
        ] {
            if let Some(fd) = fd {
                epoll::add(&host.epoll, fd, epoll::EventData::new_u64(source.token()), epoll::EventFlags::IN)
                    .map_err(kernel("epoll"))?;
            }
        }
        Ok(host)
    }

    /// A nested epoll: readable when [`Host::drain`] has something to say.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Whether services get a cgroup each.
    pub fn has_cgroups(&self) -> bool {
        self.domain.is_some()
    }

    /// Does one thing to one service, without waiting for it; what comes of it is said by [`Host::drain`].
    ///
    /// `launch` is the declaration to act by: the recorded one for a service that is no longer in the document.
    /// `recorded` is what the ledger remembers and is read by a look only.
    pub fn perform(&mut self, name: &Name, launch: &Arc<Launch>, step: &Step, recorded: Option<&Recorded>) {
        let slot = self.slot(name, launch);
        if !matches!(step, Step::Look) {
            self.scan = None;
            self.sockets = None;
        }
        match step {
            Step::Look => self.look(slot, recorded),
            Step::Spawn { incarnation, ready_by } => self.spawn(slot, *incarnation, *ready_by),
            Step::Signal { incarnation, rung } => self.signal(slot, *incarnation, *rung),
            Step::Reload { incarnation, files } => self.reload(slot, *incarnation, *files),
            Step::Check { print } => self.check(slot, *print),
        }
        if !self.out.is_empty() {
            self.ring();
        }
        self.timer.arm();
    }

    /// Appends everything that was seen since; never waits.
    pub fn drain(&mut self, events: &mut Vec<Event>) -> Drained {
        self.scan = None;
        self.sockets = None;
        self.budget = OUTPUT_A_DRAIN;
        // Whoever drains without a turn in between decides nothing.
        self.decided();
        let mut state = Drained::More;
        for _ in 0..64 {
            let mut ready = [const { MaybeUninit::uninit() }; 64];
            let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            let Ok((ready, _)) = epoll::wait(&self.epoll, &mut ready, Some(&at_once)) else { continue };
            if ready.is_empty() {
                state = Drained::Dry;
                break;
            }
            let mut progress = false;
            for event in ready.iter() {
                if let Some(source) = Source::of(event.data.u64()) {
                    progress |= self.dispatch(source);
                }
            }
            if !progress {
                break;
            }
        }
        self.reap();
        self.timer.arm();
        // Its room goes with it: that of a whole server's start would stay for ever.
        events.extend(std::mem::take(&mut self.out));
        state
    }

    /// Whether anything was done about it: output beyond the budget is not.
    fn dispatch(&mut self, source: Source) -> bool {
        match source {
            Source::Bell => {
                clear(&self.bell);
                self.collect();
            }
            Source::Children => {
                if let Some(children) = &self.children {
                    clear(children);
                }
                self.zombies = true;
            }
            Source::Timer => self.timer.due().into_iter().for_each(|due| self.due(due)),
            Source::Cgroups => self.cgroups_changed(),
            Source::Main(slot) => self.main_ended(slot, false),
            Source::Left(slot) => self.left_ended(slot),
            Source::Output(slot) => return self.output(slot),
            Source::Mailbox(slot) => self.mail(slot),
            Source::Errand(at) => self.errand_ended(at),
            Source::ErrandOutput(at) => self.errand_output(at),
        }
        true
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::PidFile(slot, life) if self.is_life(slot, life) => self.look_at_pid_file(slot),
            Due::Ask(slot, life) if self.is_life(slot, life) => self.ask_whether_ready(slot),
            Due::Reaped(slot, life) if self.is_life(slot, life) => self.main_ended(slot, true),
            Due::Left(slot, life) if self.is_life(slot, life) => self.whether_empty(slot),
            Due::Watchdog(slot, life) if self.is_life(slot, life) => self.watchdog_due(slot),
            Due::Kill(slot, life) => self.kill_newborn(slot, life),
            Due::PidFile(..) | Due::Ask(..) | Due::Watchdog(..) | Due::Reaped(..) | Due::Left(..) => {}
            Due::Errand(number) => self.errand_overdue(number),
            Due::Stall => self.stall(),
        }
    }

    fn is_life(&self, slot: u32, life: Incarnation) -> bool {
        self.services.get(slot as usize).is_some_and(|s| s.life == life)
    }

    /// Looks once a second while children wait to be made; adds a spawner when nothing moved meanwhile.
    pub(super) fn stall(&mut self) {
        if !self.spawner.stalled() {
            self.stalled_at = None;
            return;
        }
        if self.stalled_at == Some(self.answers) {
            self.complaints.say("a start hangs (is a cgroup frozen?); others go on beside it".to_owned());
            self.spawner.widen();
        }
        self.stalled_at = Some(self.answers);
        self.timer.after(STALL, Due::Stall);
    }

    /// Ends the looks for a stuck spawner once nothing waits.
    pub(super) fn expect_nothing(&mut self) {
        if self.stalled_at.is_some() && !self.spawner.stalled() {
            self.stalled_at = None;
            self.timer.cancel(Due::Stall);
        }
    }

    /// Begins to look for a stuck spawner, unless that goes on.
    pub(super) fn expect_answer(&mut self) {
        if self.stalled_at.is_none() && self.spawner.stalled() {
            self.stalled_at = Some(self.answers);
            self.timer.after(STALL, Due::Stall);
        }
    }

    /// The place of a service, made where it is new.
    pub(super) fn slot(&mut self, name: &Name, launch: &Arc<Launch>) -> u32 {
        if let Some(slot) = self.names.get(name) {
            self.services[*slot as usize].launch = Arc::clone(launch);
            return *slot;
        }
        let service = Service::new(Arc::clone(name), Arc::clone(launch));
        let slot = if let Some(slot) = self.free.pop() {
            self.services[slot as usize] = service;
            slot
        } else {
            self.services.push(service);
            u32::try_from(self.services.len() - 1).unwrap_or(u32::MAX)
        };
        self.names.insert(Arc::clone(name), slot);
        slot
    }

    pub(super) fn service(&self, slot: u32) -> &Service {
        &self.services[slot as usize]
    }

    pub(super) fn service_mut(&mut self, slot: u32) -> &mut Service {
        &mut self.services[slot as usize]
    }

    pub(super) fn known(&self, name: &str) -> Option<&Service> {
        self.names.get(name).map(|slot| self.service(*slot))
    }

    /// Reports something seen.
    pub(super) fn see(&mut self, slot: u32, what: Seen) {
        let service = Arc::clone(&self.service(slot).name);
        self.out.push(Event { service, what });
    }

    /// Makes [`Host::fd`] readable.
    fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    /// Puts a descriptor among those that are waited for.
    pub(super) fn listen(&self, fd: BorrowedFd<'_>, source: Source) -> Result<(), rustix::io::Errno> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(source.token()), epoll::EventFlags::IN)
    }

    /// Waits for nothing but the end of a descriptor's story: for a pidfd, that its process was reaped.
    pub(super) fn listen_for_end(&self, fd: BorrowedFd<'_>, source: Source) {
        let _ = epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(source.token()), epoll::EventFlags::empty());
    }

    /// Takes a descriptor out; one that is closed without this would go on to be reported while a copy exists.
    pub(super) fn ignore(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Reads a service's output once; false when this drain's share is used up.
    fn output(&mut self, slot: u32) -> bool {
        if self.budget == 0 {
            return false;
        }
        let read = self.pump(slot);
        self.budget = self.budget.saturating_sub(read);
        true
    }

    /// Reads what there is of a service's output, up to the size of the buffer.
    pub(super) fn pump(&mut self, slot: u32) -> usize {
        self.buffer.resize(16 * 1024, 0);
        let Self { services, buffer, logs, complaints, .. } = self;
        let service = &mut services[slot as usize];
        let Service { capture, launch, name, .. } = service;
        let log = launch.log.as_deref().unwrap_or(name);
        capture.as_mut().map_or(0, |c| c.pump(log, launch.output, buffer, logs, complaints))
    }
}

impl Drop for Host {
    /// Signals nobody: services live on and are adopted by the next host. Empty cgroups are removed.
    fn drop(&mut self) {
        self.decided();
        if let Some(domain) = &self.domain {
            domain.leave();
        }
        if let Some(children) = &self.children {
            sys::silence_children(children.as_fd());
        }
    }
}

/// Of an eventfd or a descriptor for one signal: of either, one read takes everything.
fn clear(descriptor: &OwnedFd) {
    let mut what = [0u8; 128];
    // Would-block means that it is clear.
    let _ = rustix::io::read(descriptor, &mut what);
}
