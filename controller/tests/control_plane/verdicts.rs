//! Every document of the tests, and every sample, gets one verdict, whether `validate` reads it or the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mailward::document::{self, Cel, Severity};
use serde_json::{Value, json};

use crate::plane::{Answer, Server, object, resources};
use crate::shared::ROOT;

/// Why a document is refused here and taken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// CEL cannot say the rule; the rule's own words say why.
    Cannot,
    /// It is about YAML and not about the object: a tag is dropped, and a second document is not read at all. In a file
    /// both are refused.
    Yaml,
}

/// The documents whose verdicts differ, and why.
const DIFFERENT: [(&str, Why); 7] = [
    ("cycle-through-the-profile.yaml", Why::Cannot),
    ("cycle.yaml", Why::Cannot),
    ("lead-waits-for-its-member.yaml", Why::Cannot),
    ("tags.yaml", Why::Yaml),
    ("task-without-crontab.yaml", Why::Cannot),
    ("two-documents.yaml", Why::Yaml),
    ("two-leads.yaml", Why::Cannot),
];

fn cannot(rule: &str) -> bool {
    document::rules().any(|it| it.id == rule && matches!(it.cel, Cel::Cannot(_)))
}

struct Verdict {
    /// The rules that `validate` names.
    broken: Vec<&'static str>,
    server: Answer,
}

async fn verdicts(server: &Server) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for folder in ["tests/fixtures/documents/good", "tests/fixtures/documents/bad", "manifests/samples"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("the documents are there") {
            let path = entry.expect("a file").path();
            let is_document = path.extension().is_some_and(|extension| extension == "yaml");
            if !is_document || path.ends_with("kustomization.yaml") {
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            let read = document::read(&bytes, "file");
            let errors = read.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            let broken = errors.map(|diagnostic| diagnostic.rule).collect();
            let resources = format!("{}?dryRun=All&fieldValidation=Strict", resources("default"));
            let server = server.ask("POST", &resources, "application/yaml", &bytes).await;
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            verdicts.insert(name, Verdict { broken, server });
        }
    }
    verdicts
}

#[tokio::test]
async fn every_document_gets_one_verdict_from_validate_and_from_the_api_server() {
    let different: BTreeMap<&str, Why> = DIFFERENT.into_iter().collect();
    let verdicts = verdicts(&Server::ready().await).await;
    assert!(verdicts.len() >= 80, "{} documents", verdicts.len());
    let mut wrong = Vec::new();
    for (name, Verdict { broken, server }) in &verdicts {
        let words = server.as_ref().err().map_or("taken", String::as_str);
        let (good, taken) = (broken.is_empty(), server.is_ok());
        let as_expected = match different.get(name.as_str()) {
            None => good == taken,
            Some(Why::Cannot) => !good && taken && broken.iter().all(|rule| cannot(rule)),
            Some(Why::Yaml) => !good && taken && broken.iter().all(|rule| rule.starts_with("yaml-")),
        };
        if !as_expected {
            wrong.push(format!("{name}: validate: {broken:?}; server: {words}"));
        }
    }
    wrong.extend(different.keys().filter(|name| !verdicts.contains_key(**name)).map(|name| format!("no {name}")));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
}

/// Listeners that break every rule of a listener; as long as nothing else is wrong the server names them all.
fn bad_listeners() -> Value {
    let login = json!({"user": "probe", "passwordFile": "password"});
    json!([
        {"port": 1, "protocol": "Imap", "serverName": "mail"},
        {"port": 2, "protocol": "Http", "login": login},
        {"port": 3, "protocol": "Imap", "address": "mail.example.org", "login": login},
        {"port": 4, "protocol": "Imap", "recipient": "probe"},
        {"port": 5, "protocol": "Imap", "path": "/"},
        {"port": 6, "protocol": "Http", "tls": "StartTls"},
    ])
}

#[tokio::test]
async fn every_rule_that_cel_can_say_is_refused_by_the_api_server_in_our_words() {
    let server = Server::ready().await;
    let mut said: Vec<String> = verdicts(&server).await.into_values().filter_map(|it| it.server.err()).collect();
    let object = object(
        "listeners",
        &json!({
            "profile": "Custom",
            "services": [{"name": "a", "command": ["/bin/a"], "listeners": bad_listeners()}],
            "external": [{"name": "x", "listeners": bad_listeners()}],
        }),
    );
    let path = format!("{}?dryRun=All&fieldValidation=Strict", resources("default"));
    said.extend(server.ask("POST", &path, "application/json", object.to_string().as_bytes()).await.err());
    let unheard: BTreeSet<&str> = document::rules()
        .filter(|rule| matches!(rule.cel, Cel::Says(_) | Cel::Built(_)))
        .filter(|rule| !said.iter().any(|words| words.contains(&format!("{} [{}]", rule.message, rule.id))))
        .map(|rule| rule.id)
        .collect();
    assert_eq!(unheard, BTreeSet::new());
}
