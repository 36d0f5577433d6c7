//! What can be said on the command line. The help texts here are also the man pages and the reference.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::demo::Demo;
use super::oracle::{RefreshMsg, StartMsg, StopMsg};

/// Keeps the services of a mail server in the state that one document declares.
#[derive(Debug, Parser)]
#[command(
    name = "mailward",
    version,
    max_term_width = 100,
    after_help = "Exit codes are those of sysexits.h: \
    0 done or already so, 64 wrong words or unknown name, 65 bad data, 66 no such file, 69 not reachable or waits for \
    a dependency, 75 not ready in time, 77 not allowed, 78 disabled or refused by a configuration check. `plan` ends \
    with 2 where there are changes, `status` as the LSB says: 0 all ready, 1 not all ready, 3 no agent, 4 unknown, \
    `probe` with 0 all answer, 1 not all well, 2 something does not answer."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) agent: Agent,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SOCKET: &str = "The agent's control socket. Default: $MAILWARD_SOCKET, else control.sock in the runtime folder \
    (/run/mailward, or $XDG_RUNTIME_DIR/mailward for a user other than root)";

/// Where the agent is asked.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Agent {
    /// The agent's control socket.
    #[arg(long, value_name = "PATH", global = true, help = SOCKET)]
    pub(crate) socket: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the agent in the foreground.
    Run(Run),
    /// Says everything that is wrong with documents, at once.
    ///
    /// Ends with 0 where every document is good (warnings are shown and do not count), 65 where one is not, 66 where a
    /// file cannot be read.
    Validate(Validate),
    /// Shows what would be done, and why, and changes nothing.
    ///
    /// A running agent is asked; without one a document is unfolded as if nothing ran. Ends with 0 where there is
    /// nothing to do, with 2 where there are changes.
    Plan(Plan),
    /// Shows every service.
    ///
    /// Ends with 0 where everything is ready, 1 where not, 3 where no agent runs, 4 where that cannot be known.
    Status(Status),
    /// Starts services; without names all that are enabled, and every manual stop ends.
    Start(Order),
    /// Stops services, and holds them down until they are started or the machine restarts.
    Stop(Order),
    /// Restarts services.
    Restart(Order),
    /// Lets services take over changed files without a restart.
    Reload(Order),
    /// Stops services and holds them down, across restarts of the machine, until they are released or started.
    Hold(Order),
    /// Ends holds.
    Release(Order),
    /// Forgets failures and give-ups: the restart budget is whole again.
    Reset(Order),
    /// Lets the running agent go on as the program that is installed now.
    ///
    /// The agent's process stays the same, and no service is touched: an upgrade in place, of process 1 too. A program
    /// that cannot be executed changes nothing. Ends with 75 where the successor does not answer in time.
    Reexec,
    /// Says what was decided about a service, and why.
    Why(Why),
    /// Lists what happened, oldest first.
    History(History),
    /// Runs a command that works on the message store, and tells the agent of it.
    ///
    /// Should it be killed, or crash, the services of the store are restarted, for it may have left locks behind; the
    /// command is not. Signals, the terminal and the exit status are passed through (128 and the number of the signal for
    /// a command that was killed; 127 not found, 126 not executable). Without an agent that is said and the command runs
    /// all the same.
    Guard(Guard),
    /// Runs tasks of the schedule by hand.
    #[command(subcommand)]
    Task(Task),
    /// Follows the schedule; the service sched is this.
    ///
    /// Asks the agent for the schedule and says when a task is due; the agent runs it. Ends when it is told to (TERM).
    Sched,
    /// Asks services now whether they answer, and shows what they answered.
    ///
    /// The agent asks, in a round of probes like every other: what hangs is dealt with as the document says. Ends with 0
    /// where everything answers in time, 1 where something answers but not well, could not be asked or is excused, 2
    /// where something does not answer, 64 for an unknown name, 69 where no agent runs.
    Probe(Probe),
    /// Sends a message through the whole mail server now, and names the hop that broke.
    ///
    /// The agent does it as `spec.canary` says, and deletes the message on arrival; nothing is restarted for it. Ends
    /// with 0 where it came through, 1 where that could not be found out, 2 where a hop broke, 78 where the document
    /// declares no canary, 69 where no agent runs.
    Canary(Canary),
    /// Plays scenarios with the agent's own planner and prints what it decides.
    Simulate(Simulate),
    /// Prints the JSON Schema of the document, or the definition of the resource on Kubernetes.
    Schema(Schema),
    /// Prints a completion script for a shell.
    Completions(Completions),
    /// Prints the manual page, or writes all of them into a folder.
    Man(Man),
    /// Runs a whole mail server in a temporary folder, to try things on.
    ///
    /// It listens on free ports of 127.0.0.1 only. Ctrl-C stops it in order and leaves nothing behind. With --tour it
    /// plays the story by itself and ends with 0 where everything was seen to happen, with 1 where not.
    Demo(Demo),
    /// Starts a stand-in server of the demo.
    #[command(hide = true, name = "stand-in", disable_help_flag = true)]
    StandIn(StandIn),
    /// Copies this program into a folder, with its other names beside it.
    ///
    /// The file is whole or not there, read-only and executable by everybody. An init container brings the agent into any
    /// image that way.
    Install(Install),
    /// Writes every generated file.
    #[command(hide = true)]
    Generate(Generate),
    #[command(hide = true, name = "start-msg")]
    StartMsg(StartMsg),
    #[command(hide = true, name = "stop-msg")]
    StopMsg(StopMsg),
    #[command(hide = true)]
    Refresh(RefreshMsg),
    #[command(hide = true)]
    Msprobe(Msprobe),
}

/// `task`.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Runs tasks now, whatever their crontab says; never beside a run that goes on.
    Run(TaskRun),
}

/// `task run`.
#[derive(Debug, Args)]
pub(crate) struct TaskRun {
    /// Tasks.
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// Where an agent has its things.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// The document. Default: /etc/mailward/mailward.yaml, or mailward/mailward.yaml in the user's configuration
    /// folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What survives a restart of the machine. Default: /var/lib/mailward, or mailward in the user's state folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// What a restart of the machine ends, and the control socket. Default: /run/mailward, or mailward in the user's
    /// runtime folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where the document comes from: a file, or in a pod the resource that `MAILWARD_NAMESPACE` and `MAILWARD_NAME` name
    /// (with `MAILWARD_POD_NAME`, `MAILWARD_POD_UID` and, where it is known, `MAILWARD_GRACE_SECONDS`). The API server is found
    /// by the pod's own configuration, or by the file of `KUBECONFIG`.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) from: From,
    /// Serves /livez, /readyz and /metrics there, to be read by whoever can connect; `:9440` is every address.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = health)]
    pub(crate) health: Option<Health>,
    /// Every service that does not run is held, but these; as after `start-msg NAMES` with no agent running.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) hold_all_but: Option<Vec<String>>,
    /// Leaves the terminal: the agent leads a session of its own.
    #[arg(long, hide = true)]
    pub(crate) new_session: bool,
    /// Stops everything in order when the parent, which is this process, is gone.
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) end_with: Option<i32>,
}

/// Where the document comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// The file of `--config`.
    #[default]
    File,
    /// The own resource on the API server.
    Kubernetes,
}

/// Where health is served: the first of these that can be had.
#[derive(Clone, Debug)]
pub(crate) struct Health(pub(crate) Vec<SocketAddr>);

fn health(text: &str) -> Result<Health, String> {
    crate::control::health_address(text).map(Health)
}

/// `install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The folder; it is made where it is missing.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// `validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Documents; `-` is the standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Another document: what would be done if it were put in force. `-` is the standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only these services.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: StatusOutput,
}

/// `start`, `stop` and their kind.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// Services; all that it makes sense for when none is named. `mta` and `imta` mean dispatcher and `job_controller`.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Stops by KILL at once; restarts and reloads without a configuration check.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// How long to wait, such as 30s, 2m or 1h30m. Without it: until it is done or cannot be done.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Returns as soon as the agent has taken the order.
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
}

/// `probe`, and `msprobe`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Services; every one that is probed and wanted when none is named. `mta` and `imta` mean dispatcher and
    /// `job_controller`.
    #[arg(value_name = "SERVICE")]
    pub(crate) names: Vec<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: StatusOutput,
}

/// `canary`.
#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// Shows the runs that are kept, oldest first, and sends nothing.
    #[arg(long)]
    pub(crate) history: bool,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `msprobe`: as Oracle's other commands it takes the folders of the agent.
#[derive(Debug, Args)]
pub(crate) struct Msprobe {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) probe: Probe,
}

/// `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The service.
    pub(crate) name: String,
}

/// `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only of this service.
    pub(crate) name: Option<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `guard`.
#[derive(Debug, Args)]
pub(crate) struct Guard {
    /// What the agent calls it. Default: the name of the program.
    #[arg(long, value_name = "NAME", value_parser = client_name)]
    pub(crate) name: Option<String>,
    /// Becomes the command once this file is no longer locked.
    #[arg(long, hide = true, value_name = "PATH")]
    pub(crate) after: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// A name that a line of the watcher can hold.
fn client_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_good = (1..=64).contains(&text.len()) && text.chars().all(fits);
    if is_good { Ok(text.to_owned()) } else { Err("up to 64 letters, digits, dots, lines and underscores".to_owned()) }
}

/// `simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Scenarios: a document, a timeline and what is expected.
    #[arg(required = true, value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Compares with what the scenarios expect and shows the difference; ends with 1 where there is one.
    #[arg(long)]
    pub(crate) check: bool,
}

/// `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The `CustomResourceDefinition` instead, for `kubectl apply -f -`.
    #[arg(long)]
    pub(crate) crd: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Writes a page for every command into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// `stand-in`.
#[derive(Debug, Args)]
pub(crate) struct StandIn {
    /// For the stand-in.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

/// `generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Where to.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How the status is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusOutput {
    /// For people.
    #[default]
    Table,
    /// With every column.
    Wide,
    /// For programs: the `MessagingServer` object.
    Json,
    /// The same as YAML.
    Yaml,
}

/// The shells that completions are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// `90`, `90s`, `2m`, `1h30m`, `500ms`; a bare number is in seconds.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let wrong = || "write it as 500ms, 30s, 2m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut rest, mut millis) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(wrong)?;
        millis = number.checked_mul(*factor).and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(millis)) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units() {
        let table = [
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            ("2m", Some(120_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1m500ms", Some(60_500)),
            ("", None),
            ("m", None),
            ("2 m", None),
            ("2d", None),
            ("-1s", None),
            ("99999999999999999999h", None),
            ("9999999999999999999h", None),
        ];
        for (text, millis) in table {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text:?}");
        }
    }
}
