//! What the rest of the agent may ask and tell the host beside steps.

use std::path::PathBuf;
use std::sync::Arc;

use super::capture::Capture;
use super::complaints::Relief;
use super::host::Host;
use super::service::{Run, Said, Service};
use crate::desired::Launch;
use crate::model::{Identity, Name};

impl Host {
    /// The service is known to be ready by other means (a probe): its pid file is watched no longer.
    pub fn settled(&mut self, name: &str) {
        if let Some(slot) = self.names.get(name).copied() {
            let service = self.service_mut(slot);
            service.ready = true;
            service.watch = None;
            self.expect_sign_of_life(slot);
            self.timer.arm();
        }
    }

    /// Replaces the declaration of a service that goes on, for what applies live (output, reload, stop signal).
    pub fn update(&mut self, name: &Name, launch: &Arc<Launch>) {
        if self.names.contains_key(name) {
            self.slot(name, launch);
        }
    }

    /// Forgets a service that was removed; false (and nothing happens) while anything of it lives or is under way.
    pub fn forget(&mut self, name: &str) -> bool {
        let Some(slot) = self.names.get(name).copied() else { return true };
        let idle = matches!(self.service(slot).run, Run::Unknown | Run::Absent);
        if !idle || self.errands.iter().flatten().any(|errand| errand.slot == slot) {
            return false;
        }
        self.names.remove(name);
        let empty = Service::new(Name::from(""), Arc::new(Launch::default()));
        let old = std::mem::replace(self.service_mut(slot), empty);
        let output = old.capture.map(|_| self.config.output_of(name));
        let mailbox = old.mailbox.map(|mailbox| mailbox.path().to_owned());
        for path in [output, mailbox].into_iter().flatten() {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
        if let Some(domain) = &self.domain {
            domain.remove(name);
            domain.remove(&super::inquiry::cgroup(name));
        }
        self.free.push(slot);
        true
    }

    /// The last lines a service wrote, oldest first: at most 20 and 4 KiB.
    pub fn last_lines(&self, name: &str) -> Vec<String> {
        self.known(name).and_then(|s| s.capture.as_ref()).map(Capture::last_lines).unwrap_or_default()
    }

    /// What a service said of itself in its present life.
    pub fn said(&self, name: &str) -> Option<&Said> {
        self.known(name)?.said.as_deref()
    }

    /// Its main process, where one is known to live.
    pub fn main(&self, name: &str) -> Option<Identity> {
        self.known(name)?.main().map(|main| main.identity)
    }

    /// The folder of its cgroup, where its present life is in one.
    pub fn cgroup(&self, name: &str) -> Option<PathBuf> {
        self.known(name).filter(|service| service.in_cgroup)?;
        self.domain.as_ref().map(|domain| domain.directory(name))
    }

    /// What could not be done and a person should know, each thing once; taken by the call.
    pub fn complaints(&mut self) -> Vec<String> {
        self.complaints.take()
    }

    /// What was complained about and works again; taken by the call.
    pub fn relieved(&mut self) -> Vec<Relief> {
        self.complaints.take_over()
    }

    /// Opens every log file anew with the next line: somebody moved them.
    pub fn reopen(&mut self) {
        self.services.iter_mut().filter_map(|s| s.capture.as_mut()).for_each(Capture::reopen);
    }

    /// New bounds for the log files: bytes (zero for no rotation) and old files kept.
    pub fn bound_logs(&mut self, rotate_size: u64, keep: u32) {
        self.logs.bound(rotate_size, keep);
    }
}
