//! Servers whose work no demo needs: they stay alive, say so, and end at TERM.

use super::notify::notify;
use super::options::Kind;
use super::term::Term;
use super::{StandInError, say};

pub(super) fn serve(kind: Kind, term: &Term) -> Result<(), StandInError> {
    say(&format!("{} stand-in: alive; it does nothing else", kind.word()));
    notify("READY=1");
    term.wait();
    say(&format!("{} stand-in: stopped", kind.word()));
    Ok(())
}
