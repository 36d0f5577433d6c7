//! The API server away ([R28]): refused, a black hole, an unknown certificate, a token that is not good yet.

use rustix::process::Signal;
use serde_json::json;

use crate::door::State;
use crate::plane::Plane;
use crate::pod::{Server, condition, find};

const WRITES: &str = "mailward_api_status_writes_total";

/// Services crash while the API server is away, and are restarted; after the return the newest state is there.
fn serves_on_while(state: State) {
    let mut server = Server::new();
    server.create(&json!({
        "services": [server.writer("a"), server.writer("b")],
        "autorestart": { "maxRestarts": 9, "timeout": "600s" },
    }));
    server.start();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    let pid_b = server.service_pid("b");
    server.door.set(state);
    for _ in 0..4 {
        server.crash("a");
    }
    assert_eq!(server.get("/readyz").unwrap().0, 200);
    let before = server.version();
    server.eventually("the word to whoever asks the agent itself", || {
        let status = server.status()?;
        let advice = status["status"]["instances"][0]["advice"].as_str()?.to_owned();
        advice.contains("the API server does not answer").then_some(())
    });
    assert_eq!(server.version(), before, "nothing came through");
    // Every write of before has been answered or given up by now.
    let writes = server.metric(WRITES);
    server.door.set(State::Open);
    let pid = server.service_pid("a");
    server.entry_until("the newest state", |entry| {
        let a = find(&entry["services"], "a");
        a["restartsInWindow"] == 4 && a["pid"] == pid
    });
    assert_eq!((server.service_pid("a"), server.service_pid("b")), (pid, pid_b), "on return nothing restarts");
    server.eventually("it is up", || (server.metric("mailward_api_up") > 0.5).then_some(()));
    let more = server.eventually("its own write", || Some(server.metric(WRITES) - writes).filter(|more| *more > 0.5));
    // What lay in the hole may come out behind it, and is then written over.
    let most = if state == State::BlackHole { 2.0 } else { 1.0 };
    assert!(more <= most, "status catches up in one write, and not in {more}");
}

#[test]
fn r28_while_connections_are_refused_services_are_kept_and_status_catches_up() {
    serves_on_while(State::Refusing);
}

#[test]
fn r28_a_black_hole_delays_nothing_and_status_catches_up() {
    serves_on_while(State::BlackHole);
}

#[test]
fn r28_a_frozen_api_server_and_a_stopped_one_are_waited_out_and_told_once_each() {
    let plane = Plane::alone();
    let mut server = Server::on(plane);
    server.create(&json!({
        "services": [server.writer("a"), server.writer("b")],
        "autorestart": { "maxRestarts": 9, "timeout": "600s" },
    }));
    server.start();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    let pid_b = server.service_pid("b");
    for (round, [away, back]) in [["freeze", "thaw"], ["stop", "start"]].into_iter().enumerate() {
        let (audited, writes) = (plane.status_writes(&server.namespace), server.metric(WRITES));
        plane.server(away);
        for _ in 0..3 {
            server.crash("a");
        }
        server.eventually("it is noticed", || (server.metric("mailward_api_up") < 0.5).then_some(()));
        plane.server(back);
        let restarts = 3 * (round + 1);
        server.entry_until("the newest state", |entry| find(&entry["services"], "a")["restartsInWindow"] == restarts);
        server.eventually("it is up", || (server.metric("mailward_api_up") > 0.5).then_some(()));
        server.eventually("its own write", || (server.metric(WRITES) - writes > 0.5).then_some(()));
        // Of a frozen server the request that lay in its socket may be answered too, to nobody, and is then written over.
        let more = plane.status_writes(&server.namespace) - audited;
        assert!((1..=3).contains(&more), "{away}: {more} writes");
    }
    assert_eq!(server.service_pid("b"), pid_b);
}

#[test]
fn r28_an_agent_that_starts_while_the_api_server_is_away_begins_with_its_last_good_document() {
    let mut server = Server::new();
    server.create(&json!({ "services": [server.writer("a")] }));
    server.start();
    let kept = || (server.read("state/last-good.yaml").contains("\"generation\"")).then_some(());
    server.eventually("the last good document", kept);
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    server.door.set(State::Refusing);
    let generation = server.edit(&json!({ "services": [server.writer("a"), server.writer("b")] }));
    server.start();
    assert_eq!(server.book(), ["+a", "-a", "+a"].map(str::to_owned), "the last good document, at once");
    let pid = server.service_pid("a");
    server.door.set(State::Open);
    server.entry_until("the newer one", |entry| {
        entry["observedGeneration"] == generation && find(&entry["services"], "b")["ready"] == "True"
    });
    assert_eq!(server.service_pid("a"), pid);
}

#[test]
fn r28_a_certificate_that_is_not_good_is_waited_out() {
    let mut server = Server::new();
    server.create(&json!({ "services": [server.writer("a")] }));
    let good = server.read("kubeconfig");
    std::fs::write(server.path("kubeconfig"), server.plane.kubeconfig_of_a_stranger(server.door.address())).unwrap();
    server.begin();
    server.eventually("the word", || server.read("stderr").contains("it is waited for").then_some(()));
    assert_eq!((server.get("/livez").unwrap().0, server.get("/readyz").unwrap().0), (200, 503));
    assert!(server.metric("mailward_api_failures_total") >= 1.0);
    server.kill();
    std::fs::write(server.path("kubeconfig"), good).unwrap();
    server.start();
}

#[test]
fn r28_a_token_that_was_replaced_in_its_file_is_read_again() {
    let mut server = Server::new();
    server.create(&json!({ "services": [server.writer("a")] }));
    std::fs::write(server.path("token"), "not good").unwrap();
    let config = server.plane.kubeconfig_with_token_file(server.door.address(), &server.path("token"));
    std::fs::write(server.path("kubeconfig"), config).unwrap();
    server.begin();
    server.eventually("401", || server.read("stderr").contains("401").then_some(()));
    std::fs::write(server.path("token"), &server.plane.token).unwrap();
    server.all_ready();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
}
