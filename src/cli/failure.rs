//! How a command fails: a code of sysexits.h and words for a person.

use std::error::Error;

use crate::control::ClientError;

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the command ends with.
    pub(crate) code: u8,
    /// What is printed; nothing where everything has been said.
    pub(crate) words: String,
}

/// Everything is as it was asked.
pub(crate) const OK: u8 = 0;
/// `EX_USAGE`: wrong words, or a name nobody knows.
pub(crate) const USAGE: u8 = 64;
/// `EX_DATAERR`: a document or a scenario that cannot be read.
pub(crate) const DATA: u8 = 65;
/// `EX_NOINPUT`: no such file.
pub(crate) const NO_INPUT: u8 = 66;
/// `EX_UNAVAILABLE`: the agent is not there, or something waits for what is down.
pub(crate) const UNAVAILABLE: u8 = 69;
/// `EX_OSERR`: the system refuses.
pub(crate) const SYSTEM: u8 = 71;
/// `EX_CANTCREAT`: a file cannot be written.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// `EX_IOERR`: what is printed cannot be printed.
pub(crate) const IO: u8 = 74;
/// `EX_TEMPFAIL`: not ready in time.
pub(crate) const NOT_IN_TIME: u8 = 75;
/// `EX_NOPERM`: the agent does not let this user, or somebody else alone may do that.
pub(crate) const NOT_ALLOWED: u8 = 77;
/// `EX_CONFIG`: disabled, or the configuration is refused.
pub(crate) const CONFIG: u8 = 78;

impl Failure {
    /// With words.
    pub(crate) fn new(code: u8, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }

    /// An error with its causes as one line.
    pub(crate) fn of(code: u8, error: &dyn Error) -> Self {
        Self { code, words: chain(error) }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::of(error.exit_code(), &error)
    }
}

/// An error and what caused it: `cannot reach the agent: No such device`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
