//! Moments at which something is to be done, on one timerfd.
//!
//! `CLOCK_BOOTTIME`, as every deadline of the agent. Whoever asked for a moment looks, when it comes, whether it still
//! matters; only one that would wake an idle agent for nothing is taken back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::model::{Boot, Incarnation};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Look at the pid file of this life of this service.
    PidFile(u32, Incarnation),
    /// Run the readiness command again.
    Ask(u32, Incarnation),
    /// An adopted process of this life has ended and its parent has had time to reap it.
    Reaped(u32, Incarnation),
    /// Look again whether what could not be watched is gone.
    Left(u32, Incarnation),
    /// Kill again what hangs on its way to being the main process of this life.
    Kill(u32, Incarnation),
    /// This errand has had its time.
    Errand(u64),
    /// See whether a spawner is stuck.
    Stall,
}

/// The moments and their descriptor.
#[derive(Debug)]
pub(super) struct Timer {
    fd: OwnedFd,
    moments: BinaryHeap<Reverse<(Boot, Due)>>,
    armed: Option<Boot>,
}

impl Timer {
    /// With nothing due.
    pub(super) fn new() -> rustix::io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, moments: BinaryHeap::new(), armed: None })
    }

    /// Readable when something is due.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Asks for a moment from now.
    pub(super) fn after(&mut self, wait: Duration, due: Due) {
        self.moments.push(Reverse((now().plus(wait), due)));
    }

    /// Takes back every moment for this.
    pub(super) fn cancel(&mut self, due: Due) {
        self.moments.retain(|Reverse((_, what))| *what != due);
    }

    /// Everything that is due now.
    pub(super) fn due(&mut self) -> Vec<Due> {
        let mut expirations = [0u8; 8];
        let _ = rustix::io::read(&self.fd, &mut expirations);
        self.armed = None;
        let now = now();
        let mut due = Vec::new();
        while let Some(Reverse((at, what))) = self.moments.peek().copied() {
            if at > now {
                break;
            }
            self.moments.pop();
            due.push(what);
        }
        due
    }

    /// Sets the descriptor to the next moment, where that is not so already.
    pub(super) fn arm(&mut self) {
        let next = self.moments.peek().map(|Reverse((at, _))| *at);
        if next == self.armed {
            return;
        }
        // Zero would disarm it.
        let value = next.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |at| timespec(at.0.max(1)));
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        if timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec).is_ok() {
            self.armed = next;
        }
    }
}

fn timespec(milliseconds: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000,
    }
}

/// The boot clock.
pub(super) fn now() -> Boot {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Boot(seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000)
}
