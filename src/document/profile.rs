//! The profiles: catalogues of defaults, as data in `profiles/*.yaml`, read by the same types as a person's document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::Deserialize;

use super::spec::{Listener, Profile, Protocol, Service, ServiceName, Spec, Tls};
use super::structure::as_written;
use super::tree;

/// What a profile supplies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Names that stand for several services, in the order in which they start.
    #[serde(default)]
    pub aliases: BTreeMap<ServiceName, Vec<ServiceName>>,
    /// Its defaults and its services, in start order.
    pub spec: Spec,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Oracle, Self::DovecotPostfix, Self::Custom];

    /// Its name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oracle => "Oracle",
            Self::DovecotPostfix => "DovecotPostfix",
            Self::Custom => "Custom",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Oracle => include_str!("profiles/oracle.yaml"),
            Self::DovecotPostfix => include_str!("profiles/dovecot-postfix.yaml"),
            Self::Custom => include_str!("profiles/custom.yaml"),
        }
    }

    /// What it supplies.
    pub fn catalogue(self) -> &'static Catalogue {
        static ORACLE: OnceLock<Catalogue> = OnceLock::new();
        static DOVECOT_POSTFIX: OnceLock<Catalogue> = OnceLock::new();
        static CUSTOM: OnceLock<Catalogue> = OnceLock::new();
        let cell = match self {
            Self::Oracle => &ORACLE,
            Self::DovecotPostfix => &DOVECOT_POSTFIX,
            Self::Custom => &CUSTOM,
        };
        // The data is part of the program and a test reads it; were it broken, the profile would supply nothing.
        cell.get_or_init(|| parse(self.text()).unwrap_or_else(|_| nothing(self)))
    }

    /// The service that it knows under a name.
    pub(super) fn service(self, name: &str) -> Option<&'static Service> {
        self.catalogue().spec.services.iter().find(|service| &*service.name == name)
    }
}

pub(super) fn parse(text: &str) -> Result<Catalogue, String> {
    let mut faults = Vec::new();
    let root = tree::parse(text, &mut faults);
    match root {
        Some(root) if faults.is_empty() => serde_json::from_value(as_written(&root)).map_err(|error| error.to_string()),
        _ => Err(format!("{faults:?}")),
    }
}

fn nothing(profile: Profile) -> Catalogue {
    let spec = Spec {
        profile,
        server_root: None,
        data_root: None,
        suspend: None,
        start_order: None,
        autorestart: None,
        watcher: None,
        probes: None,
        external: Vec::new(),
        logs: None,
        control: None,
        services: Vec::new(),
        canary: None,
        schedule: Vec::new(),
        time_zone: None,
        high_availability: None,
        workload: None,
    };
    Catalogue { aliases: BTreeMap::new(), spec }
}

/// The services of every profile as a Markdown table, for the reference and the README.
pub fn profile_table() -> String {
    let mut table = "| Profile | Service | Enabled | Command | Needs | Group | Listeners |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for profile in Profile::ALL {
        for service in &profile.catalogue().spec.services {
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} | {} | {} |",
                profile.name(),
                service.name,
                if service.enabled.unwrap_or(true) { "yes" } else { "no" },
                service.command.as_ref().map_or_else(
                    || "(say it)".to_owned(),
                    |words| code(&words.iter().map(|w| &**w).collect::<Vec<_>>().join(" "))
                ),
                service
                    .depends_on
                    .as_ref()
                    .map(|names| names.iter().map(|n| &**n).collect::<Vec<_>>().join(", "))
                    .unwrap_or_default(),
                group_words(service),
                service.listeners.iter().flatten().map(listener_words).collect::<Vec<_>>().join(", "),
            );
        }
        for (alias, services) in &profile.catalogue().aliases {
            let names = services.iter().map(|name| &**name).collect::<Vec<_>>().join(" + ");
            let _ = writeln!(table, "| {} | {alias} | | stands for {names} | | | |", profile.name());
        }
    }
    table
}

/// The tasks of every profile as a Markdown table, for the reference and the README.
pub fn task_table() -> String {
    let mut table = "| Profile | Task | When | Command | Needs |\n|---|---|---|---|---|\n".to_owned();
    for profile in Profile::ALL {
        for task in &profile.catalogue().spec.schedule {
            let words = |list: &[&str], by: &str| list.join(by);
            let command: Vec<&str> = task.command.iter().flatten().map(|word| &**word).collect();
            let needs: Vec<&str> = task.needs.iter().flatten().map(|name| &**name).collect();
            let command =
                if command.is_empty() { "(a round of probes)".to_owned() } else { code(&words(&command, " ")) };
            let (name, crontab) = (&task.name, task.crontab.as_deref().unwrap_or_default());
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {} | {name} | {} | {command} | {} |",
                profile.name(),
                code(crontab),
                words(&needs, ", ")
            );
        }
    }
    table
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn group_words(service: &Service) -> String {
    let Some(group) = &service.group else { return String::new() };
    match service.group_role {
        Some(super::spec::GroupRole::Lead) => format!("{group} (lead)"),
        Some(super::spec::GroupRole::Member) | None => group.to_string(),
    }
}

fn listener_words(listener: &Listener) -> String {
    let protocol = match listener.protocol {
        Protocol::Imap => "Imap",
        Protocol::Pop3 => "Pop3",
        Protocol::Smtp => "Smtp",
        Protocol::Submission => "Submission",
        Protocol::Lmtp => "Lmtp",
        Protocol::Http => "Http",
        Protocol::ManageSieve => "ManageSieve",
        Protocol::Tcp => "Tcp",
    };
    let place = match (listener.port, &listener.socket) {
        (Some(port), _) => port.to_string(),
        (None, Some(socket)) => code(socket),
        (None, None) => String::new(),
    };
    let tls = match listener.tls {
        Some(Tls::Implicit) => " TLS",
        Some(Tls::StartTls) => " STARTTLS",
        Some(Tls::None) | None => "",
    };
    let off = if listener.enabled.unwrap_or(true) { "" } else { " (off)" };
    format!("{protocol} {place}{tls}{off}")
}
