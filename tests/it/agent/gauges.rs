//! Disks and queues of a real agent: what is told when one crosses a threshold, and when that is over.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::house::{House, services};
use crate::running::eventually;

/// Measures until a round is as wished; gives its exit code and its table.
fn probe_until(house: &House, wished: impl Fn(&str) -> bool) -> (i32, String) {
    eventually("a round as wished", || {
        let said = house.run(&["probe"]);
        wished(&said.out).then_some((said.code, said.out))
    })
}

/// The house with one idle service, which nobody may touch.
fn measured(spec: &str) -> House {
    let mut house = House::empty();
    fs::create_dir(house.path("queue")).unwrap();
    let text = format!("  probes: {{period: 1h, {spec}}}\n{}", services(&[("imap", "")]));
    house.declare(&text);
    house.start();
    house.all_ready();
    house
}

#[test]
fn r08_c15_a_long_queue_is_told_once_everywhere_and_nothing_is_restarted_for_it() {
    let house = measured("queues: [{name: out, kind: Directory, path: '{dir}/queue', maxMessages: 2}]");
    let before = house.status().pid("imap");
    probe_until(&house, |table| table.contains("Within"));
    assert_eq!(house.times("Measured"), 0, "what is within its thresholds is no news");
    for number in 0..3 {
        house.put(&format!("queue/{number}"), "");
    }
    let (code, table) = probe_until(&house, |table| table.contains("Crossed"));
    assert!(code > 0 && table.contains("more than 2 messages wait") && table.contains("3 messages"), "{table}");
    let first = house.status();
    let (holds, reason, message) = first.condition("Degraded");
    assert_eq!((holds.as_str(), reason.as_str()), ("True", "ThresholdsCrossed"));
    assert_eq!(message, "queue out: more than 2 messages wait");
    assert!(house.read("data/log/default").contains("queue out: more than 2 messages wait: 3 messages"));
    house.put("queue/4", "");
    probe_until(&house, |table| table.contains("4 messages"));
    assert_eq!(house.status().0, first.0, "no number that was read is in the status");
    assert_eq!(house.times("Measured"), 1);
    for number in [0, 1, 2, 4] {
        fs::remove_file(house.path(&format!("queue/{number}"))).unwrap();
    }
    probe_until(&house, |table| table.contains("Within"));
    assert_eq!(house.times("Measured"), 2);
    assert_eq!(house.status().condition("Degraded").0, "False");
    assert_eq!(house.status().pid("imap"), before);
    let series = house.get("/v1/probes");
    let queue = series.as_array().unwrap().iter().find(|one| one["service"] == "queue out").unwrap();
    assert!(queue["samples"].as_array().unwrap().iter().any(|sample| sample["value"] == 4), "{series:#}");
}

#[test]
fn r08_what_cannot_be_measured_is_said_and_is_not_within() {
    let house = measured("disks: [{path: '{dir}/gone', freeWarning: 1%}]");
    let (code, table) = probe_until(&house, |table| table.contains("Unknown"));
    assert!(code > 0 && table.contains("could not be measured"), "{table}");
    assert_eq!(house.status().condition("Degraded").1, "ThresholdsCrossed");
}

/// A file system of a mebibyte, gone with its test.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: PathBuf) -> Self {
        let mounted = Command::new("/bin/mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&path).status();
        assert!(mounted.unwrap().success());
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("/bin/umount").arg(&self.0).status();
    }
}

#[test]
fn r08_c23_a_disk_that_fills_is_told_and_so_is_its_room() {
    let house = measured("disks: [{path: '{dir}/queue', freeWarning: 50%}]");
    let disk = Mounted::at(house.path("queue"));
    probe_until(&house, |table| table.contains("1.0 MiB of 1.0 MiB free"));
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 700 * 1024]).unwrap();
    let (code, table) = probe_until(&house, |table| table.contains("Crossed"));
    assert!(code > 0 && table.contains("less than 50% is free"), "{table}");
    fs::remove_file(ballast).unwrap();
    probe_until(&house, |table| table.contains("1.0 MiB of 1.0 MiB free") && table.contains("Within"));
    assert_eq!(house.status().condition("Degraded").0, "False");
}
