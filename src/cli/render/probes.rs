//! The table of a round of probes.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Tone};
use crate::model::{Health, Level};
use crate::status::{GaugeProbe, ListenerProbe, ProbeReport, ServiceProbe};

/// A line a listener, and one for each service that was not asked; `wide` adds the verdict on the whole service.
pub(crate) fn probes(report: &ProbeReport, wide: bool, style: Style) -> String {
    if report.services.is_empty() && report.gauges.is_empty() {
        return "nothing is probed: no enabled service has a listener or a command for it\n".to_owned();
    }
    let mut headings = vec!["SERVICE", "LISTENER", "ANSWER", "VERDICT", "CERTIFICATE"];
    if wide {
        headings.push("SERVICE IS");
    }
    headings.push("WORDS");
    let mut table = Table::new(&headings);
    let usual = |text: String| (text, Tone::Usual);
    for service in &report.services {
        let verdict = if service.hangs { "Hangs".to_owned() } else { health_word(service).to_owned() };
        let mut row = |listener: &str, answer: String, word: String, tone: Tone, days: String, words: String| {
            let mut cells = vec![
                usual(service.service.clone()),
                usual(listener.to_owned()),
                usual(answer),
                (word, tone),
                usual(days),
            ];
            if wide {
                cells.push((verdict.clone(), tone));
            }
            cells.push(usual(words));
            table.row(cells);
        };
        if service.listeners.is_empty() {
            row("", "-".to_owned(), verdict.clone(), Tone::Warning, String::new(), service.finding.clone());
        }
        for listener in &service.listeners {
            let (word, tone) = (listener.verdict.clone(), tone(listener, service));
            let days = listener.certificate_days.map(|days| format!("{days} days")).unwrap_or_default();
            row(&listener.listener, milliseconds(listener.took_ms), word, tone, days, listener.words.clone());
        }
    }
    let mut text = if report.services.is_empty() { String::new() } else { table.print(style) };
    for service in report.services.iter().filter(|service| !service.finding.is_empty() && !service.listeners.is_empty())
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", service.service, super::printable(&service.finding));
    }
    if !report.gauges.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{gap}{}", gauges(&report.gauges, style));
    }
    text
}

/// A line a disk or queue.
fn gauges(gauges: &[GaugeProbe], style: Style) -> String {
    let mut table = Table::new(&["MEASURED", "ANSWER", "VERDICT", "NUMBERS", "WORDS"]);
    let usual = |text: &str| (text.to_owned(), Tone::Usual);
    for gauge in gauges {
        let (word, tone) = match gauge.level {
            Some(Level::Within) => ("Within", Tone::Good),
            Some(Level::Crossed) => ("Crossed", Tone::Warning),
            Some(Level::Unknown) => ("Unknown", Tone::Warning),
            None => ("NotMeasured", Tone::Warning),
        };
        table.row(vec![
            usual(&gauge.name),
            usual(&milliseconds(gauge.took_ms)),
            (word.to_owned(), tone),
            usual(&gauge.numbers),
            usual(&gauge.finding),
        ]);
    }
    table.print(style)
}

fn milliseconds(time: u64) -> String {
    if time < 10_000 { format!("{time} ms") } else { format!("{}.{} s", time / 1_000, time % 1_000 / 100) }
}

fn tone(listener: &ListenerProbe, service: &ServiceProbe) -> Tone {
    match listener.verdict.as_str() {
        "Served" if service.health == Some(Health::Slow) => Tone::Warning,
        "Served" => Tone::Good,
        "Silent" | "NotListening" | "ClosedEarly" => Tone::Bad,
        _ => Tone::Warning,
    }
}

fn health_word(service: &ServiceProbe) -> &'static str {
    match service.health {
        None => "NotAsked",
        Some(Health::Answers) => "Answers",
        Some(Health::Slow) => "Slow",
        Some(Health::Refuses) => "Refuses",
        Some(Health::BadCertificate) => "BadCertificate",
        Some(Health::Violates) => "Violates",
        Some(Health::Unknown) => "Unknown",
        Some(Health::Excused) => "Excused",
        Some(Health::Fails) => "Fails",
    }
}
