//! From bytes to the document in force: a bad one changes nothing and is remembered with its words ([R18]).

use crate::desired::{Desired, OnGiveUp};
use crate::document::{self, Settings, Severity};
use crate::model::Fingerprint;
use crate::status::{ConditionReason, Refusal};

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The first error with its place and the reason of its rule: for the condition `ConfigValid`.
    pub(super) first: Refusal,
    /// Every error and warning, as `mailward validate` prints them.
    pub(super) all: String,
}

impl Refused {
    /// One that no rule of the document was asked about: it cannot be read at all.
    pub(super) fn unread(words: String) -> Self {
        Self { first: Refusal { reason: ConditionReason::RuleBroken, words: words.clone() }, all: words }
    }
}

/// A document that may be put in force.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// What the planner reads.
    pub(super) desired: Desired,
    /// What concerns the agent itself.
    pub(super) site: Settings,
    /// Warnings, as `mailward validate` prints them.
    pub(super) warnings: Vec<String>,
    /// The fields among them that an API server newer than this agent knows; they are not followed ([R25]).
    pub(super) newer: Vec<String>,
}

/// Reads a document.
pub(super) fn read(bytes: &[u8], origin: &str, generation: i64) -> Result<Wish, Refused> {
    judge(document::read(bytes, origin), generation)
}

fn judge(read: document::Read, generation: i64) -> Result<Wish, Refused> {
    let document::Read { document, diagnostics } = read;
    let Some(document) = document else {
        let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).peekable();
        let reason = ConditionReason::of_rule(errors.peek().map_or("", |first| first.rule));
        let all: Vec<String> = errors.map(ToString::to_string).collect();
        let words = all.first().and_then(|words| words.lines().next()).unwrap_or("no document").to_owned();
        return Err(Refused { first: Refusal { reason, words }, all: all.join("\n") });
    };
    let newer = diagnostics.iter().filter(|diagnostic| diagnostic.rule == document::NEWER_FIELD);
    let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    Ok(Wish {
        desired: document::resolve(&document, generation),
        site: document::settings(&document),
        warnings: warnings.map(ToString::to_string).collect(),
        newer: newer.map(|diagnostic| diagnostic.path.clone()).collect(),
    })
}

/// Reads a document as an API server gave it, for an agent in a pod. Fields that a newer server knows are warnings ([R25]).
pub(super) fn read_resource(bytes: &[u8], origin: &str, generation: i64) -> Result<Wish, Refused> {
    let no_json = |error| Refused::unread(format!("{origin}: it is no JSON: {error}"));
    let object = serde_json::from_slice(bytes).map_err(no_json)?;
    let mut wish = judge(document::read_resource(&object, origin), generation)?;
    if wish.desired.autorestart.on_give_up == OnGiveUp::Failover {
        // The end of the container would kill every service and earn back-off, and another pod takes over by a lease.
        wish.desired.autorestart.on_give_up = OnGiveUp::Stay;
    }
    Ok(wish)
}

/// The fingerprint of the `spec` of such a document.
pub(super) fn hash(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    format!("{:016x}", Fingerprint::of(value["spec"].to_string().as_bytes()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r23_in_a_pod_a_give_up_never_ends_the_agent() {
        let text = br#"{"apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": "mail"},
            "spec": {"profile": "Custom", "highAvailability": {"mode": "None"},
                     "autorestart": {"enabled": true, "onGiveUp": "Failover"},
                     "services": [{"name": "a", "command": ["/bin/a"]}]}}"#;
        assert_eq!(read(text, "a file", 1).unwrap().desired.autorestart.on_give_up, OnGiveUp::Failover);
        let wish = read_resource(text, "a resource", 7).unwrap();
        assert_eq!((wish.desired.autorestart.on_give_up, wish.desired.generation), (OnGiveUp::Stay, 7));
    }

    #[test]
    fn r25_an_older_agent_takes_a_document_with_fields_of_a_newer_server_and_says_which() {
        let text = br#"{"apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": "mail"},
            "spec": {"profile": "Custom", "mood": "calm", "services": [{"name": "a", "command": ["/bin/a"]}]}}"#;
        let wish = read_resource(text, "a resource", 7).unwrap();
        assert!(wish.warnings.iter().any(|warning| warning.contains("mood")), "{:?}", wish.warnings);
        assert_eq!(wish.newer, ["spec.mood"]);
        assert!(read(text, "a file", 1).unwrap_err().first.words.contains("mood"), "in a file it is a slip of the pen");
        let half = read_resource(&text[..40], "a resource", 7).unwrap_err();
        assert!(half.first.words.starts_with("a resource: it is no JSON"), "{half:?}");
    }

    #[test]
    fn r18_a_refusal_has_the_reason_of_its_first_error_in_a_file_and_in_a_pod() {
        let of = |services: &str, schedule: &str| {
            format!(
                r#"{{"apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {{"name": "mail"}},
                "spec": {{"profile": "Custom", "services": [{services}], "schedule": [{schedule}]}}}}"#
            )
        };
        let service =
            |name: &str, other: &str| format!(r#"{{"name": "{name}", "command": ["/bin/a"], "dependsOn": [{other}]}}"#);
        let circle = [service("a", r#""b""#), service("b", r#""a""#)].join(", ");
        let alone = service("a", "");
        let task = r#"{"name": "purge", "command": ["/bin/p"], "crontab": "61 * * * *"}"#;
        for (text, reason) in [
            (of(&circle, ""), ConditionReason::Cycle),
            (of(&alone, task), ConditionReason::BadCrontab),
            (of(&service("a", r#""nobody""#), ""), ConditionReason::RuleBroken),
            ("{".to_owned(), ConditionReason::RuleBroken),
        ] {
            let in_a_file = read(text.as_bytes(), "a file", 1).unwrap_err().first;
            let in_a_pod = read_resource(text.as_bytes(), "a resource", 1).unwrap_err().first;
            assert_eq!((in_a_file.reason, in_a_pod.reason), (reason, reason), "{in_a_file:?} {in_a_pod:?}");
        }
    }

    #[test]
    fn the_hash_is_of_what_is_wanted_and_of_nothing_else() {
        let of = |generation: u32, port: u32| {
            hash(format!(r#"{{"metadata": {{"generation": {generation}}}, "spec": {{"port": {port}}}}}"#).as_bytes())
        };
        assert_eq!(of(1, 5), of(2, 5));
        assert_ne!(of(1, 5), of(1, 6));
    }
}
