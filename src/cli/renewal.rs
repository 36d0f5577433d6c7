//! `reexec`: the running agent goes on as the program that is installed now.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::{Failure, NOT_IN_TIME, OK};
use super::terminal::print;
use crate::control::{Client, ClientError, Ending};
use crate::status::Reported;

/// How long the successor may take until it answers.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Asks for it and waits until the successor answers.
pub(crate) async fn reexec(client: &Client) -> Result<u8, Failure> {
    let before = client.status().await?;
    client.end(Ending::InPlace).await?;
    // The socket of the one before is gone when its answer is here, so whoever answers now is the successor.
    let begun = Instant::now();
    loop {
        match client.status().await {
            Ok(after) => {
                let (pid, old, new) = (pid(&after), version(&before), version(&after));
                print(&format!("the agent (pid {pid}) goes on as {new}, before {old}; services run on\n"))?;
                return Ok(OK);
            }
            Err(error) if begun.elapsed() > ARRIVAL => return Err(missing(&error)),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn missing(error: &ClientError) -> Failure {
    let words = format!(
        "the successor does not answer: {error}; services run on, and are adopted by the agent that is started next"
    );
    Failure::new(NOT_IN_TIME, words)
}

fn pid(reported: &Reported) -> i32 {
    reported.status.instances.first().map_or(0, |instance| instance.agent_pid)
}

fn version(reported: &Reported) -> &str {
    reported.status.instances.first().map_or("?", |instance| &instance.agent_version)
}
