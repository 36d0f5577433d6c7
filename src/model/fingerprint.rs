//! A short value that differs when what it stands for differs.

use std::io;

use serde::{Deserialize, Serialize};

/// A 64-bit fingerprint of a piece of a declaration or of a file's content (FNV-1a). It is kept in the ledger across
/// agent versions, so it must not depend on the standard library's unstable hasher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of a sequence of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(0xcbf2_9ce4_8422_2325).and(bytes)
    }

    /// This one continued with more bytes; the order matters.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }
}

/// What is written continues it, as [`Fingerprint::and`] does; in how many pieces makes no difference.
impl io::Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self = self.and(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_written_in_pieces_has_the_fingerprint_of_the_whole() {
        let mut written = Fingerprint::of(b"");
        for piece in [&b"{\"name\""[..], b":", b"", b"\"imap\"}"] {
            written.write_all(piece).unwrap();
        }
        assert_eq!(written, Fingerprint::of(b"{\"name\":\"imap\"}"));
        assert_eq!(
            Fingerprint::of(b"a"),
            Fingerprint(0xaf63_dc4c_8601_ec8c),
            "FNV-1a, 64 bits: records of before mean the same"
        );
    }
}
