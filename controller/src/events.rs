//! What the operator tells in events: each reason once.
//!
//! Effect: writes events, and goes on where that fails, since an event is news and no state.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::validate::Identity;

/// Why an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The pods of a resource are to be made for the first time.
    WorkloadCreated,
    /// A pod was deleted so that a new one takes its place.
    WorkloadRolled,
    /// An object cannot be made or changed.
    WorkloadBlocked,
}

impl Reason {
    /// As events spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::WorkloadCreated => "WorkloadCreated",
            Self::WorkloadRolled => "WorkloadRolled",
            Self::WorkloadBlocked => "WorkloadBlocked",
        }
    }

    fn kind(self) -> EventType {
        match self {
            Self::WorkloadCreated | Self::WorkloadRolled => EventType::Normal,
            Self::WorkloadBlocked => EventType::Warning,
        }
    }
}

/// Tells events.
pub struct Events(Recorder);

impl Events {
    /// As this operator.
    pub fn of(client: Client, identity: &str) -> Self {
        let reporter =
            Reporter { controller: "mailward.dev/controller".to_owned(), instance: Some(identity.to_owned()) };
        Self(Recorder::new(client, reporter))
    }

    /// Tells one about a resource. Repeated ones are counted by the recorder.
    pub async fn tell(&self, about: &Identity, reason: Reason, note: &str) {
        let event = Event {
            type_: reason.kind(),
            reason: reason.word().to_owned(),
            // The API server takes one kibibyte.
            note: Some(note.chars().take(250).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some("mailward.dev/v1alpha1".to_owned()),
            kind: Some("MessagingServer".to_owned()),
            name: Some(about.name.clone()),
            namespace: Some(about.namespace.clone()),
            uid: Some(about.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.0.publish(&event, &reference).await {
            tracing::warn!(namespace = about.namespace, name = about.name, %error, "an event was not told");
        }
    }
}
