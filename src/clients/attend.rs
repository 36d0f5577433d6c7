//! One connection from its greeting to the end of the process behind it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::Report;
use super::peer::Peer;
use crate::model::{Exit, Identity};
use crate::plan::{ClientEvent, ClientSeen};
use crate::protocol::watcher::{Dialogue, Heard, LINE, Word};
use crate::supervise::Bystander;

/// How long a peer may take to prove itself, to register, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines that may come at once. Whoever sends more without a pause is read so many a [`BREATH`]: its own words wait.
const BURST: u32 = 32;
const BREATH: Duration = Duration::from_secs(1);
/// Between the end of a connection and the end of its process, where the kernel ends both: a process closes its files
/// before its end is told.
const MOMENT: Duration = Duration::from_secs(1);
/// What a process that ended has left in its connection is read up to here: its goodbye may be in it.
const LAST_WORDS: usize = 16 * 1024;
/// How long somebody who holds the connection of a process that ended, as `mailward guard` does, may take to say goodbye
/// for it. Where nobody does, the connection ends with the process and nobody waits.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often and how many times it is asked how a process ended, until its parent has taken notice.
const ASK: Duration = Duration::from_millis(20);
const ASKED: u32 = 50;

/// What all connections share.
pub(super) struct Hall {
    reports: mpsc::Sender<Report>,
    /// Processes without a connection, each watched by a task.
    watched: Mutex<HashSet<Identity>>,
    watchers: Mutex<JoinSet<()>>,
    /// The number of the connection that speaks for a process: the last one by which it registered.
    speaks: Mutex<HashMap<Identity, u64>>,
    visits: AtomicU64,
}

impl Hall {
    pub(super) fn new(reports: mpsc::Sender<Report>) -> Self {
        Self {
            reports,
            watched: Mutex::default(),
            watchers: Mutex::default(),
            speaks: Mutex::default(),
            visits: AtomicU64::new(0),
        }
    }

    /// Watches nobody any more.
    pub(super) fn close(&self) {
        lock(&self.watchers).abort_all();
        lock(&self.watched).clear();
        lock(&self.speaks).clear();
    }

    /// Whether this connection still spoke for the process; it does not any more.
    fn falls_silent(&self, identity: Identity, visit: u64) -> bool {
        let mut speaks = lock(&self.speaks);
        let is_it = speaks.get(&identity) == Some(&visit);
        if is_it {
            speaks.remove(&identity);
        }
        is_it
    }

    /// Watches a process that has no connection; one that is watched already is not watched twice.
    pub(super) fn watch(self: &Arc<Self>, bystander: Bystander) {
        let identity = bystander.identity();
        if !lock(&self.watched).insert(identity) {
            return;
        }
        let hall = Arc::clone(self);
        let mut watchers = lock(&self.watchers);
        while watchers.try_join_next().is_some() {}
        watchers.spawn(async move {
            if let Ok(eye) = Eye::on(bystander) {
                eye.sees_its_end().await;
                // Where it has connected again, that connection tells, for its goodbye may be in it.
                if !lock(&hall.speaks).contains_key(&identity) {
                    hall.gone(&eye.bystander).await;
                }
            }
            lock(&hall.watched).remove(&identity);
        });
    }

    async fn gone(&self, bystander: &Bystander) {
        let exit = how_it_ended(bystander).await;
        self.tell(bystander.identity(), ClientSeen::Gone(exit)).await;
    }

    pub(super) async fn tell(&self, client: Identity, what: ClientSeen) {
        // The agent is ending where nobody listens.
        let _ = self.reports.send(Report::Client { event: ClientEvent { client, what }, taken: None }).await;
    }

    async fn register(&self, client: Identity, what: ClientSeen) -> Result<(), String> {
        let (taken, answer) = oneshot::channel();
        let report = Report::Client { event: ClientEvent { client, what }, taken: Some(taken) };
        let gone = || "the agent is ending".to_owned();
        self.reports.send(report).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn how_it_ended(bystander: &Bystander) -> Exit {
    for _ in 0..ASKED {
        if let Some(exit) = bystander.exit() {
            return exit;
        }
        sleep(ASK).await;
    }
    Exit::Unknown
}

/// A process whose end is waited for.
struct Eye {
    bystander: Bystander,
    pidfd: AsyncFd<OwnedFd>,
}

impl Eye {
    fn on(bystander: Bystander) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let pidfd = AsyncFd::new(bystander.as_fd().try_clone_to_owned()?)?;
        Ok(Self { bystander, pidfd })
    }

    async fn sees_its_end(&self) {
        while !self.bystander.has_ended() {
            match self.pidfd.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is ending.
                Err(_) => return,
            }
        }
    }
}

/// A place among the connections: first perhaps one of a stranger, then one of those who may register.
pub(super) struct Places {
    pub(super) taken: OwnedSemaphorePermit,
    pub(super) room: Arc<Semaphore>,
}

/// One connection.
struct Visit<S> {
    stream: S,
    dialogue: Dialogue,
    peer: Peer,
    hall: Arc<Hall>,
    places: Places,
    client: Option<Eye>,
    left: u32,
    number: u64,
}

/// How a connection ended.
enum End {
    /// With a goodbye, or before anything was registered.
    Done,
    /// The process ended first.
    Gone,
    /// The connection ended first.
    Lost,
}

/// What happened next.
enum Next {
    Bytes(usize),
    Closed,
    ClientEnded,
    TooLate,
}

/// Talks to a peer until it has nothing more to say, and watches on whom it leaves behind.
pub(super) async fn attend<S>(stream: S, dialogue: Dialogue, peer: Peer, hall: Arc<Hall>, places: Places)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let number = hall.visits.fetch_add(1, Ordering::Relaxed);
    let mut visit = Visit { stream, dialogue, peer, hall, places, client: None, left: BURST, number };
    let end = visit.talk().await;
    let Visit { stream, hall, places, client, .. } = visit;
    drop((stream, places));
    let Some(eye) = client else { return };
    if !hall.falls_silent(eye.bystander.identity(), number) {
        // It has registered by another connection, which watches it.
        return;
    }
    match end {
        End::Done => {}
        End::Gone => hall.gone(&eye.bystander).await,
        End::Lost => {
            if timeout(MOMENT, eye.sees_its_end()).await.is_ok() {
                return hall.gone(&eye.bystander).await;
            }
            hall.tell(eye.bystander.identity(), ClientSeen::Disconnected).await;
            hall.watch(eye.bystander);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Visit<S> {
    async fn talk(&mut self) -> End {
        let greeting = self.dialogue.greeting();
        if !self.say(&greeting).await {
            return End::Done;
        }
        let mut buffer = [0; LINE];
        loop {
            match self.next(&mut buffer).await {
                Next::Bytes(length) => {
                    for byte in buffer.iter().take(length) {
                        let Some(heard) = self.dialogue.push(*byte) else { continue };
                        if !self.hear(heard).await {
                            // Whoever is registered and talks nonsense is watched on all the same.
                            return if self.client.is_some() { End::Lost } else { End::Done };
                        }
                        self.breathe().await;
                    }
                }
                Next::Closed => return End::Lost,
                Next::ClientEnded => return self.last_words(&mut buffer).await,
                Next::TooLate => {
                    self.say("NO you said nothing for too long\n").await;
                    return End::Done;
                }
            }
        }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> Next {
        let read = |read: io::Result<usize>| match read {
            Ok(0) | Err(_) => Next::Closed,
            Ok(length) => Next::Bytes(length),
        };
        tokio::select! {
            biased;
            bytes = self.stream.read(buffer) => return read(bytes),
            () = yield_now() => {}
        }
        // Nothing more at once: that was no flood.
        self.left = BURST;
        match &self.client {
            // A goodbye that came before the end of the process comes first.
            Some(eye) => tokio::select! {
                biased;
                bytes = self.stream.read(buffer) => read(bytes),
                () = eye.sees_its_end() => Next::ClientEnded,
            },
            None => timeout(PATIENCE, self.stream.read(buffer)).await.map_or(Next::TooLate, read),
        }
    }

    async fn breathe(&mut self) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            sleep(BREATH).await;
            self.left = BURST;
        }
    }

    /// What the process has sent before it ended.
    async fn last_words(&mut self, buffer: &mut [u8]) -> End {
        for _ in 0..LAST_WORDS / LINE {
            let Ok(Ok(length @ 1..)) = timeout(FAREWELL, self.stream.read(buffer)).await else { break };
            for byte in buffer.iter().take(length) {
                if let Some(Heard::Word(Word::Goodbye)) = self.dialogue.push(*byte) {
                    self.goodbye().await;
                    return End::Done;
                }
            }
        }
        End::Gone
    }

    /// Acts on what was heard; whether the dialogue goes on.
    async fn hear(&mut self, heard: Heard) -> bool {
        match heard {
            Heard::Answer(words) => {
                let Ok(place) = self.places.room.clone().try_acquire_owned() else {
                    self.say("NO too many clients\n").await;
                    return false;
                };
                self.places.taken = place;
                self.say(words).await
            }
            Heard::End(words) => {
                self.say(&words).await;
                false
            }
            Heard::Word(Word::Register { name, pid, heartbeat }) => {
                let seen = ClientSeen::Registered { name, heartbeat };
                match self.register(pid, seen).await {
                    Ok(()) => self.say("OK\n").await,
                    Err(words) => {
                        self.say(&format!("NO {words}\n")).await;
                        false
                    }
                }
            }
            Heard::Word(Word::Stressed(Some(service))) => {
                let _ = self.hall.reports.send(Report::Stressed { service }).await;
                true
            }
            Heard::Word(word) => {
                let Some(identity) = self.client.as_ref().map(|eye| eye.bystander.identity()) else {
                    self.say("NO say REGISTER first\n").await;
                    return false;
                };
                match word {
                    Word::Goodbye => {
                        self.goodbye().await;
                        if let Some(eye) = self.client.take() {
                            self.hall.falls_silent(eye.bystander.identity(), self.number);
                        }
                        self.say("OK\n").await;
                        false
                    }
                    Word::Stressed(_) => {
                        self.hall.tell(identity, ClientSeen::Stressed).await;
                        true
                    }
                    Word::Alive | Word::Register { .. } => {
                        self.hall.tell(identity, ClientSeen::Alive).await;
                        true
                    }
                }
            }
        }
    }

    async fn register(&mut self, pid: i32, seen: ClientSeen) -> Result<(), String> {
        if let Some(eye) = &self.client {
            let identity = eye.bystander.identity();
            if identity.pid != pid {
                return Err("one connection is for one process".to_owned());
            }
            return self.hall.register(identity, seen).await;
        }
        let bystander = self.peer.may_register(pid)?;
        let identity = bystander.identity();
        let eye = Eye::on(bystander).map_err(|error| format!("process {pid} cannot be watched: {error}"))?;
        lock(&self.hall.speaks).insert(identity, self.number);
        if let Err(words) = self.hall.register(identity, seen).await {
            self.hall.falls_silent(identity, self.number);
            return Err(words);
        }
        self.client = Some(eye);
        Ok(())
    }

    async fn goodbye(&self) {
        if let Some(eye) = &self.client {
            self.hall.tell(eye.bystander.identity(), ClientSeen::Goodbye).await;
        }
    }

    /// Whether it was taken.
    async fn say(&mut self, words: &str) -> bool {
        matches!(timeout(PATIENCE, self.stream.write_all(words.as_bytes())).await, Ok(Ok(())))
    }
}
