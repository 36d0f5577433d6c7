//! Stops, and that nothing is left of them.

use rustix::process::Signal;

use super::server::{Server, pair};
use super::talk::{Talk, is_free};
use crate::processes::Process;

const ALL: [&str; 3] = ["dovecot", "postfix", "web"];

fn everybody(server: &Server) -> Vec<Process> {
    ALL.iter().flat_map(|name| server.family(name)).collect()
}

/// No process of the old ones, none at all of this server, and nobody on its ports.
fn nothing_is_left(server: &Server, old: &[Process]) {
    let left: Vec<&Process> = old.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(server.processes(), Vec::<i32>::new());
    for port in [server.imap, server.pop, server.smtp, server.http] {
        assert!(is_free(port), "{port}");
    }
}

#[test]
fn r03_everything_stops_in_reverse_order_and_nothing_is_left_running() {
    let mut server = pair().started();
    let history = server.history();
    let at = |what: &str| history.iter().position(|line| line == what).unwrap();
    assert!(at("dovecot Ready") < at("web Started"), "[R1] {history:#?}");
    server.carries("first");
    // They stay connected, which is no reason for a server to stay.
    let (_imap, _smtp) = (server.imap_client(), server.smtp_client());
    let (old, told) = (everybody(&server), server.history().len());
    server.does(&["stop"]);
    nothing_is_left(&server, &old);
    let steps = server.steps(told, &["web", "dovecot"]);
    assert_eq!(steps[0], "-web", "{steps:?}");
    assert!(steps.contains(&"-dovecot".to_owned()) && server.times("postfix Stopped") == 1, "{steps:?}");

    server.does(&["start"]);
    server.carries("second");
    server.read_by_imap("first");
    let old = everybody(&server);
    server.signal_agent(Signal::TERM);
    assert_eq!(server.house.ended().code(), Some(0));
    nothing_is_left(&server, &old);
}

#[test]
fn r03_a_stop_at_once_leaves_nothing_and_says_what_it_may_have_done_to_the_store() {
    let server = pair().started();
    let (imap, smtp) = (server.imap_client(), server.smtp_client());
    let old = everybody(&server);
    server.does(&["stop", "--force"]);
    nothing_is_left(&server, &old);
    drop(imap);
    smtp.ends();
    let told = server.get("/v1/history").to_string();
    assert!(told.contains("killed: it may have left locks of its group store behind"), "{told}");
    server.does(&["start"]);
    server.carries("after");
}

/// SIGSTOP to some of a service, then a stop of it by name.
fn stops_although_frozen(which: &str, chosen: fn(&[Process]) -> &[Process]) {
    let mut server = pair();
    // nginx waits for its workers, and a frozen one never goes: that ends by KILL, which need not take long here.
    server.document.service("web").unwrap().set("stopTimeout", "1s");
    server.write();
    let server = server.started();
    let (_imap, _smtp, _page) = (server.imap_client(), server.smtp_client(), Talk::open(server.http));
    let old = everybody(&server);
    for name in ["web", "dovecot", "postfix"] {
        let family = server.family(name);
        let frozen = chosen(&family);
        assert!(!frozen.is_empty(), "{family:?}");
        for process in frozen {
            process.signal(Signal::STOP);
        }
        server.does(&["stop", name]);
        let left: Vec<&Process> = family.iter().filter(|process| process.lives()).collect();
        assert!(left.is_empty(), "{name} with {which} frozen: {left:?}");
    }
    nothing_is_left(&server, &old);
}

#[test]
fn r03_servers_with_a_frozen_worker_stop_and_leave_nothing() {
    stops_although_frozen("a worker", |family| &family[family.len() - 1..]);
}

#[test]
fn r03_servers_with_a_frozen_main_process_stop_and_leave_nothing() {
    stops_although_frozen("the main process", |family| &family[..1]);
}

#[test]
fn r03_servers_of_which_everything_is_frozen_stop_and_leave_nothing() {
    stops_although_frozen("everything", |family| family);
}
