//! The store clients of the scripted host: processes that nobody started here, which register and end as they are told.

use std::collections::BTreeMap;

use super::Host;
use crate::model::{Boot, Exit, Identity, Name};
use crate::observed::Client;
use crate::plan::{ClientEvent, ClientSeen};

/// Who lives, and what the agent has not heard yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    living: BTreeMap<Name, Identity>,
    seen: Vec<ClientEvent>,
}

impl Clients {
    pub(super) fn reboot(&mut self) {
        *self = Self::default();
    }

    /// What was on its way to a killed agent is lost with it.
    pub(super) fn agent_dies(&mut self) {
        self.seen.clear();
    }
}

impl Host {
    /// A client says something; one that registers and does not live yet begins to. False where there is none.
    pub fn client_says(&mut self, now: Boot, name: &Name, what: ClientSeen) -> bool {
        if matches!(what, ClientSeen::Registered { .. }) && !self.clients.living.contains_key(name) {
            self.last_pid += 1;
            self.clients.living.insert(name.clone(), Identity { pid: self.last_pid, started: now.0 });
        }
        let Some(client) = self.clients.living.get(name).copied() else { return false };
        if self.agent_lives {
            self.clients.seen.push(ClientEvent { client, what });
        }
        true
    }

    /// The process of a client ends; false where there is none.
    pub fn client_ends(&mut self, name: &str, exit: Exit) -> bool {
        let Some(client) = self.clients.living.remove(name) else { return false };
        if self.agent_lives {
            self.clients.seen.push(ClientEvent { client, what: ClientSeen::Gone(exit) });
        }
        true
    }

    /// The agent kills a client.
    pub fn kill_client(&mut self, client: Identity) {
        let name = self.clients.living.iter().find(|(_, living)| **living == client).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.client_ends(&name, Exit::Signal(9));
        }
    }

    /// A new life of the agent looks for those whom the one before knew.
    pub fn watch_clients(&mut self, known: &BTreeMap<Identity, Client>) {
        for client in known.keys() {
            if !self.clients.living.values().any(|living| living == client) {
                self.clients.seen.push(ClientEvent { client: *client, what: ClientSeen::Gone(Exit::Unknown) });
            }
        }
    }

    /// Whether a client of this name lives.
    pub fn client_lives(&self, name: &str) -> bool {
        self.clients.living.contains_key(name)
    }

    /// What was seen of clients since this was last asked.
    pub fn drain_clients(&mut self) -> Vec<ClientEvent> {
        std::mem::take(&mut self.clients.seen)
    }

    /// Whether there is something the agent has not heard of a client.
    pub fn has_news_of_clients(&self) -> bool {
        !self.clients.seen.is_empty()
    }
}
