//! What a mail service is asked and how its answer is judged: bytes in, bytes or a verdict out.
//!
//! A [`Dialogue`] is told what a connection did and says what to send and, once, what to think of the peer. It matches
//! reply codes and tags, never the words of a banner, which every package, upgrade and administrator changes. It knows
//! no socket and no clock: how long silence may last is its caller's affair, and so is TLS, which it only asks for. A
//! [`Script`] says how much is asked. Called by `observe`.
//!
//! A peer is not trusted: a line has at most [`LINE_LIMIT`] bytes, a whole dialogue [`TOTAL_LIMIT`]. How the bytes are
//! cut into packets makes no difference to anything that comes out.

pub mod certificate;
pub mod command;
mod dialogue;
mod errand;
mod http;
mod imap;
mod lines;
mod managesieve;
mod pop3;
mod script;
pub mod sd_notify;
mod smtp;
#[cfg(test)]
mod tests;
mod transcript;
pub mod watcher;

pub use dialogue::Dialogue;
pub use errand::{CANARY_HEADER, Errand, Letter, Mark};
pub use lines::{LINE_LIMIT, TOTAL_LIMIT};
pub use script::{Credentials, CredentialsError, Script};
pub use transcript::Transcript;

/// The name that every probe gives for itself (RFC 2606 keeps `.invalid` free), so that the lines which probes leave in
/// a mail log can be filtered.
pub const HELO_NAME: &str = "probe.mailward.invalid";

/// What a connection did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// It is established, with TLS where that is spoken from the first byte; said once, first.
    Connected,
    /// The peer sent these.
    Bytes(&'a [u8]),
    /// The TLS that [`Output::start_tls`] asked for is spoken from now on.
    Secured,
    /// The peer closed it, or it broke.
    Closed,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// To be sent; often nothing.
    pub send: Vec<u8>,
    /// TLS is to be begun, and then [`Input::Secured`] said.
    pub start_tls: bool,
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
