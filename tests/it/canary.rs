//! The canary among servers that are made of words: which hop is named for what they say. Real ones are in
//! `real_mail/canary.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailward::desired::{Canary, Listener, Probe, Protocol, Tls};
use mailward::model::Wall;
use mailward::observe::canary::run;
use mailward::status::{CanaryRun, Hop, HopOutcome};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

const DATE: &str = "Thu, 26 Nov 2026 12:00:00 +0000";

/// What the three servers say; times are counted by looks into the mailbox.
#[derive(Clone, Copy)]
struct World {
    /// The answer to the message.
    message: &'static str,
    /// The answer to RCPT where mail is delivered; empty where nobody listens.
    rcpt: &'static str,
    /// The first line of the mailbox.
    imap: &'static str,
    /// At which look the message is there.
    arrives: usize,
}

const SOUND: World = World { message: "250 queued", rcpt: "250 ok", imap: "* PREAUTH ready", arrives: 0 };

async fn follow(world: World) -> CanaryRun {
    let folder = tempfile::tempdir().expect("a folder");
    let canary = Canary {
        server: "mail".into(),
        sender: "canary@example.org".to_owned(),
        recipient: "canary@example.org".to_owned(),
        period: None,
        timeout: Duration::from_secs(30),
        submit: at(&folder, Protocol::Submission),
        deliver: Some(at(&folder, Protocol::Lmtp)),
        read: at(&folder, Protocol::Imap),
    };
    let looks = Arc::new(AtomicUsize::new(0));
    let mut serving = vec![serve(&folder, Protocol::Submission, "220 hello", move |line| match line {
        "DATA" => "354 go".to_owned(),
        "." => world.message.to_owned(),
        line if line.contains(": ") || line.is_empty() || line.starts_with("Sent to see") => String::new(),
        _ => "250 ok".to_owned(),
    })];
    if !world.rcpt.is_empty() {
        serving.push(serve(&folder, Protocol::Lmtp, "220 hello", move |line| {
            if line.starts_with("RCPT") { world.rcpt.to_owned() } else { "250 ok".to_owned() }
        }));
    }
    serving.push(serve(&folder, Protocol::Imap, world.imap, move |line| {
        let (tag, command) = line.split_once(' ').expect("a tag");
        let look = if command == "SELECT INBOX" {
            looks.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            looks.load(Ordering::Relaxed)
        };
        // The first look is for what earlier runs left.
        let is_there = look > world.arrives.saturating_add(1);
        match command.split(' ').next().expect("a word") {
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 UIDPLUS\r\n{tag} OK"),
            "UID" if command.contains("SEARCH") && is_there => format!("* SEARCH 9\r\n{tag} OK"),
            "UID" if command.contains("SEARCH") => format!("* SEARCH\r\n{tag} OK"),
            _ => format!("{tag} OK"),
        }
    }));
    let run = run(&canary, Wall(1_000), DATE).await;
    serving.iter().for_each(tokio::task::JoinHandle::abort);
    run
}

fn path(folder: &TempDir, protocol: Protocol) -> PathBuf {
    folder.path().join(format!("{protocol:?}"))
}

fn at(folder: &TempDir, protocol: Protocol) -> Listener {
    let socket = Some(path(folder, protocol).to_str().expect("a plain path").to_owned());
    Listener { address: None, port: None, socket, protocol, tls: Tls::None, probe: Probe::default() }
}

/// A server that greets and answers each line; an empty answer is none.
fn serve(
    folder: &TempDir,
    protocol: Protocol,
    greeting: &'static str,
    mut answer: impl FnMut(&str) -> String + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let path: &Path = &path(folder, protocol);
    let listener = UnixListener::bind(path).expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            // A client that goes in mid sentence is no failure of the server.
            let _ = attend(stream, greeting, &mut answer).await;
        }
    })
}

async fn attend(stream: UnixStream, greeting: &str, answer: &mut impl FnMut(&str) -> String) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(format!("{greeting}\r\n").as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let said = answer(line.trim_end());
        if !said.is_empty() {
            stream.write_all(format!("{said}\r\n").as_bytes()).await?;
        }
        line.clear();
    }
    Ok(())
}

/// The hops that were passed, and the one that broke with its words.
fn told(run: &CanaryRun) -> (Vec<Hop>, Option<(Hop, &str)>) {
    let passed = run.hops.iter().filter(|hop| hop.outcome == HopOutcome::Passed).map(|hop| hop.hop);
    (passed.collect(), run.broken().map(|hop| (hop.hop, hop.words.as_str())))
}

const ALL: [Hop; 5] = [Hop::Smtp, Hop::Lmtp, Hop::Queue, Hop::Imap, Hop::Delete];

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_at_once_or_late_passes_every_hop() {
    for arrives in [0, 1, 4] {
        let run = follow(World { arrives, ..SOUND }).await;
        assert_eq!(told(&run), (ALL.to_vec(), None), "{arrives}");
        assert!(run.came_through());
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_the_message_itself_has_filled_breaks_nothing() {
    let run = follow(World { rcpt: "552 5.2.2 quota exceeded", ..SOUND }).await;
    assert_eq!(told(&run), (ALL.to_vec(), None));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_come_is_held_up_by_lmtp_where_that_says_no_or_is_gone() {
    let never = World { arrives: usize::MAX, ..SOUND };
    for (rcpt, words) in [("452 4.2.2 quota exceeded", "quota exceeded"), ("", "")] {
        let run = follow(World { rcpt, ..never }).await;
        let (passed, broken) = told(&run);
        let (hop, said) = broken.expect("it broke");
        assert_eq!((passed, hop), (vec![Hop::Smtp], Hop::Lmtp));
        assert!(said.contains(words) && !said.is_empty(), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_come_though_lmtp_takes_it_is_in_the_queue() {
    let run = follow(World { arrives: usize::MAX, ..SOUND }).await;
    let (passed, broken) = told(&run);
    assert_eq!((passed, broken.map(|broken| broken.0)), (vec![Hop::Smtp, Hop::Lmtp], Some(Hop::Queue)));
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_does_not_let_anybody_in_is_named_whatever_lmtp_says() {
    for rcpt in ["250 ok", "452 4.2.2 quota exceeded", ""] {
        let run = follow(World { imap: "* BYE overloaded", rcpt, ..SOUND }).await;
        assert_eq!(told(&run), (vec![], Some((Hop::Imap, "* BYE overloaded"))), "{rcpt}: nothing is sent");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_taken_is_looked_for_nowhere() {
    let run = follow(World { message: "554 5.7.1 no", ..SOUND }).await;
    assert_eq!(told(&run), (vec![], Some((Hop::Smtp, "554 5.7.1 no"))));
}
