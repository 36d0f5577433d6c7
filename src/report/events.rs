//! `<dataRoot>/log/events.jsonl`: what happened, for programs; one JSON object a line ([R15]).

use std::path::Path;

use serde::Serialize;

use super::lines::{Line, timestamp};
use super::rotating::{RotatingFile, Rotation, Written};
use crate::model::Wall;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Record<'a> {
    /// The service it is about; absent when it is about the agent or several services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    /// The task it is about; absent when it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<&'a str>,
    /// In one CamelCase word.
    pub what: &'a str,
    /// Why, in one sentence: the reason that the planner gave.
    pub reason: &'a str,
    /// The line of the watcher log that says the same, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<&'a str>,
    /// The last lines that a failed service wrote; absent of whatever did not fail, or wrote nothing.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub output: &'a [String],
}

impl<'a> Record<'a> {
    /// The event beside a line of the watcher log; `text` is that line.
    pub fn of_line(line: &'a Line, text: &'a str, reason: &'a str, output: &'a [String]) -> Self {
        Self { service: line.service(), task: None, what: line.what(), reason, line: Some(text), output }
    }
}

/// With its time before it: RFC 3339 in UTC, to the millisecond, so that lines sort as text.
#[derive(Serialize)]
struct Timed<'a> {
    time: String,
    #[serde(flatten)]
    record: &'a Record<'a>,
}

/// The file of events.
#[derive(Debug)]
pub struct EventLog {
    file: RotatingFile,
}

impl EventLog {
    /// In this folder.
    pub fn new(folder: &Path, rotation: Rotation) -> Self {
        Self { file: RotatingFile::new(folder.join("events.jsonl"), rotation) }
    }

    /// Appends one event.
    pub fn write(&mut self, at: Wall, record: &Record<'_>) -> Written {
        match serde_json::to_vec(&Timed { time: rfc3339(at), record }) {
            Ok(line) => self.file.write_line(&line),
            // A map with text keys and text values has no way to fail; if it finds one, that is a lost line.
            Err(error) => Written::Lost { first: Some(error.into()) },
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// With the next event.
    pub fn reopen(&mut self) {
        self.file.reopen();
    }
}

/// `2026-11-23T20:59:48.120Z`
pub fn rfc3339(at: Wall) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
