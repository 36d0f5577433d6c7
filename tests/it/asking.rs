//! One question to one listener, against peers that misbehave in every way a broken server has. They listen on Unix
//! sockets, where nothing is in flight, so that time can stand still while nobody has anything to do.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailward::desired::{Listener, Probe, Protocol, Tls};
use mailward::model::Heard;
use mailward::observe::ask::{Asked, Question, ask};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const LIMIT: Duration = Duration::from_secs(10);

const TALKING: [Protocol; 7] = [
    Protocol::Imap,
    Protocol::Pop3,
    Protocol::Smtp,
    Protocol::Submission,
    Protocol::Lmtp,
    Protocol::Http,
    Protocol::ManageSieve,
];

fn at(socket: &Path, protocol: Protocol) -> Listener {
    let socket = Some(socket.to_str().expect("a plain path").to_owned());
    Listener { address: None, port: None, socket, protocol, tls: Tls::None, probe: Probe::default() }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    (folder, path)
}

/// The answer of a peer that does this with each connection.
async fn asked<F: Future<Output = ()> + Send>(
    protocol: Protocol,
    peer: impl Fn(UnixStream) -> F + Send + Sync + 'static,
) -> Asked {
    let (_folder, path) = folder();
    let listener = UnixListener::bind(&path).expect("bound");
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            peer(stream).await;
        }
    });
    let asked = ask(&Question::greeting(3, &at(&path, protocol), LIMIT)).await;
    serving.abort();
    assert_eq!(asked.answer.listener, 3);
    asked
}

/// Says it and stays there.
async fn say(mut stream: UnixStream, words: &'static [u8]) {
    stream.write_all(words).await.expect("sent");
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

fn words(heard: &Heard) -> (&'static str, &str) {
    match heard {
        Heard::Served => ("Served", ""),
        Heard::Silent => ("Silent", ""),
        Heard::Refused(text) => ("Refused", text),
        Heard::BadCertificate(text) => ("BadCertificate", text),
        Heard::Violation(text) => ("Violation", text),
        Heard::NotListening(text) => ("NotListening", text),
        Heard::ClosedEarly(text) => ("ClosedEarly", text),
        Heard::Unknown(text) => ("Unknown", text),
    }
}

fn expect(asked: &Asked, kind: &str, part: &str) {
    let (is, text) = words(&asked.answer.heard);
    assert!(is == kind && text.contains(part), "{is} {text}, and not {kind} {part}:\n{}", asked.transcript);
}

#[tokio::test(start_paused = true)]
async fn r08_a_server_that_greets_is_served_and_its_conversation_is_kept() {
    let asked = asked(Protocol::Imap, |stream| say(stream, b"* OK hello\r\nmw1 OK\r\n")).await;
    expect(&asked, "Served", "");
    let text = asked.transcript.to_string();
    assert!(text.contains("-- connected to ") && text.contains("S: * OK hello\n"), "{text}");
    assert!(text.contains("C: mw1 LOGOUT\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn r08_silence_over_the_whole_time_out_is_silent_whatever_the_protocol() {
    for protocol in TALKING {
        let asked = asked(protocol, |stream| say(stream, b"")).await;
        expect(&asked, "Silent", "");
        assert_eq!(asked.answer.took, LIMIT, "{protocol:?}");
        assert!(asked.transcript.to_string().ends_with("no whole answer within 10s\n"), "{}", asked.transcript);
    }
}

#[tokio::test(start_paused = true)]
async fn r08_c17_a_server_that_greets_and_then_hangs_is_silent_too() {
    for protocol in [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
        let asked = asked(protocol, |stream| say(stream, b"220 hello\r\n")).await;
        expect(&asked, "Silent", "");
        assert!(asked.transcript.to_string().contains("LO probe.mailward.invalid\n"), "{}", asked.transcript);
    }
}

#[tokio::test(start_paused = true)]
async fn r08_a_byte_a_second_without_a_whole_greeting_is_silent() {
    for protocol in TALKING {
        let asked = asked(protocol, |mut stream| async move {
            for byte in b"* OK 220 +OK HTTP/1.1 200 and so on, never to an end".iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
        expect(&asked, "Silent", "");
        assert!(asked.transcript.to_string().contains("S: * OK 220 +"), "{}", asked.transcript);
    }
}

#[tokio::test(start_paused = true)]
async fn r08_a_slow_but_whole_greeting_is_served_and_says_how_long_it_took() {
    let asked = asked(Protocol::Pop3, |mut stream| async move {
        tokio::time::sleep(Duration::from_secs(7)).await;
        stream.write_all(b"+OK\r\n").await.expect("sent");
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    expect(&asked, "Served", "");
    assert!(asked.answer.took >= Duration::from_secs(7) && asked.answer.took < LIMIT, "{:?}", asked.answer.took);
}

#[tokio::test(start_paused = true)]
async fn r08_nobody_there_is_not_listening() {
    let (_folder, path) = folder();
    let missing = ask(&Question::greeting(0, &at(&path, Protocol::Lmtp), LIMIT)).await;
    expect(&missing, "NotListening", "No such file");
    drop(UnixListener::bind(&path).expect("bound"));
    let left_behind = ask(&Question::greeting(0, &at(&path, Protocol::Lmtp), LIMIT)).await;
    expect(&left_behind, "NotListening", "Connection refused");
    let below = ask(&Question::greeting(0, &at(&path.join("below"), Protocol::Lmtp), LIMIT)).await;
    expect(&below, "NotListening", "Not a directory");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address").port();
    let tcp = Listener { port: Some(port), socket: None, ..at(&path, Protocol::Imap) };
    expect(&ask(&Question::greeting(0, &tcp, LIMIT)).await, "NotListening", "Connection refused");
}

#[tokio::test(start_paused = true)]
async fn r08_a_close_before_a_whole_greeting_is_a_close_before_the_greeting() {
    for protocol in TALKING {
        expect(&asked(protocol, |stream| async move { drop(stream) }).await, "ClosedEarly", "before");
        let cut = asked(protocol, |mut stream| async move { stream.write_all(b"* O").await.expect("sent") }).await;
        expect(&cut, "ClosedEarly", "in the middle of a line");
    }
}

#[tokio::test(start_paused = true)]
async fn r08_a_close_after_the_greeting_is_an_answer_and_no_sign_of_a_hang() {
    let asked = asked(Protocol::Smtp, |mut stream| async move {
        stream.write_all(b"220 hello\r\n").await.expect("sent");
        let _ = stream.read(&mut [0; 100]).await;
    })
    .await;
    expect(&asked, "Violation", "before its answer to EHLO");
}

#[tokio::test(start_paused = true)]
async fn r08_a_refusal_and_another_protocol_are_answers() {
    expect(&asked(Protocol::Smtp, |stream| say(stream, b"421 busy\r\n")).await, "Refused", "421 busy");
    expect(&asked(Protocol::Imap, |stream| say(stream, b"* BYE full\r\n")).await, "Refused", "* BYE full");
    expect(&asked(Protocol::Imap, |stream| say(stream, b"220 smtp\r\n")).await, "Violation", "IMAP greeting");
    let tls = asked(Protocol::Imap, |stream| say(stream, b"\x15\x03\x03\0\x02\x02\x46\n")).await;
    expect(&tls, "Violation", r"\x15\x03\x03");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_said_before_it_closed_counts_even_when_it_no_longer_listens() {
    let asked = asked(Protocol::Http, |mut stream| async move {
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await.expect("sent");
    })
    .await;
    expect(&asked, "Refused", "503");
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_and_a_hundred_megabytes_of_lines_end_as_soon_as_they_are_too_long() {
    for (line, part) in [(&b"x"[..], "a line of more than"), (b"220-and more\r\n", "without coming to an end")] {
        let flood = line.repeat(64 * 1024 / line.len());
        let asked = asked(Protocol::Smtp, move |mut stream| {
            let flood = flood.clone();
            async move {
                let mut sent = 0;
                while sent < 100_000_000 && stream.write_all(&flood).await.is_ok() {
                    sent += flood.len();
                }
                assert!(sent < 2_000_000, "{sent} bytes were read");
            }
        })
        .await;
        expect(&asked, "Violation", part);
        assert!(asked.transcript.to_string().len() < 8_000, "{}", asked.transcript);
    }
}

#[tokio::test(start_paused = true)]
async fn r08_a_unix_socket_whose_queue_is_full_is_silent_and_not_refused() {
    let (_folder, path) = folder();
    let socket = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    let mut waiting = Vec::new();
    // The queue of this listener has 128 places (std); behind them connect(2) fails with EAGAIN.
    while let Ok(stream) = nonblocking(&path) {
        waiting.push(stream);
    }
    let hung = ask(&Question::greeting(0, &at(&path, Protocol::Lmtp), LIMIT)).await;
    expect(&hung, "Silent", "");
    assert!(hung.transcript.to_string().contains("nobody has taken the connection"), "{}", hung.transcript);
    drop(socket);
}

fn nonblocking(path: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

#[tokio::test(start_paused = true)]
async fn c13_what_the_prober_itself_lacks_says_nothing_of_the_service() {
    let nowhere = Listener {
        address: None,
        port: None,
        socket: None,
        protocol: Protocol::Imap,
        tls: Tls::None,
        probe: Probe::default(),
    };
    expect(&ask(&Question::greeting(0, &nowhere, LIMIT)).await, "Unknown", "neither port nor socket");
    let unheard_of = Listener { address: Some("no-such-host.invalid".into()), port: Some(143), ..nowhere.clone() };
    expect(&ask(&Question::greeting(0, &unheard_of, LIMIT)).await, "Unknown", "no-such-host.invalid:143");
    // A broadcast address has no stream behind it: ENETUNREACH or EACCES, both of them ours.
    let no_route = Listener { address: Some("255.255.255.255".into()), port: Some(143), ..nowhere };
    expect(&ask(&Question::greeting(0, &no_route, LIMIT)).await, "Unknown", "");
}

#[tokio::test(start_paused = true)]
async fn c13_a_prober_that_was_held_up_itself_does_not_know() {
    let asked = asked(Protocol::Imap, |mut stream| async move {
        // Both sleep; then the clock is moved far beyond the time-out at once, as after a SIGSTOP.
        tokio::time::advance(LIMIT * 6).await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    expect(&asked, "Unknown", "the prober itself was held up for 50");
}
