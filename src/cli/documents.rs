//! `validate` and `simulate`, and the reading of documents for everybody else: nothing here asks an agent.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::args::{Output, Simulate, Validate};
use super::failure::{DATA, Failure, NO_INPUT, OK};
use super::render;
use super::terminal::{print, say, style};
use crate::desired::Desired;
use crate::document::{self, Diagnostic, Severity};
use crate::policy::cluster::Said;
use crate::sim::{Scenario, play};

/// Most bytes of a file that are read: a document may have 1 MiB, and one byte more is enough to refuse it.
const MOST: u64 = 1024 * 1024 + 1;

/// A difference was found.
const DIFFERENT: u8 = 1;

/// The bytes of a file, or of the standard input for `-`.
pub(crate) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(NO_INPUT, format!("{}: {error}", file.display()))),
    }
}

/// A document of a file, resolved; every diagnostic is said where it is not good.
pub(crate) fn desired(file: &Path, bytes: &[u8]) -> Result<Desired, Failure> {
    let name = file.display().to_string();
    let read = document::read(bytes, &name);
    read.document.map(|document| document::resolve(&document, 1)).ok_or_else(|| {
        say(&all(&read.diagnostics));
        Failure::new(DATA, verdict(&name, false, &read.diagnostics).trim_end())
    })
}

/// The services of a file's document, where it can be read and is good.
pub(crate) fn services(file: &Path) -> Option<Vec<String>> {
    let read = document::read(&bytes(file).ok()?, "");
    let desired = document::resolve(&read.document?, 1);
    Some(desired.services.iter().map(|service| service.name.to_string()).collect())
}

/// What a file's document says of a cluster manager; nothing, where it cannot be read or is not good.
pub(crate) fn cluster(file: &Path) -> Said {
    let read = bytes(file).ok().map(|bytes| document::read(&bytes, ""));
    let document = read.and_then(|read| read.document);
    document.map(|document| document::settings(&document).cluster).unwrap_or_default()
}

fn all(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Says everything there is to say about every file.
pub(crate) fn validate(said: &Validate) -> Result<u8, Failure> {
    let mut code = OK;
    let mut found = Vec::new();
    for file in &said.files {
        let name = file.display().to_string();
        let bytes = match bytes(file) {
            Ok(bytes) => bytes,
            Err(failure) => {
                code = code.max(failure.code);
                match said.output {
                    Output::Table => say(&format!("mailward: {}", failure.words)),
                    Output::Json | Output::Yaml => {
                        found
                            .push(json!({"file": name, "good": false, "unreadable": failure.words, "diagnostics": []}));
                    }
                }
                continue;
            }
        };
        let read = document::read(&bytes, &name);
        let good = read.document.is_some();
        if !good {
            code = code.max(DATA);
        }
        match said.output {
            Output::Table => {
                if !read.diagnostics.is_empty() {
                    print(&(all(&read.diagnostics) + "\n"))?;
                }
                print(&verdict(&name, good, &read.diagnostics))?;
            }
            Output::Json | Output::Yaml => {
                let diagnostics: Vec<Value> = read.diagnostics.iter().map(object).collect();
                found.push(json!({"file": name, "good": good, "diagnostics": diagnostics}));
            }
        }
    }
    match said.output {
        Output::Table => {}
        Output::Json => print(&render::json(&found)?)?,
        Output::Yaml => print(&render::yaml(&found)?)?,
    }
    Ok(code)
}

fn verdict(name: &str, good: bool, diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let warnings = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        several => format!(", {several} warnings"),
    };
    match errors {
        0 if good => format!("{name}: good{warnings}\n"),
        1 => format!("{name}: 1 error{warnings}\n"),
        several => format!("{name}: {several} errors{warnings}\n"),
    }
}

fn object(diagnostic: &Diagnostic) -> Value {
    let Diagnostic { severity, file: _, place, text, left_out: _, path, message, expected, cure, rule } = diagnostic;
    json!({
        "severity": severity.to_string(),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "text": text,
        "path": path,
        "message": message,
        "expected": expected,
        "cure": cure,
        "rule": rule,
    })
}

/// Plays scenarios.
pub(crate) fn simulate(said: &Simulate) -> Result<u8, Failure> {
    let read = |text: &str, generation: i64| {
        let read = document::read(text.as_bytes(), "document");
        read.document.map(|document| document::resolve(&document, generation)).ok_or_else(|| all(&read.diagnostics))
    };
    let mut code = OK;
    for file in &said.scenarios {
        let name = file.display();
        let text = String::from_utf8(bytes(file)?);
        let text = text.map_err(|_| Failure::new(DATA, format!("{name}: not UTF-8")))?;
        let scenario = Scenario::read(&text).map_err(|error| Failure::new(DATA, format!("{name}: {error}")))?;
        let found = play(&scenario, &read).map_err(|words| Failure::new(DATA, format!("{name}: {words}")))?;
        if !said.check {
            print(&found)?;
            continue;
        }
        if found == scenario.expected {
            print(&format!("{name}: as expected\n"))?;
        } else {
            code = DIFFERENT;
            let difference = render::difference(&scenario.expected, &found, style());
            print(&format!("{name}: different (- expected, + played)\n{difference}"))?;
        }
    }
    Ok(code)
}
