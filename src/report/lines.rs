//! The lines of Oracle's watcher, `start-msg` and `stop-msg`, word for word.
//!
//! The forms are those of the source document: the start transcripts of "To Specify What Services Can Be Started" and
//! "MTA-only Mode", and the example log of "Overview of Messaging Server Monitoring Processes". Where a variant says
//! "ours", Oracle documents no form and this one is in the same style. Text that comes from elsewhere (names, reasons)
//! is freed of control characters, so that it can neither begin a line of its own nor move a terminal's cursor.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{Name, Wall};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `watcher process 13425 started at Mon June 4 11:23:54 2012`
    AgentStarted {
        /// The agent's.
        pid: i32,
        /// When.
        at: Stamp,
    },
    /// `watcher process 13425 stopped at Mon June 4 11:23:54 2012` (ours)
    AgentStopped {
        /// The agent's.
        pid: i32,
        /// When.
        at: Stamp,
    },
    /// `Watched 'imapd' process 13428 exited abnormally`
    ExitedAbnormally {
        /// The service or registered client it belongs to; not printed.
        service: Name,
        /// The program's name, as Oracle prints it.
        process: Name,
        /// The one that ended.
        pid: i32,
    },
    /// `Received request to restart: store imap pop http`
    RestartRequested {
        /// In start order.
        names: Vec<Name>,
    },
    /// `Connecting to watcher ...`
    Connecting,
    /// `Launching watcher ... 9347`
    Launching {
        /// The agent's.
        pid: i32,
        /// While it was waited for.
        dots: Dots,
    },
    /// `Starting imap server .... 9420`
    Starting {
        /// The service.
        name: Name,
        /// Its main process.
        pid: i32,
        /// While it was waited for.
        dots: Dots,
    },
    /// `Starting imap server .... failed: not ready within 60 s` (ours)
    StartFailed {
        /// The service.
        name: Name,
        /// While it was waited for.
        dots: Dots,
        /// A sentence without its full stop.
        reason: Name,
    },
    /// `imap server is already running: 9420` (ours)
    AlreadyRunning {
        /// The service.
        name: Name,
        /// Its main process.
        pid: i32,
    },
    /// `Checking store server status ..... ready` on a terminal, `checking ...` in the log: Oracle's samples differ.
    Checked {
        /// The lead of the store group.
        name: Name,
        /// While it was waited for.
        dots: Dots,
        /// What came of it.
        outcome: Checked,
    },
    /// `Stopping http server 13440 .... done`
    Stopping {
        /// The service.
        name: Name,
        /// One of its processes; there is one line for each.
        pid: i32,
        /// While it was waited for.
        dots: Dots,
        /// What came of it.
        outcome: Stopped,
    },
    /// `imap server is not running`
    NotRunning {
        /// The service.
        name: Name,
    },
    /// `Giving up on imap server: it failed 2 times within 600 seconds` (ours)
    GaveUp {
        /// The service.
        name: Name,
        /// Failures in the window, this one included.
        failures: u32,
        /// The window's length.
        window: Duration,
    },
    /// A sentence that no form above holds, such as why something was not started (ours).
    Said {
        /// The service it is about.
        name: Name,
        /// The sentence.
        text: Name,
    },
}

/// What waiting for the store's readiness came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// `ready`
    Ready,
    /// `not ready: ...` (ours); what depends on it does not start ([R2]).
    NotReady(Name),
}

/// What a stop came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// `done`
    Done,
    /// `killed` (ours): it took KILL.
    Killed,
    /// `failed: ...` (ours): it is there still ([R3]).
    Failed(Name),
}

/// Where a line appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// `start-msg` and `stop-msg`.
    Terminal,
    /// `<dataRoot>/log/watcher`.
    Log,
}

/// The dots that grow while something is waited for: one for each whole second, and at least three. Oracle documents no
/// rule; its samples show three for what took no time and more for what did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dots(u64);

impl Dots {
    /// After waiting this long.
    pub fn after(waited: Duration) -> Self {
        Self(waited.as_secs().max(3))
    }
}

impl fmt::Display for Dots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_str("."))
    }
}

/// A moment as the watcher log writes it: `Mon June 4 11:23:54 2012`, in local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// In this time zone.
    pub fn new(at: Wall, zone: &TimeZone) -> Self {
        Self(timestamp(at).to_zoned_datetime(zone.clone()).strftime("%a %B %-d %H:%M:%S %Y").to_string())
    }
}

/// A moment beyond the calendar (year 9999) becomes its end; one before 1970, which no Linux clock shows
/// (`clock_settime(2)` refuses it), becomes 1970.
pub(super) fn timestamp(at: Wall) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0.max(0)).unwrap_or(jiff::Timestamp::MAX)
}

/// The three parts of a line, so that a terminal can show the first at once, a dot each second, and then the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// `Starting imap server`
    pub head: String,
    /// `....`, where something is waited for.
    pub dots: Option<Dots>,
    /// `9420`
    pub tail: Option<String>,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if let Some(dots) = self.dots {
            write!(f, " {dots}")?;
        }
        if let Some(tail) = &self.tail {
            write!(f, " {tail}")?;
        }
        Ok(())
    }
}

/// As it stands in the log.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts(Medium::Log).fmt(f)
    }
}

impl Line {
    /// As it appears there.
    pub fn parts(&self, medium: Medium) -> Parts {
        let whole = |head: String| Parts { head, dots: None, tail: None };
        let waited = |head: String, dots: Dots, tail: String| Parts { head, dots: Some(dots), tail: Some(tail) };
        match self {
            Self::AgentStarted { pid, at } => whole(format!("watcher process {pid} started at {}", at.0)),
            Self::AgentStopped { pid, at } => whole(format!("watcher process {pid} stopped at {}", at.0)),
            Self::ExitedAbnormally { service: _, process, pid } => {
                whole(format!("Watched '{}' process {pid} exited abnormally", clean(process)))
            }
            Self::RestartRequested { names } => {
                let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
                whole(format!("Received request to restart: {}", names.join(" ")))
            }
            Self::Connecting => {
                Parts { head: "Connecting to watcher".to_owned(), dots: Some(Dots::after(Duration::ZERO)), tail: None }
            }
            Self::Launching { pid, dots } => waited("Launching watcher".to_owned(), *dots, pid.to_string()),
            Self::Starting { name, pid, dots } => {
                waited(format!("Starting {} server", clean(name)), *dots, pid.to_string())
            }
            Self::StartFailed { name, dots, reason } => {
                waited(format!("Starting {} server", clean(name)), *dots, format!("failed: {}", clean(reason)))
            }
            Self::AlreadyRunning { name, pid } => whole(format!("{} server is already running: {pid}", clean(name))),
            Self::Checked { name, dots, outcome } => {
                let verb = match medium {
                    Medium::Terminal => "Checking",
                    Medium::Log => "checking",
                };
                let tail = match outcome {
                    Checked::Ready => "ready".to_owned(),
                    Checked::NotReady(reason) => format!("not ready: {}", clean(reason)),
                };
                waited(format!("{verb} {} server status", clean(name)), *dots, tail)
            }
            Self::Stopping { name, pid, dots, outcome } => {
                let tail = match outcome {
                    Stopped::Done => "done".to_owned(),
                    Stopped::Killed => "killed".to_owned(),
                    Stopped::Failed(reason) => format!("failed: {}", clean(reason)),
                };
                waited(format!("Stopping {} server {pid}", clean(name)), *dots, tail)
            }
            Self::NotRunning { name } => whole(format!("{} server is not running", clean(name))),
            Self::GaveUp { name, failures, window } => {
                let (name, seconds) = (clean(name), window.as_secs());
                whole(format!("Giving up on {name} server: it failed {failures} times within {seconds} seconds"))
            }
            Self::Said { name: _, text } => whole(clean(text)),
        }
    }

    /// The one service it is about, if it is about one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::ExitedAbnormally { service: name, .. }
            | Self::Starting { name, .. }
            | Self::StartFailed { name, .. }
            | Self::AlreadyRunning { name, .. }
            | Self::Checked { name, .. }
            | Self::Stopping { name, .. }
            | Self::NotRunning { name }
            | Self::GaveUp { name, .. }
            | Self::Said { name, .. } => Some(name),
            Self::AgentStarted { .. }
            | Self::AgentStopped { .. }
            | Self::RestartRequested { .. }
            | Self::Connecting
            | Self::Launching { .. } => None,
        }
    }

    /// What happened, in one word for programs.
    pub fn what(&self) -> &'static str {
        match self {
            Self::AgentStarted { .. } => "AgentStarted",
            Self::AgentStopped { .. } => "AgentStopped",
            Self::ExitedAbnormally { .. } => "ExitedAbnormally",
            Self::RestartRequested { .. } => "RestartRequested",
            Self::Connecting => "Connecting",
            Self::Launching { .. } => "Launching",
            Self::Starting { .. } => "Started",
            Self::StartFailed { .. } => "StartFailed",
            Self::AlreadyRunning { .. } => "AlreadyRunning",
            Self::Checked { outcome: Checked::Ready, .. } => "Ready",
            Self::Checked { outcome: Checked::NotReady(_), .. } => "NotReady",
            Self::Stopping { outcome: Stopped::Done, .. } => "Stopped",
            Self::Stopping { outcome: Stopped::Killed, .. } => "Killed",
            Self::Stopping { outcome: Stopped::Failed(_), .. } => "StopFailed",
            Self::NotRunning { .. } => "NotRunning",
            Self::GaveUp { .. } => "GaveUp",
            Self::Said { .. } => "Said",
        }
    }
}

/// Without control characters, the line separators of Unicode included.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}
