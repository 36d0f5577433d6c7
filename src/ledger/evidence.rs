//! What is kept of a hang before it is ended: one file each, a few for each service ([R8]).
//!
//! In the state folder, so that a restart of the machine does not take it away. A file that cannot be written is no
//! reason not to restart: the caller is told, and goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Wall;

/// Files kept of one service.
const KEPT: usize = 5;
/// Most bytes of one file.
const BYTES: usize = 256 * 1024;

/// Writes what was found about a service and drops the oldest files of it; gives the path.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn keep(state_dir: &Path, service: &str, at: Wall, text: &str) -> io::Result<PathBuf> {
    let folder = state_dir.join("evidence").join(service);
    fs::create_dir_all(&folder)?;
    let end = (0..=text.len().min(BYTES)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    // Colons are no part of a file name that every tool takes.
    let path = folder.join(format!("{}.txt", at.to_string().replace(':', "")));
    fs::write(&path, &text[..end])?;
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    for old in &files[..surplus] {
        fs::remove_file(old)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r08_the_evidence_of_a_service_is_bounded_in_files_and_bytes() {
        let folder = std::env::temp_dir().join(format!("mailward-evidence-{}", std::process::id()));
        let long = "é".repeat(BYTES);
        for second in 0..20 {
            keep(&folder, "imap", Wall(second * 1_000), &long).expect("it can be written");
        }
        let files: Vec<PathBuf> = fs::read_dir(folder.join("evidence/imap"))
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").path())
            .collect();
        assert_eq!(files.len(), KEPT);
        assert!(files.iter().any(|path| path.ends_with("1970-01-01T000019Z.txt")), "the newest is kept: {files:?}");
        assert!(files.iter().all(|path| fs::metadata(path).is_ok_and(|about| about.len() <= BYTES as u64)));
        fs::remove_dir_all(folder).expect("it can go");
    }
}
