//! The lines of `start-msg` and `stop-msg`, letter for letter as in the transcripts of the product's manual: a line a
//! service, dots while it takes its time (a tick is a second), then the pid or a word.
//!
//! The events of several services may come mixed; a line is finished before the next one is begun. (Writing to a string
//! cannot fail, so what `write!` gives is dropped.)

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use crate::engine::Happened;

/// The service whose readiness has a line of its own.
const STORE: &str = "store";

/// How far a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Far {
    /// Its process exists.
    Begun(i32),
    /// It recovers.
    Recovers(i32),
    /// It is ready.
    Ready(Option<i32>),
    /// It failed.
    Failed(Option<i32>),
}

/// A line to come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// Of a service that starts.
    Start(String),
    /// The store's line was closed because others went on without it; now it is ready.
    ReadyAtLast,
}

/// The open line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    /// `Starting NAME server ...`
    Start(String),
    /// `Checking store server status ...`
    Check,
}

/// The lines of a start.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    far: HashMap<String, Far>,
    queue: VecDeque<Line>,
    open: Option<Open>,
}

impl Starting {
    /// Takes in what happened and gives what is printed now.
    pub(crate) fn happened(&mut self, service: &str, event: &Happened) -> String {
        let before = self.far.get(service).cloned();
        let pid = match before {
            Some(Far::Begun(pid) | Far::Recovers(pid)) => Some(pid),
            Some(Far::Ready(pid) | Far::Failed(pid)) => pid,
            None => None,
        };
        let far = match event {
            Happened::Started { pid: new } if pid != Some(*new) => {
                self.queue.push_back(Line::Start(service.to_owned()));
                Far::Begun(*new)
            }
            Happened::Recovers => match pid {
                Some(pid) => Far::Recovers(pid),
                None => return String::new(),
            },
            Happened::Ready { .. } if before.is_some() => Far::Ready(pid),
            Happened::NotSpawned { .. } => {
                self.queue.push_back(Line::Start(service.to_owned()));
                Far::Failed(None)
            }
            Happened::Crashed { .. } | Happened::NotReadyInTime
                if matches!(before, Some(Far::Begun(_) | Far::Recovers(_))) =>
            {
                Far::Failed(pid)
            }
            Happened::Started { .. }
            | Happened::Ready { .. }
            | Happened::Crashed { .. }
            | Happened::NotReadyInTime
            | Happened::Adopted { .. }
            | Happened::Probed { .. }
            | Happened::Measured { .. }
            | Happened::Stressed
            | Happened::Hangs { .. }
            | Happened::LeftHanging { .. }
            | Happened::RestartsAlone { .. }
            | Happened::GroupRestarts { .. }
            | Happened::GaveUp { .. }
            | Happened::OnlyReported { .. }
            | Happened::Client { .. }
            | Happened::ClientsGaveUp { .. }
            | Happened::HandsOver
            | Happened::Forgiven
            | Happened::Retried
            | Happened::ToRestart { .. }
            | Happened::Asked { .. }
            | Happened::Killed { .. }
            | Happened::Stopped { .. }
            | Happened::StopFailed
            | Happened::Foreign { .. }
            | Happened::Reloaded
            | Happened::ReloadFailed { .. }
            | Happened::CheckFailed { .. }
            | Happened::Ordered { .. }
            | Happened::HeldBy { .. }
            | Happened::Forgotten
            | Happened::DocumentAccepted { .. }
            | Happened::Ending
            | Happened::Task { .. } => return String::new(),
        };
        let was_closed = matches!(before, Some(Far::Recovers(_))) && !self.has_a_line(service);
        if service == STORE && was_closed && matches!(far, Far::Ready(_)) {
            self.queue.push_back(Line::ReadyAtLast);
        }
        self.far.insert(service.to_owned(), far);
        self.advance()
    }

    /// A second has gone by.
    pub(crate) fn tick(&self) -> &'static str {
        if self.open.is_some() { "." } else { "" }
    }

    /// Nothing more will come: closes what is open.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = String::new();
        while let Some(open) = self.open.take() {
            let _ = match open {
                Open::Start(name) => match self.far.get(&name) {
                    Some(Far::Begun(pid) | Far::Recovers(pid)) => writeln!(text, " {pid}"),
                    Some(Far::Ready(_) | Far::Failed(_)) | None => writeln!(text),
                },
                Open::Check => writeln!(text, " not ready"),
            };
            text.push_str(&self.advance());
        }
        text
    }

    /// Whether a line of it is open or still to come.
    fn has_a_line(&self, service: &str) -> bool {
        let is_open = match &self.open {
            Some(Open::Start(name)) => name == service,
            Some(Open::Check) => service == STORE,
            None => false,
        };
        is_open || self.queue.iter().any(|line| matches!(line, Line::Start(name) if name == service))
    }

    /// Closes and opens lines as far as what is known goes.
    fn advance(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.open.clone() {
                None => match self.queue.pop_front() {
                    None => return text,
                    Some(Line::ReadyAtLast) => text.push_str("Checking store server status ... ready\n"),
                    Some(Line::Start(name)) => {
                        let _ = write!(text, "Starting {name} server ...");
                        self.open = Some(Open::Start(name));
                    }
                },
                Some(Open::Start(name)) => {
                    let Some(far) = self.far.get(&name) else { return text };
                    let is_store = name == STORE;
                    match far {
                        Far::Begun(pid) | Far::Recovers(pid) if is_store => {
                            let _ = write!(text, " {pid}\nChecking store server status ...");
                            self.open = Some(Open::Check);
                        }
                        Far::Ready(Some(pid)) if is_store => {
                            let _ = write!(text, " {pid}\nChecking store server status ...");
                            self.open = Some(Open::Check);
                        }
                        Far::Ready(pid) => {
                            let pid = pid.map(|pid| format!(" {pid}")).unwrap_or_default();
                            let _ = writeln!(text, "{pid}");
                            self.open = None;
                        }
                        Far::Failed(_) => {
                            text.push_str(" failed\n");
                            self.open = None;
                        }
                        Far::Begun(_) | Far::Recovers(_) => return text,
                    }
                }
                Some(Open::Check) => {
                    let word = match self.far.get(STORE) {
                        Some(Far::Ready(_)) => "ready",
                        Some(Far::Failed(_)) => "failed",
                        // Others go on without it, so the line ends; [R1].
                        Some(Far::Recovers(_)) if !self.queue.is_empty() => "recovering",
                        Some(Far::Begun(_) | Far::Recovers(_)) | None => return text,
                    };
                    let _ = writeln!(text, " {word}");
                    self.open = None;
                }
            }
        }
    }
}

/// The lines of a stop.
#[derive(Debug)]
pub(crate) struct Stopping {
    /// Every service in the order of stopping.
    order: Vec<String>,
    /// Named, and not running; their lines come where their turn would have been.
    absent: Vec<String>,
    open: Option<(String, Option<i32>)>,
    queue: VecDeque<(String, Option<i32>)>,
    ended: HashMap<String, bool>,
}

impl Stopping {
    /// `order` are all services in the order of stopping, `absent` those that were to stop and do not run.
    pub(crate) fn new(order: Vec<String>, absent: Vec<String>) -> Self {
        Self { order, absent, open: None, queue: VecDeque::new(), ended: HashMap::new() }
    }

    /// Takes in what happened and gives what is printed now.
    pub(crate) fn happened(&mut self, service: &str, event: &Happened) -> String {
        match event {
            Happened::Asked { pid, .. } | Happened::Killed { pid, .. } => self.begins(service, *pid),
            Happened::Stopped { pid, .. } => {
                self.begins(service, *pid);
                self.ended.insert(service.to_owned(), true);
            }
            Happened::StopFailed => {
                self.begins(service, None);
                self.ended.insert(service.to_owned(), false);
            }
            Happened::Started { .. }
            | Happened::Ready { .. }
            | Happened::Recovers
            | Happened::Adopted { .. }
            | Happened::Crashed { .. }
            | Happened::NotSpawned { .. }
            | Happened::NotReadyInTime
            | Happened::Probed { .. }
            | Happened::Measured { .. }
            | Happened::Stressed
            | Happened::Hangs { .. }
            | Happened::LeftHanging { .. }
            | Happened::RestartsAlone { .. }
            | Happened::GroupRestarts { .. }
            | Happened::GaveUp { .. }
            | Happened::OnlyReported { .. }
            | Happened::Client { .. }
            | Happened::ClientsGaveUp { .. }
            | Happened::HandsOver
            | Happened::Forgiven
            | Happened::Retried
            | Happened::ToRestart { .. }
            | Happened::Foreign { .. }
            | Happened::Reloaded
            | Happened::ReloadFailed { .. }
            | Happened::CheckFailed { .. }
            | Happened::Ordered { .. }
            | Happened::HeldBy { .. }
            | Happened::Forgotten
            | Happened::DocumentAccepted { .. }
            | Happened::Ending
            | Happened::Task { .. } => return String::new(),
        }
        self.advance()
    }

    /// A second has gone by.
    pub(crate) fn tick(&self) -> &'static str {
        if self.open.is_some() { "." } else { "" }
    }

    /// Nothing more will come: closes what is open and says who was not running.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = String::new();
        while self.open.take().is_some() {
            text.push('\n');
            text.push_str(&self.advance());
        }
        text.push_str(&self.absent_before(None));
        text
    }

    /// A service is asked once and may be killed after that: one line.
    fn begins(&mut self, service: &str, pid: Option<i32>) {
        let is_open = self.open.as_ref().is_some_and(|(name, _)| name == service);
        let is_known =
            is_open || self.ended.contains_key(service) || self.queue.iter().any(|(name, _)| name == service);
        if !is_known {
            self.queue.push_back((service.to_owned(), pid));
        }
    }

    fn advance(&mut self) -> String {
        let mut text = String::new();
        loop {
            if let Some((name, _)) = &self.open {
                let Some(done) = self.ended.get(name) else { return text };
                text.push_str(if *done { " done\n" } else { " failed\n" });
                self.open = None;
            }
            let Some((name, pid)) = self.queue.pop_front() else { return text };
            text.push_str(&self.absent_before(Some(&name)));
            let shown = pid.map(|pid| format!("{pid} ")).unwrap_or_default();
            let _ = write!(text, "Stopping {name} server {shown}...");
            self.open = Some((name, pid));
        }
    }

    /// The lines of those that do not run and whose turn is before this one, or of all that are left.
    fn absent_before(&mut self, service: Option<&str>) -> String {
        let place = |name: &str| self.order.iter().position(|known| known == name);
        let limit = service.and_then(place).unwrap_or(usize::MAX);
        let (now, later): (Vec<String>, Vec<String>) = std::mem::take(&mut self.absent)
            .into_iter()
            .partition(|name| service.is_none() || place(name).is_some_and(|at| at < limit));
        self.absent = later;
        let mut text = String::new();
        for name in now {
            let _ = writeln!(text, "{name} server is not running");
        }
        text
    }
}
