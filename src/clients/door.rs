//! The two doors: made, watched, closed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::attend::{Hall, Places, attend};
use super::peer::Peer;
use super::secret::{Secret, random};
use super::{Report, SECRET, SOCKET};
use crate::model::Identity;
use crate::plan::ClientSeen;
use crate::protocol::watcher::Dialogue;
use crate::supervise::{Bystander, ids_of};

/// Most connections of those who may register, on each door.
const CONNECTIONS: usize = 512;
/// Most connections on TCP of those who have not proved anything yet.
const STRANGERS: usize = 32;
/// After the system had no descriptor or no memory for a connection.
const LATER: Duration = Duration::from_millis(200);

/// What the document says of the doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// The TCP port on 127.0.0.1.
    pub port: u16,
    /// The mail user, who may register beside root and the agent's own user.
    pub user: Option<String>,
}

/// The doors, open or closed.
#[derive(Debug)]
pub struct Clients {
    folder: PathBuf,
    hall: Arc<Hall>,
    open: Option<Doors>,
    unix: Option<Guard>,
    tcp: Option<Guard>,
}

impl std::fmt::Debug for Hall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hall")
    }
}

/// Ends a door and every connection that came through it.
#[derive(Debug)]
struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Clients {
    /// Closed; `folder` is the runtime folder.
    pub fn new(folder: &Path, reports: mpsc::Sender<Report>) -> Self {
        Self { folder: folder.to_owned(), hall: Arc::new(Hall::new(reports)), open: None, unix: None, tcp: None }
    }

    /// Opens the doors as wished, or closes them. Gives what cannot be done; a door that could not be opened is tried again
    /// with the next document.
    pub fn set(&mut self, wished: Option<Doors>) -> Vec<String> {
        if self.open != wished {
            (self.unix, self.tcp) = (None, None);
            let _ = std::fs::remove_file(self.folder.join(SOCKET));
            if wished.is_none() {
                self.hall.close();
            }
        }
        self.open = wished;
        let Some(doors) = self.open.clone() else { return Vec::new() };
        let mut wrong = Vec::new();
        let user = match doors.user.as_deref().map(ids_of).transpose() {
            Ok(user) => user,
            Err(words) => {
                wrong.push(format!("store clients: {words}"));
                None
            }
        };
        if self.unix.is_none() {
            match self.open_unix(user) {
                Ok(door) => self.unix = Some(door),
                Err(error) => wrong.push(format!("store clients: {}: {error}", self.folder.join(SOCKET).display())),
            }
        }
        if self.tcp.is_none() {
            match self.open_tcp(doors.port, user) {
                Ok(door) => self.tcp = Some(door),
                Err(error) => wrong.push(format!(
                    "store clients: port {} of 127.0.0.1: {error}; choose another watcher.port, or use {SOCKET}",
                    doors.port
                )),
            }
        }
        wrong
    }

    /// Watches those whom an earlier life of the agent knew.
    pub fn watch_again(&self, known: impl Iterator<Item = Identity>) {
        for identity in known {
            if let Some(bystander) = Bystander::meet_again(identity) {
                self.hall.watch(bystander);
            } else {
                let hall = Arc::clone(&self.hall);
                let gone = ClientSeen::Gone(crate::model::Exit::Unknown);
                tokio::spawn(async move { hall.tell(identity, gone).await });
            }
        }
    }

    /// KILL to a client that froze, and to nobody who has got its number since.
    pub fn kill(&self, client: Identity) {
        if let Some(bystander) = Bystander::meet_again(client) {
            bystander.kill();
        }
    }

    fn open_unix(&self, user: Option<(u32, u32)>) -> io::Result<Guard> {
        let path = self.folder.join(SOCKET);
        // The runtime folder is ours alone: who holds its lock owns what lies in it.
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        let own = rustix::process::geteuid().as_raw();
        // Connecting takes the right to write (unix(7)); who may register is told by the credentials.
        let mode = match user {
            Some((_, group)) if own == 0 => {
                chown(&path, None, Some(group))?;
                0o660
            }
            Some(_) | None => 0o600,
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        let may: Vec<u32> = [Some(0), Some(own), user.map(|(uid, _)| uid)].into_iter().flatten().collect();
        Ok(Guard(tokio::spawn(unix_door(listener, may, Arc::clone(&self.hall)))))
    }

    fn open_tcp(&self, port: u16, user: Option<(u32, u32)>) -> io::Result<Guard> {
        let is_root = rustix::process::geteuid().is_root();
        let secret = Secret::at(&self.folder.join(SECRET), user.map(|(_, group)| group).filter(|_| is_root))?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Guard(tokio::spawn(tcp_door(listener, secret, Arc::clone(&self.hall)))))
    }
}

async fn unix_door(listener: UnixListener, may: Vec<u32>, hall: Arc<Hall>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut visits = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = visits.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(LATER).await;
            continue;
        };
        // What cannot be sent at once is not sent: nobody waits for a stranger.
        let refuse = |words: &str| drop(stream.try_write(words.as_bytes()));
        let Ok(peer) = stream.peer_cred() else { continue };
        if !may.contains(&peer.uid()) {
            refuse("NO only root, the agent's own user and the mail user may register\n");
            continue;
        }
        let Ok(taken) = room.clone().try_acquire_owned() else {
            refuse("NO too many clients\n");
            continue;
        };
        let places = Places { taken, room: Arc::clone(&room) };
        let peer = Peer::Unix { pid: peer.pid().filter(|pid| *pid > 0), uid: peer.uid() };
        visits.spawn(attend(stream, Dialogue::known(), peer, Arc::clone(&hall), places));
    }
}

async fn tcp_door(listener: TcpListener, secret: Secret, hall: Arc<Hall>) {
    let (room, strangers) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(STRANGERS)));
    let mut visits = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = visits.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(LATER).await;
            continue;
        };
        let (SocketAddr::V4(peer), Ok(SocketAddr::V4(own))) = (peer, stream.local_addr()) else { continue };
        let peer = Peer::Tcp { peer, own: SocketAddrV4::new(*own.ip(), own.port()) };
        let (Ok(taken), Ok(challenge)) = (strangers.clone().try_acquire_owned(), random()) else {
            drop(stream.try_write(b"NO too many strangers\n"));
            continue;
        };
        let proof = secret.proof(&challenge);
        let places = Places { taken, room: Arc::clone(&room) };
        visits.spawn(attend(stream, Dialogue::unknown(challenge, proof), peer, Arc::clone(&hall), places));
    }
}
