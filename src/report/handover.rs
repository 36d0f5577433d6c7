//! Where a hand-over to another node is written down ([R23]): in the state folder of this host for the person, and in
//! `<dataRoot>/log/failover`, which moves with the data, for the next node.
//!
//! The data may lie on a disk that hangs, which may be the very reason of the hand-over; so each file has a thread of its
//! own, and nobody waits longer for one than [`PATIENCE`].

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::model::Wall;

/// How long an agent that ends waits for a disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// The end of the file that is read; a line is shorter.
const TAIL: u64 = 4_096;
/// The name of both files.
const NAME: &str = "failover";
/// What a line says when the reason before it is past.
const TAKEN_OVER: &str = "took over";

/// The two files.
#[derive(Debug)]
pub struct Handover {
    host: String,
    files: [PathBuf; 2],
    writers: Vec<(Sender<String>, Receiver<io::Error>)>,
}

impl Handover {
    /// In these folders; nothing is opened before the first line.
    pub fn new(host: &str, state_dir: &Path, data_root: &Path) -> Self {
        let files = [state_dir.join(NAME), data_root.join("log").join(NAME)];
        Self { host: host.to_owned(), files, writers: Vec::new() }
    }

    /// The last line of the file that moves with the data, where it is a reason and nobody has taken over since.
    pub fn pending(&self) -> Option<String> {
        let [_, shared] = &self.files;
        let mut file = std::fs::File::open(shared).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
        (!last.ends_with(TAKEN_OVER)).then(|| last.to_owned())
    }

    /// Says that this host runs it from now on.
    pub fn take_over(&mut self, at: Wall) {
        self.write(at, TAKEN_OVER);
    }

    /// Appends a line to both files, soon.
    pub fn write(&mut self, at: Wall, words: &str) {
        if self.writers.is_empty() {
            self.writers = self.files.iter().filter_map(|file| writer(file.clone()).ok()).collect();
        }
        let words = super::lines::clean(words);
        for (lines, _) in &self.writers {
            // A writer that has met an error has said so and is gone.
            let _ = lines.send(format!("{at} {}: {words}\n", self.host));
        }
    }

    /// Waits until everything is written; gives what went wrong.
    pub fn settle(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((lines, ended), file) in std::mem::take(&mut self.writers).into_iter().zip(&self.files) {
            drop(lines);
            let words = match ended.recv_timeout(PATIENCE) {
                Ok(error) => error.to_string(),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => "its disk does not answer".to_owned(),
                // It ended without an error.
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => continue,
            };
            wrong.push(format!("{}: {words}; the reason of the hand-over is not in it", file.display()));
        }
        wrong
    }
}

fn writer(path: PathBuf) -> io::Result<(Sender<String>, Receiver<io::Error>)> {
    let (lines, to_write) = channel::<String>();
    let (error, ended) = channel();
    std::thread::Builder::new().name("mailward-failover".to_owned()).spawn(move || {
        for line in to_write {
            if let Err(wrong) = append(&path, &line) {
                // Nobody may wait any more.
                let _ = error.send(wrong);
                return;
            }
        }
    })?;
    Ok((lines, ended))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r23_the_reason_of_a_hand_over_is_in_both_places_until_somebody_takes_over() {
        let folder = tempfile::tempdir().unwrap();
        let (state, data) = (folder.path().join("state"), folder.path().join("data"));
        let mut handover = Handover::new("alpha", &state, &data);
        assert_eq!(handover.pending(), None);
        handover.write(Wall(0), "store gave up\n1970 forged");
        handover.write(Wall(0), "everything has stopped");
        assert_eq!(handover.settle(), Vec::<String>::new());
        let text = "1970-01-01T00:00:00Z alpha: store gave up 1970 forged\n1970-01-01T00:00:00Z alpha: everything has stopped\n";
        for file in [state.join("failover"), data.join("log/failover")] {
            assert_eq!(std::fs::read_to_string(file).unwrap(), text);
        }
        let mut next = Handover::new("beta", &folder.path().join("elsewhere"), &data);
        assert_eq!(next.pending().as_deref(), Some("1970-01-01T00:00:00Z alpha: everything has stopped"));
        next.take_over(Wall(0));
        assert_eq!(next.settle(), Vec::<String>::new());
        assert_eq!(next.pending(), None);
    }

    #[test]
    fn r23_a_place_that_cannot_be_written_is_named_and_the_other_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("data");
        std::fs::write(&blocked, "a file where a folder should be").unwrap();
        let mut handover = Handover::new("alpha", folder.path(), &blocked);
        handover.write(Wall(0), "store gave up");
        let wrong = handover.settle();
        assert!(wrong.len() == 1 && wrong[0].contains("data/log/failover"), "{wrong:?}");
        assert!(std::fs::read_to_string(folder.path().join("failover")).unwrap().ends_with("alpha: store gave up\n"));
    }
}
