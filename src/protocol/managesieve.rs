//! `ManageSieve`: RFC 5804. The server begins with its capabilities and an OK, and does so again once TLS is spoken.

use super::dialogue::Turn;
use super::lines::Lines;
use super::{Script, starts_with_word};

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Phase {
    awaits: Awaits,
    /// The next line is the rest of one that a literal interrupted.
    after_literal: bool,
}

/// What is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// A capability, or the OK after them.
    #[default]
    Greeting,
    StartTls,
    /// The capabilities once more (RFC 5804 2.2).
    Again,
    Login,
}

const LOGOUT: &str = "LOGOUT\r\n";

impl Phase {
    pub(super) fn has_greeted(self) -> bool {
        self.awaits != Awaits::Greeting
    }

    /// For a close that comes too early.
    pub(super) fn awaited(self) -> &'static str {
        match self.awaits {
            Awaits::Greeting => "the OK of its greeting",
            Awaits::StartTls => "its answer to STARTTLS",
            Awaits::Again => "its capabilities after STARTTLS",
            Awaits::Login => "its answer to AUTHENTICATE",
        }
    }

    pub(super) fn secured(&mut self) -> Turn {
        self.awaits = Awaits::Again;
        Turn::wait()
    }

    pub(super) fn line(&mut self, line: &[u8], lines: &mut Lines, script: &Script) -> Turn {
        let literal = literal(line);
        let fresh = !self.after_literal;
        self.after_literal = literal.is_some();
        lines.skip(literal.unwrap_or(0));
        if fresh {
            if starts_with_word(line, b"OK") {
                return self.good(script);
            }
            if starts_with_word(line, b"NO") {
                return Turn::refused(line, LOGOUT);
            }
            if starts_with_word(line, b"BYE") {
                return Turn::refused(line, "");
            }
            if !matches!(line.first(), Some(b'"' | b'{')) {
                return Turn::violation("a ManageSieve capability or OK", line);
            }
        }
        Turn::wait()
    }

    fn good(&mut self, script: &Script) -> Turn {
        match self.awaits {
            Awaits::Greeting if script.start_tls => {
                self.awaits = Awaits::StartTls;
                Turn::say("STARTTLS\r\n")
            }
            Awaits::StartTls => Turn::secure(),
            Awaits::Greeting | Awaits::Again => match &script.login {
                Some(login) if script.whole => {
                    self.awaits = Awaits::Login;
                    Turn::say(format!("AUTHENTICATE \"PLAIN\" \"{}\"\r\n", login.plain()))
                }
                Some(_) | None => Turn::alive(LOGOUT),
            },
            Awaits::Login => Turn::alive(LOGOUT),
        }
    }
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
    [&b"OK"[..], b"NO", b"BYE"].iter().any(|word| starts_with_word(line, word))
}
