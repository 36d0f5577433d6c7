//! Happenings on their way to somebody who follows them.

use hyper::body::Bytes;
use tokio::sync::mpsc;

use super::request::Told;

/// Lines that may wait for a slow reader; one that falls further behind is let go, so that it costs the agent no memory.
const BEHIND: usize = 4_096;

/// Turns happenings into lines of JSON until the reader leaves, falls behind, or the agent ends.
pub(super) fn lines(mut told: mpsc::UnboundedReceiver<Told>) -> mpsc::Receiver<Bytes> {
    let (to_reader, reader) = mpsc::channel(BEHIND);
    tokio::spawn(async move {
        loop {
            let happening = tokio::select! {
                () = to_reader.closed() => return,
                happening = told.recv() => happening,
            };
            let Some(happening) = happening else { return };
            let Ok(mut line) = serde_json::to_vec(&happening) else { return };
            line.push(b'\n');
            if to_reader.try_send(Bytes::from(line)).is_err() {
                return;
            }
        }
    });
    reader
}
