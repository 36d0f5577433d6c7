//! Services that a shell cannot be: this test binary in another role.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Not a test: a service. `ACTS` says what it does, one act after the other, and then it waits to be killed:
/// `notify WORDS` (a `|` is a line end), `await FILE` (until it exists), `greet PORT WORDS` (to everybody, for ever).
#[test]
#[ignore = "a role that tests give to this binary"]
fn service() {
    let Ok(acts) = std::env::var("ACTS") else { return };
    for act in acts.split(';') {
        let (verb, rest) = act.split_once(' ').unwrap();
        match verb {
            "notify" => {
                let path = std::env::var("NOTIFY_SOCKET").unwrap();
                let socket = UnixDatagram::unbound().unwrap();
                socket.send_to(rest.replace('|', "\n").as_bytes(), path).unwrap();
            }
            "await" => {
                while !Path::new(rest).exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            "greet" => {
                let (port, words) = rest.split_once(' ').unwrap();
                let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
                for stream in listener.incoming() {
                    // Whoever asked may be gone already.
                    let _ = stream.unwrap().write_all(format!("{words}\r\n").as_bytes());
                }
            }
            other => panic!("{other}"),
        }
    }
    loop {
        std::thread::park();
    }
}

/// The fields of a service that plays this role.
pub(crate) fn acts(acts: &str) -> String {
    let exe = std::env::current_exe().unwrap();
    let exe = exe.to_str().unwrap();
    format!(
        "command: [{exe}, --exact, agent::actor::service, --ignored, --nocapture, --test-threads=1], \
         environment: [{{name: ACTS, value: '{acts}'}}]"
    )
}
