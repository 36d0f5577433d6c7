//! The control socket: HTTP/1.1 with JSON over a Unix socket, so that `curl --unix-socket` works.
//!
//! [`serve`] turns what is asked into [`Request`]s and decides only who may ask; what is done is decided by the agent,
//! which answers them. [`serve_health`] does the same over TCP for what a cluster and Prometheus read. [`Client`] is the other end, for the command line. [`openapi`] describes both. Nothing here knows
//! services, files or the planner.

mod access;
mod body;
mod client;
mod follow;
mod health;
mod openapi;
mod patient;
mod problem;
mod request;
mod routes;
mod schedule;
mod server;
mod socket;
mod wire;

#[cfg(test)]
mod tests;

pub use access::{Access, Right};
pub use client::{Client, ClientError, Events};
pub use health::{health_address, serve_health};
pub use openapi::openapi;
pub use problem::Problem;
pub use request::{Ending, Forecast, Left, NotEnded, PlannedStep, Request, Told};
pub use routes::{METHODS, Route};
pub use schedule::{RunTask, Scheduled, TaskAnswered, TaskMissed};
pub use server::serve;
pub use socket::{ListenError, let_others_read, listen};
pub use wire::{Answered, End, OrderRequest, Outcome, ProbeRequest, Why};
