//! Whether a starting service greets on every listener ([R1], `readiness: {type: Probe}`).
//!
//! One task for each *starting* service and none for a running one: a converged agent has nothing of this. Whether the
//! service is too late is the planner's to say (`ready_by`); a probe only ever brings good news, and
//! [`Probing::missing`] tells what it still waits for.
//!
//! A listener with `tls: Implicit` is only connected to: what it would say comes behind a TLS handshake, which the
//! probes of a running service will bring. With `tls: StartTls` the greeting is in clear text and is judged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::ask::{Question, ask};
use crate::desired::Listener;
use crate::model::{Heard, Incarnation, Name};
use crate::plan::{Event, Seen};

/// Pause after the first round; each one is twice the one before.
pub const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long one attempt at one listener may take, connect and greeting together. RFC 5321 4.5.3.2.1 would wait 5
/// minutes for a greeting; this is only an attempt, and the next one follows.
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// A probe under way; dropping it ends it.
#[derive(Debug)]
pub struct Probing {
    task: AbortHandle,
    missing: Arc<Mutex<Vec<Missing>>>,
}

impl Probing {
    /// Tries each of `listeners` until all have answered [`Heard::Served`], then sends [`Seen::Ready`] once. A refusal
    /// is an answer, but of a service that is not ready yet, so it is asked again. A listener that has answered is left
    /// alone. Must be called within a tokio runtime.
    pub fn start(service: Name, incarnation: Incarnation, listeners: &[Listener], events: mpsc::Sender<Event>) -> Self {
        let asked: Vec<Missing> = listeners.iter().map(Missing::of).collect();
        let missing = Arc::new(Mutex::new(asked.clone()));
        let shared = Arc::clone(&missing);
        let task = tokio::spawn(async move {
            ask_all(asked, &shared).await;
            let what = Seen::Ready { incarnation };
            // An agent that does not listen any more is ending.
            let _ = events.send(Event { service, what }).await;
        });
        Self { task: task.abort_handle(), missing }
    }

    /// The listeners that have not answered, each with what was seen of it last, for the message of a start that was
    /// not ready in time: `Imap at 127.0.0.1:143: Connection refused (os error 111)`.
    pub fn missing(&self) -> Vec<String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).iter().map(ToString::to_string).collect()
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A listener that has not answered.
#[derive(Clone, Debug)]
struct Missing {
    question: Question,
    last: String,
}

impl Missing {
    fn of(listener: &Listener) -> Self {
        Self { question: Question::greeting(0, listener, ATTEMPT_LIMIT), last: "not tried yet".to_owned() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.question, self.last)
    }
}

/// Asks round after round until nobody is missing.
async fn ask_all(mut open: Vec<Missing>, shared: &Mutex<Vec<Missing>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut still = Vec::new();
        for mut listener in open {
            if let Some(seen) = not_ready(ask(&listener.question).await.answer.heard) {
                listener.last = seen;
                still.push(listener);
            }
        }
        shared.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&still);
        if still.is_empty() {
            return;
        }
        open = still;
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// What was seen instead of a ready service. A certificate that is not good is an affair of the probes, not of the
/// start: clients may well live with it.
fn not_ready(heard: Heard) -> Option<String> {
    match heard {
        Heard::Served | Heard::BadCertificate(_) => None,
        Heard::Refused(text) => Some(format!("it refuses: {text}")),
        Heard::Silent => Some(format!("no answer within {} s", ATTEMPT_LIMIT.as_secs())),
        Heard::Violation(text) | Heard::NotListening(text) | Heard::ClosedEarly(text) | Heard::Unknown(text) => {
            Some(text.to_string())
        }
    }
}
