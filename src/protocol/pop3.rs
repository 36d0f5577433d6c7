//! POP3: RFC 1939 3 and 4. Status indicators are upper case there.

use super::{Turn, Verdict};

/// How far it has come. CAPA, STLS and USER will follow the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for the one line of the greeting.
    Greeting,
}

const QUIT: &[u8] = b"QUIT\r\n";

impl Phase {
    pub(super) fn line(self, line: &[u8]) -> Turn {
        match self {
            Self::Greeting if is(line, b"+OK") => Turn::end(Verdict::Alive, QUIT),
            Self::Greeting if is(line, b"-ERR") => Turn::refused(line, QUIT),
            Self::Greeting => Turn::violation("a POP3 greeting (+OK or -ERR)", line),
        }
    }
}

fn is(line: &[u8], indicator: &[u8]) -> bool {
    line.strip_prefix(indicator).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
}

/// Any answer to QUIT.
pub(super) fn is_goodbye(line: &[u8]) -> bool {
    is(line, b"+OK") || is(line, b"-ERR")
}
