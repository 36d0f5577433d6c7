//! Servers whose work no demo needs: they stay alive, say so, and end at TERM.

use super::notify::notify;
use super::options::Kind;
use super::say;
use super::term::Term;

pub(super) fn serve(kind: Kind, term: &mut Term) {
    say(&format!("{} stand-in: alive; it does nothing else", kind.word()));
    notify("READY=1");
    term.wait();
    say(&format!("{} stand-in: stopped", kind.word()));
}
