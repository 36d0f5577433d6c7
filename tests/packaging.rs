//! What is shipped beside the program: the systemd unit, Argo CD's health script, alerts.

#![allow(missing_docs, reason = "nobody links against a test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn manifests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(manifests(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A JSON value as Lua writes it.
fn lua(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("nil"),
        Value::Bool(truth) => write!(out, "{truth}").unwrap(),
        Value::Number(number) => write!(out, "{number}").unwrap(),
        Value::String(words) => write!(out, "{words:?}").unwrap(),
        Value::Array(items) => {
            out.push('{');
            for item in items {
                lua(item, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Object(fields) => {
            out.push('{');
            for (name, field) in fields {
                write!(out, "[{name:?}]=").unwrap();
                lua(field, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// What the health script answers, as `status message`.
fn health(object: &Value) -> String {
    let mut program = String::from("obj = ");
    lua(object, &mut program);
    write!(program, "\nlocal answer = (function()\n{}\nend)()\n", text("argocd/health.lua")).unwrap();
    program.push_str("io.write(answer.status, ' ', answer.message)");
    let mut lua = Command::new("lua5.1");
    let ran = lua.args(["-e", &program]).output().expect("lua5.1 is missing: make setup installs it");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn r27_argo_cd_is_told_what_each_case_expects() {
    let mut answers = Vec::new();
    for entry in fs::read_dir(manifests("argocd/cases")).unwrap() {
        let path = entry.unwrap().path();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let answer = health(&case["object"]);
        let expected = case["expect"].as_str().unwrap();
        assert!(answer.starts_with(&format!("{expected} ")), "{}: {answer}", path.display());
        answers.push(expected.to_owned());
    }
    for status in ["Healthy", "Progressing", "Degraded", "Suspended"] {
        assert!(answers.iter().any(|answer| answer == status), "no case is {status}");
    }
}

#[test]
fn r27_argo_cd_has_a_case_for_each_condition_that_is_not_as_it_should_be() {
    let mut odd = Vec::new();
    for entry in fs::read_dir(manifests("argocd/cases")).unwrap() {
        let case: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let conditions = case["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        for condition in conditions {
            let good = ["Ready", "ConfigValid", "WorkloadCurrent"].contains(&condition["type"].as_str().unwrap());
            if condition["status"] != if good { "True" } else { "False" } {
                odd.push(condition["type"].as_str().unwrap().to_owned());
            }
        }
    }
    for name in ["Ready", "Reconciling", "Stalled", "Degraded", "ConfigValid", "WorkloadCurrent", "Suspended"] {
        assert!(odd.iter().any(|found| found == name), "{name} is as it should be in every case");
    }
}

#[test]
fn r31_the_systemd_unit_leaves_services_to_the_next_agent() {
    let unit = text("systemd/mailward.service");
    for line in ["KillMode=process", "Delegate=yes", "Type=notify", "WatchdogSec=60s", "RuntimeDirectoryPreserve=yes"] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing");
    }
    // The program is not installed where the tests run, so systemd reads a copy that names one that is.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("mailward.service");
    fs::write(&copy, unit.replace("/usr/bin/mailward", "/bin/true").replace("Documentation=", "#")).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let ran = verify.arg("verify").arg(&copy).output().expect("systemd-analyze is missing: make setup installs it");
    let said = String::from_utf8_lossy(&ran.stderr);
    let about_it: Vec<&str> = said.lines().filter(|line| line.contains("mailward.service")).collect();
    assert!(ran.status.success() && about_it.is_empty(), "{said}");
}
