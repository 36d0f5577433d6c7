//! Who is in a service's place.

use std::fs;

use mailward::desired::{Launch, Listener, Probe, Protocol, Tls};
use mailward::plan::Found;

use crate::stage::{Stage, sh};

#[test]
fn r05_a_stranger_on_the_port_is_named_and_never_signalled() {
    let mut stage = Stage::new(true);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let listener = Listener {
        address: None,
        port: Some(port),
        socket: None,
        protocol: Protocol::Imap,
        tls: Tls::None,
        probe: Probe::default(),
    };
    let launch = Launch { listeners: vec![listener], ..sh("exec sleep 1000") };
    let Found::Foreign { who } = stage.look("imap", &launch, None) else { panic!("it was not seen") };
    assert!(who.ends_with(&format!("(pid {}) listens on 127.0.0.1:{port}", std::process::id())), "{who}");
    // The stranger is this very process: it would not be here any more.
    stage.kill("imap", &launch, 1);
    drop(socket);
    assert_eq!(stage.look("imap", &launch, None), Found::Nothing);
}

#[test]
fn r05_a_stranger_on_a_unix_socket_is_named() {
    let mut stage = Stage::new(false);
    let path = stage.text("lmtp");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let listener = Listener {
        address: None,
        port: None,
        socket: Some(path.clone()),
        protocol: Protocol::Lmtp,
        tls: Tls::None,
        probe: Probe::default(),
    };
    let launch = Launch { listeners: vec![listener], ..sh("exec sleep 1000") };
    let Found::Foreign { who } = stage.look("lmtp", &launch, None) else { panic!("it was not seen") };
    assert!(who.ends_with(&format!("listens on {path}")), "{who}");
    drop(socket);
    assert_eq!(stage.look("lmtp", &launch, None), Found::Nothing);
}

#[test]
fn r05_c08_a_stale_pid_file_is_removed_only_with_proof() {
    let mut stage = Stage::new(false);
    let file = stage.text("master.pid");
    let launch = Launch { pid_file: Some(file.clone()), ..sh("exec sleep 1000") };
    // PID 1 lives and is older than the file: perhaps it is meant.
    fs::write(&file, "1\n").unwrap();
    let Found::Foreign { who } = stage.look("mta", &launch, None) else { panic!("it was not seen") };
    assert!(who.contains("(pid 1) is named by its pid file"), "{who}");
    assert!(fs::exists(&file).unwrap());
    // A pid that no process has.
    fs::write(&file, "4194305\n").unwrap();
    assert_eq!(stage.look("mta", &launch, None), Found::Nothing);
    assert!(!fs::exists(&file).unwrap());
    // A file from long before its process was born: the pid was given away anew.
    fs::write(&file, "1\n").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    assert_eq!(stage.look("mta", &launch, None), Found::Nothing);
    assert!(!fs::exists(&file).unwrap());
}
