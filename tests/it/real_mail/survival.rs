//! An agent that is killed with -9, and what its successor finds.

use mailward::demo::DOMAIN;
use rustix::process::Signal;

use super::server::pair;
use crate::processes::Process;

const ALL: [&str; 3] = ["dovecot", "postfix", "web"];

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
fn r04_stop_msg_watcher_leaves_the_real_servers_running_and_start_msg_takes_them_back() {
    let mut server = pair().started();
    let before = server.status();
    let mut imap = server.imap_client();
    let stopped = server.called("stop-msg", &["watcher"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert_eq!(server.house.ended().code(), Some(0));
    server.carries("without an agent");
    let started = server.called("start-msg", &[]);
    assert_eq!(started.code, 0, "{started:?}");
    let status = server.all_ready();
    assert_eq!((status.pids(), server.steps(0, &ALL)), (before.pids(), Vec::new()));
    imap.noop().unwrap();
    server.does(&["stop"]);
    imap.noop().unwrap_err();
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
