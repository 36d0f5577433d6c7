//! The status for people.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Tone, printable};
use crate::model::Wall;
use crate::status::{Condition, Instance, Reported, ServiceStatus, TaskStatus, Truth};

/// A heading with what stands out of the whole, then a line a service. `only` leaves out every other service.
pub(crate) fn status(reported: &Reported, only: &[String], wide: bool, now: Wall, style: Style) -> String {
    let mut text = String::new();
    for instance in &reported.status.instances {
        text.push_str(&heading(reported, instance, style));
        let mut table = Table::new(if wide {
            &["NAME", "STATE", "PID", "AGE", "SINCE", "RESTARTS", "ENABLED", "HELD", "GROUP", "LAST EXIT", "WHY"]
        } else {
            &["NAME", "STATE", "PID", "AGE", "RESTARTS", "WHY"]
        });
        let shown = |service: &&ServiceStatus| only.is_empty() || only.contains(&service.name);
        let services: Vec<&ServiceStatus> = instance.services.iter().filter(shown).collect();
        for service in &services {
            table.row(row(service, wide, now));
        }
        text.push_str(&table.print(style));
        if only.is_empty() && !instance.tasks.is_empty() {
            let _ = write!(text, "\n{}", tasks(&instance.tasks, wide, now, style));
        }
        for service in services.iter().filter(|service| !service.last_lines.is_empty()) {
            let _ = writeln!(text, "\nlast lines of {}:", service.name);
            for line in &service.last_lines {
                let _ = writeln!(text, "  {}", printable(line));
            }
        }
    }
    text
}

/// What stands out of the whole, a line each, and an empty line.
pub(crate) fn heading(reported: &Reported, instance: &Instance, style: Style) -> String {
    let status = &reported.status;
    let of = |name: &str| status.conditions.iter().find(|condition| condition.r#type == name);
    let mut text = String::new();
    let whole = match of("Ready") {
        Some(Condition { status: Truth::True, message, .. }) => style.paint(Tone::Good, message),
        Some(Condition { status: Truth::False, message, .. }) => style.paint(Tone::Bad, message),
        Some(Condition { status: Truth::Unknown, message, .. }) => style.paint(Tone::Warning, message),
        None => style.paint(Tone::Warning, "nothing is known yet"),
    };
    let name = style.paint(Tone::Strong, &reported.metadata.name);
    let _ = writeln!(text, "{name} on {}: {whole}", instance.name);
    for (condition, bad) in
        [("ConfigValid", Truth::False), ("Stalled", Truth::True), ("Degraded", Truth::True), ("Suspended", Truth::True)]
    {
        // A refused document is said by ConfigValid; Stalled would say it once more.
        let is_news = |found: &&Condition| found.status == bad && found.reason != "ConfigRejected";
        if let Some(condition) = of(condition).filter(is_news) {
            let word = style.paint(Tone::Warning, &condition.reason);
            let _ = writeln!(text, "{word}: {}", printable(&condition.message));
        }
    }
    if !instance.advice.is_empty() {
        let _ = writeln!(text, "{}: {}", style.paint(Tone::Warning, "Advice"), printable(&instance.advice));
    }
    if !instance.clients.is_empty() {
        let clients: Vec<String> =
            instance.clients.iter().map(|client| format!("{} (pid {})", client.name, client.pid)).collect();
        let _ = writeln!(text, "store clients: {}", printable(&clients.join(", ")));
    }
    let _ = write!(
        text,
        "agent {} (pid {}), document {}\n\n",
        instance.agent_version, instance.agent_pid, status.observed_generation
    );
    text
}

fn row(service: &ServiceStatus, wide: bool, now: Wall) -> Vec<(String, Tone)> {
    let plain = |text: String| (text, Tone::Usual);
    let yes = |holds: bool| plain(if holds { "yes" } else { "no" }.to_owned());
    let (state, tone) = state(service);
    let since = service.since.clone().unwrap_or_default();
    let why = match &service.says {
        Some(says) => format!("{}; it says: {says}", service.reason),
        None => service.reason.clone(),
    };
    let mut cells = vec![
        plain(service.name.clone()),
        (state.to_owned(), tone),
        plain(service.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        plain(age(&since, now)),
    ];
    if wide {
        cells.push(plain(since));
    }
    cells.push(plain(service.restarts_in_window.to_string()));
    if wide {
        cells.push(yes(service.enabled));
        cells.push(yes(service.held));
        cells.push(plain(service.group.clone().unwrap_or_default()));
        cells.push(plain(service.last_exit.clone().unwrap_or_default()));
    }
    let faint = if !service.enabled && service.pid.is_none() { Tone::Faint } else { Tone::Usual };
    cells.push((why, faint));
    cells
}

/// A line a task. Those that are disabled are left to the wide form.
fn tasks(tasks: &[TaskStatus], wide: bool, now: Wall, style: Style) -> String {
    let mut table = Table::new(if wide {
        &["TASK", "STATE", "PID", "AGE", "NEXT RUN", "LAST RUN", "LAST END", "OUTCOME", "CRONTAB", "ZONE", "WHY"]
    } else {
        &["TASK", "STATE", "NEXT RUN", "LAST RUN", "OUTCOME", "WHY"]
    });
    let shown: Vec<&TaskStatus> = tasks.iter().filter(|task| wide || task.enabled || task.since.is_some()).collect();
    for task in &shown {
        let plain = |text: &str| (text.to_owned(), Tone::Usual);
        let or = |text: &Option<String>| (text.clone().unwrap_or_default(), Tone::Usual);
        let since = task.since.clone().unwrap_or_default();
        let state = match (task.enabled, &task.since) {
            (_, Some(_)) => ("running", Tone::Good),
            (true, None) => ("waiting", Tone::Usual),
            (false, None) => ("disabled", Tone::Faint),
        };
        let outcome = if task.last_ended_well == Some(false) { Tone::Bad } else { Tone::Usual };
        let mut cells = vec![plain(&task.name), (state.0.to_owned(), state.1)];
        if wide {
            cells.push(plain(&task.pid.map(|pid| pid.to_string()).unwrap_or_default()));
            cells.push(plain(&age(&since, now)));
        }
        cells.extend([or(&task.next_run), or(&task.last_run)]);
        if wide {
            cells.push(or(&task.last_end));
        }
        cells.push((task.last_outcome.clone().unwrap_or_default(), outcome));
        if wide {
            cells.extend([plain(&task.crontab), plain(&task.time_zone)]);
        }
        cells.push(plain(&task.reason));
        table.row(cells);
    }
    if shown.is_empty() { String::new() } else { table.print(style) }
}

/// One word for the eye; programs read the fields.
pub(crate) fn state(service: &ServiceStatus) -> (&'static str, Tone) {
    match (service.ready, service.pid) {
        (Truth::True, _) if !service.settled => ("changing", Tone::Warning),
        (Truth::True, _) => ("ready", Tone::Good),
        (Truth::Unknown, _) => ("unknown", Tone::Warning),
        (Truth::False, Some(_)) if service.settled => ("not ready", Tone::Bad),
        (Truth::False, Some(_)) if service.held || !service.enabled => ("stopping", Tone::Warning),
        (Truth::False, Some(_)) => ("starting", Tone::Warning),
        (Truth::False, None) if !service.enabled => ("disabled", Tone::Faint),
        (Truth::False, None) if service.held => ("held", Tone::Warning),
        (Truth::False, None) if service.gave_up => ("gave up", Tone::Bad),
        (Truth::False, None) if service.settled => ("down", Tone::Bad),
        (Truth::False, None) => ("waiting", Tone::Warning),
    }
}

/// `45s`, `12m`, `3h`, `5d` since an RFC 3339 time; nothing where there is none or where it lies ahead.
fn age(since: &str, now: Wall) -> String {
    let Ok(then) = since.parse::<jiff::Timestamp>() else { return String::new() };
    match now.0.div_euclid(1_000) - then.as_second() {
        ..0 => String::new(),
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
