//! Conversations by lines with a mail server in the cluster: SMTP (and LMTP) and IMAP.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_mins(1);

fn socket(address: &str, port: u16) -> SocketAddr {
    SocketAddr::from((address.parse::<IpAddr>().expect("an address"), port))
}

/// An open connection.
pub(crate) struct Talk {
    stream: BufReader<TcpStream>,
    tag: u32,
}

impl Talk {
    /// To a pod that is ready, by its address; hears the greeting.
    pub(crate) fn open(address: &str, port: u16) -> (Self, String) {
        let address = socket(address, port);
        Self::over(TcpStream::connect_timeout(&address, LIMIT).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// To a Service. Nothing says when the node's rules for a new one are in place: only that it lets one in.
    pub(crate) fn through(address: &str, port: u16) -> (Self, String) {
        let (address, end) = (socket(address, port), Instant::now() + LIMIT);
        loop {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(stream) => return Self::over(stream),
                // The two words that the node has for a Service without anybody behind it.
                Err(error)
                    if [ErrorKind::ConnectionRefused, ErrorKind::HostUnreachable].contains(&error.kind())
                        && Instant::now() < end =>
                {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("{address}: {error}"),
            }
        }
    }

    fn over(stream: TcpStream) -> (Self, String) {
        stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
        let mut talk = Self { stream: BufReader::new(stream), tag: 0 };
        let greeting = talk.line();
        (talk, greeting)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).unwrap_or_else(|error| panic!("no answer: {error}"));
        assert!(length > 0, "the connection is over");
        line.trim_end().to_owned()
    }

    fn send(&mut self, words: &str) {
        self.stream.get_mut().write_all(format!("{words}\r\n").as_bytes()).expect("the connection is open");
    }

    /// Says a command of SMTP or LMTP, and wants a reply that begins with this code.
    pub(crate) fn smtp(&mut self, words: &str, code: &str) {
        self.send(words);
        loop {
            let line = self.line();
            assert!(line.starts_with(code), "{words}: {line}");
            // RFC 5321 4.2.1: a hyphen says that the reply goes on.
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }

    /// Waits until the mailbox changes (RFC 2177).
    pub(crate) fn idle(&mut self) {
        self.tag += 1;
        let tag = format!("i{} ", self.tag);
        self.send(&format!("{tag}IDLE"));
        while !self.line().contains("EXISTS") {}
        self.send("DONE");
        while !self.line().starts_with(&tag) {}
    }

    /// Says a command of IMAP, wants `OK`, and returns the lines before it.
    pub(crate) fn imap(&mut self, words: &str) -> Vec<String> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.send(&format!("{tag}{words}"));
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if let Some(end) = line.strip_prefix(&tag) {
                assert!(end.starts_with("OK"), "{words}: {end}");
                return lines;
            }
            lines.push(line);
        }
    }
}

/// The answer to a request of HTTP.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
    let words =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(words.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("no answer: {error}"));
    answer
}
