//! Conditions of the whole (kstatus): Ready, Reconciling, Stalled, Degraded, `ConfigValid`, Suspended.

use super::ConditionReason as Reason;
use super::reasons::{Said, stamped};
use super::{Condition, ConditionReason, ConditionType, Instance, ServiceStatus, Trouble, Truth};
use crate::model::{Health, Wall};

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason that `ConfigValid` gives: by the rule of the first error.
    pub reason: ConditionReason,
    /// Place and words of the first error.
    pub words: String,
}

/// What conditions follow from beside the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// Why the newest document was refused, if it was.
    pub refused: Option<Refusal>,
    /// Fields of the document in force that this agent, being older than they are, does not follow.
    pub newer: Vec<String>,
    /// Whether everything automatic is suspended.
    pub suspended: bool,
    /// Whether somebody watches.
    pub watched: bool,
    /// What the agent itself complains about: a full disk, a log that cannot be written.
    pub complaints: Vec<String>,
    /// The hop at which the last canary broke, in words.
    pub canary: Option<String>,
}

/// Works out the conditions; a transition time changes only with the status it belongs to.
pub fn conditions(instance: &Instance, facets: &Facets, previous: &[Condition], now: Wall) -> Vec<Condition> {
    let generation = instance.observed_generation;
    let wanted: Vec<&ServiceStatus> = instance.services.iter().filter(|service| service.enabled).collect();
    let names = |which: &dyn Fn(&ServiceStatus) -> bool| {
        wanted
            .iter()
            .filter(|service| which(service))
            .map(|service| service.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let down = names(&|service| service.required && service.ready != Truth::True && !service.held);
    let held = names(&|service| service.held);
    // In the words of `why`: it says what was spent.
    let spent: Vec<String> = wanted
        .iter()
        .filter(|service| service.gave_up)
        .map(|service| format!("{} {}", service.name, service.reason))
        .collect();
    let spent = spent.join("; ");
    let unchecked = names(&|service| service.trouble == Some(Trouble::CheckFailed));
    let optional = names(&|service| !service.required && service.ready != Truth::True);
    let unknown = wanted.iter().any(|service| service.ready == Truth::Unknown);

    let ready = if unknown {
        (Truth::Unknown, Reason::Pending, "not every service has been looked at".to_owned())
    } else if !held.is_empty() {
        (Truth::False, Reason::Held, format!("held: {held}"))
    } else if !down.is_empty() && !spent.is_empty() {
        (Truth::False, Reason::ServicesNotReady, format!("not ready: {down}; {spent}"))
    } else if !down.is_empty() {
        (Truth::False, Reason::ServicesNotReady, format!("not ready: {down}"))
    } else {
        (Truth::True, Reason::AllReady, "every required service is ready".to_owned())
    };
    let stalled = if !spent.is_empty() {
        (Truth::True, Reason::GaveUp, format!("{spent}; start it or change its declaration"))
    } else if let Some(refused) = &facets.refused {
        (Truth::True, Reason::ConfigRejected, refused.words.clone())
    } else if !unchecked.is_empty() {
        (Truth::True, Reason::ConfigRejected, format!("its checker refuses the new configuration of: {unchecked}"))
    } else {
        (Truth::False, Reason::Progressing, "nothing waits for a person".to_owned())
    };
    let moving = ready.0 != Truth::True && stalled.0 != Truth::True && held.is_empty() && !facets.suspended;
    let reconciling = if moving {
        (Truth::True, Reason::Applying, "the document is being applied".to_owned())
    } else {
        (Truth::False, Reason::Settled, "nothing is being changed".to_owned())
    };
    let hanging = names(&|service| service.health == Some(Health::Fails));
    // An answer that is not a good one: the service serves somebody something, and nothing is restarted for it ([R8]).
    let findings = |which: &dyn Fn(&Health) -> bool| {
        let of = wanted.iter().filter(|service| service.health.as_ref().is_some_and(which));
        let words = of.map(|service| format!("{} {}", service.name, service.finding.as_deref().unwrap_or_default()));
        words.reduce(|all, one| format!("{all}; {one}"))
    };
    let bad = findings(&|health| match health {
        Health::Refuses | Health::BadCertificate | Health::Violates => true,
        Health::Slow | Health::Answers | Health::Unknown | Health::Excused | Health::Fails => false,
    });
    let slow = findings(&|health| *health == Health::Slow);
    let previous_configuration = names(&|service| match service.trouble {
        Some(Trouble::CheckFailed | Trouble::ReloadFailed) => true,
        Some(Trouble::StopFailed) | None => false,
    });
    let stop_failed = names(&|service| service.trouble == Some(Trouble::StopFailed));
    let degraded = if !stop_failed.is_empty() {
        (Truth::True, Reason::StopFailed, format!("could not be stopped: {stop_failed}"))
    } else if !previous_configuration.is_empty() {
        (Truth::True, Reason::RunsPreviousConfiguration, previous_configuration)
    } else if !facets.watched {
        (Truth::True, Reason::NotWatched, "the watcher is disabled: nobody watches".to_owned())
    } else if !optional.is_empty() {
        (Truth::True, Reason::NonRequiredDown, format!("not ready and not required: {optional}"))
    } else if !hanging.is_empty() {
        (Truth::True, Reason::NotAnswering, format!("not answering: {hanging}"))
    } else if let Some(words) = bad {
        (Truth::True, Reason::BadAnswers, words)
    } else if let Some(words) = slow {
        (Truth::True, Reason::SlowAnswers, words)
    } else if let Some(words) = &facets.canary {
        (Truth::True, Reason::CanaryBroke, words.clone())
    } else if !instance.gauges.is_empty() {
        let words = instance.gauges.iter().map(|gauge| format!("{}: {}", gauge.name, gauge.finding));
        (Truth::True, Reason::ThresholdsCrossed, words.collect::<Vec<_>>().join("; "))
    } else if let Some(first) = facets.complaints.first() {
        (Truth::True, Reason::AgentComplains, first.clone())
    } else {
        (Truth::False, Reason::None, "nothing is amiss".to_owned())
    };
    let valid = match &facets.refused {
        Some(Refusal { reason, words }) => {
            (Truth::False, *reason, format!("{words}; the last good document stays in force"))
        }
        None if !unchecked.is_empty() => {
            let words = format!("its checker refuses the new configuration of: {unchecked}; what runs is not touched");
            (Truth::False, Reason::CheckFailed, words)
        }
        None if !facets.newer.is_empty() => {
            let words = "the document is in force but for fields that are newer than this agent";
            (Truth::True, Reason::Accepted, format!("{words}: {}", facets.newer.join(", ")))
        }
        None => (Truth::True, Reason::Accepted, "the document is in force".to_owned()),
    };
    let suspended = if facets.suspended {
        (Truth::True, Reason::Suspended, "everything automatic is suspended".to_owned())
    } else {
        (Truth::False, Reason::Running, "nothing is suspended".to_owned())
    };
    let said: [(ConditionType, Said); 6] = [
        (ConditionType::Ready, ready),
        (ConditionType::Reconciling, reconciling),
        (ConditionType::Stalled, stalled),
        (ConditionType::Degraded, degraded),
        (ConditionType::ConfigValid, valid),
        (ConditionType::Suspended, suspended),
    ];
    stamped(said, generation, previous, now)
}

#[cfg(test)]
mod tests;
