//! `status plan why history`: questions to a running agent, and what can be said without one.

use std::collections::HashMap;

use super::args::{History, Output, Place, Plan, Status, StatusOutput, Why};
use super::failure::{Failure, OK, USAGE};
use super::folders::Folders;
use super::terminal::{print, say, style};
use super::{documents, names, render};
use crate::agent::Forecast;
use crate::clock;
use crate::control::{Client, ClientError};
use crate::desired::Desired;
use crate::engine::Engine;
use crate::model::Life;
use crate::sim::unfold;
use crate::status::{Condition, Reported, Status as Whole, Truth};

/// There are changes ([R20]).
const CHANGES: u8 = 2;
/// LSB: the service is not as it should be.
const NOT_ALL_READY: u8 = 1;
/// LSB: the program is not running.
const NO_AGENT: u8 = 3;
/// LSB: the status is unknown.
const UNKNOWN: u8 = 4;

/// Shows the status. Never fails for want of an agent: that is an answer.
pub(crate) async fn status(client: &Client, said: &Status) -> Result<u8, Failure> {
    let only = names::expand(&said.names);
    let (reported, code) = match client.status().await {
        Ok(reported) => {
            let known: Vec<&str> = services(&reported).map(|service| service.name.as_str()).collect();
            if let Some(name) = only.iter().find(|name| !known.contains(&name.as_str())) {
                let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
                return Err(Failure::new(USAGE, names::unknown(name, &known)));
            }
            let code = if is_ready(&reported, &only) { OK } else { NOT_ALL_READY };
            (reported, code)
        }
        Err(error) => {
            let code = if error.is_no_agent() { NO_AGENT } else { UNKNOWN };
            if matches!(said.output, StatusOutput::Table | StatusOutput::Wide) {
                say(&format!("mailward: {}", super::failure::chain(&error)));
                return Ok(code);
            }
            (absent(&error), code)
        }
    };
    print(&match said.output {
        StatusOutput::Table => render::status(&reported, &only, false, clock::wall(), style()),
        StatusOutput::Wide => render::status(&reported, &only, true, clock::wall(), style()),
        StatusOutput::Json => render::json(&reported)?,
        StatusOutput::Yaml => render::yaml(&reported)?,
    })?;
    Ok(code)
}

fn services(reported: &Reported) -> impl Iterator<Item = &crate::status::ServiceStatus> {
    reported.status.instances.iter().flat_map(|instance| &instance.services)
}

/// Whether all is well: of the services that are asked for, or by the condition Ready.
fn is_ready(reported: &Reported, only: &[String]) -> bool {
    if only.is_empty() {
        let ready = reported.status.conditions.iter().find(|condition| condition.r#type == "Ready");
        return ready.is_some_and(|ready| ready.status == Truth::True);
    }
    services(reported).filter(|service| only.contains(&service.name)).all(|service| service.ready == Truth::True)
}

/// The object where nobody can be asked.
fn absent(error: &ClientError) -> Reported {
    let reason = if error.is_no_agent() { "NoAgent" } else { "AgentSilent" };
    let condition = Condition {
        r#type: "Ready".to_owned(),
        status: Truth::Unknown,
        reason: reason.to_owned(),
        message: super::failure::chain(error),
        last_transition_time: clock::wall().to_string(),
        observed_generation: 0,
    };
    let status = Whole { conditions: vec![condition], ..Whole::default() };
    Reported::new("", status)
}

/// Shows what would be done.
pub(crate) async fn plan(client: &Client, said: &Plan) -> Result<u8, Failure> {
    let said_bytes = match &said.file {
        Some(file) => {
            let bytes = documents::bytes(file)?;
            // What is wrong with it is said with the file's name, and needs no agent.
            documents::desired(file, &bytes)?;
            Some(bytes)
        }
        None => None,
    };
    let asked = match &said_bytes {
        Some(bytes) => client.plan_document(bytes.clone()).await,
        None => client.plan().await,
    };
    let forecast = match asked {
        Ok(forecast) => forecast,
        Err(error) if error.is_no_agent() => {
            let file = match &said.file {
                Some(file) => file.clone(),
                None => Folders::of(&Place::default())?.config,
            };
            let bytes = said_bytes.map_or_else(|| documents::bytes(&file), Ok)?;
            let forecast = unfolded(documents::desired(&file, &bytes)?);
            say(&format!("mailward: {error}\nmailward: this is what {} asks for where nothing runs", file.display()));
            forecast
        }
        Err(error) => return Err(error.into()),
    };
    print(&match said.output {
        Output::Table => render::plan(&forecast, style()),
        Output::Json => render::json(&forecast)?,
        Output::Yaml => render::yaml(&forecast)?,
    })?;
    Ok(if forecast.steps.is_empty() { OK } else { CHANGES })
}

fn unfolded(desired: Desired) -> Forecast {
    let engine = Engine::new(desired, Life(1), HashMap::new());
    let desired = engine.desired().clone();
    Forecast::of(&unfold(engine, clock::now()), &desired)
}

/// Says why a service is as it is.
pub(crate) async fn why(client: &Client, said: &Why) -> Result<u8, Failure> {
    for name in names::expand(std::slice::from_ref(&said.name)) {
        let why = match client.why(&name).await {
            Ok(why) => why,
            Err(ClientError::Refused(problem)) if problem.status == 404 => {
                return Err(Failure::new(USAGE, names::unknown(&name, &names::known(client).await)));
            }
            Err(error) => return Err(error.into()),
        };
        print(&(why.sentences.join("\n") + "\n"))?;
    }
    Ok(OK)
}

/// Lists what happened.
pub(crate) async fn history(client: &Client, said: &History) -> Result<u8, Failure> {
    let wanted = names::expand(said.name.as_slice());
    let mut events = client.history(None).await?;
    if !wanted.is_empty() {
        let known = names::with_a_history(client).await;
        events.retain(|told| wanted.iter().any(|name| name == told.subject()));
        // A removed service still has a history.
        if let Some(name) = wanted.iter().find(|name| events.is_empty() && !known.contains(name)) {
            return Err(Failure::new(USAGE, names::unknown(name, &known)));
        }
    }
    print(&match said.output {
        Output::Table => render::history(&events, style()),
        Output::Json => render::json(&events)?,
        Output::Yaml => render::yaml(&events)?,
    })?;
    Ok(OK)
}
