//! The demo's folder: made, locked, removed; and those that killed demos left.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::cli::failure::{CANNOT_CREATE, Failure};

const PREFIX: &str = "mailward-demo-";
/// Locked by its demo as long as that lives.
const LOCK: &str = "demo.lock";
/// Locked by its agent as long as that lives.
const AGENT: &str = "run/agent.pid";
/// Names of sockets in it are up to 40 characters long, and `sun_path` holds 108 (unix(7)).
const PARENT_MAX: usize = 30;
/// How many names are tried.
const TRIES: u32 = 100;

/// A folder that goes with this value.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new one, open to nobody else, below the folder for temporary files.
    pub(super) fn make() -> Result<Self, Failure> {
        let temporary = std::env::temp_dir();
        let fit = temporary.is_absolute() && temporary.as_os_str().len() <= PARENT_MAX;
        let parent = if fit { temporary } else { PathBuf::from("/tmp") };
        sweep(&parent);
        let failed =
            |path: &Path, error: &io::Error| Failure::new(CANNOT_CREATE, format!("{}: {error}", path.display()));
        for attempt in 0..TRIES {
            let more = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let path = parent.join(format!("{PREFIX}{}{more}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(&path, &error)),
            }
            let lock = File::create(path.join(LOCK)).map_err(|error| failed(&path, &error))?;
            // Taken by another demo that is about to sweep it away: it came in before the lock.
            if lock.try_lock().is_ok() {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(Failure::new(CANNOT_CREATE, format!("{}: no name is free for the demo's folder", parent.display())))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::new(CANNOT_CREATE, format!("{} is left: {error}", self.path.display())))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Removes the folders of demos that were killed: ours, and locked neither by a demo nor by an agent.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let path = entry.path();
        let is_ours = fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw());
        let Some(_demo) = is_ours.then(|| unlocked(&path.join(LOCK))).flatten() else { continue };
        let agent = path.join(AGENT);
        if !agent.exists() || unlocked(&agent).is_some() {
            // Somebody may still have something open in it; the next demo tries again.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// The file, locked by us, where nobody else has the lock.
fn unlocked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_demos_are_swept_away_and_those_of_living_ones_and_of_others_are_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let make = |name: &str, files: &[&str]| {
            for file in files {
                let path = parent.path().join(name).join(file);
                fs::create_dir_all(path.parent().expect("it has one")).expect("made");
                File::create(&path).expect("made");
            }
            parent.path().join(name)
        };
        let dead = make("mailward-demo-1", &[LOCK, AGENT, "data/log/imap"]);
        let alive = make("mailward-demo-2", &[LOCK]);
        let stopping = make("mailward-demo-3", &[LOCK, AGENT]);
        let strange = make("mailward-demo-4", &["somebody-elses"]);
        let lock = unlocked(&alive.join(LOCK)).expect("free");
        let agent = unlocked(&stopping.join(AGENT)).expect("free");
        sweep(parent.path());
        assert!(!dead.exists() && alive.exists() && stopping.exists() && strange.exists());
        drop((lock, agent));
        sweep(parent.path());
        assert!(!alive.exists() && !stopping.exists() && strange.exists());
    }
}
