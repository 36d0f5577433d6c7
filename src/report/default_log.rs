//! `<dataRoot>/log/default`: failures and messages, in the form of Oracle's service logs ([R12]).
//!
//! `[31/Aug/2004:16:33:14 -0700] vadar ims_master[13822]: Store Information: text`, that is
//! `[dateTime] hostName processName[pid]: category logLevel: eventMessage` (Sun Java System Messaging Server 6.3
//! Administration Guide, 25.4.2, "Understanding Service Log File Format").

use std::fmt;
use std::path::Path;

use jiff::tz::TimeZone;

use super::lines::{clean, timestamp};
use super::rotating::{RotatingFile, Rotation, Written};
use crate::model::Wall;

/// How grave a message is; the levels of the manual's table 25-3 that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The agent itself cannot do its work.
    Critical,
    /// A service failed.
    Error,
    /// A service is slow or degraded, or a declaration is refused.
    Warning,
    /// Something changed that a person should know.
    Notice,
    /// All else.
    Information,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Information => "Information",
        })
    }
}

/// The default log.
#[derive(Debug)]
pub struct DefaultLog {
    file: RotatingFile,
    /// `HOST watcher[PID]`; the agent stands where Oracle has its watcher.
    origin: String,
    zone: TimeZone,
}

impl DefaultLog {
    /// In this folder; times are in this zone.
    pub fn new(folder: &Path, rotation: Rotation, host: &str, pid: u32, zone: TimeZone) -> Self {
        let origin = format!("{} watcher[{pid}]", clean(host));
        Self { file: RotatingFile::new(folder.join("default"), rotation), origin, zone }
    }

    /// Appends one message; line ends in it become spaces.
    pub fn write(&mut self, at: Wall, level: Level, text: &str) -> Written {
        let time = timestamp(at).to_zoned_datetime(self.zone.clone());
        let time = time.strftime("%d/%b/%Y:%H:%M:%S %z");
        self.file.write_line(format!("[{time}] {}: General {level}: {}", self.origin, clean(text)).as_bytes())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// With the next message.
    pub fn reopen(&mut self) {
        self.file.reopen();
    }
}
