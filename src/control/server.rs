//! The agent's end: connections, who is at the other end of them, and what each request is turned into.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::body::Reply;
use super::patient::Patient;
use super::request::{NotEnded, Request};
use super::routes::{Found, Route, find, parameter};
use super::schedule::{self, RunTask, TaskAnswered, TaskMissed};
use super::wire::{Answered, End, OrderRequest, ProbeRequest, Why};
use super::{Access, Problem, Right, follow, openapi};
use crate::model::Name;

/// Most bytes of a request's body; also what a document may have.
pub(super) const BODY: usize = 1024 * 1024;
/// Most bytes of a request's head.
const HEAD: usize = 16 * 1024;
/// Most header lines.
const HEADERS: usize = 64;
/// Most connections of those who may act, and, counted apart so that they cannot shut out the former, of the others.
pub(super) const CONNECTIONS: usize = 64;
/// Most connections that are only told that there are too many.
const TURNED_AWAY: usize = 16;
/// How long a head may take to arrive, and a connection may idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a body may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the agent may take to answer; it answers between two turns, each of which takes milliseconds.
const AGENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long answers that are under way may take once the agent has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Answers on the control socket until the agent's loop drops its receiver; answers under way are then finished, so an
/// agent that ends awaits this after it has dropped the receiver.
pub async fn serve(listener: UnixListener, requests: mpsc::Sender<Request>, access: Access) {
    let acting = Arc::new(Semaphore::new(CONNECTIONS));
    let reading = Arc::new(Semaphore::new(CONNECTIONS));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = requests.closed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors or memory; the connection stays in the backlog, so wait instead of spinning.
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let right = access.right(peer.uid());
        let room = if right == Right::Act { &acting } else { &reading };
        let (permit, busy) = match room.clone().try_acquire_owned() {
            Ok(permit) => (permit, false),
            Err(_) => match turned_away.clone().try_acquire_owned() {
                Ok(permit) => (permit, true),
                Err(_) => continue,
            },
        };
        let peer = Peer { uid: peer.uid(), busy, access: access.clone(), requests: requests.clone() };
        connections.spawn(async move {
            attend(stream, peer).await;
            drop(permit);
        });
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Whoever has not taken an answer by now is cut off.
    let _ = timeout(FAREWELL, all).await;
}

/// Who is at the other end, and the way to the agent.
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) busy: bool,
    pub(super) access: Access,
    pub(super) requests: mpsc::Sender<Request>,
}

pub(super) async fn attend(stream: UnixStream, peer: Peer) {
    let io = TokioIo::new(Patient::new(stream, PATIENCE));
    let peer = &peer;
    let answer = service_fn(move |request| async move { Ok::<_, Infallible>(peer.answer(request).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        // One request a connection: a connection that idles holds a place for nothing.
        .keep_alive(false)
        .serve_connection(io, answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, uid = peer.uid, "a control connection ended early");
    }
}

impl Peer {
    async fn answer(&self, request: HttpRequest<Incoming>) -> Response<Reply> {
        match self.route(request).await {
            Ok(response) => response,
            Err(Refused { problem, allow }) => {
                let mut response = json(problem.code(), &problem);
                let kind = HeaderValue::from_static("application/problem+json");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
                    response.headers_mut().insert(ALLOW, allow);
                }
                response
            }
        }
    }

    async fn route(&self, request: HttpRequest<Incoming>) -> Result<Response<Reply>, Refused> {
        let right = self.access.right(self.uid);
        if right == Right::Nothing {
            return Err(self.forbidden("this socket answers only root and the agent's own user"));
        }
        if self.busy {
            let words = "too many connections; try again in a moment";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).into());
        }
        let (route, name) = match find(request.method(), request.uri().path()) {
            Found::Route(route, name) => (route, name),
            Found::OtherMethod(allow) => {
                let words = format!("{} takes {allow}", request.uri().path());
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, words);
                return Err(Refused { problem, allow: Some(allow) });
            }
            Found::Nothing => {
                let words = "there is nothing here; GET /v1/openapi.json lists what there is";
                return Err(Problem::new(StatusCode::NOT_FOUND, words).into());
            }
        };
        if right < route.needs() {
            return Err(self.forbidden("only root and the agent's own user may do that; you may only look"));
        }
        match route {
            Route::Status => Ok(json(StatusCode::OK, &self.ask(Request::Status).await?)),
            Route::Orders => self.order(read_json(request).await?).await,
            Route::Plan => Ok(json(StatusCode::OK, &self.ask(Request::Plan).await?)),
            Route::PlanDocument => {
                let document = read(request).await?.to_vec();
                match self.ask(|back| Request::PlanDocument(document, back)).await? {
                    Ok(forecast) => Ok(json(StatusCode::OK, &forecast)),
                    Err(words) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words).into()),
                }
            }
            Route::Why => {
                let service = name.unwrap_or_default();
                let sentences = self.ask(|back| Request::Why(Name::from(service.as_str()), back)).await?;
                let sentences = sentences.ok_or_else(|| {
                    let words = format!("there is no service named {service}");
                    Problem::new(StatusCode::NOT_FOUND, words)
                })?;
                Ok(json(StatusCode::OK, &Why { service, sentences }))
            }
            Route::History => {
                let service = named(&request)?;
                Ok(json(StatusCode::OK, &self.ask(|back| Request::History(service, back)).await?))
            }
            Route::Events => {
                let (told, follower) = mpsc::unbounded_channel();
                self.send(Request::Follow(told)).await?;
                let mut response = Response::new(Reply::Lines(follow::lines(follower)));
                let kind = HeaderValue::from_static("application/x-ndjson");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                Ok(response)
            }
            Route::Schedule => Ok(json(StatusCode::OK, &self.ask(Request::Schedule).await?)),
            Route::RunTask => {
                let task = Name::from(name.unwrap_or_default());
                let run: RunTask = read_json(request).await?;
                let asked = run.asked().ok_or_else(|| Problem::bad(schedule::NO_MINUTE))?;
                let taken = self.ask(|back| Request::RunTask(task.clone(), asked, back)).await?;
                Ok(json(StatusCode::OK, &TaskAnswered::new(&task, &taken)))
            }
            Route::TaskMissed => {
                let task = Name::from(name.unwrap_or_default());
                let missed: TaskMissed = read_json(request).await?;
                let missed = missed.read().ok_or_else(|| Problem::bad(schedule::NO_MINUTE))?;
                let taken = self.ask(|back| Request::TaskMissed(task.clone(), missed, back)).await?;
                Ok(json(StatusCode::OK, &TaskAnswered::new(&task, &taken)))
            }
            Route::Probe => self.probe(read_json(request).await?).await,
            Route::Probes => {
                let service = named(&request)?;
                Ok(json(StatusCode::OK, &self.ask(|back| Request::Probes(service, back)).await?))
            }
            Route::Canary => self.canary().await,
            Route::CanaryRuns => Ok(json(StatusCode::OK, &self.ask(Request::CanaryRuns).await?)),
            Route::Refresh => {
                tracing::info!(uid = self.uid, "asked over the control socket to refresh");
                self.send(Request::Refresh).await?;
                let mut response = Response::new(Reply::Whole(None));
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Route::End => self.end(read_json(request).await?).await,
            Route::Description => Ok(json(StatusCode::OK, &openapi())),
        }
    }

    async fn order(&self, order: OrderRequest) -> Result<Response<Reply>, Refused> {
        if order.services.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::bad("services is empty; name some, or leave it out to mean all").into());
        }
        tracing::info!(uid = self.uid, verb = order.verb.word(), services = ?order.services, "ordered over the control socket");
        let by_manager = order.by_manager;
        let answers = self.ask(|reply| Request::Order { order: order.into(), by_manager, reply }).await?;
        let answers = answers.map_err(|words| Problem::new(StatusCode::FORBIDDEN, words))?;
        let answers: Vec<Answered> = answers.into_iter().map(Answered::from).collect();
        Ok(json(StatusCode::OK, &answers))
    }

    /// A round takes as long as its slowest listener; whoever asked may leave earlier.
    async fn probe(&self, probe: ProbeRequest) -> Result<Response<Reply>, Refused> {
        let known = self.ask(Request::Status).await?;
        let known: Vec<&str> = known
            .status
            .instances
            .iter()
            .flat_map(|instance| &instance.services)
            .map(|service| service.name.as_str())
            .collect();
        if let Some(name) = probe.services.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no service named {name}")).into());
        }
        let names = probe.services.iter().map(|name| Name::from(name.as_str())).collect();
        let (back, answer) = oneshot::channel();
        self.send(Request::Probe(names, back)).await?;
        answer.await.map(|report| json(StatusCode::OK, &report)).map_err(|_| gone())
    }

    /// A run takes as long as the message; whoever asked may leave earlier.
    async fn canary(&self) -> Result<Response<Reply>, Refused> {
        let (back, answer) = oneshot::channel();
        self.send(Request::Canary(back)).await?;
        match answer.await {
            Ok(Some(run)) => Ok(json(StatusCode::OK, &run)),
            Ok(None) => {
                Err(Problem::new(StatusCode::NOT_FOUND, "the document declares no canary (spec.canary)").into())
            }
            Err(_) => Err(gone()),
        }
    }

    async fn end(&self, end: End) -> Result<Response<Reply>, Refused> {
        tracing::info!(uid = self.uid, ?end, "asked over the control socket to end");
        let Some(ending) = end.ending() else {
            let words = "`stopServices` and `renew` contradict each other; say one of them";
            return Err(Problem::new(StatusCode::BAD_REQUEST, words).into());
        };
        let (done, answer) = oneshot::channel();
        self.send(Request::End { ending, done }).await?;
        // Stops in order may take minutes; whoever asked may leave earlier.
        match answer.await {
            Ok(Ok(())) => Ok(json(StatusCode::OK, &end)),
            Ok(Err(NotEnded::Impossible(words))) => Err(Problem::new(StatusCode::CONFLICT, words).into()),
            Ok(Err(NotEnded::ManagerOnly(words))) => Err(Problem::new(StatusCode::FORBIDDEN, words).into()),
            Err(_) => Err(gone()),
        }
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Refused> {
        let (back, answer) = oneshot::channel();
        self.send(question(back)).await?;
        match timeout(AGENT_PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(late()),
        }
    }

    async fn send(&self, request: Request) -> Result<(), Refused> {
        match timeout(AGENT_PATIENCE, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(late()),
        }
    }

    fn forbidden(&self, words: &str) -> Refused {
        Problem::new(StatusCode::FORBIDDEN, format!("{words} (your user id is {})", self.uid)).into()
    }
}

/// A request that is not answered as wished.
struct Refused {
    problem: Problem,
    allow: Option<String>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, allow: None }
    }
}

/// The service that a query names.
fn named(request: &HttpRequest<Incoming>) -> Result<Option<Name>, Refused> {
    let service = parameter(request.uri().query(), "service")
        .map_err(|()| Problem::bad("service= is not percent-encoded UTF-8"))?;
    Ok(service.map(|name| Name::from(name.as_str())))
}

fn gone() -> Refused {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is ending").into()
}

fn late() -> Refused {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "the agent's loop does not answer").into()
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Reply> {
    let (status, bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (status, bytes),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    let mut response = Response::new(Reply::Whole(Some(Bytes::from(bytes))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn read(request: HttpRequest<Incoming>) -> Result<Bytes, Refused> {
    match timeout(PATIENCE, Limited::new(request.into_body(), BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "a request may have 1 MiB").into())
        }
        Ok(Err(error)) => Err(Problem::bad(format!("the body could not be read: {error}")).into()),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").into()),
    }
}

async fn read_json<T: DeserializeOwned>(request: HttpRequest<Incoming>) -> Result<T, Refused> {
    let bytes = read(request).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad(format!("the body is not as described: {error}")).into())
}
