//! SMTP and submission (RFC 5321, RFC 6409) and LMTP (RFC 2033): the same replies, another first word.

use super::dialogue::Turn;
use super::{Errand, HELO_NAME, Script};

/// Which of the two is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Smtp,
    Lmtp,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    dialect: Dialect,
    awaits: Awaits,
    /// The code of the reply whose last line has not come.
    open: Option<u16>,
    /// It is spoken over the TLS that STARTTLS began.
    secured: bool,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Greeting,
    Hello,
    /// After a server that does not know EHLO (RFC 5321 3.2 wants HELO tried then).
    PlainHello,
    StartTls,
    Auth,
    /// The answer to the credentials themselves.
    Credentials,
    Mail,
    Rcpt,
    Rset,
    Data,
    /// The answer to the message itself.
    Message,
}

const QUIT: &str = "QUIT\r\n";

impl Phase {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, awaits: Awaits::Greeting, open: None, secured: false }
    }

    /// For a close that comes too early.
    pub(super) fn awaited(self) -> &'static str {
        match (self.awaits, self.dialect) {
            (Awaits::Greeting, Dialect::Smtp | Dialect::Lmtp) => "its greeting (220)",
            (Awaits::Hello, Dialect::Smtp) => "its answer to EHLO",
            (Awaits::Hello, Dialect::Lmtp) => "its answer to LHLO",
            (Awaits::PlainHello, Dialect::Smtp | Dialect::Lmtp) => "its answer to HELO",
            (Awaits::StartTls, Dialect::Smtp | Dialect::Lmtp) => "its answer to STARTTLS",
            (Awaits::Auth | Awaits::Credentials, Dialect::Smtp | Dialect::Lmtp) => "its answer to AUTH",
            (Awaits::Mail, Dialect::Smtp | Dialect::Lmtp) => "its answer to MAIL",
            (Awaits::Rcpt, Dialect::Smtp | Dialect::Lmtp) => "its answer to RCPT",
            (Awaits::Rset, Dialect::Smtp | Dialect::Lmtp) => "its answer to RSET",
            (Awaits::Data, Dialect::Smtp | Dialect::Lmtp) => "its answer to DATA",
            (Awaits::Message, Dialect::Smtp | Dialect::Lmtp) => "its answer to the message",
        }
    }

    pub(super) fn has_greeted(self) -> bool {
        self.awaits != Awaits::Greeting
    }

    /// After STARTTLS everything begins anew (RFC 3207 4.2).
    pub(super) fn secured(&mut self) -> Turn {
        self.secured = true;
        self.hello()
    }

    pub(super) fn line(&mut self, line: &[u8], script: &Script) -> Turn {
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
        if self.awaits == Awaits::Hello && self.dialect == Dialect::Smtp && matches!(reply.code, 500 | 502) {
            self.awaits = Awaits::PlainHello;
            return Turn::say(format!("HELO {HELO_NAME}\r\n"));
        }
        if reply.code >= 400 {
            return Turn::refused(line, QUIT);
        }
        match (self.awaits, reply.code) {
            (Awaits::Greeting, 220) => self.hello(),
            (Awaits::Hello | Awaits::PlainHello, 200..=299) => self.helloed(script),
            (Awaits::StartTls, 220) => Turn::secure(),
            (Awaits::Auth, 334) => {
                let Some(login) = &script.login else { return Turn::violation("a final answer", line) };
                self.awaits = Awaits::Credentials;
                Turn::say(login.plain() + "\r\n")
            }
            (Awaits::Credentials, 235) => self.ask_for_recipient(script),
            (Awaits::Mail, 200..=299) => {
                let Some(recipient) = &script.recipient else { return Turn::alive(QUIT) };
                self.awaits = Awaits::Rcpt;
                Turn::say(format!("RCPT TO:<{recipient}>\r\n"))
            }
            (Awaits::Rcpt, 200..=299) => {
                let (awaits, words) = match script.errand {
                    Errand::Send(_) => (Awaits::Data, "DATA\r\n"),
                    Errand::None | Errand::Collect(_) => (Awaits::Rset, "RSET\r\n"),
                };
                self.awaits = awaits;
                Turn::say(words)
            }
            (Awaits::Data, 354) => {
                let Errand::Send(letter) = &script.errand else { return Turn::violation("a final answer", line) };
                self.awaits = Awaits::Message;
                Turn::say(format!("{}.\r\n", letter.text))
            }
            (Awaits::Rset | Awaits::Message, 200..=299) => Turn::alive(QUIT),
            (Awaits::Greeting, _) => Turn::violation("a greeting (220, or a 4xx or 5xx refusal)", line),
            (Awaits::StartTls, _) => Turn::violation("220, or a 4xx or 5xx refusal", line),
            (Awaits::Auth, _) => Turn::violation("334, or a 4xx or 5xx refusal", line),
            (Awaits::Credentials, _) => Turn::violation("235, or a 4xx or 5xx refusal", line),
            (Awaits::Data, _) => Turn::violation("354, or a 4xx or 5xx refusal", line),
            (Awaits::Hello | Awaits::PlainHello | Awaits::Mail | Awaits::Rcpt | Awaits::Rset | Awaits::Message, _) => {
                Turn::violation("250, or a 4xx or 5xx refusal", line)
            }
        }
    }

    fn hello(&mut self) -> Turn {
        self.awaits = Awaits::Hello;
        let verb = match self.dialect {
            Dialect::Smtp => "EHLO",
            Dialect::Lmtp => "LHLO",
        };
        Turn::say(format!("{verb} {HELO_NAME}\r\n"))
    }

    fn helloed(&mut self, script: &Script) -> Turn {
        if script.start_tls && !self.secured {
            self.awaits = Awaits::StartTls;
            return Turn::say("STARTTLS\r\n");
        }
        if script.whole && script.login.is_some() {
            self.awaits = Awaits::Auth;
            return Turn::say("AUTH PLAIN\r\n");
        }
        self.ask_for_recipient(script)
    }

    /// MAIL with the empty sender, to which no answer can be sent (RFC 5321 4.5.5), where no message is handed in.
    fn ask_for_recipient(&mut self, script: &Script) -> Turn {
        if !script.whole || script.recipient.is_none() {
            return Turn::alive(QUIT);
        }
        self.awaits = Awaits::Mail;
        let sender = match &script.errand {
            Errand::Send(letter) => letter.sender.as_str(),
            Errand::None | Errand::Collect(_) => "",
        };
        Turn::say(format!("MAIL FROM:<{sender}>\r\n"))
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
