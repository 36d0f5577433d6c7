//! SEARCH: keys that must all hold.

use std::collections::BTreeSet;

use super::super::maildir::{Entry, Flag};
use super::super::message::{header, parts};
use super::words::{Word, set_of};

/// One condition.
#[derive(Debug)]
pub(super) enum Key {
    All,
    /// The flag is there, or is not.
    Has(Flag, bool),
    /// Its index is one of these.
    In(BTreeSet<usize>),
    /// The field holds the text (lower case).
    Field(String, String),
    /// The body holds the text (lower case).
    Body(String),
    /// Header or body holds the text (lower case).
    Text(String),
    Not(Box<Key>),
}

/// What was asked for. `entries` turn sets into indices.
pub(super) fn keys(words: &[Word], entries: &[Entry]) -> Result<Vec<Key>, &'static str> {
    // A charset may stand first (RFC 9051 6.4.4); text is compared as UTF-8 whatever it says.
    let words = match words {
        [Word::Atom(charset), _, rest @ ..] if charset.eq_ignore_ascii_case("CHARSET") => rest,
        _ => words,
    };
    let mut words = words.iter();
    let mut keys = Vec::new();
    while let Some(word) = words.next() {
        keys.push(key(word, &mut words, entries)?);
    }
    if keys.is_empty() { Err("search for what?") } else { Ok(keys) }
}

fn key<'a>(word: &'a Word, rest: &mut impl Iterator<Item = &'a Word>, entries: &[Entry]) -> Result<Key, &'static str> {
    let Word::Atom(name) = word else { return Err("that is no search key") };
    let name = name.to_ascii_uppercase();
    let mut text = || {
        let word = rest.next().and_then(Word::text).ok_or("the search key lacks its text")?;
        Ok::<String, &'static str>(word.to_lowercase())
    };
    Ok(match name.as_str() {
        "ALL" => Key::All,
        "SEEN" => Key::Has(Flag::Seen, true),
        "UNSEEN" => Key::Has(Flag::Seen, false),
        "DELETED" => Key::Has(Flag::Deleted, true),
        "UNDELETED" => Key::Has(Flag::Deleted, false),
        "FLAGGED" => Key::Has(Flag::Flagged, true),
        "UNFLAGGED" => Key::Has(Flag::Flagged, false),
        "ANSWERED" => Key::Has(Flag::Answered, true),
        "UNANSWERED" => Key::Has(Flag::Answered, false),
        "SUBJECT" | "FROM" | "TO" | "CC" => Key::Field(name.clone(), text()?),
        "HEADER" => Key::Field(text()?, text()?),
        "BODY" => Key::Body(text()?),
        "TEXT" => Key::Text(text()?),
        "UID" => {
            let set = rest.next().ok_or("UID lacks its set")?;
            Key::In(set_of(set, entries, true).ok_or("that is no set of messages")?)
        }
        "NOT" => {
            let next = rest.next().ok_or("NOT lacks its key")?;
            // One NOT behind another would recurse as deep as a line is long, and mean nothing.
            if next.text().is_some_and(|text| text.eq_ignore_ascii_case("NOT")) {
                return Err("NOT NOT is not taken here");
            }
            Key::Not(Box::new(key(next, rest, entries)?))
        }
        _ => Key::In(set_of(word, entries, false).ok_or("this stand-in does not know that search key")?),
    })
}

impl Key {
    /// Whether the message must be read to decide.
    pub(super) fn needs_text(&self) -> bool {
        match self {
            Self::Field(..) | Self::Body(_) | Self::Text(_) => true,
            Self::All | Self::Has(..) | Self::In(_) => false,
            Self::Not(key) => key.needs_text(),
        }
    }

    /// Whether the message at this index fits.
    pub(super) fn holds(&self, at: usize, entry: &Entry, message: &[u8]) -> bool {
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        match self {
            Self::All => true,
            Self::Has(flag, wanted) => entry.flags.contains(flag) == *wanted,
            Self::In(set) => set.contains(&at),
            Self::Field(name, text) => {
                header(message, name).is_some_and(|value| value.to_lowercase().contains(text.as_str()))
            }
            Self::Body(text) => lower(parts(message).1).contains(text.as_str()),
            Self::Text(text) => lower(message).contains(text.as_str()),
            Self::Not(key) => !key.holds(at, entry, message),
        }
    }
}
