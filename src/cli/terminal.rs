//! The two streams to a person: whether they take colours, and what to do when nobody reads them any more.

use std::io::{self, IsTerminal as _, Write as _};

use super::failure::{Failure, IO};
use super::render::Style;

/// Prints on the standard output. A reader that has gone (`| head`) is no error worth a word.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        let words = if error.kind() == io::ErrorKind::BrokenPipe { String::new() } else { error.to_string() };
        Failure::new(IO, words)
    })
}

/// Says something on the standard error; there is nobody to tell when that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether the standard output takes colours.
pub(crate) fn style() -> Style {
    let variable = |name: &str| std::env::var(name).ok();
    colours(&variable, io::stdout().is_terminal())
}

/// `NO_COLOR` (no-color.org) forbids, then `CLICOLOR_FORCE` (bixense.com/clicolors) demands, then a terminal decides.
fn colours(variable: &dyn Fn(&str) -> Option<String>, terminal: bool) -> Style {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let refused = variable("CLICOLOR").is_some_and(|value| value == "0");
    let dumb = variable("TERM").is_some_and(|value| value == "dumb");
    if set("NO_COLOR") {
        Style::Plain
    } else if forced || (terminal && !refused && !dumb) {
        Style::Coloured
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_forbidden_demanded_or_left_to_the_terminal_in_this_order() {
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, Style);
        let table: [Case<'_>; 8] = [
            (&[], true, Style::Coloured),
            (&[], false, Style::Plain),
            (&[("TERM", "dumb")], true, Style::Plain),
            (&[("CLICOLOR", "0")], true, Style::Plain),
            (&[("CLICOLOR_FORCE", "1")], false, Style::Coloured),
            (&[("CLICOLOR_FORCE", "0")], false, Style::Plain),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, Style::Plain),
            (&[("NO_COLOR", "")], true, Style::Coloured),
        ];
        for (variables, terminal, expected) in table {
            let lookup =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(colours(&lookup, terminal), expected, "{variables:?} {terminal}");
        }
    }
}
