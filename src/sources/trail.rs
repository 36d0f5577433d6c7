//! Which folders and files must be watched so that no change of what a path leads to goes unseen.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel follows in one path (`path_resolution(7)`); more is ELOOP for everybody.
const LINKS: usize = 40;

/// Most entries of a watched folder that count.
const ENTRIES: usize = 1024;

/// What the kernel passes by on its way along some paths. All paths here are free of symlinks but for their last part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail {
    /// Names whose change may change what the paths lead to.
    pub(super) names: BTreeSet<PathBuf>,
    /// Folders in which any name counts.
    pub(super) whole: BTreeSet<PathBuf>,
    /// What is to be watched: the folder of each symlink, of the file and of a missing name; and the file itself, since
    /// a file mounted alone into a container has its writers in another folder, whose watch we do not have.
    pub(super) watched: BTreeSet<PathBuf>,
}

impl Trail {
    /// Of absolute paths, as the file system is now.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut trail = Self::default();
        for path in paths {
            if let Some(folder) = trail.walk(path) {
                trail.whole.insert(folder.clone());
                trail.names.insert(folder.clone());
                trail.watched.insert(folder.clone());
                for entry in entries(&folder).unwrap_or_default() {
                    trail.walk(&entry);
                }
            }
        }
        trail
    }

    /// Walks one path; gives the folder it leads to, if it is one.
    fn walk(&mut self, path: &Path) -> Option<PathBuf> {
        let mut here = PathBuf::from("/");
        let mut ahead = parts(path);
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let name = here.join(part);
            self.names.insert(name.clone());
            let Ok(metadata) = fs::symlink_metadata(&name) else {
                self.watch_folder(&here);
                return None;
            };
            if metadata.is_symlink() {
                self.watch_folder(&here);
                links += 1;
                let target = fs::read_link(&name).ok().filter(|_| links <= LINKS)?;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                let mut onward = parts(&target);
                onward.append(&mut ahead);
                ahead = onward;
                continue;
            }
            if ahead.is_empty() {
                self.watch_folder(&here);
                if metadata.is_file() {
                    self.watched.insert(name.clone());
                }
            }
            here = name;
            if ahead.is_empty() && metadata.is_dir() {
                return Some(here);
            }
        }
        None
    }

    /// The folder's own name counts as well: its deletion or renaming is told under it.
    fn watch_folder(&mut self, folder: &Path) {
        self.watched.insert(folder.to_owned());
        self.names.insert(folder.to_owned());
    }
}

/// The names in a path, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// The entries of a folder that count, sorted; sub-folders are among them.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let bytes = name.as_bytes();
        if !bytes.starts_with(b".") && !bytes.ends_with(b"~") {
            found.push(folder.join(name));
        }
    }
    found.sort_unstable();
    found.truncate(ENTRIES);
    Ok(found)
}
