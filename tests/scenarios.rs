//! Golden scenarios: a document, a timeline, and the text that the planner must give ([R1] to [R21], [R31]).
//!
//! Every incident becomes one. The expectation is written from the rule; a text that changes needs a reason in the
//! commit that changes it. `MAILWARD_SCENARIO=part of a name` plays only those.

#![allow(missing_docs, reason = "nobody links against a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailward::desired::Desired;
use mailward::document;
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
