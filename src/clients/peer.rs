//! Who is at the other end, and which process it may register.

use std::net::SocketAddrV4;

use crate::supervise::{Bystander, holds_socket, other_end};

/// Somebody who may register clients.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// On the Unix socket: the kernel told (`SO_PEERCRED`, unix(7)).
    Unix {
        /// Its process; none where it is of a pid namespace that cannot be seen from here.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
    },
    /// On TCP: it has proved that it knows the secret.
    Tcp {
        /// Its end.
        peer: SocketAddrV4,
        /// Ours.
        own: SocketAddrV4,
    },
}

impl Peer {
    /// The process with this pid, where this peer may register it: itself or a descendant of the same user, or of any
    /// user where the peer is root. Anything else is a lie, or would let one user have another's process killed.
    pub(super) fn may_register(self, pid: i32) -> Result<Bystander, String> {
        let Some(bystander) = Bystander::open(pid) else { return Err(format!("there is no process {pid}")) };
        let (is_its_own, uid) = match self {
            Self::Unix { pid: Some(peer), uid } => (bystander.or_ancestor(|pid| pid == peer), uid),
            Self::Unix { pid: None, .. } => {
                return Err("your process cannot be seen from the agent's pid namespace".to_owned());
            }
            Self::Tcp { peer, own } => {
                let Some((inode, uid)) = other_end(peer, own) else {
                    return Err("your end of the connection cannot be found".to_owned());
                };
                (bystander.or_ancestor(|pid| holds_socket(pid, inode)), uid)
            }
        };
        if !is_its_own {
            return Err(format!("process {pid} is neither yours nor below you"));
        }
        if uid != 0 && bystander.uid() != Some(uid) {
            return Err(format!("process {pid} is of another user"));
        }
        // Were it gone by now, the answers above might have been about a successor.
        if bystander.has_ended() { Err(format!("there is no process {pid}")) } else { Ok(bystander) }
    }
}
