//! The tour: the story of the demo, played unattended. Every claim is checked against the status, the events, the
//! processes and the mail service itself; the first one that is not seen ends it.

mod hang;
mod story;
mod watch;

use super::stage::Stage;
use crate::cli::failure::{Failure, OK};
use crate::cli::terminal::print;

/// Something did not happen as the story says.
pub(super) const NOT_SEEN: u8 = 1;

/// Plays it to the end.
pub(super) async fn play(stage: &mut Stage) -> Result<u8, Failure> {
    let begun = std::time::Instant::now();
    story::play(stage).await?;
    print(&format!("\nEverything was seen to happen, in {:.0} s.\n", begun.elapsed().as_secs_f64()))?;
    Ok(OK)
}

/// A claim that did not hold.
fn unseen(words: impl std::fmt::Display) -> Failure {
    Failure::new(NOT_SEEN, format!("not seen: {words}"))
}
