//! What is kept when a service is seen to hang, before anything is done about it ([R8]).

use super::turns::Agent;
use crate::engine::{Happened, Happening};
use crate::ledger::evidence;
use crate::model::{Name, Now};
use crate::observe::pressure;
use crate::plan::{Event, Seen};
use crate::report::default_log::Level;
use crate::supervise::stack;

impl Agent {
    /// Tells a missed watchdog what burdens the host and the service.
    pub(super) fn burden(&self, events: &mut [Event]) {
        for event in events {
            if let Seen::WatchdogMissed { strain, .. } = &mut event.what {
                strain.host = pressure::of_host();
                if let Some(folder) = self.host.cgroup(&event.service) {
                    strain.cgroup = pressure::of_cgroup(&folder);
                }
            }
        }
    }

    /// Keeps the conversations, the stack state and the last lines of what hangs.
    pub(super) fn keep_evidence(&mut self, now: Now, news: &[Happening]) {
        for happening in news {
            let (Happened::Hangs { words }, Some(name)) = (&happening.what, &happening.service) else { continue };
            let text = self.evidence_of(now, name, words);
            match evidence::keep(self.state.folder(), name, now.wall, &text) {
                Ok(path) => {
                    let words = format!("{name}: evidence of its hang is in {}", path.display());
                    self.chronicle.message(now, Level::Notice, &words);
                }
                Err(error) => {
                    let words = format!("{name}: evidence of its hang could not be kept: {error}");
                    self.chronicle.message(now, Level::Warning, &words);
                }
            }
        }
    }

    fn evidence_of(&self, now: Now, name: &Name, words: &str) -> String {
        let conversations = self.conversations(name).join("\n");
        let process = self.host.main(name).map_or_else(|| "no main process is known\n".to_owned(), stack::of_process);
        let lines = self.host.last_lines(name).join("\n");
        let host = pressure::of_host();
        format!(
            "{name} hangs: {words}\n{}\n\npressure of the host: cpu {} %, memory {} %, io {} %\n\n== last round of probes\n\
             {conversations}\n\n== the process\n{process}\n== its last lines\n{lines}\n",
            now.wall, host.cpu, host.memory, host.io
        )
    }
}
