//! The only place that decides.
mod step;
pub use step::{Event, Found, Rung, Seen, Step};
