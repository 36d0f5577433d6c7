//! The command of a probe: an errand whose end is an [`Inquiry`] ([R8]).
//!
//! It is in a cgroup of its own where there are cgroups, so that its end, or the end of its time, is the end of all that
//! it began; elsewhere that is its process group. Never two at once of one service: one that was killed and has not ended
//! yet (it waits in the kernel) is waited for.

use std::sync::Arc;
use std::time::Duration;

use super::birth::Entrance;
use super::errand::{End, Errand, Kind};
use super::host::Host;
use super::timer;
use crate::desired::Launch;
use crate::model::{Inquiry, InquiryEnd, Name};

/// The cgroup of a service's probe. A service's name has no dot.
pub(super) fn cgroup(service: &str) -> String {
    format!("probe.{service}")
}

impl Host {
    /// Runs the command that asks whether a service serves, for at most so long; what became of it is told once by
    /// [`Host::inquiries`].
    pub fn inquire(&mut self, name: &Name, launch: &Arc<Launch>, limit: Duration) {
        let slot = self.slot(name, launch);
        if self.errands.iter().flatten().any(|errand| errand.slot == slot && errand.kind == Kind::Probe) {
            self.inquiry_cut_off(slot, "its last run has not ended yet".to_owned());
        } else if self.service(slot).main().is_none() {
            self.inquiry_cut_off(slot, "the service does not run any more".to_owned());
        } else {
            self.send_out(slot, Kind::Probe, &launch.probe, limit);
        }
        self.timer.arm();
    }

    /// What became of commands of probes, by service; taken by the call.
    pub fn inquiries(&mut self) -> Vec<(Name, Inquiry)> {
        std::mem::take(&mut self.inquiries)
    }

    /// Ends every command of a probe: who asked is about to end, and nobody else would end them.
    pub(super) fn end_inquiries(&mut self) {
        let probes = self.errands.iter_mut().flatten().filter(|errand| errand.kind == Kind::Probe);
        let running: Vec<u64> = probes
            .map(|errand| {
                errand.unwanted = true;
                errand.number
            })
            .collect();
        for number in running {
            self.errand_overdue(number);
        }
    }

    /// The way into the cgroup of a service's probe, emptied of what an agent that was killed may have left in it.
    pub(super) fn entrance_of_probe(&mut self, slot: u32) -> Option<Entrance> {
        let name = cgroup(&self.service(slot).name);
        self.end_all_of(&name);
        match self.domain.as_ref()?.entrance(&name) {
            Ok(entrance) => Some(entrance),
            Err(why) => {
                self.complaints.say(format!("a probe's command runs without a cgroup of its own: {why}"));
                None
            }
        }
    }

    fn end_all_of(&self, cgroup: &str) {
        if let Some(domain) = self.domain.as_ref().filter(|domain| domain.populated(cgroup)) {
            domain.kill(cgroup);
        }
    }

    /// It had its time, or its service has ended: its group is killed, and what it leads to does not wait for its end.
    pub(super) fn probe_overdue(&mut self, at: usize) {
        let Some(errand) = self.errands[at].as_mut().filter(|errand| errand.kind == Kind::Probe) else {
            return;
        };
        let told = std::mem::replace(&mut errand.told, true);
        let end = if errand.unwanted {
            InquiryEnd::CutOff(Name::from("the service ended meanwhile"))
        } else {
            InquiryEnd::Overdue(timer::now().since(errand.begun).saturating_sub(errand.limit))
        };
        let (slot, inquiry) = (errand.slot, Inquiry { took: errand.limit, end, said: errand.tail.clone() });
        let name = self.service(slot).name.clone();
        self.end_all_of(&cgroup(&name));
        if !told {
            self.inquiries.push((name, inquiry));
        }
    }

    /// It has ended, and so has all that it began.
    pub(super) fn probe_ended(&mut self, errand: &Errand, end: End) {
        let name = self.service(errand.slot).name.clone();
        self.end_all_of(&cgroup(&name));
        if let Some(domain) = &self.domain {
            domain.remove(&cgroup(&name));
        }
        if errand.told {
            return;
        }
        let end = match end {
            End::Exited(exit) => InquiryEnd::Exited(exit),
            End::NotRun(why) => InquiryEnd::CutOff(Name::from(why)),
        };
        let took = timer::now().since(errand.begun);
        self.inquiries.push((name, Inquiry { took, end, said: errand.tail.clone() }));
    }

    pub(super) fn inquiry_cut_off(&mut self, slot: u32, why: String) {
        let name = self.service(slot).name.clone();
        let end = InquiryEnd::CutOff(Name::from(why));
        self.inquiries.push((name, Inquiry { took: Duration::ZERO, end, said: Vec::new() }));
    }
}
