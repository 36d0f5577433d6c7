//! The corpus of the fuzz targets, played on the stable compiler: what once broke a parser, and one input of each kind.
//! A new finding of `make fuzz` is copied into `tests/fuzz/corpus/TARGET`.
#![cfg(feature = "agent")]
#![allow(missing_docs, reason = "nobody links against a test")]

#[path = "fuzz/parsers.rs"]
mod parsers;

use std::fs;
use std::path::Path;

#[test]
fn every_input_of_the_corpus_is_taken_by_its_parser() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, parser) in parsers::PARSERS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(name)).expect("each parser has a folder") {
            let path = entry.expect("it can be read").path();
            println!("{}", path.display());
            let bytes = fs::read(&path).expect("it can be read");
            parser(&bytes);
            // The same, cut short and with a byte turned: still no panic.
            parser(&bytes[..bytes.len() / 2]);
            let mut turned = bytes;
            if let Some(byte) = turned.last_mut() {
                *byte ^= 0x80;
            }
            parser(&turned);
            inputs += 1;
        }
        assert!(inputs > 2, "{name} has {inputs} inputs");
    }
}
