//! The words of an IMAP command, and sets of messages.

use std::collections::BTreeSet;

use super::super::maildir::Entry;

/// Parentheses in parentheses; deeper is refused.
const DEPTH_MAX: usize = 8;

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Without quotes; `BODY[HEADER.FIELDS (TO)]` is one, up to its `]`.
    Atom(String),
    Quoted(String),
    List(Vec<Word>),
}

impl Word {
    /// The text of a string (RFC 9051 `astring`); a list has none.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Atom(text) | Self::Quoted(text) => Some(text),
            Self::List(_) => None,
        }
    }
}

/// Splits the arguments of a command, its name included.
pub(super) fn split(text: &str) -> Result<Vec<Word>, &'static str> {
    let mut rest = text;
    let words = list(&mut rest, 0)?;
    if rest.is_empty() { Ok(words) } else { Err("a `)` too many") }
}

fn list(rest: &mut &str, depth: usize) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    loop {
        *rest = rest.trim_start_matches(' ');
        match rest.chars().next() {
            None | Some(')') => return Ok(words),
            Some('(') if depth >= DEPTH_MAX => return Err("too many parentheses"),
            Some('(') => {
                *rest = &rest[1..];
                let inner = list(rest, depth + 1)?;
                *rest = rest.strip_prefix(')').ok_or("a `)` is missing")?;
                words.push(Word::List(inner));
            }
            Some('"') => words.push(Word::Quoted(quoted(rest)?)),
            Some('{') => return Err("literals are not taken here; write a \"quoted string\""),
            Some(_) => words.push(Word::Atom(atom(rest)?)),
        }
    }
}

fn quoted(rest: &mut &str) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                *rest = &rest[at + 1..];
                return Ok(text);
            }
            '\\' => text.push(characters.next().ok_or("a quote is not closed")?.1),
            _ => text.push(character),
        }
    }
    Err("a quote is not closed")
}

fn atom(rest: &mut &str) -> Result<String, &'static str> {
    let mut open = false;
    let mut end = rest.len();
    for (at, character) in rest.char_indices() {
        match character {
            '[' => open = true,
            ']' => open = false,
            ' ' | '(' | ')' if !open => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if open {
        return Err("a `]` is missing");
    }
    let (word, left) = rest.split_at(end);
    *rest = left;
    Ok(word.to_owned())
}

/// The indices of the messages in a set like `1:3,7,*`; none when it is not one. A UID that no message has is left
/// out (RFC 9051 6.4.9); so is a sequence number, which the RFC lets a server refuse.
pub(super) fn set_of(set: &Word, entries: &[Entry], by_uid: bool) -> Option<BTreeSet<usize>> {
    let Word::Atom(text) = set else { return None };
    let last = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let highest = if by_uid { entries.last().map_or(0, |entry| entry.uid) } else { last };
    let mut chosen = BTreeSet::new();
    for part in text.split(',') {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let (from, to) = (number(from, highest)?, number(to, highest)?);
        let range = from.min(to)..=from.max(to);
        let numbers = entries.iter().zip(1u32..).enumerate();
        chosen.extend(
            numbers.filter(|(_, (entry, n))| range.contains(if by_uid { &entry.uid } else { n })).map(|(at, _)| at),
        );
    }
    Some(chosen)
}

fn number(text: &str, highest: u32) -> Option<u32> {
    if text == "*" {
        return Some(highest);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?.filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::standin::maildir::Flags;

    fn atom(text: &str) -> Word {
        Word::Atom(text.to_owned())
    }

    #[test]
    fn words_are_atoms_strings_and_lists() {
        let words = split(r#"LOGIN "de mo\"\\" (a (b)) BODY.PEEK[HEADER.FIELDS (TO FROM)] *"#).unwrap();
        let inner = Word::List(vec![atom("a"), Word::List(vec![atom("b")])]);
        let expected = [
            atom("LOGIN"),
            Word::Quoted("de mo\"\\".into()),
            inner,
            atom("BODY.PEEK[HEADER.FIELDS (TO FROM)]"),
            atom("*"),
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn what_is_left_open_is_refused_and_so_is_depth_without_end() {
        let deep = "(".repeat(5000);
        for text in ["\"open", "\"open\\", "(a", "a)", "BODY[", "{3}", deep.as_str()] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_names_messages_by_number_or_by_uid() {
        let entries: Vec<Entry> =
            [3, 5, 9].into_iter().map(|uid| Entry { uid, size: 0, flags: Flags::new() }).collect();
        let chosen = |text: &str, by_uid| set_of(&atom(text), &entries, by_uid).map(Vec::from_iter);
        assert_eq!(chosen("1:2", false), Some(vec![0, 1]));
        assert_eq!(chosen("*:2", false), Some(vec![1, 2]));
        assert_eq!(chosen("5,9", true), Some(vec![1, 2]));
        assert_eq!(chosen("10:*", true), Some(vec![2]));
        assert_eq!(chosen("4,100", false), Some(vec![]));
        for wrong in ["0", "a", "", "1:", "+1", "1,,2"] {
            assert_eq!(chosen(wrong, false), None, "{wrong}");
        }
    }
}
