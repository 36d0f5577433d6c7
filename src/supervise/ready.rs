//! How a service says that it is ready, and what else it says.

use std::time::Duration;

use super::errand::Kind;
use super::host::Host;
use super::place::{self, PidFile};
use super::proc;
use super::service::{Run, Watch};
use super::sys::Received;
use super::timer::{self, Due};
use crate::desired::Readiness;
use crate::model::{Identity, Incarnation, Name, Strain};
use crate::plan::Seen;
use crate::protocol::sd_notify::{self, Word};

/// First and longest time between two looks at a pid file.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// The same between two readiness commands.
const ASK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long one readiness command may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Datagrams read in one go.
const MAIL: usize = 32;

impl Host {
    /// Begins to wait for readiness, in the way that is declared, of a main process that has just appeared.
    pub(super) fn begin_readiness(&mut self, slot: u32) {
        let launch = self.service(slot).launch.clone();
        match &launch.readiness {
            Readiness::Immediate => self.ready(slot),
            Readiness::Command(_) => {
                self.ask_whether_ready(slot);
                self.look_at_pid_file(slot);
            }
            Readiness::PidFile | Readiness::Notify | Readiness::Probe => self.look_at_pid_file(slot),
        }
    }

    fn ready(&mut self, slot: u32) {
        let service = self.service_mut(slot);
        service.watch = None;
        if !service.ready {
            service.ready = true;
            let incarnation = service.life;
            self.see(slot, Seen::Ready { incarnation });
        }
        self.expect_sign_of_life(slot);
    }

    /// Waits for `WATCHDOG=1` from now on, where that was declared; once for each life.
    pub(super) fn expect_sign_of_life(&mut self, slot: u32) {
        let service = self.service_mut(slot);
        let Some(every) = service.launch.watchdog.filter(|_| !service.guarded && service.mailbox.is_some()) else {
            return;
        };
        service.guarded = true;
        service.said.get_or_insert_default().watchdog = Some(timer::now());
        let life = service.life;
        self.timer.after(every, Due::Watchdog(slot, life));
    }

    /// A sign of life must have come by now. What lies unread in the socket came in time: it was the agent that was late.
    pub(super) fn watchdog_due(&mut self, slot: u32) {
        self.mail(slot);
        let service = self.service_mut(slot);
        if service.main().is_none() {
            return;
        }
        let Some(every) = service.launch.watchdog else {
            service.guarded = false;
            return;
        };
        let now = timer::now();
        let life = service.life;
        let said = service.said.get_or_insert_default();
        let by = said.watchdog.unwrap_or(now).plus(every);
        if now < by {
            self.timer.after(by.since(now), Due::Watchdog(slot, life));
            return;
        }
        said.watchdog = Some(now);
        let words = Name::from(format!("gave no sign of life for {:.1} s (WATCHDOG=1)", every.as_secs_f64()));
        self.timer.after(every, Due::Watchdog(slot, life));
        let strain = Strain { late: now.since(by), ..Strain::default() };
        self.see(slot, Seen::WatchdogMissed { incarnation: life, words, strain });
    }

    fn recovers(&mut self, slot: u32) {
        let service = self.service_mut(slot);
        if !service.recovering && !service.ready {
            service.recovering = true;
            let incarnation = service.life;
            self.see(slot, Seen::Recovering { incarnation });
        }
    }

    /// Looks at the pid file now, and again until it is of no more use.
    pub(super) fn look_at_pid_file(&mut self, slot: u32) {
        let service = self.service(slot);
        let Some(path) = service.launch.pid_file.clone().filter(|_| service.watch.is_some()) else {
            self.service_mut(slot).watch = None;
            return;
        };
        let file = place::read_pid_file(&path);
        match (&service.run, service.launch.readiness == Readiness::PidFile) {
            (Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Remains, _) => return,
            (Run::Alive(main), true) if main.starter => {
                // Only a program that stays in the foreground names itself; otherwise the starter goes on.
                let itself = file.filter(|f| f.pid == main.identity.pid);
                if let Some(file) = itself {
                    self.main_is_itself(slot);
                    self.settle(slot, &file);
                }
            }
            (Run::Detached, _) => {
                let found = file.and_then(|f| Some((proc::identity(f.pid)?, f)));
                if let Some((identity, file)) = found.filter(|(identity, _)| self.is_ours(slot, *identity))
                    && self.take_main(slot, identity, false)
                {
                    let incarnation = self.service(slot).life;
                    self.see(slot, Seen::MainIs { incarnation, identity });
                    self.stop_watching_left(slot);
                    self.settle(slot, &file);
                } else if !self.service(slot).in_cgroup {
                    self.whether_empty(slot);
                }
            }
            (Run::Alive(main), true) => {
                let file = file.filter(|f| f.pid == main.identity.pid);
                if let Some(file) = file {
                    self.settle(slot, &file);
                }
            }
            (Run::Alive(_), false) => {
                if file.is_some_and(|f| f.recovering) {
                    self.recovers(slot);
                }
            }
        }
        self.look_again(slot);
    }

    fn look_again(&mut self, slot: u32) {
        let service = self.service_mut(slot);
        let life = service.life;
        // A service that recovers is waited for without end, and so is a pid file that nothing else stands in for.
        let needed = service.recovering || service.launch.readiness == Readiness::PidFile;
        let Some(watch) = &mut service.watch else { return };
        if needed || timer::now() < watch.until {
            watch.wait = (watch.wait * 2).clamp(LOOK.0, LOOK.1);
            let wait = watch.wait;
            self.timer.after(wait, Due::PidFile(slot, life));
        } else {
            service.watch = None;
        }
    }

    fn main_is_itself(&mut self, slot: u32) {
        match &mut self.service_mut(slot).run {
            Run::Alive(main) => main.starter = false,
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Detached | Run::Remains => {}
        }
    }

    fn settle(&mut self, slot: u32, file: &PidFile) {
        if file.recovering { self.recovers(slot) } else { self.ready(slot) }
    }

    /// What was left is not left any more: a main process was found among it.
    fn stop_watching_left(&mut self, slot: u32) {
        use std::os::fd::AsFd;
        let left = std::mem::take(&mut self.service_mut(slot).left);
        for one in &left {
            self.ignore(one.pidfd.as_fd());
        }
        self.unwatch_cgroup(slot);
    }

    /// Whether a process that a pid file or `MAINPID` names is the service's.
    fn is_ours(&self, slot: u32, identity: Identity) -> bool {
        let service = self.service(slot);
        if let (true, Some(domain)) = (service.in_cgroup, &self.domain) {
            return domain.holds(&service.name, identity.pid);
        }
        let Some(stat) = proc::stat(identity.pid).filter(|s| s.started == identity.started) else { return false };
        // A daemon may have left session, group and environment: then it is one that was handed to us when its
        // parent ended, is no older than this life, and is nobody else's.
        let handed_over = !service.adopted
            && u32::try_from(stat.parent) == Ok(std::process::id())
            && stat.started >= service.since
            && !self.services.iter().any(|s| s.main().is_some_and(|main| main.identity == identity));
        handed_over || self.attributed(slot, identity.pid, &stat)
    }

    /// Runs the readiness command.
    pub(super) fn ask_whether_ready(&mut self, slot: u32) {
        let service = self.service(slot);
        if service.ready || service.main().is_none() {
            return;
        }
        let launch = service.launch.clone();
        if let Readiness::Command(command) = &launch.readiness {
            let life = service.life;
            self.send_out(slot, Kind::Ready(life), command, ANSWER);
        }
    }

    /// The readiness command has ended; it is run again, at growing intervals, until it succeeds.
    pub(super) fn asked_whether_ready(&mut self, slot: u32, life: Incarnation, outcome: Result<(), String>) {
        let service = self.service_mut(slot);
        if service.life != life || service.main().is_none() {
            return;
        }
        match outcome {
            Ok(()) => self.ready(slot),
            Err(why) => {
                let said = service.said.get_or_insert_default();
                said.status = Some(why);
                service.asked = service.asked.saturating_add(1);
                let wait = ASK.0.saturating_mul(1 << service.asked.min(8).saturating_sub(1)).min(ASK.1);
                self.timer.after(wait, Due::Ask(slot, life));
            }
        }
    }

    /// Something was said on a notify socket.
    pub(super) fn mail(&mut self, slot: u32) {
        let mut buffer = [0u8; 4096];
        for _ in 0..MAIL {
            let Some(received) = self.service(slot).mailbox.as_ref().and_then(|m| m.receive(&mut buffer)) else {
                return;
            };
            if self.believed(slot, received) {
                for word in sd_notify::read(buffer.get(..received.length).unwrap_or_default()) {
                    self.hear(slot, word);
                }
            }
        }
    }

    /// Root and the service's own user may speak for it, and so may whatever is proven to be of it.
    fn believed(&self, slot: u32, sender: Received) -> bool {
        let service = self.service(slot);
        match service.run {
            // An earlier life's last words.
            Run::Unknown | Run::Absent | Run::Spawning { .. } => return false,
            Run::Alive(_) | Run::Detached | Run::Remains => {}
        }
        sender.uid == 0
            || service.mailbox.as_ref().and_then(|m| m.owner()) == Some(sender.uid)
            || proc::identity(sender.pid).is_some_and(|identity| self.is_ours(slot, identity))
    }

    fn hear(&mut self, slot: u32, word: Word) {
        let now = timer::now();
        let service = self.service_mut(slot);
        let said = service.said.get_or_insert_default();
        match word {
            Word::Ready => {
                said.reloading = false;
                self.ready(slot);
            }
            Word::Reloading => said.reloading = true,
            Word::Stopping => said.stopping = true,
            Word::Status(text) => {
                let recovers = text.starts_with("init");
                let stressed = text.to_ascii_lowercase().starts_with("stressed");
                said.status = Some(text);
                if stressed {
                    self.stressed(slot, Duration::MAX);
                }
                if recovers {
                    self.recovers(slot);
                }
            }
            Word::Watchdog => said.watchdog = Some(now),
            Word::Hangs => {
                said.hangs = true;
                let incarnation = service.life;
                let words = Name::from("says itself that it hangs (WATCHDOG=trigger)");
                self.see(slot, Seen::WatchdogMissed { incarnation, words, strain: Strain::default() });
            }
            Word::Extend(wait) => {
                said.patience = Some(now.plus(wait));
                self.stressed(slot, wait);
            }
            Word::MainPid(pid) => self.main_moves(slot, pid),
        }
    }

    fn stressed(&mut self, slot: u32, span: Duration) {
        let incarnation = self.service(slot).life;
        self.see(slot, Seen::Stressed { incarnation, span });
    }

    fn main_moves(&mut self, slot: u32, pid: i32) {
        if self.service(slot).main().is_none_or(|main| main.identity.pid == pid) {
            return;
        }
        if let Some(identity) = proc::identity(pid).filter(|identity| self.is_ours(slot, *identity))
            && self.take_main(slot, identity, false)
        {
            let incarnation = self.service(slot).life;
            self.see(slot, Seen::MainIs { incarnation, identity });
        }
    }

    /// Waits again for the readiness of an adopted life, by the means that still work.
    pub(super) fn resume_readiness(&mut self, slot: u32) {
        let until = timer::now().plus(Duration::from_mins(1));
        self.service_mut(slot).watch = Some(Box::new(Watch { until, wait: Duration::ZERO }));
        self.begin_readiness(slot);
    }
}
