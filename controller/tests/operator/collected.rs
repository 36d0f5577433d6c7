//! OpenTelemetry, by its variables: the operator's own program beside a collector of twenty lines.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mailward_controller::kinds::Kind;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::place::Place;

/// What a collector was sent: the path and the body.
type Sent = (String, Bytes);

/// Listens on loopback and keeps what comes.
async fn collector() -> (String, mpsc::UnboundedReceiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one");
    let (keep, kept) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let keep = keep.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let keep = keep.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    let _ = keep.send((path, body));
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::new())))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (format!("http://{address}"), kept)
}

/// The program, which is ended with TERM, or with the test.
struct Program(Child);

impl Program {
    fn begin(place: &Place, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailward-controller"));
        command.args(["--agent-image=registry.example/agent:1", "--leader-elect=false", "--http=127.0.0.1:0"]);
        command.args(["--namespace", &place.name]).stdin(Stdio::null()).stderr(Stdio::null());
        command.env("KUBECONFIG", place.plane.folder.join("kubeconfig"));
        Self(command.envs(environment.iter().copied()).spawn().expect("it is built"))
    }

    /// The names of its threads.
    fn threads(&self) -> BTreeSet<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("it runs");
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
        tasks.filter_map(|task| name(task.ok()?)).map(|name| name.trim().to_owned()).collect()
    }

    fn end(mut self) {
        let pid = Pid::from_raw(self.0.id().cast_signed()).expect("a process");
        kill_process(pid, Signal::TERM).expect("it runs");
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn each_step_of_a_round_is_a_span_and_the_counters_are_sent_where_a_collector_is_named() {
    let place = Place::new("collected").await;
    let (endpoint, mut kept) = collector().await;
    let program = Program::begin(
        &place,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")],
    );
    place.apply("mail", "registry.example/mail:1").await;
    place.until(place.objects(Kind::Pod), "mail-0", |_| true).await;
    place.says("mail", "Ready", "False", "Pending").await;
    assert!(program.threads().iter().any(|name| name.starts_with("OpenTelemetry")), "{:?}", program.threads());
    // What was not sent yet is sent at the end.
    tokio::task::spawn_blocking(|| program.end()).await.expect("it ends well");

    let (mut spans, mut resources, mut metrics) = (Vec::<Span>::new(), BTreeSet::new(), BTreeSet::new());
    while let Ok((path, body)) = kept.try_recv() {
        match path.as_str() {
            "/v1/traces" => {
                let sent = ExportTraceServiceRequest::decode(body).expect("protobuf");
                for of in sent.resource_spans {
                    let attributes = of.resource.expect("whose they are").attributes;
                    resources.extend(attributes.into_iter().map(|it| format!("{}={:?}", it.key, it.value)));
                    spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
            }
            "/v1/metrics" => {
                let sent = ExportMetricsServiceRequest::decode(body).expect("protobuf");
                let scopes = sent.resource_metrics.into_iter().flat_map(|of| of.scope_metrics);
                metrics.extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
            }
            other => panic!("{other} was sent"),
        }
    }
    let rounds: BTreeMap<Vec<u8>, &Span> =
        spans.iter().filter(|span| span.name == "reconcile").map(|span| (span.span_id.clone(), span)).collect();
    let steps: BTreeSet<&str> =
        spans.iter().filter(|span| rounds.contains_key(&span.parent_span_id)).map(|span| span.name.as_str()).collect();
    assert_eq!(steps, BTreeSet::from(["apply", "build", "gather", "update_status", "validate"]), "{spans:?}");
    let about = |span: &Span| {
        span.attributes.iter().any(|it| it.key == "mailward.server.name" && format!("{it:?}").contains("\"mail\""))
    };
    assert!(rounds.values().all(|span| about(span) && span.parent_span_id.is_empty()), "{rounds:?}");
    for wanted in ["service.name=", "mailward-controller", "deployment.environment.name="] {
        assert!(resources.iter().any(|found| found.contains(wanted)), "{wanted}: {resources:?}");
    }
    assert!(
        metrics.contains("mailward.controller.reconciles") && metrics.contains("mailward.controller.resources"),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn without_the_variables_nothing_of_it_is_there() {
    let place = Place::new("uncollected").await;
    let (endpoint, mut kept) = collector().await;
    for environment in [&[][..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_SDK_DISABLED", "true")]] {
        let program = Program::begin(&place, environment);
        let name = format!("mail-{}", environment.len());
        place.apply(&name, "registry.example/mail:1").await;
        place.says(&name, "Ready", "False", "Pending").await;
        assert!(!program.threads().iter().any(|name| name.starts_with("OpenTelemetry")), "{:?}", program.threads());
        tokio::task::spawn_blocking(|| program.end()).await.expect("it ends well");
    }
    assert!(kept.try_recv().is_err(), "nothing was sent");
}

#[tokio::test]
async fn a_collector_that_is_away_or_cannot_be_spoken_to_stops_no_round() {
    let place = Place::new("away").await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("it has one");
    let program = Program::begin(&place, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}"))]);
    place.apply("mail", "registry.example/mail:1").await;
    place.says("mail", "Ready", "False", "Pending").await;
    tokio::task::spawn_blocking(|| program.end()).await.expect("it ends well");
}
