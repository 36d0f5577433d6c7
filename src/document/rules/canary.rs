//! Rules about the mail canary.

use super::listeners::{Written, listener_certificate, listener_login_safe, listener_place};
use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::{Listener, Protocol};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "canary-protocols",
        severity: Severity::Error,
        path: "spec.canary",
        message: "a canary is handed in by Smtp or Submission, delivered by Lmtp, and read by Imap with a login",
        cel: Cel::Says(
            "self.submit.protocol in ['Smtp', 'Submission'] && (!has(self.deliver) || self.deliver.protocol == \
             'Lmtp') && self.read.protocol == 'Imap' && has(self.read.login)",
        ),
        check: protocols,
    },
    Rule {
        id: "canary-place",
        severity: Severity::Error,
        path: "spec.canary",
        message: "a listener of the canary has a port or a socket, and neither recipient nor path",
        cel: Cel::Built(|| each("has(l.port) != has(l.socket) && !has(l.recipient) && !has(l.path)")),
        check: place,
    },
    Rule {
        id: "canary-certificate",
        severity: Severity::Error,
        path: "spec.canary",
        message: "only a listener with TLS has a certificate",
        cel: Cel::Built(|| {
            each(
                "has(l.tls) && l.tls != 'None' || !(has(l.serverName) || has(l.caFile) || has(l.certificateFile) || \
                 has(l.certificateWarning))",
            )
        }),
        check: |all, found| listener_certificate(written(all).into_iter(), found),
    },
    Rule {
        id: "canary-login-safe",
        severity: Severity::Error,
        path: "spec.canary",
        message: "a password leaves this host only behind TLS whose certificate is checked",
        cel: Cel::Built(|| {
            each(
                "!has(l.login) || has(l.socket) || !has(l.address) || l.address in ['localhost', '::1', '::', \
                 '0.0.0.0'] || l.address.matches('^127[.][0-9]+[.][0-9]+[.][0-9]+$') || has(l.tls) && l.tls != 'None' \
                 && (has(l.certificateFile) || has(l.caFile) && has(l.serverName))",
            )
        }),
        check: |all, found| listener_login_safe(written(all).into_iter(), found),
    },
];

/// An expression that must hold for each listener `l` of the canary. It is written out for each: to CEL they are of
/// three types, which no list can hold.
fn each(holds: &str) -> String {
    let of = |place: &str| holds.replace("l.", &format!("self.{place}."));
    format!("({}) && ({}) && (!has(self.deliver) || ({}))", of("submit"), of("read"), of("deliver"))
}

fn written<'a>(all: &'a Effective<'_>) -> Vec<Written<'a>> {
    let Some(canary) = &all.spec.canary else { return Vec::new() };
    let known = [("submit", Some(&canary.submit)), ("deliver", canary.deliver.as_ref()), ("read", Some(&canary.read))];
    let of = |(field, listener): (&str, Option<&'a Listener>)| Some((format!("spec.canary.{field}"), listener?));
    known.into_iter().filter_map(of).collect()
}

fn protocols(all: &Effective<'_>, found: &mut Findings) {
    for (path, listener) in written(all) {
        let (expected, is_right) = match path.as_str() {
            "spec.canary.submit" => {
                ("Smtp or Submission", matches!(listener.protocol, Protocol::Smtp | Protocol::Submission))
            }
            "spec.canary.deliver" => ("Lmtp", listener.protocol == Protocol::Lmtp),
            _ => ("Imap", listener.protocol == Protocol::Imap),
        };
        if !is_right {
            found.add(
                format!("{path}.protocol"),
                "the canary does not go this way",
                expected,
                "name the listener that a message passes here",
            );
        }
    }
    if all.spec.canary.as_ref().is_some_and(|canary| canary.read.login.is_none()) {
        found.add(
            "spec.canary.read",
            "nobody can look into a mailbox without a login",
            "`login` with user and passwordFile",
            "add it",
        );
    }
}

fn place(all: &Effective<'_>, found: &mut Findings) {
    listener_place(written(all).into_iter(), found);
    for (path, listener) in written(all) {
        for (field, is_there) in [("recipient", listener.recipient.is_some()), ("path", listener.path.is_some())] {
            if is_there {
                found.add(
                    format!("{path}.{field}"),
                    "a listener of the canary does not say this",
                    "the recipient in spec.canary.recipient, and no path",
                    "remove it",
                );
            }
        }
    }
}
