//! Mailward keeps the services of a mail server in the state that one document declares.
//!
//! ```text
//! sources  ──► Desired  ┐
//! observers ─► Observed ┼─► plan(&Desired, &Observed, &History, Now) ─► steps, reasons, wake ─► execute
//! ledger ────► History  ┘             (an outcome comes back only as a fact of the next turn)
//! ```
//!
//! The first block of modules is pure: no clock, socket, file or process; it is all that compiles without the feature
//! `agent`. The second block touches the world.

pub mod desired;
pub mod document;
pub mod engine;
pub mod history;
pub mod model;
pub mod observed;
pub mod plan;
pub mod policy;
pub mod protocol;
pub mod sim;
pub mod status;

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod cli;
#[cfg(feature = "agent")]
pub mod clients;
#[cfg(feature = "agent")]
pub mod clock;
#[cfg(feature = "agent")]
pub mod control;
#[cfg(feature = "agent")]
pub mod demo;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "agent")]
pub mod ledger;
#[cfg(feature = "agent")]
pub mod observe;
#[cfg(feature = "agent")]
pub mod report;
#[cfg(feature = "agent")]
pub mod sched;
#[cfg(feature = "agent")]
pub mod sources;
#[cfg(feature = "agent")]
pub mod supervise;
