//! Documents good and bad, each beside what is said about it.
//!
//! `MAILWARD_WRITE_EXPECTED=1 cargo test --test documents` writes the expectations anew; read the difference before it
//! is committed.

use std::fs;
use std::path::{Path, PathBuf};

use mailward::document::{self, Severity};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// Reads every fixture and compares what is said with the text beside it.
fn compare(kind: &str, good: bool) {
    let mut wrong = Vec::new();
    let files = fixtures(kind);
    assert!(files.len() > 20, "the fixtures are there");
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let read = document::read(&fs::read(&file).unwrap(), &name);
        let mut said = read.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        if !said.is_empty() {
            said.push('\n');
        }
        let errors = read.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        if read.document.is_some() != good || (errors == 0) != good {
            wrong.push(format!("{name}: expected a {kind} document, got\n{said}"));
        }
        let expected = file.with_extension("txt");
        if std::env::var_os("MAILWARD_WRITE_EXPECTED").is_some() {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(&said) {
            wrong.push(format!("{name}: not as in {}:\n{said}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_document_is_taken_with_the_warnings_and_notes_beside_it() {
    compare("good", true);
}

#[test]
fn every_bad_document_is_refused_with_all_of_its_errors_at_once() {
    compare("bad", false);
}

#[test]
fn there_are_at_least_eighty_documents() {
    assert!(fixtures("good").len() + fixtures("bad").len() >= 80);
}
