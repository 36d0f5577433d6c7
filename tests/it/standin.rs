//! The stand-ins of the demo as real processes, by the commands of its document.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mailward::demo::client::{Imap, imap_fetch, imap_find, send_message};
use mailward::demo::{Address, DocumentText, OraclePorts, PASSWORD, USER, oracle_document, prepare};
use rustix::process::Signal;

use crate::running::{PATIENCE, Running, eventually, program};

struct Server {
    folder: tempfile::TempDir,
    ports: OraclePorts,
    document: DocumentText,
}

impl Server {
    fn new(recovery: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = OraclePorts::pick().unwrap();
        prepare(folder.path()).unwrap();
        let document = oracle_document(folder.path(), program(), ports, recovery);
        Self { folder, ports, document }
    }

    fn start(&self, name: &str) -> Running {
        Running::start(self.document.services.iter().find(|service| service.name == name).unwrap())
    }

    fn ready(&self, name: &str) -> Running {
        let running = self.start(name);
        running.says("READY=1");
        running
    }

    /// Everything, in the order of the document.
    fn all(&self) -> Vec<Running> {
        self.document.services.iter().map(Running::ready).collect()
    }

    fn send(&self, subject: &str) {
        let smtp = Address::loopback(self.ports.smtp);
        send_message(&smtp, "a@example.test", "demo@example.test", subject, ".dot and text", PATIENCE).unwrap();
    }

    fn has(&self, subject: &str) -> bool {
        imap_find(&Address::loopback(self.ports.imap), USER, PASSWORD, subject, PATIENCE).unwrap()
    }

    fn arrives(&self, subject: &str) {
        eventually(subject, || self.has(subject).then_some(()));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_message_taken_by_smtp_is_read_by_imap_pop3_and_on_the_page() {
    let server = Server::new(Duration::ZERO);
    let _running = server.all();
    server.send("end to end");
    server.arrives("end to end");
    assert!(!server.has("never sent"));
    let imap = Address::loopback(server.ports.imap);
    let text = imap_fetch(&imap, USER, PASSWORD, "end to end", PATIENCE).unwrap().unwrap();
    assert!(
        text.starts_with("Return-Path: <a@example.test>\r\n") && text.ends_with("\r\n\r\n.dot and text\r\n"),
        "{text}"
    );
    let spoken = speak(server.ports.pop, &format!("USER {USER}\r\nPASS {PASSWORD}\r\nRETR 1\r\nQUIT\r\n"));
    assert!(spoken.contains("\r\n..dot and text\r\n.\r\n+OK bye\r\n"), "{spoken}");
    let page = speak(server.ports.http, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("<td>end to end<td>"), "{page}");
    eventually("an empty queue", || (files(&server.path("queue")) == 0).then_some(()));
}

#[test]
fn r01_what_uses_the_store_does_not_start_before_the_store_says_ready() {
    let server = Server::new(Duration::from_mins(10));
    for name in ["imap", "pop", "http", "purge"] {
        let (status, text) = server.start(name).end();
        assert_eq!(status.code(), Some(69), "{name}: {text}");
        assert!(text.contains("store is not running"), "{name}: {text}");
    }
    let store = server.start("store");
    store.says("STATUS=init");
    assert_eq!(fs::read_to_string(server.path("proc/store")).unwrap(), format!("{}\ninit\n", store.pid()));
    let (status, text) = server.start("imap").end();
    assert_eq!(status.code(), Some(69), "{text}");
    assert!(text.contains("store is not ready yet (it says `init`)"), "{text}");
    let (status, text) = store.stop();
    assert!(status.success(), "TERM during recovery: {status} {text}");
    assert!(!server.path("proc/store").exists());
}

#[test]
fn the_pid_file_of_a_ready_store_says_so_and_a_second_store_is_refused() {
    let server = Server::new(Duration::ZERO);
    let store = server.ready("store");
    assert_eq!(fs::read_to_string(server.path("proc/store")).unwrap(), format!("{}\nready\n", store.pid()));
    let (status, text) = server.start("store").end();
    assert_eq!(status.code(), Some(69));
    assert!(text.contains("another store runs on this folder"), "{text}");
}

#[test]
fn mail_waits_in_the_queue_while_the_store_is_dead_and_arrives_when_it_is_back() {
    let server = Server::new(Duration::ZERO);
    let mut store = server.ready("store");
    let _others: Vec<Running> = ["dispatcher", "job_controller"].map(|name| server.ready(name)).into();
    store.signal(Signal::KILL);
    store.end();
    server.send("patience");
    let (status, text) = server.start("imap").end();
    assert_eq!(status.code(), Some(69));
    assert!(text.contains("process"), "the dead pid is named: {text}");
    assert_eq!(files(&server.path("queue")), 1);
    let _store = server.ready("store");
    let _imap = server.ready("imap");
    server.arrives("patience");
}

#[test]
fn r03_term_ends_every_stand_in_cleanly_and_an_open_session_hears_a_goodbye() {
    let server = Server::new(Duration::ZERO);
    let mut running = server.all();
    let mut session = Imap::log_in(&Address::loopback(server.ports.imap), USER, PASSWORD, PATIENCE).unwrap();
    session.noop().unwrap();
    while let Some(service) = running.pop() {
        let (status, text) = service.stop();
        assert!(status.success(), "{status}: {text}");
    }
    assert!(session.noop().is_err());
    assert!(!server.path("proc/store").exists() && !server.path("proc/lmtp").exists());
}

#[test]
fn what_is_deleted_by_imap_goes_from_disk_with_the_next_purge() {
    let server = Server::new(Duration::ZERO);
    let _running: Vec<Running> =
        ["store", "imap", "dispatcher", "job_controller"].map(|name| server.ready(name)).into();
    server.send("to be deleted");
    server.arrives("to be deleted");
    let commands = "a LOGIN demo demo\r\nb SELECT INBOX\r\nc STORE 1 +FLAGS (\\Deleted)\r\nd EXPUNGE\r\ne LOGOUT\r\n";
    let spoken = speak(server.ports.imap, commands);
    assert!(spoken.contains("* 1 EXPUNGE\r\nd OK"), "{spoken}");
    assert!(!server.has("to be deleted"));
    let expunged = server.path("store/demo/expunged");
    assert_eq!(files(&expunged), 1);
    let _purge = server.ready("purge");
    eventually("the purge", || (files(&expunged) == 0).then_some(()));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [&["stand-in"][..], &["stand-in", "imap", "--data", "/nowhere"]] {
        let mut command = vec![program().to_string_lossy().into_owned()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let (status, text) = Running::start(&mailward::demo::ServiceText::new("wrong", command)).end();
        assert_eq!(status.code(), Some(64), "{text}");
    }
}

/// Says all this at once and hears to the end.
fn speak(port: u16, text: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
