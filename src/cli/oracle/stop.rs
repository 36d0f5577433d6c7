//! `stop-msg`.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::{Instant, sleep};

use super::{Services, StopMsg, ha, meant};
use crate::agent::Told;
use crate::cli::args::Agent;
use crate::cli::failure::{Failure, NOT_IN_TIME, OK};
use crate::cli::orders::{first_bad, outcome};
use crate::cli::render::Stopping;
use crate::cli::terminal::{print, say};
use crate::cli::waiting::{Audience, Goal, find, wait};
use crate::cli::{folders, names};
use crate::control::{Client, Ending, OrderRequest, Outcome};
use crate::engine::{Happened, Verb};
use crate::status::Reported;

/// How long an agent may take to end once it has said that it does.
const FAREWELL: Duration = Duration::from_secs(30);

/// Stops what is named, or all that runs; with `watcher` the agent ends, and what is not named runs on.
pub(crate) async fn stop(agent: &Agent, said: &StopMsg) -> Result<u8, Failure> {
    let client = folders::client(agent, &said.place)?;
    let meant = meant(&said.components);
    if meant.ha {
        return ha::stop(&client, said).await;
    }
    print("Connecting to watcher ...\n")?;
    let before = client.status().await?;
    let mut code = OK;
    match meant.services {
        Services::These(names) if names.is_empty() => {}
        Services::These(names) => code = services(&client, &before, Some(names), said.force).await?,
        Services::All => code = services(&client, &before, None, said.force).await?,
    }
    if meant.watcher {
        end(&client, &before).await?;
    }
    Ok(code)
}

async fn services(client: &Client, before: &Reported, names: Option<Vec<String>>, force: bool) -> Result<u8, Failure> {
    let mut events = client.events().await?;
    let answers = client.order(&OrderRequest { verb: Verb::Stop, services: names, force, by_manager: false }).await?;
    let all = before.status.instances.iter().flat_map(|instance| &instance.services);
    let mut order: Vec<String> = all.map(|service| service.name.clone()).collect();
    let (mut codes, mut goals, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for answer in &answers {
        match answer.outcome {
            Outcome::Refused => {
                say(&format!("stop-msg: {}", names::refusal(answer, &order)));
                codes.push(answer.exit_code);
            }
            Outcome::AlreadySo => absent.push(answer.service.clone()),
            Outcome::Doing => goals.push((answer.service.clone(), Goal::Down)),
        }
    }
    order.reverse();
    absent.sort_by_key(|name| order.iter().position(|known| known == name));
    let mut show = Show { lines: Stopping::new(order, absent), killed: Vec::new() };
    let waited = wait(client, &mut events, &goals, None, &mut show).await;
    print(&show.lines.finish())?;
    let waited = waited?;
    show.say_risks(before);
    for (name, fate) in &waited.fates {
        let (code, words) = outcome(fate, None);
        if let Some(words) = words {
            say(&format!("stop-msg: {name} server is not stopped: {words}"));
        }
        codes.push(code);
    }
    Ok(first_bad(codes))
}

/// Ends the agent; the services run on and the next one adopts them.
async fn end(client: &Client, before: &Reported) -> Result<(), Failure> {
    let pid = before.status.instances.first().map_or(0, |instance| instance.agent_pid);
    print(&format!("Stopping watcher {pid} ..."))?;
    // It holds its folders until its process is gone, which is after its socket is: whoever starts the next one at once
    // would be refused.
    let process = client.agent_pid().await?.and_then(Pid::from_raw);
    let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let ended = client.end(Ending::AgentAlone).await;
    let begun = Instant::now();
    let mut dotted = begun;
    while ended.is_ok() && !is_gone(client, process.as_ref()).await {
        if begun.elapsed() > FAREWELL {
            print("\n")?;
            return Err(Failure::new(NOT_IN_TIME, "the agent does not end"));
        }
        if dotted.elapsed() >= Duration::from_secs(1) {
            dotted = Instant::now();
            print(".")?;
        }
        sleep(Duration::from_millis(20)).await;
    }
    print(if ended.is_ok() { " done\n" } else { " failed\n" })?;
    ended.map_err(Failure::from)
}

/// Whether the agent is gone: its process, or where that cannot be seen from here, its socket.
pub(super) async fn is_gone(client: &Client, process: Option<&OwnedFd>) -> bool {
    match process {
        // A pidfd is readable once its process has ended, reaped or not (pidfd_open(2)).
        Some(process) => poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&Timespec::default())) == Ok(1),
        None => client.status().await.is_err(),
    }
}

pub(super) struct Show {
    pub(super) lines: Stopping,
    pub(super) killed: Vec<String>,
}

impl Show {
    /// Their locks are not released by the kernel: they live in files of the store ([R3]).
    pub(super) fn say_risks(self, before: &Reported) {
        let in_store = |name: &String| find(before, name).is_some_and(|service| service.group.is_some());
        let risky: Vec<String> = self.killed.into_iter().filter(in_store).collect();
        if !risky.is_empty() {
            say(&format!(
                "stop-msg: stopped by KILL: {}; locks may be left in the message store, so if others hang, stop and \
                 start all services",
                risky.join(", ")
            ));
        }
    }
}

impl Audience for Show {
    fn happened(&mut self, told: &Told) -> Result<(), Failure> {
        let Some(service) = &told.service else { return Ok(()) };
        if matches!(told.event, Happened::Killed { .. }) && !self.killed.contains(service) {
            self.killed.push(service.clone());
        }
        print(&self.lines.happened(service, &told.event))
    }

    fn tick(&mut self) -> Result<(), Failure> {
        print(self.lines.tick())
    }
}
