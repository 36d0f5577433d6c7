//! What the tour sees: status, events, processes, the watcher log and mail.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep, timeout};

use super::unseen;
use crate::agent::Told;
use crate::cli::demo::stage::Stage;
use crate::cli::failure::{Failure, chain};
use crate::cli::terminal::print;
use crate::control::{Client, Events};
use crate::demo::client::{imap_find, send_message};
use crate::demo::{Address, DOMAIN, OraclePorts, PASSWORD, USER};
use crate::engine::Happened;
use crate::status::{Reported, ServiceStatus, Truth};

/// More than anything in the story ever takes on a machine that works.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the status is asked without an event.
const SECOND: Duration = Duration::from_secs(1);
/// How long one conversation about mail may take.
const TALK: Duration = Duration::from_secs(10);
/// A pause between two looks into the mailbox.
const LOOK: Duration = Duration::from_millis(50);

/// Main processes by service.
pub(super) type Pids = BTreeMap<String, i32>;

/// The eyes of the tour.
pub(super) struct Watch {
    client: Client,
    events: Events,
    ports: OraclePorts,
    log: PathBuf,
    /// Events told before the present step.
    told: usize,
    /// Bytes of the watcher log before the present step.
    logged: u64,
}

impl Watch {
    /// Watches the agent, which must run; the story so far belongs to the first step.
    pub(super) async fn begin(stage: &Stage) -> Result<Self, Failure> {
        let client = stage.client().clone();
        let events = client.events().await?;
        let log = stage.document.data_root.join("log/watcher");
        Ok(Self { client, events, ports: stage.ports, log, told: 0, logged: 0 })
    }

    /// The agent.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Begins a step: what happened before it is no longer of interest. The processes that run now.
    pub(super) async fn mark(&mut self) -> Result<Pids, Failure> {
        self.told = self.client.history(None).await?.len();
        self.logged = std::fs::metadata(&self.log).map_or(0, |found| found.len());
        Ok(pids(&self.status().await?))
    }

    /// The status.
    pub(super) async fn status(&self) -> Result<Reported, Failure> {
        Ok(self.client.status().await?)
    }

    /// What happened in this step.
    pub(super) async fn happened(&self) -> Result<Vec<Told>, Failure> {
        Ok(self.client.history(None).await?.split_off(self.told))
    }

    /// Waits until the status is as wished: asked after every event and every second.
    pub(super) async fn until(&mut self, what: &str, is_so: impl Fn(&Reported) -> bool) -> Result<Reported, Failure> {
        let begun = Instant::now();
        loop {
            let reported = self.status().await?;
            if is_so(&reported) {
                return Ok(reported);
            }
            if begun.elapsed() > PATIENCE {
                return Err(unseen(format!("{what}; the status says: {}", summary(&reported))));
            }
            // Whether it came or a second went by, the status is asked again.
            if let Ok(told) = timeout(SECOND, self.events.next()).await {
                told?.ok_or_else(|| unseen(format!("{what}; the agent has ended")))?;
            }
        }
    }

    /// Prints what the watcher log says of this step.
    pub(super) fn show_log(&self) -> Result<(), Failure> {
        let mut text = String::new();
        let read = std::fs::File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.logged))?;
            file.read_to_string(&mut text)
        });
        read.map_err(|error| unseen(format!("{}: {error}", self.log.display())))?;
        print("   log/watcher:\n")?;
        quote(&text)
    }

    /// Sends a message by SMTP.
    pub(super) fn send(&self, subject: &str) -> Result<(), Failure> {
        let to = format!("{USER}@{DOMAIN}");
        let sent = send_message(
            &Address::loopback(self.ports.smtp),
            &format!("tour@{DOMAIN}"),
            &to,
            subject,
            "A message of the tour.",
            TALK,
        );
        sent.map_err(|error| unseen(format!("a message taken by SMTP: {}", chain(&error))))
    }

    /// Waits until a message can be read by IMAP: delivery goes through a queue and tells nobody when it is done.
    pub(super) async fn read(&self, subject: &str) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let found = imap_find(&Address::loopback(self.ports.imap), USER, PASSWORD, subject, TALK);
            let words = match found {
                Ok(true) => return Ok(()),
                Ok(false) => "it is not in the mailbox".to_owned(),
                Err(error) => chain(&error),
            };
            if begun.elapsed() > PATIENCE {
                return Err(unseen(format!("the message `{subject}` by IMAP: {words}")));
            }
            sleep(LOOK).await;
        }
    }
}

/// Prints what somebody else said.
pub(super) fn quote(text: &str) -> Result<(), Failure> {
    text.lines().try_for_each(|line| print(&format!("     | {line}\n")))
}

/// Whether nobody listens there.
pub(super) fn refuses(port: u16) -> bool {
    std::net::TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), TALK).is_err()
}

/// Every service.
pub(super) fn services(reported: &Reported) -> impl Iterator<Item = &ServiceStatus> {
    reported.status.instances.iter().flat_map(|instance| &instance.services)
}

/// The main processes.
pub(super) fn pids(reported: &Reported) -> Pids {
    services(reported).filter_map(|service| Some((service.name.clone(), service.pid?))).collect()
}

/// Whether nothing more will happen by itself.
pub(super) fn is_settled(reported: &Reported) -> bool {
    services(reported).all(|service| service.settled)
}

/// Whether a process lives.
pub(super) fn lives(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// `kill -9`.
pub(super) fn kill(pid: i32) -> Result<(), Failure> {
    signal(pid, Signal::KILL)
}

/// `kill`, with any signal.
pub(super) fn signal(pid: i32, signal: Signal) -> Result<(), Failure> {
    let sent = Pid::from_raw(pid).map_or(Err(rustix::io::Errno::SRCH), |pid| kill_process(pid, signal));
    sent.map_err(|error| unseen(format!("{signal:?} sent to process {pid}: {error}")))
}

/// The services to which this happened, in that order.
pub(super) fn order(told: &[Told], is_it: impl Fn(&Happened) -> bool) -> Vec<String> {
    told.iter().filter(|told| is_it(&told.event)).filter_map(|told| told.service.clone()).collect()
}

/// The place of the first event of this kind of a service.
pub(super) fn place(told: &[Told], service: &str, is_it: impl Fn(&Happened) -> bool) -> Option<usize> {
    told.iter().position(|told| told.service.as_deref() == Some(service) && is_it(&told.event))
}

/// In one line, for a person who wonders what went wrong.
fn summary(reported: &Reported) -> String {
    let not_ready = services(reported).filter(|service| service.enabled && service.ready != Truth::True);
    let words: Vec<String> = not_ready.map(|service| format!("{}: {}", service.name, service.reason)).collect();
    if words.is_empty() { "all enabled services are ready".to_owned() } else { words.join("; ") }
}
