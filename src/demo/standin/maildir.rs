//! A Maildir whose file names carry the IMAP UID: `new/0000000007`, `cur/0000000007:2,S`.
//!
//! Written by the store (delivery) and by imap and pop (flags, expunge). Expunged messages move to `expunged/`, where
//! purge removes them. `uids` holds the UIDVALIDITY and the next UID and is written only under a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Messages that one mailbox holds; the next one waits in the queue until others are expunged.
pub(super) const MESSAGES_MAX: usize = 2000;

/// A flag of RFC 9051 2.3.2 that a Maildir knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flag {
    Draft,
    Flagged,
    Answered,
    Seen,
    Deleted,
}

impl Flag {
    pub(super) const ALL: [Self; 5] = [Self::Draft, Self::Flagged, Self::Answered, Self::Seen, Self::Deleted];

    /// The letter in a Maildir file name; they stand in ASCII order there.
    fn letter(self) -> char {
        match self {
            Self::Draft => 'D',
            Self::Flagged => 'F',
            Self::Answered => 'R',
            Self::Seen => 'S',
            Self::Deleted => 'T',
        }
    }

    /// The word of IMAP.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Draft => "\\Draft",
            Self::Flagged => "\\Flagged",
            Self::Answered => "\\Answered",
            Self::Seen => "\\Seen",
            Self::Deleted => "\\Deleted",
        }
    }
}

/// The flags of one message.
pub(super) type Flags = BTreeSet<Flag>;

/// One message without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: u32,
    pub(super) size: u64,
    pub(super) flags: Flags,
}

/// What a mailbox holds at one moment, by UID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) validity: u32,
    pub(super) next: u32,
    pub(super) entries: Vec<Entry>,
}

/// What IMAP and POP3 do to a mailbox. A message that is gone is `NotFound`.
pub(super) trait Mailbox {
    fn list(&self) -> io::Result<Listing>;
    fn read(&self, uid: u32) -> io::Result<Vec<u8>>;
    fn set_flags(&self, uid: u32, flags: &Flags) -> io::Result<()>;
    fn expunge(&self, uid: u32) -> io::Result<()>;
}

/// A mailbox on disk.
#[derive(Clone, Debug)]
pub(super) struct Maildir {
    dir: PathBuf,
}

impl Maildir {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Makes the folders and the file of UIDs, if need be.
    pub(super) fn create(&self) -> io::Result<()> {
        for folder in ["tmp", "new", "cur", "expunged"] {
            fs::create_dir_all(self.dir.join(folder))?;
        }
        self.with_uids(|_| Ok(()))
    }

    /// Adds a message: written under `tmp/`, then renamed, so that no reader sees half of it. Its UID.
    pub(super) fn deliver(&self, message: &[u8]) -> io::Result<u32> {
        self.with_uids(|uids| {
            if self.files()?.len() >= MESSAGES_MAX {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "the mailbox is full"));
            }
            let uid = uids.next;
            let name = format!("{uid:010}");
            let temporary = self.dir.join("tmp").join(&name);
            fs::write(&temporary, message)?;
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, self.dir.join("new").join(&name))?;
            uids.next = uid.checked_add(1).ok_or_else(|| io::Error::other("the mailbox has no UID left"))?;
            Ok(uid)
        })
    }

    /// Removes what was expunged; how many.
    pub(super) fn purge(&self) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(self.dir.join("expunged"))?.take(MESSAGES_MAX) {
            fs::remove_file(entry?.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    fn with_uids<T>(&self, change: impl FnOnce(&mut Uids) -> io::Result<T>) -> io::Result<T> {
        let lock = File::create(self.dir.join("uids.lock"))?;
        lock.lock()?;
        let before = self.uids()?;
        let mut uids = match before {
            Some(uids) => uids,
            None => Uids::above(self.files()?.last_key_value().map_or(0, |(uid, _)| *uid)),
        };
        let result = change(&mut uids);
        if before != Some(uids) {
            let new = self.dir.join("uids.new");
            fs::write(&new, format!("{} {}\n", uids.validity, uids.next))?;
            fs::rename(&new, self.dir.join("uids"))?;
        }
        result
    }

    fn uids(&self) -> io::Result<Option<Uids>> {
        let text = match fs::read_to_string(self.dir.join("uids")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(text
            .trim()
            .split_once(' ')
            .and_then(|(validity, next)| Some(Uids { validity: validity.parse().ok()?, next: next.parse().ok()? })))
    }

    /// Every message with the place of its file. One that is renamed between the two folders while they are read may
    /// be seen twice; the map keeps one.
    fn files(&self) -> io::Result<BTreeMap<u32, (PathBuf, Flags)>> {
        let mut found = BTreeMap::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.dir.join(folder))? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some((uid, flags)) = name.and_then(file_name)
                    && found.len() < MESSAGES_MAX
                {
                    found.insert(uid, (path, flags));
                }
            }
        }
        Ok(found)
    }

    fn file(&self, uid: u32) -> io::Result<PathBuf> {
        self.files()?.remove(&uid).map(|(path, _)| path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Mailbox for Maildir {
    fn list(&self) -> io::Result<Listing> {
        let uids = self.with_uids(|uids| Ok(*uids))?;
        let entries = self
            .files()?
            .into_iter()
            .filter_map(|(uid, (path, flags))| Some(Entry { uid, size: size(&path)?, flags }))
            .collect();
        Ok(Listing { validity: uids.validity, next: uids.next, entries })
    }

    fn read(&self, uid: u32) -> io::Result<Vec<u8>> {
        fs::read(self.file(uid)?)
    }

    fn set_flags(&self, uid: u32, flags: &Flags) -> io::Result<()> {
        let letters: String = flags.iter().map(|flag| flag.letter()).collect();
        fs::rename(self.file(uid)?, self.dir.join("cur").join(format!("{uid:010}:2,{letters}")))
    }

    fn expunge(&self, uid: u32) -> io::Result<()> {
        fs::rename(self.file(uid)?, self.dir.join("expunged").join(format!("{uid:010}")))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Uids {
    validity: u32,
    next: u32,
}

impl Uids {
    /// A mailbox made anew must not have the validity of one that was there before (RFC 9051 2.3.1.1): the second it
    /// was made in is the customary choice. Messages that are there already keep their UIDs.
    fn above(highest: u32) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
        Self { validity: u32::try_from(seconds).unwrap_or(u32::MAX), next: highest.saturating_add(1) }
    }
}

/// A file that is gone meanwhile has no size.
fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

fn file_name(name: &str) -> Option<(u32, Flags)> {
    let (uid, letters) = name.split_once(":2,").unwrap_or((name, ""));
    let flags = Flag::ALL.into_iter().filter(|flag| letters.contains(flag.letter())).collect();
    Some((uid.parse().ok()?, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir() -> (tempfile::TempDir, Maildir) {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(folder.path().join("demo"));
        maildir.create().unwrap();
        (folder, maildir)
    }

    #[test]
    fn uids_rise_and_are_never_given_twice_even_when_the_last_message_goes() {
        let (_folder, maildir) = maildir();
        assert_eq!(maildir.deliver(b"one").unwrap(), 1);
        assert_eq!(maildir.deliver(b"two").unwrap(), 2);
        maildir.expunge(2).unwrap();
        assert_eq!(maildir.deliver(b"three").unwrap(), 3);
        let listing = maildir.list().unwrap();
        assert_eq!(listing.next, 4);
        assert_eq!(listing.entries.iter().map(|entry| entry.uid).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(listing.entries[1].size, 5);
    }

    #[test]
    fn flags_live_in_the_file_name_and_come_back() {
        let (_folder, maildir) = maildir();
        maildir.deliver(b"one").unwrap();
        let flags = Flags::from([Flag::Seen, Flag::Deleted]);
        maildir.set_flags(1, &flags).unwrap();
        assert_eq!(maildir.list().unwrap().entries[0].flags, flags);
        assert!(maildir.path().join("cur/0000000001:2,ST").exists());
        assert_eq!(maildir.read(1).unwrap(), b"one");
    }

    #[test]
    fn what_is_expunged_is_not_listed_and_goes_with_the_purge() {
        let (_folder, maildir) = maildir();
        maildir.deliver(b"one").unwrap();
        maildir.expunge(1).unwrap();
        assert!(maildir.list().unwrap().entries.is_empty());
        assert_eq!(maildir.read(1).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(maildir.purge().unwrap(), 1);
        assert_eq!(maildir.purge().unwrap(), 0);
    }

    #[test]
    fn a_full_mailbox_takes_the_next_message_when_there_is_room_again() {
        let (_folder, maildir) = maildir();
        let full = u32::try_from(MESSAGES_MAX).unwrap();
        for uid in 1..=full {
            fs::write(maildir.path().join(format!("cur/{uid:010}:2,S")), "").unwrap();
        }
        assert_eq!(maildir.deliver(b"more").unwrap_err().kind(), io::ErrorKind::StorageFull);
        maildir.expunge(1).unwrap();
        maildir.deliver(b"more").unwrap();
    }

    #[test]
    fn a_lost_file_of_uids_gives_no_uid_a_second_time() {
        let (_folder, maildir) = maildir();
        maildir.deliver(b"one").unwrap();
        fs::write(maildir.path().join("uids"), "torn").unwrap();
        assert_eq!(maildir.deliver(b"two").unwrap(), 2);
        assert_eq!(maildir.read(1).unwrap(), b"one");
    }

    #[test]
    fn a_foreign_file_in_the_folder_is_no_message() {
        let (_folder, maildir) = maildir();
        fs::write(maildir.path().join("new/README"), "hello").unwrap();
        assert!(maildir.list().unwrap().entries.is_empty());
    }
}
