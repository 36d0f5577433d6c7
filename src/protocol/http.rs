//! HTTP/1.1: RFC 9112. The client speaks first.

use super::Script;
use super::dialogue::Turn;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is to be sent.
    Request,
    /// Waiting for a status line.
    Status,
    /// Within the fields of an interim response (1xx, RFC 9110 15.2), which a final one follows.
    Interim,
}

impl Phase {
    /// A declared path is asked for with GET, because what answers for a service's health often knows no other method.
    pub(super) fn connected(&mut self, script: &Script) -> Turn {
        *self = Self::Status;
        let (method, path) = match &script.path {
            Some(path) if is_path(path) => ("GET", path.as_str()),
            Some(_) | None => ("HEAD", "/"),
        };
        let host = &script.host;
        let sound = !host.is_empty() && host.len() <= 255 && host.bytes().all(is_host_byte);
        let host = if sound { host } else { "localhost" };
        Turn::say(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mailward\r\nConnection: close\r\n\r\n"
        ))
    }

    pub(super) fn line(&mut self, line: &[u8], script: &Script) -> Turn {
        match self {
            Self::Request => Turn::violation("silence until the request", line),
            Self::Interim => {
                if line.is_empty() {
                    *self = Self::Status;
                }
                Turn::wait()
            }
            // Empty lines before a message are to be ignored (RFC 9112 2.2).
            Self::Status if line.is_empty() => Turn::wait(),
            Self::Status => match status(line) {
                Some(100..=199) => {
                    *self = Self::Interim;
                    Turn::wait()
                }
                Some(200..=399) => Turn::alive(""),
                // Without a declared path, "not found" and "forbidden" come from a server that serves.
                Some(400..=499) if script.path.is_none() => Turn::alive(""),
                Some(_) => Turn::refused(line, ""),
                None => Turn::violation("an HTTP/1 status line", line),
            },
        }
    }
}

/// Origin form (RFC 9112 3.2.1) without anything that could end the line or the word.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 1024 && path.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

/// The code of `HTTP/1.1 200 OK`; 100 to 599.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [minor, b' ', digits @ ..] = rest else { return None };
    let (code, after) = digits.split_at_checked(3)?;
    let sound = minor.is_ascii_digit()
        && (b'1'..=b'5').contains(&code[0])
        && code.iter().all(u8::is_ascii_digit)
        && matches!(after.first(), None | Some(b' '));
    sound.then(|| code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}
