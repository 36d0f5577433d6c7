//! The loop: it merges what is seen, ordered and declared into turns of the engine, saves the records, takes the steps,
//! and tells what happened.

mod request;

pub use request::{Forecast, Left, PlannedStep, Request, Told};
