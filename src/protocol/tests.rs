use super::*;
use crate::desired::Protocol;

mod errand;

const TRANSCRIPTS: [&str; 8] = [
    include_str!("../../tests/transcripts/imap.txt"),
    include_str!("../../tests/transcripts/pop3.txt"),
    include_str!("../../tests/transcripts/smtp.txt"),
    include_str!("../../tests/transcripts/lmtp.txt"),
    include_str!("../../tests/transcripts/http.txt"),
    include_str!("../../tests/transcripts/managesieve.txt"),
    include_str!("../../tests/transcripts/tcp.txt"),
    include_str!("../../tests/transcripts/recorded.txt"),
];

const PROTOCOLS: [Protocol; 8] = [
    Protocol::Imap,
    Protocol::Pop3,
    Protocol::Smtp,
    Protocol::Submission,
    Protocol::Lmtp,
    Protocol::Http,
    Protocol::ManageSieve,
    Protocol::Tcp,
];

const HOST: &str = "127.0.0.1:8080";

struct Recorded {
    title: &'static str,
    script: Script,
    /// What the peer said: in clear text, then over the TLS that STARTTLS began.
    peer: Vec<Vec<u8>>,
    closes: bool,
    ours: Vec<u8>,
    verdict: &'static str,
}

fn transcripts() -> Vec<Recorded> {
    TRANSCRIPTS.iter().flat_map(|file| file.split("\n== ").filter_map(transcript)).collect()
}

fn transcript(part: &'static str) -> Option<Recorded> {
    if part.starts_with('#') {
        return None;
    }
    let mut lines = part.lines();
    let title = lines.next()?.trim_start_matches("== ");
    let script = Script::greeting(Protocol::Tcp, HOST);
    let mut of = Recorded { title, script, peer: vec![vec![]], closes: false, ours: vec![], verdict: "" };
    for line in lines {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let peer = of.peer.last_mut().expect("one");
        match mark {
            "protocol" => {
                of.script.protocol =
                    PROTOCOLS.into_iter().find(|p| format!("{p:?}") == rest).expect("a known protocol");
            }
            "whole" => of.script.whole = true,
            "starttls" => of.script.start_tls = true,
            "login" => {
                let (user, password) = rest.split_once(' ').expect("a user and a password");
                of.script.login = Some(Credentials::new(user, password).expect("sound"));
            }
            "recipient" => of.script.recipient = Some(rest.to_owned()),
            "path" => of.script.path = Some(rest.to_owned()),
            "S:" => peer.extend([rest.as_bytes(), b"\r\n"].concat()),
            "S+" => peer.extend(rest.as_bytes()),
            "C:" => of.ours.extend([rest.as_bytes(), b"\r\n"].concat()),
            "TLS" => of.peer.push(vec![]),
            "X" => of.closes = true,
            "verdict" => of.verdict = rest,
            "" => {}
            other => panic!("{title}: unknown mark {other}"),
        }
    }
    Some(of)
}

/// Everything that was sent, the one verdict, and whether it was over before the close.
fn play(protocol: Protocol, chunks: &[&[u8]], closes: bool) -> (Vec<u8>, Option<Verdict>, bool) {
    let inputs = chunks.iter().map(|chunk| Input::Bytes(chunk));
    follow(&Script::greeting(protocol, HOST), inputs, closes)
}

/// The same with a whole script; how the peer's words are cut is said.
fn replay<'a>(of: &'a Recorded, mut cut: impl FnMut(&'a [u8]) -> Vec<&'a [u8]>) -> (Vec<u8>, Option<Verdict>, bool) {
    let mut inputs = vec![];
    for (at, part) in of.peer.iter().enumerate() {
        if at > 0 {
            inputs.push(Input::Secured);
        }
        inputs.extend(cut(part).into_iter().map(Input::Bytes));
    }
    follow(&of.script, inputs, of.closes)
}

fn follow<'a>(
    script: &Script,
    inputs: impl IntoIterator<Item = Input<'a>>,
    closes: bool,
) -> (Vec<u8>, Option<Verdict>, bool) {
    let mut dialogue = Dialogue::new(script.clone());
    let (mut sent, mut verdict) = (vec![], None);
    let (mut over, mut securing) = (false, false);
    let close = closes.then_some(Input::Closed);
    for input in std::iter::once(Input::Connected).chain(inputs).chain(close) {
        assert!(input != Input::Secured || securing, "TLS only where it was asked for");
        over = dialogue.is_over();
        let output = dialogue.advance(input);
        sent.extend(output.send);
        securing = output.start_tls;
        if let Some(new) = output.verdict {
            assert_eq!(verdict, None, "a second verdict {new:?}");
            verdict = Some(new);
        }
    }
    (sent, verdict, if closes { over } else { dialogue.is_over() })
}

fn words(verdict: Option<&Verdict>) -> String {
    match verdict {
        None => "none".into(),
        Some(Verdict::Alive) => "Alive".into(),
        Some(Verdict::Refused(text)) => format!("Refused {text}"),
        Some(Verdict::Violation(text)) => format!("Violation {text}"),
        Some(Verdict::Closed(text)) => format!("Closed {text}"),
    }
}

/// `SplitMix64`: the same numbers on every machine.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("below n")
    }

    fn cut<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut chunks = vec![];
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(1 + self.below(rest.len().min(40)));
            chunks.push(chunk);
            rest = more;
        }
        chunks
    }
}

#[test]
fn r08_c13_c18_each_transcript_has_the_verdict_and_the_words_written_beside_it() {
    let all = transcripts();
    assert_eq!(all.len(), TRANSCRIPTS.iter().map(|file| file.matches("\nverdict ").count()).sum::<usize>());
    for of in all {
        let (sent, verdict, over) = replay(&of, |part| vec![part]);
        let said = words(verdict.as_ref());
        let (kind, text) = of.verdict.split_once(' ').unwrap_or((of.verdict, ""));
        assert!(said.starts_with(kind) && said.contains(text), "{}: {said}", of.title);
        assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(&of.ours), "{}", of.title);
        assert!(over || of.closes, "{}: it is over when the last line has come", of.title);
    }
}

#[test]
fn the_verdict_and_the_words_do_not_depend_on_how_the_bytes_are_cut() {
    let mut seeded = Seeded(1);
    for of in transcripts() {
        let whole = replay(&of, |part| vec![part]);
        assert_eq!(replay(&of, |part| part.chunks(1).collect()), whole, "{}: byte by byte", of.title);
        for round in 0..50 {
            assert_eq!(replay(&of, |part| seeded.cut(part)), whole, "{}: round {round}", of.title);
        }
        // Every single cut in two, unless a transcript is very long.
        let longest = of.peer.iter().map(Vec::len).max().unwrap_or(0).min(4_000);
        for at in 1..longest {
            let two = replay(&of, |part| if at < part.len() { vec![&part[..at], &part[at..]] } else { vec![part] });
            assert_eq!(two, whole, "{}: cut at {at}", of.title);
        }
    }
}

#[test]
fn random_bytes_never_panic_and_are_judged_alike_however_they_are_cut() {
    const PIECES: [&[u8]; 22] = [
        b"* OK",
        b"* BYE x",
        b"+OK",
        b"-ERR",
        b"220",
        b"220-",
        b"250 ",
        b"421",
        b"554-a",
        b"HTTP/1.1 200",
        b"HTTP/1.1 503",
        b"HTTP/1.1 100",
        b"OK",
        b"NO",
        b"\"A\" {99999999999999999999}",
        b"\"A\" {3+}",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\0\xff",
        b"{",
    ];
    for seed in 0..4_000 {
        let mut seeded = Seeded(seed);
        let mut bytes = vec![];
        for _ in 0..seeded.below(40) {
            match seeded.below(3) {
                0 => bytes.push(u8::try_from(seeded.below(256)).expect("a byte")),
                1 => bytes.extend_from_slice(b"\r\n"),
                _ => bytes.extend_from_slice(PIECES[seeded.below(PIECES.len())]),
            }
        }
        for protocol in PROTOCOLS {
            let whole = play(protocol, &[&bytes], true);
            assert!(whole.1.is_some(), "seed {seed}, {protocol:?}: a closed connection always has a verdict");
            assert_eq!(play(protocol, &seeded.cut(&bytes), true), whole, "seed {seed}, {protocol:?}");
        }
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    for (extra, ends) in [(0, "Alive"), (1, "Violation sent a line of more than 8192 bytes")] {
        let mut line = b"* OK ".to_vec();
        line.resize(LINE_LIMIT + extra, b'x');
        line.extend_from_slice(b"\r\n");
        for chunks in [vec![&line[..]], line.chunks(1).collect(), line.chunks(4096).collect()] {
            assert_eq!(words(play(Protocol::Imap, &chunks, false).1.as_ref()), ends);
        }
    }
}

#[test]
fn an_endless_line_is_cut_off_whatever_the_protocol() {
    for protocol in PROTOCOLS.into_iter().filter(|p| *p != Protocol::Tcp) {
        let mut dialogue = Dialogue::new(Script::greeting(protocol, HOST));
        dialogue.advance(Input::Connected);
        let verdict = (0..100).find_map(|_| dialogue.advance(Input::Bytes(&[b'"'; 1024])).verdict);
        assert_eq!(words(verdict.as_ref()), "Violation sent a line of more than 8192 bytes", "{protocol:?}");
        assert!(dialogue.is_over());
        assert_eq!(dialogue.advance(Input::Bytes(b"* OK\r\n")), Output::default(), "nothing follows the end");
    }
}

#[test]
fn an_endless_greeting_of_short_lines_is_cut_off() {
    for (protocol, line) in [
        (Protocol::Smtp, &b"220-more\r\n"[..]),
        (Protocol::Lmtp, b"220-more\r\n"),
        (Protocol::ManageSieve, b"\"MORE\" \"x\"\r\n"),
        (Protocol::ManageSieve, b"\"MORE\" {99999999}\r\n"),
        (Protocol::Http, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (Protocol::Http, b"\r\n"),
    ] {
        let endless = line.repeat(TOTAL_LIMIT / line.len() + 1);
        let whole = play(protocol, &[&endless], false);
        assert_eq!(
            words(whole.1.as_ref()),
            "Violation sent more than 65536 bytes without coming to an end",
            "{protocol:?}"
        );
        assert_eq!(play(protocol, &endless.chunks(7).collect::<Vec<_>>(), false), whole);
    }
}

#[test]
fn a_peer_that_talks_on_after_the_verdict_is_left_in_the_end() {
    let flood = [b"* OK\r\n".to_vec(), b"* more\r\n".repeat(TOTAL_LIMIT / 8 + 1)].concat();
    let (sent, verdict, over) = play(Protocol::Imap, &[&flood], false);
    assert_eq!((words(verdict.as_ref()).as_str(), over), ("Alive", true));
    assert_eq!(sent, b"mw1 LOGOUT\r\n", "LOGOUT is said once");
}

#[test]
fn r08_a_tls_record_on_a_plain_port_is_a_violation_shown_in_printable_characters() {
    let alert = [0x15, 3, 3, 0, 2, 2, 70];
    let (_, verdict, _) = play(Protocol::Imap, &[&alert], true);
    assert!(words(verdict.as_ref()).contains(r#""\x15\x03\x03\x00\x02\x02F""#), "{verdict:?}");
}

#[test]
fn what_a_peer_says_cannot_reach_a_terminal_as_control_characters_nor_fill_a_log() {
    let hostile = [b"421 \x1b[2J\x07\xc3\xa9".to_vec(), vec![b'x'; 5_000], b"\r\n".to_vec()].concat();
    let (_, verdict, _) = play(Protocol::Smtp, &[&hostile], false);
    let said = words(verdict.as_ref());
    assert!(said.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && said.len() < 900, "{said}");
    assert!(said.starts_with(r"Refused 421 \x1b[2J\x07\xc3\xa9xxx"), "{said}");
}

#[test]
fn a_host_that_could_break_the_request_is_not_put_into_it() {
    for (given, written) in [
        ("mail.example.org", "Host: mail.example.org\r\n"),
        ("[::1]:8080", "Host: [::1]:8080\r\n"),
        ("", "Host: localhost\r\n"),
        ("a\r\nX: y", "Host: localhost\r\n"),
        ("/run/web.sock", "Host: localhost\r\n"),
    ] {
        let sent = Dialogue::new(Script::greeting(Protocol::Http, given)).advance(Input::Connected).send;
        let text = String::from_utf8(sent).expect("ASCII");
        assert!(text.contains(written), "{given:?}: {text}");
        assert_eq!(text.matches("\r\n").count(), 5, "{given:?}");
    }
}

#[test]
fn nobody_but_http_is_spoken_to_before_it_greets() {
    for protocol in PROTOCOLS {
        let sent = Dialogue::new(Script::greeting(protocol, HOST)).advance(Input::Connected).send;
        assert_eq!(!sent.is_empty(), protocol == Protocol::Http, "{protocol:?}");
    }
}
