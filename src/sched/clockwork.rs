//! The signs of life: given by the loop itself, also while it waits for an answer, and by nobody else.

use std::future::Future;
use std::io;
use std::time::Duration;

use super::notifier;
use crate::clock::{self, Alarm};
use crate::report::sd_notify::{self, Notifier, State};

/// The pulse of the scheduler.
pub(super) struct Pulse {
    notifier: Option<Notifier>,
    every: Option<Duration>,
    alarm: Alarm,
}

impl Pulse {
    /// As whoever started this process wants it (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    pub(super) fn from_environment() -> io::Result<Self> {
        let value = |name| std::env::var_os(name).map(|value| value.as_encoded_bytes().to_vec());
        let every = sd_notify::sign_of_life_every(
            value("WATCHDOG_USEC").as_deref(),
            value("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        let mut pulse = Self { notifier: notifier(), every, alarm: Alarm::new()? };
        pulse.wind()?;
        Ok(pulse)
    }

    fn wind(&mut self) -> io::Result<()> {
        self.alarm.set(self.every.map(|every| clock::boot().plus(every)))
    }

    /// Tells whoever wants to be told; that nobody listens is no reason to stop.
    pub(super) fn tell(&self, states: &[State<'_>]) {
        if let Some(Err(error)) = self.notifier.as_ref().map(|notifier| notifier.tell(states)) {
            tracing::debug!("{error}");
        }
    }

    /// Gives one sign of life when it is due. Cancel safe.
    pub(super) async fn beats(&mut self) -> io::Result<()> {
        self.alarm.rings().await?;
        self.tell(&[State::Watchdog]);
        self.wind()
    }

    /// Waits for something and goes on giving signs of life meanwhile.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                beat = self.beats() => beat?,
            }
        }
    }
}
