//! `refresh`.

use super::{RefreshMsg, Services, meant};
use crate::agent::Told;
use crate::cli::args::Agent;
use crate::cli::failure::Failure;
use crate::cli::orders::{first_bad, outcome};
use crate::cli::terminal::{print, say};
use crate::cli::waiting::{Audience, Goal, wait};
use crate::cli::{folders, names};
use crate::control::{OrderRequest, Outcome};
use crate::engine::Verb;

/// Lets what is named, or all that can, take over changed files; `watcher`, or no name, also reads the document again.
pub(crate) async fn refresh(agent: &Agent, said: &RefreshMsg) -> Result<u8, Failure> {
    let client = folders::client(agent, &said.place)?;
    let meant = meant(&said.components);
    print("Connecting to watcher ...\n")?;
    let mut events = client.events().await?;
    if meant.watcher || meant.services == Services::All {
        client.refresh().await?;
        print("Refreshing watcher ... done\n")?;
    }
    let services = match meant.services {
        Services::All => None,
        Services::These(names) if names.is_empty() => return Ok(0),
        Services::These(names) => Some(names),
    };
    let answers = client.order(&OrderRequest { verb: Verb::Reload, services, force: false, by_manager: false }).await?;
    let known = names::known(&client).await;
    let (mut codes, mut goals) = (Vec::new(), Vec::new());
    for answer in &answers {
        match answer.outcome {
            Outcome::Refused => {
                say(&format!("refresh: {}", names::refusal(answer, &known)));
                codes.push(answer.exit_code);
            }
            Outcome::AlreadySo | Outcome::Doing => goals.push((answer.service.clone(), Goal::Reloaded)),
        }
    }
    for (name, fate) in &wait(&client, &mut events, &goals, None, &mut Silence).await?.fates {
        let (code, words) = outcome(fate, None);
        print(&format!("Refreshing {name} server ... {}\n", if words.is_none() { "done" } else { "failed" }))?;
        if let Some(words) = words {
            say(&format!("refresh: {name}: {words}"));
        }
        codes.push(code);
    }
    Ok(first_bad(codes))
}

struct Silence;

impl Audience for Silence {
    fn happened(&mut self, _told: &Told) -> Result<(), Failure> {
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
