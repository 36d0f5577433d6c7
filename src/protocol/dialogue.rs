//! One conversation with one listener, whatever is spoken.

use super::lines::{Lines, Overrun};
use super::script::mask;
use super::{Input, LINE_LIMIT, Output, Script, TOTAL_LIMIT, Verdict, http, imap, managesieve, pop3, printable, smtp};
use crate::desired::Protocol;

/// One conversation with one listener.
#[derive(Clone, Debug)]
pub struct Dialogue {
    lines: Lines,
    script: Script,
    secrets: Vec<Vec<u8>>,
    speech: Speech,
    stage: Stage,
}

/// The protocols, each with how far it has come.
#[derive(Clone, Debug)]
enum Speech {
    Tcp,
    Imap(imap::Phase),
    Pop3(pop3::Phase),
    Smtp(smtp::Phase),
    Http(http::Phase),
    ManageSieve(managesieve::Phase),
}

/// Where the dialogue stands, whatever its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No verdict yet.
    Asking,
    /// The peer agreed to TLS: nothing may come in clear text any more.
    Securing,
    /// The verdict is out and the goodbye is said; the peer may answer it.
    Leaving,
    /// Nothing more will come or be said.
    Over,
}

/// What a protocol makes of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    send: Vec<u8>,
    secure: bool,
    judged: Option<Judged>,
}

/// A verdict before its words are made: they quote the peer, and must not quote a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Judged {
    Alive,
    Refused(Vec<u8>),
    Violation(&'static str, Vec<u8>),
}

impl Turn {
    /// Wait for more.
    pub(super) fn wait() -> Self {
        Self::default()
    }

    /// Say something and wait for the answer.
    pub(super) fn say(send: impl Into<Vec<u8>>) -> Self {
        Self { send: send.into(), ..Self::default() }
    }

    /// The peer is ready for TLS.
    pub(super) fn secure() -> Self {
        Self { secure: true, ..Self::default() }
    }

    /// It serves; and the protocol's goodbye.
    pub(super) fn alive(goodbye: impl Into<Vec<u8>>) -> Self {
        Self { send: goodbye.into(), secure: false, judged: Some(Judged::Alive) }
    }

    /// The peer says no.
    pub(super) fn refused(line: &[u8], goodbye: impl Into<Vec<u8>>) -> Self {
        Self { send: goodbye.into(), secure: false, judged: Some(Judged::Refused(line.to_vec())) }
    }

    /// The peer speaks something else; it is not spoken to any more.
    pub(super) fn violation(expected: &'static str, line: &[u8]) -> Self {
        Self { judged: Some(Judged::Violation(expected, line.to_vec())), ..Self::default() }
    }
}

impl Dialogue {
    /// A conversation by this script.
    pub fn new(script: Script) -> Self {
        let speech = match script.protocol {
            Protocol::Imap => Speech::Imap(imap::Phase::default()),
            Protocol::Pop3 => Speech::Pop3(pop3::Phase::Greeting),
            Protocol::Smtp | Protocol::Submission => Speech::Smtp(smtp::Phase::new(smtp::Dialect::Smtp)),
            Protocol::Lmtp => Speech::Smtp(smtp::Phase::new(smtp::Dialect::Lmtp)),
            Protocol::Http => Speech::Http(http::Phase::Request),
            Protocol::ManageSieve => Speech::ManageSieve(managesieve::Phase::default()),
            Protocol::Tcp => Speech::Tcp,
        };
        let secrets = script.login.iter().flat_map(super::Credentials::secrets).collect();
        Self { lines: Lines::default(), script, secrets, speech, stage: Stage::Asking }
    }

    /// Takes in what the connection did and says what to do. After the verdict it only waits for the peer's goodbye;
    /// after that it stays silent.
    pub fn advance(&mut self, input: Input<'_>) -> Output {
        let mut output = Output::default();
        match input {
            Input::Connected => {
                let turn = self.connected();
                self.take(turn, &mut output);
            }
            Input::Bytes(bytes) => self.bytes(bytes, &mut output),
            Input::Secured => {
                if self.stage == Stage::Securing {
                    self.stage = Stage::Asking;
                    let turn = self.secured();
                    self.take(turn, &mut output);
                }
            }
            Input::Closed => {
                if matches!(self.stage, Stage::Asking | Stage::Securing) {
                    output.verdict = Some(self.closed_early());
                }
                self.stage = Stage::Over;
            }
        }
        output
    }

    /// Leaves the login out of what is still to be asked, because nothing proves to whom the password would go; whether
    /// there was one.
    pub fn forget_login(&mut self) -> bool {
        self.script.login.take().is_some()
    }

    /// Whether the message that [`super::Errand::Collect`] looks for is there.
    pub fn has_found(&self) -> bool {
        match &self.speech {
            Speech::Imap(phase) => phase.has_found(),
            Speech::Tcp | Speech::Pop3(_) | Speech::Smtp(_) | Speech::Http(_) | Speech::ManageSieve(_) => false,
        }
    }

    /// Whether the peer has said its goodbye too, or nothing more is to be expected of it: the connection may be
    /// closed without cutting anybody off in mid sentence.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// One byte at a time, so that a limit strikes at the same byte however the bytes arrive.
    fn bytes(&mut self, bytes: &[u8], output: &mut Output) {
        for byte in bytes {
            match self.stage {
                Stage::Over => return,
                // What was slipped in behind the answer to STARTTLS would be taken for what came over TLS.
                Stage::Securing => {
                    let turn = Turn::violation("nothing in clear text behind the answer to STARTTLS", &[*byte]);
                    output.start_tls = false;
                    self.take(turn, output);
                    return;
                }
                Stage::Asking | Stage::Leaving => {}
            }
            match self.lines.push(*byte) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    let turn = self.line(&line);
                    self.take(turn, output);
                }
                Err(overrun) => {
                    if self.stage == Stage::Asking {
                        output.verdict = Some(Verdict::Violation(overrun.to_string()));
                    }
                    self.stage = Stage::Over;
                }
            }
        }
    }

    fn take(&mut self, turn: Turn, output: &mut Output) {
        output.send.extend_from_slice(&turn.send);
        if turn.secure {
            self.stage = Stage::Securing;
            output.start_tls = true;
        }
        if let Some(judged) = turn.judged {
            self.stage = if turn.send.is_empty() { Stage::Over } else { Stage::Leaving };
            output.verdict = Some(match judged {
                Judged::Alive => Verdict::Alive,
                Judged::Refused(line) => Verdict::Refused(self.quote(&line)),
                Judged::Violation(expected, line) => {
                    Verdict::Violation(format!("expected {expected}, got \"{}\"", self.quote(&line)))
                }
            });
        }
    }

    fn quote(&self, line: &[u8]) -> String {
        printable(&mask(&self.secrets, line))
    }

    fn connected(&mut self) -> Turn {
        match &mut self.speech {
            Speech::Tcp => Turn::alive(""),
            Speech::Http(phase) => phase.connected(&self.script),
            Speech::Imap(_) | Speech::Pop3(_) | Speech::Smtp(_) | Speech::ManageSieve(_) => Turn::wait(),
        }
    }

    fn secured(&mut self) -> Turn {
        match &mut self.speech {
            Speech::Tcp | Speech::Http(_) => Turn::wait(),
            Speech::Imap(phase) => phase.secured(&self.script),
            Speech::Pop3(phase) => phase.secured(&self.script),
            Speech::Smtp(phase) => phase.secured(),
            Speech::ManageSieve(phase) => phase.secured(),
        }
    }

    fn line(&mut self, line: &[u8]) -> Turn {
        if self.stage == Stage::Leaving {
            if self.is_goodbye(line) {
                self.stage = Stage::Over;
            }
            return Turn::wait();
        }
        match &mut self.speech {
            Speech::Tcp => Turn::wait(),
            Speech::Imap(phase) => phase.line(line, &self.script),
            Speech::Pop3(phase) => phase.line(line, &self.script),
            Speech::Smtp(phase) => phase.line(line, &self.script),
            Speech::Http(phase) => phase.line(line, &self.script),
            Speech::ManageSieve(phase) => phase.line(line, &mut self.lines, &self.script),
        }
    }

    fn is_goodbye(&self, line: &[u8]) -> bool {
        match &self.speech {
            Speech::Tcp | Speech::Http(_) => true,
            Speech::Imap(phase) => phase.is_goodbye(line),
            Speech::Pop3(_) => pop3::is_goodbye(line),
            Speech::Smtp(_) => smtp::is_goodbye(line),
            Speech::ManageSieve(_) => managesieve::is_goodbye(line),
        }
    }

    fn closed_early(&self) -> Verdict {
        let (greeted, awaited) = match &self.speech {
            Speech::Tcp => (false, "TLS began"),
            Speech::Imap(phase) => (phase.has_greeted(), phase.awaited()),
            Speech::Pop3(phase) => (*phase != pop3::Phase::Greeting, phase.awaited()),
            Speech::Smtp(phase) => (phase.has_greeted(), phase.awaited()),
            Speech::Http(_) => (false, "its status line"),
            Speech::ManageSieve(phase) => (phase.has_greeted(), phase.awaited()),
        };
        let words = match self.lines.partial() {
            [] if self.stage == Stage::Securing => "closed the connection before TLS began".to_owned(),
            [] => format!("closed the connection before {awaited}"),
            rest => {
                format!("closed the connection in the middle of a line, before {awaited}: \"{}\"", self.quote(rest))
            }
        };
        if greeted { Verdict::Violation(words) } else { Verdict::Closed(words) }
    }
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line => write!(f, "sent a line of more than {LINE_LIMIT} bytes"),
            Self::Total => write!(f, "sent more than {TOTAL_LIMIT} bytes without coming to an end"),
        }
    }
}
