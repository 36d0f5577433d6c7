//! Where a child waits until it is decided whether it is wanted.
//!
//! One word that the agent's loop writes once and a child reads that shares the agent's memory. It decides nothing; `ahead.rs`
//! opens or shuts it, `sys/child.rs` waits at it in the child, and the spawner's thread asks what became of it.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex;

/// A gate.
#[derive(Debug)]
pub(super) struct Gate(AtomicU32);

impl Gate {
    /// Nothing is decided yet.
    pub(super) const CLOSED: u32 = 0;
    /// The child goes on.
    pub(super) const OPEN: u32 = 1;
    /// The child ends.
    pub(super) const SHUT: u32 = 2;

    /// A closed one.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(Self::CLOSED))
    }

    /// For the child, which may use system calls only.
    pub(super) fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// Decides; only the first decision counts.
    pub(super) fn decide(&self, open: bool) {
        let decision = if open { Self::OPEN } else { Self::SHUT };
        if self.0.compare_exchange(Self::CLOSED, decision, Ordering::Release, Ordering::Relaxed).is_ok() {
            // Nobody may wait, or the child, or the thread that made it.
            let _ = futex::wake(&self.0, futex::Flags::PRIVATE, u32::MAX);
        }
    }

    /// Whether the child was wanted; waits for the decision.
    pub(super) fn opened(&self) -> bool {
        loop {
            match self.0.load(Ordering::Acquire) {
                Self::CLOSED => {
                    // It may be decided meanwhile, or this be interrupted: asked anew.
                    let _ = futex::wait(&self.0, futex::Flags::PRIVATE, Self::CLOSED, None);
                }
                decision => return decision == Self::OPEN,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decision_counts_and_whoever_waits_hears_it() {
        for open in [true, false] {
            let gate = Gate::new();
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| gate.opened());
                gate.decide(open);
                gate.decide(!open);
                assert_eq!(waits.join().unwrap(), open);
            });
            assert_eq!(gate.opened(), open);
        }
    }
}
