//! What a probe of a listener asks for beyond a greeting, and what it expects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is declared about one listener for its probe. Nothing of it concerns how the service runs, so that a change of
/// it restarts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The name that the certificate must have; not looked at when absent.
    pub server_name: Option<String>,
    /// File (PEM) of the authorities that the certificate must come from; any will do when absent.
    pub ca_file: Option<String>,
    /// File (PEM) of the certificate that must be served; not compared when absent.
    pub certificate_file: Option<String>,
    /// A certificate with less time left than this is a warning.
    pub certificate_warning: Duration,
    /// Log in with this.
    pub login: Option<Login>,
    /// Ask whether mail to this address is taken.
    pub recipient: Option<String>,
    /// With HTTP: the path that must be served.
    pub path: Option<String>,
}

/// Who a probe logs in as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// File whose first line is the password. The password itself is never part of what is desired.
    pub password_file: String,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            server_name: None,
            ca_file: None,
            certificate_file: None,
            certificate_warning: Duration::from_hours(14 * 24),
            login: None,
            recipient: None,
            path: None,
        }
    }
}
