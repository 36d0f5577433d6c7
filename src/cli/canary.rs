//! `canary`: a message through the whole mail server, now; or what came of the last ones.

use super::args::{Canary, Output};
use super::failure::{Failure, OK};
use super::render;
use super::terminal::{print, style};
use crate::control::{Client, ClientError};
use crate::status::CanaryRun;

/// It could not be found out whether mail comes through.
const UNKNOWN: u8 = 1;
/// A hop broke.
const BROKE: u8 = 2;
/// `EX_CONFIG`: the document declares none.
const NOT_DECLARED: u8 = 78;

/// Asks for a run, waits for its end and shows it.
pub(crate) async fn canary(client: &Client, said: &Canary) -> Result<u8, Failure> {
    let runs = if said.history {
        client.canary_runs().await?
    } else {
        match client.canary().await {
            Ok(run) => vec![run],
            Err(ClientError::Refused(problem)) if problem.status == 404 => {
                return Err(Failure::new(NOT_DECLARED, problem.detail.clone()));
            }
            Err(error) => return Err(error.into()),
        }
    };
    print(&match (said.output, runs.as_slice()) {
        (Output::Table, runs) => render::canary(runs, style()),
        (Output::Json, [run]) if !said.history => render::json(run)?,
        (Output::Json, runs) => render::json(&runs)?,
        (Output::Yaml, [run]) if !said.history => render::yaml(run)?,
        (Output::Yaml, runs) => render::yaml(&runs)?,
    })?;
    Ok(runs.last().map_or(OK, exit_code))
}

fn exit_code(run: &CanaryRun) -> u8 {
    if run.came_through() {
        OK
    } else if run.broken().is_some() {
        BROKE
    } else {
        UNKNOWN
    }
}
