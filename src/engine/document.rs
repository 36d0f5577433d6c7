//! A new document in the middle of life ([R19]): services go by name, a rename is a removal and an addition, and what
//! was removed and still runs is stopped by the declaration it was started with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Engine, Happened};
use crate::desired::{Desired, Ix, Launch, Service, Wanted};
use crate::history::{ClientMarks, Marks};
use crate::model::{Incarnation, Name, Now};
use crate::observed::Facts;
use crate::plan::Board;

/// What the ledger keeps of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Its marks.
    pub marks: Marks,
    /// How it was started, so that it can be stopped after it left the document.
    pub launch: Arc<Launch>,
    /// From the stop signal to KILL, milliseconds.
    pub stop_timeout_ms: u64,
    /// What is kept of the store clients, in the one record that is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientMarks>,
}

impl Record {
    /// What remains of a service that left: the numbers that are used up.
    pub(super) fn departed(used: Incarnation) -> Self {
        Self { marks: Marks { used, ended: used, ..Marks::default() }, ..Self::default() }
    }
}

/// Adds what the ledger says may still run although the document does not name it.
pub(super) fn with_leftovers(desired: &mut Desired, records: &HashMap<Name, Record>) {
    let mut left: Vec<(&Name, &Record)> =
        records.iter().filter(|(name, record)| record.marks.thought_alive() && desired.find(name).is_none()).collect();
    left.sort_by_key(|(name, _)| (*name).clone());
    for (name, record) in left {
        append_removed(desired, Service::leftover(name.clone(), record.launch.clone(), record.stop_timeout_ms));
    }
}

/// What is known of a service before anybody looked.
pub(super) fn first_facts(service: &Service, marks: &Marks) -> Facts {
    if service.wanted != Wanted::Yes && !marks.thought_alive() { Facts::NOTHING } else { Facts::UNKNOWN }
}

impl Engine {
    /// Puts a new document in force. Nothing is done yet; the next turn plans with it.
    pub fn accept(&mut self, now: Now, new: Desired) {
        let generation = new.generation;
        self.replace(new);
        if !self.desired.watched {
            self.dismiss_clients();
        }
        self.replace_tasks();
        self.forgets_hangs_of_another_document();
        self.tell_all(now, Happened::DocumentAccepted { generation });
    }

    /// Drops the records of services that left the document and of which nothing is left.
    pub(super) fn forget_what_left(&mut self, now: Now) {
        if !self.has_removed {
            return;
        }
        let gone: Vec<Ix> = self
            .desired
            .indices()
            .filter(|ix| self.desired.service(*ix).wanted == Wanted::Removed && !self.may_still_be_there(*ix))
            .collect();
        if gone.is_empty() {
            return;
        }
        for ix in &gone {
            self.tell(now, *ix, Happened::Forgotten);
        }
        let names: Vec<Name> = gone.iter().map(|ix| self.desired.service(*ix).name.clone()).collect();
        let mut kept = self.desired.clone();
        kept.services.retain(|service| !names.contains(&service.name));
        self.replace(reindexed(kept, &self.desired));
        self.plan(now);
    }

    fn may_still_be_there(&self, ix: Ix) -> bool {
        let (facts, marks) = (&self.observed.services[ix.at()], &self.history.services[ix.at()]);
        facts.busy.is_some() || facts.present().is_some() || marks.thought_alive()
    }

    fn replace(&mut self, new: Desired) {
        let mut merged = new;
        let listed: HashSet<Name> = merged.services.iter().map(|s| s.name.clone()).collect();
        let old = std::mem::replace(&mut self.desired, Desired { services: Vec::new(), ..merged.clone() });
        let mut facts = std::mem::take(&mut self.observed.services);
        let mut marks = std::mem::take(&mut self.history.services);
        let mut kept: HashMap<Name, (Facts, Marks)> = HashMap::new();
        for (service, (mut fact, mut mark)) in old.services.into_iter().zip(facts.drain(..).zip(marks.drain(..))) {
            let name = service.name.clone();
            if let Some(next) = merged.find(&name).filter(|_| listed.contains(&name)) {
                if merged.service(next).launch.watch_files != service.launch.watch_files {
                    // Another list has another fingerprint although no file changed: what is read next is what it runs with.
                    fact.files = None;
                    mark.files = None;
                }
                let (next, before) = (merged.service(next), &service);
                if next.probing != before.probing || next.launch.probe != before.launch.probe {
                    fact.probed = None;
                }
                kept.insert(name, (fact, mark));
                continue;
            }
            let there = fact.busy.is_some() || fact.present().is_some() || mark.thought_alive();
            if there {
                append_removed(&mut merged, service);
                kept.insert(name, (fact, forgotten(mark)));
            } else if mark.used > Incarnation(0) {
                self.departed.insert(name.clone(), mark.used);
                self.unsaved_departed.push(name);
            }
        }
        for service in &merged.services {
            let (fact, mark) = kept.remove(&service.name).unwrap_or_else(|| {
                let used = self.departed.remove(&service.name).unwrap_or_default();
                let mark = Record::departed(used).marks;
                (first_facts(service, &mark), mark)
            });
            facts.push(fact);
            marks.push(mark);
        }
        self.observed.services = facts;
        self.history.services = marks;
        self.board = Board::new(&merged);
        self.has_removed = merged.services.iter().any(|service| service.wanted == Wanted::Removed);
        self.desired = merged;
        self.unsaved = self.desired.indices().collect();
        self.index_names();
    }
}

/// Removal forgets hold and window ([R19]); what proves the process stays.
fn forgotten(mut marks: Marks) -> Marks {
    marks.forgive();
    marks.hold = None;
    marks.charges.clear();
    marks.ordered = false;
    marks.restart_ordered = None;
    marks.reload_ordered = false;
    marks
}

/// A removed service keeps its own declaration and loses its neighbours: whatever depended on it has changed with the
/// document, and its place at the end of the order makes it stop first.
fn append_removed(desired: &mut Desired, service: Service) {
    let ix = Ix(u32::try_from(desired.services.len()).unwrap_or(u32::MAX));
    desired.services.push(Service {
        wanted: Wanted::Removed,
        depends_on: Vec::new(),
        dependents: Vec::new(),
        group: None,
        held: false,
        ..service
    });
    desired.topological.push(ix);
}

/// The same document with some removed services left out: every index is worked out anew.
fn reindexed(mut kept: Desired, old: &Desired) -> Desired {
    let new_ix: HashMap<Name, Ix> = kept.services.iter().map(|s| s.name.clone()).zip(kept.indices()).collect();
    let moved = |ix: &Ix| new_ix.get(&old.service(*ix).name).copied();
    for service in &mut kept.services {
        service.depends_on = service.depends_on.iter().filter_map(moved).collect();
        service.dependents = service.dependents.iter().filter_map(moved).collect();
    }
    for group in &mut kept.groups {
        group.lead = group.lead.as_ref().and_then(moved);
        group.members = group.members.iter().filter_map(moved).collect();
    }
    kept.topological = old.topological.iter().filter_map(moved).collect();
    kept
}
