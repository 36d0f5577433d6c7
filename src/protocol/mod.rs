//! What a mail service is asked and how its answer is judged: bytes in, bytes or a verdict out.
//!
//! A [`Dialogue`] is told what a connection did and says what to send and, once, what to think of the peer. It matches
//! reply codes and tags, never the words of a banner, which every package, upgrade and administrator changes. It knows
//! no socket and no clock: how long silence may last is its caller's affair. Called by `observe`; later by the probes
//! of a running service, which go on where the greeting ends (each protocol has its own phases for that).
//!
//! A peer is not trusted: a line has at most [`LINE_LIMIT`] bytes, a whole dialogue [`TOTAL_LIMIT`]. How the bytes are
//! cut into packets makes no difference to anything that comes out.

mod http;
mod imap;
mod lines;
mod managesieve;
mod pop3;
pub mod sd_notify;
mod smtp;
#[cfg(test)]
mod tests;
mod transcript;
pub mod watcher;

pub use lines::{LINE_LIMIT, TOTAL_LIMIT};
pub use transcript::Transcript;

use crate::desired::Protocol;
use lines::{Lines, Overrun};

/// The name that every probe gives for itself (RFC 2606 keeps `.invalid` free), so that the lines which probes leave in
/// a mail log can be filtered.
pub const HELO_NAME: &str = "probe.mailward.invalid";

/// What a connection did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// It is established; said once, first.
    Connected,
    /// The peer sent these.
    Bytes(&'a [u8]),
    /// The peer closed it, or it broke.
    Closed,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// To be sent; often nothing.
    pub send: Vec<u8>,
    /// Said exactly once in a dialogue that is told of its peer's close.
    pub verdict: Option<Verdict>,
}

/// What is thought of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks its protocol and serves.
    Alive,
    /// It speaks its protocol and says no (421, BYE, -ERR, 503): an answer, but not a ready service ([R8]). The text is
    /// what it said, made printable and cut.
    Refused(String),
    /// It does not speak its protocol, or closed in the middle of the dialogue. The text says what was expected and what
    /// came, printable and cut.
    Violation(String),
    /// It closed before a whole greeting (with HTTP: a whole status line); the text says at what point.
    Closed(String),
}

/// One conversation with one listener.
#[derive(Clone, Debug)]
pub struct Dialogue {
    lines: Lines,
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
    /// The verdict is out and the goodbye is said; the peer may answer it.
    Leaving,
    /// Nothing more will come or be said.
    Over,
}

/// What a protocol makes of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Turn {
    send: Vec<u8>,
    verdict: Option<Verdict>,
}

impl Turn {
    /// Wait for more.
    fn wait() -> Self {
        Self::default()
    }

    /// Say something and wait for the answer.
    fn say(send: impl Into<Vec<u8>>) -> Self {
        Self { send: send.into(), verdict: None }
    }

    /// The verdict, and the protocol's goodbye.
    fn end(verdict: Verdict, goodbye: &[u8]) -> Self {
        Self { send: goodbye.to_vec(), verdict: Some(verdict) }
    }

    /// The peer says no.
    fn refused(line: &[u8], goodbye: &[u8]) -> Self {
        Self::end(Verdict::Refused(printable(line)), goodbye)
    }

    /// The peer speaks something else; it is not spoken to any more.
    fn violation(expected: &str, line: &[u8]) -> Self {
        Self::end(Verdict::Violation(format!("expected {expected}, got \"{}\"", printable(line))), b"")
    }
}

impl Dialogue {
    /// The greeting dialogue of a protocol: enough to know that a service is ready. `host` is the name that HTTP needs
    /// (`127.0.0.1:8080`); one with characters that no host has becomes `localhost`.
    pub fn greeting(protocol: Protocol, host: &str) -> Self {
        let speech = match protocol {
            Protocol::Imap => Speech::Imap(imap::Phase::Greeting),
            Protocol::Pop3 => Speech::Pop3(pop3::Phase::Greeting),
            Protocol::Smtp | Protocol::Submission => Speech::Smtp(smtp::Phase::new(smtp::Dialect::Smtp)),
            Protocol::Lmtp => Speech::Smtp(smtp::Phase::new(smtp::Dialect::Lmtp)),
            Protocol::Http => Speech::Http(http::Phase::new(host)),
            Protocol::ManageSieve => Speech::ManageSieve(managesieve::Phase::Capabilities),
            Protocol::Tcp => Speech::Tcp,
        };
        Self { lines: Lines::default(), speech, stage: Stage::Asking }
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
            Input::Closed => {
                if self.stage == Stage::Asking {
                    output.verdict = Some(self.closed_early());
                }
                self.stage = Stage::Over;
            }
        }
        output
    }

    /// Whether the peer has said its goodbye too, or nothing more is to be expected of it: the connection may be
    /// closed without cutting anybody off in mid sentence.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// One byte at a time, so that a limit strikes at the same byte however the bytes arrive.
    fn bytes(&mut self, bytes: &[u8], output: &mut Output) {
        for byte in bytes {
            if self.stage == Stage::Over {
                return;
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
        if let Some(verdict) = turn.verdict {
            self.stage = if turn.send.is_empty() { Stage::Over } else { Stage::Leaving };
            output.verdict = Some(verdict);
        }
    }

    fn connected(&mut self) -> Turn {
        match &mut self.speech {
            Speech::Tcp => Turn::end(Verdict::Alive, b""),
            Speech::Http(phase) => phase.connected(),
            Speech::Imap(_) | Speech::Pop3(_) | Speech::Smtp(_) | Speech::ManageSieve(_) => Turn::wait(),
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
            Speech::Imap(phase) => phase.line(line),
            Speech::Pop3(phase) => phase.line(line),
            Speech::Smtp(phase) => phase.line(line),
            Speech::Http(phase) => phase.line(line),
            Speech::ManageSieve(phase) => phase.line(line, &mut self.lines),
        }
    }

    fn is_goodbye(&self, line: &[u8]) -> bool {
        match &self.speech {
            Speech::Tcp | Speech::Http(_) => true,
            Speech::Imap(_) => imap::is_goodbye(line),
            Speech::Pop3(_) => pop3::is_goodbye(line),
            Speech::Smtp(_) => smtp::is_goodbye(line),
            Speech::ManageSieve(_) => managesieve::is_goodbye(line),
        }
    }

    fn closed_early(&self) -> Verdict {
        let greeted = match &self.speech {
            Speech::Smtp(phase) => phase.has_greeted(),
            Speech::Tcp | Speech::Imap(_) | Speech::Pop3(_) | Speech::Http(_) | Speech::ManageSieve(_) => false,
        };
        let words = self.closed_at();
        if greeted { Verdict::Violation(words) } else { Verdict::Closed(words) }
    }

    fn closed_at(&self) -> String {
        let awaited = match &self.speech {
            Speech::Tcp => "it was connected",
            Speech::Imap(_) => "its greeting (* OK)",
            Speech::Pop3(_) => "its greeting (+OK)",
            Speech::Smtp(phase) => phase.awaited(),
            Speech::Http(_) => "its status line",
            Speech::ManageSieve(_) => "the OK of its greeting",
        };
        match self.lines.partial() {
            [] => format!("closed the connection before {awaited}"),
            rest => format!("closed the connection in the middle of a line, before {awaited}: \"{}\"", printable(rest)),
        }
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

/// What a peer said, fit for a terminal and a log: printable ASCII, everything else as `\xNN`, at most 200 bytes of it.
fn printable(line: &[u8]) -> String {
    const SHOWN: usize = 200;
    let mut text = String::new();
    for byte in line.iter().take(SHOWN) {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => text.extend(byte.escape_ascii().map(char::from)),
            0x20..=0x7e => text.push(char::from(*byte)),
        }
    }
    if line.len() > SHOWN {
        text.push_str("...");
    }
    text
}

/// Whether a line begins with this word, in any letter case, and the word ends there.
fn starts_with_word(line: &[u8], word: &[u8]) -> bool {
    line.len() >= word.len()
        && line[..word.len()].eq_ignore_ascii_case(word)
        && line.get(word.len()).is_none_or(|next| *next == b' ')
}
