//! `mailward-controller ask URL`: whether a URL answers 200. The image has no shell and no other client.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use thiserror::Error;

const LIMIT: Duration = Duration::from_secs(10);

/// Why the answer is no.
#[derive(Debug, Error)]
pub enum No {
    /// It is no URL that can be asked.
    #[error("{0}: expected http://HOST:PORT/PATH")]
    Url(String),
    /// Nobody answers.
    #[error("{0} does not answer")]
    Silent(String, #[source] std::io::Error),
    /// Something else than 200.
    #[error("{0} answers: {1}")]
    Answer(String, String),
}

/// Asks once.
pub fn ask(url: &str) -> Result<(), No> {
    let rest = url.strip_prefix("http://").ok_or_else(|| No::Url(url.to_owned()))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let silent = |error| No::Silent(url.to_owned(), error);
    let address = authority.to_socket_addrs().map_err(silent)?.next().ok_or_else(|| No::Url(url.to_owned()))?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).map_err(silent)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(silent)?;
    stream.set_write_timeout(Some(LIMIT)).map_err(silent)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").map_err(silent)?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer).map_err(silent)?;
    let answer = String::from_utf8_lossy(&answer);
    let first = answer.lines().next().unwrap_or_default();
    let is_good = first.split(' ').nth(1) == Some("200");
    if is_good { Ok(()) } else { Err(No::Answer(url.to_owned(), first.to_owned())) }
}
