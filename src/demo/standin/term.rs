//! The signal that ends a stand-in.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

/// TERM and INT, turned into a byte on a socket so that waiting for them costs no wake-up.
pub(super) struct Term {
    woken: UnixStream,
}

impl Term {
    /// From now on neither signal kills this process by itself.
    pub(super) fn catch() -> io::Result<Self> {
        let (woken, wakes) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGTERM, wakes.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGINT, wakes)?;
        Ok(Self { woken })
    }

    /// Waits for a signal.
    pub(super) fn wait(&self) {
        self.came(None);
    }

    /// Waits for a signal, at most this long; whether one came.
    pub(super) fn wait_at_most(&self, limit: Duration) -> bool {
        self.came(Some(limit.max(Duration::from_millis(1))))
    }

    fn came(&self, limit: Option<Duration>) -> bool {
        if self.woken.set_read_timeout(limit).is_err() {
            return true;
        }
        loop {
            match (&self.woken).read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                Ok(_) | Err(_) => return true,
            }
        }
    }
}
