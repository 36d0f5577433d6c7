//! TLS on a connection that is established, for a look at the certificate that is served.
//!
//! The handshake takes any certificate, because one that is not good is to be named, not hidden behind a failed
//! connection; [`super::certificate`] judges it apart. Everything of TLS is made for one handshake and gone with it: an
//! agent without TLS listeners, and one that asks nobody just now, holds none of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::place::Stream;

/// What a handshake brought to light.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// The server's own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The server signed with another key than the certificate's.
    pub(super) wrong_key: bool,
}

/// Why there is no TLS.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server says no, in TLS (an alert), in words.
    Alert(String),
    /// What came is no TLS that anybody should speak, in words.
    Violation(String),
    /// The connection broke.
    Broken(io::Error),
}

/// Begins TLS on a connection. `name` goes out as SNI (RFC 6066 3), which has no IP addresses.
pub(super) async fn begin(stream: Stream, name: Option<&str>) -> Result<(Stream, Served), Refusal> {
    let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let name = name.unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into()));
    let provider = Arc::new(ring::default_provider());
    let looker = Arc::new(Looker { provider: Arc::clone(&provider), served: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Refusal::Broken(io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&looker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(refusal)?;
    let served = looker.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((Box::new(stream), served))
}

fn refusal(error: io::Error) -> Refusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        None => Refusal::Broken(error),
        Some(Error::AlertReceived(alert)) => Refusal::Alert(format!("TLS alert {alert:?}")),
        Some(of_tls) => Refusal::Violation(format!("expected TLS: {of_tls}")),
    }
}

/// Takes every certificate and keeps it.
#[derive(Debug)]
struct Looker {
    provider: Arc<CryptoProvider>,
    served: Mutex<Served>,
}

impl Looker {
    /// Only a signature by another key is held against the server; a certificate whose form or algorithm is not known
    /// here is judged by others.
    fn note(&self, checked: &Result<HandshakeSignatureValid, Error>) -> HandshakeSignatureValid {
        if matches!(checked, Err(Error::InvalidCertificate(CertificateError::BadSignature))) {
            self.served.lock().unwrap_or_else(PoisonError::into_inner).wrong_key = true;
        }
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.clone().into_owned()).collect();
        self.served.lock().unwrap_or_else(PoisonError::into_inner).chain = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note(&verify_tls12_signature(message, certificate, signature, algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.note(&verify_tls13_signature(message, certificate, signature, algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
