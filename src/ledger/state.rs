//! What a reboot must not end: holds, the last good document, and how far schedules were followed.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::LedgerError;
use crate::history::TaskMarks;
use crate::model::Name;

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

    /// What was kept of tasks, without their processes; nothing where nothing can be read.
    pub fn schedule(&self) -> HashMap<Name, TaskMarks> {
        let bytes = std::fs::read(self.folder.join("schedule.json")).unwrap_or_default();
        let kept: HashMap<Name, TaskMarks> = serde_json::from_slice(&bytes).unwrap_or_default();
        kept.into_iter().map(|(name, marks)| (name, marks.without_process())).collect()
    }

    /// Keeps how far schedules were followed, and how tasks last ran.
    ///
    /// # Errors
    /// The disk does not take it; the old one stays.
    pub fn save_schedule(&self, schedule: &[u8]) -> Result<(), LedgerError> {
        self.replace("schedule.json", schedule)
    }

    /// What [`State::save_schedule`] keeps.
    pub fn schedule_of(tasks: &HashMap<Name, TaskMarks>) -> Vec<u8> {
        // Plain data by name: this cannot fail.
        serde_json::to_vec(tasks).unwrap_or_default()
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
