//! `ManageSieve`: RFC 5804 1.2, 1.3 and 1.7. The server begins with its capabilities and an OK.

use super::lines::Lines;
use super::{Turn, Verdict};

/// How far it has come. STARTTLS and AUTHENTICATE will follow the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before or at a capability line, or at the OK after them.
    Capabilities,
    /// In the rest of a line that a literal interrupted.
    AfterLiteral,
}

const LOGOUT: &[u8] = b"LOGOUT\r\n";

impl Phase {
    pub(super) fn line(&mut self, line: &[u8], lines: &mut Lines) -> Turn {
        let literal = literal(line);
        let fresh = *self == Self::Capabilities;
        *self = if literal.is_some() { Self::AfterLiteral } else { Self::Capabilities };
        if fresh {
            if is(line, b"OK") {
                return Turn::end(Verdict::Alive, LOGOUT);
            }
            if is(line, b"NO") {
                return Turn::refused(line, LOGOUT);
            }
            if is(line, b"BYE") {
                return Turn::refused(line, b"");
            }
            if !matches!(line.first(), Some(b'"' | b'{')) {
                return Turn::violation("a ManageSieve capability or OK", line);
            }
        }
        lines.skip(literal.unwrap_or(0));
        Turn::wait()
    }
}

/// A response word, which a code in parentheses or a text may follow.
fn is(line: &[u8], word: &[u8]) -> bool {
    super::starts_with_word(line, word)
}

/// How many bytes of data follow a line that ends in `{12}` or `{12+}` (RFC 5804 4, `literal-s2c` and `literal-c2s`).
/// More than the whole dialogue may have is as good as that.
fn literal(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner[open + 1..].strip_suffix(b"+").unwrap_or(&inner[open + 1..]);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_usize, |n, digit| n.saturating_mul(10).saturating_add(usize::from(digit - b'0'))))
}

/// The answer to LOGOUT.
pub(super) fn is_goodbye(line: &[u8]) -> bool {
    is(line, b"OK") || is(line, b"NO") || is(line, b"BYE")
}
