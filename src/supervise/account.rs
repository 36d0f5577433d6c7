//! Unix users and groups, read from /etc/passwd and /etc/group.
//!
//! Not through the C library: in a static binary its name-service modules are absent. A user that only a directory
//! server knows is therefore not found; a numeric id always is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::birth::Ids;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user as a service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// Ids to take.
    pub(super) ids: Ids,
    /// Login name, or the number where there is none.
    pub(super) name: String,
    /// Home directory.
    pub(super) home: String,
    /// Login shell.
    pub(super) shell: String,
}

impl Account {
    /// The account of a declared user and group; absent ones are the agent's own. The words name place and cure.
    pub(super) fn find(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let read = |path: &str| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // A container without these files still has numeric ids.
        let passwd = read(PASSWD).unwrap_or_default();
        let groups = read(GROUP).unwrap_or_default();
        let own = rustix::process::geteuid().as_raw();
        let own_group = rustix::process::getegid().as_raw();
        resolve(&passwd, &groups, user, group, (own, own_group))
    }
}

/// Accounts that were looked up, good for as long as the two files are the same: a restart then reads neither.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    of: [Stamp; 2],
    known: Vec<(Option<String>, Option<String>, Arc<Account>)>,
    own: Option<Arc<Account>>,
}

/// What changes with a file: device, inode, size, and when it was changed last (seconds and nanoseconds); none where it
/// cannot be seen.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// More than a mail server has users; a document that declares more pays with reading.
const KNOWN: usize = 32;

impl Accounts {
    /// As [`Account::find`]. The agent's own is looked up once: it runs with what it began with itself.
    pub(super) fn find(&mut self, user: Option<&str>, group: Option<&str>) -> Result<Arc<Account>, String> {
        if (user, group) == (None, None) {
            let own = self.own.take().map_or_else(|| Account::find(None, None).map(Arc::new), Ok)?;
            return Ok(Arc::clone(self.own.insert(own)));
        }
        // Before the reading: what changes meanwhile is seen the next time.
        self.look([stamp(PASSWD), stamp(GROUP)]);
        if let Some(account) = self.last(user, group) {
            return Ok(account);
        }
        let account = Arc::new(Account::find(user, group)?);
        if self.known.len() < KNOWN {
            self.known.push((user.map(str::to_owned), group.map(str::to_owned), Arc::clone(&account)));
        }
        Ok(account)
    }

    /// What was found last, which may hold no more; whoever acts on it asks [`Accounts::still_hold`] first.
    pub(super) fn last(&self, user: Option<&str>, group: Option<&str>) -> Option<Arc<Account>> {
        let is_it =
            |(u, g, _): &&(Option<String>, Option<String>, Arc<Account>)| u.as_deref() == user && g.as_deref() == group;
        self.known.iter().find(is_it).map(|(.., account)| Arc::clone(account))
    }

    /// Whether the files are those that everything known was read from.
    pub(super) fn still_hold(&self) -> bool {
        self.of == [stamp(PASSWD), stamp(GROUP)]
    }

    fn look(&mut self, now: [Stamp; 2]) {
        if self.of != now {
            self.of = now;
            self.known.clear();
        }
    }
}

fn stamp(path: &str) -> Stamp {
    let seen = fs::metadata(path).ok()?;
    Some((seen.dev(), seen.ino(), seen.size(), seen.ctime(), seen.ctime_nsec()))
}

fn resolve(
    passwd: &str,
    groups: &str,
    user: Option<&str>,
    group: Option<&str>,
    own: (u32, u32),
) -> Result<Account, String> {
    let own_text = own.0.to_string();
    let wanted = user.unwrap_or(&own_text);
    let entry = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        (name == wanted || uid == wanted).then(|| Some((name, uid.parse().ok()?, gid.parse().ok()?, home, shell)))?
    });
    let (name, uid, gid, home, shell): (&str, u32, u32, &str, &str) = match entry {
        Some(entry) => entry,
        None => match wanted.parse() {
            Ok(uid) => (wanted, uid, own.1, "/", "/bin/sh"),
            Err(_) => return Err(format!("user `{wanted}` is not in /etc/passwd; create it, or correct `user`")),
        },
    };
    let gid = match group {
        None => gid,
        Some(wanted) => groups
            .lines()
            .find_map(|line| {
                let mut fields = line.split(':');
                let (name, gid) = (fields.next()?, fields.nth(1)?);
                (name == wanted).then(|| gid.parse().ok())?
            })
            .or_else(|| wanted.parse().ok())
            .ok_or_else(|| format!("group `{wanted}` is not in /etc/group; create it, or correct `userGroup`"))?,
    };
    let mut member_of = vec![gid];
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, id, members] = fields[..] else { continue };
        if let (true, Ok(id)) = (members.split(',').any(|m| m == name), id.parse())
            && !member_of.contains(&id)
        {
            member_of.push(id);
        }
    }
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    let home = if home.is_empty() { "/" } else { home };
    Ok(Account {
        ids: Ids { uid, gid, groups: member_of },
        name: name.to_owned(),
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nmail:x:8:8:mail:/var/mail:\nbroken\n";
    const GROUPS: &str = "root:x:0:\nmail:x:8:\nssl:x:110:postgres,mail\nadm:x:4:mail\n";

    #[test]
    fn a_user_brings_its_primary_and_its_other_groups() {
        let account = resolve(USERS, GROUPS, Some("mail"), None, (0, 0)).unwrap();
        assert_eq!(account.ids, Ids { uid: 8, gid: 8, groups: vec![8, 110, 4] });
        assert_eq!((account.home.as_str(), account.shell.as_str()), ("/var/mail", "/bin/sh"));
    }

    #[test]
    fn a_declared_group_is_the_primary_one() {
        assert_eq!(resolve(USERS, GROUPS, Some("mail"), Some("adm"), (0, 0)).unwrap().ids.gid, 4);
        assert_eq!(resolve(USERS, GROUPS, Some("mail"), Some("77"), (0, 0)).unwrap().ids.gid, 77);
    }

    #[test]
    fn a_number_needs_no_entry_and_a_missing_name_says_where_it_is_missing() {
        assert_eq!(
            resolve("", "", Some("1234"), None, (0, 5)).unwrap().ids,
            Ids { uid: 1234, gid: 5, groups: vec![5] }
        );
        let error = resolve(USERS, GROUPS, Some("cyrus"), None, (0, 0)).unwrap_err();
        assert_eq!(error, "user `cyrus` is not in /etc/passwd; create it, or correct `user`");
        assert!(resolve(USERS, GROUPS, None, Some("nope"), (0, 0)).is_err());
    }

    #[test]
    fn an_account_is_kept_until_one_of_the_files_changes() {
        let mut accounts = Accounts::default();
        let root = accounts.find(Some("0"), None).unwrap();
        assert_eq!((root.ids.uid, accounts.known.len()), (0, 1));
        assert_eq!(accounts.find(Some("0"), None).unwrap(), root);
        assert_eq!(accounts.find(Some("0"), Some("0")).unwrap().ids.gid, 0);
        assert_eq!(accounts.known.len(), 2, "a group makes another account");
        assert!(accounts.still_hold());
        assert_eq!(accounts.last(Some("0"), None), Some(root));
        accounts.look([None, stamp(GROUP)]);
        assert!(!accounts.still_hold());
        assert_eq!(accounts.last(Some("0"), None), None);
    }

    #[test]
    fn more_users_than_are_kept_are_found_all_the_same() {
        let mut accounts = Accounts::default();
        for uid in 0..40 {
            assert_eq!(accounts.find(Some(&format!("{}", 70_000 + uid)), None).unwrap().ids.uid, 70_000 + uid);
        }
        assert_eq!(accounts.known.len(), KNOWN);
    }
}
