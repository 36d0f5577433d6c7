//! An agent's own entry of `status.instances` on an API server: what of its status is worth a write there.
//!
//! Nothing in it changes while nothing happens: what is true of the moment only (when a task is due next, that it ran
//! well once more, what a service says of itself while it is well) stays with the agent, which is asked for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Instance, Refusal, TaskStatus, Truth};

/// A condition of one instance: as in the conditions of the whole, without times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCondition {
    /// `Ready`, `Reconciling`, `Stalled`, `Degraded`, `ConfigValid` or `Suspended`.
    pub r#type: String,
    /// Whether it holds.
    pub status: Truth,
    /// One word for programs.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}

impl From<&Condition> for InstanceCondition {
    fn from(condition: &Condition) -> Self {
        Self {
            r#type: condition.r#type.clone(),
            status: condition.status,
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        }
    }
}

/// Whose entry it is, and what it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// The pod: the key of the entry.
    pub pod: String,
    /// Its uid, by which an entry of a pod that is gone is told from one of its successor.
    pub pod_uid: String,
    /// Its node.
    pub node: Option<String>,
    /// The newest generation that was looked at, be it in force or refused.
    pub observed_generation: i64,
    /// The fingerprint of the `spec` in force; none before the first.
    pub document_hash: Option<String>,
}

/// The entry of a pod.
pub fn entry(instance: Instance, whose: Whose, conditions: &[Condition]) -> Instance {
    let mut entry = instance;
    for service in &mut entry.services {
        // It counts connections and the like.
        service.says = service.says.take().filter(|_| service.ready != Truth::True);
        service.reason = without_latencies(&service.reason);
        service.finding = service.finding.as_deref().map(without_latencies);
    }
    entry.tasks = entry.tasks.into_iter().map(lasting).collect();
    Instance {
        name: whose.pod,
        pod_uid: Some(whose.pod_uid),
        node: whose.node,
        observed_generation: whose.observed_generation,
        document_hash: whose.document_hash,
        conditions: conditions.iter().map(lasting_condition).collect(),
        ..entry
    }
}

/// What lasts of a task: a run that went as well as the one before changes nothing.
fn lasting(task: TaskStatus) -> TaskStatus {
    let went_well = task.last_ended_well != Some(false);
    let failed = |time: Option<String>| time.filter(|_| !went_well);
    TaskStatus {
        pid: None,
        since: None,
        next_run: None,
        last_run: failed(task.last_run),
        last_end: failed(task.last_end),
        ..task
    }
}

fn lasting_condition(condition: &Condition) -> InstanceCondition {
    InstanceCondition { message: without_latencies(&condition.message), ..InstanceCondition::from(condition) }
}

/// How long a slow answer took is another number each time; that it took longer than it may is the news.
fn without_latencies(text: &str) -> String {
    let mut parts = text.split("took ");
    let mut lasting = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let time = part.split_once(", more than ").filter(|(time, _)| time.starts_with(|c: char| c.is_ascii_digit()));
        match time {
            Some((_, bound)) => lasting.extend(["took more than ", bound]),
            None => lasting.extend(["took ", part]),
        }
    }
    lasting
}

/// The conditions of an agent that has no document yet: it waits for the first good one, and says why it has none.
pub fn waiting(refused: Option<&Refusal>) -> Vec<InstanceCondition> {
    let say = |r#type: &str, status, reason: &str, message: &str| InstanceCondition {
        r#type: r#type.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    let stalled = match refused {
        Some(refused) => say("Stalled", Truth::True, "ConfigRejected", &refused.words),
        None => say("Stalled", Truth::False, "Progressing", "nothing waits for a person"),
    };
    let valid = match refused {
        Some(Refusal { reason, words }) => {
            say("ConfigValid", Truth::False, reason.word(), &format!("{words}; no document is in force"))
        }
        None => say("ConfigValid", Truth::Unknown, "Unknown", "no document was seen yet"),
    };
    let moving = if refused.is_none() {
        say("Reconciling", Truth::True, "Applying", "the first document is waited for")
    } else {
        say("Reconciling", Truth::False, "Settled", "nothing is being changed")
    };
    vec![
        say("Ready", Truth::False, "Pending", "there is no document in force, and nothing is started"),
        moving,
        stalled,
        say("Degraded", Truth::False, "None", "nothing is amiss"),
        valid,
        say("Suspended", Truth::False, "Running", "nothing is suspended"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::ServiceStatus;

    fn ran(well: bool, at: &str) -> TaskStatus {
        let at = Some(at.to_owned());
        let outcome = if well { "exit 0" } else { "exit 1" };
        TaskStatus {
            name: "purge".into(),
            last_run: at.clone(),
            last_end: at.clone(),
            next_run: at.clone(),
            since: at,
            pid: Some(7),
            last_outcome: Some(outcome.into()),
            last_ended_well: Some(well),
            ..TaskStatus::default()
        }
    }

    fn entry_of(task: TaskStatus) -> Instance {
        let whose = Whose { pod: "mail-0".into(), pod_uid: "u".into(), ..Whose::default() };
        entry(Instance { name: "host".into(), tasks: vec![task], ..Instance::default() }, whose, &[])
    }

    #[test]
    fn r21_a_task_that_went_well_once_more_changes_nothing() {
        assert_eq!(entry_of(ran(true, "1")), entry_of(ran(true, "2")));
        assert_ne!(entry_of(ran(true, "1")), entry_of(ran(false, "2")));
        assert_ne!(entry_of(ran(false, "1")), entry_of(ran(false, "2")), "when it failed is worth knowing");
    }

    #[test]
    fn r21_what_a_ready_service_says_of_itself_changes_nothing() {
        let says = |ready, says: &str| {
            let service = ServiceStatus { ready, says: Some(says.to_owned()), ..ServiceStatus::default() };
            entry(Instance { services: vec![service], ..Instance::default() }, Whose::default(), &[])
        };
        assert_eq!(says(Truth::True, "5 connections"), says(Truth::True, "6 connections"));
        assert_ne!(says(Truth::False, "recovery 10 %"), says(Truth::False, "recovery 20 %"));
    }

    #[test]
    fn r21_how_slow_a_slow_answer_was_changes_nothing() {
        let of = |took: &str| {
            let words = format!("answers slowly: Imap 143 took {took}, more than 5.0 s");
            let service =
                ServiceStatus { finding: Some(words.clone()), reason: words.clone(), ..ServiceStatus::default() };
            let condition = Condition {
                r#type: "Degraded".into(),
                status: Truth::True,
                reason: "ProbesComplain".into(),
                message: format!("imap {words}; pop {words}"),
                last_transition_time: String::new(),
                observed_generation: 1,
            };
            entry(Instance { services: vec![service], ..Instance::default() }, Whose::default(), &[condition])
        };
        assert_eq!(of("5.1 s"), of("7.25 s"));
        assert_eq!(of("6.0 s").services[0].reason, "answers slowly: Imap 143 took more than 5.0 s");
        assert_eq!(without_latencies("took over its files; it took long"), "took over its files; it took long");
    }

    #[test]
    fn r27_the_entry_is_keyed_by_the_pod_and_carries_its_uid() {
        let json = serde_json::to_value(entry_of(ran(true, "1"))).unwrap();
        assert_eq!((json["name"].as_str(), json["podUID"].as_str()), (Some("mail-0"), Some("u")));
        assert_eq!(json.get("node"), None, "what is not known is absent");
    }

    #[test]
    fn an_agent_without_a_document_never_says_that_it_is_ready_or_both_moving_and_stalled() {
        use crate::status::ConditionReason::{BadCrontab, Cycle, RuleBroken};
        for reason in [None, Some(Cycle), Some(BadCrontab), Some(RuleBroken)] {
            let refused = reason.map(|reason| Refusal { reason, words: "a cycle".into() });
            let conditions = waiting(refused.as_ref());
            let all = |name: &str| conditions.iter().find(|condition| condition.r#type == name).unwrap();
            let of = |name: &str| all(name).status;
            assert_eq!(of("Ready"), Truth::False);
            assert!(of("Reconciling") != of("Stalled"), "{conditions:?}");
            assert_eq!(of("ConfigValid"), if refused.is_some() { Truth::False } else { Truth::Unknown });
            assert_eq!(all("ConfigValid").reason, reason.map_or("Unknown", |reason| reason.word()));
        }
    }
}
