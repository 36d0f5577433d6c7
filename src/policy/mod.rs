//! The rules that can be said without a plan: when a restart may be charged, whom a restart takes along, when a task is
//! due, what a round of probes says, whether a cluster manager is in charge, how long an ordered stop may take, and how
//! often something may be written elsewhere.
//!
//! Pure functions of records and declarations; called by the planner, which decides when they are asked.

pub mod agenda;
pub mod budget;
pub mod cluster;
pub mod cron;
pub mod due;
pub mod gauge;
pub mod grace;
pub mod health;
pub mod rate;
pub mod reach;
pub mod rounds;
