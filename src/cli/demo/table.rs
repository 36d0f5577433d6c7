//! The table of the demo: what runs, since when, what it is made of and where it listens. Pure.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use jiff::tz::TimeZone;

use crate::cli::render::{Style, Table, Tone, heading, state};
use crate::desired::{Desired, Launch};
use crate::status::{Reported, ServiceStatus, Truth};

/// What the services of a document are made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    parts: HashMap<String, (String, String)>,
}

impl Cast {
    /// Reads a document; `own` is the `mailward` binary.
    pub(super) fn of(desired: &Desired, own: &Path) -> Self {
        let part = |launch: &Launch| (what(&launch.command, own), ports(launch));
        let services = desired.services.iter();
        Self { parts: services.map(|service| (service.name.to_string(), part(&service.launch))).collect() }
    }

    fn part(&self, service: &str) -> (String, String) {
        self.parts.get(service).cloned().unwrap_or_default()
    }
}

/// What a command is.
fn what(command: &[String], own: &Path) -> String {
    let Some(program) = command.first().map(Path::new) else { return String::new() };
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    match &*name {
        _ if program == own => "stand-in".to_owned(),
        "dovecot" => "Debian's Dovecot".to_owned(),
        "postfix" => "Debian's Postfix".to_owned(),
        "nginx" => "Debian's nginx".to_owned(),
        other => other.to_owned(),
    }
}

fn ports(launch: &Launch) -> String {
    let listeners = launch.listeners.iter();
    let place = |port: Option<u16>| port.map_or_else(|| "socket".to_owned(), |port| port.to_string());
    listeners.map(|listener| place(listener.port)).collect::<Vec<_>>().join(" ")
}

/// Heading and table. `seen` are the services that were up once: they stay in it, and the others that are disabled are
/// one line below it.
pub(super) fn table(
    reported: &Reported,
    cast: &Cast,
    seen: &mut BTreeSet<String>,
    zone: &TimeZone,
    style: Style,
) -> String {
    let mut text = String::new();
    for instance in &reported.status.instances {
        text.push_str(&heading(reported, instance, style));
        let mut table =
            Table::new(&["NAME", "STATE", "PID", "SINCE", "RESTARTS", "WHAT IT IS", "PORT", "WHY IT IS NOT READY"]);
        let mut absent = Vec::new();
        for service in &instance.services {
            if service.enabled || service.pid.is_some() {
                seen.insert(service.name.clone());
            }
            if seen.contains(&service.name) {
                table.row(row(service, cast, zone));
            } else {
                absent.push(service.name.as_str());
            }
        }
        text.push_str(&table.print(style));
        if !absent.is_empty() {
            let words = format!("not enabled: {}", absent.join(" "));
            text.push_str(&style.paint(Tone::Faint, &words));
            text.push('\n');
        }
    }
    text
}

fn row(service: &ServiceStatus, cast: &Cast, zone: &TimeZone) -> Vec<(String, Tone)> {
    let usual = |text: String| (text, Tone::Usual);
    let (word, tone) = state(service);
    let (what, ports) = cast.part(&service.name);
    let why = if service.ready == Truth::True { String::new() } else { service.reason.clone() };
    vec![
        usual(service.name.clone()),
        (word.to_owned(), tone),
        usual(service.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        usual(service.since.as_deref().map(|since| clock(since, zone)).unwrap_or_default()),
        usual(service.restarts_in_window.to_string()),
        usual(what),
        usual(ports),
        usual(why),
    ]
}

/// The time of day of an RFC 3339 time.
pub(super) fn clock(time: &str, zone: &TimeZone) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => zone.to_datetime(time).strftime("%H:%M:%S").to_string(),
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Instance, Status};

    #[test]
    fn the_table_says_what_every_part_is_and_keeps_what_was_up_once() {
        let part = |what: &str, port: &str| (what.to_owned(), port.to_owned());
        let own = Path::new("/opt/mailward");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(what(&words("/opt/mailward stand-in imap"), own), "stand-in");
        assert_eq!(what(&words("/usr/sbin/dovecot -F"), own), "Debian's Dovecot");
        assert_eq!(what(&[], own), "");
        let cast = Cast { parts: HashMap::from([("imap".to_owned(), part("stand-in", "1143"))]) };
        let service = |name: &str, enabled, pid: Option<i32>| ServiceStatus {
            name: name.to_owned(),
            enabled,
            pid,
            since: pid.map(|_| "2026-11-23T10:00:01Z".to_owned()),
            ready: Truth::from(pid.is_some()),
            settled: true,
            reason: "disabled by the document".to_owned(),
            ..ServiceStatus::default()
        };
        let reported = |services| {
            let instance = Instance { services, ..Instance::default() };
            Reported::new("demo", Status { instances: vec![instance], ..Status::default() })
        };
        let mut seen = BTreeSet::new();
        let up = reported(vec![service("ens", false, None), service("imap", true, Some(7))]);
        let text = table(&up, &cast, &mut seen, &TimeZone::UTC, Style::Plain);
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.is_empty()).skip(2).collect();
        assert_eq!(lines, ["imap  ready  7    10:00:01  0         stand-in    1143", "not enabled: ens"]);
        let down = reported(vec![service("ens", false, None), service("imap", false, None)]);
        let text = table(&down, &cast, &mut seen, &TimeZone::UTC, Style::Plain);
        assert!(text.contains("imap  disabled") && text.contains("disabled by the document"), "{text}");
    }
}
