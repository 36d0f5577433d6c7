//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    match words.next().as_deref() {
        Some("stand-in") => ExitCode::from(mailward::demo::standin::run(words)),
        _ => ExitCode::from(64),
    }
}
