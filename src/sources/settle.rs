//! When a file that changes may be read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::Pace;

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Written to; whoever does has it open.
    Written,
    /// Whoever wrote has closed it.
    Closed,
    /// Its attributes changed: it may have become readable.
    Attributes,
    /// Created, deleted or renamed: the name may stand for something else.
    Moved,
}

/// Something has happened and has not been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settle {
    first: Instant,
    last: Instant,
    being_written: BTreeSet<PathBuf>,
}

impl Settle {
    pub(super) fn begin(now: Instant) -> Self {
        Self { first: now, last: now, being_written: BTreeSet::new() }
    }

    pub(super) fn touched(&mut self, now: Instant, path: PathBuf, touch: Touch) {
        self.last = now;
        match touch {
            Touch::Written => {
                self.being_written.insert(path);
            }
            Touch::Closed | Touch::Moved => {
                self.being_written.remove(&path);
            }
            Touch::Attributes => {}
        }
    }

    /// When to look: as soon as nothing has happened for a while and nobody is in the middle of writing, but never
    /// later than the longest wait after the first event, or a constant stream would keep an edit from being seen.
    pub(super) fn due(&self, pace: Pace) -> Instant {
        let latest = self.first + pace.longest;
        if self.being_written.is_empty() { latest.min(self.last + pace.quiet) } else { latest }
    }
}
