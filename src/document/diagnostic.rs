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
    /// That line, made safe for a terminal.
    pub text: String,
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

/// Turns faults into diagnostics: once each, in the order of the text.
pub(super) fn show(mut faults: Vec<Fault>, file: &Arc<str>, source: &str, hidden: &Hidden) -> Vec<Diagnostic> {
    faults.sort_by_key(|fault| (fault.place, fault.severity));
    faults.dedup();
    let left_out = faults.len().saturating_sub(MAX_SHOWN);
    if left_out > 0 {
        faults.truncate(MAX_SHOWN);
        faults.push(Fault::error("too-much", None, format!("{left_out} more are not shown")));
    }
    let lines = lines(source);
    faults
        .into_iter()
        .map(|fault| {
            let text = fault.place.and_then(|place| {
                lines.get(place.line.checked_sub(1)? as usize).map(|line| hide(line, place.line, hidden))
            });
            Diagnostic {
                severity: fault.severity,
                file: file.clone(),
                place: fault.place,
                text: printable(&text.unwrap_or_default()),
                path: fault.path,
                message: printable(&fault.message),
                expected: printable(&fault.expected),
                cure: printable(&fault.cure),
                rule: fault.rule,
            }
        })
        .collect()
}

/// A line with stars for what is hidden; columns stay where they are.
fn hide(line: &str, number: u32, hidden: &Hidden) -> String {
    match hidden {
        Hidden::Between(ranges) => {
            let inside = |column: u32| {
                let place = Place { line: number, column };
                ranges.iter().any(|(from, to)| *from <= place && place < *to)
            };
            (1..).zip(line.chars()).map(|(column, c)| if inside(column) { '*' } else { c }).collect()
        }
        Hidden::AfterValue => match line.find("value:").map(|at| at + "value:".len()) {
            Some(end) => line[..end].chars().chain(line[end..].chars().map(|_| '*')).collect(),
            None => line.to_owned(),
        },
    }
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
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}: {} [{}]", self.severity, self.message, self.rule)?;
        if let Some(place) = self.place {
            let column = (place.column as usize).saturating_sub(1);
            let from = if column < SHOWN { 0 } else { column - SHOWN / 2 };
            let piece: String = self.text.chars().skip(from).take(SHOWN).collect();
            write!(f, "\n  | {}\n  | {:width$}^", piece.trim_end(), "", width = column - from)?;
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
