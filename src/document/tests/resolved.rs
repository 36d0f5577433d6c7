//! From the document to what is wanted.

use std::time::Duration;

use super::{desired, good, service};
use crate::desired::{Desired, OnGiveUp, OnHang, Readiness, Reload, Signal, Wanted};
use crate::document::{resolve, settings};

fn names(desired: &Desired) -> Vec<&str> {
    desired.services.iter().map(|service| &*service.name).collect()
}

fn topological(desired: &Desired) -> Vec<&str> {
    desired.topological.iter().map(|ix| &*desired.service(*ix).name).collect()
}

const PAIR: &str = "profile: Custom\nservices:\n- {name: imap, command: [bin/imap], dependsOn: [store]}\n- {name: store, command: [bin/store]";

#[test]
fn a_documents_own_services_follow_the_profiles_in_their_order() {
    let desired = desired(
        "profile: DovecotPostfix\nservices:\n- {name: web, command: [web]}\n- {name: postfix, stopTimeout: 5s}\n- {name: auth, command: [auth]}",
    );
    assert_eq!(names(&desired), ["dovecot", "postfix", "sched", "rspamd", "nginx", "web", "auth"]);
    assert_eq!(service(&desired, "postfix").stop_timeout, Duration::from_secs(5));
}

#[test]
fn r01_dependencies_come_before_dependents_and_know_each_other() {
    let desired = desired(&format!("{PAIR}}}"));
    assert_eq!(names(&desired), ["imap", "store"]);
    assert_eq!(topological(&desired), ["store", "imap"]);
    let (imap, store) = (desired.find("imap").unwrap(), desired.find("store").unwrap());
    assert_eq!(desired.service(imap).depends_on, [store]);
    assert_eq!(desired.service(store).dependents, [imap]);
}

#[test]
fn r01_a_disabled_dependency_is_named_by_those_that_wait_for_it_however_far() {
    let desired = desired(
        "profile: Custom\nservices:\n- {name: a, command: [/a], enabled: false}\n- {name: b, command: [/b], dependsOn: [a]}\n\
         - {name: c, command: [/c], dependsOn: [d, b]}\n- {name: d, command: [/d]}",
    );
    assert_eq!(service(&desired, "b").wanted, Wanted::DependencyDisabled("a".into()));
    assert_eq!(service(&desired, "c").wanted, Wanted::DependencyDisabled("b".into()));
    assert_eq!(service(&desired, "d").wanted, Wanted::Yes);
}

#[test]
fn r09_the_lead_of_a_group_comes_before_its_members() {
    let desired = desired(
        "profile: Custom\nservices:\n- {name: a, command: [/a], group: g}\n- {name: b, command: [/b], group: g, groupRole: Lead}\n\
         - {name: c, command: [/c], group: h}",
    );
    assert_eq!(topological(&desired), ["b", "a", "c"]);
    assert_eq!(desired.groups.iter().map(|group| &*group.name).collect::<Vec<_>>(), ["g", "h"]);
    assert_eq!((desired.groups[0].lead, desired.groups[1].lead), (desired.find("b"), None));
}

#[test]
fn relative_commands_start_at_the_server_root_and_bare_names_are_left_to_path() {
    let desired = desired(
        "profile: Custom\nserverRoot: /srv/x\ndataRoot: /data\nservices:\n- name: a\n  command: [bin/a, etc/a.conf]\n  pidFile: run/a.pid\n  \
         check: {command: [check-a]}\n  reload: {command: [/usr/bin/reload]}\n  readiness: {type: Command, command: [./ping]}\n  watchFiles: [etc/a.conf, /etc/b]",
    );
    let launch = &service(&desired, "a").launch;
    assert_eq!(launch.command, ["/srv/x/bin/a", "etc/a.conf"]);
    assert_eq!(launch.check, ["check-a"]);
    assert_eq!(launch.reload, Some(Reload::Command(vec!["/usr/bin/reload".to_owned()])));
    assert_eq!(launch.readiness, Readiness::Command(vec!["/srv/x/./ping".to_owned()]));
    assert_eq!(launch.pid_file.as_deref(), Some("/data/run/a.pid"));
    assert_eq!(launch.watch_files, ["/srv/x/etc/a.conf", "/etc/b"]);
}

#[test]
fn readiness_is_a_probe_where_something_listens_and_immediate_elsewhere() {
    let of = |listeners: &str| {
        let desired = desired(&format!("profile: Custom\nservices:\n- {{name: a, command: [/a]{listeners}}}"));
        service(&desired, "a").launch.readiness.clone()
    };
    assert_eq!(of(""), Readiness::Immediate);
    assert_eq!(of(", listeners: [{port: 25, protocol: Smtp}]"), Readiness::Probe);
    assert_eq!(of(", listeners: [{port: 25, protocol: Smtp, enabled: false}]"), Readiness::Immediate);
}

#[test]
fn another_command_takes_nothing_over_that_belongs_to_the_profiles_program() {
    let desired = desired(
        "profile: DovecotPostfix\nservices:\n- {name: dovecot, command: [/bin/other]}\n- {name: nginx, enabled: true, user: web}",
    );
    let dovecot = service(&desired, "dovecot");
    assert!(!dovecot.has_check && !dovecot.has_reload);
    assert_eq!(dovecot.launch.listeners.len(), 3, "where it listens is the mail server's affair, not the program's");
    let nginx = service(&desired, "nginx");
    assert_eq!(nginx.launch.stop_signal, Signal::Quit);
    assert_eq!(nginx.launch.user.as_deref(), Some("web"));
}

#[test]
fn r11_retry_after_is_the_window_unless_it_is_said() {
    let policy = |more: &str| {
        desired(&format!("profile: DovecotPostfix\nautorestart: {{onGiveUp: RetryAfter{more}}}")).autorestart
    };
    assert_eq!(policy("").on_give_up, OnGiveUp::RetryAfter(Duration::from_mins(10)));
    assert_eq!(policy(", timeout: 5m").on_give_up, OnGiveUp::RetryAfter(Duration::from_mins(5)));
    assert_eq!(policy(", retryAfter: 1h").on_give_up, OnGiveUp::RetryAfter(Duration::from_hours(1)));
}

#[test]
fn r23_an_ha_manager_makes_a_give_up_a_failover() {
    let desired = desired("profile: DovecotPostfix\nhighAvailability: {mode: Manager, manager: {type: Pacemaker}}");
    assert_eq!(desired.autorestart.on_give_up, OnGiveUp::Failover);
}

#[test]
fn r19_only_what_a_restart_can_change_changes_the_launch_print() {
    let print = |more: &str| service(&desired(&format!("{PAIR}{more}}}")), "store").launch_print;
    let plain = print("");
    for restarts in [
        ", user: mail",
        ", userGroup: mail",
        ", environment: [{name: A, value: b}]",
        ", workingDirectory: /srv",
        ", limits: {openFiles: 100}",
        ", limits: {processes: 100}",
    ] {
        assert_ne!(print(restarts), plain, "{restarts}");
    }
    for live in [
        ", stopTimeout: 5s",
        ", stopSignal: INT",
        ", startTimeout: 5s",
        ", listeners: [{port: 1, protocol: Tcp}]",
        ", output: Stdout",
        ", hold: true",
        ", restartedAt: 2026-11-23T12:00:00Z",
        ", required: false",
        ", group: store",
        ", enabled: false",
    ] {
        assert_eq!(print(live), plain, "{live}");
    }
    assert_ne!(print(", environment: [{name: AB, value: c}]"), print(", environment: [{name: A, value: Bc}]"));
}

#[test]
fn r11_a_change_of_the_declaration_shows_and_an_order_is_none() {
    let print = |more: &str| service(&desired(&format!("{PAIR}{more}}}")), "store").declaration;
    let plain = print("");
    for order in [", hold: true", ", restartedAt: 2026-11-23T12:00:00Z", ", enabled: false", ", enabled: true"] {
        assert_eq!(print(order), plain, "{order}");
    }
    for change in
        [", stopTimeout: 5s", ", user: x", ", onHang: {action: Report}", ", output: Journal", ", required: false"]
    {
        assert_ne!(print(change), plain, "{change}");
    }
}

#[test]
fn a_change_of_one_service_leaves_the_others_prints_alone() {
    let before = desired(&format!("{PAIR}}}"));
    let after = desired(&format!("{PAIR}, user: mail}}"));
    assert_eq!(service(&before, "imap").declaration, service(&after, "imap").declaration);
    assert_eq!(service(&before, "imap").launch_print, service(&after, "imap").launch_print);
}

#[test]
fn settings_say_where_logs_live_and_how_they_turn() {
    let plain = settings(&good("profile: DovecotPostfix"));
    assert_eq!((plain.rotate_size, plain.keep, plain.others_may_read), (Some(10 << 20), 5, false));
    assert_eq!((plain.server_root.as_str(), plain.data_root.as_str()), ("/", "/var/lib/mailward/data"));
    let own = settings(&good("profile: Oracle\nlogs: {rotateSize: 0}\ncontrol: {othersMayRead: true}"));
    assert_eq!((own.rotate_size, own.others_may_read, own.server_root.as_str()), (None, true, "/opt/mailward"));
}

#[test]
fn resolving_twice_gives_the_same() {
    let document = good("profile: Oracle");
    assert_eq!(resolve(&document, 7), resolve(&document, 7));
    assert_eq!(resolve(&document, 7).generation, 7);
}

#[test]
fn r08_probes_are_what_the_service_says_then_the_document_then_the_profile() {
    let spec = "profile: Oracle\nprobes: {timeout: 8s, failureThreshold: 2}\nservices:\n- {name: imap, probes: {timeout: 20s, warningThreshold: 1s}}\n- {name: pop, probes: {enabled: false}}";
    let wanted = desired(spec);
    let seconds = Duration::from_secs;
    let of = |name: &str| service(&wanted, name).probing.clone();
    assert_eq!((of("imap").timeout, of("imap").warning, of("imap").failures), (seconds(20), seconds(1), 2));
    assert_eq!((of("http").timeout, of("http").warning, of("http").failures), (seconds(8), seconds(5), 2));
    assert!(of("imap").enabled && !of("pop").enabled && !of("purge").enabled, "what has no listener is not asked");
    assert_eq!((of("imap").period, of("imap").pressure), (None, 60), "msprobe asks in the Oracle profile");
    let custom =
        desired("profile: Custom\nservices:\n- {name: web, command: [/w], listeners: [{port: 1, protocol: Tcp}]}");
    let web = service(&custom, "web").probing.clone();
    assert_eq!((web.period, web.failures, web.timeout), (Some(seconds(30)), 3, seconds(10)));
}

#[test]
fn r08_a_probes_command_starts_at_the_server_root_and_is_asked_without_a_listener() {
    let spec = "profile: Custom\nserverRoot: /srv\nservices:\n\
        - {name: a, command: [/a], probes: {command: [bin/check, -v]}}\n\
        - {name: b, command: [/b], probes: {command: [check_b], enabled: false}}\n\
        - {name: c, command: [/c], listeners: [{port: 1, protocol: Tcp}], probes: {command: [check_c]}}";
    let wanted = desired(spec);
    let of = |name: &str| service(&wanted, name);
    assert_eq!(of("a").launch.probe, ["/srv/bin/check", "-v"]);
    assert_eq!(of("b").launch.probe, ["check_b"], "a name is looked up in PATH");
    assert!(of("a").probing.enabled && !of("b").probing.enabled);
    assert_eq!(of("a").launch.readiness, Readiness::Immediate, "a probe's command says nothing of readiness");
    let questions: Vec<Option<String>> = (0..3).map(|number| of("c").launch.question(number)).collect();
    assert_eq!(questions, [Some("Tcp 1".to_owned()), Some("Command check_c".to_owned()), None]);
    assert_eq!((of("a").launch.questions(), of("c").launch.questions()), (1, 2));
    assert!(!of("c").probing.ready_answers, "ready says that its listener answers, and nothing of the command");
    let without = desired(&spec.replace("probes: {command: [check_c]}", "probes: {timeout: 10s}"));
    assert_eq!(service(&without, "c").launch_print, of("c").launch_print, "a probe's change restarts nothing");
}

#[test]
fn r08_a_hang_restarts_the_dispatcher_for_mail_and_reports_ens() {
    let lmtp = "- {name: lmtp, command: [/l], listeners: [{port: 24, protocol: Lmtp}]}";
    let both =
        "- {name: mmp, command: [/m], listeners: [{port: 143, protocol: Imap}, {port: 587, protocol: Submission}]}";
    let oracle = desired(&format!("profile: Oracle\nservices:\n- {{name: ens, enabled: true}}\n{lmtp}\n{both}"));
    let on_hang = |desired: &Desired, name: &str| service(desired, name).probing.on_hang.clone();
    assert_eq!(on_hang(&oracle, "ens"), OnHang::Report);
    assert_eq!(on_hang(&oracle, "lmtp"), OnHang::RestartService("dispatcher".into()));
    assert_eq!(on_hang(&oracle, "mmp"), OnHang::Restart, "who carries more than mail is restarted itself");
    assert_eq!(on_hang(&oracle, "dispatcher"), OnHang::Restart);
    let custom = desired(&format!("profile: Custom\nservices:\n{lmtp}"));
    assert_eq!(on_hang(&custom, "lmtp"), OnHang::Restart);
    let said = "- {name: ens, enabled: true, onHang: {action: RestartService, service: imap}}";
    let said = desired(&format!("profile: Oracle\nservices:\n{said}"));
    assert_eq!(on_hang(&said, "ens"), OnHang::RestartService("imap".into()));
}

#[test]
fn r08_what_a_service_needs_outside_is_known_by_name_and_asked_in_time() {
    let external = "external:\n- {name: ldap, listeners: [{address: ldap.example.org, port: 389, protocol: Tcp}]}\n- {name: sql, timeout: 3s, listeners: [{socket: /run/sql, protocol: Tcp}]}";
    let desired = desired(&format!(
        "profile: Custom\nprobes: {{timeout: 7s}}\n{external}\nservices:\n- {{name: web, command: [/w], needs: [ldap]}}"
    ));
    let timeouts: Vec<Duration> = desired.externals.iter().map(|external| external.timeout).collect();
    assert_eq!(timeouts, [Duration::from_secs(7), Duration::from_secs(3)]);
    assert_eq!(service(&desired, "web").probing.needs, ["ldap".into()]);
}
