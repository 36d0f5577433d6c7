//! The commands of the cluster managers: tables 3-1 to 3-4 of the source document, cell by cell, and Pacemaker's.

use super::ManagerType;

/// What is wanted of the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is to run.
    Start,
    /// It is to run anew.
    Restart,
    /// It is not to run.
    Stop,
}

impl Action {
    /// In the order of the tables' rows.
    pub const ALL: [Self; 3] = [Self::Start, Self::Restart, Self::Stop];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// Of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The resource that stands for the mail server: the finest grain a manager has.
    Resource,
    /// The resource group, or service group, with its addresses and file systems.
    Group,
}

impl Extent {
    /// In the order of the tables' columns.
    pub const ALL: [Self; 2] = [Self::Resource, Self::Group];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Group => "group",
        }
    }
}

/// The names that a command needs; one that is not known stands in angle brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The resource.
    pub resource: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// The host, as the manager names it.
    pub system: Option<String>,
}

impl Names {
    /// Whether one of them is not known.
    pub fn is_incomplete(&self) -> bool {
        self.resource.is_none() || self.group.is_none() || self.system.is_none()
    }
}

/// One table of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Table 3-1.
    SolarisCluster30,
    /// Table 3-2.
    SolarisCluster32,
    /// Table 3-3.
    Veritas,
    /// Table 3-4.
    Clusterware,
    /// Ours: the source document does not know it.
    Pacemaker,
}

impl Table {
    /// Every table, in the order of the source document.
    pub const ALL: [Self; 5] =
        [Self::SolarisCluster30, Self::SolarisCluster32, Self::Veritas, Self::Clusterware, Self::Pacemaker];

    /// Of this manager; both of Solaris Cluster's where no version says which.
    pub fn of(kind: ManagerType, version: Option<&str>) -> &'static [Self] {
        match kind {
            ManagerType::SolarisCluster => match version.and_then(number) {
                None => &[Self::SolarisCluster30, Self::SolarisCluster32],
                Some(version) if version < (3, 2) => &[Self::SolarisCluster30],
                Some(_) => &[Self::SolarisCluster32],
            },
            ManagerType::VeritasCluster => &[Self::Veritas],
            ManagerType::OracleClusterware => &[Self::Clusterware],
            ManagerType::Pacemaker => &[Self::Pacemaker],
        }
    }

    /// Whose they are.
    pub fn title(self) -> &'static str {
        match self {
            Self::SolarisCluster30 => "Oracle Solaris Cluster 3.0/3.1",
            Self::SolarisCluster32 => "Oracle Solaris Cluster 3.2",
            Self::Veritas => "Veritas 3.5, 4.0, 4.1 and 5.0",
            Self::Clusterware => "Oracle Clusterware 12.1",
            Self::Pacemaker => "Pacemaker, by pcs or by crm_resource",
        }
    }

    /// The commands of one cell, to be given one after the other; of Pacemaker's each one does it alone. None where the
    /// manager has none.
    pub fn cell(self, action: Action, extent: Extent, names: &Names) -> Vec<String> {
        let or = |name: &Option<String>, unknown: &str| name.clone().unwrap_or_else(|| format!("<{unknown}>"));
        let (resource, group) = (or(&names.resource, "resource"), or(&names.group, "group"));
        let system = or(&names.system, "system");
        match (self, action, extent) {
            (Self::SolarisCluster30, Action::Start, Extent::Resource) => vec![format!("scswitch -e -j {resource}")],
            (Self::SolarisCluster30, Action::Start, Extent::Group) => vec![format!("scswitch -Z -g {group}")],
            (Self::SolarisCluster30, Action::Restart, Extent::Resource) => {
                vec![format!("scswitch -n -j {resource}"), format!("scswitch -e -j {resource}")]
            }
            (Self::SolarisCluster30, Action::Restart, Extent::Group) => vec![format!("scswitch -R -g {group}")],
            (Self::SolarisCluster30, Action::Stop, Extent::Resource) => vec![format!("scswitch -n -j {resource}")],
            (Self::SolarisCluster30, Action::Stop, Extent::Group) => vec![format!("scswitch -F -g {group}")],

            (Self::SolarisCluster32, Action::Start, Extent::Resource) => vec![format!("clrs online {resource}")],
            (Self::SolarisCluster32, Action::Start, Extent::Group) => vec![format!("clrg online {group}")],
            (Self::SolarisCluster32, Action::Restart, Extent::Resource) => {
                vec![format!("clrs disable {resource}"), format!("clrs enable {resource}")]
            }
            (Self::SolarisCluster32, Action::Restart, Extent::Group) => vec![format!("clrg restart {group}")],
            (Self::SolarisCluster32, Action::Stop, Extent::Resource) => vec![format!("clrs offline {resource}")],
            (Self::SolarisCluster32, Action::Stop, Extent::Group) => vec![format!("clrg disable {group}")],

            (Self::Veritas, Action::Start, Extent::Resource) => vec![format!("hares -online {resource} -sys {system}")],
            (Self::Veritas, Action::Start, Extent::Group) => vec![format!("hagrp -online {group} -sys {system}")],
            (Self::Veritas, Action::Restart, Extent::Resource) => vec![
                format!("hares -offline {resource} -sys {system}"),
                format!("hares -online {resource} -sys {system}"),
            ],
            (Self::Veritas, Action::Restart, Extent::Group) => {
                vec![format!("hagrp -offline {group} -sys {system}"), format!("hagrp -online {group} -sys {system}")]
            }
            (Self::Veritas, Action::Stop, Extent::Resource) => vec![format!("hares -offline {resource} -sys {system}")],
            (Self::Veritas, Action::Stop, Extent::Group) => vec![format!("hagrp -offline {group} -sys {system}")],

            (Self::Clusterware, Action::Start, Extent::Resource) => {
                vec![format!("crsctl start resource {resource} -n {system}")]
            }
            (Self::Clusterware, Action::Restart, Extent::Resource) => vec![
                format!("crsctl stop resource {resource} -n {system}"),
                format!("crsctl start resource {resource} -n {system}"),
            ],
            (Self::Clusterware, Action::Stop, Extent::Resource) => {
                vec![format!("crsctl stop resource {resource} -n {system}")]
            }
            // Table 3-4 has one column only.
            (Self::Clusterware, Action::Start | Action::Restart | Action::Stop, Extent::Group) => Vec::new(),

            // Enabled and disabled by its target role; a group takes the same words as a resource.
            (Self::Pacemaker, action, extent) => {
                let name = match extent {
                    Extent::Resource => resource,
                    Extent::Group => group,
                };
                let role = |role: &str| {
                    format!(
                        "crm_resource --resource {name} --meta --set-parameter target-role --parameter-value {role}"
                    )
                };
                match action {
                    Action::Start => vec![format!("pcs resource enable {name}"), role("Started")],
                    Action::Restart => {
                        vec![
                            format!("pcs resource restart {name}"),
                            format!("crm_resource --resource {name} --restart"),
                        ]
                    }
                    Action::Stop => vec![format!("pcs resource disable {name}"), role("Stopped")],
                }
            }
        }
    }
}

/// `3.1`, `3.1u4` and `3` as numbers that can be compared; none for what begins with no number.
fn number(version: &str) -> Option<(u32, u32)> {
    let digits = |text: &str| text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())].parse().ok();
    let (major, rest) = version.split_once('.').unwrap_or((version, "0"));
    Some((digits(major)?, digits(rest).unwrap_or(0)))
}
