//! What a reboot must not end: holds, and the last good document.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::LedgerError;

/// The state folder.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// The folder; nothing is read or made yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Services that a person holds across reboots; none where nothing can be read.
    pub fn holds(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.join("holds")).unwrap_or_default();
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Keeps the holds.
    ///
    /// # Errors
    /// The disk does not take them; the old ones stay.
    pub fn save_holds(&self, holds: &BTreeSet<String>) -> Result<(), LedgerError> {
        let text: String = holds.iter().flat_map(|name| [name, "\n"]).collect();
        self.replace("holds", text.as_bytes())
    }

    /// The last document that was put in force, if one was kept.
    pub fn last_good(&self) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join("last-good.yaml")).ok()
    }

    /// Keeps a document that was put in force.
    ///
    /// # Errors
    /// The disk does not take it; the old one stays.
    pub fn save_last_good(&self, document: &[u8]) -> Result<(), LedgerError> {
        self.replace("last-good.yaml", document)
    }

    /// Write, sync, rename, sync the folder: after a power cut there is the old content or the new.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), LedgerError> {
        let path = self.folder.join(name);
        let write = || {
            let new = self.folder.join(format!("{name}.new"));
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(content)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| LedgerError::Write { path: path.clone(), source })
    }
}
