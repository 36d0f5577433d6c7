//! What is asked of a peer beyond its greeting.

use std::fmt;

use super::Errand;
use crate::desired::Protocol;

/// What one conversation asks.
#[derive(Clone, Debug)]
pub struct Script {
    /// What is spoken.
    pub protocol: Protocol,
    /// The name that HTTP needs (`127.0.0.1:8080`); one with characters that no host has becomes `localhost`.
    pub host: String,
    /// Whether TLS is begun behind the greeting. `Http` and `Tcp` cannot.
    pub start_tls: bool,
    /// Whether more is asked than a greeting: what the server can do, and what is declared below.
    pub whole: bool,
    /// Log in with this; `Http` and `Tcp` do not.
    pub login: Option<Credentials>,
    /// Whether mail to this address is taken: MAIL and RCPT, and then RSET, so that none is sent. SMTP and LMTP only.
    pub recipient: Option<String>,
    /// The path that HTTP asks for; 2xx and 3xx are good then. Without one `/` is asked for and all but 5xx is good.
    pub path: Option<String>,
    /// What is done when all of that went well; with [`Self::whole`] only.
    pub errand: Errand,
}

impl Script {
    /// A greeting and no more: enough to know that a service is ready.
    pub fn greeting(protocol: Protocol, host: &str) -> Self {
        Self {
            protocol,
            host: host.to_owned(),
            start_tls: false,
            whole: false,
            login: None,
            recipient: None,
            path: None,
            errand: Errand::None,
        }
    }
}

/// A name and its password, fit for every protocol: no line end and no NUL (RFC 4616 2 forbids the NUL, the protocols'
/// lines the rest). Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Why a name or a password cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Nothing is written.
    #[error("it is empty")]
    Empty,
    /// RFC 4616 2 lets a server refuse more than 255 octets.
    #[error("it has more than 255 bytes")]
    TooLong,
    /// A line end in the middle, or another control character.
    #[error("it has a control character")]
    Control,
}

impl Credentials {
    /// Takes a name and a password.
    pub fn new(user: &str, password: &str) -> Result<Self, CredentialsError> {
        for word in [user, password] {
            if word.is_empty() {
                return Err(CredentialsError::Empty);
            }
            if word.len() > 255 {
                return Err(CredentialsError::TooLong);
            }
            if word.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(CredentialsError::Control);
            }
        }
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// For SASL PLAIN (RFC 4616), in base64.
    pub(super) fn plain(&self) -> String {
        base64(format!("\0{}\0{}", self.user, self.password).as_bytes())
    }

    /// Every form in which the password goes over the connection.
    pub fn secrets(&self) -> [Vec<u8>; 4] {
        let quoted = quoted(&self.password);
        let inner = quoted.as_bytes().get(1..quoted.len() - 1).unwrap_or_default().to_vec();
        [
            self.password.clone().into_bytes(),
            self.plain().into_bytes(),
            base64(self.password.as_bytes()).into_bytes(),
            inner,
        ]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A quoted string as IMAP has it (RFC 9051 4.3).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// RFC 4648 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sixth = bits >> (18 - 6 * place) & 0x3f;
            text.push(if place <= chunk.len() { char::from(ALPHABET[sixth]) } else { '=' });
        }
    }
    text
}

/// The text with each secret masked; the longest that fits goes first.
pub(super) fn mask(secrets: &[Vec<u8>], bytes: &[u8]) -> Vec<u8> {
    const MASK: &[u8] = b"[masked]";
    let mut masked = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let fits = secrets.iter().filter(|secret| !secret.is_empty() && rest.starts_with(secret));
        if let Some(secret) = fits.max_by_key(|secret| secret.len()) {
            masked.extend_from_slice(MASK);
            rest = &rest[secret.len()..];
        } else {
            masked.push(*first);
            rest = &rest[1..];
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648_10() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn what_would_break_out_of_a_line_is_no_password() {
        assert_eq!(Credentials::new("", "x"), Err(CredentialsError::Empty));
        assert_eq!(Credentials::new("a", "x\r\nQUIT"), Err(CredentialsError::Control));
        assert_eq!(Credentials::new("a\0b", "x"), Err(CredentialsError::Control));
        assert_eq!(Credentials::new("a", &"x".repeat(256)), Err(CredentialsError::TooLong));
        assert!(Credentials::new("ä b", "p\"w\\ ö").is_ok());
    }

    #[test]
    fn no_secret_is_shown_by_debug() {
        let credentials = Credentials::new("probe", "hunter2").expect("sound");
        assert_eq!(format!("{credentials:?}"), "Credentials { user: \"probe\", .. }");
    }
}
