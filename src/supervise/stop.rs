//! Signals: to the main process, or to everything that is left ([R3]).

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal as Number};

use super::host::Host;
use super::proc;
use super::service::Run;
use super::timer::Due;
use crate::desired::Signal;
use crate::model::{Identity, Incarnation};
use crate::plan::Rung;

/// Rounds of looking for processes that were born while their siblings were killed.
const ROUNDS: usize = 16;

/// Time between two attempts to kill a child in the making.
const AGAIN: Duration = Duration::from_millis(50);

/// The kernel's name of a declared signal.
pub(super) fn number(signal: Signal) -> Number {
    match signal {
        Signal::Term => Number::TERM,
        Signal::Int => Number::INT,
        Signal::Quit => Number::QUIT,
        Signal::Hup => Number::HUP,
        Signal::Usr1 => Number::USR1,
        Signal::Usr2 => Number::USR2,
        Signal::Winch => Number::WINCH,
    }
}

impl Host {
    /// Performs one rung of the ladder on one life; another life is left alone.
    pub(super) fn signal(&mut self, slot: u32, incarnation: Incarnation, rung: Rung) {
        if self.service(slot).life != incarnation {
            return;
        }
        self.service_mut(slot).asked_to_end = true;
        match (&mut self.service_mut(slot).run, rung) {
            (Run::Unknown | Run::Absent, _) => {}
            (Run::Spawning { then }, _) => {
                *then = Some(then.map_or(rung, |asked| asked.max(rung)));
                if rung == Rung::Kill {
                    self.kill_newborn(slot, incarnation);
                }
            }
            (Run::Alive(main), Rung::Ask(signal)) => {
                let sent = rustix::process::pidfd_send_signal(&main.pidfd, number(signal));
                // A stopped process takes no signal but KILL until it is continued.
                let _ = rustix::process::pidfd_send_signal(&main.pidfd, Number::CONT);
                if sent == Err(rustix::io::Errno::PERM) {
                    let name = self.service(slot).name.clone();
                    self.complaints.say(format!("{name} cannot be signalled: it runs as another user than the agent"));
                }
            }
            (Run::Detached | Run::Remains, Rung::Ask(signal)) => {
                for identity in self.everything(slot) {
                    self.send(slot, identity, number(signal));
                    self.send(slot, identity, Number::CONT);
                }
            }
            (Run::Alive(_) | Run::Detached | Run::Remains, Rung::Kill) => self.kill(slot),
        }
    }

    /// A child that hangs in a frozen cgroup never gets as far as being signalled by its pid, and it may enter the cgroup
    /// only after it was emptied by KILL: so that is repeated until the child is there or is not.
    pub(super) fn kill_newborn(&mut self, slot: u32, life: Incarnation) {
        let service = self.service(slot);
        match service.run {
            Run::Spawning { .. } if service.life == life && service.in_cgroup => {}
            Run::Unknown | Run::Absent | Run::Spawning { .. } | Run::Alive(_) | Run::Detached | Run::Remains => return,
        }
        if let Some(domain) = &self.domain {
            domain.kill(&service.name);
            self.timer.after(AGAIN, Due::Kill(slot, life));
        }
    }

    /// Everything of a life that can be seen, its main process included.
    fn everything(&self, slot: u32) -> Vec<Identity> {
        let service = self.service(slot);
        match &self.domain {
            Some(domain) if service.in_cgroup => {
                domain.members(&service.name).into_iter().filter_map(proc::identity).collect()
            }
            Some(_) | None => {
                let mut all = self.of_service(slot, proc::everyone()).proven;
                all.extend(service.main().map(|main| main.identity));
                all
            }
        }
    }

    /// Signals one process by a descriptor that is opened before it is proven, once more, to be the service's.
    pub(super) fn send(&self, slot: u32, identity: Identity, signal: Number) {
        let Some(pid) = Pid::from_raw(identity.pid) else { return };
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
        let service = self.service(slot);
        let proven = proc::stat(identity.pid).is_some_and(|stat| {
            stat.started == identity.started
                && match &self.domain {
                    Some(domain) if service.in_cgroup => domain.holds(&service.name, identity.pid),
                    Some(_) | None => self.attributed(slot, identity.pid, &stat),
                }
        });
        if proven {
            // It may have ended meanwhile, which is what is wanted.
            let _ = rustix::process::pidfd_send_signal(&pidfd, signal);
        }
    }

    fn kill(&mut self, slot: u32) {
        self.service_mut(slot).killed = true;
        let service = self.service(slot);
        if let Some(main) = service.main() {
            let _ = rustix::process::pidfd_send_signal(main.pidfd.as_fd(), Number::KILL);
        }
        if let (true, Some(domain)) = (service.in_cgroup, &self.domain)
            && domain.kill(&service.name)
        {
            return;
        }
        let mut killed = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<Identity> =
                self.everything(slot).into_iter().filter(|i| killed.insert((i.pid, i.started))).collect();
            if new.is_empty() {
                return;
            }
            for identity in new {
                self.send(slot, identity, Number::KILL);
            }
        }
    }
}
