//! The thread that looks: sleeps, lets things settle, follows the paths anew, reads, tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::file::{self, Candidate, Origin, SourceError};
use super::folders::{Folders, Open};
use super::inbox::{Command, Inbox, SubjectId};
use super::settle::{Settle, Touch};
use super::trail::Trail;
use super::{Pace, WatchSet, watch_files};
use crate::model::{Fingerprint, Name};
use crate::plan::{Event, Seen};

/// How often a path is followed anew when it changes while it is followed. What changes faster than that is read as it
/// is and looked at again soon.
const WALKS: usize = 8;

/// Nobody listens any more, or the agent said stop.
struct Ended;

/// Something whose files are watched.
struct Subject {
    paths: Vec<PathBuf>,
    trail: Trail,
    told: Told,
}

/// What was last said of it; the same again is not said.
enum Told {
    /// The document, by fingerprint and length of what was read.
    Document(PathBuf, Option<Result<(Fingerprint, usize), SourceError>>),
    Service(Name, Option<Fingerprint>),
}

pub(super) struct Watching {
    inbox: Arc<Inbox>,
    folders: Folders,
    subjects: BTreeMap<SubjectId, Subject>,
    by_name: BTreeMap<Name, SubjectId>,
    next: SubjectId,
    settling: BTreeMap<SubjectId, Settle>,
    /// Names that may stand for something else than what is watched under them.
    moved: BTreeSet<PathBuf>,
    next_poll: Option<Instant>,
    candidates: mpsc::Sender<Candidate>,
    events: mpsc::Sender<Event>,
    pace: Pace,
}

const DOCUMENT: SubjectId = 0;

impl Watching {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        document: Option<PathBuf>,
        candidates: mpsc::Sender<Candidate>,
        events: mpsc::Sender<Event>,
        open: Open,
        pace: Pace,
    ) -> Self {
        let folders = Folders::new(Arc::clone(&inbox), open);
        let subjects = document
            .map(|path| Subject {
                paths: vec![path.clone()],
                trail: Trail::default(),
                told: Told::Document(path, None),
            })
            .map(|subject| (DOCUMENT, subject))
            .into_iter()
            .collect();
        Self {
            inbox,
            folders,
            subjects,
            by_name: BTreeMap::new(),
            next: DOCUMENT + 1,
            settling: BTreeMap::new(),
            moved: BTreeSet::new(),
            next_poll: None,
            candidates,
            events,
            pace,
        }
    }

    pub(super) fn run(mut self) {
        // An end is no failure: it is how the agent stops.
        let Ended = self.live().err().unwrap_or(Ended);
    }

    fn live(&mut self) -> Result<std::convert::Infallible, Ended> {
        self.look(DOCUMENT)?;
        loop {
            self.next_poll = match self.next_poll {
                _ if !self.folders.is_blind() => None,
                None => Some(Instant::now() + self.pace.poll),
                planned @ Some(_) => planned,
            };
            let settled = self.settling.values().map(|settle| settle.due(self.pace)).min();
            let mail = self.inbox.wait([settled, self.next_poll].into_iter().flatten().min());
            let now = Instant::now();
            self.moved.extend(mail.moved);
            for (name, touch) in mail.touched {
                self.touched(now, &name, touch);
            }
            if mail.lost || self.next_poll.is_some_and(|poll| poll <= now) {
                self.next_poll = None;
                self.folders.retry();
                if mail.lost {
                    self.moved.extend(self.subjects.values().flat_map(|subject| subject.trail.watched.iter().cloned()));
                }
                for id in self.subjects.keys() {
                    self.settling.entry(*id).or_insert_with(|| Settle::begin(now));
                }
            }
            for command in mail.commands {
                self.obey(command)?;
            }
            let due: Vec<SubjectId> =
                self.settling.iter().filter(|(_, settle)| settle.due(self.pace) <= now).map(|(id, _)| *id).collect();
            for id in due {
                self.look(id)?;
            }
        }
    }

    fn touched(&mut self, now: Instant, name: &Path, touch: Touch) {
        for id in self.inbox.subjects(name) {
            let settle = self.settling.entry(id).or_insert_with(|| Settle::begin(now));
            settle.touched(now, name.to_owned(), touch);
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Stop => Err(Ended),
            Command::Reread => {
                if let Some(Subject { told: Told::Document(_, last), .. }) = self.subjects.get_mut(&DOCUMENT) {
                    *last = None;
                }
                self.look(DOCUMENT)
            }
            Command::Watch(sets) => self.watch(sets),
        }
    }

    fn watch(&mut self, sets: Vec<WatchSet>) -> Result<(), Ended> {
        let mut gone = std::mem::take(&mut self.by_name);
        let mut fresh = Vec::new();
        for WatchSet { service, paths } in sets {
            // Of a set without paths there is nothing to tell; a name said twice counts once.
            if paths.is_empty() || self.by_name.contains_key(&service) {
                continue;
            }
            let id = gone.remove(&service).unwrap_or_else(|| {
                self.next += 1;
                self.next
            });
            let known = self.subjects.entry(id).or_insert_with(|| Subject {
                paths: Vec::new(),
                trail: Trail::default(),
                told: Told::Service(service.clone(), None),
            });
            if known.paths != paths {
                known.paths = paths;
                fresh.push(id);
            }
            self.by_name.insert(service, id);
        }
        for id in gone.into_values() {
            self.forget(id);
        }
        fresh.into_iter().try_for_each(|id| self.look(id))
    }

    fn forget(&mut self, id: SubjectId) {
        self.settling.remove(&id);
        if let Some(subject) = self.subjects.remove(&id) {
            self.inbox.follow(id, &subject.trail, &Trail::default());
            for path in &subject.trail.watched {
                self.folders.unwant(path);
            }
        }
    }

    /// Watches first and reads then: what changes between the two is seen twice, never missed.
    fn look(&mut self, id: SubjectId) -> Result<(), Ended> {
        self.settling.remove(&id);
        for path in std::mem::take(&mut self.moved) {
            self.folders.renew(&path);
        }
        let Some(subject) = self.subjects.get_mut(&id) else { return Ok(()) };
        let mut walks = 0;
        loop {
            let trail = Trail::of(&subject.paths);
            if trail == subject.trail && !self.folders.catch_up(&trail.watched) {
                break;
            }
            walks += 1;
            if walks > WALKS {
                self.settling.insert(id, Settle::begin(Instant::now()));
                break;
            }
            // Names first: a watch reports from its first moment on.
            self.inbox.follow(id, &subject.trail, &trail);
            for path in trail.watched.difference(&subject.trail.watched) {
                self.folders.want(path);
            }
            for path in subject.trail.watched.difference(&trail.watched) {
                self.folders.unwant(path);
            }
            subject.trail = trail;
        }
        match &mut subject.told {
            Told::Document(path, last) => {
                let bytes = file::read(path);
                let print = bytes.as_ref().map(|b| (Fingerprint::of(b), b.len())).map_err(|error| *error);
                if last.replace(print) == Some(print) {
                    return Ok(());
                }
                let origin = Origin::File(path.clone());
                self.candidates.blocking_send(Candidate { bytes, origin }).map_err(|_| Ended)
            }
            Told::Service(service, last) => {
                let print = watch_files::fingerprint(&subject.paths);
                if last.replace(print) == Some(print) {
                    return Ok(());
                }
                let event = Event { service: service.clone(), what: Seen::Files(print) };
                self.events.blocking_send(event).map_err(|_| Ended)
            }
        }
    }
}
