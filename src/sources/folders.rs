//! The one inotify instance and what it watches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, EventKindMask, INotifyWatcher, RecursiveMode, Watcher};

use super::inbox::Inbox;

/// Opens an inotify instance that reports to an inbox.
pub(super) type Open = fn(Arc<Inbox>) -> notify::Result<INotifyWatcher>;

/// The kernel's.
pub(super) fn inotify(inbox: Arc<Inbox>) -> notify::Result<INotifyWatcher> {
    let report = move |event: notify::Result<notify::Event>| inbox.notified(event);
    // The default asks for every open and read of every file in a watched folder too; in /etc that is several a second.
    let changes = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
    INotifyWatcher::new(report, notify::Config::default().with_event_kinds(changes))
}

/// How often arming is tried anew when what the path stands for changes meanwhile.
const TRIES: usize = 4;

/// Device and inode: what the kernel really watches.
type Inode = (u64, u64);

/// What is watched, by how many, and what should be but is not.
pub(super) struct Folders {
    inbox: Arc<Inbox>,
    open: Open,
    instance: Option<INotifyWatcher>,
    wanted: BTreeMap<PathBuf, usize>,
    /// Wanted, but the kernel refused.
    refused: BTreeSet<PathBuf>,
    /// Wanted, but not there when it was tried.
    absent: BTreeSet<PathBuf>,
    complained: bool,
}

impl Folders {
    pub(super) fn new(inbox: Arc<Inbox>, open: Open) -> Self {
        Self {
            inbox,
            open,
            instance: None,
            wanted: BTreeMap::new(),
            refused: BTreeSet::new(),
            absent: BTreeSet::new(),
            complained: false,
        }
    }

    /// One more watches this path.
    pub(super) fn want(&mut self, path: &Path) {
        let users = self.wanted.entry(path.to_owned()).or_default();
        *users += 1;
        if *users == 1 {
            self.arm(path);
        }
    }

    /// One fewer does.
    pub(super) fn unwant(&mut self, path: &Path) {
        let Some(users) = self.wanted.get_mut(path) else { return };
        *users -= 1;
        if *users == 0 {
            self.wanted.remove(path);
            self.refused.remove(path);
            self.absent.remove(path);
            self.disarm(path);
        }
    }

    /// This name may stand for something else now; the watch of what it stood for is of no more use. It must go first:
    /// `notify` knows a watch by its path and would drop the new one on a late word about the old. With a name it drops
    /// every watch below it and says nothing of them, so they are made anew too.
    pub(super) fn renew(&mut self, name: &Path) {
        // Paths are ordered by their parts: what is below a name follows it at once.
        let from = self.wanted.range::<Path, _>((Bound::Included(name), Bound::Unbounded));
        let paths: Vec<PathBuf> =
            from.map(|(path, _)| path.clone()).take_while(|path| path.starts_with(name)).collect();
        for path in paths {
            self.disarm(&path);
            self.arm(&path);
        }
    }

    /// Whether changes may go unseen, so that everything must be looked at from time to time.
    pub(super) fn is_blind(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Tries again those of these that were not there; whether there were any, so that what was seen of them before
    /// may be out of date.
    pub(super) fn catch_up(&mut self, paths: &BTreeSet<PathBuf>) -> bool {
        let late: Vec<PathBuf> = paths.intersection(&self.absent).cloned().collect();
        for path in &late {
            self.arm(path);
        }
        !late.is_empty()
    }

    /// Tries again what was refused.
    pub(super) fn retry(&mut self) {
        for path in std::mem::take(&mut self.refused) {
            self.arm(&path);
        }
        if self.complained && !self.is_blind() {
            self.complained = false;
            tracing::info!("files are watched through inotify again");
        }
    }

    fn arm(&mut self, path: &Path) {
        self.absent.remove(path);
        let Err(error) = self.try_arm(path) else { return };
        if is_gone(&error) {
            self.absent.insert(path.to_owned());
            return;
        }
        if is_forbidden(&error) && !path.is_dir() {
            // A file that this agent may not read has nothing to tell, and its folder tells when that changes.
            return;
        }
        self.refused.insert(path.to_owned());
        if !self.complained {
            self.complained = true;
            tracing::warn!(
                path = %path.display(),
                error = %cause(&error),
                "the kernel gives no inotify watch, so files are read every 5 seconds instead"
            );
        }
    }

    /// What the path stands for must be the same before and after, or it is not known what is watched.
    fn try_arm(&mut self, path: &Path) -> notify::Result<()> {
        let mut before = inode(path)?;
        for _ in 0..TRIES {
            let instance = match &mut self.instance {
                Some(instance) => instance,
                empty @ None => empty.insert((self.open)(Arc::clone(&self.inbox))?),
            };
            instance.watch(path, RecursiveMode::NonRecursive)?;
            let after = inode(path);
            if after.as_ref().is_ok_and(|after| *after == before) {
                return Ok(());
            }
            self.disarm(path);
            before = after?;
        }
        Err(notify::Error::path_not_found())
    }

    /// The kernel has one watch an inode, whatever the paths; `notify` keeps it while another path stands for the same
    /// (version 8 did not). It forgets the watch of what is deleted by itself, so a failure here tells nothing new.
    fn disarm(&mut self, path: &Path) {
        if let Some(instance) = &mut self.instance {
            let _ = instance.unwatch(path);
        }
    }
}

fn inode(path: &Path) -> notify::Result<Inode> {
    let metadata = fs::metadata(path).map_err(notify::Error::io)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) | ErrorKind::MaxFilesWatch => {
            false
        }
    }
}

fn is_forbidden(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
        ErrorKind::PathNotFound
        | ErrorKind::Generic(_)
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_)
        | ErrorKind::MaxFilesWatch => false,
    }
}

/// What the kernel said and what cures it (inotify(7), "/proc interfaces").
fn cause(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "no inotify watches are left (ENOSPC): raise fs.inotify.max_user_watches".to_owned()
        }
        ErrorKind::Io(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            format!("{error}: raise fs.inotify.max_user_instances, or the limit of open files")
        }
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Generic(_) | ErrorKind::PathNotFound | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
            error.to_string()
        }
    }
}
