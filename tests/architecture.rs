//! The house is as ARCHITECTURE.md says: its tables are read here and held against the source.

#![allow(missing_docs, reason = "nobody links against a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod architecture {
    pub(crate) mod code;
}

use architecture::code::{Source, words_after};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The most lines of code of a file, and from where on it is named as one that should be split.
const LINES: usize = 450;
const LONG: usize = 400;

/// Who reads a clock beside `src/clock.rs`, and why that is no decision about a service.
const CLOCKS: [(&str, &str); 7] = [
    ("src/clock.rs", "it is the reader"),
    ("src/observe/canary.rs", "measures how long a hop takes"),
    ("src/observe/ask.rs", "measures how long an answer takes"),
    ("src/supervise/place.rs", "compares the age of a pid file with a process's"),
    ("src/sources/", "lets writes settle, on a thread of its own"),
    ("src/demo/", "servers and clients of their own, in processes of their own"),
    ("src/cli/", "a person waits"),
];

/// What a pure room cannot know.
const WORLD: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "hyper",
    "libc",
    "notify::",
    "println!",
    "rustix",
    "signal_hook",
    "tokio",
    "unsafe",
];

#[derive(Debug)]
struct Room {
    name: String,
    pure: bool,
    /// None: everything above it.
    uses: Option<BTreeSet<String>>,
}

fn document() -> String {
    fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("it is part of the source")
}

/// What is between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The rows of the table below a heading.
fn table<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let after = document.split_once(&format!("\n## {heading}")).expect("the heading is there").1;
    let section = after.split("\n## ").next().unwrap_or_default();
    let (first, last) = (section.find("\n|"), section.rfind("\n|"));
    let broken = section[first.unwrap_or_default()..last.unwrap_or_default()]
        .lines()
        .skip(1)
        .find(|line| !line.starts_with('|'));
    assert_eq!(broken, None, "the table of {heading} ends here for whoever reads it, and goes on below");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 10, "{heading} has {} rows", rows.len());
    rows
}

fn rooms(document: &str) -> Vec<Room> {
    let room = |row: Vec<&str>| {
        let [name, half, _, uses] = row[..] else { panic!("four columns: {row:?}") };
        assert!(half == "pure" || half == "effect", "{row:?}");
        Room {
            name: name.trim_matches('`').to_owned(),
            pure: half == "pure",
            uses: (uses != "everything").then(|| quoted(uses).map(str::to_owned).collect()),
        }
    };
    table(document, "Rooms").into_iter().map(room).collect()
}

/// Every Rust file below a folder, by its path from the root.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "{folder} has {} files", found.len());
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(ROOT).expect("below the root").to_string_lossy().into_owned()
}

/// The code of every room without its tests, by file.
fn code() -> Vec<(String, Source)> {
    files("src").iter().map(|path| (name(path), Source::read(path))).filter(|(_, source)| !source.is_test).collect()
}

/// Of `src/plan/board.rs` and `src/history.rs` the room; none of the crate's own `lib.rs` and `main.rs`.
fn room_of(file: &str) -> Option<&str> {
    let part = file.strip_prefix("src/")?.split('/').next()?;
    let room = part.strip_suffix(".rs").unwrap_or(part);
    (!["lib", "main"].contains(&room)).then_some(room)
}

#[test]
fn every_module_is_a_room_and_every_room_a_module() {
    let document = document();
    let lib = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).expect("it is there");
    let mut modules = BTreeMap::new();
    let mut pure = true;
    for line in lib.lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            modules.insert(module.to_owned(), pure);
            pure = true;
        } else {
            pure = !line.contains("feature = ");
        }
    }
    let rooms: BTreeMap<_, _> = rooms(&document).into_iter().map(|room| (room.name, room.pure)).collect();
    assert_eq!(modules, rooms, "src/lib.rs (left; true is pure) and the table of rooms (right)");
}

#[test]
fn a_room_uses_what_its_row_says_and_nothing_else() {
    let rooms = rooms(&document());
    let mut used: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (file, source) in code() {
        let Some(room) = room_of(&file) else { continue };
        for other in words_after(&source.code, "crate::") {
            if other != room {
                used.entry(room.to_owned()).or_default().entry(other).or_insert_with(|| file.clone());
            }
        }
    }
    let mut wrong = Vec::new();
    let mut above: BTreeMap<&str, bool> = BTreeMap::new();
    for room in &rooms {
        let used = used.remove(&room.name).unwrap_or_default();
        for (other, file) in &used {
            match above.get(other.as_str()) {
                None => wrong.push(format!("{file}: {} uses {other}, which is not above it", room.name)),
                Some(false) if room.pure => {
                    wrong.push(format!("{file}: {} is pure and {other} is not", room.name));
                }
                Some(_) if room.uses.as_ref().is_some_and(|uses| !uses.contains(other)) => {
                    wrong.push(format!("{file}: {} uses {other}, and its row does not say so", room.name));
                }
                Some(_) => {}
            }
        }
        for stale in room.uses.iter().flatten().filter(|other| !used.contains_key(*other)) {
            wrong.push(format!("ARCHITECTURE.md: {} no longer uses {stale}; take it out of its row", room.name));
        }
        above.insert(&room.name, room.pure);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(used.is_empty(), "rooms without a row: {used:?}");
}

#[test]
fn a_pure_room_knows_nothing_of_the_world() {
    let pure: BTreeSet<String> =
        rooms(&document()).into_iter().filter(|room| room.pure).map(|room| room.name).collect();
    let mut wrong = Vec::new();
    for (file, source) in code() {
        if room_of(&file).is_some_and(|room| pure.contains(room)) {
            for word in WORLD.iter().filter(|word| source.mentions(word)) {
                wrong.push(format!("{file}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_one_room_is_unsafe() {
    let unsafe_files: Vec<String> =
        code().into_iter().filter(|(_, source)| source.mentions("unsafe")).map(|(file, _)| file).collect();
    let room =
        ["child", "clone", "mod", "parked", "relay", "signals"].map(|file| format!("src/supervise/sys/{file}.rs"));
    assert_eq!(unsafe_files, room);
}

#[test]
fn time_is_an_argument_but_for_those_who_are_named_here() {
    let readers: Vec<String> = code()
        .into_iter()
        .filter(|(_, source)| source.mentions("Instant") || source.mentions("SystemTime"))
        .map(|(file, _)| file)
        .collect();
    let strange: Vec<&String> =
        readers.iter().filter(|file| !CLOCKS.iter().any(|(known, _)| file.starts_with(known))).collect();
    assert!(strange.is_empty(), "these read a clock: {strange:?}");
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let mut too_long = Vec::new();
    for path in [files("src"), files("tests")].concat() {
        let lines = Source::read(&path).lines;
        if lines > LINES {
            too_long.push(format!("{}: {lines}", name(&path)));
        } else if lines > LONG {
            println!("{} has {lines} lines of code; split it by subject before it has {LINES}", name(&path));
        }
    }
    assert!(too_long.is_empty(), "more than {LINES} lines of code: {too_long:?}");
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let document = document();
    for row in table(&document, "Invariants") {
        let mut file = String::new();
        let mut tests = 0;
        for word in quoted(row[2]) {
            if Path::new(word).extension().is_some_and(|kind| kind == "rs") {
                file = fs::read_to_string(Path::new(ROOT).join(word)).expect(word);
            } else {
                assert!(file.contains(&format!("fn {word}()")), "{}: there is no test {word}", row[0]);
                tests += 1;
            }
        }
        assert!(tests > 0 || row[2].starts_with("the same"), "{} names no test", row[0]);
    }
}

#[test]
fn every_invariant_has_a_number_of_its_own() {
    let document = document();
    let rows = table(&document, "Invariants");
    let numbers: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let in_order: Vec<String> = (1..=rows.len()).map(|number| format!("I{number}")).collect();
    assert_eq!(numbers, in_order);
}

#[test]
fn the_document_stays_short_enough_to_be_read() {
    let lines = document().lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines, and 200 are allowed");
}
