//! Lives of containers and pods ([R6], [R29]): what a restart of the container keeps, and what another pod does not.

use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use crate::pod::{Server, find};

/// Whether this machine lets a test make a pid namespace.
fn in_a_container(server: &mut Server) {
    let words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    let able = Command::new(words[0]).args(&words[1..]).arg("true").status();
    assert!(able.is_ok_and(|status| status.success()), "these tests make pid namespaces: run them as root");
    server.before = words.map(str::to_owned).to_vec();
}

#[test]
fn r06_a_container_restart_keeps_manual_stops_and_windows_and_charges_nothing() {
    let mut server = Server::new();
    in_a_container(&mut server);
    server.create(&json!({
        "services": [server.writer("a"), server.writer("b"), server.writer("c")],
        "autorestart": { "maxRestarts": 3, "timeout": "600s" },
    }));
    server.start();
    let starts = |server: &Server| server.book().iter().filter(|line| *line == "+a").count();
    server.order("stop", "b");
    let pid = find(&server.status().unwrap()["status"]["instances"][0]["services"], "c")["pid"].as_i64().unwrap();
    server.control("POST", "/v1/orders", &json!({ "verb": "restart", "services": ["c"] }).to_string());
    server.again("c", pid);
    server.eventually("b is down", || (server.service("b")["ready"] == "False").then_some(()));

    // The container dies with all that is in it.
    server.kill();
    server.begin();
    server.eventually("a", || (server.service("a")["ready"] == "True").then_some(()));
    server.eventually("c", || (server.service("c")["ready"] == "True").then_some(()));
    assert_eq!(server.service("b")["held"], true, "a manual stop survives it");
    assert_eq!(starts(&server), 2);
    for name in ["a", "b", "c"] {
        assert_eq!(server.service(name)["restartsInWindow"], 0, "{name} is not charged");
    }

    // Another pod.
    server.kill();
    server.uid = "22222222-0000-0000-0000-000000000000".to_owned();
    server.begin();
    server.eventually("b", || (server.service("b")["ready"] == "True").then_some(()));
    assert_eq!(server.service("b")["held"], false, "a new pod is a reboot");
    server.entry_until("its uid", |entry| entry["podUID"] == *server.uid);
}

#[test]
fn r06_a_give_up_outlives_the_container_and_ends_with_the_pod() {
    let mut server = Server::new();
    in_a_container(&mut server);
    let words = "echo +fails >> \"$0\"; exit 1";
    let fails = json!({ "name": "fails", "command": ["/bin/sh", "-c", words, server.path("svc.book")] });
    server.create(&json!({
        "services": [server.writer("a"), fails],
        "autorestart": { "maxRestarts": 1, "timeout": "600s" },
    }));
    let tries = |server: &Server| server.book().iter().filter(|line| *line == "+fails").count();
    let gave_up = |server: &Server| server.service("fails")["gaveUp"] == true;
    server.begin();
    server.eventually("the give-up", || gave_up(&server).then_some(()));
    assert_eq!(tries(&server), 2);

    server.kill();
    server.begin();
    server.eventually("a", || (server.service("a")["ready"] == "True").then_some(()));
    assert_eq!((gave_up(&server), tries(&server)), (true, 2), "another container of the same pod");

    server.kill();
    server.uid = "22222222-0000-0000-0000-000000000000".to_owned();
    server.begin();
    server.eventually("two more tries in another pod", || (tries(&server) == 4).then_some(()));
}

#[test]
fn r29_an_ordered_stop_is_fitted_into_the_grace_period_of_the_pod() {
    let mut server = Server::new();
    let stubborn = |name: &str| json!({ "name": name, "command": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done"], "stopTimeout": "60s" });
    let mut second = stubborn("b");
    second["dependsOn"] = json!(["a"]);
    server.grace = Some(8);
    server.create(&json!({ "services": [stubborn("a"), second] }));
    server.start();
    server.eventually("the advice", || {
        let status = server.status()?;
        let advice = status["status"]["instances"][0]["advice"].as_str()?.to_owned();
        advice.contains("killed after 8 s").then_some(())
    });
    let began = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    assert!(server.read("stderr").contains("stop time-outs are shortened"));
}
