//! The types and reasons of conditions, each listed once: people filter by them, and alerts are written on them.

use super::{Condition, Truth};
use crate::model::Wall;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// Required services are ready on the active, at this generation.
    Ready,
    /// Something is being changed.
    Reconciling,
    /// A person is needed; never true together with `Reconciling`.
    Stalled,
    /// It serves, with less.
    Degraded,
    /// Every agent accepted the document.
    ConfigValid,
    /// The pods match the template; the operator alone says it.
    WorkloadCurrent,
    /// Everything automatic is suspended.
    Suspended,
}

impl ConditionType {
    /// As objects spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Degraded => "Degraded",
            Self::ConfigValid => "ConfigValid",
            Self::WorkloadCurrent => "WorkloadCurrent",
            Self::Suspended => "Suspended",
        }
    }
}

/// Why a condition is as it is. The objects hold the word and not this type, so that a program reads reasons newer than
/// itself; what writes conditions uses this type alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionReason {
    /// Every required service is ready.
    AllReady,
    /// A required service is not.
    ServicesNotReady,
    /// A service is held down.
    Held,
    /// No pod is the active one.
    NoActive,
    /// Nobody has looked yet.
    Pending,
    /// A document is being applied.
    Applying,
    /// Pods are being replaced.
    RollingWorkload,
    /// Nothing is being changed.
    Settled,
    /// A restart budget is spent.
    GaveUp,
    /// The newest document was refused.
    ConfigRejected,
    /// The image of a pod cannot be had.
    ImageError,
    /// The storage of a pod cannot be had.
    StorageError,
    /// Nothing waits for a person.
    Progressing,
    /// A service that is not required is not ready.
    NonRequiredDown,
    /// A service, or the whole, runs what was in force before.
    RunsPreviousConfiguration,
    /// The mail software's own checker complains.
    CheckFailed,
    /// A service could not be stopped.
    StopFailed,
    /// A service failed a round of probes.
    NotAnswering,
    /// A service answers late.
    SlowAnswers,
    /// A service says no, breaks its protocol, or shows a bad certificate.
    BadAnswers,
    /// The mail canary did not come through.
    CanaryBroke,
    /// A disk or a queue is beyond a threshold, or cannot be measured.
    ThresholdsCrossed,
    /// Nobody watches.
    NotWatched,
    /// The agent itself is short of something, such as disk.
    AgentComplains,
    /// There is no second pod.
    NoStandby,
    /// What a pod says is too old to count on.
    StatusStale,
    /// Nothing is amiss.
    None,
    /// Every agent accepted the document.
    Accepted,
    /// Services wait for each other.
    Cycle,
    /// A crontab has no meaning or is never due.
    BadCrontab,
    /// The document breaks another rule.
    RuleBroken,
    /// Not every agent has looked at the document.
    Unknown,
    /// The pods match the template.
    Current,
    /// A pod runs an older template.
    RollPending,
    /// A pod has an older grace period.
    GracePeriodPending,
    /// A pod runs another version of the agent.
    AgentOutdated,
    /// Everything automatic is suspended.
    Suspended,
    /// Nothing is suspended.
    Running,
}

impl ConditionReason {
    /// Every reason.
    pub const ALL: [Self; 38] = [
        Self::AllReady,
        Self::ServicesNotReady,
        Self::Held,
        Self::NoActive,
        Self::Pending,
        Self::Applying,
        Self::RollingWorkload,
        Self::Settled,
        Self::GaveUp,
        Self::ConfigRejected,
        Self::ImageError,
        Self::StorageError,
        Self::Progressing,
        Self::NonRequiredDown,
        Self::RunsPreviousConfiguration,
        Self::CheckFailed,
        Self::StopFailed,
        Self::NotAnswering,
        Self::SlowAnswers,
        Self::BadAnswers,
        Self::CanaryBroke,
        Self::ThresholdsCrossed,
        Self::NotWatched,
        Self::AgentComplains,
        Self::NoStandby,
        Self::StatusStale,
        Self::None,
        Self::Accepted,
        Self::Cycle,
        Self::BadCrontab,
        Self::RuleBroken,
        Self::Unknown,
        Self::Current,
        Self::RollPending,
        Self::GracePeriodPending,
        Self::AgentOutdated,
        Self::Suspended,
        Self::Running,
    ];

    /// As objects spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::AllReady => "AllReady",
            Self::ServicesNotReady => "ServicesNotReady",
            Self::Held => "Held",
            Self::NoActive => "NoActive",
            Self::Pending => "Pending",
            Self::Applying => "Applying",
            Self::RollingWorkload => "RollingWorkload",
            Self::Settled => "Settled",
            Self::GaveUp => "GaveUp",
            Self::ConfigRejected => "ConfigRejected",
            Self::ImageError => "ImageError",
            Self::StorageError => "StorageError",
            Self::Progressing => "Progressing",
            Self::NonRequiredDown => "NonRequiredDown",
            Self::RunsPreviousConfiguration => "RunsPreviousConfiguration",
            Self::CheckFailed => "CheckFailed",
            Self::StopFailed => "StopFailed",
            Self::NotAnswering => "NotAnswering",
            Self::SlowAnswers => "SlowAnswers",
            Self::BadAnswers => "BadAnswers",
            Self::CanaryBroke => "CanaryBroke",
            Self::ThresholdsCrossed => "ThresholdsCrossed",
            Self::NotWatched => "NotWatched",
            Self::AgentComplains => "AgentComplains",
            Self::NoStandby => "NoStandby",
            Self::StatusStale => "StatusStale",
            Self::None => "None",
            Self::Accepted => "Accepted",
            Self::Cycle => "Cycle",
            Self::BadCrontab => "BadCrontab",
            Self::RuleBroken => "RuleBroken",
            Self::Unknown => "Unknown",
            Self::Current => "Current",
            Self::RollPending => "RollPending",
            Self::GracePeriodPending => "GracePeriodPending",
            Self::AgentOutdated => "AgentOutdated",
            Self::Suspended => "Suspended",
            Self::Running => "Running",
        }
    }

    /// The reason of this word; none for one that this program does not know.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The reason of a refusal, by the rule that was broken.
    pub fn of_rule(rule: &str) -> Self {
        match rule {
            "no-cycle" => Self::Cycle,
            "crontab" => Self::BadCrontab,
            _ => Self::RuleBroken,
        }
    }
}

/// A condition before it is stamped: whether it holds, why, and the sentence.
pub(super) type Said = (Truth, ConditionReason, String);

/// Makes conditions; a transition time changes only with the status it belongs to.
pub(super) fn stamped(
    said: impl IntoIterator<Item = (ConditionType, Said)>,
    generation: i64,
    previous: &[Condition],
    now: Wall,
) -> Vec<Condition> {
    let one = |(kind, (status, reason, message)): (ConditionType, Said)| {
        let before = previous.iter().find(|before| before.r#type == kind.word() && before.status == status);
        Condition {
            r#type: kind.word().to_owned(),
            status,
            reason: reason.word().to_owned(),
            message,
            last_transition_time: before.map_or_else(|| now.to_string(), |before| before.last_transition_time.clone()),
            observed_generation: generation,
        }
    };
    said.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_word_and_no_two_share_one() {
        for reason in ConditionReason::ALL {
            assert_eq!(ConditionReason::of(reason.word()), Some(reason));
        }
        assert_eq!(ConditionReason::of("NewerThanThis"), None);
    }

    #[test]
    fn r18_a_refusal_has_the_reason_of_its_rule() {
        let ids: Vec<&str> = ["no-cycle", "crontab", "depends-on-known"].to_vec();
        let reasons: Vec<ConditionReason> = ids.into_iter().map(ConditionReason::of_rule).collect();
        assert_eq!(reasons, [ConditionReason::Cycle, ConditionReason::BadCrontab, ConditionReason::RuleBroken]);
    }
}
