//! A host made of values: processes that are ready, fail and ignore signals as they are told, on a clock that jumps.
//!
//! `simulate` plays scenarios on it, `plan` unfolds a document on an optimistic one, and the property tests play a
//! hundred thousand lives. The engine that runs on it is the agent's own.

mod clients;
mod host;
mod play;
mod probes;
mod scenario;
mod unfold;

pub use host::{Behaviour, Host};
pub use play::{Reader, play};
pub use probes::Way;
pub use scenario::{Incident, Moment, Scenario, ScenarioError};
pub use unfold::{Unfolded, unfold};
