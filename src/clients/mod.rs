//! The store clients' doors ([R14]): a Unix socket, a TCP port on the loopback, and an eye on whoever registers there.
//!
//! Decides two things only: who may register, and which process it may register. The kernel tells who is at the other
//! end of the Unix socket; on TCP a peer proves that it can read a secret that only root and the mail user can. A process
//! is registered only by itself or by an ancestor of the same user, for the agent may come to kill it. What the words and
//! the end of a client come to is the planner's affair; they leave here as [`Report`]s. Called by the agent loop.
//!
//! Nothing runs and nothing wakes while nobody is connected, and with `watcher.enabled: false` there are no doors.

mod attend;
mod door;
mod peer;
mod secret;

pub use door::{Clients, Doors};

use tokio::sync::oneshot;

use crate::model::Name;
use crate::plan::ClientEvent;

/// The name of the Unix socket in the runtime folder.
pub const SOCKET: &str = "watcher.sock";
/// The name of the secret in the runtime folder.
pub const SECRET: &str = "watcher.secret";

/// What is to be told to the planner.
#[derive(Debug)]
pub enum Report {
    /// Something of a client; `taken` says whether it is registered, or why not.
    Client {
        /// What.
        event: ClientEvent,
        /// Where somebody waits for an answer.
        taken: Option<oneshot::Sender<Result<(), String>>>,
    },
    /// A client says of a service that it is under stress ([R8]).
    Stressed {
        /// The service.
        service: Name,
    },
}
