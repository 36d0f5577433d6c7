//! Under an HA manager ([R22]): whether one is there, why that is thought, and the words of the refusal.
//!
//! What the document says comes before what is found, and `mode: None` in the document ends the search. A manager that
//! is found and not declared changes nothing but these words: policy follows the document alone ([R23]). Where the facts
//! come from is the affair of `observe`; the commands of the managers are in [`commands`].

mod commands;
#[cfg(test)]
mod tests;

pub use commands::{Action, Extent, Names, Table};

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cluster managers that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagerType {
    /// Oracle Solaris Cluster.
    SolarisCluster,
    /// Veritas Cluster Server.
    VeritasCluster,
    /// Oracle Clusterware.
    OracleClusterware,
    /// Pacemaker.
    Pacemaker,
}

/// What the document says of a manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said {
    /// Nothing: a manager that is found counts.
    #[default]
    Nothing,
    /// There is none (`mode: None`), or Kubernetes does its work (`mode: ActiveStandby`): nothing that is found counts.
    NoManager,
    /// One owns this host, and this much is said of it.
    Manager(Declared),
}

/// A declared manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Which.
    pub kind: Option<ManagerType>,
    /// Its version, as written.
    pub version: Option<String>,
    /// The names that are written.
    pub names: Names,
}

/// Variables of the environment that are looked at.
pub const VARIABLES: [&str; 4] = ["OCF_RESOURCE_INSTANCE", "OCF_ROOT", "_CRS_NAME", "VCSAG_LOG_RESOURCE_NAME"];
/// The process that runs wherever Pacemaker does.
pub const PACEMAKER: &str = "pacemakerd";
/// Daemons of Solaris Cluster below which it runs the methods of a resource and what these leave behind.
pub const SOLARIS_CLUSTER: [&str; 5] = ["rgmd", "fed", "rpc.fed", "pmfd", "rpc.pmfd"];
/// The command that Solaris Cluster has since 3.2, and the one that it had before.
pub const SOLARIS_COMMANDS: [&str; 2] = ["/usr/cluster/bin/clrs", "/usr/cluster/bin/scswitch"];

/// What can be seen of a manager from here, as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Those of [`VARIABLES`] that are set, with their values.
    pub variables: Vec<(String, String)>,
    /// The pid of [`PACEMAKER`].
    pub pacemaker: Option<i32>,
    /// The first ancestor that is one of [`SOLARIS_CLUSTER`].
    pub solaris_ancestor: Option<(i32, String)>,
    /// Those of [`SOLARIS_COMMANDS`] that are installed.
    pub commands: Vec<String>,
    /// The name of this host (uname(2)).
    pub node: String,
}

/// A manager that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Why that is thought, a clause each.
    pub why: Vec<String>,
    /// Its commands; more than one table where nobody says which version, or which manager, it is.
    pub tables: Vec<Table>,
    /// What fills them in.
    pub names: Names,
}

/// Says whether a manager is there.
pub fn detect(said: &Said, seen: &Surroundings) -> Option<Detected> {
    let (declared, mut why) = match said {
        Said::NoManager => return None,
        Said::Nothing => (Declared::default(), Vec::new()),
        Said::Manager(declared) => {
            (declared.clone(), vec!["the document declares highAvailability.mode: Manager".to_owned()])
        }
    };
    let found = found(seen);
    why.extend(found.iter().map(|(_, why)| why.clone()));
    if why.is_empty() {
        return None;
    }
    let mut kinds: Vec<ManagerType> = declared.kind.into_iter().collect();
    if kinds.is_empty() {
        kinds.extend(found.iter().map(|(kind, _)| *kind));
        kinds.dedup();
    }
    let version = declared.version.as_deref().or_else(|| version(seen));
    let tables = if kinds.is_empty() {
        Table::ALL.to_vec()
    } else {
        kinds.iter().flat_map(|kind| Table::of(*kind, version)).copied().collect()
    };
    let resource = declared.names.resource.or_else(|| kinds.iter().find_map(|kind| resource(*kind, seen)));
    let system = declared.names.system.or_else(|| Some(seen.node.clone()).filter(|node| !node.is_empty()));
    Some(Detected { why, tables, names: Names { resource, group: declared.names.group, system } })
}

/// What is found without anybody's word.
fn found(seen: &Surroundings) -> Vec<(ManagerType, String)> {
    let set = |name: &str| {
        let (name, value) = seen.variables.iter().find(|(set, _)| set == name)?;
        Some(format!("the environment says {name}={value}"))
    };
    let mut found = Vec::new();
    if let Some(why) = set("OCF_RESOURCE_INSTANCE").or_else(|| set("OCF_ROOT")) {
        found.push((ManagerType::Pacemaker, why));
    }
    if let Some(pid) = seen.pacemaker {
        found.push((ManagerType::Pacemaker, format!("Pacemaker runs ({PACEMAKER}, pid {pid})")));
    }
    if let Some((pid, name)) = &seen.solaris_ancestor {
        let why = format!("{name} (pid {pid}), a daemon of Solaris Cluster, started this");
        found.push((ManagerType::SolarisCluster, why));
    }
    if let Some(why) = set("VCSAG_LOG_RESOURCE_NAME") {
        found.push((ManagerType::VeritasCluster, why));
    }
    if let Some(why) = set("_CRS_NAME") {
        found.push((ManagerType::OracleClusterware, why));
    }
    found
}

/// The version of Solaris Cluster by the commands it has; of the others one table holds for all.
fn version(seen: &Surroundings) -> Option<&'static str> {
    let has = |command: &str| seen.commands.iter().any(|found| found == command);
    let [new, old] = SOLARIS_COMMANDS;
    if has(new) {
        Some("3.2")
    } else if has(old) {
        Some("3.1")
    } else {
        None
    }
}

/// The resource, as the manager's agent names it in its environment.
fn resource(kind: ManagerType, seen: &Surroundings) -> Option<String> {
    let variable = match kind {
        ManagerType::Pacemaker => "OCF_RESOURCE_INSTANCE",
        ManagerType::VeritasCluster => "VCSAG_LOG_RESOURCE_NAME",
        ManagerType::OracleClusterware => "_CRS_NAME",
        ManagerType::SolarisCluster => return None,
    };
    let (_, value) = seen.variables.iter().find(|(name, value)| name == variable && !value.is_empty())?;
    // An instance of a clone carries its number: mail:0.
    Some(value.split(':').next().unwrap_or(value).to_owned())
}

impl Detected {
    /// What a person reads who wants to start, stop or restart everything.
    pub fn refusal(&self) -> String {
        let mut text = format!(
            "an HA setup was detected: {}\nthe cluster manager alone starts, restarts and stops everything:\n",
            self.why.join("; ")
        );
        // Writing to a string cannot fail.
        for table in &self.tables {
            let _ = writeln!(text, "  {}", table.title());
            for action in Action::ALL {
                for extent in Extent::ALL {
                    let head = format!("{} the {}", action.word(), extent.word());
                    let commands = table.cell(action, extent, &self.names);
                    if commands.is_empty() {
                        let _ = writeln!(text, "    {head:<21} (it has no command for that)");
                    }
                    for (at, command) in commands.iter().enumerate() {
                        let head = if at == 0 { head.as_str() } else { "" };
                        let _ = writeln!(text, "    {head:<21} {command}");
                    }
                }
            }
        }
        if self.names.is_incomplete() {
            text.push_str("names in <> are not known: write them into highAvailability.manager\n");
        }
        text.push_str(
            "one service may be stopped, started and restarted by its name; the manager's own agent calls `start-msg ha` \
             and `stop-msg ha`; where no manager is in charge of this, write `highAvailability: {mode: None}`",
        );
        text
    }
}
