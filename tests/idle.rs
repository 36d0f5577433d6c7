//! What must wake nobody ([R21]). A program of its own, so that every thread in it belongs to the one test.
#![cfg(feature = "agent")]
#![allow(missing_docs, reason = "nobody links against a test")]

use std::fs;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use mailward::sources::{Candidate, Sources};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_mins(1);

/// The threads that watch files, by the first 15 bytes of their names (proc(5), `comm`).
fn watching_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("there is /proc").filter_map(Result::ok);
    tasks
        .map(|task| task.path().to_string_lossy().into_owned())
        .filter(|task| {
            let comm = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
            comm.starts_with("mailward-files") || comm.starts_with("notify-rs")
        })
        .collect()
}

/// How often they went to sleep of their own accord, which is how often they were woken, but for one.
fn wakes(threads: &[String]) -> u64 {
    let of = |thread: &String| {
        let status = fs::read_to_string(format!("{thread}/status")).expect("the thread lives");
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse::<u64>().ok()).expect("the kernel counts them")
    };
    threads.iter().map(of).sum()
}

#[test]
fn r21_a_thousand_opens_and_reads_in_a_watched_folder_wake_nobody() {
    const OPENS: u64 = 1_000;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, other) = (folder.path().join("mailward.yaml"), folder.path().join("passwd"));
    fs::write(&file, "first").expect("written");
    fs::write(&other, "read by everybody").expect("written");
    let ((candidates, mut told), (events, _events)) = (mpsc::channel(16), mpsc::channel(16));
    let _sources = Sources::start(Some(&file), candidates, events).expect("started");
    let mut next = || -> Candidate { told.blocking_recv().expect("a candidate") };
    assert_eq!(next().bytes, Ok(b"first".to_vec()));
    let threads = watching_threads();
    assert_eq!(threads.len(), 2, "one that looks and one of inotify: {threads:?}");

    // A watcher that asks for everything is the witness that each open could have been told: it is waited for, so that
    // opens cannot hide behind one another in one wake-up.
    let (saw, seen) = std_mpsc::channel();
    let mut witness = notify::recommended_watcher(saw).expect("a second inotify instance");
    witness.watch(folder.path(), RecursiveMode::NonRecursive).expect("watched");
    let read_is_seen = || {
        let end = EventKind::Access(AccessKind::Close(AccessMode::Read));
        while seen.recv_timeout(PATIENCE).expect("the witness sees it").expect("no error").kind != end {}
    };
    let before = wakes(&threads);
    for n in 0..OPENS {
        fs::read(if n % 2 == 0 { &file } else { &other }).expect("read");
        read_is_seen();
    }
    // A change at the end: when it is told, everything before it has been through the kernel's queue.
    fs::write(&file, "second").expect("written");
    assert_eq!(next().bytes, Ok(b"second".to_vec()));
    let woken = wakes(&threads) - before;
    assert!(woken > 0, "the change itself wakes, or nothing is counted here");
    assert!(woken < OPENS / 10, "{OPENS} opens and one change woke the watching threads {woken} times");
}
