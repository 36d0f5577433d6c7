//! The job controller's stand-in: hands what waits in the queue to the store by LMTP.
//!
//! It sleeps until somebody connects to it (the dispatcher, for each new message) or until a message that could not be
//! delivered is tried again.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::notify::notify;
use super::options::Options;
use super::place::Place;
use super::queue;
use super::server::Server;
use super::term::Term;
use super::{StandInError, chain, complain, say};
use crate::demo::Address;
use crate::demo::client::{ClientError, Hello, hand_over};

/// Between tries while something waits that the store did not take.
const RETRY: Duration = Duration::from_secs(1);
/// One whole delivery.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn serve(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    let to = options.to.clone().unwrap_or_else(|| Address::Unix(place.lmtp_socket()));
    let (wake, woken) = sync_channel(1);
    let server = Server::start(&options.listen, "", move |_, _| {
        // Full means that it is woken already.
        let _ = wake.try_send(());
    })?;
    let queue = place.queue();
    // Ends with the process: what is in flight then is still in the queue.
    std::thread::Builder::new()
        .spawn(move || work(&queue, &to, &woken))
        .map_err(|source| StandInError::File { path: "the delivery thread".to_owned(), source })?;
    say("delivery stand-in: alive");
    notify("READY=1");
    term.wait();
    server.stop();
    say("delivery stand-in: stopped");
    Ok(())
}

fn work(queue: &Path, to: &Address, woken: &Receiver<()>) {
    let mut complained = false;
    loop {
        let left = match round(queue, to) {
            Ok(()) => {
                complained = false;
                false
            }
            Err(error) => {
                if !complained {
                    complain(&format!("delivery stand-in: mail waits: {}", chain(&error)));
                }
                complained = true;
                true
            }
        };
        let again =
            if left { woken.recv_timeout(RETRY) } else { woken.recv().map_err(|_| RecvTimeoutError::Disconnected) };
        if again == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Why something still waits.
#[derive(Debug, thiserror::Error)]
enum Waits {
    #[error("the queue cannot be used")]
    Queue(#[from] std::io::Error),
    #[error("the store did not take it")]
    Store(#[from] ClientError),
    #[error("the store said `{0}`")]
    Said(String),
}

/// Tries everything that waits once.
fn round(queue: &Path, to: &Address) -> Result<(), Waits> {
    let mut reason = Ok(());
    for path in queue::waiting(queue)? {
        if let Err(waits) = deliver(queue, &path, to) {
            reason = Err(waits);
        }
    }
    reason
}

fn deliver(queue: &Path, path: &Path, to: &Address) -> Result<(), Waits> {
    let Some((mut envelope, message)) = queue::read(path)? else {
        complain(&format!("delivery stand-in: {} is no message; set aside", path.display()));
        std::fs::rename(path, path.with_extension("bad"))?;
        return Ok(());
    };
    let replies = hand_over(to, Hello::Lhlo, &envelope.from, &envelope.to, &message, LIMIT)?;
    let mut waits = None;
    let mut left = Vec::new();
    for (recipient, reply) in envelope.to.drain(..).zip(replies) {
        match reply.as_bytes().first() {
            Some(b'2') => say(&format!("delivery stand-in: delivered to {recipient}")),
            // A real job controller would return it to its sender; this one only says so.
            Some(b'5') => complain(&format!("delivery stand-in: dropped mail for {recipient}: {reply}")),
            _ => {
                left.push(recipient);
                waits = Some(reply);
            }
        }
    }
    match waits {
        None => Ok(std::fs::remove_file(path)?),
        Some(reply) => {
            envelope.to = left;
            queue::keep_for(queue, path, &envelope, &message)?;
            Err(Waits::Said(reply))
        }
    }
}
