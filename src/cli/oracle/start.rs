//! `start-msg`.

use super::launch::launch;
use super::{Services, StartMsg, ha, meant};
use crate::agent::Told;
use crate::cli::args::{Agent, Place};
use crate::cli::failure::{Failure, OK, USAGE};
use crate::cli::folders::{self, Folders};
use crate::cli::orders::{first_bad, outcome};
use crate::cli::render::Starting;
use crate::cli::terminal::{print, say};
use crate::cli::waiting::{Audience, Goal, wait};
use crate::cli::{documents, names};
use crate::control::{OrderRequest, Outcome};
use crate::engine::{Happened, Verb};

/// Starts what is named, or all; launches the agent first where none runs, and then holds what is not named.
pub(crate) async fn start(agent: &Agent, said: &StartMsg) -> Result<u8, Failure> {
    let client = folders::client(agent, &said.place)?;
    let meant = meant(&said.components);
    print("Connecting to watcher ...\n")?;
    let mut show = Show::default();
    let mut launched = false;
    let mut events = match client.events().await {
        Ok(events) => events,
        Err(missing) if missing.is_no_agent() => {
            let but = match &meant.services {
                Services::All => None,
                Services::These(names) => Some(names.as_slice()),
            };
            check_names(&said.place, but.unwrap_or_default())?;
            if !meant.ha {
                ha::refuse_to_launch(&said.place)?;
            }
            launched = true;
            let events = launch(&client, missing, said, but).await?;
            // What the agent has begun by itself before anybody could follow.
            show.replay(client.history(None).await?)?;
            events
        }
        Err(error) => return Err(error.into()),
    };
    if !launched {
        let reported = client.status().await?;
        for instance in reported.status.instances.iter().filter(|instance| !instance.advice.is_empty()) {
            say(&format!("start-msg: {}", instance.advice));
        }
    }
    let services = match meant.services {
        Services::All => None,
        Services::These(names) if names.is_empty() => {
            if !launched {
                say("start-msg: watcher is already running");
            }
            return Ok(OK);
        }
        Services::These(names) => Some(names),
    };
    let is_all = services.is_none();
    let answers =
        client.order(&OrderRequest { verb: Verb::Start, services, force: false, by_manager: meant.ha }).await?;
    let known = names::known(&client).await;
    let mut codes = Vec::new();
    let mut goals = Vec::new();
    for answer in &answers {
        match answer.outcome {
            Outcome::Refused => {
                say(&format!("start-msg: {}", names::refusal(answer, &known)));
                codes.push(answer.exit_code);
            }
            Outcome::AlreadySo if !is_all && (!launched || show.is_adopted(&answer.service)) => {
                say(&format!("start-msg: {} server is already running", answer.service));
            }
            // What the agent has started meanwhile is awaited as well.
            Outcome::AlreadySo | Outcome::Doing => goals.push((answer.service.clone(), Goal::Up)),
        }
    }
    if is_all && !launched && !answers.is_empty() && answers.iter().all(|a| a.outcome == Outcome::AlreadySo) {
        say("start-msg: all enabled servers are already running");
    }
    let waited = wait(&client, &mut events, &goals, None, &mut show).await;
    print(&show.lines.finish())?;
    for (name, fate) in &waited?.fates {
        let (code, words) = outcome(fate, None);
        if let Some(words) = words {
            say(&format!("start-msg: {name} server is not ready: {words}"));
        }
        codes.push(code);
    }
    Ok(first_bad(codes))
}

/// A slip of the finger must not launch an agent that holds everything else.
fn check_names(place: &Place, named: &[String]) -> Result<(), Failure> {
    // A document that cannot be read is the agent's to refuse: it may have a last good one.
    let Some(known) = documents::services(&Folders::of(place)?.config) else { return Ok(()) };
    match named.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(Failure::new(USAGE, names::unknown(name, &known))),
        None => Ok(()),
    }
}

/// Prints the lines; what was replayed is not told again.
#[derive(Default)]
struct Show {
    lines: Starting,
    replayed: Vec<Told>,
}

impl Show {
    fn replay(&mut self, past: Vec<Told>) -> Result<(), Failure> {
        for told in &past {
            self.tell(told)?;
        }
        self.replayed = past;
        Ok(())
    }

    /// Whether it ran before the agent did.
    fn is_adopted(&self, service: &str) -> bool {
        let adopted = |told: &&Told| matches!(told.event, Happened::Adopted { .. });
        self.replayed.iter().filter(adopted).any(|told| told.service.as_deref() == Some(service))
    }

    fn tell(&mut self, told: &Told) -> Result<(), Failure> {
        match &told.service {
            Some(service) => print(&self.lines.happened(service, &told.event)),
            None => Ok(()),
        }
    }
}

impl Audience for Show {
    fn happened(&mut self, told: &Told) -> Result<(), Failure> {
        if let Some(at) = self.replayed.iter().position(|past| past == told) {
            self.replayed.remove(at);
            return Ok(());
        }
        self.tell(told)
    }

    fn tick(&mut self) -> Result<(), Failure> {
        print(self.lines.tick())
    }
}
