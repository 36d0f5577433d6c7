//! A document that is new: it is put in force, or refused and the last good one stays ([R18], [R19]).

use super::turns::{Agent, chain};
use super::wishes;
use crate::control;
use crate::document::Settings;
use crate::model::{Fingerprint, Now};
use crate::report::default_log::Level;
use crate::report::sd_notify;
use crate::sources::{Candidate, Origin, WatchSet};

use super::turns::Door;

/// What tells a document from another one: as much as tells a file that has changed from one that has not, and no copy.
pub(super) type Content = (Fingerprint, usize);

fn content(bytes: &[u8]) -> Content {
    (Fingerprint::of(bytes), bytes.len())
}

impl Agent {
    /// The document's file has other content, or none.
    pub(super) fn declared(&mut self, now: Now, candidate: Candidate) {
        let Candidate { bytes, origin } = candidate;
        let bytes = match (bytes, &origin) {
            (Ok(bytes), _) => bytes,
            (Err(error), Origin::File(_)) => {
                return self.refuse(now, wishes::Refused::unread(format!("{origin}: {}", chain(&error))));
            }
            // No document was refused; and a pod is told to stop by TERM, never by a resource that is gone.
            (Err(error), Origin::Resource { .. }) => {
                return self.chronicle.message(now, Level::Warning, &format!("{origin}: {}", chain(&error)));
            }
        };
        if let (Origin::Resource { generation, .. }, Some(front)) = (&origin, &mut self.front) {
            front.looked_at = *generation;
        }
        if content(&bytes) == self.in_force {
            // It was bad in between, or it is the one that was read at the start.
            self.refused = None;
            return;
        }
        let read = match &origin {
            Origin::File(_) => {
                wishes::read(&bytes, &origin.to_string(), self.engine.desired().generation.saturating_add(1))
            }
            Origin::Resource { generation, .. } => wishes::read_resource(&bytes, &origin.to_string(), *generation),
        };
        match read {
            Ok(wish) => {
                self.tell_systemd(&[sd_notify::State::Reloading]);
                for warning in wish.warnings {
                    self.chronicle.message(now, Level::Warning, &warning);
                }
                self.refused = None;
                self.newer = wish.newer;
                self.engine.accept(now, wish.desired);
                self.put_in_force(&wish.site);
                self.keep_last_good(now, bytes);
                self.tell_systemd(&[sd_notify::State::Ready]);
            }
            Err(refused) => self.refuse(now, refused),
        }
    }

    fn refuse(&mut self, now: Now, wishes::Refused { first, all }: wishes::Refused) {
        self.chronicle.message(now, Level::Warning, &format!("the last good document stays in force: {all}"));
        if let Some(front) = &self.front {
            front.link.refused(&first.words);
        }
        self.refused = Some(first);
    }

    /// Makes the other rooms see the document that is in force.
    pub(super) fn put_in_force(&mut self, site: &Settings) {
        let desired = self.engine.desired();
        let watched = desired.services.iter().filter(|service| !service.launch.watch_files.is_empty());
        let sets = watched.map(|service| WatchSet {
            service: service.name.clone(),
            paths: service.launch.watch_files.iter().map(Into::into).collect(),
        });
        self.sources.watch(sets.collect());
        for service in &desired.services {
            self.host.update(&service.name, &service.launch);
        }
        self.open_doors(site);
        self.flights.declare(site.canary.as_ref());
        self.cluster.said.clone_from(&site.cluster);
        self.host.bound_logs(site.rotate_size.unwrap_or(0), site.keep);
        if self.door.access.others_may_read() != site.others_may_read {
            let Door { socket, access } = &self.door;
            if let Err(error) = control::let_others_read(socket, access, site.others_may_read) {
                self.chronicle.complain(format!("the mode of {} cannot be changed: {error}", socket.display()));
            }
        }
    }

    /// Remembers the document that is in force, here and on disk.
    pub(super) fn keep_last_good(&mut self, now: Now, bytes: Vec<u8>) {
        self.in_force = content(&bytes);
        if let Some(front) = &mut self.front {
            front.hash = wishes::hash(&bytes);
        }
        self.compare_grace(now);
        if let Err(error) = self.last_good.keep(bytes) {
            self.chronicle.message(now, Level::Error, &format!("the last good document was not kept: {error}"));
        }
    }
}
