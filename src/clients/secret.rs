//! The secret of the TCP port, and the proof that somebody knows it.
//!
//! It lies in the runtime folder, readable by root and the mail user's group, and never crosses the wire: a challenge
//! that is used once does, and what only the secret can make of it.

use std::fmt::Write as _;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;

use ring::hmac::{HMAC_SHA256, Key, sign};
use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes of a secret and of a challenge.
const BYTES: usize = 32;

/// The secret as it stands in its file, without the end of the line.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// The one that is there, else a new one: clients that have read it may connect again to the next agent. `group` may
    /// read it; without one only the agent's own user may.
    pub(super) fn at(path: &Path, group: Option<u32>) -> io::Result<Self> {
        let known = std::fs::read_to_string(path).ok();
        let known = known.map(|text| text.trim().to_owned()).filter(|text| is_whole(text));
        let secret = if let Some(secret) = known {
            secret
        } else {
            let secret = random()?;
            let new = path.with_extension("new");
            let _ = std::fs::remove_file(&new);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
            writeln!(file, "{secret}")?;
            std::fs::rename(&new, path)?;
            secret
        };
        // What was there may have been for another mail user, or have been opened to the world by somebody.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        if let Some(group) = group {
            chown(path, None, Some(group))?;
            std::fs::set_permissions(path, Permissions::from_mode(0o640))?;
        }
        Ok(Self(secret))
    }

    /// What only somebody who knows the secret can make of a challenge: HMAC-SHA256 (RFC 2104), both as text.
    pub(super) fn proof(&self, challenge: &str) -> String {
        proof(&self.0, challenge)
    }
}

/// In hex.
fn proof(secret: &str, challenge: &str) -> String {
    hex(sign(&Key::new(HMAC_SHA256, secret.as_bytes()), challenge.as_bytes()).as_ref())
}

/// So many random bytes, in hex.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    // The kernel gives up to 256 bytes in one piece (getrandom(2)).
    if filled == BYTES { Ok(hex(&bytes)) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
}

fn is_whole(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r14_the_proof_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(proof("Jefe", "what do ya want for nothing?"), expected);
    }

    #[test]
    fn r14_the_secret_is_kept_closed_and_renewed_only_where_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watcher.secret");
        let first = Secret::at(&path, None).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Secret::at(&path, Some(rustix::process::getegid().as_raw())).unwrap().0, first.0);
        assert_eq!(mode(), 0o640);
        std::fs::write(&path, "torn").unwrap();
        let second = Secret::at(&path, None).unwrap();
        assert!(second.0 != first.0 && is_whole(&second.0));
    }
}
