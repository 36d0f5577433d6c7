//! Every parser of what strangers write, as a function of bytes that panics where a promise is broken. Called by the
//! fuzz targets, and by the test command for each file of the corpus.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each fuzz target uses one of these")]

use mailward::control::{End, OrderRequest};
use mailward::desired::Protocol;
use mailward::document;
use mailward::engine::{Order, Whom};
use mailward::ledger::{self, Epoch};
use mailward::model::{Fingerprint, Incarnation, Life};
use mailward::observe::pressure::last_ten_seconds;
use mailward::policy::cron::{Crontab, DayRule};
use mailward::protocol::sd_notify::{Word, read as read_notify};
use mailward::protocol::watcher::{Dialogue as Client, Heard, LINE, Word as Said};
use mailward::protocol::{
    Credentials, Dialogue, Errand, Input, Letter, Mark, Output, Script, TOTAL_LIMIT, Verdict, certificate,
};
use mailward::sim::Scenario;
use mailward::supervise::texts;

/// A parser with its name, which is the target's and the corpus's folder's.
pub type Parser = (&'static str, fn(&[u8]));

/// Every parser of something that a stranger may write.
pub const PARSERS: [Parser; 13] = [
    ("certificate", certificate),
    ("control", control),
    ("cron", cron),
    ("dialogue", dialogue),
    ("document", document),
    ("errand", errand),
    ("journal", journal),
    ("pid_file", pid_file),
    ("proc", proc),
    ("protocol", protocol),
    ("scenario", scenario),
    ("sd_notify", sd_notify),
    ("watcher", watcher),
];

/// The document: refused with a reason or taken, the same each time, and what is printed cannot steer a terminal.
pub fn document(bytes: &[u8]) {
    let read = document::read(bytes, "fuzz.yaml");
    let words: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    for word in &words {
        let control = word.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{word:?}");
        assert!(word.len() < 8 * 1024, "{} bytes of one diagnostic", word.len());
    }
    let again = document::read(bytes, "fuzz.yaml");
    assert_eq!(words, again.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(read.document, again.document);
    let Some(document) = read.document else {
        assert!(!words.is_empty(), "refused without a word");
        return;
    };
    let desired = document::resolve(&document, 1);
    assert!(desired == document::resolve(&document, 1), "resolved in two ways");
    let _ = document::settings(&document);
    // What was taken can be written out and is taken again as the same.
    let written = serde_json::to_vec(document.server()).expect("a document is plain data");
    if written.len() < 512 * 1024 {
        let back = document::read(&written, "written.yaml");
        assert!(back.document.is_some(), "{}", back.diagnostics.iter().map(ToString::to_string).collect::<String>());
    }
}

/// What a peer may speak; a byte says which.
const SPOKEN: [Protocol; 8] = [
    Protocol::Imap,
    Protocol::Pop3,
    Protocol::Smtp,
    Protocol::Submission,
    Protocol::Lmtp,
    Protocol::Http,
    Protocol::ManageSieve,
    Protocol::Tcp,
];

/// A peer: one verdict at most, bounded words, and the same whichever way the bytes are cut into packets. The first
/// byte says which protocol, the second how it is cut.
pub fn protocol(bytes: &[u8]) {
    let [which, cut, said @ ..] = bytes else { return };
    let spoken = SPOKEN[usize::from(*which) % SPOKEN.len()];
    let whole = converse(spoken, std::iter::once(said));
    assert_eq!(whole, converse(spoken, said.chunks(usize::from(*cut).max(1))));
    let (sent, verdict) = whole;
    assert!(sent.len() <= TOTAL_LIMIT);
    match verdict.expect("a peer that closes is judged") {
        Verdict::Alive => {}
        Verdict::Refused(words) | Verdict::Violation(words) | Verdict::Closed(words) => {
            assert!(words.len() < 2 * 1024 && words.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{words:?}");
        }
    }
}

fn converse<'a>(spoken: Protocol, said: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Verdict>) {
    let mut dialogue = Dialogue::new(Script::greeting(spoken, "127.0.0.1:8080"));
    let (mut sent, mut verdict) = (Vec::new(), None);
    let inputs = std::iter::once(Input::Connected).chain(said.map(Input::Bytes)).chain(std::iter::once(Input::Closed));
    for input in inputs {
        let Output { send, verdict: new, .. } = dialogue.advance(input);
        sent.extend(send);
        assert!(verdict.is_none() || new.is_none(), "{verdict:?}, then {new:?}");
        verdict = verdict.or(new);
    }
    assert!(dialogue.is_over());
    (sent, verdict)
}

/// A peer that is asked everything, TLS and a login included: as before, and no secret in what is said of it. The third
/// byte says what is asked; 0xff stands where TLS begins.
pub fn dialogue(bytes: &[u8]) {
    const PASSWORD: &str = "hunter2";
    let [which, cut, asked, said @ ..] = bytes else { return };
    let has = |bit: u8| asked & bit != 0;
    let script = Script {
        start_tls: has(1),
        whole: !has(2),
        login: has(4).then(|| Credentials::new("probe", PASSWORD).expect("sound")),
        recipient: has(8).then(|| "postmaster@example.org".to_owned()),
        path: has(16).then(|| "/healthz".to_owned()),
        ..Script::greeting(SPOKEN[usize::from(*which) % SPOKEN.len()], "127.0.0.1:8080")
    };
    let parts: Vec<&[u8]> = said.split(|byte| *byte == 0xff).collect();
    let whole = hold(&script, &parts, usize::MAX);
    assert_eq!(whole, hold(&script, &parts, usize::from(*cut).max(1)));
    let (sent, verdict) = whole;
    assert!(sent.len() <= TOTAL_LIMIT);
    match verdict.expect("a peer that closes is judged") {
        Verdict::Alive => {}
        Verdict::Refused(words) | Verdict::Violation(words) | Verdict::Closed(words) => {
            assert!(words.len() < 2 * 1024 && words.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{words:?}");
            assert!(!has(4) || !words.contains(PASSWORD), "{words:?}");
        }
    }
}

fn hold(script: &Script, parts: &[&[u8]], cut: usize) -> (Vec<u8>, Option<Verdict>) {
    let mut dialogue = Dialogue::new(script.clone());
    let (mut sent, mut verdict, mut securing) = (Vec::new(), None, false);
    let mut take = |dialogue: &mut Dialogue, input: Input<'_>, securing: &mut bool| {
        let Output { send, start_tls, verdict: new } = dialogue.advance(input);
        sent.extend(send);
        assert!(verdict.is_none() || new.is_none(), "{verdict:?}, then {new:?}");
        *securing = start_tls || (*securing && new.is_none() && input != Input::Secured);
        verdict = verdict.take().or(new);
    };
    take(&mut dialogue, Input::Connected, &mut securing);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 && securing {
            take(&mut dialogue, Input::Secured, &mut securing);
        }
        for chunk in part.chunks(cut) {
            take(&mut dialogue, Input::Bytes(chunk), &mut securing);
        }
    }
    take(&mut dialogue, Input::Closed, &mut securing);
    assert!(dialogue.is_over());
    (sent, verdict)
}

/// A peer to which a canary is handed in, or in whose mailbox it is looked for: as before, and no command but the known
/// ones, each in a line of its own. The first byte says which of the two, the second how it is cut, the third whether
/// there is a login.
pub fn errand(bytes: &[u8]) {
    const KNOWN: [&str; 8] = [
        "CAPABILITY",
        "AUTHENTICATE PLAIN",
        "LOGIN ",
        "SELECT INBOX",
        "UID SEARCH HEADER X-Mailward-Canary ",
        "UID STORE ",
        "UID EXPUNGE ",
        "LOGOUT",
    ];
    let [which, cut, login, said @ ..] = bytes else { return };
    let mark = Mark::new("mail", "7");
    let address = "canary@example.org";
    let letter = Letter::canary(&mark, address, address, "Thu, 26 Nov 2026 12:00:00 +0000");
    let (spoken, errand) = match which % 2 {
        0 => (Protocol::Imap, Errand::Collect(mark)),
        _ => (Protocol::Submission, Errand::Send(letter.clone())),
    };
    let script = Script {
        whole: true,
        login: (login % 2 == 1).then(|| Credentials::new("probe", "hunter2").expect("sound")),
        recipient: Some(address.to_owned()),
        errand,
        ..Script::greeting(spoken, "127.0.0.1:8080")
    };
    let whole = hold(&script, &[said], usize::MAX);
    assert_eq!(whole, hold(&script, &[said], usize::from(*cut).max(1)));
    let (sent, verdict) = whole;
    let text = String::from_utf8(sent).expect("ASCII");
    match verdict.expect("a peer that closes is judged") {
        Verdict::Alive if spoken == Protocol::Submission => {
            assert!(text.contains(&letter.text), "taken without a message: {text}");
        }
        Verdict::Alive => {}
        Verdict::Refused(words) | Verdict::Violation(words) | Verdict::Closed(words) => {
            assert!(words.len() < 2 * 1024 && words.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{words:?}");
            assert!(login % 2 == 0 || !words.contains("hunter2"), "{words:?}");
        }
    }
    assert!(text.matches(&letter.text).count() <= 1, "handed in twice: {text}");
    if spoken != Protocol::Imap {
        return;
    }
    for command in text.lines().filter_map(|line| line.strip_prefix("mw")?.split_once(' ')) {
        let known = KNOWN.iter().find(|known| command.1.starts_with(*known));
        assert!(known.is_some(), "{text}");
        // What is deleted is numbers that the peer listed, and never a range.
        let deleted = ["UID STORE ", "UID EXPUNGE "].into_iter().find_map(|word| command.1.strip_prefix(word));
        let numbers = deleted.map_or("", |rest| rest.split(' ').next().unwrap_or_default());
        assert!(numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b','), "{text}");
    }
}

/// A certificate: read or refused, in words that cannot steer a terminal.
pub fn certificate(bytes: &[u8]) {
    let read = certificate::read(bytes);
    assert_eq!(read, certificate::read(bytes));
    let words = match read {
        Ok(said) => [vec![said.subject, said.issuer], said.names].concat(),
        Err(error) => vec![error.to_string()],
    };
    for word in words {
        assert!(word.len() < 2 * 1024 && word.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{word:?}");
    }
}

/// A scenario: read or refused with the line.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Scenario::read(text) {
        Ok(scenario) => assert_eq!(Ok(scenario), Scenario::read(text)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A journal: as it is, and with each of its lines sealed, so that what is behind the checksum is reached too.
pub fn journal(bytes: &[u8]) {
    let epoch = Epoch { boot: "boot".to_owned(), namespace: "pid:[1]".to_owned(), pod: None };
    let _ = ledger::read(bytes, &epoch);
    let head = br#"{"version":3,"epoch":{"boot":"boot","namespace":"pid:[1]"},"life":7}"#;
    let mut sealed = seal(head);
    for line in bytes.split(|byte| *byte == b'\n') {
        sealed.extend(seal(line));
    }
    let (life, records) = ledger::read(&sealed, &epoch);
    assert_eq!(life, Life(7));
    // Cut anywhere, it holds no service that the whole does not.
    let cut = usize::try_from(Fingerprint::of(bytes).0 % (sealed.len() as u64 + 1)).unwrap_or(0);
    let (_, torn) = ledger::read(&sealed[..cut], &epoch);
    assert!(torn.services.keys().all(|name| records.services.contains_key(name)));
    assert!(torn.tasks.keys().all(|name| records.tasks.contains_key(name)));
    let headless: Vec<u8> = bytes.split(|byte| *byte == b'\n').flat_map(seal).collect();
    let _ = ledger::read(&headless, &epoch);
}

fn seal(line: &[u8]) -> Vec<u8> {
    let mut sealed = format!("{:016x} ", Fingerprint::of(line).0).into_bytes();
    sealed.extend_from_slice(line);
    sealed.push(b'\n');
    sealed
}

/// A pid file: its process has a number that a process may have, and the same is read of what is written anew.
pub fn pid_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((pid, recovering)) = texts::pid_file(text) else { return };
    assert!(pid > 0);
    let again = format!("{pid}\n{}\n", if recovering { "init" } else { "" });
    assert_eq!(texts::pid_file(&again), Some((pid, recovering)));
}

/// What the kernel tells of processes; names, paths and environments in it are their own choice. The first byte says
/// which file it is, 0xff ends the first of two.
pub fn proc(bytes: &[u8]) {
    let Some((which, file)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(file);
    let (first, second) = match file.iter().position(|byte| *byte == 0xff) {
        Some(at) => (String::from_utf8_lossy(&file[..at]), String::from_utf8_lossy(&file[at + 1..])),
        None => (text.clone(), "0::/".into()),
    };
    let here = "127.0.0.1:4660".parse().expect("an address");
    match which % 9 {
        0 => {
            let read = texts::stat(file);
            // Whatever it calls itself, with brackets or without, is not looked at.
            if file.contains(&b')') {
                assert_eq!(read, texts::stat(&[b"1 (a) R 1 1".as_slice(), file].concat()));
            }
            let _ = texts::has_no_code(file);
        }
        1 => {
            if let Some((instance, name, Incarnation(life))) = texts::marker(file) {
                let again = format!("MAILWARD_SERVICE={instance}/{name}/{life}");
                assert_eq!(texts::marker(again.as_bytes()), Some((instance, name, Incarnation(life))));
            }
        }
        2 => assert!(texts::user(file).is_none() || text.contains("Uid:")),
        3 => assert!(texts::listening(&text) <= text.lines().count()),
        4 => assert!(texts::other_end(&text, here, here).is_none() || text.contains(":1234")),
        5 => assert!(texts::accepting(&text).iter().all(|path| path.starts_with('/') && text.contains(path.as_str()))),
        6 => {
            let found = texts::own_cgroup(&first, &second);
            assert!(found.is_none() || (first.contains(" - cgroup2") && second.contains("0::")), "{found:?}");
        }
        7 => assert!(texts::clean_ranges(&first, &second).len() <= first.lines().count()),
        _ => assert!(last_ten_seconds(&text, "some").is_none() || text.contains("avg10=")),
    }
}

/// What a service says of itself: what is told of it is short and printable, and a pid is positive.
pub fn sd_notify(bytes: &[u8]) {
    for word in read_notify(bytes) {
        match word {
            Word::Status(text) => {
                assert!(text.chars().count() <= 512 && !text.chars().any(char::is_control), "{text:?}");
            }
            Word::MainPid(pid) => assert!(pid > 0),
            Word::Ready | Word::Reloading | Word::Stopping | Word::Watchdog | Word::Hangs | Word::Extend(_) => {}
        }
    }
}

/// The lines of a store client: what is heard fits a line, and after the end nothing is heard. The first byte says by
/// which door.
pub fn watcher(bytes: &[u8]) {
    let Some((door, said)) = bytes.split_first() else { return };
    let mut dialogue = match door % 2 {
        0 => Client::known(),
        _ => Client::unknown("c0ffee".to_owned(), "00".to_owned()),
    };
    let mut ended = false;
    for byte in said {
        let Some(heard) = dialogue.push(*byte) else { continue };
        assert!(!ended, "{heard:?} after the end");
        match heard {
            Heard::Answer(words) => assert!(words.ends_with('\n') && dialogue.is_open()),
            Heard::End(words) => {
                ended = true;
                assert!(words.starts_with("NO ") && words.ends_with('\n') && words.len() < LINE && !dialogue.is_open());
            }
            Heard::Word(word) => {
                assert!(dialogue.is_open(), "{word:?} before the proof");
                if let Said::Register { name, pid, heartbeat } = word {
                    assert!(pid > 0 && (1..=64).contains(&name.len()) && heartbeat.is_none_or(|h| h.as_secs() > 0));
                }
            }
        }
    }
}

/// The bodies of requests over the control socket: an order is for those it names and for nobody else.
pub fn control(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<OrderRequest>(bytes) {
        let written = serde_json::to_vec(&request).expect("an order is plain data");
        assert_eq!(serde_json::from_slice::<OrderRequest>(&written).ok().as_ref(), Some(&request));
        let named = request.services.clone();
        match (named, Order::from(request).whom) {
            (None, Whom::All) => {}
            (Some(asked), Whom::These(ordered)) => {
                assert!(asked.iter().map(String::as_str).eq(ordered.iter().map(|name| &**name)));
            }
            (named, whom) => panic!("{named:?} became {whom:?}"),
        }
    }
    if let Ok(end) = serde_json::from_slice::<End>(bytes) {
        let written = serde_json::to_vec(&end).expect("it is plain data");
        assert_eq!(serde_json::from_slice::<End>(&written).ok(), Some(end));
    }
}

/// A crontab: its gap is at least a minute and at most what the calendar allows, 40 years for a 29 February that must
/// be a certain weekday.
pub fn cron(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for rule in [DayRule::And, DayRule::Or] {
        match Crontab::parse(text, rule) {
            Ok(crontab) => {
                if let Some(gap) = crontab.longest_gap() {
                    let days = gap.as_secs() / 86_400;
                    assert!(gap.as_secs() >= 60 && days <= 41 * 366, "{days} days");
                }
            }
            Err(error) => assert!(error.to_string().len() < text.len() + 200),
        }
    }
}
