//! Looks at what runs and says what it saw, as events of the next turn.
//!
//! It decides nothing: whether a service is ready enough, late or broken is the planner's affair. It starts no process
//! (C18: a probe that forks leaves zombies and dies with its own faults): a command that is declared is run by the agent's
//! other half, with its bounds and its end. Called by the agent loop; [`surroundings`] by the command line too, where no agent runs.

pub mod ask;
pub mod canary;
mod certificate;
pub mod command;
mod file;
pub mod gauge;
mod heard;
mod place;
pub mod pressure;
pub mod readiness;
pub mod round;
pub mod surroundings;
#[cfg(test)]
mod tests;
mod tls;
