//! Rules about one listener.

use super::services::own;
use super::{Cel, Findings, Rule};
use crate::document::diagnostic::Severity;
use crate::document::effective::Effective;
use crate::document::spec::{Listener, Protocol, Tls};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "listener-place",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "a listener has a port or a socket, and not both",
        cel: Cel::Says("has(self.port) != has(self.socket)"),
        check: |all, found| listener_place(of_services(all), found),
    },
    Rule {
        id: "listener-starttls",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "Http and Tcp have no STARTTLS",
        cel: Cel::Says("!has(self.tls) || self.tls != 'StartTls' || !(self.protocol in ['Http', 'Tcp'])"),
        check: |all, found| listener_starttls(of_services(all), found),
    },
    Rule {
        id: "listener-certificate",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "only a listener with TLS has a certificate",
        cel: Cel::Says(
            "has(self.tls) && self.tls != 'None' || !(has(self.serverName) || has(self.caFile) || \
             has(self.certificateFile) || has(self.certificateWarning))",
        ),
        check: |all, found| listener_certificate(of_services(all), found),
    },
    Rule {
        id: "listener-login",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "Http and Tcp have no login",
        cel: Cel::Says("!has(self.login) || !(self.protocol in ['Http', 'Tcp'])"),
        check: |all, found| listener_login(of_services(all), found),
    },
    Rule {
        id: "listener-login-safe",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "a password leaves this host only behind TLS whose certificate is checked",
        cel: Cel::Says(
            "!has(self.login) || has(self.socket) || !has(self.address) || \
             self.address in ['localhost', '::1', '::', '0.0.0.0'] || \
             self.address.matches('^127[.][0-9]+[.][0-9]+[.][0-9]+$') || \
             has(self.tls) && self.tls != 'None' && \
             (has(self.certificateFile) || has(self.caFile) && has(self.serverName))",
        ),
        check: |all, found| listener_login_safe(of_services(all), found),
    },
    Rule {
        id: "listener-recipient",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "only Smtp, Submission and Lmtp take recipients",
        cel: Cel::Says("!has(self.recipient) || self.protocol in ['Smtp', 'Submission', 'Lmtp']"),
        check: |all, found| listener_recipient(of_services(all), found),
    },
    Rule {
        id: "listener-path",
        severity: Severity::Error,
        path: "spec.services[].listeners[]",
        message: "only Http has a path",
        cel: Cel::Says("!has(self.path) || self.protocol == 'Http'"),
        check: |all, found| listener_path(of_services(all), found),
    },
    Rule {
        id: "external-starttls",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "Http and Tcp have no STARTTLS",
        cel: Cel::Says("!has(self.tls) || self.tls != 'StartTls' || !(self.protocol in ['Http', 'Tcp'])"),
        check: |all, found| listener_starttls(of_externals(all), found),
    },
    Rule {
        id: "external-certificate",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "only a listener with TLS has a certificate",
        cel: Cel::Says(
            "has(self.tls) && self.tls != 'None' || !(has(self.serverName) || has(self.caFile) || \
             has(self.certificateFile) || has(self.certificateWarning))",
        ),
        check: |all, found| listener_certificate(of_externals(all), found),
    },
    Rule {
        id: "external-login",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "Http and Tcp have no login",
        cel: Cel::Says("!has(self.login) || !(self.protocol in ['Http', 'Tcp'])"),
        check: |all, found| listener_login(of_externals(all), found),
    },
    Rule {
        id: "external-login-safe",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "a password leaves this host only behind TLS whose certificate is checked",
        cel: Cel::Says(
            "!has(self.login) || has(self.socket) || !has(self.address) || \
             self.address in ['localhost', '::1', '::', '0.0.0.0'] || \
             self.address.matches('^127[.][0-9]+[.][0-9]+[.][0-9]+$') || \
             has(self.tls) && self.tls != 'None' && \
             (has(self.certificateFile) || has(self.caFile) && has(self.serverName))",
        ),
        check: |all, found| listener_login_safe(of_externals(all), found),
    },
    Rule {
        id: "external-recipient",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "only Smtp, Submission and Lmtp take recipients",
        cel: Cel::Says("!has(self.recipient) || self.protocol in ['Smtp', 'Submission', 'Lmtp']"),
        check: |all, found| listener_recipient(of_externals(all), found),
    },
    Rule {
        id: "external-path",
        severity: Severity::Error,
        path: "spec.external[].listeners[]",
        message: "only Http has a path",
        cel: Cel::Says("!has(self.path) || self.protocol == 'Http'"),
        check: |all, found| listener_path(of_externals(all), found),
    },
];

/// A listener that is written, with its path.
pub(super) type Written<'a> = (String, &'a Listener);

/// Those of services.
fn of_services<'a>(all: &'a Effective<'_>) -> impl Iterator<Item = Written<'a>> {
    own(all).flat_map(|(path, service)| {
        let listeners = service.listeners.iter().flatten().enumerate();
        listeners.map(move |(at, listener)| (format!("{path}.listeners[{at}]"), listener))
    })
}

/// Those of external dependencies.
fn of_externals<'a>(all: &'a Effective<'_>) -> impl Iterator<Item = Written<'a>> {
    all.spec.external.iter().enumerate().flat_map(|(external_at, external)| {
        let listeners = external.listeners.iter().enumerate();
        listeners.map(move |(at, listener)| (format!("spec.external[{external_at}].listeners[{at}]"), listener))
    })
}

pub(super) fn listener_place<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        match (&listener.port, &listener.socket) {
            (Some(_), Some(_)) => found.add(
                format!("{path}.socket"),
                "this listener has a port and a socket",
                "one of the two",
                "write two listeners, or remove one of the two fields",
            ),
            (None, None) => found.add(
                path,
                "this listener has no port and no socket",
                "one of the two",
                "add `port: 143` or `socket: /path`",
            ),
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

fn listener_starttls<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        let without = match listener.protocol {
            Protocol::Http | Protocol::Tcp => true,
            Protocol::Imap
            | Protocol::Pop3
            | Protocol::Smtp
            | Protocol::Submission
            | Protocol::Lmtp
            | Protocol::ManageSieve => false,
        };
        if without && listener.tls == Some(Tls::StartTls) {
            found.add(
                format!("{path}.tls"),
                "this protocol has no STARTTLS",
                "`None` or `Implicit`",
                "write `Implicit` if TLS is spoken from the first byte",
            );
        }
    }
}

fn has_tls(listener: &Listener) -> bool {
    match listener.tls.unwrap_or_default() {
        Tls::None => false,
        Tls::Implicit | Tls::StartTls => true,
    }
}

pub(super) fn listener_certificate<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners.filter(|(_, listener)| !has_tls(listener)) {
        for (field, is_there) in [
            ("serverName", listener.server_name.is_some()),
            ("caFile", listener.ca_file.is_some()),
            ("certificateFile", listener.certificate_file.is_some()),
            ("certificateWarning", listener.certificate_warning.is_some()),
        ] {
            if is_there {
                found.add(
                    format!("{path}.{field}"),
                    "this listener speaks no TLS, so it has no certificate",
                    format!("`{field}` only beside `tls: Implicit` or `tls: StartTls`"),
                    "add `tls`, or remove this",
                );
            }
        }
    }
}

fn listener_login<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        let without = match listener.protocol {
            Protocol::Http | Protocol::Tcp => true,
            Protocol::Imap
            | Protocol::Pop3
            | Protocol::Smtp
            | Protocol::Submission
            | Protocol::Lmtp
            | Protocol::ManageSieve => false,
        };
        if without && listener.login.is_some() {
            found.add(
                format!("{path}.login"),
                "this protocol has no login",
                "a login only with Imap, Pop3, Smtp, Submission, Lmtp or ManageSieve",
                "remove it",
            );
        }
    }
}

pub(super) fn listener_login_safe<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        let here = listener.socket.is_some() || listener.address.as_deref().is_none_or(is_this_host);
        let is_checked =
            listener.certificate_file.is_some() || (listener.ca_file.is_some() && listener.server_name.is_some());
        if listener.login.is_some() && !here && !(has_tls(listener) && is_checked) {
            found.add(
                format!("{path}.login"),
                "this password would leave the host, and nothing says to whom it may go",
                "TLS, and certificateFile or both caFile and serverName, where the address is not this host's own",
                "add them, or probe it at `address: 127.0.0.1`",
            );
        }
    }
}

/// An address that is this host whatever a name server says; those of every interface are probed on loopback.
fn is_this_host(address: &str) -> bool {
    let mut parts = address.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(address, "localhost" | "::1" | "::" | "0.0.0.0")
        || (parts.clone().count() == 4 && parts.next() == Some("127") && parts.all(is_number))
}

fn listener_recipient<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        let takes = match listener.protocol {
            Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => true,
            Protocol::Imap | Protocol::Pop3 | Protocol::Http | Protocol::ManageSieve | Protocol::Tcp => false,
        };
        if !takes && listener.recipient.is_some() {
            found.add(
                format!("{path}.recipient"),
                "this protocol takes no mail",
                "a recipient only with Smtp, Submission or Lmtp",
                "remove it",
            );
        }
    }
}

fn listener_path<'a>(listeners: impl Iterator<Item = Written<'a>>, found: &mut Findings) {
    for (path, listener) in listeners {
        if listener.protocol != Protocol::Http && listener.path.is_some() {
            found.add(
                format!("{path}.path"),
                "this protocol has no paths",
                "a path only with Http",
                "remove it, or write `socket` if it is where the service listens",
            );
        }
    }
}
