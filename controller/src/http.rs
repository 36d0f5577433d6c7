//! `/livez`, `/readyz` and `/metrics`, answered from memory.
//!
//! Effect: one listener. An operator that stands by is ready too: it would take over at once.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::metrics::Metrics;

/// Connections at once; who comes beyond them waits. A probe and a scraper or two is what there is.
const CONNECTIONS: usize = 64;

/// Whether the API server has answered and this operator leads or stands by.
pub type Ready = Arc<AtomicBool>;

/// Listens, and answers in tasks that end with `tasks`. Returns the address that it listens on.
pub async fn serve(
    address: SocketAddr,
    ready: Ready,
    metrics: Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            if open.len() >= CONNECTIONS {
                let _ = open.join_next().await;
            }
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors: those that are open end by themselves.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let (ready, metrics) = (Arc::clone(&ready), Arc::clone(&metrics));
            open.spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let response = answer(request.uri().path(), ready.load(Ordering::Relaxed), &metrics);
                    async move { Ok::<_, Infallible>(response) }
                });
                // Without a timer a client that says nothing would be kept for ever.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok(bound)
}

fn answer(path: &str, ready: bool, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if ready => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet\n".to_owned()),
        "/metrics" => (StatusCode::OK, metrics.text()),
        _ => (StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_operator_that_reached_the_api_server_is_ready() {
        let metrics = Metrics::default();
        let status = |path, ready| answer(path, ready, &metrics).status().as_u16();
        assert_eq!((status("/readyz", false), status("/readyz", true)), (503, 200));
        assert_eq!((status("/livez", false), status("/metrics", false), status("/", true)), (200, 200, 404));
    }
}
