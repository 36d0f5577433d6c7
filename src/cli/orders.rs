//! `start stop restart reload hold release reset`: the order, then waiting with progress.

use std::time::Duration;

use super::args::Order;
use super::failure::{Failure, NOT_IN_TIME, OK, USAGE};
use super::terminal::{print, say};
use super::waiting::{Audience, Fate, Goal, find, wait};
use super::{names, render};
use crate::agent::Told;
use crate::control::{Answered, Client, OrderRequest, Outcome};
use crate::engine::Verb;

/// Gives an order and waits for it. The exit code is the one of the first service that is not as ordered.
pub(crate) async fn order(client: &Client, verb: Verb, said: &Order) -> Result<u8, Failure> {
    if said.names.iter().any(|name| name == "watcher") {
        let words = "watcher is the agent itself: `mailward run` starts it, `stop-msg watcher` ends it alone";
        return Err(Failure::new(USAGE, words));
    }
    let services = (!said.names.is_empty()).then(|| names::expand(&said.names));
    // Followed before it is ordered, so that nothing is missed; the status tells which process is the old one.
    let mut events = client.events().await?;
    let before = client.status().await?;
    let answers = client.order(&OrderRequest { verb, services, force: said.force, by_manager: false }).await?;
    let code = refusals(client, &answers).await;
    let mut goals = Vec::new();
    for answer in answers.iter().filter(|answer| answer.outcome != Outcome::Refused) {
        let already = answer.outcome == Outcome::AlreadySo;
        if already || said.no_wait {
            let words = if already {
                render::after_order(verb, &answer.service, find(&before, &answer.service), true)
            } else {
                format!("{}: {} is ordered", answer.service, verb.word())
            };
            print(&format!("{words}\n"))?;
        } else {
            let pid = find(&before, &answer.service).and_then(|service| service.pid);
            goals.push((answer.service.clone(), goal(verb, pid)));
        }
    }
    if goals.is_empty() {
        return Ok(code);
    }
    let waited = wait(client, &mut events, &goals, said.timeout, &mut Progress).await?;
    let mut codes = vec![code];
    for (name, fate) in &waited.fates {
        let (code, words) = outcome(fate, said.timeout);
        match words {
            None => print(&format!("{}\n", render::after_order(verb, name, waited.service(name), false)))?,
            Some(words) => say(&format!("mailward: {name}: {words}")),
        }
        codes.push(code);
    }
    Ok(first_bad(codes))
}

/// Says every refusal; gives the exit code of the first.
pub(crate) async fn refusals(client: &Client, answers: &[Answered]) -> u8 {
    let refused: Vec<&Answered> = answers.iter().filter(|answer| answer.outcome == Outcome::Refused).collect();
    if refused.is_empty() {
        return OK;
    }
    let known = names::known(client).await;
    for answer in &refused {
        say(&format!("mailward: {}", names::refusal(answer, &known)));
    }
    first_bad(refused.iter().map(|answer| answer.exit_code))
}

/// The first that is not 0.
pub(crate) fn first_bad(codes: impl IntoIterator<Item = u8>) -> u8 {
    codes.into_iter().find(|code| *code != OK).unwrap_or(OK)
}

/// The exit code of a fate, and what is said where it is not as wished.
pub(crate) fn outcome(fate: &Fate, limit: Option<Duration>) -> (u8, Option<String>) {
    match fate {
        Fate::Done => (OK, None),
        Fate::Failed(code, words) => (*code, Some(words.clone())),
        Fate::Pending => {
            let limit = limit.map(|limit| format!(" within {} s", limit.as_secs_f64())).unwrap_or_default();
            (NOT_IN_TIME, Some(format!("not done{limit}; the agent goes on with it")))
        }
    }
}

fn goal(verb: Verb, pid: Option<i32>) -> Goal {
    match verb {
        Verb::Start => Goal::Up,
        Verb::Stop | Verb::Hold => Goal::Down,
        Verb::Restart => Goal::Again(pid),
        Verb::Reload => Goal::Reloaded,
        Verb::Release | Verb::Reset => Goal::Settled,
    }
}

/// Every happening as a line on the standard error.
struct Progress;

impl Audience for Progress {
    fn happened(&mut self, told: &Told) -> Result<(), Failure> {
        say(&render::progress(told));
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
