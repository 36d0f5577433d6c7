//! Stops and starts of everything, and an agent that is killed.

use mailward::demo::DOMAIN;
use rustix::process::Signal;

use super::server::{Server, pair};
use super::talk::is_free;
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
fn r05_a_killed_agent_finds_the_real_servers_again_and_open_sessions_do_not_notice() {
    let mut server = pair().started();
    let before = server.status();
    let masters: Vec<Process> = ALL.iter().map(|name| server.family(name).remove(0)).collect();
    let (mut imap, mut smtp) = (server.imap_client(), server.smtp_client());
    server.house.kill_agent();
    imap.noop().unwrap();
    assert!(smtp.says(&format!("MAIL FROM:<somebody@{DOMAIN}>")).starts_with("250 "));
    server.carries("without an agent");
    server.house.start();
    let status = server.house.all_ready();
    assert_eq!(status.pids(), before.pids());
    assert!(masters.iter().all(Process::lives));
    let adopted = ALL.iter().filter(|name| server.times(&format!("{name} Adopted")) == 1).count();
    assert_eq!((adopted, server.steps(0, &ALL)), (3, Vec::new()), "nothing was stopped or started");
    imap.noop().unwrap();
    assert!(smtp.says(&format!("RCPT TO:<demo@{DOMAIN}>")).starts_with("250 "));
    assert!(smtp.says("DATA").starts_with("354 "));
    assert!(smtp.says("Subject: begun under another agent\r\n\r\ntext\r\n.").starts_with("250 "));
    server.read_by_imap("begun under another agent");
    imap.noop().unwrap();
    assert_eq!(imap.search("begun under another agent").unwrap().len(), 1, "the old session sees it");

    // Adopted is watched as what it started itself.
    masters[0].signal(Signal::KILL);
    server.again("dovecot", masters[0].pid);
    server.carries("after");
}

#[test]
fn r07_masters_that_died_while_no_agent_ran_come_back_without_their_old_workers() {
    let mut server = pair().started();
    let before = server.status();
    let _imap = server.imap_client();
    let old: Vec<Process> = ["dovecot", "postfix"].iter().flat_map(|name| server.family(name)).collect();
    let worker = server.worker("dovecot", "imap");
    server.house.kill_agent();
    worker.signal(Signal::STOP);
    for name in ["dovecot", "postfix"] {
        Process::of(before.pid(name).unwrap()).unwrap().signal(Signal::KILL);
    }
    server.house.start();
    let status = server.house.until("all are back", |status| {
        ALL.iter().all(|name| status.is_ready(name))
            && ["dovecot", "postfix"].iter().all(|name| status.pid(name) != before.pid(name))
    });
    let left: Vec<&Process> = old.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(status.pid("web"), before.pid("web"));
    assert_eq!(server.steps(0, &["dovecot"]), ["-dovecot", "+dovecot"]);
    assert_eq!(server.steps(0, &["postfix"]), ["-postfix", "+postfix"]);
    for name in ["dovecot", "postfix"] {
        assert_eq!(
            (server.times(&format!("{name} Crashed")), &status.service(name)["restartsInWindow"]),
            (1, &1.into())
        );
    }
    server.carries("after");
}
