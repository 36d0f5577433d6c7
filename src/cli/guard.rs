//! `guard`: any command as a registered store client ([R14]).
//!
//! The command is our child in our own process group, so the terminal is its own: what the terminal sends reaches both,
//! and what somebody sends to us alone is handed on. It does not begin before it is registered; where no agent is there,
//! that is said and it runs all the same.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, MemfdFlags, flock, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

use super::args::{Agent, Guard, Place};
use super::failure::{Failure, SYSTEM};
use super::folders;
use super::terminal::say;
use crate::clients::SOCKET;
use crate::supervise::Relay;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried again while the agent is away.
const AGAIN: Duration = Duration::from_secs(2);
/// As a shell has it: the command was found and cannot be executed, or was not found.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// A shell ends with this and the number of the signal where its last command was killed: that was no clean end.
const KILLED: i32 = 128;

/// Runs the command to its end and ends as it did.
pub(crate) fn guard(agent: &Agent, said: &Guard) -> Result<u8, Failure> {
    if let Some(gate) = &said.after {
        return Err(become_command(gate, &said.command));
    }
    let socket = folders::client(agent, &Place::default())?.socket().with_file_name(SOCKET);
    let system = |error: std::io::Error| Failure::of(SYSTEM, &error);
    // The command waits behind a lock that ends with us, whatever happens to us.
    let gate = memfd_create("mailward-guard", MemfdFlags::CLOEXEC).map_err(|error| Failure::of(SYSTEM, &error))?;
    flock(&gate, FlockOperation::LockExclusive).map_err(|error| Failure::of(SYSTEM, &error))?;
    let mut relay = Relay::begin().map_err(system)?;
    let mut child = Command::new("/proc/self/exe")
        .args(["guard", "--after"])
        .arg(format!("/proc/{}/fd/{}", std::process::id(), gate.as_raw_fd()))
        .arg("--")
        .args(&said.command)
        .spawn()
        .map_err(system)?;
    let pid = i32::try_from(child.id()).unwrap_or(0);
    let name = said.name.clone().unwrap_or_else(|| name_of(&said.command));
    let line = Line::begin(socket, name, pid);
    drop(gate);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(system)? {
            break status;
        }
        let relayed = relay.wait().map_err(system)?;
        if !relayed.is_of_child() && !relayed.by_kernel {
            hand_on(&child, relayed.signal);
        }
    };
    // Whoever ends of its own accord, with whatever code, has had the time to let go of its locks.
    let is_clean = status.code().is_some_and(|code| code < KILLED);
    if is_clean {
        line.say_goodbye();
    }
    let code = status.code().or_else(|| status.signal().map(|signal| KILLED + signal)).unwrap_or(i32::from(SYSTEM));
    Ok(u8::try_from(code).unwrap_or(SYSTEM))
}

/// Our own half that becomes the command, once the gate is open.
fn become_command(gate: &Path, command: &[std::ffi::OsString]) -> Failure {
    // Where there is no gate nobody holds us back.
    if let Ok(gate) = File::open(gate) {
        let _ = flock(&gate, FlockOperation::LockShared);
    }
    let Some((program, words)) = command.split_first() else { return Failure::new(NOT_FOUND, "there is no command") };
    let error = Command::new(program).args(words).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    Failure::new(code, format!("{}: {error}", program.to_string_lossy()))
}

fn hand_on(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        // It may have ended, and is not reaped before this loop asks.
        let _ = kill_process(pid, signal);
    }
}

/// The program's own name, as far as a line can hold it.
fn name_of(command: &[std::ffi::OsString]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = program.chars().map(fits).take(64).collect();
    if name.is_empty() { "guarded".to_owned() } else { name }
}

/// Our connection to the watcher, held by a thread; made again where the agent comes back.
struct Line {
    stream: Arc<Mutex<Option<UnixStream>>>,
    ended: Receiver<()>,
}

impl Line {
    fn begin(socket: PathBuf, name: String, pid: i32) -> Self {
        let first = match register(&socket, &name, pid) {
            Ok(stream) => Some(stream),
            Err(words) => {
                say(&format!("mailward guard: {name} runs unguarded: {words}"));
                None
            }
        };
        let stream = Arc::new(Mutex::new(first));
        let (tell, ended) = channel();
        let shared = Arc::clone(&stream);
        // It ends with the process; without a thread the first connection serves for as long as it lasts.
        let _ = std::thread::Builder::new().spawn(move || hold(&shared, &tell, &|| register(&socket, &name, pid)));
        Self { stream, ended }
    }

    /// The agent must have heard it before our command's end is everybody's to see, which is when we end.
    fn say_goodbye(&self) {
        let told = lock(&self.stream).as_mut().is_some_and(|stream| stream.write_all(b"GOODBYE\n").is_ok());
        if told {
            let _ = self.ended.recv_timeout(PATIENCE);
        }
    }
}

fn lock(stream: &Mutex<Option<UnixStream>>) -> MutexGuard<'_, Option<UnixStream>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hold(shared: &Mutex<Option<UnixStream>>, tell: &Sender<()>, again: &dyn Fn() -> Result<UnixStream, String>) {
    loop {
        let stream = lock(shared).as_ref().and_then(|stream| stream.try_clone().ok());
        if let Some(stream) = stream {
            let _ = stream.set_read_timeout(None);
            // The agent says nothing but the answer to a goodbye; otherwise this is its end.
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line);
            *lock(shared) = None;
            let _ = tell.send(());
        }
        sleep(AGAIN);
        if let Ok(stream) = again() {
            *lock(shared) = Some(stream);
        }
    }
}

/// Registers a process; the words say why not.
fn register(socket: &Path, name: &str, pid: i32) -> Result<UnixStream, String> {
    let words = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!("no agent watches on {}", socket.display())
        }
        _ => format!("{}: {error}", socket.display()),
    };
    let mut stream = UnixStream::connect(socket).map_err(words)?;
    stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(words)?;
    let mut lines = BufReader::new(stream.try_clone().map_err(words)?).lines();
    let mut answer = || lines.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into())).map_err(words);
    let greeting = answer()?;
    if !greeting.starts_with("MAILWARD 1") {
        return Err(greeting.strip_prefix("NO ").unwrap_or("this is no watcher").to_owned());
    }
    stream.write_all(format!("REGISTER {name} {pid}\n").as_bytes()).map_err(words)?;
    let answer = answer()?;
    if answer == "OK" { Ok(stream) } else { Err(answer.strip_prefix("NO ").unwrap_or(&answer).to_owned()) }
}
