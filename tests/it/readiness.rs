//! Readiness by probe, against listeners that behave as starting and broken services do.

use std::time::Duration;

use mailward::desired::{Listener, Probe, Protocol, Tls};
use mailward::model::Incarnation;
use mailward::observe::readiness::Probing;
use mailward::plan::{Event, Seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_mins(1);

fn tcp(port: u16, protocol: Protocol) -> Listener {
    Listener { address: None, port: Some(port), socket: None, protocol, tls: Tls::None, probe: Probe::default() }
}

fn start(listeners: &[Listener]) -> (Probing, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(8);
    (Probing::start("imap".into(), Incarnation(7), listeners, sender), events)
}

async fn ready(events: &mut mpsc::Receiver<Event>) {
    let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("ready in time");
    let what = Seen::Ready { incarnation: Incarnation(7) };
    assert_eq!(event, Some(Event { service: "imap".into(), what }));
}

async fn missing(probing: &Probing, text: &str) {
    let seen = async {
        while !probing.missing().iter().any(|line| line.contains(text)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{text}: {:?}", probing.missing()));
}

async fn bound() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

async fn greets(mut stream: TcpStream, greeting: &[u8]) -> String {
    stream.write_all(greeting).await.expect("sent");
    let mut said = vec![0; 200];
    let n = stream.read(&mut said).await.expect("read");
    String::from_utf8_lossy(&said[..n]).into_owned()
}

#[tokio::test]
async fn r01_a_service_is_ready_when_every_listener_has_greeted_and_not_before() {
    let ((imap, a), (pop, b)) = (bound().await, bound().await);
    let (probing, mut events) = start(&[tcp(a, Protocol::Imap), tcp(b, Protocol::Pop3)]);
    let (stream, _) = imap.accept().await.expect("a probe");
    assert_eq!(greets(stream, b"* OK hello\r\n").await, "mw1 LOGOUT\r\n", "it says goodbye");
    let (stream, _) = pop.accept().await.expect("a probe");
    assert!(events.try_recv().is_err(), "one listener is not all");
    assert_eq!(greets(stream, b"+OK hello\r\n").await, "QUIT\r\n");
    ready(&mut events).await;
    assert_eq!(probing.missing(), Vec::<String>::new());
    assert_eq!(events.recv().await, None, "it is said once, and the task ends");
}

#[tokio::test]
async fn r01_a_port_that_nobody_has_opened_yet_is_tried_until_somebody_does() {
    let (first, port) = bound().await;
    drop(first);
    let (probing, mut events) = start(&[tcp(port, Protocol::Tcp)]);
    missing(&probing, &format!("Tcp at 127.0.0.1:{port}: Connection refused")).await;
    let _listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is not kept from the service");
    ready(&mut events).await;
}

#[tokio::test]
async fn r08_a_refusal_is_an_answer_but_not_a_ready_service() {
    let (listener, port) = bound().await;
    let (probing, mut events) = start(&[tcp(port, Protocol::Imap)]);
    let (stream, _) = listener.accept().await.expect("a probe");
    greets(stream, b"* BYE starting up\r\n").await;
    missing(&probing, "it refuses: * BYE starting up").await;
    let (stream, _) = listener.accept().await.expect("another probe");
    assert!(events.try_recv().is_err());
    greets(stream, b"* OK now\r\n").await;
    ready(&mut events).await;
}

#[tokio::test]
async fn r08_a_close_before_the_greeting_or_another_protocol_is_not_ready() {
    let (listener, port) = bound().await;
    let (probing, mut events) = start(&[tcp(port, Protocol::Smtp)]);
    drop(listener.accept().await.expect("a probe"));
    missing(&probing, "before its greeting (220)").await;
    let (stream, _) = listener.accept().await.expect("another probe");
    greets(stream, b"* OK IMAP\r\n").await;
    missing(&probing, "expected a reply line").await;
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn r01_an_lmtp_socket_that_appears_late_is_found_at_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lmtp");
    let socket = path.to_str().map(Into::into);
    let listener = Listener {
        address: None,
        port: None,
        socket,
        protocol: Protocol::Lmtp,
        tls: Tls::None,
        probe: Probe::default(),
    };
    let (probing, mut events) = start(&[listener]);
    missing(&probing, "No such file or directory").await;
    let bound = UnixListener::bind(&path).expect("bound");
    let (mut stream, _) = bound.accept().await.expect("a probe");
    stream.write_all(b"220 vm\r\n").await.expect("sent");
    let mut said = [0; 100];
    let n = stream.read(&mut said).await.expect("read");
    assert_eq!(&said[..n], b"LHLO probe.mailward.invalid\r\n");
    stream.write_all(b"250 vm\r\n").await.expect("sent");
    ready(&mut events).await;
}

#[tokio::test]
async fn r01_a_listener_that_accepts_but_cannot_begin_tls_is_not_ready() {
    let (listener, port) = bound().await;
    let (probing, mut events) = start(&[Listener { tls: Tls::Implicit, ..tcp(port, Protocol::Imap) }]);
    let (stream, _) = listener.accept().await.expect("a probe");
    greets(stream, b"* OK in clear text\r\n").await;
    missing(&probing, "expected TLS").await;
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn dropping_the_handle_ends_the_probe() {
    let (listener, port) = bound().await;
    let (probing, mut events) = start(&[tcp(port, Protocol::Imap)]);
    let (mut stream, _) = listener.accept().await.expect("a probe");
    drop(probing);
    assert_eq!(events.recv().await, None, "the task is gone, and its sender with it");
    assert_eq!(stream.read(&mut [0; 10]).await.expect("closed"), 0);
}
