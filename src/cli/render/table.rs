//! Columns.

use super::{Style, Tone, printable};

/// Rows below headings; the last column is as long as it is.
pub(crate) struct Table {
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// With headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| ((*heading).to_owned(), Tone::Strong)).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (printable(&text), tone)).collect());
    }

    /// As text.
    pub(crate) fn print(&self, style: Style) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            let mut owed = 0;
            for ((cell, tone), width) in row.iter().zip(&widths) {
                if !cell.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    line.push_str(&style.paint(*tone, cell));
                    owed = 0;
                }
                owed += width - cell.chars().count() + 2;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}
