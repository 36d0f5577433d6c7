//! The server's side of SMTP (RFC 5321) and LMTP (RFC 2033): one line in, one answer out. Knows no connection.

use super::place::local_user;
use super::queue::Envelope;

/// The largest message taken, in bytes; announced by EHLO (RFC 1870).
pub(super) const MESSAGE_MAX: usize = 1024 * 1024;
/// RFC 5321 4.5.3.1.8 asks for 100.
const RECIPIENTS_MAX: usize = 100;

/// The two dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Smtp,
    /// LHLO for EHLO, and behind the message one answer for each recipient.
    Lmtp,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    /// The lines of a message come next.
    Message,
    Close,
}

/// What is said to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) next: Next,
}

/// One connection.
pub(super) struct Conversation {
    dialect: Dialect,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// What became of a message for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// May succeed later.
    NotNow,
    TooBig,
}

impl Outcome {
    fn text(self) -> &'static str {
        match self {
            Self::Taken => "250 2.0.0 taken\r\n",
            Self::NotNow => "451 4.3.0 cannot write it down now\r\n",
            Self::TooBig => "552 5.3.4 the message is too big\r\n",
        }
    }
}

impl Conversation {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, greeted: false, from: None, to: Vec::new() }
    }

    /// The first line of the server.
    pub(super) fn greeting(&self) -> String {
        let word = match self.dialect {
            Dialect::Smtp => "ESMTP",
            Dialect::Lmtp => "LMTP",
        };
        format!("220 {} {word} stand-in\r\n", crate::demo::HOST)
    }

    /// Answers one command. `knows` says whether a user exists.
    pub(super) fn command(&mut self, line: &[u8], knows: &dyn Fn(&str) -> bool) -> Answer {
        let line = String::from_utf8_lossy(line);
        let (verb, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let say = |text: &str| Answer { text: format!("{text}\r\n"), next: Next::Command };
        match (verb.to_ascii_uppercase().as_str(), self.dialect) {
            ("EHLO", Dialect::Smtp) | ("LHLO", Dialect::Lmtp) => {
                self.greeted = true;
                self.reset();
                let host = crate::demo::HOST;
                say(&format!(
                    "250-{host}\r\n250-PIPELINING\r\n250-SIZE {MESSAGE_MAX}\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
                ))
            }
            ("HELO", Dialect::Smtp) => {
                self.greeted = true;
                self.reset();
                say(&format!("250 {}", crate::demo::HOST))
            }
            ("MAIL", _) => say(self.mail(rest)),
            ("RCPT", _) => say(self.rcpt(rest, knows)),
            ("DATA", _) if self.to.is_empty() => say("503 5.5.1 first a recipient that is taken"),
            ("DATA", _) => {
                Answer { text: "354 the message, then a line with a dot\r\n".to_owned(), next: Next::Message }
            }
            ("RSET", _) => {
                self.reset();
                say("250 2.0.0 forgotten")
            }
            ("NOOP", _) => say("250 2.0.0 still here"),
            ("VRFY", _) => say("252 2.1.5 try to send"),
            ("QUIT", _) => Answer { text: "221 2.0.0 bye\r\n".to_owned(), next: Next::Close },
            ("EHLO" | "HELO", Dialect::Lmtp) => say("500 5.5.1 this is LMTP: say LHLO"),
            _ => say("500 5.5.1 unknown command"),
        }
    }

    fn mail(&mut self, rest: &str) -> &'static str {
        if !self.greeted {
            return "503 5.5.1 first a greeting";
        }
        if self.from.is_some() {
            return "503 5.5.1 one sender is enough";
        }
        match path(rest, "FROM:") {
            Some((address, parameters)) => {
                let size = parameters.split(' ').find_map(|word| word.strip_prefix("SIZE=")?.parse::<usize>().ok());
                if size.is_some_and(|size| size > MESSAGE_MAX) {
                    return "552 5.3.4 the message is too big";
                }
                self.from = Some(address.to_owned());
                "250 2.1.0 sender taken"
            }
            None => "501 5.1.7 write MAIL FROM:<address>",
        }
    }

    fn rcpt(&mut self, rest: &str, knows: &dyn Fn(&str) -> bool) -> &'static str {
        if self.from.is_none() {
            return "503 5.5.1 first a sender";
        }
        let Some((address, _)) = path(rest, "TO:") else { return "501 5.1.3 write RCPT TO:<address>" };
        if self.to.len() >= RECIPIENTS_MAX {
            return "452 4.5.3 too many recipients";
        }
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        if !domain.eq_ignore_ascii_case(crate::demo::DOMAIN) {
            return "550 5.7.1 mail for other domains is not relayed";
        }
        if !local_user(address).is_some_and(|user| knows(&user)) {
            return "550 5.1.1 no such user";
        }
        self.to.push(address.to_owned());
        "250 2.1.5 recipient taken"
    }

    /// The envelope of the message whose lines follow.
    pub(super) fn envelope(&self) -> Envelope {
        Envelope { from: self.from.clone().unwrap_or_default(), to: self.to.clone() }
    }

    /// Answers the end of a message: SMTP once, LMTP once for each recipient, in their order. SMTP answers with the
    /// first outcome that is not [`Outcome::Taken`].
    pub(super) fn message_ended(&mut self, outcomes: &[Outcome]) -> String {
        self.reset();
        match self.dialect {
            Dialect::Smtp => {
                let worst = outcomes.iter().find(|outcome| **outcome != Outcome::Taken);
                worst.copied().unwrap_or(Outcome::Taken).text().to_owned()
            }
            Dialect::Lmtp => outcomes.iter().map(|outcome| outcome.text()).collect(),
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

/// `FROM:<a@b> SIZE=1` as address and parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (head, tail) = rest.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, parameters) = tail.trim_start().strip_prefix('<')?.split_once('>')?;
    address.bytes().all(|byte| byte.is_ascii_graphic()).then_some((address, parameters))
}

/// The lines of a message as they arrive, dots unstuffed (RFC 5321 4.5.2).
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    too_big: bool,
}

impl Incoming {
    /// Takes a line; true at the one that ends the message. What is over the limit is read and dropped.
    pub(super) fn line(&mut self, line: &[u8]) -> bool {
        if line == b"." {
            return true;
        }
        let line = line.strip_prefix(b".").unwrap_or(line);
        if self.bytes.len() + line.len() + 2 > MESSAGE_MAX {
            self.too_big = true;
        } else if !self.too_big {
            self.bytes.extend_from_slice(line);
            self.bytes.extend_from_slice(b"\r\n");
        }
        false
    }

    /// The message; none when it was over the limit.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.too_big).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(dialect: Dialect, lines: &[&str]) -> Vec<String> {
        let mut conversation = Conversation::new(dialect);
        let knows = |user: &str| user == "demo";
        lines.iter().map(|line| conversation.command(line.as_bytes(), &knows).text[..3].to_owned()).collect()
    }

    #[test]
    fn a_message_needs_greeting_sender_and_recipient_in_this_order() {
        let lines = ["MAIL FROM:<a@b.c>", "EHLO x", "RCPT TO:<demo@example.test>", "DATA", "mail from:<>"];
        assert_eq!(codes(Dialect::Smtp, &lines), ["503", "250", "503", "503", "250"]);
        let lines = ["EHLO x", "MAIL FROM:<a@b.c>", "RCPT TO:<Demo@Example.Test>", "DATA", "QUIT"];
        assert_eq!(codes(Dialect::Smtp, &lines), ["250", "250", "250", "354", "221"]);
    }

    #[test]
    fn strangers_and_other_domains_are_refused() {
        let lines =
            ["LHLO x", "MAIL FROM:<>", "RCPT TO:<x@example.test>", "RCPT TO:<demo@example.org>", "RCPT TO:demo"];
        assert_eq!(codes(Dialect::Lmtp, &lines), ["250", "250", "550", "550", "501"]);
    }

    #[test]
    fn lmtp_wants_lhlo_and_smtp_ehlo() {
        assert_eq!(codes(Dialect::Lmtp, &["EHLO x", "LHLO x"]), ["500", "250"]);
        assert_eq!(codes(Dialect::Smtp, &["LHLO x", "HELO x"]), ["500", "250"]);
    }

    #[test]
    fn a_size_over_the_limit_is_refused_before_it_is_sent() {
        assert_eq!(codes(Dialect::Smtp, &["EHLO x", "MAIL FROM:<a@b.c> SIZE=99999999"]), ["250", "552"]);
    }

    #[test]
    fn lmtp_answers_for_each_recipient_and_smtp_once() {
        let outcomes = [Outcome::Taken, Outcome::NotNow];
        assert_eq!(Conversation::new(Dialect::Lmtp).message_ended(&outcomes).lines().count(), 2);
        assert!(Conversation::new(Dialect::Smtp).message_ended(&outcomes).starts_with("451"));
        assert!(Conversation::new(Dialect::Smtp).message_ended(&outcomes[..1]).starts_with("250"));
    }

    #[test]
    fn dots_are_unstuffed_and_a_lone_dot_ends_the_message() {
        let mut incoming = Incoming::default();
        assert!(!incoming.line(b"..one"));
        assert!(!incoming.line(b""));
        assert!(incoming.line(b"."));
        assert_eq!(incoming.finish().as_deref(), Some(&b".one\r\n\r\n"[..]));
    }

    #[test]
    fn a_message_over_the_limit_is_dropped_whole() {
        let mut incoming = Incoming::default();
        let line = vec![b'x'; 8000];
        for _ in 0..200 {
            assert!(!incoming.line(&line));
        }
        assert!(incoming.bytes.len() <= MESSAGE_MAX);
        assert_eq!(incoming.finish(), None);
    }
}
