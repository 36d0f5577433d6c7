//! Mail that is on its way while services come and go is not lost.

use std::process::Command;

use rustix::process::Signal;

use super::server::{Server, oracle};
use crate::agent::house::said;
use crate::running::eventually;

/// What `postqueue` says of the queue of an instance.
fn queue(server: &Server, instance: &str, words: &str) -> String {
    let mut command = Command::new("/usr/sbin/postqueue");
    command.arg("-c").arg(server.path(&format!("m/{instance}/etc"))).arg(words);
    let said = said(command);
    // Postfix's own daemons answer, and they may be between two lives.
    if said.code == 0 { said.out } else { String::new() }
}

#[test]
fn r06_mail_waits_in_the_queue_while_the_store_is_held_and_is_delivered_when_it_is_back() {
    let server = oracle().started();
    let before = server.status();
    let mut smtp = server.smtp_client();
    server.does(&["stop", "store"]);
    let status = server.settled();
    for name in ["imap", "pop", "http"] {
        assert_eq!(status.pid(name), None);
        assert!(status.reason(name).contains("waits: store held"), "{}", status.reason(name));
    }
    server.send("sent meanwhile");
    let waits = || queue(&server, "job_controller", "-p").contains("demo@example.test").then_some(());
    eventually("it waits in the queue", waits);
    assert!(smtp.says("NOOP").starts_with("250 "));
    let mta = ["dispatcher", "job_controller"];
    assert_eq!(mta.map(|name| server.status().pid(name)), mta.map(|name| before.pid(name)));

    // The delivering instance dies with the message in its queue.
    server.worker("job_controller", "master").signal(Signal::KILL);
    server.again("job_controller", before.pid("job_controller").unwrap());
    eventually("it waits still", waits);
    server.send("sent after that");

    server.does(&["start", "store"]);
    server.all_ready();
    queue(&server, "job_controller", "-f");
    server.read_by_imap("sent meanwhile");
    server.read_by_imap("sent after that");
    assert_eq!(server.status().pid("dispatcher"), before.pid("dispatcher"));
    assert!(smtp.says("NOOP").starts_with("250 "));
}

#[test]
fn r08_held_mail_of_postfix_is_counted_and_its_age_reported() {
    let mut server = oracle();
    let path = server.path("m/job_controller/queue").display().to_string();
    let queue = format!("{{name: out, kind: Postfix, path: {path}, maxMessages: 100, maxAge: 1s}}");
    server.document.fields.push(("probes", format!("{{queues: [{queue}]}}")));
    server.write();
    let server = server.started();
    server.does(&["stop", "store"]);
    server.settled();
    server.send("held");
    eventually("it waits in the queue", || queue_of(&server, "-p").contains("demo@example.test").then_some(()));
    let mut hold = Command::new("/usr/sbin/postsuper");
    hold.arg("-c").arg(server.path("m/job_controller/etc")).args(["-h", "ALL"]);
    assert_eq!(said(hold).code, 0);
    let table = eventually("the held message is old", || {
        let said = server.run(&["probe"]);
        said.out.contains("a message has waited longer than 1s").then_some(said.out)
    });
    assert!(table.contains("1 messages (hold 1)"), "{table}");
    assert_eq!(server.status().condition("Degraded").1, "ThresholdsCrossed");
}

fn queue_of(server: &Server, words: &str) -> String {
    queue(server, "job_controller", words)
}
