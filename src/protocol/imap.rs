//! IMAP: RFC 9051 7.1.

use super::{Turn, Verdict, starts_with_word};

/// How far it has come. STARTTLS, CAPABILITY and LOGIN will follow the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for the first line, which is `* OK`, `* PREAUTH` or `* BYE` and nothing else.
    Greeting,
}

const LOGOUT: &[u8] = b"mw1 LOGOUT\r\n";

impl Phase {
    pub(super) fn line(self, line: &[u8]) -> Turn {
        match self {
            Self::Greeting => greeting(line),
        }
    }
}

fn greeting(line: &[u8]) -> Turn {
    let Some(response) = line.strip_prefix(b"* ") else {
        return Turn::violation("an IMAP greeting (* OK, * PREAUTH or * BYE)", line);
    };
    if starts_with_word(response, b"OK") || starts_with_word(response, b"PREAUTH") {
        Turn::end(Verdict::Alive, LOGOUT)
    } else if starts_with_word(response, b"BYE") {
        // The server closes by itself after BYE (RFC 9051 7.1.5); there is nobody left to say LOGOUT to.
        Turn::refused(line, b"")
    } else {
        Turn::violation("an IMAP greeting (* OK, * PREAUTH or * BYE)", line)
    }
}

/// The tagged answer to LOGOUT; the untagged BYE comes before it.
pub(super) fn is_goodbye(line: &[u8]) -> bool {
    starts_with_word(line, b"mw1")
}
