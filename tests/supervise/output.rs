//! What services write.

use std::fs;

use mailward::model::{Exit, Incarnation};
use mailward::plan::Found;
use mailward::supervise::Recorded;

use crate::stage::{Stage, sh};

#[test]
fn r15_output_goes_line_by_line_with_a_time_stamp_to_the_services_own_log() {
    let mut stage = Stage::new(false);
    stage.start("imap", &sh("echo out; echo err >&2; printf unfinished; exit 0"), 1);
    assert_eq!(stage.exit("imap"), Exit::Code(0));
    let log = fs::read_to_string(stage.path("log/imap")).unwrap();
    let lines: Vec<(&str, &str)> = log.lines().map(|l| l.split_once(' ').unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l.1).collect::<Vec<_>>(), ["out", "err", "unfinished"]);
    assert!(lines.iter().all(|l| l.0.len() == 24 && l.0.ends_with('Z')));
}

#[test]
fn r15_a_moved_log_is_opened_anew_when_asked() {
    let mut stage = Stage::new(false);
    let launch = sh("echo one; read x < $DIR/go; echo two; exit 0");
    let launch = mailward::desired::Launch { environment: vec![("DIR".to_owned(), stage.text(""))], ..launch };
    make_fifo(&stage);
    stage.start("imap", &launch, 1);
    stage.until_true("the first line is written", |s| s.path("log/imap").exists());
    fs::rename(stage.path("log/imap"), stage.path("log/old")).unwrap();
    stage.host().reopen();
    fs::write(stage.path("go"), "x\n").unwrap();
    stage.exit("imap");
    assert!(fs::read_to_string(stage.path("log/old")).unwrap().ends_with("one\n"));
    assert!(fs::read_to_string(stage.path("log/imap")).unwrap().ends_with("two\n"));
}

#[test]
fn a_flood_neither_blocks_the_host_nor_fills_its_memory() {
    let mut stage = Stage::new(false);
    stage.host().bound_logs(1 << 20, 1);
    let flood = sh("exec yes 'a line of the flood that goes on and on'");
    stage.start("flood", &flood, 1);
    let before = resident();
    for life in 1..=20 {
        stage.start("quiet", &sh("exit 5"), life);
        assert_eq!(stage.exit("quiet"), Exit::Code(5));
        stage.empty("quiet");
    }
    assert!(resident() < before + 4096, "grew from {before} to {} KiB", resident());
    stage.until_true("more came than one file holds", |s| s.path("log/flood.1").exists());
    stage.kill("flood", &flood, 1);
    assert_eq!(stage.exit("flood"), Exit::Signal(9));
    let size: u64 = ["log/flood", "log/flood.1"].iter().map(|f| fs::metadata(stage.path(f)).unwrap().len()).sum();
    assert!(size <= 2 << 20, "{size}");
    assert!(!stage.path("log/flood.2").exists());
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_disk_that_is_full_is_said_once_and_the_service_goes_on() {
    let mut stage = Stage::new(false);
    fs::create_dir_all(stage.path("log")).unwrap();
    std::os::unix::fs::symlink("/dev/full", stage.path("log/imap")).unwrap();
    stage.start("imap", &sh("for i in 1 2 3 4 5; do echo $i; done; exit 0"), 1);
    assert_eq!(stage.exit("imap"), Exit::Code(0));
    let complaints = stage.host().complaints();
    assert_eq!(complaints, ["output of imap cannot be written and is dropped; is the disk full?"]);
    assert_eq!(stage.host().last_lines("imap"), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_killed_agent_costs_a_service_neither_a_signal_nor_a_line() {
    let mut stage = Stage::new(false);
    // A writer that has not closed yet lets the next reader in, who then reads the end and asks again.
    let script = "trap 'echo PIPE' PIPE; echo first; read x < $DIR/go; echo second && echo third && : > $DIR/wrote; \
                  until read x < $DIR/go; do :; done; exit 6";
    let environment = vec![("DIR".to_owned(), stage.text(""))];
    let launch = mailward::desired::Launch { environment, ..sh(script) };
    make_fifo(&stage);
    let identity = stage.start("imap", &launch, 1);
    stage.until_true("it began", |s| s.host().last_lines("imap") == ["first"]);
    drop(stage.host.take());
    // Nobody of ours reads now.
    fs::write(stage.path("go"), "x\n").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !stage.path("wrote").exists() {
        assert!(std::time::Instant::now() < deadline, "it cannot write");
        std::thread::yield_now();
    }
    stage.new_host(true);
    let recorded = Recorded { incarnation: Incarnation(1), identity: Some(identity) };
    let found = stage.look("imap", &launch, Some(recorded));
    assert_eq!(found, Found::Ours { incarnation: Incarnation(1), identity });
    fs::write(stage.path("go"), "x\n").unwrap();
    assert_eq!(stage.exit("imap"), Exit::Code(6));
    assert_eq!(stage.host().last_lines("imap"), ["second", "third"]);
}

#[test]
fn r04_an_agent_that_leaves_its_services_leaves_a_keeper_so_that_none_waits_on_a_full_pipe() {
    let mut stage = Stage::new(false);
    // Four times what the pipe holds.
    let script = "echo first; read x < $DIR/go; yes 0123456789 | head -c 1000000; echo last; : > $DIR/wrote; \
                  until read x < $DIR/go; do :; done; echo after; exec sleep 1000";
    let environment = vec![("DIR".to_owned(), stage.text(""))];
    let launch = mailward::desired::Launch { environment, ..sh(script) };
    make_fifo(&stage);
    let identity = stage.start("imap", &launch, 1);
    stage.until_true("it began", |s| s.host().last_lines("imap") == ["first"]);
    stage.host.take().unwrap().leave();
    fs::write(stage.path("go"), "x\n").unwrap();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !stage.path("wrote").exists() {
        assert!(std::time::Instant::now() < patience, "it waits on its pipe");
        std::thread::yield_now();
    }
    stage.new_host(true);
    let recorded = Recorded { incarnation: Incarnation(1), identity: Some(identity) };
    let found = stage.look("imap", &launch, Some(recorded));
    assert_eq!(found, Found::Ours { incarnation: Incarnation(1), identity });
    fs::write(stage.path("go"), "x\n").unwrap();
    stage.until_true("the new agent reads", |s| s.host().last_lines("imap").last().is_some_and(|l| l == "after"));
    let log = fs::read_to_string(stage.path("log/imap")).unwrap();
    assert!(log.contains("last\n") && log.len() > 1_000_000, "{}", log.len());
    let keepers = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .any(|entry| fs::read_to_string(entry.path().join("stat")).is_ok_and(|s| s.contains("(mailward-keep) S")))
    };
    stage.until_true("the keeper is gone", |_| !keepers());
}

fn make_fifo(stage: &Stage) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, stage.path("go"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
}
