//! `stop-msg ha`, an entry of a cluster manager's agent, and the refusal for everybody else where no agent runs that
//! could give it ([R22]).

use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::{Instant, sleep, timeout};

use super::launch::launch;
use super::stop::{Show, is_gone};
use super::{StartMsg, StopMsg};
use crate::cli::args::Place;
use crate::cli::documents;
use crate::cli::failure::{Failure, NOT_ALLOWED, NOT_IN_TIME, OK};
use crate::cli::folders::Folders;
use crate::cli::render::Stopping;
use crate::cli::terminal::print;
use crate::cli::waiting::Audience as _;
use crate::control::{Client, Ending};
use crate::observe::surroundings::surroundings;
use crate::policy::cluster::detect;

/// How often it is looked whether the agent is gone, and a dot may be due.
const LOOK: Duration = Duration::from_millis(50);
/// How long the agent's process may take to go once it has said its last word.
const FAREWELL: Duration = Duration::from_secs(30);

/// An agent that a person launches where a manager is in charge would be a second one, or one on the wrong host.
pub(super) fn refuse_to_launch(place: &Place) -> Result<(), Failure> {
    let said = documents::cluster(&Folders::of(place)?.config);
    match detect(&said, &surroundings()) {
        Some(detected) => Err(Failure::new(NOT_ALLOWED, format!("no agent is running, and {}", detected.refusal()))),
        None => Ok(()),
    }
}

/// Stops everything in order, holds nothing, and ends the agent. Nothing runs afterwards, whatever was before: that
/// there was nothing to stop is no error, for a manager stops what it is not sure of.
pub(super) async fn stop(client: &Client, said: &StopMsg) -> Result<u8, Failure> {
    print("Connecting to watcher ...\n")?;
    let mut events = match client.events().await {
        Ok(events) => events,
        // A killed agent may have left services: the next one finds them by the journal, and holds what does not run.
        Err(missing) if missing.is_no_agent() && Folders::of(&said.place)?.runtime_dir.join("journal").exists() => {
            let words = StartMsg { components: Vec::new(), place: said.place.clone(), ends_with_us: false };
            launch(client, missing, &words, Some(&[])).await?
        }
        Err(missing) if missing.is_no_agent() => return Ok(OK),
        Err(error) => return Err(error.into()),
    };
    let before = client.status().await?;
    let process = client.agent_pid().await?.and_then(Pid::from_raw);
    let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let names = before.status.instances.iter().flat_map(|instance| &instance.services);
    let mut order: Vec<String> = names.map(|service| service.name.clone()).collect();
    order.reverse();
    if said.force {
        let force = crate::control::OrderRequest {
            verb: crate::engine::Verb::Stop,
            services: None,
            force: true,
            by_manager: true,
        };
        client.order(&force).await?;
    }
    client.end(Ending::Everything).await?;
    let mut show = Show { lines: Stopping::new(order, Vec::new()), killed: Vec::new() };
    let mut ticked = Instant::now();
    loop {
        match timeout(LOOK, events.next()).await {
            Ok(Ok(Some(told))) => show.happened(&told)?,
            // It has said its last word.
            Ok(Ok(None) | Err(_)) => break,
            Err(_) => {}
        }
        if ticked.elapsed() >= Duration::from_secs(1) {
            ticked = Instant::now();
            show.tick()?;
        }
    }
    print(&show.lines.finish())?;
    show.say_risks(&before);
    let begun = Instant::now();
    while !is_gone(client, process.as_ref()).await {
        if begun.elapsed() > FAREWELL {
            return Err(Failure::new(NOT_IN_TIME, "the agent does not end"));
        }
        sleep(LOOK).await;
    }
    Ok(OK)
}
