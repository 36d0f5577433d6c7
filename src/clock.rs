//! The only reader of the system's clocks, and the one alarm of the loop.
//!
//! The alarm is a timerfd on the boot clock: the runtime's own timer wheel wakes several times for one long sleep and
//! stands still while the machine is suspended; this wakes once, when it is due.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::model::{Boot, Now, Wall};

/// The present moment on both clocks.
pub fn now() -> Now {
    Now { boot: boot(), wall: wall() }
}

/// The present moment on the boot clock.
pub fn boot() -> Boot {
    let at = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    let millis = u64::try_from(at.tv_nsec / 1_000_000).unwrap_or(0);
    Boot(seconds.saturating_mul(1_000).saturating_add(millis))
}

/// The present moment on the wall clock.
pub fn wall() -> Wall {
    let at = clock_gettime(ClockId::Realtime);
    Wall(at.tv_sec.saturating_mul(1_000).saturating_add(at.tv_nsec / 1_000_000))
}

/// Wakes the loop at one moment, or not at all.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set: Option<Boot>,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// The kernel gives no timerfd, or there is no runtime.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { timer, set: None })
    }

    /// Sets it; none takes it back. Setting what is set costs nothing.
    ///
    /// # Errors
    /// The kernel refuses the moment.
    pub fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        if at == self.set {
            return Ok(());
        }
        // A deadline is met once the clock reads it: the clock is cut to milliseconds, so the alarm is set on the next.
        let value = at.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |at| {
            let at = Duration::from_millis(at.0.max(1));
            Timespec { tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at.subsec_nanos()) }
        });
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.timer.get_ref().as_fd(), TimerfdTimerFlags::ABSTIME, &once)?;
        self.set = at;
        Ok(())
    }

    /// Waits until it rings. Cancel safe: a ring that nobody took rings again.
    ///
    /// # Errors
    /// The runtime has gone.
    pub async fn rings(&mut self) -> io::Result<()> {
        let mut guard = self.timer.readable_mut().await?;
        let mut count = [0_u8; 8];
        match rustix::io::read(guard.get_inner().as_fd(), &mut count) {
            Ok(_) => self.set = None,
            Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
