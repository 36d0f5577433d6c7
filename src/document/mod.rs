//! The front of the house: what a person wrote becomes what the planner reads, or a list of everything wrong with it.
//!
//! Bytes in, values and diagnostics out; reads no file and knows no clock. The file source, `validate`, `run`, `plan`
//! and later the operator call it, so that all of them give the same verdict.

mod schema;
pub mod spec;

pub use schema::schema;
pub use spec::MessagingServer;
