//! A log file that stays within bounds and never stops the one who writes it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Log lines name users, hosts and addresses: the owner writes, a group may read, nobody else.
const MODE: u32 = 0o640;

/// When a file is put aside and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// In bytes; a line that would go beyond begins a new file. 0 is never, as with Oracle ([R15]).
    pub size: u64,
    /// How many old files stay: `watcher.1` is the youngest. With 0 an old file is deleted.
    pub keep: u32,
}

impl Default for Rotation {
    /// 10 MiB, five old files: the document's default.
    fn default() -> Self {
        Self { size: 10 * 1024 * 1024, keep: 5 }
    }
}

/// What became of a line.
#[derive(Debug)]
#[must_use]
pub enum Written {
    /// It is in the file.
    Whole,
    /// It is in the file, behind a line that says how many before it were lost.
    Resumed {
        /// So many.
        lost: u64,
    },
    /// It is lost; the error is there for the first of a row.
    Lost {
        /// What the system said.
        first: Option<io::Error>,
    },
}

impl Written {
    /// What is to be told on the console, once for each row of losses and once at its end.
    pub fn notice(&self, path: &Path) -> Option<Notice> {
        let about = format!("{}: ", path.display());
        match self {
            Self::Whole | Self::Lost { first: None } => None,
            Self::Resumed { lost } => {
                let words = format!("{about}can be written again; {lost} lines were lost");
                Some(Notice::Over { about, words })
            }
            Self::Lost { first: Some(error) } => Some(Notice::Lost(format!(
                "{about}{error}; its lines are dropped until it can be written (services are supervised as before)"
            ))),
        }
    }
}

/// What is told about a log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Its lines are lost from here on.
    Lost(String),
    /// They no longer are.
    Over {
        /// How the notice of the loss begins.
        about: String,
        /// What is told.
        words: String,
    },
}

/// The file and what is known of it. Nothing is opened before the first line.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    length: u64,
    /// A rotation that failed is not tried again before the file has grown so long.
    next_rotation: u64,
    /// The last line ended in the middle: the disk was full.
    torn: bool,
    lost: u64,
}

impl RotatingFile {
    /// At this path; its folder is made when it is missing.
    pub fn new(path: PathBuf, rotation: Rotation) -> Self {
        Self { path, rotation, file: None, length: 0, next_rotation: rotation.size, torn: false, lost: 0 }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Other bounds from the next line on.
    pub fn set_rotation(&mut self, rotation: Rotation) {
        self.rotation = rotation;
        self.next_rotation = rotation.size;
    }

    /// The next line opens the path anew: somebody moved the file away.
    pub fn reopen(&mut self) {
        self.file = None;
        self.torn = false;
    }

    /// Appends one line; the line must not have a line end of its own. One call of write(2), so that lines of several
    /// writers do not mix.
    pub fn write_line(&mut self, line: &[u8]) -> Written {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        if self.torn {
            bytes.push(b'\n');
        }
        if self.lost > 0 {
            bytes.extend_from_slice(format!("({} lines were lost here)\n", self.lost).as_bytes());
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        match self.append(&bytes) {
            Ok(()) => match std::mem::take(&mut self.lost) {
                0 => Written::Whole,
                lost => Written::Resumed { lost },
            },
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                Written::Lost { first: (self.lost == 1).then_some(error) }
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?;
        let length = bytes.len() as u64;
        let fits = self.rotation.size == 0 || self.length.saturating_add(length) <= self.next_rotation;
        // An empty file takes a line of any length, and a torn line gets its end where it began.
        if !fits && self.length > 0 && !self.torn {
            self.rotate()?;
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let mut rest = bytes;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    rest = &rest[n..];
                    self.length = self.length.saturating_add(n as u64);
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let file = open(&self.path)?;
            self.length = file.metadata()?.len();
            self.next_rotation = self.rotation.size;
            self.file = Some(file);
        }
        Ok(())
    }

    /// A rotation that fails (no right to rename, say) loses no line: the old file goes on.
    fn rotate(&mut self) -> io::Result<()> {
        if self.put_aside().is_err() {
            self.next_rotation = self.length.saturating_add(self.rotation.size);
            return Ok(());
        }
        self.reopen();
        self.open()
    }

    fn put_aside(&self) -> io::Result<()> {
        let keep = self.rotation.keep;
        let mut beyond = keep.saturating_add(1);
        while fs::remove_file(self.aside(beyond)).is_ok() {
            beyond = beyond.saturating_add(1);
        }
        if keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..keep).rev() {
            match fs::rename(self.aside(number), self.aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::rename(&self.path, self.aside(1))
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Opens for appending, makes what is missing. Never through a symlink in the last place and never anything but a
/// regular file: the folder may belong to the mail user, who must not turn a log of root's into a way to write elsewhere
/// or into a pipe that nobody reads.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(flags.bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
            }
            let file = options.create_new(true).mode(MODE).open(path)?;
            // The mode given at creation is cut by the umask, which whoever started the agent chose.
            file.set_permissions(Permissions::from_mode(MODE))?;
            file
        }
        other => other?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file; remove it"));
    }
    Ok(file)
}
