//! A block of lines that is written again in its place, on a terminal; elsewhere printed below the one before.

use std::io::{self, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

use crate::cli::failure::Failure;
use crate::cli::terminal::print;

/// Where the block is.
pub(super) struct Screen {
    live: bool,
    height: usize,
    last: String,
    /// What the terminal does with what is typed, from before.
    before: Option<Termios>,
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Screen {
    /// On the standard output.
    pub(super) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        let live = io::stdout().is_terminal() && !dumb;
        Self { live, height: 0, last: String::new(), before: live.then(be_silent).flatten() }
    }

    /// Whether the block is written again in its place.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Whether nothing was shown yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_empty()
    }

    /// The size of the terminal; one that does not say counts as the usual one.
    pub(super) fn size() -> Size {
        let found = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        found.map_or(Size { columns: 80, rows: 24 }, |size| Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        })
    }

    /// Shows a block; on a terminal in the place of the one before and no higher than the terminal.
    pub(super) fn show(&mut self, block: &str) -> Result<(), Failure> {
        if block == self.last {
            return Ok(());
        }
        block.clone_into(&mut self.last);
        if !self.live {
            return print(&format!("{block}\n"));
        }
        let (text, height) = fit(block, Self::size());
        let up = if self.height == 0 { String::new() } else { format!("\u{1b}[{}A", self.height) };
        self.height = height;
        print(&format!("\r{up}\u{1b}[J{text}"))
    }

    /// The terminal has another size: nobody knows where the old lines are now.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        self.height = 0;
        self.last.clear();
        if self.live { print("\u{1b}[2J\u{1b}[H") } else { Ok(()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The terminal may be gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Whatever is typed is not echoed: it would move the lines. In the background the terminal is somebody else's.
fn be_silent() -> Option<Termios> {
    let stdin = io::stdin();
    if tcgetpgrp(&stdin).ok()? != rustix::process::getpgrp() {
        return None;
    }
    let before = tcgetattr(&stdin).ok()?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &silent).ok()?;
    Some(before)
}

/// How many rows a text takes at this width.
pub(super) fn rows(text: &str, columns: usize) -> usize {
    text.lines().map(|line| visible(line).count().div_ceil(columns).max(1)).sum()
}

/// As many lines from the top as leave one row for the cursor, and the rows they take.
fn fit(block: &str, size: Size) -> (String, usize) {
    let mut text = String::new();
    let mut height = 0;
    for line in block.lines() {
        let rows = rows(line, size.columns).max(1);
        if height + rows >= size.rows {
            break;
        }
        height += rows;
        text.push_str(line);
        text.push('\n');
    }
    (text, height)
}

/// Cuts every line at this width.
pub(super) fn crop(text: &str, columns: usize) -> String {
    let mut cropped = String::with_capacity(text.len());
    for line in text.lines() {
        match visible(line).nth(columns) {
            None => cropped.push_str(line),
            Some((at, _)) => {
                cropped.push_str(&line[..at]);
                if line.contains('\u{1b}') {
                    cropped.push_str("\u{1b}[0m");
                }
            }
        }
        cropped.push('\n');
    }
    cropped
}

/// The characters that take a column, with their places: all but the sequences of colours (`ESC [ ... m`).
fn visible(line: &str) -> impl Iterator<Item = (usize, char)> {
    let mut inside = false;
    line.char_indices().filter(move |(_, char)| {
        let hidden = inside || *char == '\u{1b}';
        inside = hidden && *char != 'm';
        !hidden
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_what_is_seen_of_them_and_a_colour_ends_with_the_line() {
        assert_eq!(crop("abcdef\nab\n", 4), "abcd\nab\n");
        assert_eq!(crop("\u{1b}[32mready\u{1b}[0m and so on", 5), "\u{1b}[32mready\u{1b}[0m\u{1b}[0m\n");
        assert_eq!(crop("\u{1b}[32mready\u{1b}[0m", 5), "\u{1b}[32mready\u{1b}[0m\n");
    }

    #[test]
    fn a_block_is_never_higher_than_the_terminal_less_the_row_of_the_cursor() {
        let size = Size { columns: 10, rows: 4 };
        assert_eq!(fit("1\n2\n3\n4\n5\n", size), ("1\n2\n3\n".to_owned(), 3));
        assert_eq!(fit("1\n0123456789ab\n4\n", size), ("1\n0123456789ab\n".to_owned(), 3));
        assert_eq!(rows("\n0123456789\n", 10), 2);
    }
}
