//! Source text without what is not code: comments, the insides of strings, tests.

use std::fs;
use std::path::Path;

/// One file.
pub(crate) struct Source {
    /// Comments, strings' insides and the tests at its end are blanks.
    pub(crate) code: String,
    /// Lines that are neither blank nor only a comment, tests included.
    pub(crate) lines: usize,
    /// It is compiled for tests alone.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a file of the source");
        let all = blank(&text);
        let lines = all.lines().filter(|line| !line.trim().is_empty()).count();
        let code = all.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        let is_test = path.components().skip_while(|part| part.as_os_str() != "src").any(|part| {
            let part = part.as_os_str();
            part == "tests" || part == "tests.rs"
        });
        Self { code, lines, is_test }
    }

    /// Whether the code has this word, as a word of its own.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        self.code.match_indices(word).any(|(at, _)| {
            let (before, after) = (&self.code[..at], &self.code[at + word.len()..]);
            !is_word(before.chars().next_back()) && (word.ends_with([':', '!']) || !is_word(after.chars().next()))
        })
    }
}

/// The first names after a prefix such as `crate::`, of a group in braces each.
pub(crate) fn words_after(code: &str, prefix: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => words.push(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut fresh = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => fresh = true,
                        c if fresh && !c.is_whitespace() => {
                            words.push(word(&group[at..]));
                            fresh = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The text with blanks for comments and for what is inside strings; lines stay lines.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest, out.chars().next_back()) {
            length
        } else if first == '"' {
            string(rest)
        } else if let Some(length) = character(rest) {
            length
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        // A string stays visible as an empty one, or a line of nothing else would not count.
        if !rest.starts_with('/') {
            out.push_str("\"\"");
        }
        out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    out
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    let mut inside = text.char_indices().skip(1);
    inside
        .find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map_or(text.len(), |(at, _)| at + 1)
}

/// `r"..."`, `r#"..."#` and so on, also behind `b`.
fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_') {
        return None;
    }
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(text.len(), |at| 1 + hashes + 1 + at + end.len()))
}

/// A character in quotes, and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut inside = text.strip_prefix('\'')?.char_indices();
    match inside.next()?.1 {
        '\\' => text[3..].find('\'').map(|at| at + 4),
        _ => inside.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 2),
    }
}

#[test]
fn what_is_not_code_is_blank() {
    let text =
        "let a = \"x // \\\" y\"; // unsafe\nlet b = r#\"un\"safe\"#; let c = 'x'; fn f<'a>(x: &'a str) { '\\'' }\n";
    assert_eq!(blank(text), "let a = \"\"; \nlet b = \"\"; let c = \"\"; fn f<'a>(x: &'a str) { \"\" }\n");
}

#[test]
fn names_after_a_prefix_are_found_in_groups_too() {
    let code = "use crate::plan::{Step, x};\nuse crate::{\n a::{b, c},\n d,\n};\ncrate::e::f();";
    assert_eq!(words_after(code, "crate::"), ["plan", "a", "d", "e"]);
}
