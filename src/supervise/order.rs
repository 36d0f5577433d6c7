//! From a declaration to what a child needs: program, environment, account, limits.

use std::borrow::Cow;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::account::Account;
use super::birth::{Birth, Entrance, Limit, Texts, holds_nul};
use super::proc::MARKER;
use crate::desired::{Launch, Limits};

/// Where programs without a slash are looked for, and what a service finds in `PATH` (as systemd and Debian have it).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that is about to be run.
#[derive(Debug)]
pub(super) struct Order {
    /// What the child reads.
    pub(super) birth: Birth,
    /// What the words of a failure need.
    pub(super) about: About,
}

/// What a failure to start is explained with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The program as declared.
    pub(super) program: String,
    /// Who was to run it.
    pub(super) user: String,
    /// The directories that were searched.
    pub(super) path: String,
    /// Names of the limits, in the order of [`Birth::limits`].
    pub(super) limits: Vec<&'static str>,
}

/// What differs between a service and its errands.
pub(super) struct Purpose<'a> {
    /// Program and arguments.
    pub(super) command: &'a [String],
    /// The marker of a service's processes; an errand has none.
    pub(super) marker: Option<String>,
    /// `NOTIFY_SOCKET`.
    pub(super) notify: Option<&'a Path>,
    /// `WATCHDOG_USEC`: how often it is to give a sign of life.
    pub(super) watchdog: Option<std::time::Duration>,
    /// `MAINPID` for an errand of a running service.
    pub(super) main: Option<i32>,
    /// FIFO for output.
    pub(super) output: &'a Path,
    /// The cgroup to be in.
    pub(super) cgroup: Option<Entrance>,
    /// Whether the agent is protected from the out-of-memory killer.
    pub(super) forgive_oom: bool,
    /// Whether our standard input is `/dev/null`.
    pub(super) keeps_input: bool,
    /// The agent's own program and the way to ask it.
    pub(super) agent: &'a Own,
}

/// What a command that is this program, or asks this agent, is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The program that runs as the agent: what `mailward` means as a command without a path, also where it is in no
    /// directory of PATH.
    pub program: Option<std::path::PathBuf>,
    /// The control socket, told as `MAILWARD_SOCKET`.
    pub socket: Option<std::path::PathBuf>,
}

/// The program that an [`Own`] is meant by.
const MAILWARD: &str = "mailward";

impl Order {
    /// Prepares a command of a service; the words say what is wrong with the declaration.
    pub(super) fn new(launch: &Launch, account: &Account, purpose: Purpose<'_>) -> Result<Self, String> {
        let program = purpose.command.first().ok_or("no command is declared; write `command`")?;
        let mut environment = Environment::base(account);
        if let Some(socket) = &purpose.agent.socket {
            environment.set("MAILWARD_SOCKET", socket.to_string_lossy());
        }
        for (name, value) in &launch.environment {
            environment.set(name, value.as_str());
        }
        if let Some(socket) = purpose.notify {
            environment.set("NOTIFY_SOCKET", socket.to_string_lossy());
        }
        if let Some(every) = purpose.watchdog {
            environment.set("WATCHDOG_USEC", every.as_micros().to_string());
        }
        if let Some(pid) = purpose.main {
            environment.set("MAINPID", pid.to_string());
        }
        if let Some(marker) = &purpose.marker {
            environment.set(MARKER, marker.as_str());
        }
        let path = environment.get("PATH").unwrap_or(PATH).to_owned();
        let own = purpose.agent.program.as_ref().filter(|_| program == MAILWARD);
        let candidates = if let Some(own) = own {
            vec![CString::new(own.as_os_str().as_bytes()).map_err(|e| e.to_string())?]
        } else if program.contains('/') {
            vec![text(program.as_str())?]
        } else {
            path.split(':')
                .map(|folder| text(format!("{}/{program}", if folder.is_empty() { "." } else { folder })))
                .collect::<Result<_, _>>()?
        };
        let (names, limits) = limits(&launch.limits.as_deref().copied().unwrap_or_default());
        // Taking the ids we have needs a privilege that an agent without root lacks, and would change nothing.
        let keeps = || {
            let own = rustix::process::geteuid().as_raw();
            launch.user_group.is_none() && own != 0 && account.ids.uid == own
        };
        let ids = (launch.names_account() && !keeps()).then(|| account.ids.clone());
        let mut argv = Texts::default();
        purpose.command.iter().try_for_each(|argument| argv.push(&[argument]))?;
        let birth = Birth {
            candidates,
            argv,
            envp: environment.texts()?,
            directory: text(launch.directory.as_deref().unwrap_or("/"))?,
            output: CString::new(purpose.output.as_os_str().as_bytes()).map_err(|e| e.to_string())?,
            cgroup: purpose.cgroup,
            ids,
            limits,
            forgive_oom: purpose.forgive_oom,
            keeps_input: purpose.keeps_input,
            gate: None,
        };
        let about = About { program: program.clone(), user: account.name.clone(), path, limits: names };
        Ok(Self { birth, about })
    }
}

fn text(value: impl Into<Vec<u8>>) -> Result<CString, String> {
    CString::new(value).map_err(|error| holds_nul(&String::from_utf8_lossy(&error.into_vec())))
}

/// Variables in order, the last value of a name standing.
struct Environment<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Environment<'a> {
    /// Clean: nothing of the agent's own environment reaches a service.
    fn base(account: &'a Account) -> Self {
        let pairs = [
            ("PATH", PATH),
            ("HOME", &account.home),
            ("USER", &account.name),
            ("LOGNAME", &account.name),
            ("SHELL", &account.shell),
            ("LANG", "C.UTF-8"),
        ];
        Self(pairs.map(|(name, value)| (name, Cow::Borrowed(value))).into())
    }

    fn set(&mut self, name: &'a str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| &**value)
    }

    fn texts(&self) -> Result<Texts, String> {
        let mut texts = Texts::default();
        self.0.iter().try_for_each(|(name, value)| texts.push(&[name, "=", value]))?;
        Ok(texts)
    }
}

fn limits(declared: &Limits) -> (Vec<&'static str>, Vec<Limit>) {
    [
        ("limits.openFiles", libc::RLIMIT_NOFILE, declared.open_files),
        ("limits.processes", libc::RLIMIT_NPROC, declared.processes),
        ("limits.coreSize", libc::RLIMIT_CORE, declared.core_size),
        ("limits.fileSize", libc::RLIMIT_FSIZE, declared.file_size),
        ("limits.addressSpace", libc::RLIMIT_AS, declared.address_space),
        ("limits.lockedMemory", libc::RLIMIT_MEMLOCK, declared.locked_memory),
    ]
    .into_iter()
    .filter_map(|(name, resource, value)| Some((name, Limit { resource, value: value? })))
    .unzip()
}
