//! Everything that needs a real socket, file or process, in one crate: one module a subject.
#![cfg(feature = "agent")]

mod readiness;
mod sources;
mod debian_parts;
mod running;
mod standin;
