//! What the machine must have for the real parts.

use std::path::Path;

/// Packages of Debian and one file that only that package brings.
const PACKAGES: [(&str, &str); 5] = [
    ("dovecot-imapd", "/usr/lib/dovecot/imap"),
    ("dovecot-pop3d", "/usr/lib/dovecot/pop3"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp"),
    ("postfix", "/usr/sbin/postfix"),
    ("nginx", "/usr/sbin/nginx"),
];

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Packages to install.
    #[error("install the missing packages: apt-get install -y {}", .0.join(" "))]
    Packages(Vec<&'static str>),
    /// Postfix's master and Dovecot's login processes change their user.
    #[error("run as root: Dovecot and Postfix start as root and then change to users of their own")]
    Root,
}

/// The packages that `apt-get install` must be given; empty when all is there.
pub fn missing_packages() -> Vec<&'static str> {
    PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect()
}

/// The first thing in the way, if any.
pub fn missing() -> Option<Missing> {
    let packages = missing_packages();
    if !packages.is_empty() {
        return Some(Missing::Packages(packages));
    }
    (!rustix::process::geteuid().is_root()).then_some(Missing::Root)
}
