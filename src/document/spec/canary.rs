//! The mail canary, as people write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, Listener, MailAddress};

/// A message that is sent through the whole mail server and deleted on arrival: each hop is timed, and the one that
/// broke is named. Nothing is restarted for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// Who it is from. Default: the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<MailAddress>,
    /// Whose mailbox it goes to; best one that has no other use.
    pub recipient: MailAddress,
    /// Time between two runs. Default: it is sent only when somebody asks (`mailward canary`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Interval>,
    /// How long it may take from being handed in to lying in the mailbox. Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// Where it is handed in: Smtp or Submission.
    pub submit: Listener,
    /// Where it is delivered (Lmtp), asked whether it takes the recipient. Default: a message that does not arrive is
    /// said to wait in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver: Option<Listener>,
    /// Where it is looked for and deleted: Imap, with a login.
    pub read: Listener,
}
