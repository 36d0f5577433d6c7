//! Every way in which a file is replaced, as editors, packages, git and Kubernetes do it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailward::plan::{Event, Seen};
use mailward::sources::watch_files::fingerprint;
use mailward::sources::{Candidate, Origin, SourceError, Sources, WatchSet};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_mins(1);

struct Watched {
    root: PathBuf,
    file: PathBuf,
    candidates: mpsc::Receiver<Candidate>,
    events: mpsc::Receiver<Event>,
    sources: Sources,
    _folder: tempfile::TempDir,
}

impl Watched {
    /// The document `conf/mailward.yaml` and the watched file `conf/imap.conf` below a new folder that `prepare` fills.
    async fn new(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_owned();
        prepare(&root);
        let file = root.join("conf/mailward.yaml");
        let ((c, candidates), (e, events)) = (mpsc::channel(16), mpsc::channel(16));
        let sources = Sources::start(Some(&file), c, e).expect("started");
        let mut watched = Self { root, file, candidates, events, sources, _folder: folder };
        watched.candidate().await;
        watched
            .sources
            .watch(vec![WatchSet { service: "imap".into(), paths: vec![watched.root.join("conf/imap.conf")] }]);
        watched.event().await;
        watched
    }

    async fn plain() -> Self {
        Self::new(|root| {
            fs::create_dir(root.join("conf")).expect("made");
            fs::write(root.join("conf/mailward.yaml"), "first").expect("written");
            fs::write(root.join("conf/imap.conf"), "first").expect("written");
        })
        .await
    }

    async fn candidate(&mut self) -> Candidate {
        tokio::time::timeout(PATIENCE, self.candidates.recv()).await.expect("in time").expect("a candidate")
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("in time").expect("an event")
    }

    /// Waits for this content; on a slow machine a state in between may come first.
    async fn reads(&mut self, content: &str) {
        while self.candidate().await.bytes != Ok(content.into()) {}
    }

    async fn fails(&mut self, error: SourceError) {
        while self.candidate().await.bytes != Err(error) {}
    }

    async fn sees(&mut self, content: &str) {
        assert_eq!(fs::read(self.root.join("conf/imap.conf")).expect("read"), content.as_bytes());
        let print = fingerprint(&[self.root.join("conf/imap.conf")]);
        while self.event().await != (Event { service: "imap".into(), what: Seen::Files(print) }) {}
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("written");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }
}

#[tokio::test]
async fn r18_a_file_that_is_renamed_over_the_document_is_seen_again_and_again() {
    let mut watched = Watched::plain().await;
    for n in 0..5 {
        for name in ["mailward.yaml", "imap.conf"] {
            watched.write(&format!("conf/.{name}.new"), &format!("renamed {n}"));
            watched.rename(&format!("conf/.{name}.new"), &format!("conf/{name}"));
        }
        watched.reads(&format!("renamed {n}")).await;
        watched.sees(&format!("renamed {n}")).await;
    }
    watched.write("conf/mailward.yaml", "in place after a rename");
    watched.reads("in place after a rename").await;
    assert_eq!(fs::read_dir(watched.path("conf")).expect("read").count(), 2);
}

#[tokio::test]
async fn r18_a_write_in_place_is_read_when_the_writer_is_done() {
    let mut watched = Watched::plain().await;
    let mut writer = fs::File::create(&watched.file).expect("truncated");
    for piece in ["one ", "two ", "three"] {
        writer.write_all(piece.as_bytes()).expect("written");
    }
    drop(writer);
    watched.reads("one two three").await;
    watched.write("conf/imap.conf", "in place");
    watched.sees("in place").await;
}

#[tokio::test]
async fn r18_a_deleted_document_is_an_error_and_a_new_one_in_its_place_is_read() {
    let mut watched = Watched::plain().await;
    for n in 0..3 {
        fs::remove_file(&watched.file).expect("deleted");
        watched.fails(SourceError::Missing).await;
        let content = format!("recreated {n}");
        watched.write("conf/mailward.yaml", &content);
        watched.reads(&content).await;
    }
}

#[tokio::test]
async fn r18_the_swap_of_a_config_map_is_seen_each_time() {
    fn version(root: &Path, n: u32) {
        let folder = root.join(format!("conf/..v{n}"));
        fs::create_dir_all(&folder).expect("made");
        for name in ["mailward.yaml", "imap.conf"] {
            fs::write(folder.join(name), format!("version {n}")).expect("written");
        }
        symlink(format!("..v{n}"), root.join("conf/..data_tmp")).expect("linked");
        fs::rename(root.join("conf/..data_tmp"), root.join("conf/..data")).expect("swapped");
        if n > 0 {
            fs::remove_dir_all(root.join(format!("conf/..v{}", n - 1))).expect("the old one goes");
        }
    }
    let mut watched = Watched::new(|root| {
        version(root, 0);
        for name in ["mailward.yaml", "imap.conf"] {
            symlink(format!("..data/{name}"), root.join("conf").join(name)).expect("linked");
        }
    })
    .await;
    for n in 1..6 {
        version(&watched.root, n);
        watched.reads(&format!("version {n}")).await;
        watched.sees(&format!("version {n}")).await;
    }
}

#[tokio::test]
async fn r18_the_folder_itself_may_be_replaced_moved_away_or_made_late() {
    let mut watched = Watched::plain().await;
    for n in 0..3 {
        fs::create_dir(watched.path("next")).expect("made");
        watched.write("next/mailward.yaml", &format!("folder {n}"));
        watched.write("next/imap.conf", &format!("folder {n}"));
        watched.rename("conf", &format!("old{n}"));
        watched.rename("next", "conf");
        watched.reads(&format!("folder {n}")).await;
        watched.sees(&format!("folder {n}")).await;
        watched.write("conf/mailward.yaml", &format!("in the new folder {n}"));
        watched.reads(&format!("in the new folder {n}")).await;
    }
    fs::remove_dir_all(watched.path("conf")).expect("deleted");
    watched.fails(SourceError::Missing).await;
    fs::create_dir(watched.path("conf")).expect("made");
    watched.write("conf/mailward.yaml", "late");
    watched.write("conf/imap.conf", "late");
    watched.reads("late").await;
    watched.sees("late").await;
}

#[tokio::test]
async fn r18_a_folder_that_is_a_symlink_may_be_pointed_elsewhere_and_its_target_may_change() {
    let mut watched = Watched::new(|root| {
        for n in 1..3 {
            fs::create_dir_all(root.join(format!("releases/{n}"))).expect("made");
            fs::write(root.join(format!("releases/{n}/mailward.yaml")), format!("release {n}")).expect("written");
        }
        symlink(root.join("releases/1"), root.join("conf")).expect("linked");
    })
    .await;
    symlink(watched.path("releases/2"), watched.path("conf.new")).expect("linked");
    watched.rename("conf.new", "conf");
    watched.reads("release 2").await;
    watched.write("releases/2/mailward.yaml", "release 2a");
    watched.reads("release 2a").await;
}

#[tokio::test]
async fn r18_a_document_that_appears_folder_by_folder_is_found() {
    let mut watched = Watched::new(|_| {}).await;
    fs::create_dir(watched.path("conf")).expect("made");
    watched.write("conf/mailward.yaml", "at last");
    watched.reads("at last").await;
}

#[tokio::test]
async fn r18_an_unreadable_kind_of_file_is_named_and_its_replacement_read() {
    let mut watched = Watched::plain().await;
    fs::remove_file(&watched.file).expect("deleted");
    fs::create_dir(&watched.file).expect("made");
    watched.fails(SourceError::NotAFile).await;
    fs::remove_dir(&watched.file).expect("deleted");
    watched.write("conf/mailward.yaml", "a file");
    watched.reads("a file").await;
}

#[tokio::test]
async fn r21_reading_and_touching_are_no_changes_and_dropping_ends_it() {
    let mut watched = Watched::plain().await;
    fs::read(&watched.file).expect("read");
    watched.write("conf/mailward.yaml", "first");
    watched.write("conf/imap.conf", "first");
    watched.write("conf/other", "somebody else's");
    watched.sources.reread();
    let again = watched.candidate().await;
    assert_eq!(again, Candidate { bytes: Ok(b"first".to_vec()), origin: Origin::File(watched.file.clone()) });
    watched.write("conf/mailward.yaml", "second");
    assert_eq!(watched.candidate().await.bytes, Ok(b"second".to_vec()), "nothing came between");
    let Watched { mut candidates, mut events, sources, .. } = watched;
    drop(sources);
    assert_eq!((candidates.recv().await, events.recv().await), (None, None));
}

#[tokio::test]
async fn r18_a_folder_that_is_exchanged_with_all_below_it_is_watched_with_all_below_it() {
    // The folder is watched, what the document's link leads to below it is watched, and so is the folder around both.
    fn shape(folder: &Path, content: &str) {
        fs::create_dir_all(folder.join("sub")).expect("made");
        fs::write(folder.join("sub/mailward.yaml"), content).expect("written");
        symlink("sub/mailward.yaml", folder.join("mailward.yaml")).expect("linked");
    }
    let mut watched = Watched::new(|root| {
        shape(&root.join("real"), "first");
        symlink("real", root.join("conf")).expect("linked");
    })
    .await;
    for n in 0..3 {
        shape(&watched.path("next"), &format!("exchanged {n}"));
        watched.rename("real", &format!("old-{n}"));
        watched.rename("next", "real");
        watched.reads(&format!("exchanged {n}")).await;
        watched.write("real/sub/mailward.yaml", &format!("written {n}"));
        watched.reads(&format!("written {n}")).await;
    }
}

/// One step of a disorderly life of `conf/mailward.yaml`; a step that is not possible now does nothing.
fn disturb(root: &Path, kind: u64, content: &str) {
    let at = |name: &str| root.join(name);
    let replace = |name: &str| {
        fs::rename(at("conf"), at(&format!("old-{content}"))).ok();
        fs::rename(at(name), at("conf")).ok();
    };
    match kind {
        0 | 1 => drop(fs::write(at("conf/mailward.yaml"), content)),
        2 => {
            fs::write(at("conf/.new"), content).ok();
            fs::rename(at("conf/.new"), at("conf/mailward.yaml")).ok();
        }
        3 => drop(fs::remove_file(at("conf/mailward.yaml"))),
        4 => {
            fs::remove_file(at("conf")).or_else(|_| fs::remove_dir_all(at("conf"))).ok();
            fs::create_dir(at("conf")).ok();
        }
        5 => {
            fs::create_dir(at("next")).ok();
            fs::write(at("next/mailward.yaml"), content).ok();
            replace("next");
        }
        6 => {
            let release = at(&format!("release-{content}"));
            fs::create_dir(&release).ok();
            fs::write(release.join("mailward.yaml"), content).ok();
            symlink(&release, at("link")).ok();
            replace("link");
        }
        7 => {
            let version = at(&format!("conf/..v-{content}"));
            fs::create_dir(&version).ok();
            fs::write(version.join("mailward.yaml"), content).ok();
            fs::remove_file(at("conf/mailward.yaml")).ok();
            symlink("..data/mailward.yaml", at("conf/mailward.yaml")).ok();
            symlink(format!("..v-{content}"), at("conf/..tmp")).ok();
            fs::rename(at("conf/..tmp"), at("conf/..data")).ok();
        }
        _ => drop(fs::remove_file(at("conf")).or_else(|_| fs::remove_dir_all(at("conf")))),
    }
}

/// One seeded life; at its end the last state has been told and the next change is.
async fn disorder(seed: u64) {
    let mut watched = Watched::plain().await;
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut told = Ok(b"first".to_vec());
    for n in 0..40 {
        // xorshift64; the pauses only vary how the steps and the looks interleave.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        disturb(&watched.root, random % 9, &format!("{n}"));
        if (random >> 32).is_multiple_of(4) {
            tokio::time::sleep(Duration::from_millis((random >> 40) % 64)).await;
        }
        while let Ok(candidate) = watched.candidates.try_recv() {
            told = candidate.bytes;
        }
    }
    let is = fs::read(&watched.file).map_err(|_| SourceError::Missing);
    while told != is {
        told = watched.candidate().await.bytes;
    }
    disturb(&watched.root, if is.is_ok() { seed % 3 } else { 4 + seed % 2 }, "next");
    watched.write("conf/mailward.yaml", &format!("the end of {seed}"));
    watched.reads(&format!("the end of {seed}")).await;
}

#[tokio::test]
async fn r18_after_any_disorder_the_last_state_is_the_one_that_is_told_and_the_next_change_is_seen() {
    let lives: Vec<_> = (1..=24).map(|seed| (seed, tokio::spawn(disorder(seed)))).collect();
    for (seed, life) in lives {
        assert!(life.await.is_ok(), "seed {seed}");
    }
}
