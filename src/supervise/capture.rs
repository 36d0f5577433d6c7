//! What a service writes to standard output and error, line by line and bounded.
//!
//! **The pipe outlives the agent.** It is a FIFO in the runtime folder that the service holds open for reading and
//! writing: being its own reader, it never gets `SIGPIPE` or `EPIPE` when the agent is killed, and the next agent opens
//! the same FIFO and reads what was written meanwhile. One FIFO serves all lives of a service, so a start makes none.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::complaints::Complaints;
use super::log::{Logs, Place};
use crate::desired::Output;

/// Longer lines are cut and marked.
const LINE: usize = 8 * 1024;
/// Kept for status: so many lines at most, of so many bytes.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 4 * 1024;
/// Room in the pipe.
const PIPE: usize = 256 * 1024;
/// Stands where a line was cut.
const CUT: &[u8] = b" [cut]";

/// The output of one service.
#[derive(Debug)]
pub(super) struct Capture {
    pipe: OwnedFd,
    owner: Option<u32>,
    partial: Vec<u8>,
    skipping: bool,
    tail: Vec<u8>,
    place: Place,
}

impl Capture {
    /// Opens the FIFO at this path, making it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let words = |errno: rustix::io::Errno| format!("the output pipe {} cannot be made: {errno}", path.display());
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(words(errno)),
        }
        // For writing too: a FIFO without a writer would be readable for ever, at its end.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let pipe = rustix::fs::open(path, flags, Mode::empty()).map_err(words)?;
        let is_pipe = rustix::fs::fstat(&pipe).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo);
        if !is_pipe {
            return Err(format!("{} is not a pipe; remove it", path.display()));
        }
        // What it may write while no agent reads; where the agent may not enlarge it, the default has to do.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE);
        Ok(Self { pipe, owner: None, partial: Vec::new(), skipping: false, tail: Vec::new(), place: Place::default() })
    }

    /// Lets this user open /dev/stdout and /dev/stderr anew, which checks the permissions of the FIFO at this path.
    pub(super) fn give_to(&mut self, path: &Path, uid: u32) {
        if self.owner != Some(uid) && chown(path, Some(uid), None).is_ok() {
            self.owner = Some(uid);
        }
    }

    /// Readable when there is output.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads once, up to the size of the buffer, and hands complete lines on. How much was read; zero when empty.
    pub(super) fn pump(
        &mut self,
        name: &str,
        output: Output,
        buffer: &mut [u8],
        logs: &mut Logs,
        complaints: &mut Complaints,
    ) -> usize {
        let Ok(length) = rustix::io::read(&self.pipe, &mut *buffer) else { return 0 };
        let Some(chunk) = buffer.get(..length) else { return 0 };
        let text = self.complete_lines(chunk);
        if !text.is_empty() {
            self.remember(&text);
            let lines = text.strip_suffix(b"\n").unwrap_or(&text).split(|b| *b == b'\n');
            logs.write(output, name, &mut self.place, lines, complaints);
        }
        length
    }

    /// Takes what is left of an unfinished last line as a line; its writer is gone.
    pub(super) fn finish(&mut self, name: &str, output: Output, logs: &mut Logs, complaints: &mut Complaints) {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            let mut text = line.clone();
            text.push(b'\n');
            self.remember(&text);
            logs.write(output, name, &mut self.place, std::iter::once(line.as_slice()), complaints);
        }
        self.skipping = false;
    }

    /// The complete lines that end in this chunk, each with its newline; the rest is kept for the next.
    fn complete_lines(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in chunk.split_inclusive(|b| *b == b'\n') {
            let (body, ended) = match piece.strip_suffix(b"\n") {
                Some(body) => (body.strip_suffix(b"\r").unwrap_or(body), true),
                None => (piece, false),
            };
            if !self.skipping {
                let room = LINE - self.partial.len();
                if body.len() > room {
                    text.append(&mut self.partial);
                    text.extend_from_slice(body.get(..room).unwrap_or(body));
                    text.extend_from_slice(CUT);
                    text.push(b'\n');
                    self.skipping = true;
                } else if ended {
                    text.append(&mut self.partial);
                    text.extend_from_slice(body);
                    text.push(b'\n');
                } else {
                    self.partial.extend_from_slice(body);
                }
            }
            if ended {
                self.skipping = false;
            }
        }
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        text
    }

    fn remember(&mut self, text: &[u8]) {
        let from = text.len().saturating_sub(TAIL_BYTES);
        self.tail.extend_from_slice(text.get(from..).unwrap_or_default());
        let mut drop = self.tail.len().saturating_sub(TAIL_BYTES);
        let lines = self.tail.split(|b| *b == b'\n').count().saturating_sub(1);
        if lines > TAIL_LINES {
            let ends = self.tail.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
            drop = drop.max(ends.take(lines - TAIL_LINES).last().unwrap_or(0));
        }
        self.tail.drain(..drop.min(self.tail.len()));
        self.tail.shrink_to(TAIL_BYTES / 4);
    }

    /// The last lines, oldest first.
    pub(super) fn last_lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.tail).lines().map(str::to_owned).collect()
    }

    /// Closes the log file; the next line opens it anew.
    pub(super) fn reopen(&mut self) {
        self.place.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture() -> (tempfile::TempDir, Capture) {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::open(&folder.path().join("fifo")).unwrap();
        (folder, capture)
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_one_line() {
        let (_folder, mut capture) = capture();
        assert_eq!(capture.complete_lines(b"he"), b"");
        assert_eq!(capture.complete_lines(b"llo\r\nwor"), b"hello\n");
        assert_eq!(capture.complete_lines(b"ld\n\n"), b"world\n\n");
    }

    #[test]
    fn a_line_without_end_is_cut_once_and_costs_no_memory() {
        let (_folder, mut capture) = capture();
        let mut out = Vec::new();
        for _ in 0..100 {
            out.extend(capture.complete_lines(&[b'x'; 1000]));
            assert!(capture.partial.len() <= LINE);
        }
        assert_eq!(out.len(), LINE + CUT.len() + 1);
        assert_eq!(capture.complete_lines(b"tail\nnext\n"), b"next\n");
    }

    #[test]
    fn the_last_lines_are_bounded_in_number_and_in_bytes() {
        let (_folder, mut capture) = capture();
        for n in 0..100 {
            capture.remember(format!("line {n}\n").as_bytes());
        }
        let last = capture.last_lines();
        assert_eq!((last.len(), last[0].as_str(), last[19].as_str()), (20, "line 80", "line 99"));
        capture.remember(&vec![b'y'; 20_000]);
        assert!(capture.tail.len() <= TAIL_BYTES);
    }
}
