//! A look: is something of a service there, and if so, is it ours ([R4], [R5])?

use std::sync::Arc;

use super::config::Recorded;
use super::host::Host;
use super::left::Census;
use super::place::{self, Sockets, Standing};
use super::proc::{self, Marker, Stat};
use super::service::Run;
use crate::desired::Readiness;
use crate::model::{Identity, Incarnation, Name};
use crate::plan::{Found, Seen};

/// Every process of this instance that carries a marker; made once for many looks.
#[derive(Debug)]
pub(super) struct Scan(Vec<(String, i32)>);

/// A process that may be of the service.
struct Candidate {
    identity: Identity,
    stat: Stat,
    life: Option<Incarnation>,
}

impl Host {
    /// Finds out what is there and reports it.
    pub(super) fn look(&mut self, slot: u32, recorded: Option<&Recorded>) {
        let service = self.service(slot);
        let incarnation = service.life;
        let found = match &service.run {
            Run::Unknown | Run::Absent => return self.search(slot, recorded),
            Run::Alive(main) => Found::Ours { incarnation, identity: main.identity },
            Run::Detached | Run::Remains => Found::Remains { incarnation },
            // Its answer comes anyway.
            Run::Spawning { .. } => return,
        };
        self.see(slot, Seen::Found(found));
    }

    fn search(&mut self, slot: u32, recorded: Option<&Recorded>) {
        let name = Arc::clone(&self.service(slot).name);
        let in_cgroup = self.domain.as_ref().is_some_and(|domain| domain.populated(&name));
        let recorded_main = recorded.and_then(|r| r.identity).filter(|identity| proc::lives(*identity));
        let all = self.candidates(slot, in_cgroup, recorded, recorded_main.is_some());
        let life = recorded
            .map(|r| r.incarnation)
            .max(all.iter().filter_map(|c| c.life).max())
            .unwrap_or(self.service(slot).life);
        if recorded_main.is_none() && all.is_empty() {
            return self.strangers(slot);
        }
        let service = self.service_mut(slot);
        service.begin(life);
        service.adopted = true;
        service.in_cgroup = in_cgroup;
        let main = recorded_main.map(|identity| (identity, false)).or_else(|| self.main_among(slot, &all, recorded));
        if let Some((identity, _)) = main.filter(|(identity, starter)| self.take_main(slot, *identity, *starter)) {
            self.adopt(slot, life, identity);
        } else {
            self.service_mut(slot).run = Run::Remains;
            self.see(slot, Seen::Found(Found::Remains { incarnation: life }));
            let left = Census { proven: all.iter().map(|c| c.identity).collect(), unsettled: false };
            self.watch_left(slot, left);
        }
    }

    /// What is in its cgroup; without one, what carries its marker, where that can matter.
    fn candidates(
        &mut self,
        slot: u32,
        in_cgroup: bool,
        recorded: Option<&Recorded>,
        main_lives: bool,
    ) -> Vec<Candidate> {
        let name = Arc::clone(&self.service(slot).name);
        // With cgroups, a life outside of one is the exception of which the ledger knows.
        let seen_to_end = recorded.is_none_or(|r| r.incarnation == self.service(slot).life);
        let pids = match &self.domain {
            Some(domain) if in_cgroup => domain.members(&name),
            Some(_) if seen_to_end || main_lives => Vec::new(),
            Some(_) | None => self.marked(&name),
        };
        pids.into_iter()
            .filter_map(|pid| {
                let stat = proc::stat(pid).filter(Stat::alive)?;
                let life = match proc::settled_marker(pid) {
                    Marker::Of(_, _, life) => Some(life),
                    Marker::None | Marker::NotNow => None,
                };
                Some(Candidate { identity: Identity { pid, started: stat.started }, stat, life })
            })
            .collect()
    }

    fn marked(&mut self, name: &str) -> Vec<i32> {
        let instance = &self.config.instance;
        let scan = self.scan.get_or_insert_with(|| {
            let own = i32::try_from(std::process::id()).unwrap_or(0);
            let marked = |pid| match proc::settled_marker(pid) {
                Marker::Of(of, name, _) if of == *instance => Some((name, pid)),
                Marker::Of(..) | Marker::None | Marker::NotNow => None,
            };
            Scan(proc::everyone().into_iter().filter(|pid| *pid != own).filter_map(marked).collect())
        });
        scan.0.iter().filter(|(n, _)| n == name).map(|(_, pid)| *pid).collect()
    }

    /// The main process among what is left of a life whose main process is not on record, and whether it is only a
    /// starter: the one the pid file names, else the one that began the session.
    fn main_among(&self, slot: u32, all: &[Candidate], recorded: Option<&Recorded>) -> Option<(Identity, bool)> {
        let launch = &self.service(slot).launch;
        let daemonises = launch.readiness == Readiness::PidFile;
        if daemonises {
            let file = launch.pid_file.as_deref().and_then(place::read_pid_file);
            if let Some(named) = file.and_then(|f| all.iter().find(|c| c.identity.pid == f.pid)) {
                return Some((named.identity, false));
            }
        }
        // Where the main process is on record and gone, a worker with a session of its own is not mistaken for it.
        if recorded.is_some_and(|r| r.identity.is_some()) {
            return None;
        }
        let newest = all.iter().filter_map(|c| c.life).max();
        all.iter()
            .filter(|c| c.stat.session == c.identity.pid && c.life == newest)
            .min_by_key(|c| c.identity.started)
            .map(|c| (c.identity, daemonises))
    }

    fn adopt(&mut self, slot: u32, incarnation: Incarnation, identity: Identity) {
        let session = proc::stat(identity.pid).map_or(0, |stat| stat.session);
        let name = Arc::clone(&self.service(slot).name);
        let in_cgroup = self.domain.as_ref().is_some_and(|domain| domain.holds(&name, identity.pid));
        let service = self.service_mut(slot);
        service.session = session;
        service.since = identity.started;
        service.in_cgroup = in_cgroup;
        let notify = service.launch.readiness == Readiness::Notify;
        let mut opened = self.open_capture(slot);
        if notify {
            opened = opened.and_then(|()| self.open_mailbox(slot));
        }
        if let Err(why) = opened {
            self.complaints.say(format!("{name} was adopted, but {why}"));
        }
        let launch = Arc::clone(&self.service(slot).launch);
        let account = self.accounts.find(launch.user.as_deref(), None);
        if let (Ok(account), Some(mailbox)) = (account, &mut self.service_mut(slot).mailbox) {
            mailbox.give_to(account.ids.uid);
        }
        self.see(slot, Seen::Found(Found::Ours { incarnation, identity }));
        self.resume_readiness(slot);
    }

    /// Nothing of it is there: is somebody else in its place?
    fn strangers(&mut self, slot: u32) {
        let launch = self.service(slot).launch.clone();
        let program = launch.command.first().map(String::as_str);
        let by_pid_file = launch.pid_file.as_ref().and_then(|path| match place::judge_pid_file(path, program) {
            Standing::Free => None,
            Standing::Stale => {
                place::clear_pid_file(&launch);
                None
            }
            Standing::Taken(pid) => Some(format!("{} (pid {pid}) is named by its pid file {path}", proc::name(pid))),
        });
        let who = by_pid_file.or_else(|| {
            let listens = !launch.listeners.is_empty();
            listens.then(|| self.sockets.get_or_insert_with(Sockets::read).stranger(&launch))?
        });
        self.service_mut(slot).run = Run::Absent;
        let found = match who {
            Some(who) => Found::Foreign { who: Name::from(who) },
            None => Found::Nothing,
        };
        self.see(slot, Seen::Found(found));
    }
}
