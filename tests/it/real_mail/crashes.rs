//! Masters and workers of real servers killed with -9.

use rustix::process::Signal;

use super::server::{Server, pair};
use super::talk::{Talk, greeting, page};
use crate::processes::Process;
use crate::running::eventually;

/// Kills the process and waits until the service is ready as another one, with nothing of the old one left. One of the
/// old family is frozen first, so that it cannot end by itself.
fn killed_and_back(server: &Server, service: &str, killed: &Process, frozen: &Process) {
    let before = server.status();
    let family = server.family(service);
    assert!(family.contains(killed) && family.contains(frozen), "{killed:?} and {frozen:?} in {family:?}");
    let told = server.history().len();
    frozen.signal(Signal::STOP);
    killed.signal(Signal::KILL);
    server.again(service, before.pid(service).unwrap());
    let left: Vec<&Process> = family.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "of the old {service} there is still {left:?}");
    let status = server.all_ready();
    let names = ["dovecot", "postfix", "web"];
    for other in names.iter().filter(|name| **name != service) {
        assert_eq!(status.pid(other), before.pid(other), "{other} has nothing to do with it");
    }
    assert_eq!(server.steps(told, &names), [format!("-{service}"), format!("+{service}")]);
    assert_eq!(server.history()[told..].iter().filter(|line| line.ends_with(" Crashed")).count(), 1);
    assert_eq!(status.service(service)["restartsInWindow"], 1);
}

#[test]
fn r07_a_killed_master_of_dovecot_is_noticed_and_comes_back_without_its_old_workers() {
    let server = pair().started();
    server.carries("before");
    let mut client = server.imap_client();
    let family = server.family("dovecot");
    let worker = server.worker("dovecot", "imap");
    killed_and_back(&server, "dovecot", &family[0], &worker);
    client.noop().unwrap_err();
    server.read_by_imap("before");
    server.carries("after");
}

#[test]
fn r07_a_killed_master_of_postfix_is_noticed_and_comes_back_without_its_old_workers() {
    let server = pair().started();
    let client = server.smtp_client();
    // `postfix start-fg` is a shell, and the master its child.
    let (master, worker) = (server.worker("postfix", "master"), server.worker("postfix", "smtpd"));
    killed_and_back(&server, "postfix", &master, &worker);
    client.ends();
    server.carries("after");
}

#[test]
fn r03_a_master_of_postfix_that_outlives_the_shell_it_was_started_by_is_stopped_before_the_new_start() {
    let server = pair().started();
    let client = server.smtp_client();
    let (shell, master) = (server.family("postfix").remove(0), server.worker("postfix", "master"));
    assert_ne!(shell, master);
    killed_and_back(&server, "postfix", &shell, &master);
    client.ends();
    server.carries("after");
}

#[test]
fn r07_a_killed_master_of_nginx_is_noticed_and_comes_back_without_its_old_workers() {
    let mut server = pair();
    // Nothing is sent here, and it is the slowest to start.
    server.document.service("postfix").unwrap().set("enabled", "false");
    server.write();
    let server = server.started();
    let family = server.family("web");
    assert_eq!(family.len(), 2, "a master and a worker: {family:?}");
    let mut client = Talk::open(server.http);
    assert_eq!(client.says("GET / HTTP/1.1\r\nHost: mail.example.test\r\n"), "HTTP/1.1 200 OK");
    killed_and_back(&server, "web", &family[0], &family[1]);
    client.ends();
    assert!(page(server.http).unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn r07_a_killed_worker_is_its_masters_affair() {
    let server = pair().started();
    server.carries("before");
    let (before, told) = (server.status(), server.history());

    let mut imap = server.imap_client();
    server.worker("dovecot", "imap").signal(Signal::KILL);
    imap.noop().unwrap_err();
    let login = Talk::open(server.imap);
    server.worker("dovecot", "imap-login").signal(Signal::KILL);
    login.ends();
    server.worker("dovecot", "auth").signal(Signal::KILL);

    let smtp = server.smtp_client();
    server.worker("postfix", "smtpd").signal(Signal::KILL);
    smtp.ends();
    let manager = server.worker("postfix", "qmgr");
    manager.signal(Signal::KILL);

    let worker = server.family("web").remove(1);
    worker.signal(Signal::KILL);
    eventually("another worker of nginx", || server.family("web").into_iter().nth(1).filter(|new| *new != worker));

    eventually("a page", || page(server.http));
    eventually("a greeting", || greeting(server.smtp));
    server.carries("after");
    assert!(!manager.lives() && server.worker("postfix", "qmgr") != manager);
    assert_eq!(server.status().pids(), before.pids());
    assert_eq!(server.history(), told, "to the agent nothing has happened");
}
