//! The only reader of the system's clocks and time zones, and the alarms of the loops.
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
use crate::policy::due::Zone;

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

/// A moment as mail has it (RFC 5322 3.3), in UTC.
pub fn mail_date(at: Wall) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    // Only years that mail cannot write are refused.
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&at).unwrap_or_default()
}

/// A time zone of the system's database.
#[derive(Clone, Debug)]
pub struct LocalZone(jiff::tz::TimeZone);

impl LocalZone {
    /// Finds a zone by its name, such as `Europe/Zurich`; none where the system's database does not know it. UTC is
    /// known everywhere.
    pub fn find(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self(jiff::tz::TimeZone::UTC));
        }
        jiff::tz::TimeZone::get(name).ok().map(Self)
    }
}

impl Zone for LocalZone {
    fn offset(&self, at: i64) -> i64 {
        // Beyond what a calendar reaches there is no local time.
        jiff::Timestamp::from_second(at).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()))
    }
}

/// Why a [`WallAlarm`] rang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rang {
    /// Its moment has come.
    Due,
    /// The wall clock was set; it is set to nothing now.
    ClockSet,
}

/// Wakes a loop at one moment of the wall clock, and at once when that clock is set: a schedule has to be looked at anew
/// then. After a suspend it rings as soon as the machine is awake.
#[derive(Debug)]
pub struct WallAlarm {
    timer: AsyncFd<OwnedFd>,
}

impl WallAlarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// The kernel gives no timerfd, or there is no runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self { timer: timer(TimerfdClockId::Realtime)? })
    }

    /// Sets it; none takes it back.
    ///
    /// # Errors
    /// The kernel refuses the moment.
    pub fn set(&mut self, at: Option<Wall>) -> io::Result<()> {
        let value = at.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |at| Timespec {
            tv_sec: at.0.max(1_000).div_euclid(1_000),
            tv_nsec: at.0.max(1_000).rem_euclid(1_000) * 1_000_000,
        });
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(self.timer.get_ref().as_fd(), flags, &once) {
            // A clock that was set meanwhile is told by the next read.
            Ok(_) | Err(rustix::io::Errno::CANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it rings. Cancel safe.
    ///
    /// # Errors
    /// The runtime has gone.
    pub async fn rings(&mut self) -> io::Result<Rang> {
        loop {
            let mut guard = self.timer.readable_mut().await?;
            let mut count = [0_u8; 8];
            match rustix::io::read(guard.get_inner().as_fd(), &mut count) {
                Ok(_) => return Ok(Rang::Due),
                Err(rustix::io::Errno::CANCELED) => return Ok(Rang::ClockSet),
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn timer(clock: TimerfdClockId) -> io::Result<AsyncFd<OwnedFd>> {
    let timer = timerfd_create(clock, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
    )]
    let timer = AsyncFd::new(timer)?;
    Ok(timer)
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
        let timer = timer(TimerfdClockId::Boottime)?;
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
