//! What the store clients say on its way to the engine, and the answers on their way back ([R14]).

use std::time::Duration;

use tokio::sync::oneshot;

use super::turns::Agent;
use crate::clients::{Doors, Report};
use crate::document::Settings;
use crate::model::Now;
use crate::plan::{Event, Seen};

/// An answer that is given once what it says is on record.
pub(super) type Taken = (oneshot::Sender<Result<(), String>>, Result<(), String>);

impl Agent {
    /// Takes in what was said; the answers wait for the records.
    pub(super) fn hear_clients(&mut self, now: Now, reports: Vec<Report>) -> Vec<Taken> {
        let mut answers = Vec::new();
        for report in reports {
            match report {
                Report::Client { event, taken } => {
                    let outcome = self.engine.see_client(now, &event).map_err(|error| error.to_string());
                    answers.extend(taken.map(|taken| (taken, outcome)));
                }
                Report::Stressed { service } => {
                    let Some(ix) = self.engine.find(&service) else { continue };
                    let incarnation = self.engine.history().services[ix.at()].used;
                    // Believed for as long as anybody is ([R8]).
                    let what = Seen::Stressed { incarnation, span: Duration::MAX };
                    self.engine.see(now, &Event { service, what });
                }
            }
        }
        answers
    }

    /// Opens and closes the doors as the document says.
    pub(super) fn open_doors(&mut self, site: &Settings) {
        let doors = site.watcher.as_ref().map(|watcher| Doors { port: watcher.port, user: watcher.user.clone() });
        self.chronicle.withdraw("store clients");
        for words in self.clients.set(doors) {
            self.chronicle.complain(words);
        }
    }
}
