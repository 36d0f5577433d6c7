//! A message that is sent through the whole mail server, and where it is handed in and looked for.

use std::time::Duration;

use super::Listener;
use crate::model::Name;

/// What the document says of the canary.
#[derive(Clone, Debug, PartialEq)]
pub struct Canary {
    /// The mail server's name; part of the mark that each message carries.
    pub server: Name,
    /// For MAIL FROM and From.
    pub sender: String,
    /// Whose mailbox it arrives in.
    pub recipient: String,
    /// Time between two runs; none where somebody asks for them.
    pub period: Option<Duration>,
    /// From handed in to seen.
    pub timeout: Duration,
    /// Where it is handed in.
    pub submit: Listener,
    /// Who is asked whether the recipient is taken, so that the broken hop can be named.
    pub deliver: Option<Listener>,
    /// Where it is looked for and deleted.
    pub read: Listener,
}
