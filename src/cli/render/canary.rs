//! The way of the canary, hop by hop.

use super::table::Table;
use super::{Style, Tone};
use crate::status::{CanaryRun, HopOutcome};

/// A line a hop; the words of a person's question first where they differ by run.
pub(crate) fn canary(runs: &[CanaryRun], style: Style) -> String {
    if runs.is_empty() {
        return "no canary has been sent since the agent started\n".to_owned();
    }
    let mut table = Table::new(&["TIME", "HOP", "TOOK", "OUTCOME", "WORDS"]);
    for run in runs {
        for hop in &run.hops {
            let usual = |text: String| (text, Tone::Usual);
            let (word, tone) = match hop.outcome {
                HopOutcome::Passed => ("Passed", Tone::Good),
                HopOutcome::Broke => ("Broke", Tone::Bad),
                HopOutcome::Unknown => ("Unknown", Tone::Warning),
            };
            table.row(vec![
                usual(run.time.clone()),
                usual(hop.hop.word().to_owned()),
                usual(format!("{} ms", hop.took_ms)),
                (word.to_owned(), tone),
                usual(super::printable(&hop.words).clone()),
            ]);
        }
    }
    table.print(style)
}
