//! The rules that can be said without a plan: when a restart may be charged, whom a restart takes along, when a task is
//! due, what a round of probes says, and whether a cluster manager is in charge.
//!
//! Pure functions of records and declarations; called by the planner, which decides when they are asked.

pub mod agenda;
pub mod budget;
pub mod cluster;
pub mod cron;
pub mod due;
pub mod gauge;
pub mod health;
pub mod reach;
pub mod rounds;
