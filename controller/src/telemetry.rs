//! Lines of the log, and where the environment names a collector traces and metrics for it, by OpenTelemetry's variables.
//!
//! Effect. [`crate`]'s program begins and ends it. Without `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of one signal) nothing of it
//! is made: no thread, no connection, and the spans of the steps are switched off where they are written.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, SpanExporter, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tokio::runtime::Handle;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt as lines};

use crate::options::LogFormat;

/// The target of the spans that make a trace: a round, and in it a span a step.
pub const STEPS: &str = "mailward_controller::steps";
/// Who says so, as collectors show it; `OTEL_SERVICE_NAME` says otherwise.
const NAME: &str = "mailward-controller";
/// A collector's answer is a few bytes.
const ANSWER: usize = 64 * 1024;
/// How long the last spans may take, and one export. The exporters have their own bound by `OTEL_EXPORTER_OTLP_TIMEOUT`.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why what the environment asks for cannot be done.
#[derive(Debug, Error)]
pub enum Failure {
    /// A variable says what is not offered, or what nobody understands.
    #[error("the OTEL_ variables cannot be followed")]
    Variables(#[source] ExporterBuildError),
    /// Somebody else takes the lines already.
    #[error("the log cannot be begun")]
    Log(#[source] tracing_subscriber::util::TryInitError),
}

/// What is to be ended when the program does.
#[derive(Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// Begins. On the loop that also carries what goes to the collector.
pub fn begin(format: LogFormat) -> Result<Telemetry, Failure> {
    let wanted = |one: &str| [OTEL_EXPORTER_OTLP_ENDPOINT, one].iter().any(|name| is_set(name)) && !is_off();
    let mut telemetry = Telemetry::default();
    if wanted(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) {
        let exporter = SpanExporter::builder().with_http().with_http_client(Way::new()).build();
        let exporter = exporter.map_err(Failure::Variables)?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        telemetry.traces = Some(provider);
    }
    if wanted(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT) {
        let exporter = MetricExporter::builder().with_http().with_http_client(Way::new()).build();
        let exporter = exporter.map_err(Failure::Variables)?;
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource()).build();
        global::set_meter_provider(provider.clone());
        telemetry.metrics = Some(provider);
    }
    let spans = telemetry.traces.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(NAME)).with_location(false);
        layer.with_threads(false).with_filter(filter_fn(|of| of.is_span() && of.target() == STEPS))
    });
    // What is for people is as quiet as they asked; the library below says of itself that a collector is away.
    let said = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let text = lines::layer().with_writer(std::io::stderr);
    let text = match format {
        LogFormat::Text => text.with_filter(said).boxed(),
        LogFormat::Json => text.json().with_filter(said).boxed(),
    };
    tracing_subscriber::registry().with(spans).with(text).try_init().map_err(Failure::Log)?;
    Ok(telemetry)
}

impl Telemetry {
    /// Hands over what was not sent yet, for a bounded time. The loop must go on meanwhile: it carries it.
    pub async fn end(self) {
        let Self { traces, metrics } = self;
        let last = tokio::task::spawn_blocking(move || {
            // A collector that is away is no reason to end otherwise.
            let _ = traces.map(|provider| provider.shutdown_with_timeout(PATIENCE));
            let _ = metrics.map(|provider| provider.shutdown_with_timeout(PATIENCE));
        });
        let _ = last.await;
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn is_off() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

fn resource() -> Resource {
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    if is_set("OTEL_SERVICE_NAME") {
        return Resource::builder().with_attribute(version).build();
    }
    Resource::builder().with_service_name(NAME).with_attribute(version).build()
}

/// The way to the collector: the exporters wait on threads of their own, the loop of the operator carries it.
struct Way {
    client: Client<HttpConnector, Full<Bytes>>,
    on: Handle,
}

impl Way {
    fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), on: Handle::current() }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpClient for Way {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // All of it is made there: the thread that waits here has no loop.
        self.on.spawn(async move { tokio::time::timeout(PATIENCE, answer).await }).await??
    }
}
