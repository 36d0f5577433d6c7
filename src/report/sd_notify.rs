//! What the agent tells the service manager that started it (`sd_notify(3)`), the client's side of the protocol.
//!
//! The manager names a datagram socket in `NOTIFY_SOCKET` and, when it wants signs of life, their longest distance in
//! `WATCHDOG_USEC`. Nothing here waits: a manager that does not read its socket must not stop the agent.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Why the manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Neither an absolute path nor an abstract name. `vsock:` (a virtual machine's manager) is not spoken.
    #[error("NOTIFY_SOCKET is neither an absolute path nor an abstract name that begins with @")]
    Address,
    /// The path is too long for a socket, or no socket is to be had.
    #[error("the socket of NOTIFY_SOCKET cannot be used")]
    Socket(#[source] io::Error),
    /// The manager is gone, or its queue is full and it does not read.
    #[error("the service manager could not be told")]
    Send(#[source] io::Error),
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// The agent works.
    Ready,
    /// It takes over another document; [`State::Ready`] ends that. Carries the time of sending, which the manager needs
    /// to tell an old message from a new one (systemd 253, `Type=notify-reload`).
    Reloading,
    /// It stops.
    Stopping,
    /// One line for people.
    Status(&'a str),
    /// A sign of life. To be sent by the loop itself, or it would prove nothing.
    Watchdog,
}

/// The open end towards the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Notifier {
    /// From the value of `NOTIFY_SOCKET`; an empty one is none.
    pub fn new(value: &[u8]) -> Result<Option<Self>, NotifyError> {
        let Some(to) = address(value)? else { return Ok(None) };
        let socket = UnixDatagram::unbound().map_err(NotifyError::Socket)?;
        socket.set_nonblocking(true).map_err(NotifyError::Socket)?;
        Ok(Some(Self { socket, to }))
    }

    /// One message, in one datagram. A full queue is an error at once, never a wait; the next sign of life makes up for
    /// a lost one.
    pub fn tell(&self, states: &[State<'_>]) -> Result<(), NotifyError> {
        let now = clock_gettime(ClockId::Monotonic);
        let since_boot = Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0));
        let text: String = states.iter().map(|state| message(*state, since_boot)).collect();
        self.socket.send_to_addr(text.as_bytes(), &self.to).map(drop).map_err(NotifyError::Send)
    }
}

/// Where `NOTIFY_SOCKET` leads: a path, or behind `@` an abstract name (unix(7)).
pub fn address(value: &[u8]) -> Result<Option<SocketAddr>, NotifyError> {
    match value {
        [] => Ok(None),
        [b'@', name @ ..] if !name.is_empty() => {
            SocketAddr::from_abstract_name(name).map(Some).map_err(NotifyError::Socket)
        }
        [b'/', ..] => {
            SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(value)).map(Some).map_err(NotifyError::Socket)
        }
        _ => Err(NotifyError::Address),
    }
}

/// The text of one state, with its line end. `now` is `CLOCK_MONOTONIC`.
pub fn message(state: State<'_>, now: Duration) -> String {
    match state {
        State::Ready => "READY=1\n".to_owned(),
        State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()),
        State::Stopping => "STOPPING=1\n".to_owned(),
        State::Status(text) => format!("STATUS={}\n", super::lines::clean(text)),
        State::Watchdog => "WATCHDOG=1\n".to_owned(),
    }
}

/// How often a sign of life is due, from the values of `WATCHDOG_USEC` and `WATCHDOG_PID`: half the manager's limit, as
/// `sd_watchdog_enabled(3)` advises. None when no sign is wanted, when it is wanted of another process (the variables
/// are inherited), or when the value makes no sense.
pub fn sign_of_life_every(usec: Option<&[u8]>, pid: Option<&[u8]>, own_pid: u32) -> Option<Duration> {
    let limit = number(usec?).filter(|usec| *usec > 0 && *usec < u64::MAX)?;
    match pid {
        Some(pid) if number(pid) != Some(u64::from(own_pid)) => None,
        Some(_) | None => Some(Duration::from_micros(limit.div_ceil(2))),
    }
}

/// A decimal number and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
