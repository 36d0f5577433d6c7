//! One run of the mail canary: a message is handed in, looked for, and deleted; the hop that broke is named.
//!
//! It touches the sockets that the document declares and nothing else; it starts no process and decides nothing: the
//! agent keeps what it found, and nothing is restarted for it. The agent sees to it that there is one run at a time.
//! Messages of earlier runs are deleted with this one's, so that they never pile up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ask::{Asked, Question, ask};
use crate::desired::Canary;
use crate::model::{Heard, Wall};
use crate::protocol::{Errand, Letter, Mark};
use crate::status::{CanaryHop, CanaryRun, Hop, HopOutcome};

/// How long one conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between the first two looks into the mailbox; twice as long between the next two.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// And never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Sends a message and follows it. `date` is as RFC 5322 3.3 has it.
pub async fn run(canary: &Canary, began: Wall, date: &str) -> CanaryRun {
    let mark = Mark::new(&canary.server, &began.0.to_string());
    let mut run = CanaryRun { time: began.to_string(), hops: Vec::new() };
    // Ends at the hop that does not pass; the hops say why.
    let _ = follow(canary, &mark, date, &mut run.hops).await;
    run
}

/// The message did not pass the last hop.
struct Stopped;

async fn follow(canary: &Canary, mark: &Mark, date: &str, hops: &mut Vec<CanaryHop>) -> Result<(), Stopped> {
    // What earlier runs left goes first: it may be what fills the mailbox, and while nobody can delete them no more are
    // sent.
    pass_unheard(hops, &ask(&Question::errand(&canary.read, Errand::Collect(mark.clone()), PATIENCE)).await)?;
    let letter = Letter::canary(mark, &canary.sender, &canary.recipient, date);
    let mut submit = canary.submit.clone();
    submit.probe.recipient = Some(canary.recipient.clone());
    let asked = ask(&Question::errand(&submit, Errand::Send(letter), PATIENCE)).await;
    pass(hops, Hop::Smtp, &asked, asked.answer.took)?;
    let handed_in = Instant::now();
    // Its no is none yet: the message may lie in the mailbox already, and be what fills it.
    let lmtp = recipient_taken(canary).await;
    let mut pause = FIRST_PAUSE;
    loop {
        let waited = handed_in.elapsed();
        let asked = ask(&Question::errand(&canary.read, Errand::Collect(mark.clone()), PATIENCE)).await;
        if let Some(found) = asked.found {
            hops.extend(lmtp.map(|lmtp| passed(Hop::Lmtp, lmtp.answer.took)));
            hops.push(passed(Hop::Queue, waited));
            hops.push(passed(Hop::Imap, found));
            return pass(hops, Hop::Delete, &asked, asked.answer.took.saturating_sub(found));
        }
        pass_unheard(hops, &asked)?;
        if waited >= canary.timeout {
            // It is asked again: what it said in the beginning may be over, or have begun since.
            if let Some(lmtp) = recipient_taken(canary).await {
                pass(hops, Hop::Lmtp, &lmtp, lmtp.answer.took)?;
            }
            let words = format!("handed in, and not in the mailbox after {:?}: it waits in the queue", canary.timeout);
            hops.push(CanaryHop { outcome: HopOutcome::Broke, words, ..passed(Hop::Queue, waited) });
            return Err(Stopped);
        }
        sleep(pause.min(canary.timeout.saturating_sub(waited))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Asks where mail is delivered whether the recipient's is taken.
async fn recipient_taken(canary: &Canary) -> Option<Asked> {
    let mut deliver = canary.deliver.clone()?;
    deliver.probe.recipient = Some(canary.recipient.clone());
    Some(ask(&Question::whole(0, &deliver, PATIENCE)).await)
}

/// A look into the mailbox that found nothing is no hop; one that failed ends the run.
fn pass_unheard(hops: &mut Vec<CanaryHop>, asked: &Asked) -> Result<(), Stopped> {
    if asked.done { Ok(()) } else { pass(hops, Hop::Imap, asked, asked.answer.took) }
}

fn pass(hops: &mut Vec<CanaryHop>, hop: Hop, asked: &Asked, took: Duration) -> Result<(), Stopped> {
    let heard = &asked.answer.heard;
    let words = heard.words().map_or_else(|| heard.word().to_owned(), ToString::to_string);
    if asked.done {
        // A certificate that is not good is worth a word, and the message passed all the same.
        let words = if *heard == Heard::Served { String::new() } else { words };
        hops.push(CanaryHop { words, ..passed(hop, took) });
        return Ok(());
    }
    let outcome = match heard {
        Heard::Unknown(_) => HopOutcome::Unknown,
        Heard::Served
        | Heard::Refused(_)
        | Heard::BadCertificate(_)
        | Heard::Violation(_)
        | Heard::Silent
        | Heard::NotListening(_)
        | Heard::ClosedEarly(_) => HopOutcome::Broke,
    };
    hops.push(CanaryHop { outcome, words, ..passed(hop, took) });
    Err(Stopped)
}

fn passed(hop: Hop, took: Duration) -> CanaryHop {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    CanaryHop { hop, took_ms, outcome: HopOutcome::Passed, words: String::new() }
}
