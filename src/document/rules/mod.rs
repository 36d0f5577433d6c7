//! What a well-formed document must also be: each rule declared once, with its place, its words, the same in CEL where
//! CEL can say it, and the check in Rust.
//!
//! The table is what the CRD's validation rules and the reference are generated from.

mod canary;
mod doubts;
mod later;
mod listeners;
mod order;
mod services;
mod shapes;
mod whole;

#[cfg(test)]
pub(super) use later::LATER;
pub(super) use later::notes;

use super::diagnostic::{Fault, Severity};
use super::effective::Effective;
use super::spec::MessagingServer;

/// One rule about the meaning of a document.
pub struct Rule {
    /// Its name, as diagnostics show it.
    pub id: &'static str,
    /// Whether breaking it refuses the document.
    pub severity: Severity,
    /// The lowest node that can hold it, such as `spec.services[].listeners[]`.
    pub path: &'static str,
    /// What it demands.
    pub message: &'static str,
    /// The same for the API server.
    pub cel: Cel,
    check: fn(&Effective<'_>, &mut Findings),
}

/// A rule as the API server sees it.
#[derive(Clone, Copy)]
pub enum Cel {
    /// This expression at the rule's path.
    Says(&'static str),
    /// As before, built from the profiles' data.
    Built(fn() -> String),
    /// The schema says it already (`x-kubernetes-list-type`).
    Schema,
    /// CEL cannot say it, for this reason: on the named list of the differential test.
    Cannot(&'static str),
}

/// Where checks put what they find.
pub(super) struct Findings {
    rule: &'static str,
    severity: Severity,
    found: Vec<Fault>,
}

impl Findings {
    /// Something at a path (indices in brackets): what is wrong, what was expected, what to do.
    fn add(
        &mut self,
        path: impl AsRef<str>,
        message: impl Into<String>,
        expected: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.found.push(Fault {
            severity: self.severity,
            place: None,
            path: path.as_ref().to_owned(),
            shown_at: None,
            message: message.into(),
            expected: expected.into(),
            cure: cure.into(),
            rule: self.rule,
        });
    }

    /// Where the last finding is shown when its own field is not written.
    fn shown_at(&mut self, path: impl Into<String>) {
        if let Some(last) = self.found.last_mut() {
            last.shown_at = Some(path.into());
        }
    }
}

/// Every rule, in the order of the reference.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let of_services = services::RULES.iter().chain(order::RULES).chain(shapes::RULES).chain(listeners::RULES);
    of_services.chain(canary::RULES).chain(whole::RULES).chain(doubts::RULES)
}

/// Asks every rule; without `doubts` only those that can refuse a document.
pub(super) fn check(server: &MessagingServer, doubts: bool) -> Vec<Fault> {
    let effective = Effective::of(server);
    let mut found = Vec::new();
    for rule in rules().filter(|rule| doubts || rule.severity == Severity::Error) {
        let mut findings = Findings { rule: rule.id, severity: rule.severity, found: std::mem::take(&mut found) };
        (rule.check)(&effective, &mut findings);
        found = findings.found;
    }
    found
}
