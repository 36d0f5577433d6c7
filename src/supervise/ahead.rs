//! A birth ahead of its decision.
//!
//! To make a child takes about as long as to decide that it is wanted and to record that. So the successor of a service that
//! ended unasked is made while its restart is planned. It shares the agent's memory, has no program, no ids of the service's
//! and nothing that could be mistaken for it, and waits at its gate: the planner's step opens that, after the record; a turn
//! without the step shuts it, and the child ends. It also ends with the agent (`PR_SET_PDEATHSIG`).
//!
//! One at a time: of services that die together the first gains, and no turn begins more than it can end. Called by `life.rs`
//! at an end and at a start, and by the agent's loop when a turn's steps are done.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::cgroup::Kept;
use super::gate::Gate;
use super::host::Host;
use super::life::bury;
use super::spawner::{Job, Work};
use super::sys::Parked;
use crate::desired::Launch;
use crate::model::Incarnation;

/// How long the loop steps aside for a child at most: three times what an exec takes. One that enters a frozen cgroup never has
/// its program.
const LONGEST: Duration = Duration::from_millis(1);

/// And for how much longer where the two do share a processor: the kernel wakes whoever waits in the middle of the exec, and
/// puts the child off for that.
const REST: Duration = Duration::from_micros(500);

/// A child that may not be wanted.
#[derive(Debug)]
pub(super) struct Ahead {
    slot: u32,
    incarnation: Incarnation,
    launch: Arc<Launch>,
    in_cgroup: bool,
    gate: Arc<Gate>,
    parked: Parked,
    /// Its predecessor, of which it must find no trace: a process that is dead and whose status nobody has read has its pid.
    dead: Option<OwnedFd>,
}

impl Host {
    /// Makes the successor of a service whose main process has ended unasked and of which nothing is left. Before that end is
    /// accounted for: none of that has to be done first.
    pub(super) fn go_ahead(&mut self, slot: u32) {
        let service = self.service(slot);
        let incarnation = Incarnation(service.life.0.saturating_add(1));
        if !Parked::KNOWN || service.asked_to_end || service.killed || self.ahead.is_some() {
            return;
        }
        let launch = Arc::clone(&service.launch);
        let (user, group) = (launch.user.as_deref(), launch.user_group.as_deref());
        // Whether a known account still holds is asked when the child is wanted, and why it cannot start is said then.
        let account = self.accounts.last(user, group).or_else(|| self.accounts.find(user, group).ok());
        let Some(mut order) = account.and_then(|account| self.prepare(slot, incarnation, &account).ok()) else {
            return;
        };
        let gate = Arc::new(Gate::new());
        let in_cgroup = order.birth.cgroup.is_some();
        order.birth.gate = Some(Arc::clone(&gate));
        let Self { domain, services, .. } = self;
        let service = &mut services[slot as usize];
        let folder = domain.as_ref().filter(|_| in_cgroup).and_then(|d| d.folder(&service.name, &mut service.cgroup));
        let Some(parked) = Parked::make(Box::new(order), folder) else {
            service.cgroup = Kept::default();
            return;
        };
        self.ahead = Some(Ahead { slot, incarnation, launch, in_cgroup, gate, parked, dead: None });
    }

    /// Has the status of a main process read that has ended: before its successor begins, or when there is time.
    pub(super) fn bury_main(&mut self, slot: u32, dead: OwnedFd) {
        match &mut self.ahead {
            Some(ahead) if ahead.slot == slot => ahead.dead = Some(dead),
            Some(_) | None => self.spawner.bury(dead),
        }
    }

    /// Whether just this start was begun ahead; it then goes on, and this says whether in a cgroup.
    pub(super) fn goes_on(&mut self, slot: u32, incarnation: Incarnation) -> Option<bool> {
        let ahead = self.ahead.take_if(|ahead| ahead.slot == slot)?;
        let is_it = ahead.incarnation == incarnation
            && Arc::ptr_eq(&ahead.launch, &self.service(slot).launch)
            && (!ahead.launch.names_account() || self.accounts.still_hold());
        let in_cgroup = ahead.in_cgroup;
        self.decide(ahead, is_it);
        is_it.then_some(in_cgroup)
    }

    /// The steps of a turn are done: what was begun ahead and is not among them is not wanted.
    pub fn decided(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            self.decide(ahead, false);
        }
    }

    fn decide(&mut self, ahead: Ahead, open: bool) {
        ahead.dead.as_ref().and_then(|dead| bury(dead.as_fd()));
        ahead.gate.decide(open);
        if open {
            // The kernel often puts it on our processor even where another one is idle.
            if ahead.parked.step_aside(LONGEST) {
                std::thread::sleep(REST);
            }
        }
        self.spawner.submit(Job { ticket: u64::from(ahead.slot), work: Work::Await(ahead.parked) });
        self.expect_answer();
    }
}
