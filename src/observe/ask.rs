//! One question to one listener of a running or starting service, and what came back ([R8]).
//!
//! It connects, holds the dialogue of `protocol` over the connection and says what was heard, each kind of failure as a
//! fact of its own. What it means (a hang, a warning, nothing) is the planner's to say. It starts no process (C18), and
//! it never takes its own trouble for the service's: what the prober lacks (a descriptor, a route, a name server, time
//! of its own) is [`Heard::Unknown`] (C13). Called by [`super::readiness`] and by the rounds of probes.

use std::time::Duration;

use rustix::io::Errno;
use tokio::time::{Instant, timeout, timeout_at};

use super::place::{Place, Stream};
use crate::desired::{Listener, Protocol, Tls};
use crate::model::{Answer, Heard};
use crate::protocol::{Dialogue, Input, Transcript, Verdict};

/// How long the answer to a goodbye is waited for.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// A time-out that is noticed this much too late says that the prober itself was held up (stopped, starved, suspended),
/// and nothing of the peer, whose words may lie unread.
const LATE: Duration = Duration::from_secs(1);

/// What is asked, and where.
#[derive(Clone, Debug)]
pub struct Question {
    listener: u16,
    place: Place,
    protocol: Protocol,
    tls: Tls,
    limit: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The fact for the planner.
    pub answer: Answer,
    /// The conversation, for a person.
    pub transcript: Transcript,
}

impl Question {
    /// Asks whether a listener greets as its protocol demands. `number` is given back in the answer; `limit` is how long
    /// everything but the goodbye may take.
    pub fn greeting(number: u16, listener: &Listener, limit: Duration) -> Self {
        Self { listener: number, place: Place::of(listener), protocol: listener.protocol, tls: listener.tls, limit }
    }

    fn dialogue(&self) -> Dialogue {
        let protocol = match self.tls {
            Tls::Implicit => Protocol::Tcp,
            Tls::None | Tls::StartTls => self.protocol,
        };
        Dialogue::greeting(protocol, &self.place.to_string())
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.protocol, self.place)
    }
}

/// Asks once. Dropping the future ends the conversation. Must be called within a tokio runtime: the goodbye of a
/// conversation that went well is waited for by a task of its own, for at most a second, so that the answer need not.
pub async fn ask(question: &Question) -> Asked {
    let began = Instant::now();
    let deadline = began + question.limit;
    let mut asking = Asking { question, began, step: Step::LookUp, transcript: Transcript::default() };
    let heard = match timeout_at(deadline, asking.converse()).await {
        Ok(heard) => heard,
        Err(_) => asking.timed_out(deadline),
    };
    let took = if heard == Heard::Silent { question.limit } else { asking.elapsed() };
    Asked { answer: Answer { listener: question.listener, took, heard }, transcript: asking.transcript }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    LookUp,
    Connect,
    Talk,
}

/// A question under way.
struct Asking<'a> {
    question: &'a Question,
    began: Instant,
    step: Step,
    transcript: Transcript,
}

impl Asking<'_> {
    async fn converse(&mut self) -> Heard {
        let addresses = match self.question.place.look_up().await {
            Ok(addresses) => addresses,
            Err(error) => return Heard::Unknown(self.note(format!("{}: {error}", self.question.place))),
        };
        self.step = Step::Connect;
        let stream = match self.question.place.connect(&addresses).await {
            Ok(stream) => stream,
            Err(error) => {
                let words = self.note(error.to_string());
                return not_connected(&error, words);
            }
        };
        self.step = Step::Talk;
        self.note(format!("connected to {}", self.question.place));
        let mut conversation = Conversation { stream, dialogue: self.question.dialogue() };
        let heard = self.talk(&mut conversation).await;
        if !conversation.dialogue.is_over() {
            tokio::spawn(conversation.hear_goodbye());
        }
        heard
    }

    /// Goes on until the dialogue has a verdict; what is to be sent with it (the goodbye) is sent.
    async fn talk(&mut self, of: &mut Conversation) -> Heard {
        let mut buffer = [0; 1024];
        let mut output = of.dialogue.advance(Input::Connected);
        loop {
            let sent = of.stream.send(&output.send).await;
            self.transcript.said(self.began.elapsed(), &output.send);
            if let Some(verdict) = output.verdict {
                return heard(verdict);
            }
            // A peer that closed may have said why before that, and it is read all the same.
            if let Err(error) = sent
                && !is_a_close(&error)
            {
                let words = self.note(error.to_string());
                return broken(&error, words);
            }
            output = match of.stream.read(&mut buffer).await {
                Ok(0) => {
                    self.note("it closed the connection".to_owned());
                    of.dialogue.advance(Input::Closed)
                }
                Ok(n) => {
                    self.transcript.heard(self.began.elapsed(), &buffer[..n]);
                    of.dialogue.advance(Input::Bytes(&buffer[..n]))
                }
                Err(error) => {
                    let words = self.note(error.to_string());
                    if !is_a_close(&error) {
                        return broken(&error, words);
                    }
                    of.dialogue.advance(Input::Closed)
                }
            };
        }
    }

    fn timed_out(&mut self, deadline: Instant) -> Heard {
        let late = Instant::now().saturating_duration_since(deadline);
        let limit = self.question.limit;
        if late > LATE {
            let words = format!("the prober itself was held up for {late:.1?} and cannot tell");
            return Heard::Unknown(self.note(words));
        }
        match self.step {
            Step::LookUp => {
                Heard::Unknown(self.note(format!("no name server has found {} within {limit:?}", self.question.place)))
            }
            Step::Connect => {
                self.note(format!("nobody has taken the connection within {limit:?}"));
                Heard::Silent
            }
            Step::Talk => {
                self.note(format!("no whole answer within {limit:?}"));
                Heard::Silent
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn note(&mut self, text: String) -> crate::model::Name {
        let words = text.as_str().into();
        self.transcript.note(self.began.elapsed(), text);
        words
    }
}

fn heard(verdict: Verdict) -> Heard {
    match verdict {
        Verdict::Alive => Heard::Served,
        Verdict::Refused(text) => Heard::Refused(text.into()),
        Verdict::Violation(text) => Heard::Violation(text.into()),
        Verdict::Closed(text) => Heard::ClosedEarly(text.into()),
    }
}

/// What a failed `connect` says. Only what the peer's own host can have said counts against the service; all the rest,
/// above all what is not known here, is the prober's.
fn not_connected(error: &std::io::Error, words: crate::model::Name) -> Heard {
    match Errno::from_io_error(error) {
        // A socket file that is missing, or that is no stream socket, is nobody who listens there.
        Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOENT | Errno::NOTDIR | Errno::PROTOTYPE) => {
            Heard::NotListening(words)
        }
        Some(Errno::TIMEDOUT) => Heard::Silent,
        Some(_) | None => Heard::Unknown(words),
    }
}

/// What an error on an established connection says that is no close.
fn broken(error: &std::io::Error, words: crate::model::Name) -> Heard {
    if Errno::from_io_error(error) == Some(Errno::TIMEDOUT) { Heard::Silent } else { Heard::Unknown(words) }
}

fn is_a_close(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

/// A dialogue and the connection it is held over.
struct Conversation {
    stream: Stream,
    dialogue: Dialogue,
}

impl Conversation {
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
        let _ = timeout(GOODBYE_LIMIT, heard).await;
    }
}
