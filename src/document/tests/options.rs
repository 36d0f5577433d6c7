//! The table of Oracle's options in the README names fields that are there, and tests that are there.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::schema;

/// The rows of the table, without its heading.
fn rows() -> Vec<[String; 3]> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("## Oracle's options\n").expect("the section");
    let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = rows.map(|row| {
        let cells: Vec<String> = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 3]>::try_from(cells).unwrap_or_else(|cells| panic!("{cells:?}"))
    });
    cells.collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_in(schema: &Value, path: &str) -> bool {
    let mut node = schema;
    path.split('.').all(|step| {
        let (field, item) = step.strip_suffix("[]").map_or((step, false), |field| (field, true));
        let below = node.get("properties").and_then(|fields| fields.get(field));
        let below = if item { below.and_then(|list| list.get("items")) } else { below };
        node = below.unwrap_or(&Value::Null);
        below.is_some()
    })
}

/// Every function of the source and of the tests, and every scenario.
fn tests(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            tests(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&entry).unwrap());
        } else if folder.ends_with("scenarios") {
            write!(found, "fn {}(", entry.file_stem().unwrap().to_string_lossy()).unwrap();
        }
    }
}

#[test]
fn the_table_of_oracles_options_names_fields_and_tests_that_are_there() {
    let (schema, rows) = (schema(), rows());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    for folder in ["src", "tests/it", "tests/scenarios", "tests/supervise"] {
        tests(&root.join(folder), &mut source);
    }
    for [options, place, held] in &rows {
        let paths: Vec<&str> = quoted(place).filter(|word| word.starts_with("spec.")).collect();
        for path in &paths {
            assert!(is_in(&schema, path), "{options}: {path} is not in the schema");
        }
        for test in quoted(held) {
            assert!(source.contains(&format!("fn {test}(")), "{options}: no test is named {test}");
        }
        let of_ours = !paths.is_empty() || place.starts_with("the service") || place.starts_with("the task");
        assert!(of_ours == (quoted(held).count() > 0), "{options}: its place has a test, and only then");
        let has_reason = place.contains("of that server, not a process") || place.starts_with("none: ");
        assert!(of_ours || has_reason, "{options}: {place}");
    }
    let named: Vec<&str> = rows.iter().flat_map(|[options, ..]| quoted(options)).collect();
    // Table 3-6, and the scopes with an "enable" option, each once.
    let wanted = "watcher.enable base.autorestart.enable base.autorestart.timeout schedule.task:msprobe.crontab \
        autorestart notifytarget ens folderquota imap indexer messagetype msghash dbreplicate mta metermaid mmp pab pop \
        purge relinker schedule service smime sms_gateway snmp store task typequota watcher http \
        local.mfagent.enable mfagent imta local.imta.enable snapshot snapshotverify schedule.task:NAME.crontab \
        schedule.task:NAME.enable alarm.msgalarmnoticehost alarm.diskavail.msgalarmstatinterval FaultOnMonitorTimeouts \
        ConfInterval ToleranceLimit State LogHostName PrtStatus DebugMode";
    for option in wanted.split_whitespace() {
        assert_eq!(named.iter().filter(|name| **name == option).count(), 1, "{option} is once in the table");
    }
}
