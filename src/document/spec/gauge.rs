//! What rounds of probes measure beside the services, as people write it: disks and queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsolutePath, Interval, Room, ServiceName};
pub use crate::desired::QueueKind;

/// The room on the file system of a path. Reported, never restarted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disk {
    /// A path on it; unique in the list.
    pub path: AbsolutePath,
    /// Less free room than this is reported: a share such as `10%`, or a size such as `5Gi`. What is kept for root is
    /// not free. It is over when a tenth more than this is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_warning: Option<Room>,
    /// Fewer free inodes than this are reported: a share such as `5%`, or a number. A file system that makes inodes as
    /// it needs them never lacks any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_inodes_warning: Option<Room>,
}

/// Messages that wait in files. Reported, never restarted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Its name; unique in the list.
    pub name: ServiceName,
    /// How messages lie in it.
    pub kind: QueueKind,
    /// Its folder; with `Postfix` the `queue_directory`.
    pub path: AbsolutePath,
    /// More messages than this are reported. It is over when a tenth fewer than this wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub max_messages: Option<u32>,
    /// A message that has waited longer than this is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Interval>,
}
