//! Small, honest stand-in servers for a machine without Dovecot, Postfix and nginx: separate processes that speak
//! enough IMAP, POP3, SMTP, LMTP and HTTP to be probed and used, each with a thread per connection and a bound on
//! everything a client can send.
//!
//! ```text
//! smtp (dispatcher) ─► queue/ ─► delivery (job_controller) ─ LMTP ─► store ─► store/USER (Maildir) ─► imap, pop3, http
//! ```
//!
//! They know nothing of the agent but `NOTIFY_SOCKET`. Started as `mailward stand-in KIND ...`.

mod delivery;
mod exchange;
mod http;
mod idle;
mod imap;
mod lines;
mod maildir;
mod message;
mod notify;
mod options;
mod place;
mod pop3;
mod purge;
mod queue;
mod server;
mod store;
mod term;
mod transaction;

use std::io::Write as _;
use std::sync::Arc;

pub use options::{Kind, Options, OptionsError, USAGE};
pub use place::{Place, StoreNotReady};

use term::Term;

/// sysexits(3): the command line is wrong.
const EX_USAGE: u8 = 64;
/// sysexits(3): something needed is not there; here mostly the store.
const EX_UNAVAILABLE: u8 = 69;

/// Why a stand-in cannot serve.
#[derive(Debug, thiserror::Error)]
enum StandInError {
    #[error(transparent)]
    Store(#[from] StoreNotReady),
    #[error("another store runs on this folder; stop it first")]
    StoreRuns,
    #[error("cannot listen at {address}; is another server there?")]
    Listen { address: String, source: std::io::Error },
    #[error("cannot use {path}")]
    File { path: String, source: std::io::Error },
    #[error("cannot catch the signal TERM")]
    Signal(#[source] std::io::Error),
    #[error("--{0} is missing; `mailward stand-in` without arguments lists what each kind needs")]
    Missing(&'static str),
}

/// Runs one stand-in until TERM or INT. `args` are the words after `stand-in`. Returns the exit code: 0 after TERM, 64
/// for a wrong command line, 69 when something it needs is not there (the store above all).
pub fn run(args: impl IntoIterator<Item = String>) -> u8 {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            complain(&format!("{error}\n{USAGE}"));
            return EX_USAGE;
        }
    };
    match serve(&options) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("{} stand-in: {}", options.kind.word(), chain(&error)));
            if matches!(error, StandInError::Missing(_)) { EX_USAGE } else { EX_UNAVAILABLE }
        }
    }
}

fn serve(options: &Options) -> Result<(), StandInError> {
    // Before anything else, so that TERM in the first moment ends it as cleanly as later.
    let mut term = Term::catch().map_err(StandInError::Signal)?;
    let place = Arc::new(Place::new(&options.data));
    match options.kind {
        Kind::Imap => imap::serve(options, &place, &mut term),
        Kind::Pop3 => pop3::serve(options, &place, &mut term),
        Kind::Http => http::serve(options, &place, &mut term),
        Kind::Smtp => exchange::serve_smtp(options, &place, &mut term),
        Kind::Lmtp => exchange::serve_lmtp(options, &place, &mut term),
        Kind::Store => store::serve(options, &place, &mut term),
        Kind::Purge => purge::serve(&place, &mut term),
        Kind::Delivery => delivery::serve(options, &place, &mut term),
        Kind::Ens => {
            idle::serve(options.kind, &mut term);
            Ok(())
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// One line on standard output. A reader that went away (a killed agent) must not end the server, so errors are
/// dropped, which `println!` would not do.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line on standard error, as [`say`].
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
