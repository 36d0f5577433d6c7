//! Whatever the bytes are, there is an answer, soon, and no panic.

use std::fmt::Write as _;

use super::super::tree::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
use super::{broken, read, said, text};
use crate::document::Severity;

#[test]
fn a_document_over_one_mebibyte_is_refused_whatever_is_in_it() {
    assert_eq!(broken(&vec![b'a'; MAX_BYTES + 1]), ["yaml-size"]);
    assert_eq!(broken(&vec![b'['; 10 * MAX_BYTES]), ["yaml-size"]);
    let mut padded = text("profile: Oracle\nservices: [{name: sched, enabled: false}]").into_bytes();
    padded.resize(MAX_BYTES, b'\n');
    assert!(broken(&padded).is_empty(), "a mebibyte is still read");
}

#[test]
fn nesting_is_bounded_in_every_style() {
    let deep = |open: &str, close: &str, levels: usize| format!("a: {}{}", open.repeat(levels), close.repeat(levels));
    assert_eq!(broken(deep("[", "]", MAX_DEPTH).as_bytes()), ["yaml-depth"]);
    assert_eq!(broken(deep("{a: ", "}", MAX_DEPTH).as_bytes()), ["yaml-depth"]);
    assert_eq!(broken("[".repeat(MAX_BYTES / 2).as_bytes()), ["yaml-depth"]);
    assert_eq!(broken("- ".repeat(MAX_BYTES / 2).as_bytes()), ["yaml-depth"]);
    let block: String = (0..=MAX_DEPTH).fold(String::new(), |mut text, level| {
        let _ = writeln!(text, "{}a:", " ".repeat(level));
        text
    });
    assert_eq!(broken(block.as_bytes()), ["yaml-depth"]);
    let below = deep("[", "]", MAX_DEPTH - 1);
    assert!(!broken(below.as_bytes()).contains(&"yaml-depth"), "one level less is looked at");
}

#[test]
fn aliases_count_as_what_they_expand_to() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        let _ = writeln!(laughs, "a{level}: &a{level} [{}]", vec![before; 10].join(", "));
    }
    assert_eq!(broken(laughs.as_bytes()), ["yaml-nodes"]);

    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(MAX_BYTES / 2), vec!["*a"; 100].join(", "));
    assert_eq!(broken(long.as_bytes()), ["yaml-size"]);

    let ladder = (1..MAX_DEPTH).fold("a0: &a0 [x]\n".to_owned(), |mut text, level| {
        let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
        text
    });
    assert_eq!(broken(ladder.as_bytes()), ["yaml-depth"]);
}

#[test]
fn nodes_are_bounded_where_they_are_written_out() {
    let lists = format!("a: [{}]", vec!["[]"; MAX_NODES].join(","));
    assert_eq!(broken(lists.as_bytes()), ["yaml-nodes"]);
}

#[test]
fn four_thousand_and_ninety_six_services_fit_into_a_file_and_one_more_does_not() {
    let services = |number: usize| {
        let list = (0..number).fold("profile: Custom\nservices:\n".to_owned(), |mut list, at| {
            let _ = writeln!(list, "- {{name: s{at}, command: [/bin/s, \"{at}\"], dependsOn: []}}");
            list
        });
        text(&list.replace(", dependsOn: []", ""))
    };
    assert_eq!(broken(services(128).as_bytes()), [""; 0]);
    assert_eq!(broken(services(129).as_bytes()), ["many-services"]);
    assert_eq!(broken(services(4_096).as_bytes()), ["many-services"]);
    assert_eq!(broken(services(4_097).as_bytes()), ["too-many"]);
}

#[test]
fn a_hundred_thousand_errors_are_cut_to_a_thousand_and_the_rest_is_counted() {
    let keys = (0..100_000).fold(String::new(), |mut keys, at| {
        let _ = writeln!(keys, "k{at}:");
        keys
    });
    let read = read(keys.as_bytes(), "test");
    assert_eq!(read.diagnostics.len(), 1_001);
    assert!(said(&read).contains("more are not shown"));
    let twice = "a: 1\n".repeat(100_000);
    assert!(broken(twice.as_bytes()).contains(&"yaml-duplicate-key"));
}

#[test]
fn keys_and_values_of_any_length_fit_a_line_of_the_answer() {
    let long = "x".repeat(MAX_BYTES / 4);
    for spec in
        [format!("{long}: 1"), format!("profile: {long}"), format!("profile: Custom\nservices: [{{name: {long}}}]")]
    {
        let read = read(text(&spec).as_bytes(), "test");
        assert!(read.document.is_none());
        assert!(said(&read).len() < 10_000, "{} bytes", said(&read).len());
    }
}

#[test]
fn a_caret_stands_under_a_value_far_right() {
    let spec = format!("profile: Custom\nservices: [{}{{name: X}}]", " ".repeat(500));
    let read = read(text(&spec).as_bytes(), "test");
    let words = said(&read);
    let lines: Vec<&str> = words.lines().collect();
    let caret = lines[2].find('^').unwrap();
    assert_eq!(&lines[1][caret..=caret], "X", "{words}");
}

#[test]
fn nothing_in_a_text_reaches_the_terminal_as_a_control_character() {
    for bytes in [
        b"kind: \x1b[2Jx\n".to_vec(),
        b"\xef\xbb\xbfkind: x\n".to_vec(),
        "kind: \"\\e[2J\\u202e\"\n".as_bytes().to_vec(),
        b"\xff\xfe\x1b\n".to_vec(),
        "a\u{202e}b: [\n".as_bytes().to_vec(),
    ] {
        let read = read(&bytes, "test");
        assert!(read.document.is_none());
        for c in said(&read).chars() {
            assert!(c == '\n' || !(c.is_control() || matches!(c, '\u{feff}' | '\u{202e}')), "{c:?} in {}", said(&read));
        }
    }
}

/// A small generator (xorshift64), so that a failure can be had again from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn mutated_documents_never_panic_and_are_refused_only_with_a_reason() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents/good");
    let mut originals: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    originals.sort();
    let pieces: [&[u8]; 24] = [
        b"\t",
        b"\0",
        b"\xff",
        b"yes",
        b"~",
        b"*a",
        b"&a ",
        b"<<: ",
        b"!!str ",
        b"- ",
        b"? ",
        b"|\n",
        b"\"",
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b": ",
        b"#",
        b"---\n",
        b"0143",
        b"\xe2\x80\xa8",
        b"\n  ",
    ];
    let (mut taken, mut refused) = (0, 0);
    for seed in 1..=3_000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (name, original) = &originals[dice.roll(originals.len())];
        let mut bytes = original.clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                2 => drop(bytes.splice(at..at, pieces[dice.roll(pieces.len())].iter().copied())),
                3 => {
                    let end = (at + dice.roll(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = dice.roll(bytes.len());
                    drop(bytes.splice(to..to, piece));
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(b'a');
            }
        }
        let read = read(&bytes, "test");
        let errors = read.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        assert_eq!(read.document.is_none(), errors > 0, "seed {seed} of {name}: {}", said(&read));
        let words = said(&read);
        assert!(words.is_empty() || words.contains("test"), "seed {seed}");
        match read.document {
            Some(document) => {
                taken += 1;
                let desired = super::resolve(&document, 1);
                assert_eq!(desired.topological.len(), desired.services.len(), "seed {seed} of {name}");
            }
            None => refused += 1,
        }
    }
    assert!(taken > 100 && refused > 100, "both ways are walked: {taken} taken, {refused} refused");
}

#[test]
fn a_mebibyte_in_one_line_of_wrong_values_is_answered_with_a_piece_of_it_each() {
    let variables = vec!["{name: A, value: 1, x: y}"; 64].join(&format!(",{}", " ".repeat(80)));
    let service = format!("{{name: A, command: [1, 2], environment: [{variables}]}}");
    let spec = format!("profile: Custom\nservices: [{}]", vec![service; 120].join(", "));
    let text = text(&spec);
    assert!(text.len() > MAX_BYTES * 3 / 4 && text.len() <= MAX_BYTES);
    let read = read(text.as_bytes(), "test");
    assert_eq!(read.diagnostics.len(), 1_001);
    assert!(read.diagnostics.iter().all(|diagnostic| diagnostic.text.chars().count() <= 120));
    assert!(!said(&read).contains("value: 1"), "{}", said(&read));
}
