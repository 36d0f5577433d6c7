//! Golden scenarios: a document, a timeline, and the text that the planner must give ([R1] to [R21], [R31]).
//!
//! Every incident becomes one. The expectation is written from the rule; a text that changes needs a reason in the
//! commit that changes it. `MAILWARD_SCENARIO=part of a name` plays only those.

#![allow(missing_docs, reason = "nobody links against a test")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailward::desired::Desired;
use mailward::document;
use mailward::engine::Engine;
use mailward::model::{Boot, Exit, Fingerprint, Identity, Incarnation, Life, Name, Now, Wall};
use mailward::plan::{Event, Found, Seen, Step};
use mailward::sim::{Scenario, play};

fn desired(text: &str, generation: i64) -> Result<Desired, String> {
    let read = document::read(text.as_bytes(), "scenario");
    let words = || read.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    read.document.as_ref().map(|document| document::resolve(document, generation)).ok_or_else(words)
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let wanted = std::env::var("MAILWARD_SCENARIO").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of scenarios is part of the source")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .collect();
    files.sort();
    files
}

#[test]
fn every_scenario_tells_what_its_rule_expects() {
    let mut broken = Vec::new();
    let files = scenarios();
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("it can be read");
        let told = Scenario::read(&text).map_err(|error| error.to_string()).and_then(|scenario| {
            let told = play(&scenario, &desired)?;
            if told == scenario.expected { Ok(()) } else { Err(difference(&scenario.expected, &told)) }
        });
        if let Err(words) = told {
            broken.push(format!("{name}:\n{words}"));
        }
    }
    println!("{} scenarios", files.len());
    assert!(broken.is_empty(), "{} of {} differ\n\n{}", broken.len(), files.len(), broken.join("\n"));
}

/// One turn after these were seen of imap; whether it starts imap.
fn starts(engine: &mut Engine, at: u64, seen: &[Seen]) -> bool {
    let now = Now { boot: Boot(at), wall: Wall(0) };
    for what in seen {
        engine.see(now, &Event { service: Name::from("imap"), what: what.clone() });
    }
    engine.turn(now).steps.iter().any(|todo| matches!(todo.step, Step::Spawn { .. }))
}

/// A play of the simulator reads every file before its agent plans; a real agent may have to plan before that.
#[test]
fn r11_r12_files_that_nobody_has_read_yet_are_no_change_to_what_stays_down() {
    for policy in ["maxRestarts: 0", "enabled: false"] {
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: m}}\nspec:\n  profile: Custom\n  \
             autorestart: {{{policy}}}\n  services: [{{name: imap, command: [x], watchFiles: [/etc/imap.conf]}}]\n"
        );
        let desired = desired(&text, 1).unwrap();
        let (incarnation, file) = (Incarnation(1), |content| Seen::Files(Fingerprint(content)));
        let nothing = || Seen::Found(Found::Nothing);
        let mut engine = Engine::new(desired.clone(), Life(1), HashMap::new());
        assert!(!starts(&mut engine, 0, &[]), "{policy}: nobody has looked yet");
        assert!(starts(&mut engine, 0, &[file(7), nothing()]), "{policy}");
        let identity = Identity { pid: 100, started: 1 };
        let life = [Seen::Spawned { incarnation, identity }, Seen::Ready { incarnation }];
        assert!(!starts(&mut engine, 1_000, &life), "{policy}: it runs");
        let end = [Seen::Exited { incarnation, exit: Exit::Signal(9) }, Seen::Emptied { incarnation }];
        assert!(!starts(&mut engine, 2_000, &end), "{policy}: it stays down");

        let mut next = Engine::new(desired, Life(2), engine.records().into_iter().collect());
        assert!(!starts(&mut next, 3_000, &[]), "{policy}: nobody has looked yet");
        assert!(!starts(&mut next, 3_000, &[nothing()]), "{policy}: what was not read has not changed");
        assert!(!starts(&mut next, 3_000, &[file(7)]), "{policy}: it is the same");
        assert!(starts(&mut next, 4_000, &[file(8)]), "{policy}: it was repaired");
    }
}

/// Whole lines, `-` expected and `+` told, aligned on the first difference.
fn difference(expected: &str, told: &str) -> String {
    let (expected, told): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), told.lines().collect());
    let same = expected.iter().zip(&told).take_while(|(a, b)| a == b).count();
    let mut words = String::new();
    for line in &expected[..same] {
        let _ = writeln!(words, "    {line}");
    }
    for line in &expected[same..] {
        let _ = writeln!(words, "  - {line}");
    }
    for line in &told[same..] {
        let _ = writeln!(words, "  + {line}");
    }
    words
}
