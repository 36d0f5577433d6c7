//! The document changes, and a store that cannot be started.

use super::server::oracle;
use super::talk::{greeting, is_free};

#[test]
fn r19_pop_disabled_cuts_off_its_clients_alone_and_enabled_again_it_serves_them() {
    let mut server = oracle().started();
    let before = server.status();
    let (mut imap, pop, mut smtp) = (server.imap_client(), server.pop_client(), server.smtp_client());
    server.document.service("pop").unwrap().set("enabled", "false");
    server.write();
    pop.ends();
    let status = server.until("pop is down", |status| status.pid("pop").is_none());
    assert!(is_free(server.pop), "nobody of the old instance serves on");
    imap.noop().unwrap();
    assert!(smtp.says("NOOP").starts_with("250 "));
    let others = ["store", "imap", "http", "dispatcher", "job_controller"];
    assert_eq!(others.map(|name| status.pid(name)), others.map(|name| before.pid(name)));
    server.document.service("pop").unwrap().set("enabled", "true");
    server.write();
    let status = server.until("pop is back", |status| status.is_ready("pop"));
    assert!(greeting(server.pop).unwrap().starts_with("+OK"));
    assert_eq!(others.map(|name| status.pid(name)), others.map(|name| before.pid(name)));
    imap.noop().unwrap();
}

#[test]
fn r02_behind_a_store_that_cannot_start_nothing_of_it_does_and_mail_is_taken_all_the_same() {
    let mut server = oracle();
    server.document.fields.retain(|(name, _)| *name != "autorestart");
    server.document.fields.push(("autorestart", "{enabled: true, maxRestarts: 0}".to_owned()));
    server.write();
    server.edit("etc/store.conf", |text| format!("{text}nonsense of a person in a hurry\n"));
    server.house.start();
    let status = server.until("the store gave up and mail is taken", |status| {
        status.service("store")["gaveUp"] == true
            && status.is_ready("dispatcher")
            && status.is_ready("job_controller")
            && status.is_settled("imap")
    });
    for name in ["imap", "pop", "http"] {
        assert_eq!((status.pid(name), server.times(&format!("{name} Started"))), (None, 0));
        assert!(status.reason(name).contains("store"), "{}", status.reason(name));
    }
    let words = status.service("store")["lastLines"].to_string();
    assert!(words.contains("Error in configuration file"), "{words}");
    server.send("taken without a store");
    server.edit("etc/store.conf", |text| text.replace("nonsense of a person in a hurry\n", ""));
    server.all_ready();
    server.read_by_imap("taken without a store");
}
