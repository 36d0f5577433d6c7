//! SMTP into the queue and LMTP into the mailboxes: [`Conversation`] on connections.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::lines::Lines;
use super::notify::notify;
use super::options::Options;
use super::place::{Place, local_user};
use super::queue::{self, Envelope};
use super::server::{Ending, Server};
use super::term::Term;
use super::transaction::{Conversation, Dialect, Incoming, Next, Outcome};
use super::{StandInError, complain, say};
use crate::demo::Address;
use crate::demo::net::Stream;

const BUSY: &str = "421 4.3.2 too many sessions, try again later\r\n";
const STOPPING: &[u8] = b"421 4.3.2 the server is stopping\r\n";
/// The delivery is on this machine; when it does not take the call at once it is not there.
const WAKE_LIMIT: Duration = Duration::from_millis(500);

pub(super) fn serve_smtp(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    if options.listen.is_empty() {
        return Err(StandInError::Missing("listen"));
    }
    let (place, wake) = (Arc::clone(place), options.wake.clone());
    let server = Server::start(&options.listen, BUSY, move |stream, ending| {
        session(stream, ending, &place, Dialect::Smtp, &|envelope, message| {
            let outcome = match queue::put(&place.queue(), envelope, message) {
                Ok(id) => {
                    say(&format!("smtp stand-in: queued {id} for {}", envelope.to.join(", ")));
                    Outcome::Taken
                }
                Err(error) => {
                    complain(&format!("smtp stand-in: cannot queue: {error}"));
                    Outcome::NotNow
                }
            };
            if let Some(wake) = &wake {
                // A delivery that is down looks into the queue when it starts.
                let _ = wake.connect(WAKE_LIMIT);
            }
            vec![outcome]
        });
    })?;
    run(server, options, term);
    Ok(())
}

pub(super) fn serve_lmtp(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    if options.listen.is_empty() {
        return Err(StandInError::Missing("listen"));
    }
    place.store_ready()?;
    let server = lmtp_server(&options.listen, place)?;
    run(server, options, term);
    Ok(())
}

/// LMTP into the mailboxes; the store itself uses it too.
pub(super) fn lmtp_server(addresses: &[Address], place: &Arc<Place>) -> Result<Server, StandInError> {
    let place = Arc::clone(place);
    Server::start(addresses, BUSY, move |stream, ending| {
        session(stream, ending, &place, Dialect::Lmtp, &|envelope, message| {
            envelope.to.iter().map(|address| deliver(&place, envelope, address, message)).collect()
        });
    })
}

fn run(server: Server, options: &Options, term: &mut Term) {
    let word = options.kind.word();
    let addresses: Vec<String> = options.listen.iter().map(Address::to_string).collect();
    say(&format!("{word} stand-in: listening on {}", addresses.join(", ")));
    notify("READY=1");
    term.wait();
    server.stop();
    say(&format!("{word} stand-in: stopped"));
}

/// Final delivery adds the envelope's sender (RFC 5321 4.4).
fn deliver(place: &Place, envelope: &Envelope, address: &str, message: &[u8]) -> Outcome {
    let Some(user) = local_user(address) else { return Outcome::NotNow };
    let mut bytes = format!("Return-Path: <{}>\r\nDelivered-To: {address}\r\n", envelope.from).into_bytes();
    bytes.extend_from_slice(message);
    match place.maildir(&user).deliver(&bytes) {
        Ok(uid) => {
            say(&format!("store: message {uid} for {user}"));
            Outcome::Taken
        }
        Err(error) => {
            complain(&format!("store: cannot write a message for {user}: {error}"));
            Outcome::NotNow
        }
    }
}

/// What becomes of a message, for each recipient in order.
type Take<'a> = dyn Fn(&Envelope, &[u8]) -> Vec<Outcome> + 'a;

fn session(mut stream: Stream, ending: &Ending, place: &Place, dialect: Dialect, take: &Take<'_>) {
    // An error is a client that went away or fell silent: nobody is left to be told.
    if let Ok(input) = stream.try_clone() {
        let _ = converse(&mut stream, &mut Lines::new(input), place, dialect, take);
        if ending.is_here() {
            let _ = stream.write_all(STOPPING);
        }
    }
}

fn converse(
    stream: &mut Stream,
    lines: &mut Lines<Stream>,
    place: &Place,
    dialect: Dialect,
    take: &Take<'_>,
) -> io::Result<()> {
    let mut conversation = Conversation::new(dialect);
    stream.write_all(conversation.greeting().as_bytes())?;
    let users: Vec<String> = place.users()?.into_iter().map(|(user, _)| user).collect();
    let knows = |user: &str| users.iter().any(|known| known == user);
    while let Some(line) = lines.next()? {
        let answer = conversation.command(&line, &knows);
        stream.write_all(answer.text.as_bytes())?;
        match answer.next {
            Next::Command => {}
            Next::Close => break,
            Next::Message => {
                let Some(message) = receive(lines)? else { break };
                let envelope = conversation.envelope();
                let outcomes = match message.finish() {
                    Some(message) => take(&envelope, &message),
                    None => vec![Outcome::TooBig; envelope.to.len()],
                };
                stream.write_all(conversation.message_ended(&outcomes).as_bytes())?;
            }
        }
    }
    Ok(())
}

/// A whole message; none when the client went away in the middle of it.
fn receive(lines: &mut Lines<Stream>) -> io::Result<Option<Incoming>> {
    let mut incoming = Incoming::default();
    while let Some(line) = lines.next()? {
        if incoming.line(&line) {
            return Ok(Some(incoming));
        }
    }
    Ok(None)
}
