//! The profiles' data.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::diagnostic::Severity;
use super::super::profile::parse;
use super::super::spec::{GroupRole, Profile};
use super::super::{profile_table, read, task_table};
use super::{desired, said, service};
use crate::desired::{DayRule, Does, Readiness, StartOrder, Wanted};

fn wanted(spec: &str) -> Vec<String> {
    let desired = desired(spec);
    desired.services.iter().filter(|s| s.wanted == Wanted::Yes).map(|s| s.name.to_string()).collect()
}

#[test]
fn every_profile_is_a_document_that_passes_its_own_rules() {
    for profile in Profile::ALL {
        let catalogue = parse(profile.text()).unwrap();
        assert_eq!(catalogue.spec.profile, profile);
        let spec: String = profile.text().split_once("spec:").unwrap().1.to_owned();
        let text =
            format!("apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: x}}\nspec:{spec}");
        let read = read(text.as_bytes(), profile.name());
        let errors = read.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        assert!(!errors, "{}", said(&read));
    }
}

#[test]
fn r01_the_oracle_profile_starts_what_the_source_document_starts_in_its_order() {
    let started = ["store", "purge", "imap", "pop", "http", "sched", "dispatcher", "job_controller"];
    assert_eq!(wanted("profile: Oracle"), started);
    let listed: Vec<&str> = Profile::Oracle.catalogue().spec.services.iter().map(|s| &*s.name).collect();
    assert_eq!(
        listed,
        [
            "ens",
            "metermaid",
            "mfagent",
            "store",
            "purge",
            "imap",
            "pop",
            "cert",
            "http",
            "sched",
            "dispatcher",
            "job_controller",
            "snmp",
            "sms",
            "mmp"
        ]
    );
}

#[test]
fn r01_without_the_store_what_depends_on_it_counts_as_disabled_with_that_reason() {
    let spec = "profile: Oracle\nservices:\n- {name: ens, enabled: true}\n- {name: store, enabled: false}\n- {name: http, enabled: false}";
    assert_eq!(wanted(spec), ["ens", "sched", "dispatcher", "job_controller"]);
    let desired = desired(spec);
    for name in ["imap", "pop", "purge"] {
        assert_eq!(service(&desired, name).wanted, Wanted::DependencyDisabled("store".into()), "{name}");
    }
    assert_eq!(service(&desired, "http").wanted, Wanted::Disabled);
}

/// The tasks that the clock runs.
fn scheduled(spec: &str) -> Vec<String> {
    let tasks = desired(spec).tasks;
    tasks.iter().filter(|task| task.wanted == Wanted::Yes).map(|task| task.name.to_string()).collect()
}

#[test]
fn r16_the_tasks_of_oracle_are_enabled_by_the_components_that_are() {
    assert_eq!(scheduled("profile: Oracle"), ["msprobe", "expire", "snapshotverify", "purge", "return_job"]);
    let without_store = "profile: Oracle\nservices:\n- {name: store, enabled: false}\n- {name: http, enabled: false}";
    assert_eq!(scheduled(without_store), ["msprobe", "purge", "return_job"], "MTA only");
    let without_mta =
        "profile: Oracle\nservices:\n- {name: dispatcher, enabled: false}\n- {name: job_controller, enabled: false}";
    assert_eq!(scheduled(without_mta), ["msprobe", "expire", "snapshotverify"]);
    let one_off = "profile: Oracle\nschedule:\n- {name: expire, enabled: false}\n- {name: nightly, crontab: 0 1 * * *, command: [bin/nightly]}";
    assert_eq!(scheduled(one_off), ["msprobe", "snapshotverify", "purge", "return_job", "nightly"]);
    assert!(scheduled("profile: DovecotPostfix").is_empty());
}

#[test]
fn r16_a_task_of_oracle_starts_at_the_server_root_and_has_a_log_that_no_service_has() {
    let desired = desired(
        "profile: Oracle\nserverRoot: /opt/sun/comms\nschedule:\n- {name: expire, crontab: 0 22 * * *, timeout: 2h}",
    );
    let task = |name: &str| desired.tasks.iter().find(|task| &*task.name == name).unwrap();
    let launch = |name: &str| match &task(name).does {
        Does::Run(launch) => launch.clone(),
        Does::Probe => panic!("{name} has no command"),
    };
    assert_eq!(launch("expire").command, ["/opt/sun/comms/bin/imexpire"]);
    assert_eq!(
        (&*task("expire").timing.crontab, task("expire").timeout),
        ("0 22 * * *", Some(Duration::from_hours(2)))
    );
    assert_eq!((task("expire").timing.day_rule, &*task("expire").timing.zone), (DayRule::And, "UTC"));
    assert_eq!(launch("expire").log.as_deref(), Some("expire"));
    assert_eq!(launch("purge").log.as_deref(), Some("purge.task"), "purge is a service too, and another thing");
    assert_eq!(task("msprobe").does, Does::Probe);
}

#[test]
fn r09_the_store_group_of_oracle_is_store_and_its_four_members() {
    let desired = desired("profile: Oracle");
    assert_eq!(desired.groups.len(), 1);
    let group = &desired.groups[0];
    let members: Vec<&str> = group.members.iter().map(|ix| &*desired.service(*ix).name).collect();
    assert_eq!(members, ["store", "purge", "imap", "pop", "http"]);
    assert_eq!(group.lead, desired.find("store"));
    assert_eq!(desired.start_order, StartOrder::Listed);
    assert!(!desired.autorestart.enabled, "R12");
}

#[test]
fn commands_of_oracle_start_at_the_server_root_and_the_store_has_two_minutes() {
    let desired = desired("profile: Oracle\nserverRoot: /opt/sun/comms\ndataRoot: /var/sun");
    let store = service(&desired, "store");
    assert_eq!(store.launch.command, ["/opt/sun/comms/lib/stored", "-d"]);
    assert_eq!(store.launch.pid_file.as_deref(), Some("/var/sun/proc/store"));
    assert_eq!(store.launch.readiness, Readiness::PidFile);
    assert_eq!(store.start_timeout.as_secs(), 120);
    assert_eq!(service(&desired, "imap").start_timeout.as_secs(), 60);
    assert_eq!(service(&desired, "imap").launch.listeners.len(), 1, "the TLS listener is known and not in use");
}

#[test]
fn dovecot_leads_its_group_alone_and_postfix_does_not_wait_for_it() {
    let desired = desired("profile: DovecotPostfix");
    assert_eq!(wanted("profile: DovecotPostfix"), ["dovecot", "postfix", "sched"]);
    assert_eq!(desired.groups[0].members, [desired.find("dovecot").unwrap()]);
    assert!(service(&desired, "postfix").depends_on.is_empty());
    let dovecot = service(&desired, "dovecot");
    assert_eq!(dovecot.launch.command, ["dovecot", "-F"], "a bare name is looked up in PATH when it is started");
    assert!(dovecot.has_check && dovecot.has_reload);
    // What died as a child of nobody's is a zombie for a while, and Dovecot does not start beside it.
    assert_eq!(dovecot.launch.pid_file.as_deref(), Some("/run/dovecot/master.pid"));
    assert_eq!(dovecot.launch.listeners.len(), 3);
    for name in ["rspamd", "nginx"] {
        assert_eq!(service(&desired, name).wanted, Wanted::Disabled);
    }
    assert!(desired.autorestart.enabled && desired.start_order == StartOrder::Parallel);
}

#[test]
fn the_custom_profile_supplies_no_service() {
    assert!(desired("profile: Custom").services.is_empty());
}

#[test]
fn mta_and_imta_stand_for_dispatcher_and_job_controller() {
    let settings = super::super::settings(&super::good("profile: Oracle"));
    for alias in ["imta", "mta"] {
        let names = settings.aliases.iter().find(|(name, _)| &**name == alias).map(|(_, names)| names.clone());
        assert_eq!(names, Some(vec!["dispatcher".into(), "job_controller".into()]));
    }
}

#[test]
fn no_alias_hides_a_service_and_one_service_leads_each_group() {
    for profile in Profile::ALL {
        let catalogue = profile.catalogue();
        for (alias, names) in &catalogue.aliases {
            assert!(profile.service(alias).is_none(), "{alias}");
            assert!(names.iter().all(|name| profile.service(name).is_some()), "{alias}");
        }
        let leads = catalogue.spec.services.iter().filter(|s| s.group_role == Some(GroupRole::Lead)).count();
        assert!(leads <= 1);
    }
}

#[test]
fn the_table_of_the_profiles_in_the_readme_is_what_the_data_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for table in [profile_table(), task_table()] {
        assert!(readme.contains(&table), "put this table into README.md:\n{table}");
    }
}
