//! The samples that people start from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mailward::document::Severity;
use mailward_controller::build::build;
use serde_json::Value;

/// Every file of the folder but the list itself, which must name them all.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "kustomization.yaml").collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap())).collect()
}

#[test]
fn every_sample_is_taken_from_a_file_and_from_the_api_server_without_a_warning_and_makes_its_objects() {
    let samples = samples();
    assert!(samples.len() >= 5, "{samples:?}");
    for (name, text) in samples {
        let read = mailward::document::read(text.as_bytes(), &name);
        let said = read.diagnostics.iter().filter(|said| said.severity != Severity::Note);
        let words: Vec<String> = said.map(ToString::to_string).collect();
        assert_eq!(words, Vec::<String>::new());
        let mut object: Value = serde_saphyr::from_str(&text).unwrap();
        for (field, value) in [("namespace", "mail".into()), ("uid", "4a1c".into()), ("generation", Value::from(1))] {
            object["metadata"][field] = value;
        }
        let validated = crate::read(object).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let image = &build(&validated).stateful_set.body["spec"]["template"]["spec"]["containers"][0]["image"];
        assert!(image.as_str().is_some_and(|image| image.starts_with("registry.example.org/")), "{name}: {image}");
    }
}

#[test]
fn the_list_names_every_sample() {
    let list =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples/kustomization.yaml"));
    let list: Value = serde_saphyr::from_str(&list.unwrap()).unwrap();
    let named: BTreeSet<String> = serde_json::from_value(list["resources"].clone()).unwrap();
    assert_eq!(named, samples().into_iter().map(|(name, _)| name).collect());
}
