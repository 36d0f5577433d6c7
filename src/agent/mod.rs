//! The loop: it merges what is seen, ordered and declared into turns of the engine, saves the records, takes the steps,
//! and tells what happened.
//!
//! The only place where the two halves meet. It decides nothing: what is to be done is the engine's word, how it is
//! done is the host's.

mod answers;
mod canary;
mod chronicle;
mod clients;
mod cluster;
mod declared;
mod evidence;
mod first;
mod front;
mod gauges;
mod handover;
mod inquiries;
mod off_loop;
mod renewal;
mod rounds;
mod run;
mod schedule;
mod settings;
mod signals;
mod turns;
mod wishes;

pub use crate::control::{Forecast, Left, PlannedStep, Request, Told};
pub use run::{RunError, run};
pub use settings::Settings;
