//! What verdicts and errors mean as facts.

use std::io;

use rustix::io::Errno;

use crate::model::{Heard, Name};
use crate::protocol::Verdict;

pub(super) fn of(verdict: Verdict) -> Heard {
    match verdict {
        Verdict::Alive => Heard::Served,
        Verdict::Refused(text) => Heard::Refused(text.into()),
        Verdict::Violation(text) => Heard::Violation(text.into()),
        Verdict::Closed(text) => Heard::ClosedEarly(text.into()),
    }
}

/// What a failed `connect` says. Only what the peer's own host can have said counts against the service; all the rest,
/// above all what is not known here, is the prober's.
pub(super) fn not_connected(error: &io::Error, words: Name) -> Heard {
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
pub(super) fn broken(error: &io::Error, words: Name) -> Heard {
    if Errno::from_io_error(error) == Some(Errno::TIMEDOUT) { Heard::Silent } else { Heard::Unknown(words) }
}

/// A connection that the peer, or what became of it, has ended.
pub(super) fn is_a_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}
