//! The owner of child processes, with real processes.
//!
//! A crate of its own: a host takes in the orphans of its whole process, so nothing else in it may have children, and
//! one test runs at a time.
#![cfg(feature = "agent")]

mod adoption;
mod ahead;
mod errands;
mod ill_behaved;
mod inquiries;
mod launch;
mod notify;
mod output;
mod place;
mod stage;
