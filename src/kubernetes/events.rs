//! Events (`events.k8s.io/v1`) of what matters: few reasons, few at once, the same again as a series.
//!
//! The loop only rings; what there is no room for is dropped and counted. Of what repeats while it waits the newest words
//! are told.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::reasons::{Told, Weight};
use super::shared::{Shared, count};
use super::{ATTEMPT, PAUSES};
use crate::clock;
use crate::model::Fingerprint;
use crate::policy::rate::{Backoff, Bucket};
use crate::sources::Resource;

/// So many at once, then one each so often.
const BURST: u32 = 20;
/// See [`BURST`].
const EVERY: Duration = Duration::from_secs(6);
/// Most that wait.
const WAITING: usize = 64;
/// Longest note that the API takes, in bytes.
const NOTE: usize = 1_000;

/// The loop's end.
#[derive(Debug)]
pub(super) struct Bell(mpsc::Sender<Told>);

/// A bell and what hears it.
pub(super) fn bell() -> (Bell, mpsc::Receiver<Told>) {
    let (rope, rung) = mpsc::channel(WAITING);
    (Bell(rope), rung)
}

impl Bell {
    /// Never waits.
    pub(super) fn ring(&self, told: Told, shared: &Shared) {
        if self.0.try_send(told).is_err() {
            count(&shared.events_dropped);
        }
    }
}

/// Tells what was rung, until the loop ends.
pub(super) async fn tell(client: Client, resource: Resource, mut rung: mpsc::Receiver<Told>, shared: Arc<Shared>) {
    let reporter = Reporter { controller: "mailward.dev/agent".to_owned(), instance: Some(resource.pod.clone()) };
    let recorder = Recorder::new(client, reporter);
    let pod = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(resource.pod.clone()),
        namespace: Some(resource.namespace.clone()),
        uid: Some(resource.pod_uid.clone()),
        ..ObjectReference::default()
    };
    let mut regarding = shared.regarding.subscribe();
    let mut bucket = Bucket::new(BURST, EVERY);
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, Fingerprint::of(resource.pod.as_bytes()).0);
    let mut waiting: Vec<Told> = Vec::new();
    loop {
        if waiting.is_empty() {
            let Some(told) = rung.recv().await else { return };
            waiting.push(told);
        }
        // What Events are about is known once the resource was seen.
        let about = match regarding.wait_for(Option::is_some).await {
            Ok(about) => about.clone().unwrap_or_default(),
            Err(_) => return,
        };
        if let Err(at) = bucket.take(clock::boot()) {
            sleep(at.since(clock::boot())).await;
            continue;
        }
        while let Ok(told) = rung.try_recv() {
            gather(&mut waiting, told, &shared);
        }
        let event = event(&waiting[0], &pod);
        match timeout(ATTEMPT, recorder.publish(&event, &about)).await {
            Ok(Ok(())) => {
                count(&shared.events_sent);
                backoff.succeeded();
                waiting.remove(0);
            }
            failed @ (Ok(Err(_)) | Err(_)) => {
                count(&shared.failures);
                if let Ok(Err(error)) = failed {
                    tracing::debug!("an event was not told: {error}");
                }
                let pause = backoff.failed();
                tokio::select! {
                    () = sleep(pause) => {}
                    () = shared.returned.notified() => {}
                }
            }
        }
    }
}

/// The same about the same takes the place of the one that waits.
fn gather(waiting: &mut Vec<Told>, told: Told, shared: &Shared) {
    let same = waiting.iter().position(|known| known.reason == told.reason && known.about == told.about);
    match same {
        Some(at) => waiting[at] = told,
        None if waiting.len() < WAITING => waiting.push(told),
        None => count(&shared.events_dropped),
    }
}

fn event(told: &Told, pod: &ObjectReference) -> Event {
    let mut note = told.words.clone();
    while note.len() > NOTE {
        note.pop();
    }
    Event {
        type_: match told.reason.weight() {
            Weight::Normal => EventType::Normal,
            Weight::Warning => EventType::Warning,
        },
        reason: told.reason.word().to_owned(),
        note: Some(note),
        // Series are counted by reason and action: whom it is about must be in one of them.
        action: told.about.clone(),
        secondary: Some(pod.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Reason;

    fn told(about: &str, words: &str) -> Told {
        Told { reason: Reason::ServiceFailed, about: about.to_owned(), words: words.to_owned() }
    }

    #[test]
    fn r27_what_repeats_while_it_waits_is_told_once_with_its_newest_words() {
        let (shared, mut waiting) = (Shared::default(), vec![told("imap", "1")]);
        gather(&mut waiting, told("pop", "2"), &shared);
        gather(&mut waiting, told("imap", "3"), &shared);
        let words: Vec<&str> = waiting.iter().map(|told| told.words.as_str()).collect();
        assert_eq!(words, ["3", "2"]);
    }

    #[test]
    fn r27_a_storm_of_many_services_is_dropped_and_counted_and_never_waits() {
        let shared = Shared::default();
        let (bell, _rung) = bell();
        for number in 0..WAITING + 10 {
            bell.ring(told(&number.to_string(), ""), &shared);
        }
        assert_eq!(shared.vitals().events_dropped, 10);
        let mut waiting = Vec::new();
        for number in 0..WAITING + 10 {
            gather(&mut waiting, told(&number.to_string(), ""), &shared);
        }
        assert_eq!((waiting.len(), shared.vitals().events_dropped), (WAITING, 20));
    }

    #[test]
    fn a_long_note_is_cut_between_two_characters() {
        let event = event(&told("imap", &"ä".repeat(600)), &ObjectReference::default());
        assert_eq!(event.note.unwrap().len(), NOTE);
        assert_eq!(event.action, "imap");
    }
}
