//! A conversation by lines, kept open to see what a server's end does to its client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::running::PATIENCE;

/// A short limit for one of many tries.
pub(super) const TRY: Duration = Duration::from_secs(10);

/// An open connection.
pub(super) struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    /// None where nobody listens. A port without a listener can be connected to itself (RFC 9293 3.5), which is nobody.
    fn connect(port: u16, limit: Duration) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), limit).ok()?;
        if stream.local_addr().ok()? == stream.peer_addr().ok()? {
            return None;
        }
        stream.set_read_timeout(Some(limit)).unwrap();
        Some(Self { stream: BufReader::new(stream) })
    }

    /// To a server that listens.
    pub(super) fn open(port: u16) -> Self {
        Self::connect(port, PATIENCE).unwrap_or_else(|| panic!("nobody listens on {port}"))
    }

    /// One line; none where the connection is over.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    }

    /// The next line, which must come.
    pub(super) fn hears(&mut self) -> String {
        self.line().expect("the connection is over")
    }

    /// Says something and hears the one line of the answer.
    pub(super) fn says(&mut self, words: &str) -> String {
        self.stream.get_mut().write_all(format!("{words}\r\n").as_bytes()).expect("the connection is over");
        self.hears()
    }

    /// Reads until the server has closed, which must come.
    pub(super) fn ends(mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("still connected: {error}"),
        }
    }
}

/// The first line of a server; none where nobody answers.
pub(super) fn greeting(port: u16) -> Option<String> {
    Talk::connect(port, TRY)?.line()
}

/// The whole answer of a web server; none where nobody answers.
pub(super) fn page(port: u16) -> Option<String> {
    let mut talk = Talk::connect(port, TRY)?;
    talk.stream.get_mut().write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    talk.stream.read_to_string(&mut text).ok()?;
    Some(text).filter(|text| text.starts_with("HTTP/"))
}

/// Nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
