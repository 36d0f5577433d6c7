//! The store: owns the mailboxes, takes mail by LMTP, and says in its pid file whether it can be used.

use std::fs::File;
use std::sync::Arc;

use super::exchange;
use super::notify::notify;
use super::options::Options;
use super::place::Place;
use super::term::Term;
use super::{StandInError, say};
use crate::demo::Address;

pub(super) fn serve(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    let failed = |source| StandInError::File { path: place.pid_file().display().to_string(), source };
    // The kernel drops the lock with the process, so a killed store leaves a pid file but never a lock.
    let lock = File::create(place.store_lock()).map_err(failed)?;
    lock.try_lock().map_err(|_| StandInError::StoreRuns)?;
    place.write_pid_file("init").map_err(failed)?;
    notify("STATUS=init");
    say(&format!("store stand-in: init ({} ms of recovery)", options.init.as_millis()));
    if !term.wait_at_most(options.init) {
        for (user, _) in place.users().map_err(failed)? {
            place.maildir(&user).create().map_err(failed)?;
        }
        let socket = Address::Unix(place.lmtp_socket());
        let addresses = if options.listen.is_empty() { vec![socket] } else { options.listen.clone() };
        let server = exchange::lmtp_server(&addresses, place)?;
        place.write_pid_file("ready").map_err(failed)?;
        notify("READY=1\nSTATUS=ready");
        say("store stand-in: ready");
        term.wait();
        server.stop();
    }
    std::fs::remove_file(place.pid_file()).map_err(failed)?;
    say("store stand-in: stopped");
    Ok(())
}
