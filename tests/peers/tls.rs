//! An HTTP client under TLS that trusts one certificate and no other.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::http::{Reply, exchange};

/// A connection whose handshake is done.
pub(crate) type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the certificate in `pem`.
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    pub(crate) fn trusting(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM");
        roots.add(certificate).expect("a sound certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    /// Connects and does the handshake; an error when the certificate is another.
    pub(crate) fn connect(&self, http: SocketAddr) -> io::Result<Connection> {
        let mut stream = TcpStream::connect_timeout(&http, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let name = ServerName::IpAddress(http.ip().into());
        let mut session = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(session, stream))
    }

    /// Sends one request over a connection of its own.
    pub(crate) fn send(
        &self,
        http: SocketAddr,
        method: &str,
        path: &str,
        body: &str,
        headers: &str,
    ) -> io::Result<Reply> {
        exchange(self.connect(http)?, http, (method, path), body, headers)
    }
}
