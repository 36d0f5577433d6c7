//! Who may ask what: root and the agent's own user act, others read if the document says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing.
    Nothing,
    /// Look.
    Read,
    /// Look and act.
    Act,
}

/// The rule, shared: a new document changes it while connections are open.
#[derive(Clone, Debug)]
pub struct Access {
    own: u32,
    others_may_read: Arc<AtomicBool>,
}

impl Access {
    /// The rule for an agent that runs as this user id.
    pub fn new(own: u32, others_may_read: bool) -> Self {
        Self { own, others_may_read: Arc::new(AtomicBool::new(others_may_read)) }
    }

    /// What the user with this id may do. A user of another namespace shows as the overflow id and is one of the
    /// others.
    pub fn right(&self, uid: u32) -> Right {
        if uid == 0 || uid == self.own {
            Right::Act
        } else if self.others_may_read() {
            Right::Read
        } else {
            Right::Nothing
        }
    }

    /// Whether others may look.
    pub fn others_may_read(&self) -> bool {
        self.others_may_read.load(Ordering::Relaxed)
    }

    /// From now on others may, or may not, look. [`super::let_others_read`] also changes the
    /// file mode.
    pub(super) fn set_others_may_read(&self, may: bool) {
        self.others_may_read.store(may, Ordering::Relaxed);
    }
}
