//! Lines from a connection, with a bound on their length.

use std::io::{self, Read};

/// The longest line taken, with its end. RFC 5321 4.5.3.1.6 asks for 1,000 in a message, RFC 7162 advises 8,192 for
/// an IMAP command.
pub(super) const LINE_MAX: usize = 8192;

/// Splits what it reads at LF; CR before it is dropped.
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// Everything before has been searched for an LF.
    searched: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), searched: 0 }
    }

    /// The next line without its end; none when the other side has closed (an unfinished line is dropped).
    ///
    /// # Errors
    /// `InvalidData` for a line longer than [`LINE_MAX`], else what the connection reports.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched >= LINE_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            let mut chunk = [0; 2048];
            let room = chunk.len().min(LINE_MAX - self.searched);
            match self.from.read(&mut chunk[..room]) {
                Ok(0) => return Ok(None),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_lf_with_or_without_cr_and_an_unfinished_one_is_dropped() {
        assert_eq!(all(b"a\r\nb\n\r\nhalf"), ["a", "b", ""]);
    }

    #[test]
    fn a_line_that_never_ends_is_refused_at_the_bound() {
        let endless = vec![b'x'; LINE_MAX + 1];
        assert_eq!(Lines::new(&endless[..]).next().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut longest = vec![b'x'; LINE_MAX - 1];
        longest.push(b'\n');
        assert_eq!(Lines::new(&longest[..]).next().unwrap().map(|line| line.len()), Some(LINE_MAX - 1));
    }
}
