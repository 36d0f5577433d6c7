//! Where captured lines go: a rotated file, the agent's standard output, or the journal.
//!
//! Nothing here waits. What cannot be written at once is dropped, counted, and said once ([R15]).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::complaints::Complaints;
use crate::desired::Output;

/// Where the journal listens for its native protocol.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The file of one service, while it is open.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    size: u64,
}

/// What is lost while a file cannot be written.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Open after the first line.
    file: Option<LogFile>,
    /// Lines dropped since the last one that could be written.
    lost: u64,
}

impl Place {
    /// Closes the file; the next line opens it anew.
    pub(super) fn close(&mut self) {
        self.file = None;
    }
}

/// What all services share.
#[derive(Debug)]
pub(super) struct Logs {
    folder: PathBuf,
    rotate_size: u64,
    keep: u32,
    journal: Option<OwnedFd>,
    text: Vec<u8>,
}

impl Logs {
    /// `rotate_size` in bytes, zero for never; `keep` old files.
    pub(super) fn new(folder: PathBuf, rotate_size: u64, keep: u32) -> Self {
        Self { folder, rotate_size, keep, journal: None, text: Vec::new() }
    }

    /// New bounds, from the next line on.
    pub(super) fn bound(&mut self, rotate_size: u64, keep: u32) {
        self.rotate_size = rotate_size;
        self.keep = keep;
    }

    /// Writes complete lines of one service.
    pub(super) fn write<'l>(
        &mut self,
        output: Output,
        name: &str,
        place: &mut Place,
        lines: impl Iterator<Item = &'l [u8]> + Clone,
        complaints: &mut Complaints,
    ) {
        let lost = match output {
            Output::Journal => match self.journal(name, lines.clone()) {
                Some(lost) => lost,
                None => self.file(name, place, lines, complaints),
            },
            Output::Stdout => self.stdout(name, lines),
            Output::File => self.file(name, place, lines, complaints),
        };
        if lost > 0 {
            if place.lost == 0 {
                complaints.repeat(format!("output of {name} cannot be written and is dropped; is the disk full?"));
            }
            place.lost += lost;
        } else if place.lost > 0 {
            let words = format!("output of {name} is written again; {} lines were dropped", place.lost);
            complaints.over(format!("output of {name} cannot be written"), words);
            place.lost = 0;
        }
    }

    fn file<'l>(
        &mut self,
        name: &str,
        place: &mut Place,
        lines: impl Iterator<Item = &'l [u8]>,
        complaints: &mut Complaints,
    ) -> u64 {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let stamp = stamp();
        for line in lines {
            text.extend_from_slice(stamp.as_bytes());
            text.push(b' ');
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        let lost = self.append(name, place, &text, complaints);
        if text.capacity() <= 32 * 1024 {
            self.text = text;
        }
        lost
    }

    fn append(&self, name: &str, place: &mut Place, text: &[u8], complaints: &mut Complaints) -> u64 {
        let path = self.folder.join(name);
        let length = text.len() as u64;
        if self.rotate_size > 0 && place.file.as_ref().is_some_and(|f| f.size + length > self.rotate_size && f.size > 0)
        {
            place.file = None;
            if let Err(error) = rotate(&path, self.keep) {
                complaints.say(format!("{} cannot be rotated: {error}", path.display()));
            }
        }
        let open = || {
            fs::create_dir_all(&self.folder)?;
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?;
            let size = file.metadata()?.len();
            Ok(LogFile { file, size })
        };
        let log = match &mut place.file {
            Some(log) => log,
            none => match open() {
                Ok(log) => none.insert(log),
                Err(error) => {
                    let error: std::io::Error = error;
                    complaints.say(format!("{} cannot be opened: {error}", path.display()));
                    return count(text);
                }
            },
        };
        let mut rest = text;
        while !rest.is_empty() {
            match log.file.write(rest) {
                Ok(0) => break,
                Ok(wrote) => {
                    log.size += wrote as u64;
                    rest = rest.get(wrote..).unwrap_or_default();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if !rest.is_empty() && rest.len() < text.len() {
            // Half a line would be continued by another one once there is room.
            let _ = log.file.write(b"\n");
        }
        count(rest)
    }

    /// Our own standard output may be a pipe that nobody reads: a pipe that polls writable takes a page without
    /// waiting (pipe(7)), so no more than that is written at once.
    fn stdout<'l>(&mut self, name: &str, lines: impl Iterator<Item = &'l [u8]>) -> u64 {
        let out = rustix::stdio::stdout();
        let mut lost = 0;
        for line in lines {
            self.text.clear();
            self.text.extend_from_slice(name.as_bytes());
            self.text.extend_from_slice(b": ");
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
            let written = self.text.chunks(4096).all(|piece| {
                let mut ready = [PollFd::new(&out, PollFlags::OUT)];
                let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
                let writable = poll(&mut ready, Some(&at_once)).is_ok_and(|n| n > 0)
                    && ready[0].revents().contains(PollFlags::OUT);
                writable && rustix::io::write(out, piece).is_ok()
            });
            lost += u64::from(!written);
        }
        lost
    }

    /// None when there is no journal.
    fn journal<'l>(&mut self, name: &str, lines: impl Iterator<Item = &'l [u8]>) -> Option<u64> {
        let address = SocketAddrUnix::new(JOURNAL).ok()?;
        if self.journal.is_none() {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            self.journal = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok();
        }
        let socket = self.journal.as_ref()?;
        let mut lost = 0;
        for line in lines {
            self.text.clear();
            self.text.extend_from_slice(b"PRIORITY=6\nSYSLOG_IDENTIFIER=");
            self.text.extend_from_slice(name.as_bytes());
            self.text.extend_from_slice(b"\nMESSAGE=");
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
            match rustix::net::sendto(socket, &self.text, SendFlags::NOSIGNAL, &address) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS | rustix::io::Errno::MSGSIZE) => lost += 1,
                Err(_) => return None,
            }
        }
        Some(lost)
    }
}

fn count(text: &[u8]) -> u64 {
    text.split(|b| *b == b'\n').count().saturating_sub(1) as u64
}

/// UTC, to the millisecond.
fn stamp() -> String {
    let now = jiff::Timestamp::now();
    let millisecond = jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    format!("{millisecond:.3}")
}

/// `NAME` becomes `NAME.1`, that `NAME.2`, and so on; what is beyond `keep` is deleted.
fn rotate(path: &Path, keep: u32) -> std::io::Result<()> {
    let numbered = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return fs::remove_file(path);
    }
    for n in (1..keep).rev() {
        match fs::rename(numbered(n), numbered(n + 1)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(all: &[&'static str]) -> Vec<&'static [u8]> {
        all.iter().map(|l| l.as_bytes()).collect()
    }

    #[test]
    fn r15_a_file_is_rotated_by_size_and_the_declared_number_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_owned(), 64, 2);
        let (mut place, mut complaints) = (Place::default(), Complaints::default());
        for line in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
            let lines = lines(&[line, "filler"]);
            logs.write(Output::File, "imap", &mut place, lines.iter().copied(), &mut complaints);
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert!(read("imap").contains("eight") && read("imap.1").contains("seven") && read("imap.2").contains("six"));
        assert!(!folder.path().join("imap.3").exists());
        assert_eq!(complaints.take(), Vec::<String>::new());
        let first = read("imap");
        let stamp = first.split(' ').next().unwrap();
        assert!(stamp.ends_with('Z') && stamp.len() == "2026-11-23T10:00:00.123Z".len(), "{stamp}");
    }

    #[test]
    fn a_full_disk_drops_lines_and_says_so_once_and_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("imap")).unwrap();
        let mut logs = Logs::new(folder.path().to_owned(), 0, 2);
        let (mut place, mut complaints) = (Place::default(), Complaints::default());
        for _ in 0..3 {
            logs.write(Output::File, "imap", &mut place, lines(&["a", "b"]).into_iter(), &mut complaints);
        }
        let said = complaints.take();
        assert_eq!(said, ["output of imap cannot be written and is dropped; is the disk full?"]);
        fs::remove_file(folder.path().join("imap")).unwrap();
        place.close();
        logs.write(Output::File, "imap", &mut place, lines(&["c"]).into_iter(), &mut complaints);
        assert_eq!(complaints.take(), Vec::<String>::new());
        let over = complaints.take_over();
        assert!(said[0].starts_with(&over[0].about));
        assert_eq!(over[0].words, "output of imap is written again; 6 lines were dropped");
    }
}
