//! How a service is started, told to be ready, reloaded and stopped. Data for the executor; the planner sees none of it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Probe;

/// Everything needed to run one service. Kept in the ledger beside a running process, so that a service removed from
/// the document is stopped by the declaration it was started with ([R19]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Program and arguments; the program is absolute (resolved against `serverRoot`) or found in `PATH`.
    pub command: Vec<String>,
    /// User to run as; the agent's own when absent.
    pub user: Option<String>,
    /// Unix group to run as; the user's primary group when absent.
    pub user_group: Option<String>,
    /// Added to a clean base environment (PATH, HOME, USER, LOGNAME, SHELL, LANG), in order.
    pub environment: Vec<(String, String)>,
    /// Working directory; `/` when absent.
    pub directory: Option<String>,
    /// Resource limits; few services have any.
    pub limits: Option<Box<Limits>>,
    /// How it says that it is ready.
    pub readiness: Readiness,
    /// How often it gives a sign of life once it is ready (`WATCHDOG=1`); told to it as `WATCHDOG_USEC`.
    #[serde(default)]
    pub watchdog: Option<Duration>,
    /// The file that names the main process: of a daemonising service, or one to be removed when stale ([R5]).
    pub pid_file: Option<String>,
    /// First rung of the stop ladder.
    pub stop_signal: Signal,
    /// How changed files are taken over without a restart.
    pub reload: Option<Reload>,
    /// Time limit of a reload command.
    pub reload_timeout: Duration,
    /// The product's own configuration checker, run before anything is stopped.
    pub check: Vec<String>,
    /// Time limit of the checker.
    pub check_timeout: Duration,
    /// Files whose change reloads or restarts it.
    pub watch_files: Vec<String>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// The command that asks whether it serves, beside its listeners; empty where there is none.
    #[serde(default)]
    pub probe: Vec<String>,
    /// Where its output goes.
    pub output: Output,
    /// The name of its log, where that is not the service's own.
    pub log: Option<String>,
}

impl Launch {
    /// Whether it says whom to run as; it runs as the agent does where it does not.
    pub fn names_account(&self) -> bool {
        self.user.is_some() || self.user_group.is_some()
    }

    /// How many answers a round of probes brings: one of each listener, then the command's.
    pub fn questions(&self) -> usize {
        self.listeners.len() + usize::from(!self.probe.is_empty())
    }

    /// Who gave the answer of this number: `Imap 143`, or `Command bin/check`. What else is in the command may be secret.
    pub fn question(&self, number: u16) -> Option<String> {
        let number = usize::from(number);
        let command = || self.probe.first().filter(|_| number == self.listeners.len());
        let listener = self.listeners.get(number).map(ToString::to_string);
        listener.or_else(|| command().map(|program| format!("Command {program}")))
    }
}

/// Resource limits, as setrlimit(2) takes them; absent means inherited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `RLIMIT_NOFILE`.
    pub open_files: Option<u64>,
    /// `RLIMIT_NPROC`.
    pub processes: Option<u64>,
    /// `RLIMIT_CORE`, bytes.
    pub core_size: Option<u64>,
    /// `RLIMIT_FSIZE`, bytes.
    pub file_size: Option<u64>,
    /// `RLIMIT_AS`, bytes.
    pub address_space: Option<u64>,
    /// `RLIMIT_MEMLOCK`, bytes.
    pub locked_memory: Option<u64>,
}

/// How a service says that it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// `READY=1` on the socket of `NOTIFY_SOCKET` (`sd_notify(3)`).
    Notify,
    /// Every enabled listener accepts and greets as its protocol demands.
    Probe,
    /// This command exits 0.
    Command(Vec<String>),
    /// The daemonising starter has ended and [`Launch::pid_file`] names a living process; that is then the main process.
    PidFile,
    /// Running is ready.
    #[default]
    Immediate,
}

/// How a service takes over changed files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reload {
    /// This command; exit 0 means taken over.
    Command(Vec<String>),
    /// This signal to the main process.
    Signal(Signal),
}

/// The signals a document may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM.
    #[default]
    Term,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGWINCH.
    Winch,
}

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// TCP address; `127.0.0.1` is where it is probed when absent.
    pub address: Option<String>,
    /// TCP port, or none where `socket` is said.
    pub port: Option<u16>,
    /// Path of a Unix socket.
    pub socket: Option<String>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Whether TLS is spoken from the first byte.
    pub tls: Tls,
    /// What its probe asks for and expects.
    #[serde(default)]
    pub probe: Probe,
}

impl fmt::Display for Listener {
    /// Its protocol and its place, short: `Imap 143`, `Imap 993 TLS`, `Lmtp /run/dovecot/lmtp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.protocol)?;
        match (&self.socket, self.port) {
            (Some(path), _) => write!(f, " {path}")?,
            (None, Some(port)) => write!(f, " {port}")?,
            (None, None) => {}
        }
        match self.tls {
            Tls::None => Ok(()),
            Tls::Implicit => f.write_str(" TLS"),
            Tls::StartTls => f.write_str(" STARTTLS"),
        }
    }
}

/// The protocol of a listener, which says what greeting means alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// RFC 9051.
    Imap,
    /// RFC 1939.
    Pop3,
    /// RFC 5321.
    Smtp,
    /// RFC 6409: SMTP on the submission port.
    Submission,
    /// RFC 2033.
    Lmtp,
    /// RFC 9110; the client speaks first.
    Http,
    /// RFC 5804.
    ManageSieve,
    /// Nothing is known but that it accepts.
    Tcp,
}

/// TLS on a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Tls {
    /// Never.
    #[default]
    None,
    /// From the first byte.
    Implicit,
    /// After STARTTLS.
    StartTls,
}

/// Where a service's standard output and error go ([R15]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Output {
    /// `<dataRoot>/log/NAME`, rotated by size.
    #[default]
    File,
    /// The agent's standard output, each line behind the service's name.
    Stdout,
    /// The system's journal, under the service's name as identifier.
    Journal,
}
