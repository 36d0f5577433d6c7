//! One service, as people write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AbsolutePath, Account, Argument, Interval, Listener, Output, PathText, ServiceName, Signal, Size, Timestamp, Value,
    VariableName,
};

/// One service. What is not said comes from the profile, then from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Its name; unique in the document.
    pub name: ServiceName,
    /// Whether it is wanted. Default: what the profile says, else true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Program and arguments. A program without a slash is looked up in PATH, a relative one starts at `serverRoot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Argument>>,
    /// User to run as. Default: the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// Unix group to run as. Default: the user's primary group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_group: Option<Account>,
    /// Added to a clean environment, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub environment: Option<Vec<Variable>>,
    /// Directory it runs in. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<AbsolutePath>,
    /// Resource limits. Default: the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Services that must be ready before this one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub depends_on: Option<Vec<ServiceName>>,
    /// Its restart group: members share locks and restart together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<ServiceName>,
    /// Its part in the restart group. Default: Member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_role: Option<GroupRole>,
    /// What it does when something it depends on was restarted after a failure. Default: Ignore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_dependency_restart: Option<DependencyRestart>,
    /// How it says that it is ready. Default: Probe where it has enabled listeners, else Immediate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// The file that names its main process; relative ones start at `dataRoot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<PathText>,
    /// From start to ready. Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<Interval>,
    /// From the stop signal to KILL. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Interval>,
    /// The signal that asks it to stop. Default: TERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<Signal>,
    /// How it takes over changed files without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// The product's own configuration checker, run before anything is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Files whose change reloads it, or restarts it where it cannot reload; relative ones start at `serverRoot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub watch_files: Option<Vec<PathText>>,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub listeners: Option<Vec<Listener>>,
    /// Its own values beside `spec.probes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ServiceProbes>,
    /// Names of `spec.external` that it needs: while one of them is down, its own silence is excused. It starts without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub needs: Option<Vec<ServiceName>>,
    /// With readiness Notify: it sends `WATCHDOG=1` at least this often once it is ready; silence is a hang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Interval>,
    /// What a hang of it leads to. Default: Restart; in the profile Oracle, ens is only reported, and a service of its
    /// own whose listeners speak nothing but SMTP or LMTP restarts the dispatcher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hang: Option<OnHang>,
    /// Held down until this is removed; survives a reboot. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
    /// Each new value restarts it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Timestamp>,
    /// Whether its give-up may trigger a failover. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Where its output goes. Default: what `spec.logs.output` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: VariableName,
    /// Its value.
    pub value: Value,
}

/// Resource limits (setrlimit(2)), soft and hard at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Open files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 1_073_741_816))]
    pub open_files: Option<u64>,
    /// Processes of its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub processes: Option<u64>,
    /// Size of a core file; 0 means none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_size: Option<Size>,
    /// Size of a file it may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<Size>,
    /// Virtual memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_space: Option<Size>,
    /// Memory it may lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_memory: Option<Size>,
}

/// A service's part in its restart group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GroupRole {
    /// Its failure in the middle begins the group's restart again, its give-up stops the group. One in a group.
    Lead,
    /// Restarts with the group.
    Member,
}

/// What a service does when something it depends on was restarted after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DependencyRestart {
    /// It goes on.
    Ignore,
    /// It restarts too.
    Restart,
}

/// How a service says that it is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Readiness {
    /// The way.
    #[serde(rename = "type")]
    pub kind: ReadinessType,
    /// With `Command`: exit 0 means ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Argument>>,
}

/// The ways in which a service says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReadinessType {
    /// It sends `READY=1` (`sd_notify(3)`).
    Notify,
    /// Every enabled listener answers as its protocol demands.
    Probe,
    /// A command exits 0.
    Command,
    /// Its starter has ended and `pidFile` names a living process.
    PidFile,
    /// Running is ready.
    Immediate,
}

/// How a service takes over changed files: by a command or by a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reload {
    /// This command; exit 0 means taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Argument>>,
    /// This signal to the main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Time limit of the command. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
}

/// A configuration checker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Program and arguments; exit 0 means good.
    #[schemars(length(min = 1, max = 64))]
    pub command: Vec<Argument>,
    /// Its time limit. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
}

/// A service's own values beside `spec.probes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceProbes {
    /// Whether it is probed. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Silence longer than this is a failed round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// An answer slower than this is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_threshold: Option<Interval>,
    /// Failed rounds in a row that make a hang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<u32>,
    /// Time between two rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Interval>,
    /// Program and arguments that ask whether it serves, once a round and beside its listeners, as its user and in its
    /// environment, with `MAINPID`. Exit 0: it serves. Another code: it answers wrongly, and the last line of output says
    /// how; that is reported and never restarted for. Longer than `timeout`: silence, and the command is killed with all
    /// that it began. One that cannot be run says nothing of the service. What it prints is shown, so it prints no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Vec<Argument>>,
}

/// What a hang leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnHang {
    /// What is done.
    pub action: HangAction,
    /// With `RestartService`: the service that is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
}

/// What is done about a hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HangAction {
    /// The service is restarted.
    Restart,
    /// Another service is restarted.
    RestartService,
    /// It is reported, nothing more.
    Report,
}
