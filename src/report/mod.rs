//! Tells people and other programs what happened: log lines in Oracle's words, structured events, systemd.
//!
//! Writes files and one datagram socket, and decides nothing: what happened comes as plain values ([`Line`],
//! [`Record`]). A log that cannot be written is no reason to stop supervising: lines are dropped, counted, and the first
//! loss and the end of the losses are told ([`rotating::Written`]). Called by the agent loop and by the commands that
//! print Oracle's lines on a terminal.

pub mod default_log;
pub mod events;
mod handover;
pub mod lines;
mod narrator;
pub mod rotating;
pub mod sd_notify;
#[cfg(test)]
mod tests;
pub mod watcher_log;

pub use events::Record;
pub use handover::Handover;
pub use lines::{Line, Medium};
pub use narrator::Narrator;

use std::path::Path;

use jiff::tz::TimeZone;

use crate::model::Wall;
use default_log::{DefaultLog, Level};
use events::EventLog;
use rotating::{Notice, Rotation, Written};
use watcher_log::WatcherLog;

/// The agent's three logs, in the folder `<dataRoot>/log` ([R12], [R15]).
#[derive(Debug)]
pub struct Logs {
    watcher: WatcherLog,
    events: EventLog,
    default: DefaultLog,
}

impl Logs {
    /// Below this data root; nothing is opened before the first line. `host` and `pid` stand in the default log.
    pub fn new(data_root: &Path, rotation: Rotation, host: &str, pid: u32, zone: TimeZone) -> Self {
        let folder = data_root.join("log");
        Self {
            watcher: WatcherLog::new(&folder, rotation),
            events: EventLog::new(&folder, rotation),
            default: DefaultLog::new(&folder, rotation, host, pid, zone),
        }
    }

    /// One line into the watcher log and the same as an event, there with the last `output` of what failed. Gives what
    /// is to be told on the console about the logs themselves; nothing, as a rule.
    pub fn line(&mut self, at: Wall, line: &Line, reason: &str, output: &[String]) -> Vec<Notice> {
        let written = self.watcher.write(line);
        let mut notices: Vec<Notice> = written.notice(self.watcher.path()).into_iter().collect();
        notices.extend(self.event(at, &Record::of_line(line, &line.to_string(), reason, output)));
        notices
    }

    /// An event that Oracle's watcher log has no line for.
    pub fn event(&mut self, at: Wall, record: &Record<'_>) -> Option<Notice> {
        let written = self.events.write(at, record);
        written.notice(self.events.path())
    }

    /// A failure or another message, into the default log.
    pub fn message(&mut self, at: Wall, level: Level, text: &str) -> Option<Notice> {
        let written: Written = self.default.write(at, level, text);
        written.notice(self.default.path())
    }

    /// Opens the files anew with the next line: somebody moved them and sent SIGHUP.
    pub fn reopen(&mut self) {
        self.watcher.reopen();
        self.events.reopen();
        self.default.reopen();
    }
}
