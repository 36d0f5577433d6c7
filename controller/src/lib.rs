//! The operator: gives each `MessagingServer` resource its pod, and says in one status what its agents say.
//!
//! One round for one resource is five steps, a file each:
//!
//! ```text
//! gather (client) ─► validate (pure) ─► build (pure) ─► apply (client) ─► update_status (client)
//!    Gathered          Validated      Resources<Prepared>  Resources<Applied>    conditions
//! ```
//!
//! It never supervises a service: that is the agent's, which works on while no operator runs. It reads from watches and
//! writes only where something differs, so that it is idle when nothing happens.

pub mod apply;
pub mod ask;
pub mod build;
pub mod cache;
pub mod events;
pub mod failures;
pub mod gather;
pub mod http;
pub mod kinds;
pub mod lease;
pub mod metrics;
pub mod options;
pub mod pods;
pub mod reconcile;
pub mod roll;
pub mod run;
pub mod telemetry;
pub mod update_status;
pub mod validate;
