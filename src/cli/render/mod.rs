//! From values to text. Pure: no terminal, no clock, no agent.

mod answers;
mod canary;
mod diff;
mod history;
mod object;
mod oracle;
mod plan;
mod probes;
mod status;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use answers::{after_order, progress};
pub(crate) use canary::canary;
pub(crate) use diff::difference;
pub(crate) use history::history;
pub(crate) use object::{json, yaml};
pub(crate) use oracle::{Starting, Stopping};
pub(crate) use plan::plan;
pub(crate) use probes::probes;
pub(crate) use status::{heading, state, status};
pub(crate) use table::Table;

/// Whether text carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text alone.
    Plain,
    /// With colours (ECMA-48, SGR).
    Coloured,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Usual,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Something is wrong.
    Bad,
    /// Not of interest now.
    Faint,
    /// A heading.
    Strong,
}

impl Style {
    /// The text in its colour.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Usual => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// A text from elsewhere cannot drive the terminal it is shown on: control characters are replaced.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
