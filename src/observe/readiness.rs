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

use super::place::{Place, Stream};
use crate::desired::{Listener, Protocol, Tls};
use crate::model::{Incarnation, Name};
use crate::plan::{Event, Seen};
use crate::protocol::{Dialogue, Input, Verdict};

/// Pause after the first round; each one is twice the one before.
pub const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long one attempt at one listener may take, connect and greeting together. RFC 5321 4.5.3.2.1 would wait 5
/// minutes for a greeting; this is only an attempt, and the next one follows.
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// How long the answer to a goodbye is waited for.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// A probe under way; dropping it ends it.
#[derive(Debug)]
pub struct Probing {
    task: AbortHandle,
    missing: Arc<Mutex<Vec<Missing>>>,
}

impl Probing {
    /// Tries each of `listeners` until all have answered [`Verdict::Alive`], then sends [`Seen::Ready`] once. A refusal
    /// is an answer, but of a service that is not ready yet, so it is asked again. A listener that has answered is left
    /// alone. Must be called within a tokio runtime.
    pub fn start(service: Name, incarnation: Incarnation, listeners: &[Listener], events: mpsc::Sender<Event>) -> Self {
        let asked: Vec<Missing> = listeners.iter().map(Missing::of).collect();
        let missing = Arc::new(Mutex::new(asked.clone()));
        let shared = Arc::clone(&missing);
        let task = tokio::spawn(async move {
            let last = ask_all(asked, &shared).await;
            let what = Seen::Ready { incarnation };
            if events.send(Event { service, what }).await.is_ok()
                && let Some(conversation) = last
            {
                conversation.hear_goodbye().await;
            }
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
    place: Place,
    protocol: Protocol,
    tls: Tls,
    last: String,
}

impl Missing {
    fn of(listener: &Listener) -> Self {
        Self {
            place: Place::of(listener),
            protocol: listener.protocol,
            tls: listener.tls,
            last: "not tried yet".to_owned(),
        }
    }

    fn greeting(&self) -> Dialogue {
        let protocol = match self.tls {
            Tls::Implicit => Protocol::Tcp,
            Tls::None | Tls::StartTls => self.protocol,
        };
        Dialogue::greeting(protocol, &self.place.to_string())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.protocol, self.place, self.last)
    }
}

/// Asks round after round; the last conversation is given back, so that the news need not wait for its goodbye.
async fn ask_all(mut open: Vec<Missing>, shared: &Mutex<Vec<Missing>>) -> Option<Conversation> {
    let mut pause = FIRST_PAUSE;
    let mut last: Option<Conversation> = None;
    loop {
        let mut still = Vec::new();
        for mut listener in open {
            if let Some(conversation) = last.take() {
                conversation.hear_goodbye().await;
            }
            match ask(&listener).await {
                Ok(conversation) => last = Some(conversation),
                Err(seen) => {
                    listener.last = seen;
                    still.push(listener);
                }
            }
        }
        shared.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&still);
        if still.is_empty() {
            return last;
        }
        if let Some(conversation) = last.take() {
            conversation.hear_goodbye().await;
        }
        open = still;
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// One attempt at one listener; an error is what was seen instead of a ready service.
async fn ask(listener: &Missing) -> Result<Conversation, String> {
    let attempt = async {
        let stream = listener.place.connect().await.map_err(|error| error.to_string())?;
        let mut conversation = Conversation { stream, dialogue: listener.greeting() };
        match conversation.verdict().await.map_err(|error| error.to_string())? {
            Verdict::Alive => Ok(conversation),
            Verdict::Refused(text) => Err(format!("it refuses: {text}")),
            Verdict::Violation(text) => Err(text),
        }
    };
    match tokio::time::timeout(ATTEMPT_LIMIT, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", ATTEMPT_LIMIT.as_secs())),
    }
}

/// A dialogue and the connection it is held over.
struct Conversation {
    stream: Stream,
    dialogue: Dialogue,
}

impl Conversation {
    /// Goes on until the dialogue has a verdict; what is to be sent with it (the goodbye) is sent.
    async fn verdict(&mut self) -> std::io::Result<Verdict> {
        let mut buffer = [0; 1024];
        let mut output = self.dialogue.advance(Input::Connected);
        loop {
            let sent = self.stream.write_all(&output.send).await;
            if let Some(verdict) = output.verdict {
                return Ok(verdict);
            }
            sent?;
            output = match self.stream.read(&mut buffer).await {
                Ok(0) => self.dialogue.advance(Input::Closed),
                Ok(n) => self.dialogue.advance(Input::Bytes(&buffer[..n])),
                // A reset (ECONNRESET) says more than "closed" would.
                Err(error) => return Err(error),
            };
        }
    }

    /// Waits for the peer's goodbye, so that it does not log a lost connection (C20); not for long.
    async fn hear_goodbye(mut self) {
        let mut buffer = [0; 256];
        let heard = async {
            while !self.dialogue.is_over() {
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => drop(self.dialogue.advance(Input::Bytes(&buffer[..n]))),
                }
            }
        };
        // Late or not, the connection ends here.
        let _ = tokio::time::timeout(GOODBYE_LIMIT, heard).await;
    }
}
