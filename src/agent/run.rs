//! From the command line to the loop and out again.

use std::collections::{BTreeSet, HashMap};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Settings;
use super::canary::Flights;
use super::chronicle::Chronicle;
use super::cluster::Cluster;
use super::declared::Content;
use super::first::{self, Ears, First};
use super::front::{self, Front};
use super::gauges::Gauges;
use super::handover::Parting;
use super::inquiries::Inquiries;
use super::off_loop::OffLoop;
use super::rounds::Rounds;
use super::schedule;
use super::signals::Signals;
use super::turns::{After, Agent, Batch, Door, now};
use super::wishes::Wish;
use crate::clients::Clients;
use crate::clock::Alarm;
use crate::control;
use crate::engine::{Engine, HANDED_OVER, Record};
use crate::history::{Hold, Marks};
use crate::ledger::{Epoch, Journal, State};
use crate::model::Name;
use crate::observe::surroundings;
use crate::plan::{Event, Seen};
use crate::report::Handover;
use crate::report::sd_notify::{self, Notifier};
use crate::sources::Sources;
use crate::supervise::{Host, HostConfig, Own, Told, give_back_code, succeed};

/// How long the start of the services waits for the first reading of their watched files: a file system that does not
/// answer must not keep them down.
const FIRST_READING: Duration = Duration::from_secs(5);

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A folder cannot be made.
    #[error("the folder {path} cannot be made; choose another with --state-dir or --runtime-dir")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another agent has the runtime folder.
    #[error("another agent (pid {pid}) runs with {path}; stop it first, or choose another --runtime-dir")]
    Busy {
        /// The other one.
        pid: String,
        /// The folder.
        path: PathBuf,
    },
    /// There is no good document, and none was ever in force.
    #[error("{0}\nthere is no good document, and none was in force before; nothing is started")]
    NoDocument(String),
    /// Nobody could read its health.
    #[error("{address} cannot be listened on; say another --health")]
    Health {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The API server cannot even be tried.
    #[cfg(feature = "kubernetes")]
    #[error("the API server cannot be found")]
    Link(#[source] crate::kubernetes::LinkError),
    /// This build cannot.
    #[cfg(not(feature = "kubernetes"))]
    #[error("this mailward is built without the feature `kubernetes`")]
    NoKubernetes,
    /// Nobody could talk to it.
    #[error("the control socket cannot be had")]
    Control(#[from] control::ListenError),
    /// Supervision cannot begin.
    #[error("the services cannot be supervised")]
    Host(#[from] crate::supervise::HostError),
    /// It gave up under an HA manager, and everything has stopped: another node is to take over ([R23]).
    #[error("{0}")]
    HandedOver(String),
    /// The system refuses something.
    #[error("{what} cannot be had")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    /// The exit code (sysexits.h): 78 for a document, 75 for another agent, 71 for the system; 69 after a hand-over, and
    /// then only.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoDocument(_) => 78,
            #[cfg(feature = "kubernetes")]
            Self::Link(_) => 78,
            #[cfg(not(feature = "kubernetes"))]
            Self::NoKubernetes => 78,
            Self::HandedOver(_) => HANDED_OVER,
            Self::Busy { .. } => 75,
            Self::Folder { .. } => 73,
            Self::Health { .. } | Self::Host(_) | Self::Control(_) | Self::System { .. } => 71,
        }
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// Runs the agent until it is told to end.
///
/// # Errors
/// It could not begin; once it runs, it ends only when told.
pub fn run(settings: &Settings) -> Result<(), RunError> {
    let mut settings = settings.clone();
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("the runtime"))?;
        let ended = runtime.block_on(supervise(&settings))?;
        // What reads from a file system that does not answer is not waited for.
        runtime.shutdown_background();
        let Ended::InFavourOf(program) = ended else { return Ok(()) };
        let error = succeed(&program, &settings.successor);
        // Nobody else is there to look after the services, so this program takes them back.
        tracing::error!("this agent goes on: {} cannot be executed: {error}", program.display());
        settings.hold_all_but = None;
    }
}

/// How an agent's life ends.
enum Ended {
    /// The process may end.
    Done,
    /// This program is to go on in this process.
    InFavourOf(PathBuf),
}

async fn supervise(settings: &Settings) -> Result<Ended, RunError> {
    make_folder(&settings.runtime_dir)?;
    make_folder(&settings.state_dir)?;
    let lock = lock(&settings.runtime_dir)?;
    let (events, mut seen) = mpsc::channel(1_024);
    let (candidates, mut declared) = mpsc::channel(16);
    let (requests, mut asked) = mpsc::channel(64);
    let (told, mut found) = mpsc::channel(64);
    let (reports, mut reported) = mpsc::channel(256);
    let signals = Signals::take().map_err(system("a descriptor for signals"))?;
    let mut alarm = Alarm::new().map_err(system("a timer"))?;
    let access = control::Access::new(rustix::process::getuid().as_raw(), false);
    let socket = settings.runtime_dir.join("control.sock");
    let listener = control::listen(&socket, &access).await?;
    if !settings.health.is_empty() {
        let health = TcpListener::bind(&*settings.health).await;
        let health = health.map_err(|source| RunError::Health { address: settings.health[0], source })?;
        tokio::spawn(control::serve_health(health, requests.clone()));
    }
    let answers = tokio::spawn(control::serve(listener, requests.clone(), access.clone()));
    let state = State::new(&settings.state_dir);
    let (first, front) = match &settings.resource {
        None => (first::of_file(settings, &state)?, None),
        Some(resource) => {
            let link = front::open(resource, candidates.clone(), requests.clone()).await?;
            let ears = Ears { declared: &mut declared, asked: &mut asked, signals: &signals };
            let Some(first) = first::of_resource(resource, &link, &state, ears).await else {
                let _ = std::fs::remove_file(&socket);
                return Ok(Ended::Done);
            };
            let looked_at = first.looked_at;
            (first, Some(Front::new(resource.clone(), link, looked_at)))
        }
    };
    let tellers = Tellers { events, candidates, told, reports };
    let mut agent = begin(settings, Door { socket, access: access.clone() }, tellers, (state, first, front))?;
    let descriptor: OwnedFd = agent.host.fd().try_clone_to_owned().map_err(system("a descriptor"))?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
    )]
    let host = AsyncFd::new(descriptor).map_err(system("the runtime"))?;
    agent.tell_systemd(&[sd_notify::State::Ready]);

    let mut batch = Batch { events: first_reading(&agent, &mut seen).await, ..Batch::default() };
    let mut more = true;
    let mut starting = true;
    loop {
        if starting && !more && agent.is_settled() {
            starting = false;
            give_back_code();
        }
        tokio::select! {
            // What a service does comes first, for a restart waits for it; it cannot keep the others out, since once its
            // descriptor is clear nothing of it is ready until the reactor was asked anew.
            biased;
            // Each arm is cancel safe: a channel keeps what nobody took, a descriptor and an alarm stay ready.
            ready = host.readable(), if !more => ready.map_err(system("the runtime"))?.clear_ready(),
            rung = alarm.rings() => rung.map_err(system("a timer"))?,
            Some(event) = seen.recv() => batch.events.push(event),
            Some(candidate) = declared.recv() => batch.candidates.push(candidate),
            Some(request) = asked.recv() => batch.requests.push(request),
            Some(told) = found.recv() => batch.told.push(told),
            Some(report) = reported.recv() => batch.clients.push(report),
            told = signals.next() => match told.map_err(system("signals"))? {
                Told::End => batch.end = true,
                Told::Reopen => batch.reopen = true,
            },
            // A service that floods its output keeps the host busy without end. Signals, and whoever asks on the
            // control socket, which is served by tasks of this thread, get their turn all the same.
            () = tokio::task::yield_now(), if more => {}
        }
        let at = now();
        more = agent.drain_host(&mut batch.events);
        batch.events.extend(std::iter::from_fn(|| seen.try_recv().ok()));
        batch.candidates.extend(std::iter::from_fn(|| declared.try_recv().ok()));
        batch.clients.extend(std::iter::from_fn(|| reported.try_recv().ok()));
        batch.requests.extend(std::iter::from_fn(|| asked.try_recv().ok()));
        batch.told.extend(std::iter::from_fn(|| found.try_recv().ok()));
        let (ended, done) = match agent.turn(at, std::mem::take(&mut batch), &mut alarm).map_err(system("a timer"))? {
            After::Wait => continue,
            After::End(done) => (Ended::Done, done),
            After::Renew(program, done) => (Ended::InFavourOf(program), Some(done)),
        };
        let parted = agent.parts(at);
        agent.chronicle.ends(at);
        agent.last_good.settle();
        agent.schedule.settle();
        let _ = std::fs::remove_file(&agent.door.socket);
        agent.clients.set(None);
        if let Some(done) = done {
            let _ = done.send(Ok(()));
            agent.host.leave();
        }
        // The server ends when nobody takes its requests any more and its last answers are sent; followers leave with the
        // chronicle.
        drop(agent.chronicle);
        drop(asked);
        let _ = answers.await;
        // A keeper that was just left may not have closed its copy of the descriptor yet, which holds the same lock.
        let _ = rustix::fs::flock(&lock, FlockOperation::Unlock);
        return parted.map_or(Ok(ended), Err);
    }
}

/// Waits until all watched files were read once. A service that is started before that would run with what nobody has
/// seen, and an edit in between would be taken for what it runs with ([R19]).
async fn first_reading(agent: &Agent, seen: &mut mpsc::Receiver<Event>) -> Vec<Event> {
    let services = &agent.engine.desired().services;
    let watched = services.iter().filter(|service| !service.launch.watch_files.is_empty());
    let mut unread: BTreeSet<Name> = watched.map(|service| service.name.clone()).collect();
    let mut events = Vec::new();
    let all = async {
        while !unread.is_empty() {
            let Some(event) = seen.recv().await else { break };
            if matches!(event.what, Seen::Files(_)) {
                unread.remove(&event.service);
            }
            events.push(event);
        }
    };
    // In time or not, the services start now.
    let _ = tokio::time::timeout(FIRST_READING, all).await;
    events
}

/// The ways by which what goes on beside the loop tells it.
struct Tellers {
    events: mpsc::Sender<Event>,
    candidates: mpsc::Sender<crate::sources::Candidate>,
    told: mpsc::Sender<crate::observe::round::Told>,
    reports: mpsc::Sender<crate::clients::Report>,
}

/// Everything up to the first turn.
fn begin(
    settings: &Settings,
    door: Door,
    Tellers { events, candidates, told, reports }: Tellers,
    (state, first, front): (State, First, Option<Front>),
) -> Result<Agent, RunError> {
    let at = now();
    let First { wish: Wish { desired, site, warnings, newer }, bytes: in_force, refused, .. } = first;
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut chronicle = Chronicle::new(&site, &name, pid);
    chronicle.begins(at);
    for warning in warnings {
        chronicle.message(at, crate::report::default_log::Level::Warning, &warning);
    }
    if let Some(refused) = &refused {
        let words = format!("the last good document is in force: {}", refused.words);
        chronicle.message(at, crate::report::default_log::Level::Warning, &words);
    }
    let (journal, kept) = Journal::open(
        &settings.runtime_dir,
        Epoch::present(settings.resource.as_ref().map(|resource| resource.pod_uid.as_str())),
    );
    let held = state.holds();
    let mut records: HashMap<Name, Record> = kept.services;
    for name in &held {
        let record = records.entry(Name::from(name.as_str())).or_default();
        record.marks = Marks { hold: Some(Hold::Held), ..std::mem::take(&mut record.marks) };
    }
    let mut engine = Engine::new(desired, journal.life(), records);
    engine.recall_tasks(schedule::recalled(kept.tasks, &state));
    if let Some(names) = &settings.hold_all_but {
        let names: Vec<Name> = names.iter().map(|name| Name::from(name.as_str())).collect();
        engine.hold_what_does_not_run_but(&names);
    }
    let log_dir = Path::new(&site.data_root).join("log");
    let host = Host::new(HostConfig {
        // Services have another working directory, and are told of their sockets.
        runtime_dir: std::path::absolute(&settings.runtime_dir).unwrap_or_else(|_| settings.runtime_dir.clone()),
        log_dir,
        rotate_size: site.rotate_size.unwrap_or(0),
        keep: site.keep,
        instance: instance_name(&settings.runtime_dir),
        cgroups: true,
        own: Own { program: own_program(), socket: std::path::absolute(&door.socket).ok() },
        orphans: true,
    })?;
    let file = settings.resource.is_none().then_some(&*settings.config);
    let sources = Sources::start(file, candidates, events.clone()).map_err(system("a thread"))?;
    let usec = std::env::var_os("WATCHDOG_USEC");
    let watch_pid = std::env::var_os("WATCHDOG_PID");
    let bytes = |value: &Option<std::ffi::OsString>| value.as_ref().map(|value| value.as_encoded_bytes().to_vec());
    let every =
        sd_notify::sign_of_life_every(bytes(&usec).as_deref(), bytes(&watch_pid).as_deref(), pid.unsigned_abs());
    let notifier =
        std::env::var_os("NOTIFY_SOCKET").and_then(|value| Notifier::new(value.as_encoded_bytes()).ok().flatten());
    let book = Handover::new(&name, &settings.state_dir, Path::new(&site.data_root));
    let mut agent = Agent {
        engine,
        host,
        chronicle,
        name,
        pid,
        refused,
        newer,
        conditions: Vec::new(),
        journal,
        last_good: OffLoop::new(state.clone(), State::save_last_good),
        schedule: OffLoop::new(state.clone(), State::save_schedule),
        state,
        sources,
        probings: HashMap::new(),
        events,
        flights: Flights::new(told.clone()),
        gauges: Gauges::new(told.clone()),
        rounds: Rounds::new(told),
        inquiries: Inquiries::default(),
        door,
        clients: Clients::new(&settings.runtime_dir, reports),
        parting: Parting::new(book),
        cluster: Cluster { born: surroundings::surroundings(), ..Cluster::default() },
        notifier,
        watchdog: every.map(|every| (every, at.boot)),
        held,
        said: String::new(),
        departed: Vec::new(),
        in_force: Content::default(),
        front,
    };
    agent.put_in_force(&site);
    agent.clients.watch_again(agent.engine.observed().clients.keys().copied());
    if let Some(front) = &agent.front {
        front.link.changed();
    }
    agent.takes_over(at);
    agent.keep_last_good(at, in_force);
    Ok(agent)
}

fn make_folder(path: &Path) -> Result<(), RunError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|source| RunError::Folder { path: path.to_owned(), source })
}

/// One agent a runtime folder: two would own the same services.
fn lock(folder: &Path) -> Result<File, RunError> {
    let path = folder.join("agent.pid");
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .mode(0o644)
        .open(&path)
        .map_err(|source| RunError::Folder { path: path.clone(), source })?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let pid = std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
        return Err(RunError::Busy { pid, path: folder.to_owned() });
    }
    let _ = file.set_len(0);
    let _ = writeln!(file, "{}", rustix::process::getpid().as_raw_nonzero());
    Ok(file)
}

/// The program that this process runs, by a path that still leads to it, or to its successor, once it was replaced.
pub(super) fn own_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    // The kernel says so of a file that was replaced (proc_pid_exe(5)).
    let text = path.to_string_lossy();
    Some(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Tells the services of this agent from those of another on the machine: by the runtime folder, which is locked.
fn instance_name(runtime_dir: &Path) -> String {
    let path = std::path::absolute(runtime_dir).unwrap_or_else(|_| runtime_dir.to_owned());
    format!("{:016x}", crate::model::Fingerprint::of(path.as_os_str().as_encoded_bytes()).0)
}
