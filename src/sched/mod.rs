//! `mailward sched`: follows the schedule and says when ([R17]).
//!
//! A process of its own beside the agent. It asks the agent for the schedule, waits for the next minute that is due on
//! the wall clock, asks for the run, and reports what was missed while nobody followed. It owns no process and keeps no
//! file: the agent remembers how far each schedule was followed, so this one may be killed at any moment. Decides nothing
//! by itself either: [`crate::policy::agenda`] does. The command line calls it.

mod clockwork;
mod tasks;

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::{self, Rang, WallAlarm};
use crate::control::{Client, ClientError, Events, Outcome, RunTask, TaskMissed};
use crate::engine::Happened;
use crate::model::Minute;
use crate::report::sd_notify::{self, Notifier};
use clockwork::Pulse;
use tasks::Tasks;

/// From one attempt to reach the agent to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the scheduler ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum SchedError {
    /// The system refuses something.
    #[error("{what} cannot be had")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The agent is there and says no: waiting would change nothing.
    #[error("the agent does not let this user follow the schedule; run sched as the agent's own user")]
    NotAllowed(#[source] ClientError),
}

/// What ended a wait.
enum Woken {
    /// Something is due, or the clock was set, or somebody asked: look.
    Look,
    /// There may be another schedule.
    Fetch,
    /// The agent is gone.
    AgentGone,
    /// It is over.
    Told,
}

/// The scheduler.
struct Sched {
    client: Client,
    alarm: WallAlarm,
    pulse: Pulse,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// The last minute that was looked at.
    examined: Option<Minute>,
    said_ready: bool,
}

/// Follows the schedule of the agent behind `client` until it is told to end (TERM or INT).
///
/// # Errors
/// The agent refuses it, or the system does. An agent that is away is waited for.
pub async fn follow(client: Client) -> Result<(), SchedError> {
    let system = |what| move |source| SchedError::System { what, source };
    let mut sched = Sched {
        client,
        alarm: WallAlarm::new().map_err(system("a timer"))?,
        pulse: Pulse::from_environment().map_err(system("a timer"))?,
        terminate: signal(SignalKind::terminate()).map_err(system("SIGTERM"))?,
        interrupt: signal(SignalKind::interrupt()).map_err(system("SIGINT"))?,
        hangup: signal(SignalKind::hangup()).map_err(system("SIGHUP"))?,
        examined: None,
        said_ready: false,
    };
    let mut complained = false;
    loop {
        match sched.attend().await {
            Ok(true) => return Ok(()),
            Ok(false) => complained = false,
            Err(Trouble::System(source)) => return Err(SchedError::System { what: "a timer", source }),
            Err(Trouble::Agent(error)) if error.exit_code() == 77 => return Err(SchedError::NotAllowed(error)),
            Err(Trouble::Agent(error)) => {
                if !complained {
                    tracing::warn!("{error}; it is asked again every second");
                    complained = true;
                }
            }
        }
        if sched.pause().await.map_err(system("a timer"))? {
            return Ok(());
        }
    }
}

/// What went wrong while the schedule was followed.
enum Trouble {
    Agent(ClientError),
    System(io::Error),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Agent(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Sched {
    /// Follows the schedule while the agent is there; true when it is over.
    async fn attend(&mut self) -> Result<bool, Trouble> {
        let client = self.client.clone();
        // Followed before it is fetched, so that no change falls in between.
        let mut events = self.pulse.during(client.events()).await??;
        let mut tasks = Tasks::of(&self.pulse.during(client.schedule()).await??);
        if !std::mem::replace(&mut self.said_ready, true) {
            self.pulse.tell(&[sd_notify::State::Ready]);
        }
        loop {
            let next = self.look(&mut tasks).await?;
            self.alarm.set(next.map(Minute::begins))?;
            match self.wait(&mut events).await? {
                Woken::Look => {}
                Woken::Fetch => tasks = Tasks::of(&self.pulse.during(client.schedule()).await??),
                Woken::AgentGone => return Ok(false),
                Woken::Told => return Ok(true),
            }
        }
    }

    /// Reports what was missed and asks for what is due; gives the next minute something is due.
    async fn look(&mut self, tasks: &mut Tasks) -> Result<Option<Minute>, Trouble> {
        let now = clock::wall().minute();
        // The present minute was not looked at yet, whoever looked at a later one before the clock was set back.
        let before = now.plus(-1);
        let examined = self.examined.replace(now).map_or(before, |examined| examined.min(before));
        let mut next: Option<Minute> = None;
        for task in tasks.all() {
            let found = task.look(examined, now);
            if let Some(missed) = found.missed {
                tracing::warn!(
                    "{}: missed {} run(s) from {} to {}",
                    task.name,
                    missed.count,
                    missed.first,
                    missed.last
                );
                let report = TaskMissed::new(missed);
                self.pulse.during(self.client.task_missed(&task.name, &report)).await??;
                task.followed.miss(missed.last);
            }
            if let Some(due) = found.due {
                let run = RunTask { due: Some(due.to_string()) };
                let answered = self.pulse.during(self.client.run_task(&task.name, &run)).await??;
                task.followed.answer(due);
                match answered.outcome {
                    Outcome::Doing => tracing::info!("{}: due at {due}, begun", task.name),
                    Outcome::AlreadySo => {}
                    Outcome::Refused => tracing::warn!("{}: due at {due}, not run: {}", task.name, answered.message),
                }
            }
            next = next.into_iter().chain(found.next).min();
        }
        Ok(next)
    }

    async fn wait(&mut self, events: &mut Events) -> Result<Woken, Trouble> {
        loop {
            tokio::select! {
                rung = self.alarm.rings() => {
                    if rung? == Rang::ClockSet {
                        tracing::info!("the clock was set");
                    }
                    return Ok(Woken::Look);
                }
                beat = self.pulse.beats() => beat?,
                event = events.next() => match event {
                    Ok(Some(told)) => {
                        if matches!(told.event, Happened::DocumentAccepted { .. }) {
                            return Ok(Woken::Fetch);
                        }
                    }
                    Ok(None) | Err(_) => return Ok(Woken::AgentGone),
                },
                _ = self.hangup.recv() => return Ok(Woken::Fetch),
                _ = self.terminate.recv() => return Ok(Woken::Told),
                _ = self.interrupt.recv() => return Ok(Woken::Told),
            }
        }
    }

    /// Waits a little before the agent is asked again; true when it is over.
    async fn pause(&mut self) -> io::Result<bool> {
        let over = tokio::time::sleep(AGAIN);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(false),
                beat = self.pulse.beats() => beat?,
                _ = self.terminate.recv() => return Ok(true),
                _ = self.interrupt.recv() => return Ok(true),
            }
        }
    }
}

/// The way to whoever started this process and wants to be told; none where nobody does.
fn notifier() -> Option<Notifier> {
    let value = std::env::var_os("NOTIFY_SOCKET")?;
    Notifier::new(value.as_encoded_bytes()).ok().flatten()
}
