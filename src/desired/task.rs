//! Commands run by the clock, as the document wants them ([R16]).

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Launch, Wanted};
use crate::model::{Fingerprint, Name};

/// What stands before a task's name where services and tasks share one space of names: no service may have a dot.
const KEY: &str = "task.";

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: Name,
    /// Whether the clock runs it, and if not, why not.
    pub wanted: Wanted,
    /// When.
    pub timing: Timing,
    /// Services without which it does not run.
    pub needs: Vec<Name>,
    /// It is ended when it runs longer; never when absent.
    pub timeout: Option<Duration>,
    /// What it does.
    pub does: Does,
}

/// When a task is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// The five fields.
    pub crontab: String,
    /// How its day fields go together.
    pub day_rule: DayRule,
    /// The time zone, by its name in the system's database.
    pub zone: Name,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Runs a command, in a cgroup of its own.
    Run(Arc<Launch>),
    /// Asks for a round of probes; no process of its own ([R17]).
    Probe,
}

/// How the two day fields of a crontab go together where both are set ([R16]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DayRule {
    /// Both must match, as in Oracle's scheduler.
    And,
    /// One must match, as in cron.
    Or,
}

impl Task {
    /// The name of its runs among those of services: for its cgroup, its pipe and its records.
    pub fn key(name: &str) -> Name {
        Name::from(format!("{KEY}{name}"))
    }

    /// A task that only the ledger knows: it left the document while it ran.
    pub fn leftover(name: Name, launch: Arc<Launch>) -> Self {
        let timing = Timing { crontab: String::new(), day_rule: DayRule::Or, zone: Name::from("UTC") };
        Self { name, wanted: Wanted::Removed, timing, needs: Vec::new(), timeout: None, does: Does::Run(launch) }
    }
}

impl Timing {
    /// Another timing is another schedule: what was due by the old one is of no concern to it.
    pub fn print(&self) -> Fingerprint {
        let rule: &[u8] = match self.day_rule {
            DayRule::And => b"and",
            DayRule::Or => b"or",
        };
        Fingerprint::of(self.crontab.as_bytes()).and(b"\0").and(rule).and(b"\0").and(self.zone.as_bytes())
    }
}
