//! A whole mail server for a person to try and for tests to use: in a folder of its own, on free loopback ports.
//!
//! Writes folders, documents and configuration files and provides the stand-in servers. It starts no service itself:
//! the agent does that from the document, as it would anywhere. Called by `mailward demo`, by `mailward stand-in` and
//! by the integration tests.

pub mod client;
pub mod debian;
mod document_text;
mod net;
mod oracle_document;
mod ports;
pub mod standin;

pub use document_text::{DocumentText, Listen, ServiceText};
pub use net::{Address, AddressError};
pub use oracle_document::{OraclePorts, oracle_document, oracle_services, prepare};
pub use ports::pick_free_ports;

/// The domain whose mail every demo server takes. RFC 2606 reserves `.test`, so no such mail can leave the machine.
pub const DOMAIN: &str = "example.test";

/// The host name that demo servers give in greetings.
pub const HOST: &str = "mail.example.test";

/// The one user of a demo server.
pub const USER: &str = "demo";

/// The password of [`USER`]. It guards nothing: the server lives in a temporary folder on loopback.
pub const PASSWORD: &str = "demo";
