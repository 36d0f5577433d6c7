//! SMTP and submission (RFC 5321, RFC 6409) and LMTP (RFC 2033): the same replies, another first word.

use super::{HELO_NAME, Turn, Verdict};

/// Which of the two is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Smtp,
    Lmtp,
}

/// How far it has come. STARTTLS, AUTH and RCPT will follow the answer to EHLO or LHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    dialect: Dialect,
    awaits: Awaits,
    /// The code of the reply whose last line has not come.
    open: Option<u16>,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Greeting,
    Hello,
    /// After a server that does not know EHLO (RFC 5321 3.2 wants HELO tried then).
    PlainHello,
}

const QUIT: &[u8] = b"QUIT\r\n";

impl Phase {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, awaits: Awaits::Greeting, open: None }
    }

    /// For a close that comes too early.
    pub(super) fn awaited(self) -> &'static str {
        match (self.awaits, self.dialect) {
            (Awaits::Greeting, Dialect::Smtp | Dialect::Lmtp) => "its greeting (220)",
            (Awaits::Hello, Dialect::Smtp) => "its answer to EHLO",
            (Awaits::Hello, Dialect::Lmtp) => "its answer to LHLO",
            (Awaits::PlainHello, Dialect::Smtp | Dialect::Lmtp) => "its answer to HELO",
        }
    }

    pub(super) fn has_greeted(self) -> bool {
        self.awaits != Awaits::Greeting
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Turn {
        let Some(reply) = ReplyLine::parse(line) else {
            return Turn::violation("a reply line (three digits and a text)", line);
        };
        if self.open.is_some_and(|code| code != reply.code) {
            return Turn::violation("the same code on every line of a reply (RFC 5321 4.2.1)", line);
        }
        if !reply.last {
            self.open = Some(reply.code);
            return Turn::wait();
        }
        self.open = None;
        match self.awaits {
            Awaits::Greeting => self.greeted(reply.code, line),
            Awaits::Hello | Awaits::PlainHello => self.helloed(reply.code, line),
        }
    }

    fn greeted(&mut self, code: u16, line: &[u8]) -> Turn {
        match code {
            220 => {
                self.awaits = Awaits::Hello;
                let verb = match self.dialect {
                    Dialect::Smtp => "EHLO",
                    Dialect::Lmtp => "LHLO",
                };
                Turn::say(format!("{verb} {HELO_NAME}\r\n"))
            }
            400..=599 => Turn::refused(line, QUIT),
            _ => Turn::violation("a greeting (220, or a 4xx or 5xx refusal)", line),
        }
    }

    fn helloed(&mut self, code: u16, line: &[u8]) -> Turn {
        match code {
            200..=299 => Turn::end(Verdict::Alive, QUIT),
            500 | 502 if self.dialect == Dialect::Smtp && self.awaits == Awaits::Hello => {
                self.awaits = Awaits::PlainHello;
                Turn::say(format!("HELO {HELO_NAME}\r\n"))
            }
            400..=599 => Turn::refused(line, QUIT),
            _ => Turn::violation("250, or a 4xx or 5xx refusal", line),
        }
    }
}

/// The last line of the answer to QUIT; 221 as a rule, but whatever it is, it is the end.
pub(super) fn is_goodbye(line: &[u8]) -> bool {
    ReplyLine::parse(line).is_none_or(|reply| reply.last)
}

/// One line of a reply: `250-SIZE 1000`, `250 HELP`, `250`.
struct ReplyLine {
    code: u16,
    last: bool,
}

impl ReplyLine {
    fn parse(line: &[u8]) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        if !(b'2'..=b'5').contains(&digits[0]) || !digits[1..].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let last = match rest.first() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        Some(Self { code, last })
    }
}
