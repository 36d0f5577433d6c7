//! How a running service is probed, and what a hang of it leads to ([R8]).

use std::time::Duration;

use crate::model::Name;

/// What the document says about the probes of one service: its own values, then the general ones, then the profile's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Whether rounds ask it: it has listeners or a command, and nobody switched its probes off.
    pub enabled: bool,
    /// Silence longer than this is a sign of a hang.
    pub timeout: Duration,
    /// An answer slower than this is a warning.
    pub warning: Duration,
    /// Failed rounds in a row that make a hang; at least one.
    pub failures: u32,
    /// Time between two rounds of its own; none where somebody asks for them.
    pub period: Option<Duration>,
    /// Pressure over this many percent, of the host or of its cgroup, explains a silence.
    pub pressure: u8,
    /// What a hang leads to.
    pub on_hang: OnHang,
    /// External dependencies whose silence explains its own.
    pub needs: Vec<Name>,
    /// Whether ready means that everything that rounds ask has answered. A service that is ready by other means has its start
    /// time-out to begin to answer.
    pub ready_answers: bool,
}

/// What a hang leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnHang {
    /// The service is restarted, as after a crash.
    Restart,
    /// This other one is restarted; the restart is charged to it.
    RestartService(Name),
    /// It is reported.
    Report,
}

impl Probing {
    /// Of a service that nobody probes.
    pub const NONE: Self = Self {
        enabled: false,
        timeout: Duration::from_secs(10),
        warning: Duration::from_secs(5),
        failures: 1,
        period: None,
        pressure: 100,
        on_hang: OnHang::Restart,
        needs: Vec::new(),
        ready_answers: false,
    };
}

/// Something that is not ours and that services need: a directory server, a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its name.
    pub name: Name,
    /// Where it is asked, each within [`External::timeout`].
    pub listeners: Vec<super::Listener>,
    /// Silence longer than this means that it is down.
    pub timeout: Duration,
}
