//! The one question that a program of somebody else asks: a service's `probes.command` ([R8]).
//!
//! The agent runs it, beside which nothing here starts a process; this waits for its end and tells it as any other
//! answer. What an end means is said by `protocol::command`.

use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::ask::Asked;
use super::round::{Roster, Told};
use crate::model::{Answer, Inquiry, InquiryEnd, Name};
use crate::protocol::{Transcript, command};

/// Commands under way at once: each is a process, and a round of a thousand services must not be a thousand at once.
pub(super) const AT_ONCE: usize = 8;

/// How much longer than its time a command is waited for, which the agent sees to; then it cannot be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service's command that is to be run.
#[derive(Debug)]
pub struct Inquire {
    /// The service.
    pub service: Name,
    /// Which life of it is asked.
    pub incarnation: crate::model::Incarnation,
    /// How long it may take.
    pub limit: Duration,
    /// Where its end is told; dropped where it is not run any more.
    pub reply: oneshot::Sender<Inquiry>,
}

/// Has a service's command run, where it has one. The time that it may take begins with its turn.
pub(super) async fn ask(roster: &Roster, gate: &Semaphore, tell: &mpsc::Sender<Told>) -> Option<Asked> {
    let program = roster.command.as_ref()?;
    let _turn = gate.acquire().await;
    let (reply, ended) = oneshot::channel();
    let (service, incarnation, limit) = (roster.service.clone(), roster.incarnation, roster.timeout);
    let _ = tell.send(Told::Inquire(Inquire { service, incarnation, limit, reply })).await;
    let cut_off =
        |words: &str| Inquiry { took: Duration::ZERO, end: InquiryEnd::CutOff(Name::from(words)), said: Vec::new() };
    let inquiry = match timeout(limit + PATIENCE, ended).await {
        Ok(Ok(inquiry)) => inquiry,
        Ok(Err(_)) => cut_off("the service is not asked any more"),
        Err(_) => cut_off("nobody could start or end it in time"),
    };
    let number = u16::try_from(roster.listeners.len()).unwrap_or(u16::MAX);
    Some(asked(number, program, &inquiry))
}

fn asked(listener: u16, program: &str, inquiry: &Inquiry) -> Asked {
    let heard = command::judge(inquiry);
    let mut transcript = Transcript::default();
    transcript.note(Duration::ZERO, format!("{program} is run"));
    transcript.heard(inquiry.took, &inquiry.said);
    transcript.note(inquiry.took, command::words(inquiry));
    let done = heard == crate::model::Heard::Served;
    Asked { answer: Answer { listener, took: inquiry.took, heard }, certificate: None, transcript, done, found: None }
}
