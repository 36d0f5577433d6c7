//! Reads disks and queues: each on a thread of its own, for a file system that hangs must not hang the loop.
//!
//! A thread that did not come back is not waited for and is never doubled; until it ends, its gauge is unknown. Files are
//! counted one by one, so that a queue of a million takes no memory. Judges nothing. Called by the agent.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, StatVfs, StatxFlags, StatxTimestamp, statvfs, statx};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::round::Told;
use crate::clock;
use crate::desired::{Gauge, Measured, QueueKind};
use crate::model::{Name, Reading, Share, Waiting};

/// The folders of Postfix's `queue_directory` in which messages wait (`qmgr(8)`).
const POSTFIX: [&str; 5] = ["maildrop", "incoming", "active", "deferred", "hold"];
/// Folders that are entered one in the other, the first included: the `hash_queue_depth` of Postfix is 1.
const DEPTH: u8 = 4;
/// Files that are counted at most; one more than any threshold.
const MOST: u64 = 1_000_001;
/// What a thread gets that was told to be done, to say how far it came.
const GRACE: Duration = Duration::from_secs(1);
const STACK: usize = 256 * 1024;

/// The threads that have not come back, by gauge.
#[derive(Debug, Default)]
pub struct Threads(HashMap<Name, Weak<()>>);

impl Threads {
    /// The token of a new thread; none while the last one has not come back.
    fn begin(&mut self, name: &Name) -> Option<Arc<()>> {
        self.0.retain(|_, thread| thread.strong_count() > 0);
        if self.0.contains_key(name) {
            return None;
        }
        let token = Arc::new(());
        self.0.insert(name.clone(), Arc::downgrade(&token));
        Some(token)
    }
}

/// Reads all of them, side by side; the last word is [`Told::GaugesOver`], and comes whatever hangs.
pub fn read(gauges: &[Gauge], limit: Duration, threads: &mut Threads, tell: mpsc::Sender<Told>) {
    let mut reading = JoinSet::new();
    for gauge in gauges {
        let (gauge, token, tell) = (gauge.clone(), threads.begin(&gauge.name), tell.clone());
        reading.spawn(async move {
            let began = clock::now().boot;
            let name = gauge.name.clone();
            let reading = match token {
                Some(token) => within(limit, gauge, token).await,
                None => silent(),
            };
            let _ = tell.send(Told::Gauge { name, reading, took: clock::now().boot.since(began) }).await;
        });
    }
    tokio::spawn(async move {
        while reading.join_next().await.is_some() {}
        let _ = tell.send(Told::GaugesOver).await;
    });
}

fn silent() -> Reading {
    Reading::Unknown(Name::from("the file system does not answer"))
}

async fn within(limit: Duration, gauge: Gauge, token: Arc<()>) -> Reading {
    let (found, mut told) = oneshot::channel();
    let enough = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&enough);
    let thread = std::thread::Builder::new().name("gauge".to_owned()).stack_size(STACK);
    let spawned = thread.spawn(move || {
        let reading = measure(&gauge.of, &seen).unwrap_or_else(|error| Reading::Unknown(Name::from(error.to_string())));
        drop(token);
        // Nobody waits any more where it took too long.
        let _ = found.send(reading);
    });
    if let Err(error) = spawned {
        return Reading::Unknown(Name::from(format!("no thread could be had: {error}")));
    }
    if let Ok(Ok(reading)) = timeout(limit, &mut told).await {
        return reading;
    }
    enough.store(true, Ordering::Relaxed);
    timeout(GRACE, told).await.ok().and_then(Result::ok).unwrap_or_else(silent)
}

fn measure(of: &Measured, enough: &AtomicBool) -> io::Result<Reading> {
    match of {
        Measured::Disk { path, .. } => Ok(disk(&statvfs(path.as_str())?)),
        Measured::Queue { kind, path, age, .. } => {
            let mut count = Count { kind: *kind, now: age.map(|_| clock::now().wall.0), left: MOST, enough };
            let path = Path::new(path);
            let folders = match kind {
                QueueKind::Postfix => postfix(path, &mut count)?,
                QueueKind::Directory => vec![count.folder("", path)?],
            };
            Ok(Reading::Queue { folders, whole: count.may_go_on() })
        }
    }
}

/// As `df` reckons: what only root may use is neither free nor used.
fn disk(told: &StatVfs) -> Reading {
    let share = |all: u64, free: u64, available: u64, unit: u64| Share {
        free: available.saturating_mul(unit),
        total: all.saturating_sub(free).saturating_add(available).saturating_mul(unit),
    };
    Reading::Disk {
        room: share(told.f_blocks, told.f_bfree, told.f_bavail, told.f_frsize),
        inodes: share(told.f_files, told.f_ffree, told.f_favail, 1),
    }
}

/// A folder that Postfix has not made is empty; where there is none at all, this is no queue of Postfix.
fn postfix(path: &Path, count: &mut Count<'_>) -> io::Result<Vec<Waiting>> {
    let mut folders = Vec::with_capacity(POSTFIX.len());
    for name in POSTFIX {
        match count.folder(name, &path.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            folder => folders.push(folder?),
        }
    }
    if folders.is_empty() {
        let words = format!("{} has none of Postfix's folders", path.display());
        return Err(io::Error::new(ErrorKind::NotFound, words));
    }
    Ok(folders)
}

/// A walk over files.
struct Count<'a> {
    kind: QueueKind,
    /// Milliseconds since the epoch; none where nobody asks for ages.
    now: Option<i64>,
    left: u64,
    enough: &'a AtomicBool,
}

impl Count<'_> {
    fn may_go_on(&self) -> bool {
        self.left > 0 && !self.enough.load(Ordering::Relaxed)
    }

    fn folder(&mut self, name: &'static str, path: &Path) -> io::Result<Waiting> {
        let mut waiting = Waiting { folder: name, ..Waiting::default() };
        self.walk(path, DEPTH, &mut waiting)?;
        Ok(waiting)
    }

    fn walk(&mut self, path: &Path, depth: u8, waiting: &mut Waiting) -> io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            if !self.may_go_on() {
                break;
            }
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() {
                let Some(age) = self.age(&entry.path())? else { continue };
                waiting.messages += 1;
                waiting.oldest = waiting.oldest.max(age);
                self.left -= 1;
            } else if kind.is_dir() && depth > 1 {
                match self.walk(&entry.path(), depth - 1, waiting) {
                    // It was removed meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// How long a message has waited, where somebody asks; none where it has gone meanwhile.
    #[expect(clippy::option_option, reason = "gone, of no asked age, of an age")]
    fn age(&self, path: &Path) -> io::Result<Option<Option<Duration>>> {
        let Some(now) = self.now else { return Ok(Some(None)) };
        let wanted = StatxFlags::BTIME | StatxFlags::CTIME | StatxFlags::MTIME;
        let told = match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted) {
            Ok(told) => told,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Postfix sets the time of last writing of a deferred message to its next attempt, which lies ahead.
        let has_birth = StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::BTIME);
        let since = match self.kind {
            QueueKind::Postfix if has_birth => told.stx_btime,
            QueueKind::Postfix => told.stx_ctime,
            QueueKind::Directory => told.stx_mtime,
        };
        let elapsed = now.saturating_sub(milliseconds(since));
        Ok(Some(Some(Duration::from_millis(u64::try_from(elapsed).unwrap_or(0)))))
    }
}

fn milliseconds(at: StatxTimestamp) -> i64 {
    at.tv_sec.saturating_mul(1_000).saturating_add(i64::from(at.tv_nsec / 1_000_000))
}

#[cfg(test)]
mod tests;
