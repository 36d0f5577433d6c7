//! Short-lived commands beside a service: its configuration checker, its reload, its readiness question, its probe.
//!
//! An errand runs as the service would (user, environment, directory), in a session of its own and never in the
//! service's cgroup, so that it is no part of what must be gone before the service starts again. What differs for a probe
//! is in `inquiry.rs`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, Signal as Number};

use super::host::{Host, Source};
use super::life::{ERRAND, bury, ended};
use super::order::{Order, Purpose};
use super::spawner::{Job, Newborn, Work};
use super::stop::number;
use super::timer::{self, Due};
use crate::desired::Reload;
use crate::model::{Boot, Exit, Fingerprint, Incarnation, Name};
use crate::plan::Seen;

/// What is kept of the output, for the words of a failure.
const TAIL: usize = 2 * 1024;

/// What an errand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`crate::plan::Step::Check`].
    Check(Fingerprint),
    /// [`crate::plan::Step::Reload`].
    Reload(Incarnation, Fingerprint),
    /// The readiness command.
    Ready(Incarnation),
    /// The command of a probe.
    Probe,
}

/// How an errand came to its end.
pub(super) enum End {
    /// It ran.
    Exited(Exit),
    /// It could not be run, in words.
    NotRun(String),
}

/// Where an errand is.
#[derive(Debug)]
pub(super) enum State {
    /// Its process is being made.
    Spawning,
    /// It runs.
    Running {
        /// Its process, session and group.
        pid: i32,
        /// Readable when it has ended.
        pidfd: OwnedFd,
    },
}

/// One errand.
#[derive(Debug)]
pub(super) struct Errand {
    /// Whose.
    pub(super) slot: u32,
    /// What for.
    pub(super) kind: Kind,
    /// Where it is.
    pub(super) state: State,
    pub(super) number: u64,
    program: String,
    pub(super) limit: Duration,
    /// When it was seen to run.
    pub(super) begun: Boot,
    /// Of a probe: its end has been told already.
    pub(super) told: bool,
    overdue: bool,
    pub(super) unwanted: bool,
    pipe: OwnedFd,
    path: PathBuf,
    pub(super) tail: Vec<u8>,
}

impl Errand {
    fn read(&mut self) -> usize {
        let mut buffer = [0u8; 4096];
        let length = rustix::io::read(&self.pipe, &mut buffer).unwrap_or(0);
        self.tail.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let drop = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..drop);
        length
    }

    fn is_question(&self) -> bool {
        match self.kind {
            Kind::Ready(_) | Kind::Probe => true,
            Kind::Check(_) | Kind::Reload(..) => false,
        }
    }

    /// KILL to its group, which is its own while its status is unread.
    fn kill_group(&self) {
        if let State::Running { pid, .. } = &self.state
            && let Some(group) = Pid::from_raw(*pid)
        {
            let _ = rustix::process::kill_process_group(group, Number::KILL);
        }
    }

    fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let text = text.trim();
        if text.is_empty() { "it said nothing".to_owned() } else { format!("it said: {text}") }
    }

    fn outcome(&self, exit: Exit) -> Result<(), String> {
        let program = &self.program;
        match exit {
            Exit::Signal(_) if self.overdue => {
                Err(format!("{program} did not end within {:?} and was killed; {}", self.limit, self.said()))
            }
            Exit::Code(0) => Ok(()),
            Exit::Code(_) | Exit::Signal(_) | Exit::Unknown => Err(format!("{program} {exit}; {}", self.said())),
        }
    }
}

impl Host {
    /// Runs the service's own configuration checker; a service without one is right.
    pub(super) fn check(&mut self, slot: u32, print: Fingerprint) {
        let launch = self.service(slot).launch.clone();
        if launch.check.is_empty() {
            return self.see(slot, Seen::Checked { print, outcome: Ok(()) });
        }
        self.send_out(slot, Kind::Check(print), &launch.check, launch.check_timeout);
    }

    /// Has the service take over changed files: a command is waited for, a signal is done when it is sent.
    pub(super) fn reload(&mut self, slot: u32, incarnation: Incarnation, files: Fingerprint) {
        let launch = self.service(slot).launch.clone();
        let main = self.service(slot).main().filter(|_| self.service(slot).life == incarnation);
        let answer = match (&launch.reload, main) {
            (None, _) => Err("no `reload` is declared".to_owned()),
            (Some(_), None) => Err("it does not run any more".to_owned()),
            (Some(Reload::Signal(signal)), Some(main)) => {
                rustix::process::pidfd_send_signal(&main.pidfd, number(*signal))
                    .map_err(|errno| format!("the reload signal cannot be sent: {errno}"))
            }
            (Some(Reload::Command(command)), Some(_)) => {
                let kind = Kind::Reload(incarnation, files);
                return self.send_out(slot, kind, command, launch.reload_timeout);
            }
        };
        self.see(slot, Seen::Reloaded { incarnation, files, outcome: answer.map_err(Name::from) });
    }

    /// Starts an errand; its end is reported by kind, also where it could not be started.
    pub(super) fn send_out(&mut self, slot: u32, kind: Kind, command: &[String], limit: Duration) {
        self.errand_number += 1;
        let number = self.errand_number;
        match self.pack(slot, kind, command, limit, number) {
            Ok((errand, order)) => {
                let at = self.errands.iter().position(Option::is_none).unwrap_or(self.errands.len());
                let Ok(index) = u32::try_from(at) else { return };
                if self.listen(errand.pipe.as_fd(), Source::ErrandOutput(index)).is_err() {
                    self.complaints.say("the output of an errand cannot be read".to_owned());
                }
                if at == self.errands.len() {
                    self.errands.push(Some(errand));
                } else {
                    self.errands[at] = Some(errand);
                }
                self.spawner.submit(Job { ticket: ERRAND | u64::from(index), work: Work::Make(Box::new(order)) });
                self.expect_answer();
            }
            Err(why) => self.report(slot, kind, Err(why)),
        }
    }

    fn pack(
        &mut self,
        slot: u32,
        kind: Kind,
        command: &[String],
        limit: Duration,
        number: u64,
    ) -> Result<(Errand, Order), String> {
        let launch = Arc::clone(&self.service(slot).launch);
        let account = self.accounts.find(launch.user.as_deref(), launch.user_group.as_deref())?;
        let cgroup = if kind == Kind::Probe { self.entrance_of_probe(slot) } else { None };
        let service = self.service(slot);
        // A service's name has no dot.
        let path = self.config.runtime_dir.join("out").join(format!(".errand-{number}"));
        let _ = std::fs::remove_file(&path);
        let open = || {
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            rustix::fs::open(&path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        };
        let pipe = open().map_err(|errno| format!("the pipe {} cannot be made: {errno}", path.display()))?;
        let purpose = Purpose {
            command,
            marker: None,
            notify: None,
            watchdog: None,
            main: service.main().map(|main| main.identity.pid),
            output: &path,
            cgroup,
            forgive_oom: self.forgive_oom,
            keeps_input: self.keeps_input,
            agent: &self.config.own,
        };
        let order = match Order::new(&launch, &account, purpose) {
            Ok(order) => order,
            Err(why) => {
                let _ = std::fs::remove_file(&path);
                return Err(why);
            }
        };
        let program = command.first().cloned().unwrap_or_default();
        let errand = Errand {
            slot,
            kind,
            state: State::Spawning,
            number,
            program,
            limit,
            begun: timer::now(),
            told: false,
            overdue: false,
            unwanted: false,
            pipe,
            path,
            tail: Vec::new(),
        };
        Ok((errand, order))
    }

    /// The spawner's answer for an errand.
    pub(super) fn errand_spawned(&mut self, at: u32, result: Result<Newborn, String>) {
        let Some(errand) = self.errands.get_mut(at as usize).and_then(Option::as_mut) else { return };
        // Opened by now, or never.
        let _ = std::fs::remove_file(&errand.path);
        match result {
            Ok(newborn) => {
                let (number, limit, unwanted) = (errand.number, errand.limit, errand.unwanted);
                errand.begun = timer::now();
                errand.state = State::Running { pid: newborn.identity.pid, pidfd: newborn.pidfd };
                let listens = match &self.errands[at as usize] {
                    Some(Errand { state: State::Running { pidfd, .. }, .. }) => {
                        self.listen(pidfd.as_fd(), Source::Errand(at))
                    }
                    Some(_) | None => Ok(()),
                };
                if listens.is_err() {
                    self.complaints.say("the end of an errand will be noticed late".to_owned());
                }
                let limit = if unwanted { Duration::ZERO } else { limit };
                self.timer.after(limit, Due::Errand(number));
            }
            Err(why) => self.finish_errand(at, End::NotRun(why)),
        }
    }

    /// Output of an errand is there.
    pub(super) fn errand_output(&mut self, at: u32) {
        if let Some(errand) = self.errands.get_mut(at as usize).and_then(Option::as_mut) {
            errand.read();
        }
    }

    /// An errand has had its time: KILL to its group, which is its own while its status is unread.
    pub(super) fn errand_overdue(&mut self, number: u64) {
        let is_it = |errand: &Option<Errand>| errand.as_ref().is_some_and(|errand| errand.number == number);
        let Some(at) = self.errands.iter().position(is_it) else { return };
        let Some(errand) = &mut self.errands[at] else { return };
        errand.overdue = true;
        if let State::Running { pidfd, .. } = &errand.state
            && !ended(pidfd.as_fd())
        {
            errand.kill_group();
            self.probe_overdue(at);
        }
    }

    /// The process of an errand has ended.
    pub(super) fn errand_ended(&mut self, at: u32) {
        let Some(errand) = self.errands.get_mut(at as usize).and_then(Option::as_mut) else { return };
        let State::Running { pidfd, .. } = &errand.state else { return };
        if errand.kind == Kind::Probe && ended(pidfd.as_fd()) {
            // Before its status is read: until then nobody else can have its group's number.
            errand.kill_group();
        }
        let Some(exit) = bury(pidfd.as_fd()) else { return };
        // Bounded: a process it left behind may go on writing.
        for _ in 0..16 {
            if errand.read() == 0 {
                break;
            }
        }
        self.finish_errand(at, End::Exited(exit));
    }

    fn finish_errand(&mut self, at: u32, end: End) {
        let Some(errand) = self.errands.get_mut(at as usize).and_then(Option::take) else { return };
        self.ignore(errand.pipe.as_fd());
        match &errand.state {
            State::Running { pidfd, .. } => self.ignore(pidfd.as_fd()),
            State::Spawning => {}
        }
        let outcome = match (errand.kind, end) {
            (Kind::Probe, end) => return self.probe_ended(&errand, end),
            (Kind::Check(_) | Kind::Reload(..) | Kind::Ready(_), End::Exited(exit)) => errand.outcome(exit),
            (Kind::Check(_) | Kind::Reload(..) | Kind::Ready(_), End::NotRun(why)) => Err(why),
        };
        self.report(errand.slot, errand.kind, outcome);
    }

    fn report(&mut self, slot: u32, kind: Kind, outcome: Result<(), String>) {
        match kind {
            Kind::Check(print) => self.see(slot, Seen::Checked { print, outcome: outcome.map_err(Name::from) }),
            Kind::Reload(incarnation, files) => {
                self.see(slot, Seen::Reloaded { incarnation, files, outcome: outcome.map_err(Name::from) });
            }
            Kind::Ready(life) => self.asked_whether_ready(slot, life, outcome),
            Kind::Probe => {
                if let Err(why) = outcome {
                    self.inquiry_cut_off(slot, why);
                }
            }
        }
    }

    /// Ends the questions to a life that is over: whether it is ready, and whether it serves.
    pub(super) fn end_questions(&mut self, slot: u32) {
        let running: Vec<u64> = self
            .errands
            .iter_mut()
            .flatten()
            .filter(|errand| errand.slot == slot && errand.is_question())
            .map(|errand| {
                errand.unwanted = true;
                errand.number
            })
            .collect();
        for number in running {
            self.errand_overdue(number);
        }
    }
}
