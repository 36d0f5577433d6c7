//! What the watching thread has to look at. Bounded: it keeps one entry a watched name, however often it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use notify::EventKind;
use notify::event::{AccessKind, AccessMode, ModifyKind};

use super::WatchSet;
use super::settle::Touch;
use super::trail::Trail;

/// What the agent wants.
#[derive(Debug)]
pub(super) enum Command {
    Watch(Vec<WatchSet>),
    Reread,
    Stop,
}

/// Who watches a name: the document is 0, services follow.
pub(super) type SubjectId = u64;

/// What has come in since the last look.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The last thing that happened to each name.
    pub(super) touched: BTreeMap<PathBuf, Touch>,
    /// Those of them that were created, deleted or renamed, whatever happened to them afterwards.
    pub(super) moved: BTreeSet<PathBuf>,
    /// The kernel's queue overflowed (inotify(7), `IN_Q_OVERFLOW`): anything may have happened.
    pub(super) lost: bool,
    pub(super) commands: Vec<Command>,
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.touched.is_empty() && !self.lost && self.commands.is_empty()
    }
}

#[derive(Debug, Default)]
struct State {
    mail: Mail,
    /// Names that count and whose they are.
    names: HashMap<PathBuf, BTreeSet<SubjectId>>,
    /// Folders in which every name counts.
    whole: HashMap<PathBuf, BTreeSet<SubjectId>>,
}

/// Between the thread that reads inotify, the agent, and the thread that looks.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
}

impl Inbox {
    pub(super) fn command(&self, command: Command) {
        self.lock().mail.commands.push(command);
        self.arrived.notify_one();
    }

    /// Sleeps until something comes or the moment has come; without a moment, for as long as it takes.
    pub(super) fn wait(&self, until: Option<Instant>) -> Mail {
        let mut state = self.lock();
        while state.mail.is_empty() {
            state = match until {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let now = Instant::now();
                    if now >= until {
                        break;
                    }
                    self.arrived.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        std::mem::take(&mut state.mail)
    }

    /// Takes in what inotify said, if it is about a name that counts. Opening and reading is no change (the kernel is not
    /// asked for it); if it were, the look at a file would cause the next one.
    pub(super) fn notified(&self, event: notify::Result<notify::Event>) {
        let mut state = self.lock();
        match event {
            Ok(event) if !event.need_rescan() => {
                let Some(touch) = touch(event.kind) else { return };
                for path in event.paths {
                    if let Some(key) = state.key(path) {
                        if touch == Touch::Moved {
                            state.mail.moved.insert(key.clone());
                        }
                        state.mail.touched.insert(key, touch);
                    }
                }
            }
            Ok(_) | Err(_) => state.mail.lost = true,
        }
        if !state.mail.is_empty() {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// What this subject's names are now.
    pub(super) fn follow(&self, subject: SubjectId, old: &Trail, new: &Trail) {
        let mut state = self.lock();
        leave(&mut state.names, subject, old.names.difference(&new.names));
        leave(&mut state.whole, subject, old.whole.difference(&new.whole));
        for name in &new.names {
            state.names.entry(name.clone()).or_default().insert(subject);
        }
        for folder in &new.whole {
            state.whole.entry(folder.clone()).or_default().insert(subject);
        }
    }

    /// Whom a name of [`Mail::touched`] concerns.
    pub(super) fn subjects(&self, name: &Path) -> BTreeSet<SubjectId> {
        let state = self.lock();
        [state.names.get(name), state.whole.get(name)].into_iter().flatten().flatten().copied().collect()
    }

    /// A thread that panicked leaves no half-made state behind here: every change of it is one insertion.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A name that counts for itself, else the folder in which all names count (so that the mail stays bounded).
    fn key(&self, path: PathBuf) -> Option<PathBuf> {
        if self.names.contains_key(&path) || self.whole.contains_key(&path) {
            return Some(path);
        }
        path.parent().filter(|folder| self.whole.contains_key(*folder)).map(Path::to_owned)
    }
}

fn leave<'a>(
    of: &mut HashMap<PathBuf, BTreeSet<SubjectId>>,
    subject: SubjectId,
    names: impl Iterator<Item = &'a PathBuf>,
) {
    for name in names {
        if let Some(subjects) = of.get_mut(name) {
            subjects.remove(&subject);
            if subjects.is_empty() {
                of.remove(name);
            }
        }
    }
}

fn touch(kind: EventKind) -> Option<Touch> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Touch::Closed),
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(Touch::Written),
        EventKind::Modify(ModifyKind::Metadata(_)) => Some(Touch::Attributes),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
            Some(Touch::Moved)
        }
    }
}
