use std::net::SocketAddr;

use super::place::{Place, not_ourselves};
use crate::desired::{Listener, Probe, Protocol, Tls};

fn listener(address: Option<&str>, port: Option<u16>, socket: Option<&str>) -> Listener {
    Listener {
        address: address.map(Into::into),
        port,
        socket: socket.map(Into::into),
        protocol: Protocol::Imap,
        tls: Tls::None,
        probe: Probe::default(),
    }
}

#[test]
fn a_listener_on_every_interface_is_reached_on_loopback() {
    for (address, reached) in [
        (None, "127.0.0.1:143"),
        (Some("0.0.0.0"), "127.0.0.1:143"),
        (Some("*"), "127.0.0.1:143"),
        (Some("::"), "[::1]:143"),
        (Some("[::]"), "[::1]:143"),
        (Some("192.0.2.7"), "192.0.2.7:143"),
        (Some("2001:db8::7"), "[2001:db8::7]:143"),
    ] {
        let expected: SocketAddr = reached.parse().expect("an address");
        assert_eq!(Place::of(&listener(address, Some(143), None)), Place::Tcp(expected), "{address:?}");
    }
    assert_eq!(
        Place::of(&listener(Some("mail.example.org"), Some(143), None)),
        Place::Named("mail.example.org".into(), 143)
    );
}

#[test]
fn a_socket_goes_before_a_port_and_neither_is_nowhere() {
    assert_eq!(Place::of(&listener(None, Some(24), Some("/run/lmtp"))), Place::Unix("/run/lmtp".into()));
    assert_eq!(Place::of(&listener(Some("127.0.0.1"), None, None)), Place::Nowhere);
}

#[tokio::test]
async fn a_connection_that_met_itself_is_nobody_and_leaves_the_port_free() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let itself = socket.local_addr().expect("its address");
    let stream = socket.connect(itself).await.expect("TCP's simultaneous open, with nobody there");
    let error = not_ourselves(stream).expect_err("nobody");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    std::net::TcpListener::bind(itself).expect("the service can have its port");
}
