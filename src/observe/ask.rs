//! One question to one listener of a running or starting service, and what came back ([R8]).
//!
//! It connects, holds the dialogue of `protocol` over the connection and says what was heard, each kind of failure as a
//! fact of its own. What it means (a hang, a warning, nothing) is the planner's to say. It starts no process (C18), and
//! it never takes its own trouble for the service's: what the prober lacks (a descriptor, a route, a name server, time
//! of its own) is [`Heard::Unknown`] (C13). Called by [`super::readiness`] and by the rounds of probes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::place::{Place, Stream};
use super::tls::{self, Refusal, Served};
use super::{certificate, file, heard};
use crate::clock;
use crate::desired::{Listener, Tls};
use crate::model::{Answer, Certificate, Heard, Loaded, Name};
use crate::protocol::{Dialogue, Errand, Input, Output, Script, Transcript, Verdict};

/// How long the answer to a goodbye is waited for.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// A time-out that is noticed this much too late says that the prober itself was held up (stopped, starved, suspended),
/// and nothing of the peer, whose words may lie unread.
const LATE: Duration = Duration::from_secs(1);

/// What is asked, and where.
#[derive(Clone, Debug)]
pub struct Question {
    number: u16,
    listener: Listener,
    place: Place,
    whole: bool,
    errand: Errand,
    limit: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The fact for the planner.
    pub answer: Answer,
    /// The certificate that was served, if one was and a whole question was asked.
    pub certificate: Option<Certificate>,
    /// The conversation, for a person.
    pub transcript: Transcript,
    /// Whether the dialogue went well to its end, its errand included, whatever is thought of the certificate.
    pub done: bool,
    /// How long it took to find what an [`Errand::Collect`] looks for; none where it is not there.
    pub found: Option<Duration>,
}

impl Question {
    /// Asks whether a listener greets as its protocol demands, over TLS where it has that; the certificate is not looked
    /// at. `number` is given back in the answer; `limit` is how long everything but the goodbye may take.
    pub fn greeting(number: u16, listener: &Listener, limit: Duration) -> Self {
        Self {
            number,
            listener: listener.clone(),
            place: Place::of(listener),
            whole: false,
            errand: Errand::None,
            limit,
        }
    }

    /// Asks everything that is declared: greeting, capabilities, login, recipient or path, and the certificate.
    pub fn whole(number: u16, listener: &Listener, limit: Duration) -> Self {
        Self { whole: true, ..Self::greeting(number, listener, limit) }
    }

    /// Asks everything that is declared, and then does something.
    pub fn errand(listener: &Listener, errand: Errand, limit: Duration) -> Self {
        Self { errand, ..Self::whole(0, listener, limit) }
    }

    /// What is spoken; the login is not in it yet.
    fn script(&self) -> Script {
        let probe = &self.listener.probe;
        let host = probe.server_name.clone().unwrap_or_else(|| self.place.to_string());
        Script {
            start_tls: self.listener.tls == Tls::StartTls,
            whole: self.whole,
            recipient: probe.recipient.clone(),
            path: probe.path.clone().filter(|_| self.whole),
            errand: self.errand.clone(),
            ..Script::greeting(self.listener.protocol, &host)
        }
    }

    /// The name for SNI.
    fn name(&self) -> Option<&str> {
        match (&self.listener.probe.server_name, &self.place) {
            (Some(name), _) | (None, Place::Named(name, _)) => Some(name),
            (None, Place::Tcp(_) | Place::Unix(_) | Place::Nowhere) => None,
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.listener.protocol, self.place)
    }
}

/// Asks once. Dropping the future ends the conversation. Must be called within a tokio runtime: the goodbye of a
/// conversation that went well is waited for by a task of its own, for at most a second, so that the answer need not.
pub async fn ask(question: &Question) -> Asked {
    let began = Instant::now();
    let deadline = began + question.limit;
    let mut asking = Asking {
        question,
        began,
        step: Step::LookUp,
        transcript: Transcript::default(),
        certificate: None,
        done: false,
        found: None,
    };
    let heard = match timeout_at(deadline, asking.converse()).await {
        Ok(heard) => heard,
        Err(_) => asking.timed_out(deadline),
    };
    let took = if heard == Heard::Silent { question.limit } else { began.elapsed() };
    let Asking { transcript, certificate, done, found, .. } = asking;
    Asked { answer: Answer { listener: question.number, took, heard }, certificate, transcript, done, found }
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
    certificate: Option<Certificate>,
    done: bool,
    found: Option<Duration>,
}

/// A dialogue and the connection it is held over.
struct Conversation {
    stream: Stream,
    dialogue: Dialogue,
    secured: bool,
    /// The peer is on this host.
    is_here: bool,
}

/// What ends a conversation before its verdict.
type Ended = Heard;

impl Asking<'_> {
    async fn converse(&mut self) -> Heard {
        let question = self.question;
        let mut script = question.script();
        if let Some(login) = question.listener.probe.login.as_ref().filter(|_| question.whole) {
            match file::credentials(&login.user, login.password_file.as_ref()) {
                Ok(credentials) => {
                    self.transcript.mask(credentials.secrets());
                    script.login = Some(credentials);
                }
                Err(error) => {
                    return Heard::Unknown(self.note(format!("{}: {error}", login.password_file)));
                }
            }
        }
        let addresses = match question.place.look_up().await {
            Ok(addresses) => addresses,
            Err(error) => return Heard::Unknown(self.note(format!("{}: {error}", question.place))),
        };
        self.step = Step::Connect;
        let (stream, is_here) = match question.place.connect(&addresses).await {
            Ok(connected) => connected,
            Err(error) => {
                let words = self.note(error.to_string());
                return heard::not_connected(&error, words);
            }
        };
        self.step = Step::Talk;
        self.note(format!("connected to {}", question.place));
        self.hold(stream, is_here, script).await.unwrap_or_else(|ended| ended)
    }

    async fn hold(&mut self, stream: Stream, is_here: bool, script: Script) -> Result<Heard, Ended> {
        let has_login = script.login.is_some();
        let mut of = Conversation { stream, dialogue: Dialogue::new(script), secured: false, is_here };
        match self.question.listener.tls {
            Tls::Implicit => of = self.secure(of).await?,
            Tls::None if has_login && !is_here => {
                let words = "the password would leave this host in clear text: declare tls";
                return Err(Heard::Unknown(self.note(words.to_owned())));
            }
            Tls::None | Tls::StartTls => {}
        }
        let output = of.dialogue.advance(Input::Connected);
        let (of, heard) = self.talk(of, output).await?;
        if of.secured || !of.dialogue.is_over() {
            tokio::spawn(of.leave());
        }
        let fault = self.certificate.as_ref().and_then(|certificate| certificate.fault.clone());
        Ok(match (heard, fault) {
            (Heard::Served, Some(fault)) => Heard::BadCertificate(fault),
            (heard, _) => heard,
        })
    }

    /// Goes on until the dialogue has a verdict; what is to be sent with it (the goodbye) is sent.
    async fn talk(&mut self, mut of: Conversation, mut output: Output) -> Result<(Conversation, Heard), Ended> {
        let mut buffer = [0; 1024];
        loop {
            let sent = of.send(&output.send).await;
            self.transcript.said(self.began.elapsed(), &output.send);
            if self.found.is_none() && of.dialogue.has_found() {
                self.found = Some(self.began.elapsed());
            }
            if let Some(verdict) = output.verdict {
                self.done = verdict == Verdict::Alive;
                return Ok((of, heard::of(verdict)));
            }
            // A peer that closed may have said why before that, and it is read all the same.
            if let Err(error) = sent
                && !heard::is_a_close(&error)
            {
                let words = self.note(error.to_string());
                return Err(heard::broken(&error, words));
            }
            if output.start_tls {
                of = self.secure(of).await?;
                output = of.dialogue.advance(Input::Secured);
                continue;
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
                    if !heard::is_a_close(&error) {
                        return Err(heard::broken(&error, words));
                    }
                    of.dialogue.advance(Input::Closed)
                }
            };
        }
    }

    /// Begins TLS and looks at the certificate. A password goes only to whom it may go to.
    async fn secure(&mut self, of: Conversation) -> Result<Conversation, Ended> {
        let Conversation { stream, mut dialogue, secured: _, is_here } = of;
        let (stream, served) = match tls::begin(stream, self.question.name()).await {
            Ok(begun) => begun,
            Err(Refusal::Alert(words)) => return Err(Heard::Refused(self.note(words))),
            Err(Refusal::Violation(words)) => return Err(Heard::Violation(self.note(words))),
            Err(Refusal::Broken(error)) => {
                let words = self.note(format!("in the TLS handshake: {error}"));
                let closed = dialogue.advance(Input::Closed).verdict.filter(|_| heard::is_a_close(&error));
                return Err(closed.map_or_else(|| heard::broken(&error, words), heard::of));
            }
        };
        if self.question.whole {
            self.look_at(&served)?;
            if !is_here && !self.knows_the_peer() && dialogue.forget_login() {
                let words = self.note("no login: nothing proves that the password goes where it may".to_owned());
                // A fault of the certificate says why, and is the answer then.
                if self.certificate.as_ref().is_some_and(|certificate| certificate.fault.is_none()) {
                    return Err(Heard::Unknown(words));
                }
            }
        }
        Ok(Conversation { stream, dialogue, secured: true, is_here })
    }

    fn look_at(&mut self, served: &Served) -> Result<(), Ended> {
        match certificate::judge(served, &self.question.listener.probe, clock::wall()) {
            Ok(certificate) => {
                self.note(format!("TLS, certificate {} until {}", certificate.subject, certificate.not_after));
                self.certificate = Some(certificate);
                Ok(())
            }
            Err(words) => Err(Heard::BadCertificate(self.note(words.to_string()))),
        }
    }

    /// Whether the certificate proves who is spoken to.
    fn knows_the_peer(&self) -> bool {
        let declared = &self.question.listener.probe;
        self.certificate.as_ref().is_some_and(|certificate| {
            let is_checked = declared.ca_file.is_some() && declared.server_name.is_some();
            certificate.fault.is_none() && (is_checked || certificate.loaded == Loaded::Yes)
        })
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

    fn note(&mut self, text: String) -> Name {
        let words = text.as_str().into();
        self.transcript.note(self.began.elapsed(), text);
        words
    }
}

impl Conversation {
    /// All of it, out of every buffer of ours.
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits for the peer's goodbye and ends TLS, so that it does not log a lost connection (C20); not for long.
    async fn leave(mut self) {
        let mut buffer = [0; 256];
        let heard = async {
            while !self.dialogue.is_over() {
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => drop(self.dialogue.advance(Input::Bytes(&buffer[..n]))),
                }
            }
            // A peer that is gone needs no goodbye.
            let _ = self.stream.shutdown().await;
        };
        // Late or not, the connection ends here.
        let _ = timeout(GOODBYE_LIMIT, heard).await;
    }
}
