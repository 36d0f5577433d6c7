//! The reasons of Events: few, and all of them here.

use crate::engine::{ClientNews, Happened, Happening, TaskDid};

/// The reason of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A service or a store client failed.
    ServiceFailed,
    /// A service lives and does not answer.
    ServiceHung,
    /// A failure is answered by a restart of the service alone.
    ServiceRestarted,
    /// A failure is answered by a restart of its group.
    GroupRestarted,
    /// A restart budget is spent.
    GaveUp,
    /// What did not stop in time was killed.
    StoppedByKill,
    /// A new document is in force.
    ConfigAccepted,
    /// A new document was refused; the last good one stays in force.
    ConfigRejected,
    /// A task was due and was not run.
    TaskMissed,
}

/// Whether a reader should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Normal,
    Warning,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::ServiceFailed,
        Self::ServiceHung,
        Self::ServiceRestarted,
        Self::GroupRestarted,
        Self::GaveUp,
        Self::StoppedByKill,
        Self::ConfigAccepted,
        Self::ConfigRejected,
        Self::TaskMissed,
    ];

    /// As the API spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceFailed => "ServiceFailed",
            Self::ServiceHung => "ServiceHung",
            Self::ServiceRestarted => "ServiceRestarted",
            Self::GroupRestarted => "GroupRestarted",
            Self::GaveUp => "GaveUp",
            Self::StoppedByKill => "StoppedByKill",
            Self::ConfigAccepted => "ConfigAccepted",
            Self::ConfigRejected => "ConfigRejected",
            Self::TaskMissed => "TaskMissed",
        }
    }

    pub(super) fn weight(self) -> Weight {
        match self {
            Self::ConfigAccepted => Weight::Normal,
            Self::ServiceFailed
            | Self::ServiceHung
            | Self::ServiceRestarted
            | Self::GroupRestarted
            | Self::GaveUp
            | Self::StoppedByKill
            | Self::ConfigRejected
            | Self::TaskMissed => Weight::Warning,
        }
    }
}

/// What an Event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its reason.
    pub reason: Reason,
    /// The service, task or client, or `Configuration`.
    pub about: String,
    /// One sentence.
    pub words: String,
}

impl Told {
    /// The newest document was refused.
    pub fn refused(words: &str) -> Self {
        let words = format!("the document was refused, and nothing changes: {words}");
        Self { reason: Reason::ConfigRejected, about: "Configuration".to_owned(), words }
    }
}

/// The Event of a happening; none of most.
pub fn reason(happening: &Happening) -> Option<Told> {
    let reason = match &happening.what {
        Happened::Crashed { .. }
        | Happened::NotSpawned { .. }
        | Happened::NotReadyInTime
        | Happened::Client { news: ClientNews::Died { .. }, .. } => Reason::ServiceFailed,
        Happened::Hangs { .. } => Reason::ServiceHung,
        Happened::RestartsAlone { .. } => Reason::ServiceRestarted,
        Happened::GroupRestarts { .. } => Reason::GroupRestarted,
        Happened::GaveUp { .. } | Happened::ClientsGaveUp { .. } => Reason::GaveUp,
        Happened::Killed { .. } | Happened::StopFailed => Reason::StoppedByKill,
        Happened::DocumentAccepted { .. } => Reason::ConfigAccepted,
        Happened::Task { did: TaskDid::Missed { .. } | TaskDid::Skipped { .. }, .. } => Reason::TaskMissed,
        Happened::Started { .. }
        | Happened::Ready { .. }
        | Happened::Recovers
        | Happened::Adopted { .. }
        | Happened::Probed { .. }
        | Happened::Measured { .. }
        | Happened::Stressed
        | Happened::LeftHanging { .. }
        | Happened::OnlyReported { .. }
        | Happened::HandsOver
        | Happened::Forgiven
        | Happened::Retried
        | Happened::ToRestart { .. }
        | Happened::Asked { .. }
        | Happened::Stopped { .. }
        | Happened::Foreign { .. }
        | Happened::Reloaded
        | Happened::ReloadFailed { .. }
        | Happened::CheckFailed { .. }
        | Happened::Ordered { .. }
        | Happened::HeldBy { .. }
        | Happened::Forgotten
        | Happened::Ending
        | Happened::Client {
            news:
                ClientNews::Registered
                | ClientNews::SaidGoodbye
                | ClientNews::LostItsLine
                | ClientNews::Stressed
                | ClientNews::Froze { .. }
                | ClientNews::OnlyReported { .. }
                | ClientNews::EndedUnheard { .. },
            ..
        }
        | Happened::Task {
            did:
                TaskDid::NotStarted { .. }
                | TaskDid::StopFailed
                | TaskDid::Ended { .. }
                | TaskDid::Began { .. }
                | TaskDid::Adopted { .. }
                | TaskDid::Probed
                | TaskDid::NotSeen
                | TaskDid::TimedOut { .. }
                | TaskDid::Killed,
            ..
        } => return None,
    };
    let about = match &happening.what {
        Happened::DocumentAccepted { .. } => "Configuration",
        Happened::Client { client, .. } => client,
        Happened::ClientsGaveUp { .. } => "clients",
        _ => happening.subject(),
    };
    let about = if about.is_empty() { "all" } else { about }.to_owned();
    let words = format!("{about}: {}", happening.what);
    Some(Told { reason, about, words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exit, Name, Now};

    #[test]
    fn r27_failures_restarts_and_give_ups_are_events_and_starts_are_not() {
        let of = |what: Happened| reason(&Happening { now: Now::default(), service: Some(Name::from("imap")), what });
        let failed = of(Happened::Crashed { pid: Some(1), exit: Exit::Code(1) }).unwrap();
        assert_eq!((failed.reason, failed.about.as_str()), (Reason::ServiceFailed, "imap"));
        assert!(failed.words.starts_with("imap: failed"), "{}", failed.words);
        assert_eq!(of(Happened::GaveUp { charges: 1 }).unwrap().reason, Reason::GaveUp);
        assert_eq!(of(Happened::Started { pid: 1 }), None);
        let accepted = of(Happened::DocumentAccepted { generation: 2 }).unwrap();
        assert_eq!((accepted.reason, accepted.about.as_str()), (Reason::ConfigAccepted, "Configuration"));
    }

    #[test]
    fn r27_every_reason_has_a_camel_case_word_of_its_own() {
        let words: std::collections::BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(words.iter().all(|word| word.chars().all(char::is_alphabetic) && word.starts_with(char::is_uppercase)));
    }
}
