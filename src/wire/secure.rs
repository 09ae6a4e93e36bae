//! TLS towards PBXes: who may vouch for one, which certificates are known by themselves, and what went wrong in words.
//!
//! A connection is opened to a named server and to nobody else (RFC 5922 section 7.1): the certificate has to be for that
//! name, or for the address when the server is given as one. Wildcards are taken, although section 7.2 forbids them:
//! virtual PBXes use them. A pinned certificate needs neither name nor authority.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use linecard_sip::transport::TransportFault;
use linecard_sip::uri::Host;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::config::{Config, ConfigError, TlsRoots};
use crate::tls::{CertificateFiles, Fingerprint};

/// Whom the TLS connections of SIP trust, and who we are to them.
#[derive(Debug)]
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    /// Checks chains and names; none while no authority is trusted at all.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Fingerprint>,
    identity: Option<Arc<CertifiedKey>>,
}

/// What one handshake has shown so far.
#[derive(Debug, Clone)]
pub(super) struct Glimpse {
    expected: Host,
    seen: Arc<OnceLock<Fingerprint>>,
    asked_for_ours: Arc<OnceLock<()>>,
    has_ours: bool,
}

impl Trust {
    /// Reads what `[sip]` names.
    ///
    /// # Errors
    /// A file that cannot be read or used, by the key that names it.
    pub(crate) fn load(config: &Config) -> Result<Arc<Self>, ConfigError> {
        let provider = Arc::new(ring::default_provider());
        let roots = match config.sip.roots() {
            TlsRoots::System => system_roots(),
            TlsRoots::File(path) => roots_in(path)?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let identity = CertificateFiles::of_client(config).map(|files| files.identity()).transpose()?;
        Ok(Arc::new(Self {
            provider,
            authorities: verifier.build().ok(),
            pins: config.sip.pins()?,
            identity: identity.map(Arc::new),
        }))
    }

    /// Does the handshake over a fresh connection to `server`, and proves that it is that one.
    pub(super) async fn connect(
        self: &Arc<Self>,
        stream: TcpStream,
        server: &Host,
    ) -> Result<(TlsStream<TcpStream>, Glimpse), TransportFault> {
        let glimpse = Glimpse {
            expected: server.clone(),
            seen: Arc::default(),
            asked_for_ours: Arc::default(),
            has_ours: self.identity.is_some(),
        };
        let name = match server {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
                TransportFault::Handshake { why: format!("{name} is no name that a certificate could have") }
            })?,
            Host::V4(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
            Host::V6(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
        };
        let config = self.client_config(&glimpse).map_err(|error| glimpse.fault_of_tls(&error))?;
        match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            Ok(stream) => Ok((stream, glimpse)),
            Err(error) => Err(glimpse.fault_of(&error)),
        }
    }

    /// Knocks at a server: connects, does the handshake, and hangs up; gives the fingerprint of its certificate.
    ///
    /// # Errors
    /// What is wrong with the connection, or with what the server shows.
    pub(crate) async fn knock(
        self: &Arc<Self>,
        address: SocketAddr,
        server: &Host,
    ) -> Result<Fingerprint, TransportFault> {
        let unconnected = |error: io::Error| TransportFault::Unconnected { why: error.to_string() };
        let stream = TcpStream::connect(address).await.map_err(unconnected)?;
        let (_, glimpse) = self.connect(stream, server).await?;
        glimpse.seen.get().copied().ok_or(TransportFault::NotTls)
    }

    fn client_config(self: &Arc<Self>, glimpse: &Glimpse) -> Result<ClientConfig, Error> {
        let verifier = Verifier { trust: Arc::clone(self), seen: Arc::clone(&glimpse.seen) };
        let ours =
            Ours { identity: self.identity.clone(), asked_for_ours: Arc::clone(&glimpse.asked_for_ours) };
        Ok(ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(ours)))
    }
}

impl Glimpse {
    /// Tells what an error of the connection means.
    pub(super) fn fault_of(&self, error: &io::Error) -> TransportFault {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => self.fault_of_tls(error),
            None if self.seen.get().is_none() && is_hang_up(error) => TransportFault::NotTls,
            None => TransportFault::Handshake { why: error.to_string() },
        }
    }

    /// Tells what an error after the handshake means, when it is one of TLS: under version 1.3 a server says only then that
    /// it does not like our certificate.
    pub(super) fn late_fault_of(&self, error: &io::Error) -> Option<TransportFault> {
        error.get_ref()?.downcast_ref::<Error>().map(|error| self.fault_of_tls(error))
    }

    fn fault_of_tls(&self, error: &Error) -> TransportFault {
        let fingerprint = self.seen.get().map(Fingerprint::to_string).unwrap_or_default();
        match error {
            Error::InvalidCertificate(why) => match why {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    TransportFault::WrongName { name: self.expected.to_string(), fingerprint }
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => TransportFault::NotValidNow { fingerprint },
                // A certificate that signed itself may also say that it is an authority: that is `Other`.
                // An authority of the same name whose key is another gives a bad signature.
                CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::Other(_) => TransportFault::Untrusted { fingerprint },
                other => TransportFault::Handshake { why: format!("the certificate is refused: {other}") },
            },
            Error::AlertReceived(_) if self.asked_for_ours.get().is_some() => {
                TransportFault::ClientCertificate { shown: self.has_ours }
            }
            Error::InvalidMessage(_) => TransportFault::NotTls,
            other => TransportFault::Handshake { why: other.to_string() },
        }
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// Takes pinned certificates, and those that an authority vouches for under the right name; remembers what it saw.
#[derive(Debug)]
struct Verifier {
    trust: Arc<Trust>,
    seen: Arc<OnceLock<Fingerprint>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = Fingerprint::of(certificate);
        let _ = self.seen.set(fingerprint);
        if self.trust.pins.contains(&fingerprint) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.trust.authorities {
            Some(verifier) => {
                verifier.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.trust.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.trust.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Our certificate for whoever asks, and the memory that somebody did.
#[derive(Debug)]
struct Ours {
    identity: Option<Arc<CertifiedKey>>,
    asked_for_ours: Arc<OnceLock<()>>,
}

impl ResolvesClientCert for Ours {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = self.asked_for_ours.set(());
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        // Asked all the same when there is none, so that it is known who wanted one.
        true
    }
}

/// The authorities that the system trusts; one that cannot be read vouches for nobody.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn roots_in(path: &std::path::Path) -> Result<RootCertStore, ConfigError> {
    let refused = |why: String| {
        let advice = "write \"system\", or the path of the certificates of authorities in PEM";
        ConfigError::new("sip.tls_roots", format!("{} {why}; {advice}", path.display()))
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| refused(format!("cannot be read: {error}")))?;
    if found.is_empty() {
        return Err(refused("holds no certificate".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|error| refused(format!("holds one that cannot be used: {error}")))?;
    }
    Ok(roots)
}
