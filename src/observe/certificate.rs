//! Whether a certificate that is served is as declared: in time, for this name, from these authorities, from this file.

use std::path::Path;
use std::time::Duration;

use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore, crypto::ring};

use super::file;
use super::tls::Served;
use crate::desired::Probe;
use crate::model::{Certificate, Loaded, Name, Wall};
use crate::protocol::certificate::read;

/// The largest file of certificates that is read; Debian's bundle of all authorities has 0.2 MiB.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// Judges what was served at a moment. Without a readable certificate there are only words.
pub(super) fn judge(served: &Served, declared: &Probe, now: Wall) -> Result<Certificate, Name> {
    let Some(own) = served.chain.first() else { return Err("no certificate was served".into()) };
    let said = read(own).map_err(|error| Name::from(format!("the certificate that is served: {error}")))?;
    let loaded = loaded(own, declared.certificate_file.as_deref());
    let mut faults = Vec::new();
    if said.not_after < now {
        faults.push(format!("it ended at {}", said.not_after));
    }
    if now < said.not_before {
        faults.push(format!("it begins only at {}", said.not_before));
    }
    if served.wrong_key {
        faults.push("the server does not have its key".to_owned());
    }
    if let Some(name) = &declared.server_name {
        faults.extend(name_fault(own, name, &said.names));
    }
    if let Some(path) = &declared.ca_file {
        faults.extend(trust_fault(served, path, now));
    }
    match &loaded {
        Loaded::Undeclared | Loaded::Yes => {}
        Loaded::No { file_not_after } if *file_not_after > said.not_after => faults.push(format!(
            "the file has a renewed one that nobody has loaded: that ends at {file_not_after}, this at {}",
            said.not_after
        )),
        Loaded::No { file_not_after } => faults
            .push(format!("the file has another one, which ends at {file_not_after}; this ends at {}", said.not_after)),
        Loaded::Unknown(words) => faults.push(words.to_string()),
    }
    let mut certificate = Certificate {
        subject: said.subject.into(),
        names: said.names.into_iter().map(Name::from).collect(),
        issuer: said.issuer.into(),
        not_before: said.not_before,
        not_after: said.not_after,
        chain: u16::try_from(served.chain.len()).unwrap_or(u16::MAX),
        sha256: sha256(own).into(),
        loaded,
        ends_soon: false,
        fault: None,
    };
    certificate.ends_soon = certificate.ends_within(now, declared.certificate_warning);
    if !faults.is_empty() {
        let subject = &certificate.subject;
        certificate.fault = Some(format!("the certificate {subject}: {}", faults.join("; ")).into());
    }
    Ok(certificate)
}

fn loaded(own: &CertificateDer<'_>, path: Option<&str>) -> Loaded {
    let Some(path) = path else { return Loaded::Undeclared };
    let in_file = match certificates(path) {
        Ok(certificates) => certificates,
        Err(words) => return Loaded::Unknown(words.into()),
    };
    // A server's file has its own certificate first (RFC 8446 4.4.2 wants it sent first); a bundle may hold others.
    if in_file.iter().any(|certificate| certificate == own) {
        return Loaded::Yes;
    }
    match in_file.first().map(|first| read(first)) {
        Some(Ok(said)) => Loaded::No { file_not_after: said.not_after },
        Some(Err(error)) => Loaded::Unknown(format!("the certificate in {path}: {error}").into()),
        None => Loaded::Unknown(format!("{path} holds no certificate").into()),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = file::read(Path::new(path), FILE_LIMIT).map_err(|error| format!("{path}: {error}"))?;
    CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| format!("{path}: {error}"))
}

fn name_fault(own: &CertificateDer<'_>, name: &str, names: &[String]) -> Option<String> {
    let Ok(wanted) = ServerName::try_from(name) else { return Some(format!("{name} is no name that one can have")) };
    let parsed = ParsedCertificate::try_from(own);
    match parsed.and_then(|parsed| verify_server_name(&parsed, &wanted)) {
        Ok(()) => None,
        Err(_) if names.is_empty() => Some(format!("it is not for {name}, it names nobody (no subjectAltName)")),
        Err(_) => Some(format!("it is not for {name}, only for {}", names.join(", "))),
    }
}

/// What keeps it from being trusted beside its time, which is judged apart.
fn trust_fault(served: &Served, path: &str, now: Wall) -> Option<String> {
    let (own, others) = served.chain.split_first()?;
    let authorities = match certificates(path) {
        Ok(authorities) => authorities,
        Err(words) => return Some(words),
    };
    // One that signed itself is its own authority.
    if authorities.iter().any(|authority| authority == own) {
        return None;
    }
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(authorities);
    if taken == 0 {
        return Some(format!("{path} holds no authority"));
    }
    let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)));
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let checked = ParsedCertificate::try_from(own)
        .and_then(|own| verify_server_cert_signed_by_trust_anchor(&own, &roots, others, at, algorithms.all));
    match checked {
        Ok(()) => None,
        Err(Error::InvalidCertificate(fault)) => match fault {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => None,
            other => Some(format!("no authority in {path} stands for it ({other})")),
        },
        Err(other) => Some(format!("no authority in {path} stands for it ({other})")),
    }
}

fn sha256(der: &[u8]) -> String {
    use std::fmt::Write;
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, der);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
