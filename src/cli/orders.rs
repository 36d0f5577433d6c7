//! `start stop restart reload hold release reset`: the order, then waiting with progress.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::args::Order;
use super::failure::{Failure, NOT_IN_TIME, OK, USAGE};
use super::terminal::{print, say};
use super::waiting::{Audience, Fate, Goal, find, wait};
use super::{names, render};
use crate::agent::Told;
use crate::control::{Answered, Client, ClientError, Events, OrderRequest, Outcome};
use crate::engine::Verb;
use crate::status::Reported;

/// Gives an order and waits for it. The exit code is the one of the first service that is not as ordered.
pub(crate) async fn order(client: &Client, verb: Verb, said: &Order) -> Result<u8, Failure> {
    if said.names.iter().any(|name| name == "watcher") {
        let words = "watcher is the agent itself: `mailward run` starts it, `stop-msg watcher` ends it alone";
        return Err(Failure::new(USAGE, words));
    }
    let services = (!said.names.is_empty()).then(|| names::expand(&said.names));
    let request = OrderRequest { verb, services, force: said.force, by_manager: false };
    let started = Instant::now();
    let opening = begin(client, &request);
    let (mut events, before, answers) = match said.timeout {
        Some(limit) => match timeout(limit, opening).await {
            Ok(answer) => answer?,
            Err(_) => return Err(ClientError::Silent(client.socket().to_owned()).into()),
        },
        None => opening.await?,
    };
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
    let left = said.timeout.map(|limit| limit.saturating_sub(started.elapsed()));
    let waited = wait(client, &mut events, &goals, left, &mut Progress).await?;
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

/// Follows before it orders, so that nothing is missed; the status tells which process is the old one.
async fn begin(client: &Client, request: &OrderRequest) -> Result<(Events, Reported, Vec<Answered>), ClientError> {
    let events = client.events().await?;
    let before = client.status().await?;
    Ok((events, before, client.order(request).await?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::UNAVAILABLE;

    #[tokio::test(start_paused = true)]
    async fn r04_a_limit_bounds_the_wait_for_an_agent_that_does_not_answer_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("control.sock");
        let _silent = std::os::unix::net::UnixListener::bind(&socket).expect("it is bound");
        let limit = Some(Duration::from_secs(1));
        let said = Order { names: Vec::new(), force: false, timeout: limit, no_wait: false };
        let began = Instant::now();
        let failure = order(&Client::new(socket), Verb::Start, &said).await.expect_err("nobody answers");
        assert_eq!(failure.code, UNAVAILABLE, "{}", failure.words);
        // The clock of the test is a paused one: it stands at the alarm that was waited for.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
