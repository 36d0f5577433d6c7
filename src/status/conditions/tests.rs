//! What the conditions say of a document that is not in force, or not for every service.

use super::*;

const NOW: Wall = Wall(1_795_465_612_000);

fn of(services: Vec<ServiceStatus>, facets: Facets) -> Vec<Condition> {
    let instance = Instance { services, observed_generation: 1, ..Instance::default() };
    conditions(&instance, &Facets { watched: true, ..facets }, &[], NOW)
}

fn short(conditions: &[Condition], kind: &str) -> String {
    let condition = conditions.iter().find(|condition| condition.r#type == kind).unwrap();
    format!("{}={}", condition.status.word(), condition.reason)
}

fn service(reason: &str) -> ServiceStatus {
    let (name, reason) = ("imap".to_owned(), reason.to_owned());
    ServiceStatus { name, reason, enabled: true, required: true, ready: Truth::True, ..ServiceStatus::default() }
}

#[test]
fn r18_a_refused_document_is_told_with_the_reason_of_its_rule() {
    for reason in [Reason::Cycle, Reason::BadCrontab, Reason::RuleBroken] {
        let refused = Some(Refusal { reason, words: "mw.yaml:3:1: error".into() });
        let said = of(vec![service("ready")], Facets { refused, ..Facets::default() });
        assert_eq!(short(&said, "ConfigValid"), format!("False={}", reason.word()));
        assert_eq!(short(&said, "Stalled"), "True=ConfigRejected");
        assert_eq!(short(&said, "Ready"), "True=AllReady", "what runs is not touched");
    }
    let said = of(vec![service("ready")], Facets::default());
    assert_eq!(
        (short(&said, "ConfigValid"), short(&said, "Stalled")),
        ("True=Accepted".into(), "False=Progressing".into())
    );
}

fn troubled(trouble: Trouble) -> Vec<Condition> {
    of(vec![ServiceStatus { trouble: Some(trouble), ..service("in any words") }], Facets::default())
}

#[test]
fn r19_a_configuration_that_the_softwares_own_checker_refuses_is_not_valid() {
    let said = troubled(Trouble::CheckFailed);
    assert_eq!(short(&said, "ConfigValid"), "False=CheckFailed");
    assert_eq!(short(&said, "Stalled"), "True=ConfigRejected");
    assert_eq!(short(&said, "Degraded"), "True=RunsPreviousConfiguration");
    assert_eq!(short(&said, "Ready"), "True=AllReady");
}

#[test]
fn r19_a_failed_reload_is_degraded_and_the_document_is_valid_and_a_failed_stop_is_named() {
    let said = troubled(Trouble::ReloadFailed);
    assert_eq!(short(&said, "Degraded"), "True=RunsPreviousConfiguration");
    assert_eq!(
        (short(&said, "ConfigValid"), short(&said, "Stalled")),
        ("True=Accepted".into(), "False=Progressing".into())
    );
    assert_eq!(short(&troubled(Trouble::StopFailed), "Degraded"), "True=StopFailed");
}

#[test]
fn r19_the_words_of_a_reason_alone_make_no_condition() {
    // A checker, a server or a file may say anything, and it stands in the reason.
    let words = "runs the previous configuration: its checker refuses the new one; could not be stopped";
    let said = of(vec![service(words)], Facets::default());
    assert_eq!(short(&said, "ConfigValid"), "True=Accepted");
    assert_eq!((short(&said, "Degraded"), short(&said, "Stalled")), ("False=None".into(), "False=Progressing".into()));
}
