use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::inbox::Inbox;
use super::settle::{Settle, Touch};
use super::trail::Trail;
use super::watch_files::fingerprint;
use super::{Candidate, Pace, SourceError, Sources, WatchSet, folders};
use crate::plan::{Event, Seen};

const PATIENCE: Duration = Duration::from_mins(1);

/// So patient that no slow machine cuts a burst in two.
const PATIENT: Pace = Pace { quiet: Duration::from_millis(500), longest: PATIENCE, poll: Duration::from_millis(20) };

fn next<T>(from: &mut mpsc::Receiver<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match from.try_recv() {
            Ok(value) => return value,
            Err(mpsc::error::TryRecvError::Empty) => {
                assert!(Instant::now() < end, "nothing came");
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(mpsc::error::TryRecvError::Disconnected) => panic!("the watching ended"),
        }
    }
}

fn start(document: Option<&Path>, open: folders::Open) -> (Sources, mpsc::Receiver<Candidate>, mpsc::Receiver<Event>) {
    let ((candidates, c), (events, e)) = (mpsc::channel(16), mpsc::channel(16));
    (Sources::start_with(document, candidates, events, open, PATIENT).expect("started"), c, e)
}

fn paths(of: &BTreeSet<PathBuf>, below: &Path) -> Vec<String> {
    of.iter().filter_map(|path| path.strip_prefix(below).ok()).map(|path| path.display().to_string()).collect()
}

#[test]
fn r18_a_file_is_read_when_it_is_quiet_and_closed_and_after_the_longest_wait_in_any_case() {
    let pace = super::PACE;
    let start = Instant::now();
    let mut settle = Settle::begin(start);
    settle.touched(start, "/a".into(), Touch::Moved);
    assert_eq!(settle.due(pace), start + pace.quiet);
    let written = start + Duration::from_millis(30);
    settle.touched(written, "/a".into(), Touch::Written);
    assert_eq!(settle.due(pace), start + pace.longest, "somebody is in the middle of writing");
    let closed = start + Duration::from_millis(700);
    settle.touched(closed, "/a".into(), Touch::Closed);
    assert_eq!(settle.due(pace), closed + pace.quiet);
    settle.touched(start + Duration::from_millis(990), "/a".into(), Touch::Closed);
    assert_eq!(settle.due(pace), start + pace.longest, "a constant stream does not put it off for ever");
}

#[test]
fn r18_a_thousand_writes_are_one_candidate_with_the_last_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mailward.yaml");
    fs::write(&file, "first").expect("written");
    let (sources, mut candidates, _events) = start(Some(&file), folders::inotify);
    assert_eq!(next(&mut candidates).bytes, Ok(b"first".to_vec()));
    for n in 1..=1_000 {
        fs::write(&file, format!("content {n}")).expect("written");
    }
    assert_eq!(next(&mut candidates).bytes, Ok(b"content 1000".to_vec()));
    sources.reread();
    assert_eq!(next(&mut candidates).bytes, Ok(b"content 1000".to_vec()), "nothing came between");
}

static REFUSING: AtomicBool = AtomicBool::new(true);

fn refuse_at_first(inbox: Arc<Inbox>) -> notify::Result<notify::INotifyWatcher> {
    if REFUSING.load(Ordering::SeqCst) {
        return Err(notify::Error::io(std::io::Error::from_raw_os_error(libc::EMFILE)));
    }
    folders::inotify(inbox)
}

#[test]
fn r18_without_inotify_files_are_read_from_time_to_time_and_go_on_being_seen_when_it_can_be_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, other) = (folder.path().join("mailward.yaml"), folder.path().join("imap.conf"));
    fs::write(&file, "first").expect("written");
    let (sources, mut candidates, mut events) = start(Some(&file), refuse_at_first);
    assert_eq!(next(&mut candidates).bytes, Ok(b"first".to_vec()));
    sources.watch(vec![WatchSet { service: "imap".into(), paths: vec![other.clone()] }]);
    let missing = next(&mut events);
    fs::write(&file, "second").expect("written");
    assert_eq!(next(&mut candidates).bytes, Ok(b"second".to_vec()));
    fs::write(&other, "new").expect("written");
    assert_ne!(next(&mut events), missing);
    REFUSING.store(false, Ordering::SeqCst);
    fs::write(&file, "third").expect("written");
    assert_eq!(next(&mut candidates).bytes, Ok(b"third".to_vec()));
}

#[test]
fn r18_a_lost_event_makes_everything_be_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mailward.yaml");
    let (sources, mut candidates, _events) = start(Some(&file), deaf);
    assert_eq!(next(&mut candidates).bytes, Err(SourceError::Missing));
    fs::write(&file, "unseen").expect("written");
    sources.inbox.notified(Ok(notify::Event::new(notify::EventKind::Other).set_flag(notify::event::Flag::Rescan)));
    assert_eq!(next(&mut candidates).bytes, Ok(b"unseen".to_vec()));
}

/// Watches, and tells nobody: as if the kernel's queue had overflowed.
fn deaf(_: Arc<Inbox>) -> notify::Result<notify::INotifyWatcher> {
    notify::Watcher::new(|_| {}, notify::Config::default())
}

#[test]
fn the_trail_of_a_config_map_has_both_of_its_folders_and_the_link_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(folder.path()).expect("a real path");
    fs::create_dir(root.join("..v1")).expect("made");
    fs::write(root.join("..v1/mailward.yaml"), "").expect("written");
    symlink("..v1", root.join("..data")).expect("linked");
    symlink("..data/mailward.yaml", root.join("mailward.yaml")).expect("linked");
    let trail = Trail::of(&[root.join("mailward.yaml")]);
    assert_eq!(paths(&trail.watched, &root), ["", "..v1", "..v1/mailward.yaml"]);
    assert_eq!(paths(&trail.names, &root), ["", "..data", "..v1", "..v1/mailward.yaml", "mailward.yaml"]);
}

#[test]
fn the_trail_of_what_is_missing_ends_at_the_deepest_folder_that_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(folder.path()).expect("a real path");
    let trail = Trail::of(&[root.join("a/b/../c")]);
    assert_eq!(paths(&trail.watched, &root), [""]);
    assert!(paths(&trail.names, &root).contains(&"a".to_owned()));
    symlink(root.join("loop"), root.join("loop")).expect("linked");
    assert_eq!(paths(&Trail::of(&[root.join("loop")]).watched, &root), [""], "a loop of links comes to an end");
}

#[test]
fn r19_the_fingerprint_is_of_contents_and_not_of_times_order_or_repetition() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let both = [a.clone(), b.clone()];
    let nothing = fingerprint(&both);
    fs::write(&a, "").expect("written");
    let empty = fingerprint(&both);
    assert_ne!(nothing, empty, "a missing file is not an empty one");
    fs::write(&a, "1").expect("written");
    fs::write(&b, "2").expect("written");
    let print = fingerprint(&both);
    fs::write(&a, "1").expect("written again");
    assert_eq!(print, fingerprint(&[b.clone(), a.clone(), b.clone()]));
    fs::write(&a, "2").expect("written");
    fs::write(&b, "1").expect("written");
    assert_ne!(print, fingerprint(&both), "contents that changed places");
    assert_ne!(fingerprint(std::slice::from_ref(&a)), fingerprint(&[b]));
}

#[test]
fn r19_of_a_folder_the_files_in_it_count_and_an_editors_leavings_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = [folder.path().to_owned()];
    let empty = fingerprint(&set);
    fs::write(folder.path().join(".a.conf.swp"), "x").expect("written");
    fs::write(folder.path().join("a.conf~"), "x").expect("written");
    assert_eq!(fingerprint(&set), empty);
    fs::write(folder.path().join("a.conf"), "x").expect("written");
    let one = fingerprint(&set);
    assert_ne!(one, empty);
    fs::write(folder.path().join("a.conf"), "y").expect("written");
    assert_ne!(fingerprint(&set), one);
}

#[test]
fn a_pipe_or_a_device_is_never_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    assert_eq!(super::file::read(&pipe), Err(SourceError::NotAFile));
    assert_eq!(super::file::read(Path::new("/dev/zero")), Err(SourceError::NotAFile));
    assert_eq!(super::file::read(folder.path()), Err(SourceError::NotAFile));
    assert_ne!(fingerprint(&[pipe]), fingerprint(&["/dev/zero".into()]));
}

#[test]
fn a_document_is_read_to_one_byte_over_its_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("long");
    fs::write(&file, vec![b'x'; 3 * 1024 * 1024]).expect("written");
    assert_eq!(super::file::read(&file).map(|bytes| bytes.len()), Ok(1024 * 1024 + 1));
}

#[test]
fn a_service_is_told_once_at_first_and_then_only_of_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("imap.conf");
    fs::write(&file, "one").expect("written");
    let (sources, _candidates, mut events) = start(None, folders::inotify);
    let set = |service: &str, paths: &[&PathBuf]| WatchSet {
        service: service.into(),
        paths: paths.iter().map(|path| (*path).clone()).collect(),
    };
    let print = fingerprint(std::slice::from_ref(&file));
    sources.watch(vec![set("imap", &[&file]), set("pop", &[])]);
    let told = |service: &str, print| Event { service: service.into(), what: Seen::Files(print) };
    assert_eq!(next(&mut events), told("imap", print));
    fs::write(&file, "one").expect("the same content");
    sources.watch(vec![set("imap", &[&file]), set("http", &[&file])]);
    assert_eq!(next(&mut events), told("http", print), "imap has nothing new, pop watches nothing");
    fs::write(&file, "two").expect("written");
    let (first, second) = (next(&mut events), next(&mut events));
    let changed = fingerprint(std::slice::from_ref(&file));
    assert_eq!([first, second], [told("imap", changed), told("http", changed)]);
    sources.watch(vec![set("http", &[&file])]);
    fs::write(&file, "three").expect("written");
    assert_eq!(next(&mut events), told("http", fingerprint(std::slice::from_ref(&file))), "imap is forgotten");
}
