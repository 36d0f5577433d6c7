//! POP3 (RFC 1939): a line in, an answer out.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;

use super::lines::Lines;
use super::maildir::{Entry, Mailbox};
use super::message::parts;
use super::notify::notify;
use super::options::Options;
use super::place::Place;
use super::server::{Ending, Server};
use super::term::Term;
use super::{StandInError, say};
use crate::demo::Address;
use crate::demo::net::Stream;

const BUSY: &str = "-ERR too many sessions, try again later\r\n";

pub(super) fn serve(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    if options.listen.is_empty() {
        return Err(StandInError::Missing("listen"));
    }
    let store = place.store_ready()?;
    let place = Arc::clone(place);
    let server = Server::start(&options.listen, BUSY, move |stream, ending| session(stream, ending, &place))?;
    let addresses: Vec<String> = options.listen.iter().map(Address::to_string).collect();
    say(&format!("pop3 stand-in: listening on {}, uses store {store}", addresses.join(", ")));
    notify("READY=1");
    term.wait();
    server.stop();
    say("pop3 stand-in: stopped");
    Ok(())
}

/// POP3 has no word for a server that stops (RFC 1939 3), so a stop just ends the connection; nothing is deleted then.
fn session(mut stream: Stream, _: &Ending, place: &Place) {
    if let Ok(input) = stream.try_clone() {
        let _ = converse(&mut stream, &mut Lines::new(input), place);
    }
}

fn converse(stream: &mut Stream, lines: &mut Lines<Stream>, place: &Place) -> io::Result<()> {
    let door = |user: &str, password: &str| Ok(place.log_in(user, password)?.map(|maildir| Box::new(maildir) as _));
    let mut conversation = Conversation { door: &door, user: None, open: None };
    stream.write_all(format!("+OK {} POP3 stand-in\r\n", crate::demo::HOST).as_bytes())?;
    while let Some(line) = lines.next()? {
        let (answer, close) = conversation.command(&line);
        stream.write_all(&answer)?;
        if close {
            break;
        }
    }
    Ok(())
}

type Door<'a> = dyn Fn(&str, &str) -> io::Result<Option<Box<dyn Mailbox>>> + 'a;

/// One connection.
struct Conversation<'a> {
    door: &'a Door<'a>,
    user: Option<String>,
    open: Option<Open>,
}

/// The mailbox as it was at login; the numbers stay (RFC 1939 5).
struct Open {
    mailbox: Box<dyn Mailbox>,
    entries: Vec<Entry>,
    deleted: Vec<bool>,
}

impl Open {
    /// The index of a message that is there and not deleted.
    fn at(&self, number: &str) -> Option<usize> {
        let at = number.parse::<usize>().ok()?.checked_sub(1)?;
        (self.deleted.get(at) == Some(&false)).then_some(at)
    }

    fn left(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter(|(at, _)| !self.deleted[*at])
    }
}

impl Conversation<'_> {
    /// The answer, and whether the connection ends.
    fn command(&mut self, line: &[u8]) -> (Vec<u8>, bool) {
        let line = String::from_utf8_lossy(line);
        let (verb, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let verb = verb.to_ascii_uppercase();
        let close = verb == "QUIT";
        let answer = self.run(&verb, rest).unwrap_or_else(|error| format!("-ERR {error}\r\n").into_bytes());
        (answer, close)
    }

    fn run(&mut self, verb: &str, rest: &str) -> io::Result<Vec<u8>> {
        let text = match (verb, &mut self.open) {
            ("CAPA", _) => "+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n".to_owned(),
            ("QUIT", Some(open)) => quit(open)?,
            ("QUIT", None) => "+OK bye\r\n".to_owned(),
            ("USER", None) if !rest.is_empty() => {
                self.user = Some(rest.to_owned());
                "+OK and the password?\r\n".to_owned()
            }
            ("PASS", None) => self.log_in(rest)?,
            (_, None) => "-ERR first USER and PASS\r\n".to_owned(),
            ("STAT", Some(open)) => {
                let size: u64 = open.left().map(|(_, entry)| entry.size).sum();
                format!("+OK {} {size}\r\n", open.left().count())
            }
            ("LIST", Some(open)) => listed(open, rest, |entry| entry.size.to_string()),
            ("UIDL", Some(open)) => listed(open, rest, |entry| format!("{:010}", entry.uid)),
            ("NOOP", Some(_)) => "+OK\r\n".to_owned(),
            ("RSET", Some(open)) => {
                open.deleted.fill(false);
                "+OK nothing is deleted\r\n".to_owned()
            }
            ("DELE", Some(open)) => match open.at(rest) {
                Some(at) => {
                    open.deleted[at] = true;
                    "+OK goes at QUIT\r\n".to_owned()
                }
                None => "-ERR no such message\r\n".to_owned(),
            },
            ("RETR" | "TOP", Some(open)) => return retrieve(open, verb, rest),
            (_, Some(_)) => "-ERR unknown command\r\n".to_owned(),
        };
        Ok(text.into_bytes())
    }

    fn log_in(&mut self, password: &str) -> io::Result<String> {
        let Some(user) = self.user.take() else { return Ok("-ERR first USER\r\n".to_owned()) };
        let Some(mailbox) = (self.door)(&user, password)? else {
            return Ok("-ERR name or password is wrong\r\n".to_owned());
        };
        let entries = mailbox.list()?.entries;
        let answer = format!("+OK {} messages\r\n", entries.len());
        self.open = Some(Open { mailbox, deleted: vec![false; entries.len()], entries });
        Ok(answer)
    }
}

/// Only QUIT deletes for good (RFC 1939 6).
fn quit(open: &Open) -> io::Result<String> {
    for (entry, _) in open.entries.iter().zip(&open.deleted).filter(|(_, deleted)| **deleted) {
        match open.mailbox.expunge(entry.uid) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok("+OK bye\r\n".to_owned())
}

fn listed(open: &Open, number: &str, show: impl Fn(&Entry) -> String) -> String {
    if !number.is_empty() {
        return match open.at(number) {
            Some(at) => format!("+OK {} {}\r\n", at + 1, show(&open.entries[at])),
            None => "-ERR no such message\r\n".to_owned(),
        };
    }
    let mut text = "+OK\r\n".to_owned();
    for (at, entry) in open.left() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{} {}\r\n", at + 1, show(entry));
    }
    text.push_str(".\r\n");
    text
}

/// RETR n, or TOP n lines.
fn retrieve(open: &Open, verb: &str, rest: &str) -> io::Result<Vec<u8>> {
    let (number, lines) = rest.split_once(' ').unwrap_or((rest, ""));
    let lines = match (verb, lines.trim().parse::<usize>()) {
        ("RETR", _) => usize::MAX,
        (_, Ok(lines)) => lines,
        (_, Err(_)) => return Ok(b"-ERR write TOP message lines\r\n".to_vec()),
    };
    let Some(at) = open.at(number) else { return Ok(b"-ERR no such message\r\n".to_vec()) };
    let message = open.mailbox.read(open.entries[at].uid)?;
    let (head, body) = parts(&message);
    let mut answer = b"+OK\r\n".to_vec();
    let body = body.split_inclusive(|byte| *byte == b'\n').take(lines);
    for line in head.split_inclusive(|byte| *byte == b'\n').chain(body) {
        // A dot at the start is doubled, so that only the last line is a lone one (RFC 1939 3).
        if line.first() == Some(&b'.') {
            answer.push(b'.');
        }
        answer.extend_from_slice(line);
    }
    if !answer.ends_with(b"\r\n") {
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b".\r\n");
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::maildir::Maildir;
    use super::*;

    fn talk(messages: &[&str], commands: &[&str]) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(folder.path().join("demo"));
        maildir.create().unwrap();
        for message in messages {
            maildir.deliver(message.as_bytes()).unwrap();
        }
        let door = |user: &str, password: &str| {
            Ok((user == "demo" && password == "de mo").then(|| Box::new(maildir.clone()) as _))
        };
        let mut conversation = Conversation { door: &door, user: None, open: None };
        let say = |line: &&str| String::from_utf8(conversation.command(line.as_bytes()).0).unwrap();
        let answers = commands.iter().map(say).collect();
        (answers, maildir.list().unwrap().entries.len())
    }

    #[test]
    fn a_mailbox_is_counted_listed_and_read() {
        let commands = ["USER demo", "PASS de mo", "STAT", "LIST", "UIDL 2", "RETR 2", "TOP 1 0", "RETR 3"];
        let (answers, _) = talk(&["A: b\r\n\r\nx\r\n", ".dot\r\n\r\nend"], &commands);
        assert_eq!(answers[1], "+OK 2 messages\r\n");
        assert_eq!(answers[2], "+OK 2 22\r\n");
        assert_eq!(answers[3], "+OK\r\n1 11\r\n2 11\r\n.\r\n");
        assert_eq!(answers[4], "+OK 2 0000000002\r\n");
        assert_eq!(answers[5], "+OK\r\n..dot\r\n\r\nend\r\n.\r\n");
        assert_eq!(answers[6], "+OK\r\nA: b\r\n\r\n.\r\n");
        assert_eq!(answers[7], "-ERR no such message\r\n");
    }

    #[test]
    fn what_is_deleted_goes_at_quit_and_only_then() {
        assert_eq!(talk(&["x"], &["USER demo", "PASS de mo", "DELE 1", "RETR 1", "STAT"]).1, 1);
        assert_eq!(talk(&["x"], &["USER demo", "PASS de mo", "DELE 1", "RSET", "QUIT"]).1, 1);
        assert_eq!(talk(&["x"], &["USER demo", "PASS de mo", "DELE 1", "QUIT"]).1, 0);
    }

    #[test]
    fn nothing_is_shown_without_the_password() {
        let (answers, _) = talk(&["x"], &["STAT", "PASS de mo", "USER demo", "PASS wrong", "LIST", "QUIT"]);
        let refused = answers[..5].iter().filter(|answer| answer.starts_with("-ERR")).count();
        assert_eq!(refused, 4, "{answers:?}");
    }
}
