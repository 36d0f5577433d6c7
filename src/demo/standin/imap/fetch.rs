//! FETCH: which parts of a message are wanted, and how they are written.

use super::super::maildir::{Entry, Flag, Flags};
use super::super::message::{field_name, fields, parts};
use super::words::Word;

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Uid,
    Flags,
    Size,
    /// A part of the text, under the name it is answered with.
    Part {
        part: Part,
        answered_as: String,
        peek: bool,
    },
}

/// A part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Header,
    Text,
    /// Only these fields (upper case), or all but these.
    Fields {
        names: Vec<String>,
        not: bool,
    },
}

/// What was asked for.
pub(super) fn items(words: &[Word]) -> Result<Vec<Item>, &'static str> {
    let words = match words {
        [Word::List(list)] => list.as_slice(),
        [Word::Atom(_)] => words,
        _ => return Err("fetch one item, or a list in parentheses"),
    };
    let mut found = Vec::new();
    for word in words {
        let Word::Atom(word) = word else { return Err("that is no item") };
        let word = word.to_ascii_uppercase();
        let part = |part, peek| Item::Part { part, answered_as: word.clone(), peek };
        match word.as_str() {
            "UID" => found.push(Item::Uid),
            "FLAGS" => found.push(Item::Flags),
            "RFC822.SIZE" => found.push(Item::Size),
            "RFC822" => found.push(part(Part::Whole, false)),
            "RFC822.HEADER" => found.push(part(Part::Header, true)),
            "RFC822.TEXT" => found.push(part(Part::Text, false)),
            _ => found.push(section(&word)?),
        }
    }
    Ok(found)
}

/// `BODY[...]` and `BODY.PEEK[...]`; both are answered as `BODY[...]`.
fn section(word: &str) -> Result<Item, &'static str> {
    const UNKNOWN: &str = "this stand-in fetches UID, FLAGS, RFC822.SIZE, RFC822 and BODY[...]";
    let (inner, peek) = match (word.strip_prefix("BODY["), word.strip_prefix("BODY.PEEK[")) {
        (Some(inner), _) => (inner, false),
        (None, Some(inner)) => (inner, true),
        (None, None) => return Err(UNKNOWN),
    };
    let inner = inner.strip_suffix(']').ok_or("partial fetches are not done here")?;
    let names = |list: &str| list.trim_matches(['(', ')']).split_whitespace().map(str::to_owned).collect();
    let part = match inner {
        "" => Part::Whole,
        "HEADER" => Part::Header,
        "TEXT" | "1" => Part::Text,
        _ => match (inner.strip_prefix("HEADER.FIELDS.NOT "), inner.strip_prefix("HEADER.FIELDS ")) {
            (Some(list), _) => Part::Fields { names: names(list), not: true },
            (None, Some(list)) => Part::Fields { names: names(list), not: false },
            (None, None) => return Err(UNKNOWN),
        },
    };
    Ok(Item::Part { part, answered_as: format!("BODY[{inner}]"), peek })
}

/// Whether the message must be read for these.
pub(super) fn needs_text(items: &[Item]) -> bool {
    items.iter().any(|item| matches!(item, Item::Part { .. }))
}

/// Whether fetching these sets the flag \Seen.
pub(super) fn marks_seen(items: &[Item]) -> bool {
    items.iter().any(|item| matches!(item, Item::Part { peek: false, .. }))
}

/// The flags as a client reads them, without the parentheses.
pub(super) fn flag_words(flags: &Flags) -> String {
    let words: Vec<&str> = flags.iter().copied().map(Flag::word).collect();
    words.join(" ")
}

/// Writes the untagged answer for one message.
pub(super) fn write(into: &mut Vec<u8>, number: usize, entry: &Entry, items: &[Item], message: &[u8]) {
    into.extend_from_slice(format!("* {number} FETCH (").as_bytes());
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            into.push(b' ');
        }
        match item {
            Item::Uid => into.extend_from_slice(format!("UID {}", entry.uid).as_bytes()),
            Item::Flags => into.extend_from_slice(format!("FLAGS ({})", flag_words(&entry.flags)).as_bytes()),
            Item::Size => into.extend_from_slice(format!("RFC822.SIZE {}", entry.size).as_bytes()),
            Item::Part { part, answered_as, .. } => {
                let text = text_of(part, message);
                into.extend_from_slice(format!("{answered_as} {{{}}}\r\n", text.len()).as_bytes());
                into.extend_from_slice(&text);
            }
        }
    }
    into.extend_from_slice(b")\r\n");
}

fn text_of(part: &Part, message: &[u8]) -> Vec<u8> {
    match part {
        Part::Whole => message.to_vec(),
        Part::Header => parts(message).0.to_vec(),
        Part::Text => parts(message).1.to_vec(),
        Part::Fields { names, not } => {
            let named = |field: &&[u8]| names.iter().any(|n| field_name(field).eq_ignore_ascii_case(n.as_bytes()));
            let mut text: Vec<u8> =
                fields(message).into_iter().filter(|field| named(field) != *not).flatten().copied().collect();
            text.extend_from_slice(b"\r\n");
            text
        }
    }
}
