//! Store clients ([R14]): processes that are not ours, hold locks of the store, and said so.
//!
//! What they do becomes facts here; what follows from a failure is the planner's affair. A client's death counts only
//! while the store is there and stays: one that dies because the store does, or while it is down, is recorded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ClientNews, Engine, Happened};
use crate::desired::Ix;
use crate::history::{ClientFailure, ClientMarks, Registered};
use crate::model::{Boot, Exit, Identity, Name, Now};
use crate::observed::{CLIENTS, Client, Line};
use crate::plan::{ClientEvent, ClientSeen};
use crate::policy::{budget, reach};

/// How long a client is believed that says it is under stress ([R8]).
const STRESS: Duration = Duration::from_secs(20);
/// Signs of life that may be missed in a row; one more and it is frozen ([R14]: "missed twice").
const MISSES: u8 = 2;

/// Why a client is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// There are as many as can be.
    #[error("too many clients are registered")]
    Full,
    /// `watcher.enabled: false` ([R31]).
    #[error("nobody watches")]
    NotWatched,
}

/// What the engine keeps of clients beside the facts.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientBook {
    /// When signs of life are missed.
    due: BTreeSet<(Boot, Identity)>,
    /// Killed, once.
    kills: Vec<Identity>,
    unsaved: bool,
}

impl ClientBook {
    pub(super) fn take_kills(&mut self) -> Vec<Identity> {
        std::mem::take(&mut self.kills)
    }

    pub(super) fn take_unsaved(&mut self) -> bool {
        std::mem::take(&mut self.unsaved)
    }

    pub(super) fn wake(&self) -> Option<Boot> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Engine {
    /// Those whom an earlier life of the agent knew: they are watched again by what proves who they are.
    pub(super) fn meet_again(&mut self) {
        if !self.desired.watched {
            self.history.clients.registered.clear();
        }
        for Registered { identity, name } in &self.history.clients.registered {
            let client = Client {
                name: name.clone(),
                heartbeat: None,
                line: Line::OfEarlierLife,
                due: None,
                missed: 0,
                froze: false,
            };
            self.observed.clients.insert(*identity, client);
        }
    }

    /// Takes in what was seen of a store client. What is said of one that is not registered changes nothing.
    ///
    /// # Errors
    /// It wants to register and cannot.
    pub fn see_client(&mut self, now: Now, event: &ClientEvent) -> Result<(), NotRegistered> {
        let id = event.client;
        if let ClientSeen::Registered { name, heartbeat } = &event.what {
            return self.registered(now, id, name, *heartbeat);
        }
        let Some(client) = self.observed.clients.get_mut(&id) else { return Ok(()) };
        let name = client.name.clone();
        match &event.what {
            ClientSeen::Registered { .. } => {}
            ClientSeen::Alive => self.expect_word(now.boot, id, Duration::ZERO),
            ClientSeen::Stressed => {
                self.expect_word(now.boot, id, STRESS);
                self.tell_client(now, id, name, ClientNews::Stressed);
            }
            ClientSeen::Goodbye => {
                self.forget_client(id);
                self.tell_client(now, id, name, ClientNews::SaidGoodbye);
            }
            ClientSeen::Disconnected => {
                client.line = Line::Lost;
                self.no_word_is_due(id);
                self.tell_client(now, id, name, ClientNews::LostItsLine);
            }
            ClientSeen::Gone(exit) => self.client_gone(now, id, *exit),
        }
        Ok(())
    }

    fn registered(
        &mut self,
        now: Now,
        id: Identity,
        name: &Name,
        heartbeat: Option<Duration>,
    ) -> Result<(), NotRegistered> {
        if !self.desired.watched {
            return Err(NotRegistered::NotWatched);
        }
        let known = self.observed.clients.get(&id);
        if known.is_none() && self.observed.clients.len() >= CLIENTS {
            return Err(NotRegistered::Full);
        }
        let (is_new, is_renamed) = (known.is_none(), known.is_some_and(|known| known.name != *name));
        let client = Client { name: name.clone(), heartbeat, line: Line::Held, due: None, missed: 0, froze: false };
        self.no_word_is_due(id);
        self.observed.clients.insert(id, client);
        self.expect_word(now.boot, id, Duration::ZERO);
        if is_new || is_renamed {
            self.history.clients.registered.retain(|other| other.identity != id);
            self.history.clients.registered.push(Registered { identity: id, name: name.clone() });
            self.clients.unsaved = true;
            self.tell_client(now, id, name.clone(), ClientNews::Registered);
        }
        Ok(())
    }

    /// Waits for the next sign of life, and a while longer where it asked for that.
    fn expect_word(&mut self, now: Boot, id: Identity, while_longer: Duration) {
        let Some(client) = self.observed.clients.get_mut(&id) else { return };
        let Some(heartbeat) = client.heartbeat.filter(|_| client.line == Line::Held && !client.froze) else { return };
        client.missed = 0;
        let at = now.plus(heartbeat.max(while_longer));
        if let Some(before) = client.due.replace(at) {
            self.clients.due.remove(&(before, id));
        }
        self.clients.due.insert((at, id));
    }

    fn no_word_is_due(&mut self, id: Identity) {
        if let Some(at) = self.observed.clients.get_mut(&id).and_then(|client| client.due.take()) {
            self.clients.due.remove(&(at, id));
        }
    }

    fn forget_client(&mut self, id: Identity) {
        self.no_word_is_due(id);
        self.observed.clients.remove(&id);
        self.history.clients.registered.retain(|other| other.identity != id);
        self.clients.unsaved = true;
    }

    /// Missed signs of life. Each miss is noticed for itself and the next is due a whole heartbeat later, so that an
    /// agent that was itself stopped for a while, or a host that slept, makes nobody look frozen. While the store is not
    /// there a client may well wait for it, and nothing is counted.
    pub(super) fn miss_words(&mut self, now: Now) {
        while let Some((at, id)) = self.clients.due.first().copied().filter(|(at, _)| *at <= now.boot) {
            self.clients.due.remove(&(at, id));
            let counts = self.store_is_there();
            let acts = self.desired.autorestart.enabled && !self.desired.suspended && !self.history.ending;
            let Some(client) = self.observed.clients.get_mut(&id) else { continue };
            let Some(heartbeat) = client.heartbeat else { continue };
            client.missed = if counts { client.missed.saturating_add(1) } else { 0 };
            if client.missed < MISSES {
                let next = now.boot.plus(heartbeat);
                client.due = Some(next);
                self.clients.due.insert((next, id));
                continue;
            }
            client.due = None;
            client.froze = acts;
            let name = client.name.clone();
            if acts {
                self.clients.kills.push(id);
            }
            self.tell_client(now, id, name, ClientNews::Froze { killed: acts });
        }
    }

    /// Whether the store was ready and stays: only then is a client's end its own failure.
    fn store_is_there(&self) -> bool {
        reach::store_group(&self.desired).is_some_and(|(_, speaker)| {
            let marks = &self.history.services[speaker.at()];
            self.board.is_ready(speaker)
                && marks.failure.is_none()
                && self.observed.services[speaker.at()].alive().is_some_and(|alive| !marks.retires(alive.incarnation))
        })
    }

    fn client_gone(&mut self, now: Now, id: Identity, exit: Exit) {
        let Some(client) = self.observed.clients.get(&id).cloned() else { return };
        self.forget_client(id);
        // Whoever was registered with an agent that is gone had nobody to say goodbye to: a good end counts as one, and
        // one that nobody saw is no proof of a bad one.
        let excused = client.line == Line::OfEarlierLife && matches!(exit, Exit::Code(0) | Exit::Unknown);
        if excused {
            self.tell_client(now, id, client.name, ClientNews::EndedUnheard { exit });
            return;
        }
        let policy = &self.desired.autorestart;
        let clients = &mut self.history.clients;
        clients.given_up = clients.given_up.filter(|at| !budget::is_over_for_clients(*at, policy, now.boot));
        let gave_up = clients.given_up.is_some();
        let recorded = !self.store_is_there() || gave_up || self.history.ending;
        let name = client.name.clone();
        self.tell_client(now, id, client.name, ClientNews::Died { exit, froze: client.froze, recorded });
        if recorded {
            return;
        }
        self.history.clients.failure = Some(ClientFailure { name: name.clone(), pid: id.pid });
        self.touch_speaker();
        if !self.desired.autorestart.enabled {
            let clients = self.living_clients();
            self.tell_client(now, id, name, ClientNews::OnlyReported { clients });
        }
    }

    /// The store clients that live, for the advice to stop and start everything ([R12]): `mboxutil (pid 77)`.
    pub fn living_clients(&self) -> Vec<Name> {
        let named = |(id, client): (&Identity, &Client)| Name::from(format!("{} (pid {})", client.name, id.pid));
        self.observed.clients.iter().map(named).collect()
    }

    /// What a person's order for the store, a change of its declaration and a reset have in common ([R11]).
    pub(super) fn forgive_clients(&mut self) {
        self.write_clients(|clients| {
            clients.failure = None;
            clients.given_up = None;
        });
    }

    /// A new life of the store has no lock that a dead client left behind.
    pub(super) fn store_begins_anew(&mut self) {
        if self.history.clients.failure.is_some() {
            self.write_clients(|clients| clients.failure = None);
        }
    }

    pub(super) fn write_clients(&mut self, write: impl FnOnce(&mut ClientMarks)) {
        let before = self.history.clients.clone();
        write(&mut self.history.clients);
        if self.history.clients != before {
            self.clients.unsaved = true;
            self.touch_speaker();
        }
    }

    /// Nobody watches any more: nobody is registered ([R31]).
    pub(super) fn dismiss_clients(&mut self) {
        self.observed.clients.clear();
        self.clients.due.clear();
        self.write_clients(|clients| {
            clients.registered.clear();
            clients.failure = None;
        });
    }

    pub(super) fn speaks_for_clients(&self, ix: Ix) -> bool {
        reach::store_group(&self.desired).is_some_and(|(_, speaker)| speaker == ix)
    }

    fn touch_speaker(&mut self) {
        self.clients.unsaved = true;
        if let Some((_, speaker)) = reach::store_group(&self.desired) {
            self.board.touch(speaker);
        }
    }

    fn tell_client(&mut self, now: Now, id: Identity, client: Name, news: ClientNews) {
        let service = Some(Name::from("watcher"));
        let what = Happened::Client { client, pid: id.pid, news };
        self.news.push(super::Happening { now, service, what });
    }
}
