//! The certificate that a listener served when it was asked.
//!
//! Made by `observe`, told by `status`; whether it is good is said in [`Certificate::fault`] and is then also the
//! answer, [`super::Heard::BadCertificate`]. A certificate never makes a hang ([R8]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Name, Wall};

/// A certificate as it was served, not as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whose it is, as RFC 4514 writes it: `CN=mail.example.org`. Printable and cut, as all texts here.
    pub subject: Name,
    /// The DNS names and IP addresses it is for (`subjectAltName`), at most 32 of them.
    pub names: Vec<Name>,
    /// Who signed it.
    pub issuer: Name,
    /// First moment at which it is good.
    pub not_before: Wall,
    /// Last moment at which it is good.
    pub not_after: Wall,
    /// How many certificates were served, its own included.
    pub chain: u16,
    /// SHA-256 of its DER form, in lower-case hexadecimal: what `openssl x509 -fingerprint -sha256` shows.
    pub sha256: Name,
    /// Whether it is the one in the declared file.
    pub loaded: Loaded,
    /// Whether it had less time left than the declared warning when it was served.
    pub ends_soon: bool,
    /// What is wrong with it, in words.
    pub fault: Option<Name>,
}

/// Whether the certificate that is served is the one in the declared file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loaded {
    /// No file is declared.
    Undeclared,
    /// It is.
    Yes,
    /// It is another one.
    No {
        /// Last moment at which the one in the file is good.
        file_not_after: Wall,
    },
    /// The file could not be read, in words.
    Unknown(Name),
}

impl Certificate {
    /// Whole days left at a moment; below zero once it has ended.
    pub fn days_left(&self, now: Wall) -> i64 {
        self.not_after.0.saturating_sub(now.0).div_euclid(86_400_000)
    }

    /// Whether less than `span` is left at a moment.
    pub fn ends_within(&self, now: Wall, span: Duration) -> bool {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.not_after.0.saturating_sub(now.0) < span
    }
}
