//! Commands of probes on their way between a round, which wants one run, and the host, which runs it ([R8]).

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::turns::Agent;
use crate::model::{Inquiry, InquiryEnd, Name};
use crate::observe::command::Inquire;

/// Who waits for which command, and how many were run.
#[derive(Default)]
pub(super) struct Inquiries {
    waiting: HashMap<Name, oneshot::Sender<Inquiry>>,
    /// Since the agent began. A probe by protocol starts no process and is not counted.
    pub(super) run: u64,
}

impl Agent {
    /// A round wants a command run; not where the life that it asks is over.
    pub(super) fn inquire(&mut self, wanted: Inquire) {
        let ix = self.engine.find(&wanted.service).filter(|ix| self.engine.may_be_asked(*ix));
        let alive = ix.and_then(|ix| self.engine.observed().services[ix.at()].alive());
        let (Some(ix), true) = (ix, alive.is_some_and(|alive| alive.incarnation == wanted.incarnation)) else {
            return;
        };
        let launch = self.engine.desired().service(ix).launch.clone();
        if !launch.probe.is_empty() {
            self.host.inquire(&wanted.service, &launch, wanted.limit);
            self.inquiries.waiting.insert(wanted.service, wanted.reply);
        }
    }

    /// Tells rounds what became of their commands.
    pub(super) fn tell_inquiries(&mut self) {
        for (name, inquiry) in self.host.inquiries() {
            self.inquiries.run += match inquiry.end {
                InquiryEnd::Exited(_) | InquiryEnd::Overdue(_) => 1,
                InquiryEnd::CutOff(_) => 0,
            };
            if let Some(reply) = self.inquiries.waiting.remove(&name) {
                // The round may have given up.
                let _ = reply.send(inquiry);
            }
        }
    }
}
