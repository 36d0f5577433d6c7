//! What is told about a document: where, what, and what to do about it.

use std::fmt;
use std::sync::Arc;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is taken; something in it is probably not meant so.
    Warning,
    /// The document is taken; something in it has no effect yet.
    Note,
}

/// A place in a text, counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// One thing about a document, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// The file, or whatever else the text came from, as the caller named it.
    pub file: Arc<str>,
    /// Where in it; nothing when it is about the whole, as with a document that is too large.
    pub place: Option<Place>,
    /// That line, or the piece of a long one around the column, made safe for a terminal.
    pub text: String,
    /// How many characters of the line are left out before `text`.
    pub left_out: usize,
    /// The field, such as `spec.services[imap].listeners[0].port`; empty when it is about the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was expected; may be empty.
    pub expected: String,
    /// What to write or do; may be empty.
    pub cure: String,
    /// The rule that says so, as the reference lists it.
    pub rule: &'static str,
}

/// The same before the text is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) place: Option<Place>,
    /// The field that it is about.
    pub(super) path: String,
    /// The field whose place is shown, where the one it is about may not be written.
    pub(super) shown_at: Option<String>,
    pub(super) message: String,
    pub(super) expected: String,
    pub(super) cure: String,
    pub(super) rule: &'static str,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl Fault {
    pub(super) fn error(rule: &'static str, place: Option<Place>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place,
            path: String::new(),
            shown_at: None,
            message: message.into(),
            expected: String::new(),
            cure: String::new(),
            rule,
        }
    }

    pub(super) fn about(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(super) fn expected(mut self, words: impl Into<String>) -> Self {
        self.expected = words.into();
        self
    }

    pub(super) fn cure(mut self, words: impl Into<String>) -> Self {
        self.cure = words.into();
        self
    }
}

/// Longest piece of a line that is shown.
const SHOWN: usize = 120;

/// Most diagnostics of one text; a hostile one has a hundred thousand to offer.
pub(super) const MAX_SHOWN: usize = 1_000;

/// Which parts of the text are never shown: the values of environment variables may be passwords.
pub(super) enum Hidden {
    /// From the first place up to the second.
    Between(Vec<(Place, Place)>),
    /// The tree is not known: whatever follows `value:` in a line.
    AfterValue,
}

/// Turns faults into diagnostics: once each, in the order of the text. `name` calls the items of a path by name.
pub(super) fn show(
    mut faults: Vec<Fault>,
    file: &Arc<str>,
    source: &str,
    hidden: &Hidden,
    name: impl Fn(&str) -> String,
) -> Vec<Diagnostic> {
    faults.sort_by_key(|fault| (fault.place, fault.severity));
    // An alias repeats a value in other fields; what is wrong with it is wrong once.
    faults.dedup_by(|a, b| a.place.is_some() && a.place == b.place && a.rule == b.rule && a.message == b.message);
    let cut = faults.len().saturating_sub(MAX_SHOWN);
    if cut > 0 {
        faults.truncate(MAX_SHOWN);
        let mut rest = Fault::error("too-much", None, format!("{cut} more are not shown"));
        rest.severity = Severity::Note;
        faults.push(rest);
    }
    let lines = lines(source);
    faults
        .into_iter()
        .map(|fault| {
            let line = fault.place.and_then(|place| Some((place, lines.get(place.line.checked_sub(1)? as usize)?)));
            let (text, left_out) = line.map_or_else(Default::default, |(place, line)| piece(line, place, hidden));
            Diagnostic {
                severity: fault.severity,
                file: file.clone(),
                place: fault.place,
                text: printable(&text),
                left_out,
                path: name(&fault.path),
                message: printable(&fault.message),
                expected: printable(&fault.expected),
                cure: printable(&fault.cure),
                rule: fault.rule,
            }
        })
        .collect()
}

/// The piece of a line around a place, with stars for what is hidden, and how much is left out before it. Only the
/// piece is looked at: a hostile line is a mebibyte long.
fn piece(line: &str, place: Place, hidden: &Hidden) -> (String, usize) {
    let column = (place.column as usize).saturating_sub(1);
    let left_out = if column < SHOWN { 0 } else { column - SHOWN / 2 };
    let columns = (count(left_out + 1)..).zip(line.chars().skip(left_out).take(SHOWN));
    let text: String = match hidden {
        Hidden::Between(ranges) => {
            let at = |column: usize| Place { line: place.line, column: count(column) };
            let (from, to) = (at(left_out + 1), at(left_out + SHOWN + 1));
            let near: Vec<_> = ranges.iter().filter(|(start, end)| *start < to && from < *end).collect();
            let inside = |place: Place| near.iter().any(|(start, end)| *start <= place && place < *end);
            columns.map(|(column, c)| if inside(Place { line: place.line, column }) { '*' } else { c }).collect()
        }
        Hidden::AfterValue => {
            let open = line.find("value:").map_or(usize::MAX, |at| line[..at].chars().count() + "value:".len());
            columns.map(|(column, c)| if column as usize > open { '*' } else { c }).collect()
        }
    };
    (text.trim_end().to_owned(), left_out)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Lines as YAML counts them: LF, CR LF and a lone CR end one (YAML 1.2.2, 5.4).
fn lines(source: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = source;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
    }
    lines.push(rest);
    lines
}

/// A text cannot drive the terminal it is shown on.
fn printable(text: &str) -> String {
    // Beside control characters: a byte order mark, and what turns the direction of writing or ends a line elsewhere.
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if odd(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.place {
            Some(place) => write!(f, ":{}:{}", place.line, place.column)?,
            // An object of the API server has no lines.
            None if self.path.is_empty() => {}
            None => write!(f, ": {}", self.path)?,
        }
        write!(f, ": {}: {} [{}]", self.severity, self.message, self.rule)?;
        if let Some(place) = self.place {
            let caret = (place.column as usize).saturating_sub(1 + self.left_out);
            write!(f, "\n  | {}\n  | {:caret$}^", self.text, "")?;
        }
        if !self.expected.is_empty() {
            write!(f, "\n  expected: {}", self.expected)?;
        }
        if !self.cure.is_empty() {
            write!(f, "\n  cure: {}", self.cure)?;
        }
        Ok(())
    }
}
