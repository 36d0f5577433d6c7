//! One listener of a service, as people write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsolutePath, Address, Interval, LoginName, MailAddress, PathText, Protocol, Tls, UrlPath};

/// Where a service listens: a port or a Unix socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Address it is probed at. Default: `127.0.0.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// TCP port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Path of a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<AbsolutePath>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// TLS from the first byte, after STARTTLS, or not at all. Default: None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Whether it is in use. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The name that its certificate must have, also sent as SNI. Default: the name is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Address>,
    /// File of the authorities (PEM) that its certificate must come from, such as
    /// `/etc/ssl/certs/ca-certificates.crt` for those of the system; relative ones start at `serverRoot`. Default: any
    /// authority will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathText>,
    /// File of the certificate (PEM) that it must serve, so that a renewed one that nobody loaded is noticed; relative
    /// ones start at `serverRoot`. In `watchFiles` too, its renewal reloads the service, or restarts one that cannot reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathText>,
    /// A certificate with less time left than this is a warning. Default: `336h` (14 days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_warning: Option<Interval>,
    /// Log in with this when it is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Ask whether mail to this address is taken (MAIL and RCPT, then RSET: none is sent) when it is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<MailAddress>,
    /// With `Http`: the path that must be served, with a code of 2xx or 3xx. Default: `/`, where 4xx is good too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<UrlPath>,
}

/// Who a probe logs in as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The user.
    pub user: LoginName,
    /// File whose first line is the password; nobody but its owner, who is root or the agent's user, may read it.
    /// Relative ones start at `serverRoot`.
    pub password_file: PathText,
}
