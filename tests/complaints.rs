//! What users of other supervisors complain of, by number (C1 to C55): each has a case here that would show it, or a
//! reason why not.
//!
//! A case says its number where it is named: a scenario in its file name or its head, a test in its name, a
//! conversation in its heading, a document in a comment.

#![allow(missing_docs, reason = "nobody links against a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// All numbers there are.
const COMPLAINTS: std::ops::RangeInclusive<u8> = 1..=55;

/// Those that no case here shows, and why.
const WITHOUT: [(u8, &str); 20] = [
    (9, "one health check for the whole: the agent's /readyz, in a cluster"),
    (12, "as C9"),
    (14, "alerts that go through the patient: there are no alerts yet"),
    (25, "an alert that blocks the watching: as C14"),
    (32, "no order inside of a pod: in a cluster; on one host C1 is the same"),
    (33, "probes that fork: in a cluster; ours are C18"),
    (42, "an isolated primary that goes on: the lease, in a cluster"),
    (43, "an operator's upgrade restarts everything: in a cluster"),
    (44, "an operator spins on its own writes: in a cluster"),
    (45, "a resource that is healthy at birth: in a cluster"),
    (46, "stale conditions: in a cluster"),
    (47, "defaults that never match: in a cluster"),
    (48, "a chart that leaves the definition old: in a cluster"),
    (49, "a definition that is too big to apply: in a cluster"),
    (50, "a finalizer that holds a namespace: in a cluster"),
    (51, "the client's address is lost: in a cluster"),
    (52, "a pod on a dead node: in a cluster"),
    (53, "a grace period that cuts sessions: in a cluster; a stop here has each service's own time"),
    (54, "restarts nobody can count: /metrics counts those in the window, a total is in events.jsonl alone"),
    (31, "a back-off nobody can set: in a cluster; on one host C24 and C29 bound restarts"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder with that ending.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == ending) {
                found.push(path);
            }
        }
    }
    found
}

/// The places of a file where a case has its name.
fn named(path: &Path, text: &str) -> String {
    let kind = path.extension().unwrap_or_default();
    let lines: Vec<&str> = if kind == "rs" {
        text.lines().filter(|line| line.trim_start().trim_start_matches("async ").starts_with("fn ")).collect()
    } else if kind == "yaml" {
        text.lines().filter(|line| line.starts_with('#')).collect()
    } else if path.parent().is_some_and(|folder| folder.ends_with("transcripts")) {
        text.lines().filter(|line| line.starts_with("==")).collect()
    } else {
        text.lines().take_while(|line| line.starts_with('#')).collect()
    };
    format!("{}\n{}", path.file_stem().unwrap_or_default().to_string_lossy(), lines.join("\n"))
}

/// Which numbers have a case, and where.
fn cases() -> BTreeMap<u8, BTreeSet<String>> {
    let number = Regex::new(r"(?:_c|\bC|\bc)(\d{1,2})(?:_|\b)").expect("it is a pattern");
    let folders = [
        ("src", "rs"),
        ("tests", "rs"),
        ("tests/scenarios", "txt"),
        ("tests/transcripts", "txt"),
        ("tests/fixtures/documents", "yaml"),
    ];
    let mut cases: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for path in folders.iter().flat_map(|(folder, ending)| files(folder, ending)) {
        // Two numbers in a row share the line between them.
        let words = named(&path, &fs::read_to_string(&path).unwrap_or_default()).replace("_c", "__c");
        for found in number.captures_iter(&words) {
            let place = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            cases.entry(found[1].parse().expect("two digits")).or_default().insert(place);
        }
    }
    cases
}

#[test]
fn every_complaint_has_a_case_or_a_reason_why_it_has_none() {
    let cases = cases();
    let without: BTreeMap<u8, &str> = WITHOUT.into_iter().collect();
    assert_eq!(without.len(), WITHOUT.len(), "a number is on the list twice");
    let mut wrong = Vec::new();
    for complaint in COMPLAINTS {
        match (cases.get(&complaint), without.get(&complaint)) {
            (None, None) => wrong.push(format!("C{complaint} has neither a case nor a reason")),
            (Some(places), Some(reason)) => {
                wrong.push(format!("C{complaint} has a case in {places:?}; take its reason ({reason}) off the list"));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
    let unknown: Vec<_> = cases.iter().filter(|(complaint, _)| !COMPLAINTS.contains(complaint)).collect();
    assert!(unknown.is_empty(), "there are no such complaints: {unknown:?}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
