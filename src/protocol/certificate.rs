//! What a certificate says of itself (RFC 5280): bytes in, words out. It believes nothing and checks no signature.

// Of `net` only the addresses, which are numbers; a socket cannot be had from `core`.
use core::net::{Ipv4Addr, Ipv6Addr};

use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use super::printable;
use crate::model::Wall;

/// The most names of a certificate that are looked at.
const NAMES: usize = 32;

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whose it is, as RFC 4514 writes it.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// First moment at which it is good.
    pub not_before: Wall,
    /// Last moment at which it is good.
    pub not_after: Wall,
}

/// It is no certificate as RFC 5280 has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be read: {0}")]
pub struct CertificateError(String);

/// Reads one certificate in DER form.
pub fn read(der: &[u8]) -> Result<Said, CertificateError> {
    let wrong = |error: x509_cert::der::Error| CertificateError(printable(error.to_string().as_bytes()));
    let certificate = x509_cert::Certificate::from_der(der).map_err(wrong)?;
    let body = certificate.tbs_certificate();
    let names = match body.get_extension::<SubjectAltName>().map_err(wrong)? {
        Some((_, SubjectAltName(names))) => names.iter().filter_map(name).take(NAMES).collect(),
        None => Vec::new(),
    };
    Ok(Said {
        subject: printable(body.subject().to_string().as_bytes()),
        issuer: printable(body.issuer().to_string().as_bytes()),
        names,
        not_before: moment(body.validity().not_before),
        not_after: moment(body.validity().not_after),
    })
}

fn moment(time: Time) -> Wall {
    Wall(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
}

/// Those that a server is reached by.
fn name(general: &GeneralName) -> Option<String> {
    match general {
        GeneralName::DnsName(name) => Some(printable(name.as_bytes())),
        GeneralName::IpAddress(octets) => {
            let bytes = octets.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(|four| Ipv4Addr::from(four).to_string());
            let sixteen = || <[u8; 16]>::try_from(bytes).map(|sixteen| Ipv6Addr::from(sixteen).to_string());
            four.or_else(|_| sixteen()).ok()
        }
        GeneralName::OtherName(_)
        | GeneralName::Rfc822Name(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_in_printable_words() {
        for bytes in [&b""[..], b"\x30", b"\x30\x03\x02\x01\x01", &[0xff; 300], b"-----BEGIN CERTIFICATE-----"] {
            let error = read(bytes).expect_err("no certificate").to_string();
            assert!(error.starts_with("it cannot be read: ") && error.is_ascii(), "{error}");
        }
    }
}
