//! Processes that are not ours and that somebody asks us to watch: who they are, whose they are, how they end.
//!
//! The pidfd is opened first and the questions are asked by number after it: while the pidfd has not ended, the number
//! still means the same process.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::account::Account;
use super::{life, proc, sys};
use crate::model::{Exit, Identity};

/// More generations than any process has ancestors.
const GENERATIONS: usize = 64;

/// A process that is watched and never ours.
#[derive(Debug)]
pub struct Bystander {
    identity: Identity,
    pidfd: OwnedFd,
}

impl Bystander {
    /// The living process that has this pid now.
    pub fn open(pid: i32) -> Option<Self> {
        let pidfd = pidfd_open(Pid::from_raw(pid).filter(|_| pid > 0)?, PidfdFlags::empty()).ok()?;
        let identity = proc::identity(pid)?;
        let bystander = Self { identity, pidfd };
        (!bystander.has_ended()).then_some(bystander)
    }

    /// The very process that was met before, if it still lives.
    pub fn meet_again(identity: Identity) -> Option<Self> {
        Self::open(identity.pid).filter(|bystander| bystander.identity == identity)
    }

    /// What proves later that it is the same.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its effective user.
    pub fn uid(&self) -> Option<u32> {
        effective_user(&std::fs::read(format!("/proc/{}/status", self.identity.pid)).ok()?)
    }

    /// Whether it, or one of its ancestors, is as asked.
    pub fn or_ancestor(&self, is_meant: impl Fn(i32) -> bool) -> bool {
        let mut pid = self.identity.pid;
        for _ in 0..GENERATIONS {
            if pid <= 0 {
                return false;
            }
            if is_meant(pid) {
                return true;
            }
            let Some(stat) = proc::stat(pid) else { return false };
            pid = stat.parent;
        }
        false
    }

    /// Whether it has ended; its parent may not have taken notice.
    pub fn has_ended(&self) -> bool {
        life::ended(self.pidfd.as_fd())
    }

    /// How it ended; none while that may still become known, which it is once its parent has taken notice.
    pub fn exit(&self) -> Option<Exit> {
        match sys::exit_of(self.pidfd.as_fd()) {
            sys::Ended::How(exit) => Some(exit),
            sys::Ended::NotYet => None,
            sys::Ended::Never => Some(Exit::Unknown),
        }
    }

    /// KILL, to this process and no other.
    pub fn kill(&self) {
        // It may have ended in this moment.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl AsFd for Bystander {
    /// Readable once it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The second number of the line `Uid:`. A name, which the kernel cuts at 15 bytes, may end within a character.
pub(super) fn effective_user(status: &[u8]) -> Option<u32> {
    let status = String::from_utf8_lossy(status);
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok())
}

/// The inode and the user of the other end of a TCP connection on this host, as /proc/net/tcp tells them.
pub fn other_end(peer: SocketAddrV4, own: SocketAddrV4) -> Option<(u64, u32)> {
    find_other_end(&std::fs::read_to_string("/proc/net/tcp").ok()?, peer, own)
}

/// An address there is the number as it lies in memory, and then the port, both in hex.
pub(super) fn find_other_end(table: &str, peer: SocketAddrV4, own: SocketAddrV4) -> Option<(u64, u32)> {
    let text = |at: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
    let (local, remote) = (text(peer), text(own));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields.get(1) == Some(&&*local) && fields.get(2) == Some(&&*remote);
        is_it.then(|| Some((fields.get(9)?.parse().ok()?, fields.get(7)?.parse().ok()?)))?
    })
}

/// Whether a process holds the socket with this inode.
pub fn holds_socket(pid: i32, inode: u64) -> bool {
    let name = format!("socket:[{inode}]");
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == &*name))
}

/// User and group of a declared user.
///
/// # Errors
/// There is no such user; the words say what to do.
pub fn ids_of(user: &str) -> Result<(u32, u32), String> {
    Account::find(Some(user), None).map(|account| (account.ids.uid, account.ids.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r14_the_other_end_of_a_connection_is_found_with_its_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let v4 = |address| match address {
            std::net::SocketAddr::V4(v4) => v4,
            std::net::SocketAddr::V6(_) => panic!("it is bound to 127.0.0.1"),
        };
        let (peer, own) = (v4(client.local_addr().unwrap()), v4(listener.local_addr().unwrap()));
        let (inode, uid) = other_end(peer, own).expect("both ends are on this host");
        assert_eq!(uid, rustix::process::geteuid().as_raw());
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(holds_socket(pid, inode) && !holds_socket(pid, inode + 1_000_000));
        assert!(Bystander::open(pid).unwrap().or_ancestor(|pid| holds_socket(pid, inode)));
        let nobody = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 1);
        assert_eq!(other_end(nobody, own), None);
    }

    #[test]
    fn r14_a_process_is_met_again_only_as_itself() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let bystander = Bystander::open(pid).unwrap();
        let identity = bystander.identity();
        assert!(Bystander::meet_again(identity).is_some());
        assert!(Bystander::meet_again(Identity { started: identity.started + 1, ..identity }).is_none());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(bystander.or_ancestor(|pid| pid == own) && !bystander.or_ancestor(|pid| pid == -7));
        bystander.kill();
        child.wait().unwrap();
        assert!(bystander.has_ended() && Bystander::open(pid).is_none());
    }
}
