//! Unknown is a value of its own.

use std::fmt;

/// What is known of something outside, or why it is not known. Nothing is stopped or started because of an unknown:
/// the only step it allows is a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// Seen.
    Known(T),
    /// Not seen, for this reason.
    Unknown(Doubt),
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The agent has just started, or the service is new: nobody has looked yet.
    NotLookedYet,
    /// The last start failed before ready; something else may hold its place, so it is looked at again.
    AfterFailedStart,
    /// Somebody else holds its place; whether that is still so must be seen anew.
    AfterForeign,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLookedYet => "nobody has looked yet",
            Self::AfterFailedStart => "its last start failed, so its place is looked at again",
            Self::AfterForeign => "somebody else held its place",
        })
    }
}
