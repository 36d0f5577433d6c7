//! A mail client of a few verbs, for tests, the tour and the delivery stand-in: blocking, with a limit on the whole of
//! each call.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use super::net::{Address, Stream};

/// What is read at most in answer to one command.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Why a client did not get what it wanted.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody took the call.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke or fell silent.
    #[error("the connection to {address} broke")]
    Broken {
        /// With whom.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A reply that means no.
    #[error("{address} answered `{command}` with `{reply}`")]
    Refused {
        /// Who.
        address: String,
        /// What was asked, without its arguments.
        command: &'static str,
        /// The reply.
        reply: String,
    },
}

/// Which greeting opens the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// SMTP and submission: one reply for a message.
    Ehlo,
    /// LMTP: one reply for each recipient.
    Lhlo,
}

/// Sends a short text by SMTP.
///
/// # Errors
/// No connection, a broken one, or a refusal of sender, recipient or message.
pub fn send_message(
    smtp: &Address,
    from: &str,
    to: &str,
    subject: &str,
    body: &str,
    limit: Duration,
) -> Result<(), ClientError> {
    let text = format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\r\n{body}\r\n");
    for reply in hand_over(smtp, Hello::Ehlo, from, &[to.to_owned()], text.as_bytes(), limit)? {
        if !reply.starts_with('2') {
            return Err(ClientError::Refused { address: smtp.to_string(), command: "message", reply });
        }
    }
    Ok(())
}

/// Hands a message over by SMTP or LMTP; the reply to each recipient, in order. A recipient refused at RCPT has that
/// reply.
///
/// # Errors
/// No connection, a broken one, or a refusal of greeting, sender or DATA.
pub fn hand_over(
    server: &Address,
    hello: Hello,
    from: &str,
    to: &[String],
    message: &[u8],
    limit: Duration,
) -> Result<Vec<String>, ClientError> {
    let mut line = Wire::open(server, limit)?;
    line.accepted("greeting", "", '2')?;
    let word = match hello {
        Hello::Ehlo => "EHLO",
        Hello::Lhlo => "LHLO",
    };
    line.accepted(word, &format!("{word} client.{}\r\n", super::DOMAIN), '2')?;
    line.accepted("MAIL", &format!("MAIL FROM:<{from}>\r\n"), '2')?;
    let mut replies = Vec::new();
    for recipient in to {
        replies.push(line.reply(&format!("RCPT TO:<{recipient}>\r\n"))?);
    }
    if replies.iter().any(|reply| reply.starts_with('2')) {
        line.accepted("DATA", "DATA\r\n", '3')?;
        line.send(&stuffed(message))?;
        let mut once = None;
        for reply in replies.iter_mut().filter(|reply| reply.starts_with('2')) {
            *reply = match (hello, &once) {
                (Hello::Lhlo, _) | (Hello::Ehlo, None) => line.reply("")?,
                (Hello::Ehlo, Some(said)) => String::clone(said),
            };
            once = Some(reply.clone());
        }
    }
    // The message is over; a server that hangs up without a goodbye has it all the same.
    let _ = line.reply("QUIT\r\n");
    Ok(replies)
}

/// Dots at the start of a line are doubled, every line ends in CRLF, and a lone dot ends it all (RFC 5321 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'.') {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}

/// Whether the inbox holds a message with this subject.
///
/// # Errors
/// No connection, a broken one, or a refusal.
pub fn imap_find(
    imap: &Address,
    user: &str,
    password: &str,
    subject: &str,
    limit: Duration,
) -> Result<bool, ClientError> {
    let mut session = Imap::log_in(imap, user, password, limit)?;
    let found = session.search(subject)?;
    session.log_out();
    Ok(!found.is_empty())
}

/// The newest message of the inbox with this subject, as it stands there.
///
/// # Errors
/// No connection, a broken one, or a refusal.
pub fn imap_fetch(
    imap: &Address,
    user: &str,
    password: &str,
    subject: &str,
    limit: Duration,
) -> Result<Option<String>, ClientError> {
    let mut session = Imap::log_in(imap, user, password, limit)?;
    let Some(number) = session.search(subject)?.pop() else { return Ok(None) };
    let mut answer = session.command("FETCH", &format!("FETCH {number} BODY.PEEK[]"))?;
    session.log_out();
    Ok(answer.literals.pop())
}

/// An IMAP session that stays open, to see what a restart does to a client.
#[derive(Debug)]
pub struct Imap {
    wire: Wire,
    tag: u32,
}

impl Imap {
    /// Connects, logs in and selects the inbox. The limit holds for all that follows in this session.
    ///
    /// # Errors
    /// No connection, a broken one, or a refusal.
    pub fn log_in(imap: &Address, user: &str, password: &str, limit: Duration) -> Result<Self, ClientError> {
        let mut session = Self { wire: Wire::open(imap, limit)?, tag: 0 };
        let greeting = session.wire.line()?;
        if !greeting.starts_with("* OK") {
            return Err(session.wire.refused("greeting", greeting));
        }
        session.command("LOGIN", &format!("LOGIN {} {}", quoted(user), quoted(password)))?;
        session.command("SELECT", "SELECT INBOX")?;
        Ok(session)
    }

    /// The sequence numbers of the messages with this subject.
    ///
    /// # Errors
    /// A broken connection or a refusal.
    pub fn search(&mut self, subject: &str) -> Result<Vec<u32>, ClientError> {
        let answer = self.command("SEARCH", &format!("SEARCH SUBJECT {}", quoted(subject)))?;
        let numbers = answer.lines.iter().filter_map(|line| line.strip_prefix("* SEARCH"));
        Ok(numbers.flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect())
    }

    /// Asks for nothing: whether the server is still there.
    ///
    /// # Errors
    /// A broken connection.
    pub fn noop(&mut self) -> Result<(), ClientError> {
        self.command("NOOP", "NOOP").map(|_| ())
    }

    fn log_out(mut self) {
        let _ = self.command("LOGOUT", "LOGOUT");
    }

    /// Sends a command and reads up to its tagged OK.
    fn command(&mut self, name: &'static str, text: &str) -> Result<Answer, ClientError> {
        self.tag += 1;
        let tag = format!("m{}", self.tag);
        self.wire.send(format!("{tag} {text}\r\n").as_bytes())?;
        let mut answer = Answer::default();
        loop {
            let line = self.wire.line()?;
            if let Some(state) = line.strip_prefix(&tag).and_then(|rest| rest.strip_prefix(' ')) {
                if state.starts_with("OK") {
                    return Ok(answer);
                }
                return Err(self.wire.refused(name, line));
            }
            // A literal's bytes are no lines of the protocol (RFC 9051 4.3), so they are taken by count.
            if let Some(length) = literal_length(&line) {
                answer.literals.push(self.wire.exactly(length)?);
            }
            answer.lines.push(line);
        }
    }
}

/// The untagged lines of an answer, and apart from them the literals.
#[derive(Debug, Default)]
struct Answer {
    lines: Vec<String>,
    literals: Vec<String>,
}

/// A quoted string (RFC 9051 4.3.2).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `... {12}` announces twelve bytes.
fn literal_length(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

/// A connection with a deadline for everything said on it.
#[derive(Debug)]
struct Wire {
    stream: Stream,
    address: String,
    until: Instant,
    buffer: Vec<u8>,
}

impl Wire {
    fn open(address: &Address, limit: Duration) -> Result<Self, ClientError> {
        let until = Instant::now() + limit;
        let name = address.to_string();
        match address.connect(limit) {
            Ok(stream) => Ok(Self { stream, address: name, until, buffer: Vec::new() }),
            Err(source) => Err(ClientError::Connect { address: name, source }),
        }
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Broken { address: self.address.clone(), source }
    }

    fn refused(&self, command: &'static str, reply: String) -> ClientError {
        ClientError::Refused { address: self.address.clone(), command, reply }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.stream.limit(left).and_then(|()| self.stream.write_all(bytes)).map_err(|error| self.broken(error))
    }

    /// One line without its end.
    fn line(&mut self) -> Result<String, ClientError> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, length: usize) -> Result<String, ClientError> {
        if length > ANSWER_MAX {
            return Err(self.broken(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long")));
        }
        while self.buffer.len() < length {
            self.more()?;
        }
        let bytes: Vec<u8> = self.buffer.drain(..length).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn more(&mut self) -> Result<(), ClientError> {
        let left = self.until.saturating_duration_since(Instant::now());
        let mut chunk = [0; 4096];
        let read = if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else if self.buffer.len() > ANSWER_MAX {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"))
        } else {
            self.stream.limit(left).and_then(|()| self.stream.read(&mut chunk))
        };
        match read {
            Ok(0) => Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// Sends a command of SMTP, unless it is empty, and reads the reply; of several lines the last.
    fn reply(&mut self, command: &str) -> Result<String, ClientError> {
        self.send(command.as_bytes())?;
        loop {
            let line = self.line()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    fn accepted(&mut self, name: &'static str, command: &str, class: char) -> Result<(), ClientError> {
        let reply = self.reply(command)?;
        if reply.starts_with(class) { Ok(()) } else { Err(self.refused(name, reply)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_bare_line_feeds_mended() {
        assert_eq!(stuffed(b".a\nb\r\n..c"), b"..a\r\nb\r\n...c\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(literal_length("* 1 FETCH (BODY[] {5}"), Some(5));
        assert_eq!(literal_length("* OK {x}"), None);
    }

    #[test]
    fn a_server_that_says_nothing_ends_the_wait_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("silent"));
        let _listener = address.listen().unwrap();
        let error = imap_find(&address, "demo", "demo", "x", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
