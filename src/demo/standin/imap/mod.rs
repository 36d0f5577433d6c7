//! IMAP (RFC 9051, the part that reading, searching and deleting need): a line in, an answer out, on a mailbox behind
//! a trait.
//!
//! Not here: literals from the client, more than one mailbox, ENVELOPE and BODYSTRUCTURE. They are answered `BAD` and
//! not offered by CAPABILITY.

mod fetch;
mod search;
mod words;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;

use super::lines::Lines;
use super::maildir::{Entry, Flag, Flags, Mailbox};
use super::notify::notify;
use super::options::Options;
use super::place::Place;
use super::server::{Ending, Server};
use super::term::Term;
use super::{StandInError, say};
use crate::demo::Address;
use crate::demo::net::Stream;
use words::{Word, set_of, split};

const CAPABILITY: &str = "CAPABILITY IMAP4rev1";
const BUSY: &str = "* BYE too many sessions, try again later\r\n";
const STOPPING: &[u8] = b"* BYE the server is stopping\r\n";
/// Failed logins on one connection.
const LOGINS_MAX: u32 = 3;

pub(super) fn serve(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    if options.listen.is_empty() {
        return Err(StandInError::Missing("listen"));
    }
    let store = place.store_ready()?;
    let place = Arc::clone(place);
    let server = Server::start(&options.listen, BUSY, move |stream, ending| session(stream, ending, &place))?;
    let addresses: Vec<String> = options.listen.iter().map(Address::to_string).collect();
    say(&format!("imap stand-in: listening on {}, uses store {store}", addresses.join(", ")));
    notify("READY=1");
    term.wait();
    server.stop();
    say("imap stand-in: stopped");
    Ok(())
}

fn session(mut stream: Stream, ending: &Ending, place: &Place) {
    let Ok(input) = stream.try_clone() else { return };
    // An error is a client that went away or fell silent: nobody is left to be told.
    let _ = converse(&mut stream, &mut Lines::new(input), place);
    if ending.is_here() {
        let _ = stream.write_all(STOPPING);
    }
}

fn converse(stream: &mut Stream, lines: &mut Lines<Stream>, place: &Place) -> io::Result<()> {
    let door = |user: &str, password: &str| Ok(place.log_in(user, password)?.map(|maildir| Box::new(maildir) as _));
    let mut conversation = Conversation::new(&door);
    stream.write_all(format!("* OK [{CAPABILITY}] {} IMAP stand-in\r\n", crate::demo::HOST).as_bytes())?;
    while let Some(line) = lines.next()? {
        let answer = conversation.command(&line);
        stream.write_all(&answer.bytes)?;
        if answer.close {
            break;
        }
    }
    Ok(())
}

/// Opens a mailbox for a name and a password.
type Door<'a> = dyn Fn(&str, &str) -> io::Result<Option<Box<dyn Mailbox>>> + 'a;

/// What is said to a line.
#[derive(Debug, Default)]
struct Answer {
    bytes: Vec<u8>,
    close: bool,
}

/// The selected mailbox as this client knows it: sequence numbers change only when the client is told.
struct Selected {
    entries: Vec<Entry>,
    writable: bool,
}

/// One connection.
struct Conversation<'a> {
    door: &'a Door<'a>,
    failures: u32,
    mailbox: Option<Box<dyn Mailbox>>,
    selected: Option<Selected>,
}

/// The tagged end of an answer.
enum Done {
    Ok(String),
    No(String),
    Bad(String),
}

fn ok(text: impl Into<String>) -> Done {
    Done::Ok(text.into())
}

fn bad(text: impl Into<String>) -> Done {
    Done::Bad(text.into())
}

impl<'a> Conversation<'a> {
    fn new(door: &'a Door<'a>) -> Self {
        Self { door, failures: 0, mailbox: None, selected: None }
    }

    fn command(&mut self, line: &[u8]) -> Answer {
        let mut answer = Answer::default();
        let line = String::from_utf8_lossy(line);
        let (tag, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let plain = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_graphic() && !b"*+(){%\\\"".contains(&b));
        if !plain {
            answer.bytes = b"* BAD a command begins with a tag\r\n".to_vec();
            return answer;
        }
        let done = match split(rest) {
            Ok(words) => match self.run(&words, &mut answer) {
                Ok(done) => done,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Done::No("the message is gone".to_owned()),
                Err(error) => Done::No(format!("[UNAVAILABLE] {error}")),
            },
            Err(reason) => bad(reason),
        };
        let (state, text) = match done {
            Done::Ok(text) => ("OK", text),
            Done::No(text) => ("NO", text),
            Done::Bad(text) => ("BAD", text),
        };
        answer.bytes.extend_from_slice(format!("{tag} {state} {text}\r\n").as_bytes());
        answer
    }

    fn run(&mut self, words: &[Word], answer: &mut Answer) -> io::Result<Done> {
        let Some((Word::Atom(name), rest)) = words.split_first() else { return Ok(bad("which command?")) };
        let name = name.to_ascii_uppercase();
        let mut text = String::new();
        let done = match (name.as_str(), rest) {
            ("CAPABILITY", []) => {
                text = format!("* {CAPABILITY}\r\n");
                ok("that is all")
            }
            ("NOOP" | "CHECK", []) => {
                self.news(&mut text)?;
                ok("done")
            }
            ("LOGOUT", []) => {
                text.push_str("* BYE until next time\r\n");
                answer.close = true;
                ok("done")
            }
            ("LOGIN", [user, password]) => return self.log_in(user, password, answer),
            ("LIST", [_, pattern]) => self.list(pattern, &mut text),
            ("SELECT", [name]) => self.select(name, true, &mut text)?,
            ("EXAMINE", [name]) => self.select(name, false, &mut text)?,
            ("STATUS", [name, _]) => self.status(name, &mut text)?,
            ("CLOSE", []) => {
                self.expunge(None)?;
                self.selected = None;
                ok("closed")
            }
            ("EXPUNGE", []) => self.expunge(Some(&mut text))?,
            ("FETCH", [set, items @ ..]) => return self.fetch(set, items, false, answer),
            ("STORE", [set, items @ ..]) => self.store(set, items, false, &mut text)?,
            ("SEARCH", keys) => self.search(keys, false, &mut text)?,
            ("UID", [Word::Atom(name), rest @ ..]) => match (name.to_ascii_uppercase().as_str(), rest) {
                ("FETCH", [set, items @ ..]) => return self.fetch(set, items, true, answer),
                ("STORE", [set, items @ ..]) => self.store(set, items, true, &mut text)?,
                ("SEARCH", keys) => self.search(keys, true, &mut text)?,
                _ => bad("UID goes with FETCH, STORE and SEARCH"),
            },
            _ => bad("this stand-in does not know that command with these arguments"),
        };
        answer.bytes.extend_from_slice(text.as_bytes());
        Ok(done)
    }

    fn log_in(&mut self, user: &Word, password: &Word, answer: &mut Answer) -> io::Result<Done> {
        if self.mailbox.is_some() {
            return Ok(bad("already logged in"));
        }
        let (Some(user), Some(password)) = (user.text(), password.text()) else {
            return Ok(bad("write LOGIN name password"));
        };
        self.mailbox = (self.door)(user, password)?;
        if self.mailbox.is_some() {
            return Ok(ok("logged in"));
        }
        self.failures += 1;
        answer.close = self.failures >= LOGINS_MAX;
        Ok(Done::No("[AUTHENTICATIONFAILED] name or password is wrong".to_owned()))
    }

    fn list(&self, pattern: &Word, text: &mut String) -> Done {
        if self.mailbox.is_none() {
            return bad("log in first");
        }
        let pattern = pattern.text().unwrap_or_default().to_ascii_uppercase();
        if matches!(pattern.as_str(), "*" | "%" | "INBOX") {
            text.push_str("* LIST () \"/\" INBOX\r\n");
        }
        ok("that is all")
    }

    fn select(&mut self, name: &Word, writable: bool, text: &mut String) -> io::Result<Done> {
        self.selected = None;
        let Some(mailbox) = &self.mailbox else { return Ok(bad("log in first")) };
        if !is_inbox(name) {
            return Ok(Done::No("[NONEXISTENT] there is only INBOX".to_owned()));
        }
        let listing = mailbox.list()?;
        let flags: Vec<&str> = Flag::ALL.into_iter().map(Flag::word).collect();
        let flags = flags.join(" ");
        let permanent = if writable { flags.as_str() } else { "" };
        *text = format!(
            "* {} EXISTS\r\n* 0 RECENT\r\n* FLAGS ({flags})\r\n* OK [PERMANENTFLAGS ({permanent})] kept\r\n\
             * OK [UIDVALIDITY {}] stable\r\n* OK [UIDNEXT {}] next\r\n",
            listing.entries.len(),
            listing.validity,
            listing.next,
        );
        self.selected = Some(Selected { entries: listing.entries, writable });
        Ok(ok(if writable { "[READ-WRITE] selected" } else { "[READ-ONLY] selected" }))
    }

    fn status(&self, name: &Word, text: &mut String) -> io::Result<Done> {
        let Some(mailbox) = &self.mailbox else { return Ok(bad("log in first")) };
        if !is_inbox(name) {
            return Ok(Done::No("[NONEXISTENT] there is only INBOX".to_owned()));
        }
        let listing = mailbox.list()?;
        let unseen = listing.entries.iter().filter(|entry| !entry.flags.contains(&Flag::Seen)).count();
        *text = format!(
            "* STATUS INBOX (MESSAGES {} UIDNEXT {} UIDVALIDITY {} UNSEEN {unseen})\r\n",
            listing.entries.len(),
            listing.next,
            listing.validity,
        );
        Ok(ok("that is all"))
    }

    /// Tells what changed in the selected mailbox: first what is gone, then what is new (RFC 9051 7.5.1).
    fn news(&mut self, text: &mut String) -> io::Result<()> {
        let (Some(mailbox), Some(selected)) = (&self.mailbox, &mut self.selected) else { return Ok(()) };
        let listing = mailbox.list()?;
        let known = selected.entries.len();
        let mut number = 1;
        selected.entries.retain(|entry| {
            let stays = listing.entries.iter().any(|now| now.uid == entry.uid);
            if stays {
                number += 1;
            } else {
                // Writing to a String cannot fail.
                let _ = write!(text, "* {number} EXPUNGE\r\n");
            }
            stays
        });
        let gone = known - selected.entries.len();
        if listing.entries.len() > selected.entries.len() || gone > 0 {
            let _ = write!(text, "* {} EXISTS\r\n", listing.entries.len());
        }
        selected.entries = listing.entries;
        Ok(())
    }

    /// Removes what is flagged as deleted, and tells it when there is a place to tell it (CLOSE is silent).
    fn expunge(&mut self, mut text: Option<&mut String>) -> io::Result<Done> {
        let (Some(mailbox), Some(selected)) = (&self.mailbox, &mut self.selected) else {
            return Ok(bad("select a mailbox first"));
        };
        if !selected.writable {
            return Ok(Done::No("the mailbox is open for reading only".to_owned()));
        }
        let mut at = 0;
        while let Some(entry) = selected.entries.get(at) {
            if !entry.flags.contains(&Flag::Deleted) {
                at += 1;
                continue;
            }
            match mailbox.expunge(entry.uid) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            selected.entries.remove(at);
            if let Some(text) = &mut text {
                let _ = write!(text, "* {} EXPUNGE\r\n", at + 1);
            }
        }
        Ok(ok("expunged"))
    }

    fn fetch(&mut self, set: &Word, items: &[Word], by_uid: bool, answer: &mut Answer) -> io::Result<Done> {
        let (Some(mailbox), Some(selected)) = (&self.mailbox, &mut self.selected) else {
            return Ok(bad("select a mailbox first"));
        };
        let mut items = match fetch::items(items) {
            Ok(items) => items,
            Err(reason) => return Ok(bad(reason)),
        };
        if by_uid && !items.contains(&fetch::Item::Uid) {
            items.insert(0, fetch::Item::Uid);
        }
        let Some(chosen) = set_of(set, &selected.entries, by_uid) else { return Ok(bad("that is no set of messages")) };
        for at in chosen {
            let entry = &mut selected.entries[at];
            let message = if fetch::needs_text(&items) { mailbox.read(entry.uid)? } else { Vec::new() };
            if selected.writable && fetch::marks_seen(&items) && entry.flags.insert(Flag::Seen) {
                mailbox.set_flags(entry.uid, &entry.flags)?;
                if !items.contains(&fetch::Item::Flags) {
                    items.push(fetch::Item::Flags);
                }
            }
            fetch::write(&mut answer.bytes, at + 1, entry, &items, &message);
        }
        Ok(ok("fetched"))
    }

    fn store(&mut self, set: &Word, items: &[Word], by_uid: bool, text: &mut String) -> io::Result<Done> {
        let (Some(mailbox), Some(selected)) = (&self.mailbox, &mut self.selected) else {
            return Ok(bad("select a mailbox first"));
        };
        if !selected.writable {
            return Ok(Done::No("the mailbox is open for reading only".to_owned()));
        }
        let Some((Word::Atom(verb), words)) = items.split_first() else { return Ok(bad("store what?")) };
        let Some(named) = flags_of(words) else { return Ok(bad("no such flag here")) };
        let verb = verb.to_ascii_uppercase();
        let (verb, silent) = verb.strip_suffix(".SILENT").map_or((verb.as_str(), false), |verb| (verb, true));
        let Some(chosen) = set_of(set, &selected.entries, by_uid) else { return Ok(bad("that is no set of messages")) };
        for at in chosen {
            let entry = &mut selected.entries[at];
            let flags: Flags = match verb {
                "FLAGS" => named.clone(),
                "+FLAGS" => entry.flags.union(&named).copied().collect(),
                "-FLAGS" => entry.flags.difference(&named).copied().collect(),
                _ => return Ok(bad("write FLAGS, +FLAGS or -FLAGS")),
            };
            mailbox.set_flags(entry.uid, &flags)?;
            entry.flags = flags;
            if !silent {
                let uid = if by_uid { format!(" UID {}", entry.uid) } else { String::new() };
                let _ = write!(text, "* {} FETCH (FLAGS ({}){uid})\r\n", at + 1, fetch::flag_words(&entry.flags));
            }
        }
        Ok(ok("stored"))
    }

    fn search(&mut self, keys: &[Word], by_uid: bool, text: &mut String) -> io::Result<Done> {
        let (Some(mailbox), Some(selected)) = (&self.mailbox, &self.selected) else {
            return Ok(bad("select a mailbox first"));
        };
        let keys = match search::keys(keys, &selected.entries) {
            Ok(keys) => keys,
            Err(reason) => return Ok(bad(reason)),
        };
        text.push_str("* SEARCH");
        for (at, entry) in selected.entries.iter().enumerate() {
            let message = if keys.iter().any(search::Key::needs_text) {
                match mailbox.read(entry.uid) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                }
            } else {
                Vec::new()
            };
            if keys.iter().all(|key| key.holds(at, entry, &message)) {
                let _ = if by_uid { write!(text, " {}", entry.uid) } else { write!(text, " {}", at + 1) };
            }
        }
        text.push_str("\r\n");
        Ok(ok("searched"))
    }
}

fn is_inbox(name: &Word) -> bool {
    name.text().is_some_and(|name| name.eq_ignore_ascii_case("INBOX"))
}

fn flags_of(words: &[Word]) -> Option<Flags> {
    words
        .iter()
        .flat_map(|word| match word {
            Word::List(list) => list.as_slice(),
            Word::Atom(_) | Word::Quoted(_) => std::slice::from_ref(word),
        })
        .map(|word| {
            let text = word.text()?;
            Flag::ALL.into_iter().find(|flag| flag.word().eq_ignore_ascii_case(text))
        })
        .collect()
}

#[cfg(test)]
mod tests;
