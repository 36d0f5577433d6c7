//! What may be asked over TCP where `--health` says so: `/livez`, `/readyz`, `/metrics`, to be read by anybody.
//!
//! The agent's loop answers each question from memory between two turns, so an answer is itself the proof that the loop
//! turns; no answer in time is a `503`. Nothing can be changed here, and nothing else is to be had.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::Request;
use super::body::Reply;
use crate::status::Vitals;

/// Most connections at once; more are closed unheard.
const CONNECTIONS: usize = 16;
/// How long a whole conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A loop that has not answered for so long is taken to hang.
const LOOP_PATIENCE: Duration = Duration::from_secs(5);

/// Reads `ADDRESS:PORT`; `:PORT` is every address of the machine, tried with IPv6 first.
///
/// # Errors
/// Neither; in words.
pub fn health_address(text: &str) -> Result<Vec<SocketAddr>, String> {
    let wrong = || format!("{text:?} is no ADDRESS:PORT, such as 127.0.0.1:9440, [::1]:9440 or :9440");
    match text.strip_prefix(':') {
        Some(port) => {
            let port: u16 = port.parse().map_err(|_| wrong())?;
            Ok(vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))])
        }
        None => text.parse().map(|address| vec![address]).map_err(|_| wrong()),
    }
}

/// Answers until the agent's loop drops its receiver.
pub async fn serve_health(listener: TcpListener, requests: mpsc::Sender<Request>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = tokio::select! {
            () = requests.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors or memory: the connection stays in the backlog, so wait instead of spinning.
                Err(error) => {
                    tracing::warn!(%error, "the health port cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
        };
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let requests = requests.clone();
        tokio::spawn(async move {
            let requests = &requests;
            let answer =
                service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, requests).await) });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).max_buf_size(8 * 1024).max_headers(32).keep_alive(false);
            // Whoever does not read, or does not say what it wants, is let go.
            let _ = timeout(PATIENCE, server.serve_connection(TokioIo::new(stream), answer)).await;
            drop(permit);
        });
    }
}

async fn answer(request: &HttpRequest<Incoming>, requests: &mpsc::Sender<Request>) -> Response<Reply> {
    let path = request.uri().path();
    if !["/livez", "/readyz", "/metrics"].contains(&path) {
        return text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned());
    }
    if request.method() != Method::GET {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "this can only be read: GET\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    let Some(vitals) = ask(requests).await else {
        let words = format!("the agent's loop has not answered for {} s\n", LOOP_PATIENCE.as_secs());
        return text(StatusCode::SERVICE_UNAVAILABLE, words);
    };
    match path {
        "/metrics" => text(StatusCode::OK, vitals.prometheus()),
        "/readyz" => match vitals.not_ready() {
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            None => text(StatusCode::OK, "ok\n".to_owned()),
        },
        _ => text(StatusCode::OK, "ok\n".to_owned()),
    }
}

async fn ask(requests: &mpsc::Sender<Request>) -> Option<Vitals> {
    let asked = async {
        let (back, answer) = oneshot::channel();
        requests.send(Request::Vitals(back)).await.ok()?;
        answer.await.ok()
    };
    timeout(LOOP_PATIENCE, asked).await.ok().flatten()
}

fn text(status: StatusCode, words: String) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Some(Bytes::from(words))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn said(address: SocketAddr, words: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        said(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await
    }

    async fn served() -> (SocketAddr, mpsc::Receiver<Request>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, asked) = mpsc::channel(4);
        tokio::spawn(serve_health(listener, requests));
        (address, asked)
    }

    #[tokio::test]
    async fn r30_what_may_be_read_is_answered_by_the_loop_and_nothing_else_is_there() {
        let (address, mut asked) = served().await;
        let the_loop = tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                let Request::Vitals(reply) = request else { panic!("{request:?}") };
                reply.send(Vitals { generation: Some(1), ..Vitals::default() }).unwrap();
            }
        });
        for (path, status) in [("/livez", "200"), ("/readyz", "200"), ("/metrics", "200"), ("/v1/status", "404")] {
            let answer = get(address, path).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        }
        let answer = said(address, "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.to_lowercase().contains("allow: get"), "{answer}");
        the_loop.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn r30_a_loop_that_does_not_turn_is_not_alive() {
        let (requests, asked) = mpsc::channel(1);
        assert_eq!(ask(&requests).await, None, "the question waits in the channel");
        assert_eq!(ask(&requests).await, None, "there is no room for one more");
        drop(asked);
        assert_eq!(ask(&requests).await, None, "it has ended");
    }

    #[test]
    fn an_address_may_leave_out_the_machines() {
        assert_eq!(health_address("127.0.0.1:9440").unwrap(), ["127.0.0.1:9440".parse().unwrap()]);
        assert_eq!(health_address(":9440").unwrap().len(), 2);
        for wrong in ["9440", ":", "localhost:1", ":70000", ""] {
            assert!(health_address(wrong).unwrap_err().contains("ADDRESS:PORT"), "{wrong}");
        }
    }
}
