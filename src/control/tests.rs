//! Over a real Unix socket, with a task in place of the agent's loop.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::server::{BODY, CONNECTIONS, Peer, attend};
use super::*;
use crate::control::{Ending, Forecast, PlannedStep, Request, Told};
use crate::engine::{Accepted, Answer, Happened, Order, Refusal, Taken, TaskRefusal, Verb, Whom};
use crate::model::Name;
use crate::status::{CanaryRun, ProbeReport, Reported, ServiceProbe, Status, Vitals};

/// Longer than anything here takes on a slow machine.
const GENEROUS: Duration = Duration::from_mins(1);

/// An agent that answers by rote.
struct Fake {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    access: Access,
    loop_task: JoinHandle<Vec<Order>>,
    server: JoinHandle<()>,
}

fn told(what: Happened) -> Told {
    Told { time: "2026-01-02T03:04:05Z".into(), service: Some("imap".into()), what: what.to_string(), event: what }
}

fn answer(name: &Name) -> Answer {
    let outcome = match &**name {
        "imap" => Ok(Accepted::Doing),
        "pop" => Ok(Accepted::AlreadySo),
        "cert" => Err(Refusal::Disabled(name.clone())),
        _ => Err(Refusal::Unknown(name.clone())),
    };
    Answer { service: name.clone(), outcome }
}

fn forecast() -> Forecast {
    let step = PlannedStep {
        verb: "start".into(),
        service: "imap".into(),
        reason: "start: it is wanted".into(),
        interrupts: String::new(),
    };
    Forecast { steps: vec![step], left: Vec::new() }
}

/// Answers until it is told to end; gives back the orders it was given. A follower hears of every order.
async fn by_rote(mut requests: mpsc::Receiver<Request>) -> Vec<Order> {
    let mut orders = Vec::new();
    let mut followers: Vec<mpsc::UnboundedSender<Told>> = Vec::new();
    while let Some(request) = requests.recv().await {
        match request {
            Request::Entry(back) => drop(back.send(None)),
            Request::Vitals(back) => drop(back.send(Vitals::default())),
            Request::Status(back) => drop(back.send(Reported::new("mail", Status::default()))),
            Request::Order { order, by_manager: _, reply: back } => {
                followers.retain(|follower| follower.send(told(Happened::Ordered { verb: order.verb })).is_ok());
                let names = match &order.whom {
                    Whom::All => vec!["imap".into(), "pop".into()],
                    Whom::These(names) => names.clone(),
                };
                orders.push(order);
                let _ = back.send(Ok(names.iter().map(answer).collect()));
            }
            Request::Probe(names, back) => {
                let services =
                    names.iter().map(|name| ServiceProbe { service: name.to_string(), ..Default::default() });
                let _ = back.send(ProbeReport { services: services.collect(), ..ProbeReport::default() });
            }
            Request::Probes(_, back) => drop(back.send(Vec::new())),
            Request::Canary(back) => drop(back.send(Some(CanaryRun::default()))),
            Request::CanaryRuns(back) => drop(back.send(Vec::new())),
            Request::Plan(back) => drop(back.send(forecast())),
            Request::PlanDocument(document, back) => {
                let answer = if document == b"good" { Ok(forecast()) } else { Err("1:1: error: not good".to_owned()) };
                let _ = back.send(answer);
            }
            Request::Why(name, back) => drop(back.send((&*name == "imap").then(|| vec!["runs as declared".into()]))),
            Request::History(name, back) => {
                let all = vec![told(Happened::Started { pid: 7 })];
                let _ = back.send(if name.is_none_or(|name| &*name == "imap") { all } else { Vec::new() });
            }
            Request::Schedule(back) => drop(back.send(Vec::new())),
            Request::RunTask(name, _, back) | Request::TaskMissed(name, _, back) => {
                let known = &*name == "imap";
                let _ = back.send(if known { Ok(Taken::Begins) } else { Err(TaskRefusal::unknown(&name)) });
            }
            Request::Refresh => {}
            Request::End { ending: Ending::Everything, done } => {
                drop(done.send(Err(NotEnded::Impossible("not while it is tested".to_owned()))));
            }
            Request::End { ending: Ending::AgentAlone | Ending::InPlace, done } => {
                let _ = done.send(Ok(()));
                break;
            }
            Request::Follow(follower) => followers.push(follower),
        }
    }
    orders
}

impl Fake {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("control.sock");
        let access = Access::new(rustix::process::getuid().as_raw(), false);
        let listener = listen(&socket, &access).await.expect("it listens");
        let (sender, receiver) = mpsc::channel(16);
        let loop_task = tokio::spawn(by_rote(receiver));
        let server = tokio::spawn(serve(listener, sender, access.clone()));
        Self { _folder: folder, socket, access, loop_task, server }
    }

    fn client(&self) -> Client {
        Client::new(self.socket.clone())
    }

    /// Sends bytes as they are and gives everything that comes back until the other end closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.expect("it connects");
        // The other end may answer and close before all of it is sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(GENEROUS, stream.read_to_end(&mut answer)).await.expect("it closes");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn order(verb: Verb, names: &[&str]) -> OrderRequest {
    let services = (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
    OrderRequest { verb, services, force: false, by_manager: false }
}

/// The answer to a request of a user with this id.
async fn as_user(uid: u32, access: &Access, busy: bool, request: &str) -> String {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let (requests, receiver) = mpsc::channel(16);
    let loop_task = tokio::spawn(by_rote(receiver));
    let peer = Peer { uid, busy, access: access.clone(), requests };
    let attended = tokio::spawn(attend(theirs, peer));
    ours.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    timeout(GENEROUS, ours.read_to_string(&mut answer)).await.expect("it closes").expect("it is text");
    attended.await.expect("no panic");
    loop_task.await.expect("no panic");
    answer
}

#[tokio::test]
async fn every_question_is_answered() {
    let fake = Fake::start().await;
    let client = fake.client();
    assert_eq!(client.status().await.expect("status").metadata.name, "mail");
    assert_eq!(client.plan().await.expect("plan"), forecast());
    assert_eq!(client.plan_document(b"good".to_vec()).await.expect("plan"), forecast());
    assert_eq!(client.why("imap").await.expect("why").sentences, ["runs as declared"]);
    assert_eq!(client.history(None).await.expect("history").len(), 1);
    assert_eq!(client.history(Some("pop")).await.expect("history").len(), 0);
    client.refresh().await.expect("refresh");
}

#[tokio::test]
async fn r04_an_order_is_answered_for_each_service_with_its_exit_code() {
    let fake = Fake::start().await;
    let answers = fake.client().order(&order(Verb::Start, &["imap", "pop", "cert", "imapp"])).await.expect("answers");
    let told: Vec<_> = answers.iter().map(|a| (a.service.as_str(), a.outcome, a.exit_code)).collect();
    assert_eq!(
        told,
        [
            ("imap", Outcome::Doing, 0),
            ("pop", Outcome::AlreadySo, 0),
            ("cert", Outcome::Refused, 78),
            ("imapp", Outcome::Refused, 64)
        ]
    );
    assert_eq!(answers[2].message, "cert is disabled; enable it in the document first");
    fake.client().order(&order(Verb::Stop, &[])).await.expect("answers");
    fake.client().end(Ending::AgentAlone).await.expect("it ends");
    let orders = timeout(GENEROUS, fake.loop_task).await.expect("it ends").expect("no panic");
    assert_eq!(orders[1], Order { verb: Verb::Stop, whom: Whom::All, force: false });
}

#[tokio::test]
async fn an_empty_list_of_services_is_not_taken_for_all_of_them() {
    let fake = Fake::start().await;
    let empty = OrderRequest { verb: Verb::Stop, services: Some(Vec::new()), force: false, by_manager: false };
    let error = fake.client().order(&empty).await.expect_err("it is refused");
    assert_eq!((error.exit_code(), error.to_string().starts_with("services is empty")), (64, true), "{error}");
}

#[tokio::test]
async fn a_refusal_of_the_agent_reaches_the_client_with_its_words() {
    let fake = Fake::start().await;
    let client = fake.client();
    let error = client.plan_document(b"bad".to_vec()).await.expect_err("it is refused");
    assert_eq!((error.exit_code(), error.to_string().as_str()), (65, "1:1: error: not good"));
    let error = client.why("imap/../x y").await.expect_err("nobody knows it");
    assert_eq!((error.exit_code(), error.to_string().as_str()), (64, "there is no service named imap/../x y"));
    let error = client.end(Ending::Everything).await.expect_err("it is refused");
    assert_eq!((error.exit_code(), error.to_string().as_str()), (69, "not while it is tested"));
}

#[tokio::test]
async fn who_follows_before_ordering_misses_nothing() {
    let fake = Fake::start().await;
    let mut events = fake.client().events().await.expect("events");
    fake.client().order(&order(Verb::Restart, &["imap"])).await.expect("answers");
    let first = timeout(GENEROUS, events.next()).await.expect("it comes").expect("it is read").expect("there is one");
    assert_eq!(first, told(Happened::Ordered { verb: Verb::Restart }));
    fake.client().end(Ending::AgentAlone).await.expect("it ends");
    let last = timeout(GENEROUS, events.next()).await.expect("it ends").expect("it ends well");
    assert_eq!(last, None);
    timeout(GENEROUS, fake.server).await.expect("the server ends with the agent").expect("no panic");
}

#[tokio::test]
async fn a_follower_that_leaves_is_forgotten() {
    let (told_sender, follower) = mpsc::unbounded_channel();
    let lines = follow::lines(follower);
    drop(lines);
    timeout(GENEROUS, told_sender.closed()).await.expect("the agent's end is closed");
}

#[tokio::test]
async fn a_follower_that_does_not_read_is_let_go_and_costs_no_memory() {
    let (told_sender, follower) = mpsc::unbounded_channel();
    let _lines = follow::lines(follower);
    for _ in 0..10_000 {
        let _ = told_sender.send(told(Happened::Recovers));
    }
    timeout(GENEROUS, told_sender.closed()).await.expect("the agent's end is closed");
}

#[tokio::test]
async fn an_end_that_was_accepted_is_answered_before_the_server_ends() {
    let fake = Fake::start().await;
    fake.client().end(Ending::AgentAlone).await.expect("the answer arrives although the agent ends");
    let client = fake.client();
    timeout(GENEROUS, fake.server).await.expect("it ends").expect("no panic");
    let error = client.status().await.expect_err("nobody answers");
    assert!(matches!(error, ClientError::Killed(_)) && error.exit_code() == 69, "{error}");
}

#[tokio::test]
async fn no_socket_and_a_socket_of_a_killed_agent_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("control.sock");
    let client = Client::new(socket.clone());
    assert!(matches!(client.status().await, Err(ClientError::NoAgent(_))));
    let access = Access::new(0, false);
    drop(listen(&socket, &access).await.expect("it listens"));
    assert!(matches!(client.status().await, Err(ClientError::Killed(_))));
    drop(listen(&socket, &access).await.expect("what a killed agent left is replaced"));
    assert!(matches!(
        Client::new(folder.path().join("control.sock/x")).status().await.map_err(|error| error.exit_code()),
        Err(69)
    ));
}

#[tokio::test]
async fn r05_a_second_agent_is_refused_and_a_file_that_is_no_socket_left_alone() {
    let fake = Fake::start().await;
    assert!(matches!(listen(&fake.socket, &fake.access).await, Err(ListenError::Taken(_))));
    assert!(fake.client().status().await.is_ok(), "the first one still answers");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("control.sock");
    std::fs::write(&file, "precious").expect("a file");
    assert!(matches!(listen(&file, &fake.access).await, Err(ListenError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "precious");
}

#[tokio::test]
async fn others_look_only_if_the_document_says_so_and_never_act() {
    use std::os::unix::fs::PermissionsExt;
    let fake = Fake::start().await;
    let mode = || std::fs::metadata(&fake.socket).expect("a socket").permissions().mode() & 0o777;
    let access = &fake.access;
    let other = rustix::process::getuid().as_raw() + 4_711;
    assert_eq!((access.right(0), access.right(other), mode()), (Right::Act, Right::Nothing, 0o600));
    let look = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
    let act = "POST /v1/end HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    assert!(as_user(other, access, false, look).await.starts_with("HTTP/1.1 403 "));
    let_others_read(&fake.socket, access, true).expect("the mode is changed");
    assert_eq!((access.right(other), mode()), (Right::Read, 0o666));
    assert!(as_user(other, access, false, look).await.starts_with("HTTP/1.1 200 "));
    let refused = as_user(other, access, false, act).await;
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("you may only look"), "{refused}");
    let_others_read(&fake.socket, access, false).expect("the mode is changed");
    assert!(as_user(other, access, false, look).await.starts_with("HTTP/1.1 403 "), "it changes live");
    assert_eq!(mode(), 0o600);
}

#[tokio::test]
async fn errors_are_problem_details() {
    let fake = Fake::start().await;
    for (request, status) in [
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"verb\":\"shoot\"}", 400),
        ("POST /v1/tasks/x/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"due\":\"monday\"}", 400),
        ("GET /v1/history?service=%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ] {
        let answer = fake.raw(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert_eq!(head.contains("allow: GET"), status == 405, "{head}");
        let problem: Problem = serde_json::from_str(body).expect("problem details");
        assert_eq!((problem.status, problem.detail.is_empty()), (status, false));
    }
    let busy = as_user(0, &fake.access, true, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(busy.starts_with("HTTP/1.1 503 ") && busy.contains("too many connections"), "{busy}");
}

#[tokio::test]
async fn what_a_hostile_client_sends_is_bounded() {
    let fake = Fake::start().await;
    let long_head = format!("GET /v1/status HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(64 * 1024));
    let answer = fake.raw(long_head.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let lines = "X-Line: y\r\n".repeat(100);
    let answer = fake.raw(format!("GET /v1/status HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let body = "x".repeat(BODY + 1);
    let error = fake.client().plan_document(body.into_bytes()).await.expect_err("it is refused");
    assert!(matches!(&error, ClientError::Refused(problem) if problem.status == 413), "{error}");
    assert!(fake.client().status().await.is_ok(), "and the next one is served");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_half_is_let_go() {
    let fake = Fake::start().await;
    assert_eq!(fake.raw(b"").await, "");
    assert_eq!(fake.raw(b"GET /v1/sta").await, "");
    let answer = fake.raw(b"POST /v1/end HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn those_who_idle_on_every_connection_are_told_apart_from_the_next() {
    let fake = Fake::start().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(UnixStream::connect(&fake.socket).await.expect("it connects"));
    }
    let error = fake.client().status().await.expect_err("there is no room");
    assert!(matches!(&error, ClientError::Refused(problem) if problem.status == 503), "{error}");
    drop(idle);
    let served = async {
        while fake.client().status().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(GENEROUS, served).await.expect("there is room again");
}

#[tokio::test]
async fn every_route_is_described_and_every_described_one_exists() {
    let description = openapi();
    let paths = description["paths"].as_object().expect("paths");
    let mut described = 0;
    for item in paths.values() {
        described += item.as_object().expect("operations").len();
    }
    assert_eq!(described, METHODS.len());
    let fake = Fake::start().await;
    for (route, method, path) in &METHODS {
        let operation = &paths[*path][method.as_str().to_ascii_lowercase().as_str()];
        assert!(operation["summary"].is_string(), "{route:?}");
        if *route == Route::Events || *route == Route::End {
            continue;
        }
        let path = path.replace("{name}", "imap");
        let body = match route {
            Route::Orders => r#"{"verb":"start","services":["imap"]}"#,
            Route::PlanDocument => "good",
            Route::RunTask | Route::Probe => "{}",
            Route::TaskMissed => r#"{"first":"2026-11-23T10:05:00Z","last":"2026-11-23T10:15:00Z","count":2}"#,
            _ => "",
        };
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = fake.raw(request.as_bytes()).await;
        let status = answer.get(9..12).unwrap_or_default();
        assert!(operation["responses"][status].is_object(), "{route:?} answered {answer}");
        assert!(status.starts_with('2'), "{route:?} answered {answer}");
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn check(root: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(root.pointer(pointer).is_some(), "{reference}");
                }
                object.values().for_each(|value| check(root, value));
            }
            Value::Array(list) => list.iter().for_each(|value| check(root, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let description = openapi();
    assert!(description["components"]["schemas"]["Told"].is_object(), "happenings are described");
    check(&description, &description);
}

#[tokio::test]
async fn curl_works() {
    let fake = Fake::start().await;
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--fail", "--unix-socket"]).arg(&fake.socket).arg("http://mailward/v1/status");
    let output = tokio::task::spawn_blocking(move || curl.output()).await.expect("no panic");
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => panic!("the tests need curl; run make setup"),
        other => other.expect("curl runs"),
    };
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(status["kind"], "MessagingServer");
}
