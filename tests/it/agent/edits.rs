//! The document changes while the agent runs.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use super::house::{House, services, signal_to};

const ONE: [(&str, &str); 1] = [("imap", "")];
const TWO: [(&str, &str); 2] = [("imap", ""), ("smtp", "")];

fn one() -> String {
    services(&ONE)
}

fn two() -> String {
    services(&TWO)
}

/// `imap` runs.
fn running() -> (House, i32) {
    let house = House::started(&one());
    let pid = house.all_ready().pid("imap").unwrap();
    (house, pid)
}

fn gets_smtp(house: &House, imap: i32) {
    let status = house.until("smtp runs", |status| status.is_ready("smtp"));
    assert_eq!(status.pid("imap"), Some(imap), "only what an edit touches restarts");
}

#[test]
fn r18_a_document_that_is_renamed_over_the_old_one_is_put_in_force() {
    let (house, imap) = running();
    house.declare(&two());
    gets_smtp(&house, imap);
    house.declare(&one());
    house.until("smtp is gone", |status| status.services().len() == 1);
}

#[test]
fn r18_a_document_that_is_truncated_and_written_is_put_in_force() {
    let (house, imap) = running();
    house.put("conf/mailward.yaml", &house.document(&two()));
    gets_smtp(&house, imap);
}

#[test]
fn r18_the_swap_of_a_config_map_is_put_in_force() {
    let mut house = House::new(&one());
    fs::remove_file(house.path("conf/mailward.yaml")).unwrap();
    let version = |house: &House, n: u32, spec: &str| {
        fs::create_dir(house.path(&format!("conf/..v{n}"))).unwrap();
        house.put(&format!("conf/..v{n}/mailward.yaml"), &house.document(spec));
        symlink(format!("..v{n}"), house.path("conf/..tmp")).unwrap();
        fs::rename(house.path("conf/..tmp"), house.path("conf/..data")).unwrap();
    };
    version(&house, 1, &one());
    symlink("..data/mailward.yaml", house.path("conf/mailward.yaml")).unwrap();
    house.start();
    let imap = house.all_ready().pid("imap").unwrap();
    version(&house, 2, &two());
    fs::remove_dir_all(house.path("conf/..v1")).unwrap();
    gets_smtp(&house, imap);
}

#[test]
fn r18_a_document_that_is_deleted_changes_nothing_and_a_new_one_in_its_place_is_put_in_force() {
    let (house, imap) = running();
    fs::remove_file(house.path("conf/mailward.yaml")).unwrap();
    let status = house.until("it is missed", |status| status.condition("ConfigValid").0 == "False");
    assert_eq!(status.pid("imap"), Some(imap));
    house.put("conf/mailward.yaml", &house.document(&two()));
    gets_smtp(&house, imap);
    assert_eq!(house.status().condition("ConfigValid").0, "True");
}

#[test]
fn r18_of_a_burst_of_a_thousand_writes_the_last_is_in_force_and_few_were_ever() {
    let (house, imap) = running();
    let before = house.status().generation();
    for n in 0..1_000 {
        let (fields, second) = (format!("stopTimeout: {}s", n % 50 + 1), if n == 999 { "last" } else { "smtp" });
        house.put("conf/mailward.yaml", &house.document(&services(&[("imap", &fields), (second, "")])));
    }
    let status = house.until("the last one is in force", |status| status.is_ready("last"));
    assert_eq!(status.pid("imap"), Some(imap));
    let accepted = status.generation() - before;
    assert!((1..200).contains(&accepted), "{accepted} documents of 1,000 were put in force");
    house.until("what came between is gone", |status| status.services().len() == 2);
    assert_eq!(house.run(&["plan"]).code, 0, "nothing is left to do");
}

#[test]
fn r18_bad_content_keeps_the_last_good_and_status_says_line_and_column_and_everything_is_logged() {
    let (house, imap) = running();
    let good = house.document(&two());
    let bad = good.replace("name: smtp", "nmae: smtp").replace("kind: MessagingServer", "kind: MessagingSever");
    house.put("conf/mailward.yaml", &bad);
    let status = house.until("refused", |status| status.condition("ConfigValid").0 == "False");
    assert_eq!((status.pid("imap"), status.services().len()), (Some(imap), 1));
    let (_, why, words) = status.condition("ConfigValid");
    assert_eq!(why, "RuleBroken");
    let place = format!("{}:2:7", house.path("conf/mailward.yaml").display());
    assert!(words.contains(&place), "{words}");
    assert!(words.contains("the last good document stays in force"), "{words}");
    let log = house.read("stderr");
    assert!(log.contains("nmae") && log.contains("MessagingSever"), "every error at once: {log}");
    assert_eq!(status.condition("Stalled").1, "ConfigRejected");
    house.put("conf/mailward.yaml", &good);
    gets_smtp(&house, imap);
    assert_eq!(house.status().condition("ConfigValid").0, "True");
}

#[test]
fn r18_an_empty_document_never_means_no_services() {
    let (house, imap) = running();
    for content in ["", "\n", "# nothing\n", "null\n", "---\n"] {
        house.put("conf/mailward.yaml", content);
        let status = house.until(content, |status| status.condition("ConfigValid").0 == "False");
        assert_eq!(status.pid("imap"), Some(imap));
        house.put("conf/mailward.yaml", &house.document(&one()));
        house.until("good again", |status| status.condition("ConfigValid").0 == "True");
    }
    assert_eq!(house.status().pid("imap"), Some(imap));
    assert_eq!(house.times("DocumentAccepted"), 0, "what is in force already is not put in force again");
}

#[test]
fn r18_an_agent_that_begins_with_a_bad_file_uses_the_last_good_one() {
    let (mut house, imap) = running();
    house.keeps_its_document();
    for content in ["kind: [", ""] {
        house.put("conf/mailward.yaml", content);
        house.restart_agent();
        let status = house.until("imap is known", |status| status.is_ready("imap"));
        assert_eq!(status.pid("imap"), Some(imap));
        assert_eq!(status.condition("ConfigValid").0, "False");
    }
    fs::remove_file(house.path("conf/mailward.yaml")).unwrap();
    house.restart_agent();
    let status = house.until("imap is known", |status| status.is_ready("imap"));
    assert_eq!((status.pid("imap"), status.condition("ConfigValid").0), (Some(imap), "False".to_owned()));
    house.declare(&two());
    gets_smtp(&house, imap);
}

#[test]
fn r18_an_agent_with_no_good_document_at_all_ends_with_78_and_every_error() {
    let house = House::new(&one());
    house.declare("  profile: Nobodys\n  servcies: []\n");
    let (code, words) = house.refuses_to_start();
    assert_eq!(code, 78);
    assert!(words.contains(":8:12") && words.contains("`services`, perhaps") && words.contains("servcies"), "{words}");
    fs::remove_file(house.path("conf/mailward.yaml")).unwrap();
    let (code, words) = house.refuses_to_start();
    assert_eq!(code, 78);
    assert!(words.contains("nothing is started"), "{words}");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[test]
fn r19_a_changed_command_restarts_its_service_once_and_another_field_none() {
    let house = House::started(&two());
    let before = house.all_ready();
    house.declare(&services(&[("imap", "environment: [{name: A, value: b}]"), ("smtp", "stopTimeout: 5s")]));
    house.again("imap", before.pid("imap").unwrap());
    house.happens("DocumentAccepted", 1);
    let status = house.all_ready();
    assert_eq!(status.pid("smtp"), before.pid("smtp"));
    assert_eq!((house.times("imap Started"), house.times("imap Crashed")), (2, 0));
    assert_eq!(status.service("imap")["restartsInWindow"], 0, "an edit is no failure");
}

#[test]
fn r19_a_disabled_service_is_stopped_and_comes_back_when_it_is_enabled() {
    let house = House::started(&two());
    let before = house.all_ready();
    house.declare(&services(&[("imap", ""), ("smtp", "enabled: false")]));
    let status = house.until("smtp is down", |status| status.pid("smtp").is_none());
    assert_eq!((status.pid("imap"), &status.service("smtp")["enabled"]), (before.pid("imap"), &false.into()));
    house.declare(&two());
    house.until("smtp is back", |status| status.is_ready("smtp"));
}

#[test]
fn r19_a_removed_service_is_stopped_by_the_declaration_it_ran_with_and_its_hold_is_forgotten() {
    let with_int = "command: [/bin/sh, -c, 'trap \"echo int > $0/by; exit 0\" INT; : > $0/up; while :; do sleep 0.02; done', '{dir}'], stopSignal: INT";
    let house = House::started(&services(&[("imap", ""), ("smtp", with_int), ("pop", "")]));
    house.all_ready();
    house.has("up");
    house.does(&["stop", "pop"]);
    house.declare(&one());
    house.until("both are gone", |status| status.services().len() == 1);
    assert_eq!(house.read("by"), "int\n");
    house.declare(&services(&[("imap", ""), ("pop", "")]));
    let status = house.until("pop runs", |status| status.is_ready("pop"));
    assert_eq!(status.service("pop")["held"], false);
}

#[test]
fn r19_a_renamed_service_is_a_removal_and_an_addition() {
    let house = House::started(&two());
    let before = house.all_ready();
    house.declare(&services(&[("imap", ""), ("lmtp", "")]));
    let status = house.until("lmtp runs alone", |status| status.is_ready("lmtp") && status.services().len() == 2);
    assert_eq!(status.pid("imap"), before.pid("imap"));
    assert_eq!(house.times("smtp Forgotten"), 1);
    assert!(house.path("run/out/lmtp").exists() && !house.path("run/out/smtp").exists(), "nothing of it is kept");
}

#[test]
fn r19_a_service_removed_while_no_agent_ran_is_stopped_by_the_next() {
    let mut house = House::started(&two());
    house.all_ready();
    house.written(2);
    house.kill_agent();
    house.declare(&one());
    house.start();
    house.until("smtp is gone", |status| status.services().len() == 1);
    assert_eq!(house.written(3)[2], "-smtp");
}

#[test]
fn r19_a_watched_file_reloads_who_can_reload_and_restarts_who_cannot() {
    let reload = "command: [/bin/sh, -c, 'trap \"echo again >> $0/reloads\" HUP; : > $0/up; while :; do sleep 0.02; done', '{dir}'], \
                  reload: {signal: HUP}, watchFiles: ['{dir}/a.conf']";
    let mut house = House::new(&services(&[("imap", reload), ("smtp", "watchFiles: ['{dir}/b.conf']")]));
    house.put("a.conf", "1");
    house.put("b.conf", "1");
    house.start();
    let before = house.all_ready();
    house.has("up");
    house.put("a.conf", "2");
    house.happens("imap Reloaded", 1);
    assert_eq!(house.status().pids(), before.pids());
    house.until("it took it over", |_| house.read("reloads") == "again\n");
    house.put("b.conf", "2");
    house.again("smtp", before.pid("smtp").unwrap());
    assert_eq!(house.all_ready().pid("imap"), before.pid("imap"));
}

#[test]
fn r19_a_file_that_is_edited_right_after_the_start_is_taken_over_however_long_the_first_reading_takes() {
    let reload = "reload: {command: [/bin/true]}, watchFiles: ['{dir}/a', '{dir}/b', '{dir}/z.conf']";
    let mut house = House::new(&services(&[("imap", reload)]));
    for long in ["a", "b"] {
        fs::File::create(house.path(long)).unwrap().set_len(64 * 1024 * 1024).unwrap();
    }
    // They are read in this order, so this one last.
    house.put("z.conf", "1");
    house.start();
    house.until("imap is ready", |status| status.is_ready("imap"));
    house.put("z.conf", "2");
    house.happens("imap Reloaded", 1);
}

#[test]
fn r19_a_failed_reload_is_degraded_and_not_escalated() {
    let reload = "reload: {command: [/bin/sh, -c, 'test ! -e $0/bad || { echo cannot read it; exit 1; }', '{dir}']}, watchFiles: ['{dir}/a.conf']";
    let mut house = House::new(&services(&[("imap", reload)]));
    house.put("a.conf", "1");
    house.start();
    let pid = house.all_ready().pid("imap").unwrap();
    house.put("bad", "");
    house.put("a.conf", "2");
    house.happens("imap ReloadFailed", 1);
    let status = house.until("degraded", |status| status.condition("Degraded").0 == "True");
    assert_eq!((status.pid("imap"), status.is_ready("imap")), (Some(pid), true));
    let reason = status.reason("imap");
    assert!(reason.contains("runs the previous configuration") && reason.contains("cannot read it"), "{reason}");
    assert_eq!(status.service("imap")["trouble"], "ReloadFailed");
    fs::remove_file(house.path("bad")).unwrap();
    house.does(&["reload", "imap"]);
    house.until("no longer degraded", |status| status.condition("Degraded").0 == "False");
}

#[test]
fn r19_a_failing_check_blocks_its_service_and_not_the_others_and_force_overrides_it() {
    let check = "check: {command: [/bin/sh, -c, 'test ! -e $0/bad || { echo line 7 is wrong; exit 1; }', '{dir}']}";
    let changed = format!("{check}, environment: [{{name: A, value: b}}]");
    let house = House::started(&services(&[("imap", check), ("smtp", "")]));
    let before = house.all_ready();
    house.put("bad", "");
    house.declare(&services(&[("imap", &changed), ("smtp", "environment: [{name: A, value: b}]")]));
    house.again("smtp", before.pid("smtp").unwrap());
    house.happens("imap CheckFailed", 1);
    let status = house.until("blocked", |status| status.reason("imap").contains("line 7 is wrong"));
    assert_eq!((status.pid("imap"), status.is_ready("imap")), (before.pid("imap"), true));
    let (valid, why, _) = status.condition("ConfigValid");
    assert_eq!((valid.as_str(), why.as_str()), ("False", "CheckFailed"));
    assert_eq!(status.service("imap")["trouble"], "CheckFailed");
    let said = house.run(&["restart", "imap"]);
    assert_eq!(said.code, 78, "{said:?}");
    assert_eq!(house.status().pid("imap"), before.pid("imap"));
    house.does(&["restart", "--force", "imap"]);
    let forced = house.again("imap", before.pid("imap").unwrap());
    signal_to(forced, Signal::KILL);
    house.again("imap", forced);
}

#[test]
fn r06_restarted_at_restarts_once_for_each_new_value() {
    let at = |when: &str| services(&[("imap", &format!("restartedAt: {when}")), ("smtp", "")]);
    let house = House::started(&at("2026-11-23T12:00:00Z"));
    let before = house.all_ready();
    house.declare(&at("2026-11-23T13:00:00Z"));
    house.again("imap", before.pid("imap").unwrap());
    let status = house.all_ready();
    assert_eq!((status.pid("smtp"), &status.service("imap")["restartsInWindow"]), (before.pid("smtp"), &0.into()));
    assert_eq!(house.times("imap Started"), 2);
}
