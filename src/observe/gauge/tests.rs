//! Real folders and real file systems.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use super::*;
use crate::desired::Reserve;

fn queue(kind: QueueKind, path: &Path, age: Option<Duration>) -> Measured {
    Measured::Queue { kind, path: path.display().to_string(), messages: Some(1), age }
}

fn read_one(of: &Measured) -> io::Result<(Vec<Waiting>, bool)> {
    match measure(of, &AtomicBool::new(false))? {
        Reading::Queue { folders, whole } => Ok((folders, whole)),
        other @ (Reading::Disk { .. } | Reading::Unknown(_)) => panic!("{other:?}"),
    }
}

#[test]
fn r08_ten_thousand_files_are_counted_and_what_is_no_file_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..10_000 {
        fs::write(folder.path().join(number.to_string()), "").expect("written");
    }
    symlink("/etc", folder.path().join("link")).expect("linked");
    let deep = folder.path().join("a/b/c/d");
    fs::create_dir_all(&deep).expect("made");
    fs::write(folder.path().join("a/b/c/counted"), "").expect("written");
    fs::write(deep.join("too deep"), "").expect("written");
    let (folders, whole) = read_one(&queue(QueueKind::Directory, folder.path(), None)).expect("read");
    assert_eq!((folders[0].messages, folders[0].oldest, whole), (10_001, None, true));
}

#[test]
fn r08_the_age_of_a_file_is_the_time_since_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, age) in [("old", 7_200), ("new", 60)] {
        let file = fs::File::create(folder.path().join(name)).expect("made");
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("an old time");
    }
    let (folders, _) = read_one(&queue(QueueKind::Directory, folder.path(), Some(Duration::ZERO))).expect("read");
    let oldest = folders[0].oldest.expect("an age").as_secs();
    assert!((7_200..7_300).contains(&oldest), "{oldest}");
}

#[test]
fn r08_the_folders_of_postfix_are_counted_one_by_one_and_a_next_attempt_is_no_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let named = |words: &[&str]| words.iter().fold(folder.path().to_owned(), |path, word| path.join(word));
    for (path, files) in [(&["hold"][..], 2), (&["deferred", "A"], 3), (&["deferred", "F"], 1), (&["trace"], 9)] {
        fs::create_dir_all(named(path)).expect("made");
        for number in 0..files {
            let file = fs::File::create(named(path).join(number.to_string())).expect("made");
            file.set_modified(SystemTime::now() + Duration::from_hours(4)).expect("a time to come");
        }
    }
    let (folders, whole) = read_one(&queue(QueueKind::Postfix, folder.path(), Some(Duration::ZERO))).expect("read");
    let counted: Vec<_> = folders.iter().map(|folder| (folder.folder, folder.messages)).collect();
    assert_eq!((counted, whole), (vec![("deferred", 4), ("hold", 2)], true));
    assert!(folders.iter().all(|folder| folder.oldest.is_some()));
}

#[test]
fn r08_what_is_not_there_is_an_error_with_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = read_one(&queue(QueueKind::Postfix, folder.path(), None)).expect_err("no queue");
    assert!(error.to_string().contains("none of Postfix's folders"), "{error}");
    let gone = folder.path().join("gone");
    assert!(read_one(&queue(QueueKind::Directory, &gone, None)).is_err());
    let disk = Measured::Disk { path: gone.display().to_string(), room: Some(Reserve::Percent(1)), inodes: None };
    assert!(measure(&disk, &AtomicBool::new(false)).is_err());
}

#[test]
fn r08_a_walk_that_is_told_to_be_done_says_that_not_all_was_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("one"), "").expect("written");
    let of = queue(QueueKind::Directory, folder.path(), None);
    let told = measure(&of, &AtomicBool::new(true)).expect("read");
    let waiting = Waiting::default();
    assert_eq!(told, Reading::Queue { folders: vec![waiting], whole: false });
}

#[test]
fn r08_a_thread_that_did_not_come_back_is_never_doubled() {
    let mut threads = Threads::default();
    let name = Name::from("disk /hangs");
    let hanging = threads.begin(&name).expect("the first");
    assert!(threads.begin(&name).is_none());
    assert!(threads.begin(&Name::from("disk /other")).is_some());
    drop(hanging);
    assert!(threads.begin(&name).is_some());
}
