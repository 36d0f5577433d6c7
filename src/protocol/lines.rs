//! Bytes into lines, within limits.

/// Longest line that is accepted, in bytes without its end. RFC 5321 4.5.3.1.5 allows a reply line 512, RFC 9051 4 names
/// no limit and its servers send capability lists of a few hundred.
pub const LINE_LIMIT: usize = 8 * 1024;

/// Most bytes that a peer may send in one dialogue, goodbye included.
pub const TOTAL_LIMIT: usize = 64 * 1024;

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    Line,
    Total,
}

/// Collects a line; knows how much has come in all.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    total: usize,
    literal_left: usize,
}

impl Lines {
    /// Takes one byte; gives the line that it ends, without its CR LF. A bare LF ends a line too: the probe judges
    /// whether a service is up, not its manners.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Vec<u8>>, Overrun> {
        self.total += 1;
        if self.total > TOTAL_LIMIT {
            return Err(Overrun::Total);
        }
        if self.literal_left > 0 {
            self.literal_left -= 1;
            return Ok(None);
        }
        if byte == b'\n' {
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
            return Ok(Some(std::mem::take(&mut self.line)));
        }
        if self.line.len() == LINE_LIMIT && byte != b'\r' || self.line.len() > LINE_LIMIT {
            return Err(Overrun::Line);
        }
        self.line.push(byte);
        Ok(None)
    }

    /// The next so many bytes are data and no line, whatever they are.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.literal_left = bytes;
    }

    /// What has come of a line that has not ended.
    pub(super) fn partial(&self) -> &[u8] {
        &self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_takes_no_more_memory_than_a_line() {
        let mut lines = Lines::default();
        let fed = (0..1_000_000).take_while(|_| lines.push(b'x').is_ok()).count();
        assert_eq!(fed, LINE_LIMIT);
        assert!(lines.partial().len() <= LINE_LIMIT && lines.line.capacity() <= 2 * LINE_LIMIT);
    }
}
