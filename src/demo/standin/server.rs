//! Listening, a thread per connection, and the end: every session is told, then waited for.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{StandInError, complain};
use crate::demo::Address;
use crate::demo::net::{Listener, Stream};

/// Sessions at once; the next one is told that the server is busy.
const SESSIONS_MAX: usize = 64;
/// A session that says nothing for so long is closed. RFC 9051 5.4 wants 30 minutes, RFC 5321 4.5.3.2.7 five; a demo
/// need not keep the forgotten that long.
const SILENCE_MAX: Duration = Duration::from_mins(5);
/// What a stop waits for sessions.
const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// A pause after accept(2) failed for want of descriptors, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is done on one connection.
pub(super) type Session = dyn Fn(Stream, &Ending) + Send + Sync;

/// The sessions of one process.
#[derive(Default)]
struct House {
    rooms: Mutex<Rooms>,
    emptier: Condvar,
}

#[derive(Default)]
struct Rooms {
    open: BTreeMap<u64, Stream>,
    next: u64,
    ending: bool,
}

impl House {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asked by a session that sees the end of its input: did the client go, or does the server stop?
pub(super) struct Ending(Arc<House>);

impl Ending {
    pub(super) fn is_here(&self) -> bool {
        self.0.rooms().ending
    }
}

/// A server that accepts.
pub(super) struct Server {
    house: Arc<House>,
    addresses: Vec<Address>,
}

impl Server {
    /// Listens at every address, then accepts; `busy` is what one session too many is told.
    pub(super) fn start(
        addresses: &[Address],
        busy: &'static str,
        session: impl Fn(Stream, &Ending) + Send + Sync + 'static,
    ) -> Result<Self, StandInError> {
        let house = Arc::new(House::default());
        let session: Arc<Session> = Arc::new(session);
        let failed = |address: &Address, source| StandInError::Listen { address: address.to_string(), source };
        let mut listeners = Vec::new();
        for address in addresses {
            listeners.push((address, address.listen().map_err(|source| failed(address, source))?));
        }
        for (address, listener) in listeners {
            let (house, session) = (Arc::clone(&house), Arc::clone(&session));
            std::thread::Builder::new()
                .spawn(move || accept(&listener, &house, busy, &session))
                .map_err(|source| failed(address, source))?;
        }
        Ok(Self { house, addresses: addresses.to_vec() })
    }

    /// Removes the socket files, tells every session that the server ends and waits for them, a bounded time.
    pub(super) fn stop(self) {
        for address in &self.addresses {
            if let Address::Unix(path) = address {
                // It may be gone with its folder already.
                let _ = std::fs::remove_file(path);
            }
        }
        let until = Instant::now() + FAREWELL_MAX;
        let mut rooms = self.house.rooms();
        rooms.ending = true;
        rooms.open.values().for_each(Stream::end_reading);
        while !rooms.open.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            rooms = self.house.emptier.wait_timeout(rooms, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn accept(listener: &Listener, house: &Arc<House>, busy: &str, session: &Arc<Session>) {
    loop {
        let Ok(mut stream) = listener.accept() else {
            std::thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let Some(room) = admit(house, &stream) else {
            // Somebody who does not even read this loses nothing but the reason.
            let _ = stream.write_all(busy.as_bytes());
            continue;
        };
        let (inside, session) = (Arc::clone(house), Arc::clone(session));
        let started = std::thread::Builder::new().spawn(move || {
            session(stream, &Ending(Arc::clone(&inside)));
            inside.rooms().open.remove(&room);
            inside.emptier.notify_all();
        });
        if let Err(error) = started {
            complain(&format!("no thread for a session: {error}"));
            house.rooms().open.remove(&room);
        }
    }
}

fn admit(house: &House, stream: &Stream) -> Option<u64> {
    stream.limit(SILENCE_MAX).ok()?;
    let handle = stream.try_clone().ok()?;
    let mut rooms = house.rooms();
    if rooms.ending || rooms.open.len() >= SESSIONS_MAX {
        return None;
    }
    let room = rooms.next;
    rooms.next += 1;
    rooms.open.insert(room, handle);
    Some(room)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn started() -> (tempfile::TempDir, Address, Server) {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s"));
        let server = Server::start(std::slice::from_ref(&address), "busy\n", |mut stream, ending| {
            stream.write_all(b"hello\n").unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).is_ok_and(|length| length > 0) {}
            if ending.is_here() {
                stream.write_all(b"bye\n").unwrap();
            }
        })
        .unwrap();
        (folder, address, server)
    }

    fn greeted(address: &Address) -> (Stream, String) {
        let mut stream = address.connect(LIMIT).unwrap();
        let mut buffer = [0; 16];
        let length = stream.read(&mut buffer).unwrap();
        (stream, String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn a_stop_lets_every_open_session_say_goodbye() {
        let (_folder, address, server) = started();
        let mut clients: Vec<_> = (0..3).map(|_| greeted(&address).0).collect();
        server.stop();
        for client in &mut clients {
            let mut text = String::new();
            client.read_to_string(&mut text).unwrap();
            assert_eq!(text, "bye\n");
        }
    }

    #[test]
    fn one_session_too_many_is_told_that_the_server_is_busy_and_a_free_place_is_given_away_again() {
        let (_folder, address, _server) = started();
        let mut clients: Vec<_> = (0..SESSIONS_MAX).map(|_| greeted(&address)).collect();
        assert!(clients.iter().all(|(_, text)| text == "hello\n"));
        assert_eq!(greeted(&address).1, "busy\n");
        clients.pop();
        let until = Instant::now() + LIMIT;
        while greeted(&address).1 != "hello\n" {
            assert!(Instant::now() < until, "the place did not become free");
        }
    }
}
