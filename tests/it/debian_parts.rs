//! The servers of Debian's Dovecot, Postfix and nginx, as the demo writes them, without an agent: every command and
//! every checker of their documents works, and a message goes all the way.

use std::process::Command;
use std::time::Duration;

use mailward::demo::client::{imap_find, send_message};
use mailward::demo::debian::{PairPorts, dovecot_and_postfix, missing, oracle_of_debian_parts};
use mailward::demo::{Address, DocumentText, Listen, OraclePorts, PASSWORD, ServiceText, USER};

use crate::running::{PATIENCE, Running, eventually};

/// A short limit for one of many tries.
const TRY: Duration = Duration::from_secs(5);

struct Server {
    running: Vec<Running>,
    postfix: Vec<Vec<String>>,
}

impl Server {
    /// Starts what has a command, in order, each when the listeners of the one before accept.
    fn start(document: &DocumentText) -> Self {
        let mut server = Self { running: Vec::new(), postfix: Vec::new() };
        for service in document.services.iter().filter(|service| !service.command.is_empty()) {
            if service.command[0].ends_with("postfix") {
                server.postfix.push(service.command.clone());
            }
            server.running.push(Running::start(service));
            accepts(service);
        }
        server
    }
}

/// `postfix start-fg` is a shell; its master is ended by Postfix's own command.
impl Drop for Server {
    fn drop(&mut self) {
        for command in &self.postfix {
            let _ = Command::new(&command[0]).args(&command[1..3]).arg("abort").output();
        }
        while let Some(running) = self.running.pop()
            && !std::thread::panicking()
        {
            running.stop();
        }
    }
}

fn accepts(service: &ServiceText) {
    for listener in &service.listeners {
        eventually(&service.name, || match listener {
            Listen::Port(port, _) => std::net::TcpStream::connect(("127.0.0.1", *port)).ok().map(|_| ()),
            Listen::Socket(path, _) => std::os::unix::net::UnixStream::connect(path).ok().map(|_| ()),
        });
    }
}

/// A folder with a short name: names of Unix sockets are bounded.
fn folder() -> tempfile::TempDir {
    assert_eq!(missing(), None);
    tempfile::Builder::new().prefix("mw").tempdir_in("/tmp").unwrap()
}

fn message_goes_through(smtp: u16, imap: u16, subject: &str) {
    let (smtp, imap) = (Address::loopback(smtp), Address::loopback(imap));
    send_message(&smtp, "a@example.test", "demo@example.test", subject, "text", PATIENCE).unwrap();
    eventually(subject, || imap_find(&imap, USER, PASSWORD, subject, TRY).is_ok_and(|found| found).then_some(()));
    let stranger = send_message(&smtp, "a@example.test", "stranger@example.test", "x", "text", PATIENCE);
    assert!(stranger.is_err(), "a stranger's mail is refused at the door");
}

/// The document is valid, and every checker in it passes.
fn checks_pass(document: &DocumentText) {
    let read = mailward::document::read(document.to_string().as_bytes(), "debian");
    let noted = read.diagnostics.iter().all(|found| found.severity == mailward::document::Severity::Note);
    assert!(noted, "{:?}", read.diagnostics);
    for service in &document.services {
        let Some((_, check)) = service.fields.iter().find(|(name, _)| *name == "check") else { continue };
        let words = check.trim_start_matches("{command: [").trim_end_matches("]}").replace('"', "");
        let words: Vec<&str> = words.split(", ").collect();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_oracle_shaped_server_of_debian_parts_carries_a_message_from_smtp_to_imap() {
    let folder = folder();
    let ports = OraclePorts::pick().unwrap();
    let document = oracle_of_debian_parts(folder.path(), ports).unwrap();
    checks_pass(&document);
    let server = Server::start(&document);
    assert_eq!(server.running.len(), 6);
    message_goes_through(ports.smtp, ports.imap, "oracle shaped");
    message_goes_through(ports.submission, ports.imap, "submitted");
}

#[test]
fn dovecot_and_postfix_carry_a_message_from_smtp_to_imap() {
    let folder = folder();
    let ports = PairPorts::pick().unwrap();
    let document = dovecot_and_postfix(folder.path(), ports).unwrap();
    checks_pass(&document);
    let server = Server::start(&document);
    assert_eq!(server.running.len(), 3);
    message_goes_through(ports.smtp, ports.imap, "a pair");
}
