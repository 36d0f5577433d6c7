//! Orphans: a subreaper, and PID 1 of a container, must read the exit status of what others left behind.
//!
//! The status of a process that somebody here waits for is never taken: a dead child is looked at first and read only
//! by its owner.

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::errand::State;
use super::host::Host;
use super::sys;

impl Host {
    /// Accounts for every child that has ended.
    pub(super) fn reap(&mut self) {
        let mut last = 0;
        while self.zombies {
            // The one that would be found first may be theirs; they ring when it is read.
            if self.spawner.buries() || self.ahead.is_some() {
                return;
            }
            let Some(pid) = sys::dead_child() else {
                self.zombies = false;
                return;
            };
            if pid == last {
                // Its owner did not read it now; the descriptor that tells its end will say so again.
                return;
            }
            last = pid;
            if self.hand_to_owner(pid) || self.in_the_making(pid) {
                continue;
            }
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            }
        }
    }

    /// Lets the owner of a dead child read its status; false when nobody here owns it.
    fn hand_to_owner(&mut self, pid: i32) -> bool {
        let slots = 0..u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        for slot in slots {
            if self.service(slot).main().is_some_and(|main| main.identity.pid == pid) {
                self.main_ended(slot, false);
                return true;
            }
            if self.service(slot).left.iter().any(|left| left.identity.pid == pid) {
                self.left_ended(slot);
                return true;
            }
        }
        let errand = self.errands.iter().position(|errand| {
            errand.as_ref().is_some_and(|e| matches!(&e.state, State::Running { pid: p, .. } if *p == pid))
        });
        if let Some(at) = errand.and_then(|at| u32::try_from(at).ok()) {
            self.errand_ended(at);
            return true;
        }
        false
    }

    /// Whether a dead child is one that a spawner is still making or has just made. A pid that is no longer announced
    /// has its answer waiting, so the answers are taken after asking.
    fn in_the_making(&mut self, pid: i32) -> bool {
        let announced = self.spawner.announced(pid);
        let before = self.answers;
        self.collect();
        announced || self.answers != before && self.hand_to_owner(pid)
    }
}
