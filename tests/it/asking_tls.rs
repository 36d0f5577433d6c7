//! Questions over TLS: every protocol's way into it, and what is thought of the certificate that is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailward::desired::{Listener, Login, Probe, Protocol, Tls};
use mailward::model::{Heard, Loaded};
use mailward::observe::ask::{Asked, Question, ask};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const LIMIT: Duration = Duration::from_mins(1);
const NAME: &str = "mail.example.org";

/// An authority of this test and its certificates, as files.
pub(crate) struct Office {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Office {
    pub(crate) fn open() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("signed");
        Self { folder: tempfile::tempdir().expect("a folder"), authority }
    }

    pub(crate) fn issue(&self, name: &str, from: i32, to: i32) -> Issued {
        let mut params = CertificateParams::new([name.to_owned(), "127.0.0.1".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let pem = params.signed_by(&key, &self.authority).expect("signed").pem();
        Issued { pem, key: key.serialize_pem() }
    }

    /// A good one.
    fn good(&self) -> Issued {
        self.issue(NAME, 2020, 2200)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a plain path").to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca_file(&self) -> String {
        self.file("ca.pem", &self.authority.pem())
    }
}

fn acceptor(issued: &Issued) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(issued.pem.as_bytes()).collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key fits");
    TlsAcceptor::from(Arc::new(config))
}

/// What a server says: `>` is said at once, each other line behind a line of the client's that has its first part.
type Play = &'static [(&'static str, &'static str)];

async fn play<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, play: Play) {
    for (heard, said) in play {
        let mut line = String::new();
        if *heard != ">" && stream.read_line(&mut line).await.is_err() {
            return;
        }
        assert!(*heard == ">" || line.starts_with(heard), "expected {heard}, got {line:?}");
        if stream.write_all(said.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
    let _ = stream.read_line(&mut String::new()).await;
}

/// A server on a Unix socket: in clear text first, then over TLS.
fn serve(path: &Path, issued: &Issued, clear: Play, secured: Play) {
    let listener = UnixListener::bind(path).expect("bound");
    let acceptor = acceptor(issued);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let stream = in_clear(stream, clear).await;
        let Ok(stream) = acceptor.accept(stream).await else { return };
        play(&mut BufReader::new(stream), secured).await;
    });
}

async fn in_clear(stream: UnixStream, clear: Play) -> UnixStream {
    let mut stream = BufReader::new(stream);
    for (heard, said) in clear {
        let mut line = String::new();
        if *heard != ">" {
            stream.read_line(&mut line).await.expect("a line");
        }
        assert!(*heard == ">" || line.starts_with(heard), "expected {heard}, got {line:?}");
        stream.write_all(said.as_bytes()).await.expect("sent");
    }
    stream.into_inner()
}

fn at(path: &Path, protocol: Protocol, tls: Tls, probe: Probe) -> Listener {
    let socket = Some(path.to_str().expect("a plain path").to_owned());
    Listener { address: None, port: None, socket, protocol, tls, probe }
}

const IMAP: Play = &[(">", "* OK hello\r\n"), ("mw1 CAPABILITY", "mw1 OK\r\n"), ("mw2 LOGOUT", "* BYE\r\nmw2 OK\r\n")];

/// Asks an IMAP server with this certificate, which is declared so.
async fn imap(office: &Office, issued: &Issued, probe: Probe) -> Asked {
    let path = office.path("socket");
    let _ = std::fs::remove_file(&path);
    serve(&path, issued, &[], IMAP);
    ask(&Question::whole(1, &at(&path, Protocol::Imap, Tls::Implicit, probe), LIMIT)).await
}

fn bad(asked: &Asked, part: &str) {
    let Heard::BadCertificate(words) = &asked.answer.heard else { panic!("{:?}\n{}", asked.answer, asked.transcript) };
    assert!(words.contains(part), "{words}");
}

#[tokio::test]
async fn r08_the_certificate_that_is_served_is_told_whole() {
    let office = Office::open();
    let issued = office.good();
    let asked = imap(&office, &issued, Probe::default()).await;
    assert_eq!(asked.answer.heard, Heard::Served, "{}", asked.transcript);
    let certificate = asked.certificate.expect("looked at");
    assert!(certificate.subject.contains("CN=mail.example.org"), "{}", certificate.subject);
    assert!(certificate.issuer.contains("CN=Authority of the tests"), "{}", certificate.issuer);
    assert_eq!(certificate.names.iter().map(|name| &**name).collect::<Vec<_>>(), [NAME, "127.0.0.1"]);
    assert_eq!(certificate.not_before.to_string(), "2020-01-01T00:00:00Z");
    assert_eq!(certificate.not_after.to_string(), "2200-01-01T00:00:00Z");
    assert_eq!((certificate.chain, certificate.sha256.len()), (1, 64));
    assert_eq!((certificate.loaded, certificate.ends_soon, certificate.fault), (Loaded::Undeclared, false, None));
}

#[tokio::test]
async fn r08_a_certificate_out_of_its_time_is_an_answer_and_said_with_its_dates() {
    let office = Office::open();
    bad(&imap(&office, &office.issue(NAME, 2020, 2021), Probe::default()).await, "it ended at 2021-01-01T00:00:00Z");
    bad(&imap(&office, &office.issue(NAME, 2190, 2200), Probe::default()).await, "it begins only at 2190-01-01");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_warning_and_no_fault() {
    let office = Office::open();
    let probe = Probe { certificate_warning: Duration::from_hours(24 * 366 * 400), ..Probe::default() };
    let asked = imap(&office, &office.good(), probe).await;
    assert_eq!(asked.answer.heard, Heard::Served);
    assert!(asked.certificate.expect("looked at").ends_soon);
}

#[tokio::test]
async fn r08_the_name_is_checked_where_one_is_declared() {
    let office = Office::open();
    let issued = office.good();
    for (name, part) in
        [(NAME, None), ("127.0.0.1", None), ("imap.example.org", Some("it is not for imap.example.org"))]
    {
        let probe = Probe { server_name: Some(name.to_owned()), ..Probe::default() };
        let asked = imap(&office, &issued, probe).await;
        match part {
            None => assert_eq!(asked.answer.heard, Heard::Served, "{name}"),
            Some(part) => bad(&asked, part),
        }
    }
}

#[tokio::test]
async fn r08_the_authority_is_checked_where_one_is_declared() {
    let (office, other) = (Office::open(), Office::open());
    let issued = office.good();
    let probe = Probe { ca_file: Some(office.ca_file()), ..Probe::default() };
    assert_eq!(imap(&office, &issued, probe.clone()).await.answer.heard, Heard::Served);
    bad(&imap(&office, &other.good(), probe.clone()).await, "stands for it");
    // What it ended by is said once, not as a matter of trust too.
    let ended = imap(&office, &office.issue(NAME, 2020, 2021), probe).await;
    bad(&ended, "it ended at 2021-01-01T00:00:00Z");
    let Heard::BadCertificate(words) = ended.answer.heard else { unreachable!("said above") };
    assert!(!words.contains("stands for it"), "{words}");
    let missing = Probe { ca_file: Some("/nonexistent/ca.pem".to_owned()), ..Probe::default() };
    bad(&imap(&office, &issued, missing).await, "/nonexistent/ca.pem: No such file");
}

#[tokio::test]
async fn r08_c21_a_renewed_file_that_nobody_loaded_is_named_as_such() {
    let office = Office::open();
    let (old, renewed) = (office.issue(NAME, 2020, 2100), office.issue(NAME, 2020, 2101));
    let file = office.file("server.pem", &old.pem);
    let probe = Probe { certificate_file: Some(file), ..Probe::default() };
    let asked = imap(&office, &old, probe.clone()).await;
    assert_eq!(asked.answer.heard, Heard::Served);
    assert_eq!(asked.certificate.expect("looked at").loaded, Loaded::Yes);
    office.file("server.pem", &renewed.pem);
    let asked = imap(&office, &old, probe.clone()).await;
    bad(&asked, "the file has a renewed one that nobody has loaded: that ends at 2101-01-01");
    let not_loaded = asked.certificate.expect("looked at").loaded;
    assert!(matches!(not_loaded, Loaded::No { file_not_after } if file_not_after.to_string().starts_with("2101")));
    office.file("server.pem", "no certificate");
    bad(&imap(&office, &old, probe).await, "holds no certificate");
}

/// A protocol's STARTTLS: in clear text, then over TLS.
const START_TLS: [(Protocol, Play, Play); 5] = [
    (
        Protocol::Imap,
        &[(">", "* OK hello\r\n"), ("mw1 STARTTLS", "mw1 OK begin\r\n")],
        &[("mw2 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nmw2 OK\r\n"), ("mw3 LOGOUT", "* BYE\r\nmw3 OK\r\n")],
    ),
    (
        Protocol::Pop3,
        &[(">", "+OK hello\r\n"), ("STLS", "+OK begin\r\n")],
        &[("CAPA", "+OK\r\nUSER\r\n.\r\n"), ("QUIT", "+OK\r\n")],
    ),
    (
        Protocol::Submission,
        &[(">", "220 hello\r\n"), ("EHLO", "250-hello\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 begin\r\n")],
        &[("EHLO", "250 hello\r\n"), ("QUIT", "221 bye\r\n")],
    ),
    (
        Protocol::Lmtp,
        &[(">", "220 hello\r\n"), ("LHLO", "250 STARTTLS\r\n"), ("STARTTLS", "220 begin\r\n")],
        &[("LHLO", "250 hello\r\n"), ("QUIT", "221 bye\r\n")],
    ),
    (
        Protocol::ManageSieve,
        &[(">", "\"STARTTLS\"\r\nOK\r\n"), ("STARTTLS", "OK begin\r\n")],
        &[(">", "\"SIEVE\" \"fileinto\"\r\nOK\r\n"), ("LOGOUT", "OK\r\n")],
    ),
];

#[tokio::test]
async fn every_protocol_finds_its_way_into_tls() {
    let office = Office::open();
    let issued = office.good();
    for (protocol, clear, secured) in START_TLS {
        let path = office.path(&format!("{protocol:?}"));
        serve(&path, &issued, clear, secured);
        let probe = Probe { server_name: Some(NAME.to_owned()), ca_file: Some(office.ca_file()), ..Probe::default() };
        let asked = ask(&Question::whole(0, &at(&path, protocol, Tls::StartTls, probe), LIMIT)).await;
        assert_eq!(asked.answer.heard, Heard::Served, "{protocol:?}:\n{}", asked.transcript);
        assert_eq!(asked.certificate.expect("looked at").fault, None, "{protocol:?}");
    }
}

#[tokio::test]
async fn r01_readiness_asks_over_tls_too_and_lives_with_a_bad_certificate() {
    let office = Office::open();
    let ended = office.issue(NAME, 2020, 2021);
    let path = office.path("implicit");
    serve(&path, &ended, &[], &[(">", "* OK hello\r\n"), ("mw1 LOGOUT", "mw1 OK\r\n")]);
    let asked = ask(&Question::greeting(0, &at(&path, Protocol::Imap, Tls::Implicit, Probe::default()), LIMIT)).await;
    assert_eq!((asked.answer.heard, asked.certificate), (Heard::Served, None), "{}", asked.transcript);
    let path = office.path("starttls");
    serve(&path, &ended, &[(">", "* OK hello\r\n"), ("mw1 STARTTLS", "mw1 OK\r\n")], &[("mw2 LOGOUT", "mw2 OK\r\n")]);
    let asked = ask(&Question::greeting(0, &at(&path, Protocol::Imap, Tls::StartTls, Probe::default()), LIMIT)).await;
    assert_eq!(asked.answer.heard, Heard::Served, "{}", asked.transcript);
}

/// A server on a Unix socket that says this and stays.
fn say(path: &Path, words: &'static [u8]) {
    let listener = UnixListener::bind(path).expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        stream.write_all(words).await.expect("sent");
        while stream.read_line(&mut String::new()).await.is_ok_and(|n| n > 0) {}
    });
}

#[tokio::test]
async fn r08_tls_to_a_plain_port_is_a_violation_and_a_plain_question_to_a_tls_port_too() {
    let office = Office::open();
    let path = office.path("plain");
    say(&path, b"* OK hello\r\n");
    let asked = ask(&Question::whole(0, &at(&path, Protocol::Imap, Tls::Implicit, Probe::default()), LIMIT)).await;
    assert!(matches!(&asked.answer.heard, Heard::Violation(words) if words.contains("expected TLS")), "{asked:?}");
    // A TLS server waits for us to speak; HTTP does, and gets an alert.
    let path = office.path("tls");
    serve(&path, &office.good(), &[], &[]);
    let asked = ask(&Question::whole(0, &at(&path, Protocol::Http, Tls::None, Probe::default()), LIMIT)).await;
    assert!(matches!(&asked.answer.heard, Heard::ClosedEarly(_) | Heard::Violation(_)), "{asked:?}");
}

#[tokio::test]
async fn r08_a_close_in_the_handshake_is_a_close_before_the_greeting_and_an_alert_a_refusal() {
    let office = Office::open();
    let path = office.path("closes");
    let listener = UnixListener::bind(&path).expect("bound");
    tokio::spawn(async move { drop(listener.accept().await) });
    let asked = ask(&Question::whole(0, &at(&path, Protocol::Imap, Tls::Implicit, Probe::default()), LIMIT)).await;
    assert!(matches!(asked.answer.heard, Heard::ClosedEarly(_)), "{asked:?}");
    let path = office.path("alert");
    say(&path, b"\x15\x03\x03\x00\x02\x02\x28");
    let asked = ask(&Question::whole(0, &at(&path, Protocol::Imap, Tls::Implicit, Probe::default()), LIMIT)).await;
    assert_eq!(asked.answer.heard, Heard::Refused("TLS alert HandshakeFailure".into()));
}

#[tokio::test]
async fn what_is_slipped_in_behind_starttls_is_a_violation_however_it_is_cut() {
    let office = Office::open();
    for words in [&b"* OK hello\r\nmw1 OK begin\r\nmw2 OK injected\r\n"[..], b"* OK hello\r\nmw1 OK\r\nm"] {
        let path = office.path("injects");
        let _ = std::fs::remove_file(&path);
        say(&path, words);
        let asked = ask(&Question::whole(0, &at(&path, Protocol::Imap, Tls::StartTls, Probe::default()), LIMIT)).await;
        assert!(matches!(asked.answer.heard, Heard::Violation(_)), "{asked:?}");
    }
}

/// At an address that is this host's, but not loopback, as another host's is.
#[tokio::test]
async fn a_password_does_not_leave_the_host_but_to_whom_it_may_go() {
    let Some(address) = own_address() else { panic!("this machine has no address but loopback") };
    let office = Office::open();
    let issued = office.good();
    let password_file = office.file("password", "hunter2\n");
    std::fs::set_permissions(&password_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let login = Some(Login { user: "probe".to_owned(), password_file });
    let listener = TcpListener::bind((address, 0)).await.expect("bound");
    let port = Some(listener.local_addr().expect("an address").port());
    let acceptor = acceptor(&issued);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut stream = BufReader::new(stream);
            // The client may be gone by then: it is not logged in everywhere.
            let _ = stream.write_all(b"* OK hello\r\n").await;
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                let tag = line.split(' ').next().unwrap_or_default().to_owned();
                assert!(!line.contains("LOGIN") || line.contains("hunter2"), "{line}");
                let answer = if line.contains("LOGIN") { "OK logged in" } else { "OK" };
                let _ = stream.write_all(format!("{tag} {answer}\r\n").as_bytes()).await;
                line.clear();
            }
        }
    });
    let to = |tls, probe: Probe| Listener {
        address: Some(address.to_string()),
        port,
        socket: None,
        protocol: Protocol::Imap,
        tls,
        probe: Probe { login: login.clone(), ..probe },
    };
    let clear = ask(&Question::whole(0, &to(Tls::None, Probe::default()), LIMIT)).await;
    assert!(matches!(&clear.answer.heard, Heard::Unknown(words) if words.contains("clear text")), "{clear:?}");
    let unproven = ask(&Question::whole(0, &to(Tls::Implicit, Probe::default()), LIMIT)).await;
    assert!(matches!(&unproven.answer.heard, Heard::Unknown(words) if words.contains("no login")), "{unproven:?}");
    let proven = Probe { certificate_file: Some(office.file("server.pem", &issued.pem)), ..Probe::default() };
    let asked = ask(&Question::whole(0, &to(Tls::Implicit, proven), LIMIT)).await;
    assert_eq!(asked.answer.heard, Heard::Served, "{}", asked.transcript);
    let text = asked.transcript.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("LOGIN ") && text.contains("[masked]") && text.contains("OK logged in"), "{text}");
    let other = Probe { certificate_file: Some(office.file("server.pem", &office.good().pem)), ..Probe::default() };
    let asked = ask(&Question::whole(0, &to(Tls::Implicit, other), LIMIT)).await;
    bad(&asked, "the file has another one");
    assert!(!asked.transcript.to_string().contains("LOGIN"), "{}", asked.transcript);
}

/// An address of this machine that a packet would be sent from; nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}
