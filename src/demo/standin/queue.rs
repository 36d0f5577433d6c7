//! The queue between dispatcher and job controller: one file a message, the envelope as JSON on its first line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Messages that may wait; the next one is refused for the moment.
const WAITING_MAX: usize = 1000;

/// Who sent it, and for whom it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

/// Puts a message into the queue; its id.
pub(super) fn put(queue: &Path, envelope: &Envelope, message: &[u8]) -> io::Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if waiting(queue)?.len() >= WAITING_MAX {
        return Err(io::Error::new(io::ErrorKind::StorageFull, "the queue is full"));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{since:020}-{}-{count}", std::process::id());
    let mut bytes = serde_json::to_vec(envelope)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(message);
    write(queue, &id, &bytes)?;
    Ok(id)
}

/// Leaves a message in the queue for fewer recipients: those that were not served yet.
pub(super) fn keep_for(queue: &Path, path: &Path, left: &Envelope, message: &[u8]) -> io::Result<()> {
    let Some(id) = path.file_stem().and_then(|name| name.to_str()) else { return Ok(()) };
    let mut bytes = serde_json::to_vec(left)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(message);
    write(queue, id, &bytes)
}

/// The waiting messages, oldest first.
pub(super) fn waiting(queue: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(queue)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "mail"))
        .collect();
    found.sort();
    Ok(found)
}

/// One waiting message; none when the file is not of this form.
pub(super) fn read(path: &Path) -> io::Result<Option<(Envelope, Vec<u8>)>> {
    let mut bytes = fs::read(path)?;
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let message = bytes.split_off(end + 1);
    Ok(serde_json::from_slice(&bytes).ok().map(|envelope| (envelope, message)))
}

fn write(queue: &Path, id: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = queue.join(format!("{id}.new"));
    fs::write(&temporary, bytes)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, queue.join(format!("{id}.mail")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let envelope = Envelope { from: String::new(), to: vec!["demo@example.test".into()] };
        put(folder.path(), &envelope, b"first\r\n").unwrap();
        put(folder.path(), &envelope, b"second\r\n").unwrap();
        fs::write(folder.path().join("half.new"), "half").unwrap();
        let found = waiting(folder.path()).unwrap();
        let messages: Vec<_> = found.iter().map(|path| read(path).unwrap().unwrap()).collect();
        assert_eq!(messages, [(envelope.clone(), b"first\r\n".to_vec()), (envelope, b"second\r\n".to_vec())]);
    }

    #[test]
    fn a_message_served_in_part_waits_for_the_rest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut envelope =
            Envelope { from: "a@b.c".into(), to: vec!["x@example.test".into(), "y@example.test".into()] };
        put(folder.path(), &envelope, b"text").unwrap();
        let path = waiting(folder.path()).unwrap().remove(0);
        envelope.to.remove(0);
        keep_for(folder.path(), &path, &envelope, b"text").unwrap();
        assert_eq!(waiting(folder.path()).unwrap(), std::slice::from_ref(&path));
        assert_eq!(read(&path).unwrap().unwrap(), (envelope, b"text".to_vec()));
    }

    #[test]
    fn a_file_without_an_envelope_is_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mail");
        fs::write(&path, "no envelope\ntext").unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
