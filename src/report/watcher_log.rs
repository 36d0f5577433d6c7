//! `<dataRoot>/log/watcher`: every start and stop, a person's too, in Oracle's lines and Oracle's place ([R15]).

use std::path::Path;

use super::lines::Line;
use super::rotating::{RotatingFile, Rotation, Written};

/// The watcher log.
#[derive(Debug)]
pub struct WatcherLog {
    file: RotatingFile,
}

impl WatcherLog {
    /// In this folder. Oracle never rotates it; ours does unless told otherwise ([R15]).
    pub fn new(folder: &Path, rotation: Rotation) -> Self {
        Self { file: RotatingFile::new(folder.join("watcher"), rotation) }
    }

    /// Appends one line.
    pub fn write(&mut self, line: &Line) -> Written {
        self.file.write_line(line.to_string().as_bytes())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// With the next line.
    pub fn reopen(&mut self) {
        self.file.reopen();
    }
}
