//! What the agent writes: its own entry and no other, only what changed, and Events ([R27], [R21]).

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::pod::{Server, condition, entry, find, free_port};

#[test]
fn r27_a_crash_and_a_give_up_are_in_the_entry_and_events_and_a_peers_entry_is_left_alone() {
    let mut server = Server::new();
    let a = server.writer("a");
    server.create(
        &json!({ "services": [a, server.writer("b")], "autorestart": { "maxRestarts": 1, "timeout": "600s" } }),
    );
    let peer = json!({
        "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": { "name": "mail" },
        "status": { "instances": [{ "name": "mail-1", "podUID": "p", "agentPid": 5, "agentVersion": "0.0.1",
                                    "observedGeneration": 1, "services": [] }] },
    });
    let manager = PatchParams::apply("mailward-agent-mail-1");
    server.plane.wait_for(server.api().patch_status("mail", &manager, &Patch::Apply(&peer))).unwrap();
    server.start();

    server.crash("a");
    let told = server.entry_until("the restart", |entry| {
        let a = find(&entry["services"], "a");
        a["restartsInWindow"] == 1 && a["ready"] == "True"
    });
    assert_eq!(condition(&told, "Ready")["status"], "True");
    let pid = server.service_pid("a");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let told = server.entry_until("the give-up", |entry| find(&entry["services"], "a")["gaveUp"] == true);
    assert_eq!(
        (condition(&told, "Stalled")["reason"].as_str(), find(&told["services"], "b")["ready"].as_str()),
        (Some("GaveUp"), Some("True"))
    );
    assert!(server.get("/livez").unwrap().0 == 200 && server.get("/readyz").unwrap().0 == 503);
    for reason in ["ServiceFailed", "ServiceRestarted", "GaveUp"] {
        server.eventually(reason, || {
            server
                .events()
                .into_iter()
                .find(|(told, about, note)| told == reason && about == "a" && note.contains("a: "))
        });
    }
    assert_eq!(entry(&server.object(), "mail-1")["podUID"], "p", "the peer's entry");
    let managers = server.object().metadata.managed_fields.unwrap();
    assert!(managers.iter().any(|is| is.manager.as_deref() == Some("mailward-agent-mail-0")), "{managers:?}");
}

#[test]
fn r21_a_converged_agent_writes_nothing_whatever_its_probes_and_tasks_do() {
    let mut server = Server::new();
    let port = free_port();
    let program = env!("CARGO_BIN_EXE_mailward");
    mailward::demo::prepare(&server.path("mail")).unwrap();
    let listens = json!({
        "name": "a",
        "command": [program, "stand-in", "store", "--data", server.path("mail/data"), "--listen", format!("127.0.0.1:{port}")],
        "readiness": { "type": "Notify" },
        "listeners": [{ "address": "127.0.0.1", "port": port, "protocol": "Lmtp" }],
    });
    let sched = json!({ "name": "sched", "command": ["mailward", "sched"], "readiness": { "type": "Notify" } });
    server.create(&json!({
        "services": [listens, sched],
        "probes": { "period": "1s" },
        "schedule": [{ "name": "tidy", "crontab": "* * * * *", "command": ["/bin/true"] }],
    }));
    server.start();
    let last_run = |server: &Server| {
        let status = server.status().unwrap_or_default();
        find(&status["status"]["instances"][0]["tasks"], "tidy")["lastRun"].as_str().map(str::to_owned)
    };
    let first = server.eventually("a run of the task", || last_run(&server));
    server.entry_until("that it went well", |entry| find(&entry["tasks"], "tidy")["lastEndedWell"] == true);
    let (version, writes) = (server.version(), server.metric("mailward_api_status_writes_total"));
    server.eventually("another run", || last_run(&server).filter(|run| *run != first));
    assert!(server.metric(&format!("mailward_probe_seconds{{service=\"a\",listener=\"Lmtp {port}\"}}")) > 0.0);
    // Whatever that run was worth has been asked for by the time a change after it is there.
    assert_eq!(server.version(), version);
    let next = server.crash("a");
    server.entry_until("the crash", |entry| find(&entry["services"], "a")["pid"] == next);
    let more = server.metric("mailward_api_status_writes_total") - writes;
    assert!((1.0..=3.0).contains(&more), "the crash alone was told: {more}");
}

#[test]
fn r27_a_crash_storm_is_told_at_the_declared_rate_and_its_last_state_gets_through() {
    let mut server = Server::new();
    let storm = json!({ "name": "storm", "command": ["/bin/sh", "-c", "exit 1"], "required": false });
    server.create(&json!({
        "services": [server.writer("a"), storm],
        "autorestart": { "maxRestarts": 60, "timeout": "600s" },
    }));
    let began = std::time::Instant::now();
    server.start();
    let told = server.entry_until("the give-up", |entry| find(&entry["services"], "storm")["gaveUp"] == true);
    assert_eq!(find(&told["services"], "a")["ready"], "True");
    // Sixty crashes and starts; the burst, and one write each five seconds that they took.
    let (writes, most) = (server.metric("mailward_api_status_writes_total"), began.elapsed().as_secs() / 5 + 6);
    assert!(writes >= 1.0 && writes <= f64::from(u32::try_from(most).unwrap()), "{writes} writes, at most {most}");
    assert!(server.metric("mailward_service_restarts_in_window{service=\"storm\"}") > 59.0);
}

#[test]
fn r27_an_entry_that_somebody_removed_is_written_again() {
    let mut server = Server::new();
    server.create(&json!({ "services": [server.writer("a")] }));
    server.start();
    server.entry_until("its entry", |entry| condition(entry, "Ready")["status"] == "True");
    let patch: Patch<serde_json::Value> = Patch::Merge(json!({ "status": { "instances": [] } }));
    server.plane.wait_for(server.api().patch_status("mail", &PatchParams::default(), &patch)).unwrap();
    server.entry_until("its entry again", |entry| condition(entry, "Ready")["status"] == "True");
}
