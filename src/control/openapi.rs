//! The description of the control socket (`OpenAPI` 3.1), written from the table of routes and the types themselves.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::request::{Forecast, Told};
use super::routes::{METHODS, Route};
use super::schedule::{RunTask, Scheduled, TaskAnswered, TaskMissed};
use super::wire::{Answered, End, OrderRequest, ProbeRequest, Why};
use super::{Problem, Right};
use crate::status::{CanaryRun, ProbeReport, ProbeSeries, Reported};

/// The `OpenAPI` 3.1 description.
pub fn openapi() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut types = settings.into_generator();
    let mut paths = Map::new();
    for (route, method, path) in &METHODS {
        let operation = describe(*route, &mut types);
        let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let problem = types.subschema_for::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mailward control socket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP/1.1 over a Unix socket, one request a connection. Root and the agent's own user may \
                do everything; others may look if the document says so. A body has at most 1 MiB.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://mailward", "description": "the control socket; the host name is not looked at"}],
        "paths": paths,
        "components": {
            "schemas": types.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "Why not: 400 not as described, 403 not allowed, 404 no such thing, 405 another \
                        method, 408 too slow, 409 not now, 413 too large, 422 a document that is not good, 503 ending \
                        or busy, 504 the loop does not answer.",
                    "content": {"application/problem+json": {"schema": problem}},
                },
            },
        },
    })
}

fn describe(route: Route, types: &mut SchemaGenerator) -> Value {
    let (id, summary) = words(route);
    let mut operation = json!({"operationId": id, "summary": summary, "responses": {"default": {
        "$ref": "#/components/responses/Problem",
    }}});
    let good = match route {
        Route::Status => answer::<Reported>(types, "The `MessagingServer` object."),
        Route::Orders => {
            operation["requestBody"] = takes::<OrderRequest>(types);
            answer::<Vec<Answered>>(types, "What became of it, one for each service. A refusal is an answer too.")
        }
        Route::Plan => answer::<Forecast>(types, "The steps in order; none when there is nothing to do."),
        Route::PlanDocument => {
            let media = json!({"schema": {"type": "string", "maxLength": super::server::BODY}});
            operation["requestBody"] = json!({"required": true, "content": {"application/yaml": media}});
            answer::<Forecast>(types, "The steps in order; none when there is nothing to do.")
        }
        Route::Why => {
            operation["parameters"] = json!([{"name": "name", "in": "path", "required": true,
                "description": "The service.", "schema": {"type": "string"}}]);
            answer::<Why>(types, "The chain of causes.")
        }
        Route::History => {
            operation["parameters"] = json!([{"name": "service", "in": "query", "required": false,
                "description": "Only of this service.", "schema": {"type": "string"}}]);
            answer::<Vec<Told>>(types, "Oldest first.")
        }
        Route::Events => {
            let line = types.subschema_for::<Told>();
            let media = json!({"schema": {"type": "string", "description": "One happening a line."},
                "x-line-schema": line});
            json!({"200": {"description": "Lines until the client leaves or the agent ends. A client that falls 4,096 \
                lines behind is let go.", "content": {"application/x-ndjson": media}}})
        }
        Route::Schedule => answer::<Vec<Scheduled>>(types, "Every enabled task, in list order."),
        Route::RunTask => {
            operation["parameters"] = task();
            operation["requestBody"] = takes::<RunTask>(types);
            answer::<TaskAnswered>(types, "What became of it. A refusal is an answer too.")
        }
        Route::TaskMissed => {
            operation["parameters"] = task();
            operation["requestBody"] = takes::<TaskMissed>(types);
            answer::<TaskAnswered>(types, "What became of it. A refusal is an answer too.")
        }
        Route::Probe => {
            operation["requestBody"] = takes::<ProbeRequest>(types);
            answer::<ProbeReport>(types, "Sent when the round is over, which may take as long as its longest time-out.")
        }
        Route::Probes => {
            operation["parameters"] = json!([{"name": "service", "in": "query", "required": false,
                "description": "Only of this service.", "schema": {"type": "string"}}]);
            answer::<Vec<ProbeSeries>>(types, "The kept answers, oldest first.")
        }
        Route::Canary => answer::<CanaryRun>(types, "Sent when the run is over. 404 where no canary is declared."),
        Route::CanaryRuns => answer::<Vec<CanaryRun>>(types, "The kept runs, oldest first."),
        Route::Refresh => json!({"204": {"description": "Taken."}}),
        Route::End => {
            operation["requestBody"] = takes::<End>(types);
            answer::<End>(types, "Sent when the agent is about to end; with `stopServices` that is after they stopped.")
        }
        Route::Description => json!({"200": {"description": "OpenAPI 3.1.",
            "content": {"application/json": {"schema": {"type": "object"}}}}}),
    };
    if let (Some(responses), Some(good)) = (operation["responses"].as_object_mut(), good.as_object()) {
        responses.extend(good.clone());
    }
    operation["x-needs"] = Value::from(match route.needs() {
        Right::Nothing => "nothing",
        Right::Read => "read",
        Right::Act => "act",
    });
    operation
}

fn task() -> Value {
    json!([{"name": "name", "in": "path", "required": true, "description": "The task.", "schema": {"type": "string"}}])
}

fn words(route: Route) -> (&'static str, &'static str) {
    match route {
        Route::Status => ("status", "The status of everything"),
        Route::Orders => ("order", "Order services to start, stop, restart, reload, or be held, released, reset"),
        Route::Plan => ("plan", "What would be done from here on, and why"),
        Route::PlanDocument => ("planDocument", "What would be done if this document were put in force"),
        Route::Why => ("why", "What was decided about a service, and the chain of causes"),
        Route::History => ("history", "What happened"),
        Route::Events => ("events", "What happens, as it happens"),
        Route::Schedule => ("schedule", "What the clock runs, and how far that was followed"),
        Route::RunTask => ("runTask", "Run a task: it is due, or a person wants it now"),
        Route::TaskMissed => ("taskMissed", "Runs of a task were due while nobody followed the schedule"),
        Route::Probe => ("probe", "A round of probes now; it joins one that is under way"),
        Route::Probes => ("probes", "The kept answers of probes"),
        Route::Canary => ("canary", "Send a message through the whole server now; it joins a run that is under way"),
        Route::CanaryRuns => ("canaryRuns", "The kept runs of the canary"),
        Route::Refresh => ("refresh", "The document file is read again, logs are reopened"),
        Route::End => ("end", "The agent ends, with or without its services"),
        Route::Description => ("describe", "This description"),
    }
}

fn answer<T: JsonSchema>(types: &mut SchemaGenerator, description: &str) -> Value {
    let schema = types.subschema_for::<T>();
    json!({"200": {"description": description, "content": {"application/json": {"schema": schema}}}})
}

fn takes<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    let schema = types.subschema_for::<T>();
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}
