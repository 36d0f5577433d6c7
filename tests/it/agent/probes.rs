//! Rounds of probes of real services: what hangs, what only seems to, and what people are shown.

use std::fs;

use rustix::process::Signal;

use super::house::{House, free_port, services, signal_to};
use crate::running::{eventually, program};

/// Rounds come when they are asked for; what the test machine suffers excuses nothing.
const PROBES: &str = "{timeout: 2s, failureThreshold: 1, period: 1h, pressureThreshold: 100}";

/// A server that speaks SMTP, and the port it speaks it on.
fn smtp(policy: &str, more: &str) -> (House, u16) {
    let port = free_port();
    let command = format!("command: [{}, stand-in, smtp, --data, '{{dir}}/mail', --listen, '127.0.0.1:{port}']", {
        program().display()
    });
    let listens = format!("listeners: [{{port: {port}, protocol: Smtp}}], stopTimeout: 1s{more}");
    let service = services(&[("smtp", &format!("{command}, {listens}"))]);
    let mut house = House::new(&format!("  autorestart: {policy}\n  probes: {PROBES}\n{service}"));
    fs::create_dir(house.path("mail")).unwrap();
    // It asks for its users before it says more than its greeting.
    house.put("mail/users", "");
    house.start();
    house.all_ready();
    (house, port)
}

/// Asks for rounds until one is as wished; gives its exit code and its table.
fn probe_until(house: &House, wished: impl Fn(i32, &str) -> bool) -> (i32, String) {
    eventually("a round as wished", || {
        let said = house.run(&["probe"]);
        wished(said.code, &said.out).then_some((said.code, said.out))
    })
}

#[test]
fn r08_a_round_now_is_a_table_and_an_exit_code_by_both_names() {
    let (house, port) = smtp("{enabled: true}", "");
    let (_, table) = probe_until(&house, |code, _| code == 0);
    assert!(table.contains("SERVICE") && table.contains(&format!("Smtp {port}")), "{table}");
    assert!(table.contains("Served"), "{table}");
    let old = house.called("msprobe", &["smtp"]);
    assert!(old.code < 2 && old.out.contains("smtp"), "{old:?}");
    let unknown = house.run(&["probe", "smpt"]);
    assert_eq!((unknown.code, unknown.err.contains("did you mean smtp")), (64, true), "{unknown:?}");
    let json: serde_json::Value = serde_json::from_str(&house.run(&["probe", "-o", "json"]).out).unwrap();
    assert_eq!(json["services"][0]["service"], "smtp");
    let series = house.get("/v1/probes?service=smtp");
    assert!(series[0]["samples"].as_array().is_some_and(|samples| samples.len() >= 3), "{series:#}");
    assert_eq!(house.run(&["probe", "--socket", "/nonexistent/socket"]).code, 69);
}

#[test]
fn r08_c10_c55_a_frozen_server_that_accepts_and_never_answers_is_restarted_and_its_evidence_kept() {
    let (house, _) = smtp("{enabled: true}", "");
    let before = house.status().pid("smtp").unwrap();
    signal_to(before, Signal::STOP);
    probe_until(&house, |_, _| house.times("smtp Hangs") > 0);
    house.again("smtp", before);
    assert_eq!((house.times("smtp Crashed"), house.times("smtp RestartsAlone")), (0, 1));
    let restarts = house.status().service("smtp")["restartsInWindow"].clone();
    assert_eq!(restarts, 1);
    let files = fs::read_dir(house.path("state/evidence/smtp")).unwrap();
    let file = files.map(|entry| entry.unwrap().path()).next().expect("one file");
    let evidence = fs::read_to_string(file).unwrap();
    for part in ["smtp hangs: Smtp", "Silent after", &format!("process {before}"), "State:", "wchan", "its last lines"]
    {
        assert!(evidence.contains(part), "{part} is missing:\n{evidence}");
    }
    assert!(house.read("data/log/watcher").contains("smtp server hangs: Smtp"), "{}", house.read("data/log/watcher"));
}

#[test]
fn r12_with_autorestart_off_what_hangs_is_reported_and_left_until_it_answers() {
    let (house, _) = smtp("{enabled: false}", "");
    let pid = house.status().pid("smtp").unwrap();
    signal_to(pid, Signal::STOP);
    let (code, table) = probe_until(&house, |_, _| house.times("smtp Hangs") > 0);
    assert_eq!(code, 2, "{table}");
    let status = house.status();
    assert_eq!((status.pid("smtp"), status.is_ready("smtp")), (Some(pid), false));
    assert!(
        status.reason("smtp").contains("autorestart is off; stop and start all services"),
        "{status:#?}",
        status = status.0
    );
    signal_to(pid, Signal::CONT);
    probe_until(&house, |code, _| code == 0);
    assert!(house.status().is_ready("smtp"));
    assert_eq!(house.status().pid("smtp"), Some(pid));
}

#[test]
fn r08_a_listener_that_refuses_while_its_process_lives_is_a_hang() {
    let port = free_port();
    let fields = format!(
        "readiness: {{type: Immediate}}, startTimeout: 1s, onHang: {{action: Report}}, listeners: [{{port: {port}, protocol: Imap}}]"
    );
    let house = House::started(&format!("  probes: {PROBES}\n{}", services(&[("imap", &fields)])));
    let pid = house.all_ready().pid("imap");
    let (code, table) = probe_until(&house, |_, _| house.times("imap Hangs") > 0);
    assert_eq!((code, table.contains("NotListening")), (2, true), "{table}");
    assert_eq!(house.status().pid("imap"), pid, "it is only reported, as declared");
    let (status, reason, _) = house.status().condition("Degraded");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NotAnswering"));
}

#[test]
fn r08_a_missed_watchdog_is_a_hang_and_the_service_is_restarted() {
    let command = format!("command: [{}, stand-in, ens, --data, '{{dir}}']", program().display());
    let fields = format!("{command}, readiness: {{type: Notify}}, watchdog: 1s");
    let policy = "  autorestart: {maxRestarts: 1}\n  probes: {pressureThreshold: 100}\n";
    let house = House::started(&format!("{policy}{}", services(&[("sched", &fields)])));
    house.happens("sched Hangs", 1);
    house.happens("sched RestartsAlone", 1);
    // It never gives a sign of life, so the next one finds its budget spent, and it is left as it is.
    house.happens("sched GaveUp", 1);
    let status = house.until("left alive", |status| status.is_settled("sched"));
    assert!(status.pid("sched").is_some());
    assert!(status.reason("sched").contains("is left as it is: gave up"), "{}", status.reason("sched"));
}

#[test]
fn r08_a_service_with_a_period_is_asked_with_nobody_asking_for_it() {
    let (house, _) = smtp("{enabled: true}", ", probes: {period: 500ms, timeout: 30s}");
    eventually("three rounds", || {
        let series = house.get("/v1/probes");
        series[0]["samples"].as_array().is_some_and(|samples| samples.len() >= 3).then_some(())
    });
    assert_eq!(house.times("smtp Hangs"), 0);
}

#[test]
fn r08_what_needs_an_external_dependency_that_is_down_is_excused_and_both_are_shown() {
    let (port, closed) = (free_port(), free_port());
    let fields = format!(
        "readiness: {{type: Immediate}}, startTimeout: 1s, needs: [ldap], listeners: [{{port: {port}, protocol: Imap}}]"
    );
    let external = format!("  external: [{{name: ldap, listeners: [{{port: {closed}, protocol: Tcp}}]}}]\n");
    let house = House::started(&format!("  probes: {PROBES}\n{external}{}", services(&[("imap", &fields)])));
    let pid = house.all_ready().pid("imap");
    let (code, table) = probe_until(&house, |_, table| table.contains("ldap, which it needs, does not answer"));
    assert_eq!(code, 2, "what is external does not answer:\n{table}");
    assert!(table.contains(&format!("Tcp {closed}")), "{table}");
    assert_eq!((house.times("imap Hangs"), house.status().pid("imap")), (0, pid));
}
