//! The restart group of the message store, made of three instances of Dovecot and nginx.

use rustix::process::Signal;

use super::server::oracle;
use super::talk::{greeting, is_free, page};
use crate::agent::house::signal_to;

const GROUP: [&str; 4] = ["store", "imap", "pop", "http"];
const MTA: [&str; 2] = ["dispatcher", "job_controller"];

#[test]
fn r09_a_killed_imap_restarts_the_store_group_in_order_and_r11_the_second_time_is_given_up() {
    let server = oracle().started();
    server.carries("before");
    let before = server.status();
    let (mut imap, pop, mut smtp) = (server.imap_client(), server.pop_client(), server.smtp_client());
    let told = server.history().len();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    for name in GROUP {
        server.again(name, before.pid(name).unwrap());
    }
    let after = server.all_ready();
    imap.noop().unwrap_err();
    pop.ends();
    assert!(smtp.says("NOOP").starts_with("250 "), "who only sends mail is not disturbed");
    assert_eq!(MTA.map(|name| after.pid(name)), MTA.map(|name| before.pid(name)));
    let mut steps = server.steps(told, &[&GROUP[..], &MTA].concat());
    // Whether a worker of the killed one was left to be asked is between Dovecot's processes.
    if let Some(at) = steps.iter().position(|step| step == "-imap") {
        assert!(at < steps.iter().position(|step| step == "+store").unwrap(), "{steps:?}");
        steps.remove(at);
    }
    assert_eq!(steps, ["-http", "-pop", "-store", "+store", "+imap", "+pop", "+http"]);
    let history = server.history();
    let last = |what: &str| history.iter().rposition(|line| line == what).unwrap();
    for (first, then) in [("store", "imap"), ("imap", "pop"), ("pop", "http")] {
        assert!(last(&format!("{first} Ready")) < last(&format!("{then} Started")), "{history:#?}");
    }
    let charges = GROUP.map(|name| after.service(name)["restartsInWindow"].as_u64().unwrap());
    assert_eq!(charges, [0, 1, 0, 0]);
    let log = server.read("m/data/log/watcher");
    assert!(log.contains("imap server is not running"), "{log}");
    server.read_by_imap("before");
    server.carries("after");

    let (mut pop, told) = (server.pop_client(), server.history().len());
    signal_to(after.pid("imap").unwrap(), Signal::KILL);
    server.until("imap gave up", |status| status.service("imap")["gaveUp"] == true);
    let down = server.settled();
    assert_eq!(down.pid("imap"), None);
    let others = ["store", "pop", "http", "dispatcher", "job_controller"];
    assert_eq!(others.map(|name| down.pid(name)), others.map(|name| after.pid(name)));
    assert_eq!(server.steps(told, &others), Vec::<String>::new());
    assert!(is_free(server.imap), "nothing of the dead instance serves on");
    assert!(pop.says("NOOP").starts_with("+OK"));
    assert!(smtp.says("NOOP").starts_with("250 "));
    assert!(page(server.http).is_some() && greeting(server.pop).is_some());
    server.send("while imap is down");

    server.does(&["start", "imap"]);
    let again = server.all_ready();
    assert_eq!(again.service("imap")["gaveUp"], false);
    assert_eq!(others.map(|name| again.pid(name)), others.map(|name| after.pid(name)));
    server.read_by_imap("while imap is down");
    assert!(pop.says("NOOP").starts_with("+OK"));
}

#[test]
fn r09_a_killed_store_restarts_its_group_and_r11_the_second_time_the_group_waits_and_so_does_mail() {
    let server = oracle().started();
    server.carries("before");
    let before = server.status();
    let told = server.history().len();
    signal_to(before.pid("store").unwrap(), Signal::KILL);
    server.send("at the same moment");
    for name in GROUP {
        server.again(name, before.pid(name).unwrap());
    }
    let after = server.all_ready();
    assert_eq!(MTA.map(|name| after.pid(name)), MTA.map(|name| before.pid(name)));
    let mut steps = server.steps(told, &[&GROUP[..], &MTA].concat());
    steps.retain(|step| step != "-store");
    assert_eq!(steps, ["-http", "-pop", "-imap", "+store", "+imap", "+pop", "+http"]);
    server.read_by_imap("at the same moment");
    server.read_by_imap("before");

    let (imap, pop, told) = (server.imap_client(), server.pop_client(), server.history().len());
    signal_to(after.pid("store").unwrap(), Signal::KILL);
    server.until("the store gave up", |status| status.service("store")["gaveUp"] == true);
    let down = server.settled();
    drop(imap);
    pop.ends();
    assert_eq!(GROUP.map(|name| down.pid(name)), [None; 4]);
    assert_eq!(MTA.map(|name| down.pid(name)), MTA.map(|name| before.pid(name)));
    let mut steps = server.steps(told, &[&GROUP[..], &MTA].concat());
    steps.retain(|step| step != "-store");
    assert_eq!(steps, ["-http", "-pop", "-imap"]);
    for name in ["imap", "pop", "http"] {
        assert!(down.reason(name).contains("waits: store gave up"), "{}", down.reason(name));
        assert_eq!(down.service(name)["restartsInWindow"], 0);
    }
    server.send("while the store is down");
    server.does(&["start", "store"]);
    server.all_ready();
    server.read_by_imap("while the store is down");
}
