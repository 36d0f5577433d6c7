//! The other end: how the command line asks the agent.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Problem;
use super::request::{Ending, Forecast, Told};
use super::routes::{Encoded, METHODS, Route};
use super::schedule::{RunTask, Scheduled, TaskAnswered, TaskMissed};
use super::wire::{Answered, End, OrderRequest, ProbeRequest, Why};
use crate::status::{CanaryRun, ProbeReport, ProbeSeries, Reported};

/// How long an answer may take; the server gives up on its own loop before.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the agent behind one socket; each question is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error("no agent is running: there is no {0}")]
    NoAgent(PathBuf),
    /// There is a socket and nobody behind it.
    #[error(
        "no agent is running: it ended without cleaning up (nobody answers on {0}); services it started may still run and are adopted when it is started again"
    )]
    Killed(PathBuf),
    /// The socket may not be opened.
    #[error("you may not ask the agent on {0}; become root or the agent's user")]
    NoPermission(PathBuf),
    /// Somebody holds the socket and does not answer.
    #[error("the agent on {0} does not answer")]
    Silent(PathBuf),
    /// The system refuses.
    #[error("cannot reach the agent on {path}")]
    System {
        /// The socket.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The connection ended before the answer did.
    #[error("the connection to the agent broke off")]
    Broken(#[source] hyper::Error),
    /// The answer is not what this version knows.
    #[error("the agent's answer is not understood; agent and command may be of different versions")]
    NotUnderstood(#[source] serde_json::Error),
    /// The question cannot be written as a request.
    #[error("the question cannot be put")]
    NotARequest(#[source] hyper::http::Error),
    /// The agent says no.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl ClientError {
    /// What a command ends with (sysexits.h): 69 not reachable, 77 not allowed, 76 not understood; for a refusal what
    /// its kind says.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoAgent(_) | Self::Killed(_) | Self::Silent(_) | Self::System { .. } | Self::Broken(_) => 69,
            Self::NoPermission(_) => 77,
            Self::NotUnderstood(_) => 76,
            Self::NotARequest(_) => 64,
            Self::Refused(problem) => match problem.status {
                400 | 404 | 405 => 64,
                403 => 77,
                413 | 422 => 65,
                _ => 69,
            },
        }
    }

    /// Whether nobody is there at all, as against somebody who does not answer or says no.
    pub fn is_no_agent(&self) -> bool {
        match self {
            Self::NoAgent(_) | Self::Killed(_) => true,
            Self::NoPermission(_)
            | Self::Silent(_)
            | Self::System { .. }
            | Self::Broken(_)
            | Self::NotUnderstood(_)
            | Self::NotARequest(_)
            | Self::Refused(_) => false,
        }
    }
}

impl Client {
    /// For the agent behind this socket.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The agent's process as seen from here: the kernel tells who listens (`SO_PEERCRED`, unix(7)). Nothing where it
    /// cannot be seen from this pid namespace.
    pub async fn agent_pid(&self) -> Result<Option<i32>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| self.not_connected(source))?;
        Ok(stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0))
    }

    /// The status of everything.
    pub async fn status(&self) -> Result<Reported, ClientError> {
        self.get(&path(Route::Status)).await
    }

    /// Orders something.
    pub async fn order(&self, order: &OrderRequest) -> Result<Vec<Answered>, ClientError> {
        read(self.send(Method::POST, &path(Route::Orders), json(order)?).await?).await
    }

    /// What would be done from here on.
    pub async fn plan(&self) -> Result<Forecast, ClientError> {
        self.get(&path(Route::Plan)).await
    }

    /// What would be done if this document were put in force.
    pub async fn plan_document(&self, document: Vec<u8>) -> Result<Forecast, ClientError> {
        read(self.send(Method::POST, &path(Route::PlanDocument), Bytes::from(document)).await?).await
    }

    /// Why a service is as it is.
    pub async fn why(&self, service: &str) -> Result<Why, ClientError> {
        self.get(&path(Route::Why).replace("{name}", &Encoded(service).to_string())).await
    }

    /// What happened, oldest first, to one service or to all.
    pub async fn history(&self, service: Option<&str>) -> Result<Vec<Told>, ClientError> {
        let query = service.map(|name| format!("?service={}", Encoded(name))).unwrap_or_default();
        self.get(&format!("{}{query}", path(Route::History))).await
    }

    /// What happens from now on: whatever is ordered after this has returned is among it.
    pub async fn events(&self) -> Result<Events, ClientError> {
        let response = self.send(Method::GET, &path(Route::Events), Bytes::new()).await?;
        Ok(Events { body: response.into_body(), waiting: Vec::new() })
    }

    /// What the clock runs.
    pub async fn schedule(&self) -> Result<Vec<Scheduled>, ClientError> {
        self.get(&path(Route::Schedule)).await
    }

    /// Has a task run: it is due, or a person wants it now.
    pub async fn run_task(&self, task: &str, run: &RunTask) -> Result<TaskAnswered, ClientError> {
        let path = path(Route::RunTask).replace("{name}", &Encoded(task).to_string());
        read(self.send(Method::POST, &path, json(run)?).await?).await
    }

    /// Says that runs of a task were missed.
    pub async fn task_missed(&self, task: &str, missed: &TaskMissed) -> Result<TaskAnswered, ClientError> {
        let path = path(Route::TaskMissed).replace("{name}", &Encoded(task).to_string());
        read(self.send(Method::POST, &path, json(missed)?).await?).await
    }

    /// A round of probes, of these services or of all, which takes as long as its slowest listener.
    pub async fn probe(&self, services: &[String]) -> Result<ProbeReport, ClientError> {
        let body = json(&ProbeRequest { services: services.to_vec() })?;
        read(accepted(self.open(Method::POST, &path(Route::Probe), body).await?).await?).await
    }

    /// The kept answers of probes, of one service or of all.
    pub async fn probes(&self, service: Option<&str>) -> Result<Vec<ProbeSeries>, ClientError> {
        let query = service.map(|name| format!("?service={}", Encoded(name))).unwrap_or_default();
        self.get(&format!("{}{query}", path(Route::Probes))).await
    }

    /// A run of the mail canary, which takes as long as the message.
    pub async fn canary(&self) -> Result<CanaryRun, ClientError> {
        read(accepted(self.open(Method::POST, &path(Route::Canary), Bytes::new()).await?).await?).await
    }

    /// The kept runs of the canary, oldest first.
    pub async fn canary_runs(&self) -> Result<Vec<CanaryRun>, ClientError> {
        self.get(&path(Route::CanaryRuns)).await
    }

    /// The document file is read again and logs are reopened.
    pub async fn refresh(&self) -> Result<(), ClientError> {
        self.send(Method::POST, &path(Route::Refresh), Bytes::new()).await.map(|_| ())
    }

    /// The agent ends; with its services if so wished, which may take as long as they take to stop.
    pub async fn end(&self, ending: Ending) -> Result<(), ClientError> {
        let body = json(&End::from(ending))?;
        let response = self.open(Method::POST, &path(Route::End), body).await?;
        accepted(response).await.map(|_| ())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        read(self.send(Method::GET, path, Bytes::new()).await?).await
    }

    /// Sends a request whose answer begins soon.
    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let response = timeout(PATIENCE, self.open(method, path, body)).await;
        accepted(response.map_err(|_| ClientError::Silent(self.socket.clone()))??).await
    }

    async fn open(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| self.not_connected(source))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(ClientError::Broken)?;
        // Ends with the connection; what went wrong there is what the request is told.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "mailward")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(ClientError::NotARequest)?;
        sender.send_request(request).await.map_err(ClientError::Broken)
    }

    fn not_connected(&self, source: io::Error) -> ClientError {
        let path = self.socket.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ClientError::NoAgent(path),
            io::ErrorKind::ConnectionRefused => ClientError::Killed(path),
            io::ErrorKind::PermissionDenied => ClientError::NoPermission(path),
            // The backlog is full (connect(2), EAGAIN for Unix sockets).
            io::ErrorKind::WouldBlock => ClientError::Silent(path),
            _ => ClientError::System { path, source },
        }
    }
}

/// Happenings as they come.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    waiting: Vec<u8>,
}

impl Events {
    /// The next happening; nothing once the agent has ended. One that this version does not know is passed over.
    pub async fn next(&mut self) -> Result<Option<Told>, ClientError> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                if let Ok(told) = serde_json::from_slice(&line) {
                    return Ok(Some(told));
                }
                continue;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.waiting.extend_from_slice(&bytes);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Broken(error)),
                None => return Ok(None),
            }
        }
    }
}

fn path(route: Route) -> String {
    METHODS.iter().find(|(known, ..)| *known == route).map(|(.., path)| (*path).to_owned()).unwrap_or_default()
}

fn json(value: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(ClientError::NotUnderstood)
}

async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = response.into_body().collect().await.map_err(ClientError::Broken)?.to_bytes();
    let problem = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Problem::new(status, format!("the agent answered {status} without a word")));
    Err(ClientError::Refused(problem))
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let body = response.into_body().collect().await.map_err(ClientError::Broken)?.to_bytes();
    serde_json::from_slice(&body).map_err(ClientError::NotUnderstood)
}
