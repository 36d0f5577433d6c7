//! From what the agents of one resource say to the conditions of the whole: the operator's verdict.
//!
//! Pure. The caller counts only entries of living pods that it owns (by uid). Follows kstatus: nothing says ready for a
//! generation that a pod has not looked at, and what is stalled is not called moving.

use super::ConditionReason as Reason;
use super::reasons::{Said, stamped};
use super::{Condition, ConditionType, Instance, InstanceCondition, Truth};
use crate::model::Wall;

/// Whose readiness is that of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active<'a> {
    /// Every pod's: there is no standby.
    Every,
    /// That of the pod that holds the lease.
    Pod(&'a str),
    /// Nobody holds the lease.
    Nobody,
}

/// How the pods compare with the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// They match.
    Current,
    /// A pod runs an older one and is being replaced.
    Rolling,
    /// A pod runs an older one and is not replaced yet.
    Pending,
    /// A pod has an older grace period, which only its successor can have.
    GracePeriodPending,
    /// A pod runs another version of the agent, which alone replaces no pod.
    AgentOutdated,
}

/// What is known of the pods beside what their agents say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadFacts {
    /// How they compare with the template.
    pub rollout: Rollout,
    /// Why a pod cannot have its image, in words.
    pub image_error: Option<String>,
    /// Why a pod cannot have its storage, in words.
    pub storage_error: Option<String>,
    /// Pods whose node is out of sight, so that what they say may be old.
    pub stale: Vec<String>,
}

/// Everything that the conditions of the whole follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<'a> {
    /// What the agents say: the entries of living pods, in the order of their names.
    pub entries: &'a [&'a Instance],
    /// `metadata.generation`.
    pub generation: i64,
    /// How many pods there should be.
    pub wanted_pods: usize,
    /// Whose readiness counts.
    pub active: Active<'a>,
    /// The pods themselves.
    pub workload: WorkloadFacts,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Why the operator itself refuses the object, where it does: the reason and its words.
    pub refused: Option<(Reason, String)>,
}

/// The conditions of the whole, one of every type, each for this generation. A transition time changes only with the
/// status it belongs to.
pub fn merge(gathered: &Gathered<'_>, previous: &[Condition], now: Wall) -> Vec<Condition> {
    let valid = valid(gathered);
    let stalled = stalled(gathered, &valid);
    let said = [
        (ConditionType::Ready, ready(gathered)),
        (ConditionType::Reconciling, reconciling(gathered, stalled.0)),
        (ConditionType::Degraded, degraded(gathered, &valid)),
        (ConditionType::Stalled, stalled),
        (ConditionType::ConfigValid, valid),
        (ConditionType::WorkloadCurrent, current(gathered.workload.rollout)),
        (ConditionType::Suspended, suspended(gathered.suspended)),
    ];
    stamped(said, gathered.generation, previous, now)
}

/// Wanted services that are ready, of all that are wanted, in the entries that count: `7/8`.
pub fn services_ready(entries: &[&Instance]) -> String {
    let wanted = || entries.iter().flat_map(|entry| &entry.services).filter(|service| service.enabled);
    let ready = wanted().filter(|service| service.ready == Truth::True).count();
    format!("{ready}/{}", wanted().count())
}

/// Automatic restarts that count against a budget, of all services in the entries that count.
pub fn restarts_in_window(entries: &[&Instance]) -> u32 {
    let each = entries.iter().flat_map(|entry| &entry.services).map(|service| service.restarts_in_window);
    each.fold(0, u32::saturating_add)
}

impl<'a> Gathered<'a> {
    /// Entries that speak of this generation; what is said of an older one may be over.
    fn up_to_date(&self) -> impl Iterator<Item = &'a Instance> {
        let generation = self.generation;
        self.entries.iter().copied().filter(move |entry| entry.observed_generation >= generation)
    }

    /// Who has not looked at this generation yet, in words; none where all have.
    fn lagging(&self) -> Option<String> {
        let late = self.entries.iter().filter(|entry| entry.observed_generation < self.generation);
        let names: Vec<&str> = late.map(|entry| entry.name.as_str()).collect();
        if !names.is_empty() {
            return Some(format!("{} has not looked at generation {} yet", names.join(", "), self.generation));
        }
        let missing = self.wanted_pods.saturating_sub(self.entries.len());
        (missing > 0).then(|| format!("{} of {} pods have not reported yet", missing, self.wanted_pods))
    }

    /// What the up-to-date agents say of a condition, where its status is this one.
    fn first(&self, kind: ConditionType, status: Truth) -> Option<Said> {
        self.up_to_date().find_map(|entry| said(entry, kind).filter(|said| said.0 == status))
    }
}

fn of(entry: &Instance, kind: ConditionType) -> Option<&InstanceCondition> {
    entry.conditions.iter().find(|condition| condition.r#type == kind.word())
}

/// What an agent says of a condition, with its pod's name. A reason newer than this program becomes `Unknown`.
fn said(entry: &Instance, kind: ConditionType) -> Option<Said> {
    let condition = of(entry, kind)?;
    let reason = Reason::of(&condition.reason).unwrap_or(Reason::Unknown);
    Some((condition.status, reason, format!("{}: {}", entry.name, condition.message)))
}

fn ready(gathered: &Gathered<'_>) -> Said {
    if gathered.entries.is_empty() {
        return (Truth::False, Reason::Pending, "no pod has reported yet".to_owned());
    }
    let counts = |entry: &&Instance| match gathered.active {
        Active::Every => true,
        Active::Pod(name) => entry.name == name,
        Active::Nobody => false,
    };
    let of: Vec<&Instance> = gathered.entries.iter().copied().filter(counts).collect();
    if of.is_empty() {
        return (Truth::False, Reason::NoActive, "no pod is the active one".to_owned());
    }
    // Without the word of every pod about this generation nobody can say so, not even for the others.
    if let Some(words) = gathered.lagging() {
        return (Truth::Unknown, Reason::Pending, words);
    }
    let silent = |entry: &Instance| {
        (Truth::Unknown, Reason::Pending, format!("{}: has not said whether it is ready", entry.name))
    };
    let all: Vec<Said> =
        of.into_iter().map(|entry| said(entry, ConditionType::Ready).unwrap_or_else(|| silent(entry))).collect();
    let worst = [Truth::False, Truth::Unknown].into_iter().find_map(|status| all.iter().find(|said| said.0 == status));
    worst.cloned().unwrap_or((Truth::True, Reason::AllReady, "every required service is ready".to_owned()))
}

fn valid(gathered: &Gathered<'_>) -> Said {
    if let Some((reason, words)) = &gathered.refused {
        return (Truth::False, *reason, words.clone());
    }
    if let Some(refused) = gathered.first(ConditionType::ConfigValid, Truth::False) {
        return refused;
    }
    let unsaid = |entry: &&&Instance| of(entry, ConditionType::ConfigValid).is_none_or(|it| it.status != Truth::True);
    match (gathered.lagging(), gathered.entries.iter().find(unsaid)) {
        (Some(words), _) => (Truth::Unknown, Reason::Unknown, words),
        (None, Some(entry)) => (Truth::Unknown, Reason::Unknown, format!("{}: has not said so", entry.name)),
        // What it ignores, being older than the object, is in its words.
        (None, None) => gathered.first(ConditionType::ConfigValid, Truth::True).unwrap_or((
            Truth::Unknown,
            Reason::Unknown,
            "there is no pod".to_owned(),
        )),
    }
}

fn stalled(gathered: &Gathered<'_>, valid: &Said) -> Said {
    if valid.0 == Truth::False {
        return (Truth::True, Reason::ConfigRejected, valid.2.clone());
    }
    if let Some(stalled) = gathered.first(ConditionType::Stalled, Truth::True) {
        return stalled;
    }
    let workload = &gathered.workload;
    match (&workload.storage_error, &workload.image_error) {
        (Some(words), _) => (Truth::True, Reason::StorageError, words.clone()),
        (None, Some(words)) => (Truth::True, Reason::ImageError, words.clone()),
        (None, None) => (Truth::False, Reason::Progressing, "nothing waits for a person".to_owned()),
    }
}

fn reconciling(gathered: &Gathered<'_>, stalled: Truth) -> Said {
    if stalled == Truth::True {
        return (Truth::False, Reason::Settled, "a person is waited for".to_owned());
    }
    if gathered.workload.rollout == Rollout::Rolling {
        return (Truth::True, Reason::RollingWorkload, "pods are being replaced".to_owned());
    }
    if let Some(words) = gathered.lagging() {
        return (Truth::True, Reason::Applying, words);
    }
    let settled = (Truth::False, Reason::Settled, "nothing is being changed".to_owned());
    gathered.first(ConditionType::Reconciling, Truth::True).unwrap_or(settled)
}

fn degraded(gathered: &Gathered<'_>, valid: &Said) -> Said {
    // Where a checker refused it, the document is in force: the agent says who runs what.
    if valid.0 == Truth::False && valid.1 != Reason::CheckFailed {
        let words = "the newest document was refused; the last good one stays in force".to_owned();
        return (Truth::True, Reason::RunsPreviousConfiguration, words);
    }
    if !gathered.workload.stale.is_empty() {
        let words = format!("may be old: {}", gathered.workload.stale.join(", "));
        return (Truth::True, Reason::StatusStale, words);
    }
    if let Some(degraded) = gathered.first(ConditionType::Degraded, Truth::True) {
        return degraded;
    }
    match gathered.active {
        Active::Pod(name) if gathered.wanted_pods > 1 && gathered.entries.len() < 2 => {
            (Truth::True, Reason::NoStandby, format!("{name} has no standby"))
        }
        Active::Pod(_) | Active::Every | Active::Nobody => (Truth::False, Reason::None, "nothing is amiss".to_owned()),
    }
}

fn current(rollout: Rollout) -> Said {
    let (status, reason, words) = match rollout {
        Rollout::Current => (Truth::True, Reason::Current, "the pods match the template"),
        Rollout::Rolling => (Truth::False, Reason::RollPending, "pods are being replaced"),
        Rollout::Pending => (Truth::False, Reason::RollPending, "a pod runs an older template"),
        Rollout::GracePeriodPending => {
            (Truth::False, Reason::GracePeriodPending, "a pod has an older grace period; its successor has the new one")
        }
        Rollout::AgentOutdated => {
            (Truth::False, Reason::AgentOutdated, "a pod runs another version of the agent; its successor has this one")
        }
    };
    (status, reason, words.to_owned())
}

fn suspended(suspended: bool) -> Said {
    if suspended {
        (Truth::True, Reason::Suspended, "everything automatic is suspended".to_owned())
    } else {
        (Truth::False, Reason::Running, "nothing is suspended".to_owned())
    }
}

#[cfg(test)]
mod tests;
