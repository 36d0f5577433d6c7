//! Removes from disk what IMAP and POP3 expunged: at once when started, then every minute.

use std::time::Duration;

use super::notify::notify;
use super::place::Place;
use super::term::Term;
use super::{StandInError, complain, say};

const ROUND: Duration = Duration::from_mins(1);

pub(super) fn serve(place: &Place, term: &mut Term) -> Result<(), StandInError> {
    place.store_ready()?;
    say("purge stand-in: alive");
    notify("READY=1");
    loop {
        match round(place) {
            Ok(0) => {}
            Ok(removed) => say(&format!("purge stand-in: removed {removed} expunged messages")),
            Err(error) => complain(&format!("purge stand-in: {error}")),
        }
        if term.wait_at_most(ROUND) {
            say("purge stand-in: stopped");
            return Ok(());
        }
    }
}

fn round(place: &Place) -> std::io::Result<usize> {
    place.users()?.iter().map(|(user, _)| place.maildir(user).purge()).sum()
}
