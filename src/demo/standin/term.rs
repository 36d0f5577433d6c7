//! The signal that ends a stand-in.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// TERM and INT. Only the wait for them runs on tokio, which catches signals without unsafe code of ours.
pub(super) struct Term {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Term {
    /// From now on neither signal kills this process by itself.
    pub(super) fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(inside);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a signal.
    pub(super) fn wait(&mut self) {
        self.runtime.block_on(either(&mut self.terminate, &mut self.interrupt));
    }

    /// Waits for a signal, at most this long; whether one came.
    pub(super) fn wait_at_most(&mut self, limit: Duration) -> bool {
        let came = either(&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(async { tokio::time::timeout(limit, came).await.is_ok() })
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
