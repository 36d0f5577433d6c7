//! `sched` and `task run`: the scheduler's own process, and a person who wants a task now.

use super::args::TaskRun;
use super::failure::{Failure, OK, SYSTEM, USAGE, chain};
use super::orders::first_bad;
use super::terminal::{print, say};
use crate::control::{Client, Outcome, RunTask};
use crate::document::nearest;
use crate::sched::{self, SchedError};

/// Follows the schedule until it is told to end.
pub(crate) async fn sched(client: Client) -> Result<u8, Failure> {
    super::running::log(std::env::var_os("MAILWARD_SERVICE").is_none());
    match sched::follow(client).await {
        Ok(()) => Ok(OK),
        Err(error @ SchedError::System { .. }) => Err(Failure::new(SYSTEM, chain(&error))),
        Err(error @ SchedError::NotAllowed(_)) => Err(Failure::new(super::failure::NOT_ALLOWED, chain(&error))),
    }
}

/// Has tasks run now. The exit code is the one of the first that is refused.
pub(crate) async fn run(client: &Client, said: &TaskRun) -> Result<u8, Failure> {
    let mut codes = Vec::new();
    for name in &said.names {
        let answered = client.run_task(name, &RunTask::default()).await?;
        codes.push(answered.exit_code);
        match answered.outcome {
            Outcome::Doing | Outcome::AlreadySo => print(&format!("{name} is begun; its output is in its log\n"))?,
            Outcome::Refused if answered.exit_code == USAGE => {
                say(&format!("mailward: {}", unknown(client, name).await));
            }
            Outcome::Refused => say(&format!("mailward: {}", answered.message)),
        }
    }
    Ok(first_bad(codes))
}

async fn unknown(client: &Client, name: &str) -> String {
    let reported = client.status().await.ok();
    let instances = reported.iter().flat_map(|reported| &reported.status.instances);
    let known: Vec<&str> = instances.flat_map(|instance| &instance.tasks).map(|task| task.name.as_str()).collect();
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("there is no task named {name}; did you mean {meant}?"),
        None if known.is_empty() => format!("there is no task named {name}"),
        None => format!("there is no task named {name}; there are {}", known.join(", ")),
    }
}
