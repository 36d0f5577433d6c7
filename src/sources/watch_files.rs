//! One value for the contents of a set of files, so that a change of any is seen and a mere touch is not.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file::open;
use super::trail::entries;
use crate::model::Fingerprint;

/// So much of a file counts, in bytes; of a longer one its length and time of change count too.
pub const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// The fingerprint of all contents. The order of the paths and a path named twice make no difference; a file that is
/// missing, or cannot be read, differs from an empty one. Of a folder the files directly in it count, without those
/// whose names begin with a dot or end with `~` (what an editor leaves). Files are read in pieces, never whole.
pub fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    let mut sorted: Vec<&PathBuf> = paths.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().fold(Fingerprint::of(b""), |print, path| of_path(print, path))
}

fn of_path(print: Fingerprint, path: &Path) -> Fingerprint {
    let print = named(print, b'p', path.as_os_str().as_bytes());
    match of_opened(print, path) {
        Ok(print) => print,
        Err(error) => named(print, b'e', &error.raw_os_error().unwrap_or(-1).to_le_bytes()),
    }
}

fn of_opened(print: Fingerprint, path: &Path) -> io::Result<Fingerprint> {
    let (file, metadata) = open(path)?;
    if metadata.is_file() {
        return of_file(print.and(b"f"), file, &metadata);
    }
    if !metadata.is_dir() {
        return Ok(print.and(b"o"));
    }
    Ok(entries(path)?.iter().fold(print.and(b"d"), |print, entry| {
        let print = named(print, b'n', entry.file_name().unwrap_or_default().as_bytes());
        let content = open(entry).and_then(|(file, metadata)| {
            if metadata.is_file() { of_file(print.and(b"f"), file, &metadata) } else { Ok(print.and(b"o")) }
        });
        content.unwrap_or_else(|error| named(print, b'e', &error.raw_os_error().unwrap_or(-1).to_le_bytes()))
    }))
}

fn of_file(mut print: Fingerprint, file: std::fs::File, metadata: &std::fs::Metadata) -> io::Result<Fingerprint> {
    let mut file = file.take(FILE_LIMIT);
    let mut piece = vec![0; 64 * 1024];
    let mut length = 0_u64;
    loop {
        let n = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        print = print.and(&piece[..n]);
        length = length.saturating_add(n as u64);
    }
    print = print.and(&length.to_le_bytes());
    if length == FILE_LIMIT {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        print = print.and(&metadata.len().to_le_bytes()).and(&seconds.to_le_bytes()).and(&nanoseconds.to_le_bytes());
    }
    Ok(print)
}

/// A field that cannot run into its neighbour.
fn named(print: Fingerprint, kind: u8, bytes: &[u8]) -> Fingerprint {
    print.and(&[kind]).and(&(bytes.len() as u64).to_le_bytes()).and(bytes)
}
