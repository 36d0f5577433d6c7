//! The folder that the stand-ins of one server share, laid out as Oracle's data root is: `proc/` with the store's pid
//! file, `queue/`, `store/USER/`, and the users with their passwords in `users`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::maildir::Maildir;

/// The store's pid file is small; more than this is no pid file.
const PID_FILE_MAX: u64 = 256;

/// Why a server that uses the store does not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreNotReady {
    /// No pid file.
    #[error("store is not running (there is no {0}); start store first")]
    NotRunning(String),
    /// The pid file of a process that is gone.
    #[error("store is not running (process {0} of its pid file is gone); start store first")]
    Gone(u32),
    /// It says that it recovers.
    #[error("store is not ready yet (it says `{0}`); wait until it says `ready`")]
    Says(String),
    /// Something else is in the pid file.
    #[error("{0} is no pid file of a store")]
    Garbled(String),
}

/// The shared folder.
#[derive(Clone, Debug)]
pub struct Place {
    data: PathBuf,
}

impl Place {
    /// Names it; touches nothing.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Makes the folders and the file of users (name and password). Fails on a user name that is no plain word.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn prepare(&self, users: &[(&str, &str)]) -> io::Result<()> {
        for folder in ["proc", "queue", "store", "log"] {
            fs::create_dir_all(self.data.join(folder))?;
        }
        let path = self.users_file();
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
        for (user, password) in users {
            if !is_user_name(user) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a user name has only a-z, 0-9, . _ -"));
            }
            writeln!(file, "{user}:{password}")?;
            self.maildir(user).create()?;
        }
        Ok(())
    }

    /// The store's pid file: line 1 its pid, line 2 `init` or `ready` (Oracle's `data/proc/store`).
    pub fn pid_file(&self) -> PathBuf {
        self.data.join("proc/store")
    }

    /// Locked by a living store.
    pub(super) fn store_lock(&self) -> PathBuf {
        self.data.join("proc/store.lock")
    }

    /// Where the store takes mail by LMTP.
    pub fn lmtp_socket(&self) -> PathBuf {
        self.data.join("proc/lmtp")
    }

    /// Messages taken and not yet delivered.
    pub(super) fn queue(&self) -> PathBuf {
        self.data.join("queue")
    }

    fn users_file(&self) -> PathBuf {
        self.data.join("users")
    }

    /// The mailbox of one user.
    pub(super) fn maildir(&self, user: &str) -> Maildir {
        Maildir::new(self.data.join("store").join(user))
    }

    /// Every user with the password.
    pub(super) fn users(&self) -> io::Result<Vec<(String, String)>> {
        let text = fs::read_to_string(self.users_file())?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(user, _)| is_user_name(user))
            .map(|(user, password)| (user.to_owned(), password.to_owned()))
            .collect())
    }

    /// The mailbox that this name and password open.
    pub(super) fn log_in(&self, user: &str, password: &str) -> io::Result<Option<Maildir>> {
        let known = self.users()?.iter().any(|(name, secret)| name == user && secret == password);
        Ok(known.then(|| self.maildir(user)))
    }

    /// The pid of a store that can be used now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn store_ready(&self) -> Result<u32, StoreNotReady> {
        let (pid, state) = self.store_state()?;
        if !Path::new("/proc").join(pid.to_string()).exists() {
            return Err(StoreNotReady::Gone(pid));
        }
        if state == "ready" { Ok(pid) } else { Err(StoreNotReady::Says(state)) }
    }

    fn store_state(&self) -> Result<(u32, String), StoreNotReady> {
        let path = self.pid_file();
        let name = path.display().to_string();
        let length = fs::metadata(&path).map_err(|_| StoreNotReady::NotRunning(name.clone()))?.len();
        if length > PID_FILE_MAX {
            return Err(StoreNotReady::Garbled(name));
        }
        let text = fs::read_to_string(&path).map_err(|_| StoreNotReady::NotRunning(name.clone()))?;
        let mut lines = text.lines();
        match (lines.next().and_then(|line| line.trim().parse().ok()), lines.next()) {
            (Some(pid), Some(state)) => Ok((pid, state.trim().to_owned())),
            _ => Err(StoreNotReady::Garbled(name)),
        }
    }

    /// Writes the store's pid file anew; by rename, so that no reader sees half of it.
    pub(super) fn write_pid_file(&self, state: &str) -> io::Result<()> {
        let new = self.data.join("proc/store.new");
        fs::write(&new, format!("{}\n{state}\n", std::process::id()))?;
        fs::rename(&new, self.pid_file())
    }
}

/// Names become folders, so nothing but plain words is taken.
fn is_user_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
}

/// The local part of an address of [`DOMAIN`](crate::demo::DOMAIN), when it has the form of a user's name.
pub(super) fn local_user(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let local = local.to_ascii_lowercase();
    (domain.eq_ignore_ascii_case(crate::demo::DOMAIN) && is_user_name(&local)).then_some(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r01_a_store_is_ready_only_when_it_lives_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path());
        place.prepare(&[("demo", "demo")]).unwrap();
        assert!(matches!(place.store_ready(), Err(StoreNotReady::NotRunning(_))));
        place.write_pid_file("init").unwrap();
        assert_eq!(place.store_ready(), Err(StoreNotReady::Says("init".into())));
        place.write_pid_file("ready").unwrap();
        assert_eq!(place.store_ready(), Ok(std::process::id()));
        fs::write(place.pid_file(), "4194304\nready\n").unwrap();
        assert_eq!(place.store_ready(), Err(StoreNotReady::Gone(4_194_304)));
        fs::write(place.pid_file(), "not a number\n").unwrap();
        assert!(matches!(place.store_ready(), Err(StoreNotReady::Garbled(_))));
    }

    #[test]
    fn a_name_opens_a_mailbox_only_with_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path());
        place.prepare(&[("demo", "pass:word")]).unwrap();
        assert!(place.log_in("demo", "pass:word").unwrap().is_some());
        assert!(place.log_in("demo", "other").unwrap().is_none());
        assert!(place.log_in("../demo", "pass:word").unwrap().is_none());
    }

    #[test]
    fn an_address_that_would_leave_the_folder_is_no_user() {
        assert_eq!(local_user("Demo@EXAMPLE.test"), Some("demo".into()));
        for address in ["../etc@example.test", "@example.test", "demo@example.org", "demo", "a/b@example.test"] {
            assert_eq!(local_user(address), None, "{address}");
        }
    }
}
