//! What the agent is told by signals: to end (TERM, INT), to read its files again (HUP).
//!
//! By a descriptor and not by a handler: no thread of the agent lets these three in, so none of them is lost while its
//! program is replaced. They wait, and the successor reads them.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

use crate::supervise::{Told, next_signal, take_signals};

/// The open end.
#[derive(Debug)]
pub(super) struct Signals(AsyncFd<OwnedFd>);

impl Signals {
    /// For the calling thread and those that it starts from now on.
    pub(super) fn take() -> io::Result<Self> {
        let descriptor = take_signals()?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        AsyncFd::new(descriptor).map(Self)
    }

    /// The next one. Cancel safe: what nobody took stays.
    pub(super) async fn next(&self) -> io::Result<Told> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Some(told) = next_signal(self.0.get_ref())? {
                return Ok(told);
            }
            ready.clear_ready();
        }
    }
}
