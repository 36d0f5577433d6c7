//! The agent killed with -9 and started again, with whatever is left of its journal.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::failures::store_group;
use super::house::{House, is_alive, services, signal_to};
use crate::running::eventually;

#[test]
fn r05_a_killed_agent_adopts_what_runs_with_the_same_pids_and_starts_nothing_twice() {
    let mut house = store_group("{maxRestarts: 1}");
    let before = house.status();
    for life in 2..5 {
        house.restart_agent();
        let status = house.all_ready();
        assert_eq!(status.pids(), before.pids());
        assert_eq!(house.written(4).len(), 4, "life {life}: nobody was started or stopped");
        assert_eq!(house.history().iter().filter(|line| line.ends_with(" Adopted")).count(), 4);
    }
    let imap = before.pid("imap").unwrap();
    signal_to(imap, Signal::KILL);
    house.again("imap", imap);
    assert_eq!(house.times("imap Crashed"), 1, "an adopted service is watched as any other");
}

#[test]
fn r04_what_services_write_while_the_agent_is_away_by_order_is_in_their_log() {
    // More than a pipe holds, so that it could not go on if nobody read.
    let talks = "command: [/bin/sh, -c, 'until test -e $0/go; do sleep 0.02; done; seq 200000; echo > $0/said; \
                 exec sleep 1000000', '{dir}']";
    let mut house = House::started(&services(&[("imap", talks)]));
    let before = house.all_ready();
    assert_eq!(house.called("stop-msg", &["watcher"]).code, 0);
    house.ended();
    house.put("go", "");
    house.has("said");
    house.start();
    let status = house.all_ready();
    assert_eq!(status.pids(), before.pids());
    let log = house.read("data/log/imap");
    assert!(log.lines().any(|line| line.ends_with("200000")), "{} bytes of log", log.len());
}

#[test]
fn r11_the_window_and_the_give_up_outlive_the_agent() {
    let mut house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let before = house.all_ready();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    let second = house.again("imap", before.pid("imap").unwrap());
    house.restart_agent();
    let status = house.all_ready();
    assert_eq!((status.pid("imap"), &status.service("imap")["restartsInWindow"]), (Some(second), &1.into()));
    signal_to(second, Signal::KILL);
    house.until("gave up", |status| status.service("imap")["gaveUp"] == true);
    house.restart_agent();
    let status = house.until("settled", |status| status.is_settled("imap") && status.is_ready("smtp"));
    assert_eq!((status.pid("imap"), &status.service("imap")["gaveUp"]), (None, &true.into()));
    assert_eq!(house.times("imap Started"), 0);
}

#[test]
fn r06_a_manual_stop_outlives_the_agent_and_ends_with_a_start() {
    let mut house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    house.all_ready();
    house.does(&["stop", "imap"]);
    house.restart_agent();
    let status = house.until("settled", |status| status.is_settled("imap") && status.is_ready("smtp"));
    assert_eq!((status.pid("imap"), &status.service("imap")["held"]), (None, &true.into()));
    assert_eq!(house.times("imap Started"), 0);
    house.does(&["start", "imap"]);
    house.all_ready();
}

#[test]
fn r06_a_hold_survives_the_loss_of_the_runtime_folder_as_it_does_a_reboot_and_a_manual_stop_does_not() {
    let mut house = House::started(&services(&[("imap", ""), ("pop", ""), ("smtp", "")]));
    house.all_ready();
    house.does(&["hold", "imap"]);
    house.does(&["stop", "pop"]);
    let smtp = house.status().pid("smtp").unwrap();
    house.kill_agent();
    signal_to(smtp, Signal::KILL);
    std::fs::remove_dir_all(house.path("run")).unwrap();
    house.start();
    let status =
        house.until("settled", |status| status.is_settled("imap") && status.is_ready("pop") && status.is_ready("smtp"));
    assert_eq!((status.pid("imap"), &status.service("imap")["held"]), (None, &true.into()));
    house.does(&["release", "imap"]);
    house.all_ready();
}

#[test]
fn r07_a_service_found_dead_by_the_next_agent_is_a_crash() {
    let mut house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let before = house.all_ready();
    house.kill_agent();
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    house.start();
    house.again("imap", before.pid("imap").unwrap());
    assert_eq!(house.times("imap Crashed"), 1);
    assert_eq!(house.status().service("imap")["restartsInWindow"], 1);
}

#[test]
fn r09_an_agent_killed_in_the_middle_of_a_group_restart_finishes_it_charged_once() {
    let slow = "command: [/bin/sh, -c, 'trap \"until test -e $0/go; do sleep 0.01; done; exit 0\" TERM; : > $0/up; while :; do sleep 0.05; done', '{dir}'], group: store, dependsOn: [store]";
    let all = [("store", "group: store, groupRole: Lead"), ("imap", "group: store, dependsOn: [store]"), ("pop", slow)];
    let mut house = House::started(&format!("  autorestart: {{maxRestarts: 3}}\n{}", services(&all)));
    let before = house.all_ready();
    house.written(2);
    house.has("up");
    signal_to(before.pid("imap").unwrap(), Signal::KILL);
    house.until("pop is being stopped", |status| status.reason("pop").contains("asked to stop"));
    house.kill_agent();
    assert!(is_alive(before.pid("store").unwrap()), "the store goes last");
    house.start();
    house.until("pop is being stopped still", |status| status.reason("pop").contains("asked to stop"));
    assert_eq!(house.status().pid("imap"), None, "no member starts while another has to go");
    house.put("go", "");
    for name in ["store", "imap", "pop"] {
        house.again(name, before.pid(name).unwrap());
    }
    let status = house.all_ready();
    assert_eq!(status.service("imap")["restartsInWindow"], 1, "charged once");
    assert_eq!(status.service("store")["restartsInWindow"], 0);
    let mut book = house.written(2 + 1 + 2);
    // Both are ready at once, so which of the two writes first is their affair.
    book[3..].sort();
    assert_eq!(book[2..], ["-store", "+imap", "+store"], "once");
}

/// A process of somebody else; killed with the test.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("/bin/sleep").arg("1000000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// When a process was started, in the kernel's ticks (`proc_pid_stat(5)`, field 22).
fn started(pid: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned()
}

/// A killed agent's house, what it had running, and its journal.
fn bereaved() -> (House, Vec<Option<i32>>, String) {
    let mut house = House::started(&services(&[("imap", ""), ("smtp", "")]));
    let pids = house.all_ready().pids();
    house.written(2);
    house.kill_agent();
    let journal = house.read("run/journal");
    assert!(journal.lines().count() > 1);
    (house, pids, journal)
}

/// Whatever the journal says: both services run once, and every living process is one of them.
fn comes_up_once(house: &mut House) {
    house.start();
    let status = house.all_ready();
    for name in ["imap", "smtp"] {
        assert!(is_alive(status.pid(name).unwrap()));
    }
    let writers =
        |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"/bin/sh\0"));
    let mut running: Vec<i32> = house.processes().into_iter().filter(writers).collect();
    running.sort_unstable();
    let mut told: Vec<i32> = status.pids().into_iter().flatten().collect();
    told.sort_unstable();
    assert_eq!(running, told, "one instance each\n{}", house.read("stderr"));
}

#[test]
fn r05_with_a_torn_journal_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, _, journal) = bereaved();
    for cut in [journal.len() / 4, journal.len() / 2, journal.len() - 3] {
        std::fs::write(house.path("run/journal"), &journal.as_bytes()[..cut]).unwrap();
        comes_up_once(&mut house);
        house.kill_agent();
    }
}

#[test]
fn r05_with_an_empty_journal_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, pids, _) = bereaved();
    house.put("run/journal", "");
    comes_up_once(&mut house);
    assert_eq!(house.status().pids(), pids, "what bears its marker is adopted");
}

#[test]
fn r05_with_garbage_for_a_journal_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, _, _) = bereaved();
    let garbage: Vec<u8> =
        (0..100_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    std::fs::write(house.path("run/journal"), garbage).unwrap();
    comes_up_once(&mut house);
}

#[test]
fn r05_with_a_journal_of_a_newer_version_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, _, journal) = bereaved();
    let (head, rest) = journal.split_once('\n').unwrap();
    let head = head[17..].replace("\"version\":3", "\"version\":99");
    assert!(head.contains("99"));
    house.put("run/journal", &format!("{}{rest}", sealed(&head)));
    comes_up_once(&mut house);
}

#[test]
fn r05_with_a_journal_that_cannot_be_read_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, _, _) = bereaved();
    // Root reads whatever its mode; a folder nobody reads as a file.
    std::fs::remove_file(house.path("run/journal")).unwrap();
    std::fs::create_dir(house.path("run/journal")).unwrap();
    comes_up_once(&mut house);
    assert!(house.read("stderr").contains("journal"), "it says that nothing is kept");
}

#[test]
fn r05_without_its_runtime_folder_the_agent_starts_and_nothing_runs_twice() {
    let (mut house, pids, _) = bereaved();
    std::fs::remove_dir_all(house.path("run")).unwrap();
    comes_up_once(&mut house);
    assert_eq!(house.status().pids(), pids, "what bears its marker is adopted");
}

/// A line of the journal with its checksum.
fn sealed(json: &str) -> String {
    format!("{:016x} {json}\n", mailward::model::Fingerprint::of(json.as_bytes()).0)
}

#[test]
fn r05_a_stranger_that_the_journal_names_is_never_signalled() {
    let (mut house, pids, journal) = bereaved();
    let imap = pids[0].unwrap();
    // A pid and a time of start prove who it is, to the kernel's tick: a pid is not given anew within one.
    let stranger = eventually("a stranger of a later tick", || {
        Some(Stranger::new()).filter(|stranger| started(stranger.pid()) != started(imap))
    });
    let lines: String = journal
        .lines()
        .map(|line| sealed(&line[17..].replace(&format!("\"pid\":{imap}"), &format!("\"pid\":{}", stranger.pid()))))
        .collect();
    assert!(lines.contains(&format!("\"pid\":{}", stranger.pid())));
    house.put("run/journal", &lines);
    signal_to(imap, Signal::KILL);
    house.start();
    house.again("imap", imap);
    assert_ne!(house.status().pid("imap"), Some(stranger.pid()));
    house.does(&["restart", "imap"]);
    house.does(&["stop", "--force", "imap"]);
    house.signal_agent(Signal::TERM);
    house.ended();
    assert!(is_alive(stranger.pid()));
}

#[test]
fn r05_a_stranger_with_our_start_time_too_is_never_signalled() {
    let stranger = Stranger::new();
    let (mut house, pids, journal) = bereaved();
    let imap = pids[0].unwrap();
    let started = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned()
    };
    let lines: String = journal
        .lines()
        .map(|line| {
            let line = line[17..].replace(&format!("\"pid\":{imap}"), &format!("\"pid\":{}", stranger.pid()));
            sealed(&line.replace(&started(imap), &started(stranger.pid())))
        })
        .collect();
    house.put("run/journal", &lines);
    house.start();
    // What the journal proves by pid and start time is believed; a journal forged by root is beyond what can be told.
    house.until("a verdict", |status| status.service("imap")["ready"] != "Unknown");
    house.kill_agent();
    assert!(is_alive(stranger.pid()));
}

#[test]
fn r05_a_second_agent_on_the_same_runtime_folder_is_refused_and_names_the_first() {
    let house = House::started(&services(&[("imap", "")]));
    let before = house.all_ready();
    let (code, words) = house.refuses_to_start();
    assert_eq!(code, 75);
    assert!(words.contains(&format!("another agent (pid {})", house.agent_pid())), "{words}");
    assert_eq!(house.status().pids(), before.pids());
}

#[test]
fn r05_an_agent_that_may_not_write_its_runtime_folder_says_which() {
    let house = House::new(&services(&[("imap", "")]));
    std::fs::write(house.path("run"), "a file").unwrap();
    let (code, words) = house.refuses_to_start();
    assert_eq!(code, 73);
    assert!(words.contains(house.path("run").to_str().unwrap()), "{words}");
    std::fs::set_permissions(house.path("run"), std::fs::Permissions::from_mode(0o644)).unwrap();
}
