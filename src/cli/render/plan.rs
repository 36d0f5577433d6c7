//! A plan for people.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Tone};
use crate::agent::Forecast;

/// The steps in order, then what they would not reach.
pub(crate) fn plan(forecast: &Forecast, style: Style) -> String {
    let mut text = String::new();
    if forecast.steps.is_empty() {
        text.push_str("nothing to do\n");
    } else {
        let mut table = Table::new(&["STEP", "SERVICE", "WHY", "INTERRUPTS"]);
        for step in &forecast.steps {
            let tone = match step.verb.as_str() {
                "start" => Tone::Good,
                "stop" => Tone::Warning,
                "kill" => Tone::Bad,
                _ => Tone::Usual,
            };
            let usual = |text: &str| (text.to_owned(), Tone::Usual);
            table.row(vec![
                (step.verb.clone(), tone),
                usual(&step.service),
                usual(&step.reason),
                usual(&step.interrupts),
            ]);
        }
        text.push_str(&table.print(style));
    }
    if !forecast.left.is_empty() {
        text.push_str("\nnot reached:\n");
        for left in &forecast.left {
            let _ = writeln!(text, "  {}: {}", left.service, left.reason);
        }
    }
    text
}
