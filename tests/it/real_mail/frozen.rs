//! What the prober hears of real servers that serve, are frozen (SIGSTOP), or are gone.

use std::time::Duration;

use mailward::demo::Listen;
use mailward::desired::{Listener, Probe, Protocol, Tls};
use mailward::model::Heard;
use mailward::observe::ask::{Question, ask};
use rustix::process::Signal;

use super::server::{Server, pair};
use crate::processes::Process;
use crate::running::eventually;

/// Short: a frozen server never answers.
const BRIEF: Duration = Duration::from_secs(1);
/// Long: one that serves does.
const LONG: Duration = Duration::from_mins(1);
const ALL: [&str; 3] = ["dovecot", "postfix", "web"];

/// A server whose hangs are nobody's business but this test's.
fn unprobed() -> Server {
    let mut server = pair();
    for name in ALL {
        server.document.service(name).unwrap().set("probes", "{enabled: false}");
    }
    server.write();
    server.started()
}

/// Every listener of a service, as its document declares it.
fn listeners(server: &Server, service: &str) -> Vec<Listener> {
    let declared = server.document.services.iter().find(|found| found.name == service).unwrap();
    let listener = |listen: &Listen| {
        let (port, socket, protocol) = match listen {
            Listen::Port(port, protocol) => (Some(*port), None, *protocol),
            Listen::Socket(path, protocol) => (None, Some(path.to_str().unwrap().to_owned()), *protocol),
        };
        let protocol = match protocol {
            "Imap" => Protocol::Imap,
            "Pop3" => Protocol::Pop3,
            "Lmtp" => Protocol::Lmtp,
            "Smtp" => Protocol::Smtp,
            "Submission" => Protocol::Submission,
            "Http" => Protocol::Http,
            other => panic!("{other}"),
        };
        Listener { address: None, port, socket, protocol, tls: Tls::None, probe: Probe::default() }
    };
    let listeners: Vec<Listener> = declared.listeners.iter().map(listener).collect();
    assert!(!listeners.is_empty());
    listeners
}

/// Asks each listener of a service until it is heard as wished. A prober that was held up itself does not know, and is
/// asked again.
fn all_are_heard(server: &Server, service: &str, limit: Duration, what: &str, wished: fn(&Heard) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for listener in listeners(server, service) {
        let question = Question::greeting(0, &listener, limit);
        eventually(&format!("{listener} {what}"), || match runtime.block_on(ask(&question)).answer.heard {
            Heard::Unknown(_) => None,
            heard => {
                assert!(wished(&heard), "{service}: {listener} {what}, but was heard so: {heard:?}");
                Some(())
            }
        });
    }
}

fn serves(server: &Server, service: &str) {
    all_are_heard(server, service, LONG, "serves", |heard| *heard == Heard::Served);
}

fn is_silent(server: &Server, service: &str) {
    all_are_heard(server, service, BRIEF, "is silent", |heard| *heard == Heard::Silent);
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

#[test]
fn r08_real_servers_of_which_everything_is_frozen_are_silent_and_serve_when_they_are_thawed() {
    let server = unprobed();
    let before = server.status();
    for name in ALL {
        serves(&server, name);
        let family = server.family(name);
        signal(&family, Signal::STOP);
        is_silent(&server, name);
        signal(&family, Signal::CONT);
        serves(&server, name);
    }
    server.carries("after");
    assert_eq!(server.all_ready().pids(), before.pids());
}

#[test]
fn r08_one_frozen_worker_is_heard_where_it_is_the_only_one_and_a_frozen_master_of_nginx_is_not() {
    let server = unprobed();
    let family = server.family("web");
    assert_eq!(family.len(), 2, "a master and a worker: {family:?}");
    signal(&family[..1], Signal::STOP);
    serves(&server, "web");
    signal(&family[..1], Signal::CONT);
    signal(&family[1..], Signal::STOP);
    is_silent(&server, "web");
    signal(&family[1..], Signal::CONT);
    serves(&server, "web");
}

#[test]
fn r08_a_real_server_that_was_stopped_does_not_listen() {
    let server = unprobed();
    server.does(&["stop"]);
    for name in ALL {
        all_are_heard(&server, name, LONG, "does not listen", |heard| matches!(heard, Heard::NotListening(_)));
    }
}
