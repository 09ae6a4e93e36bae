//! `[sip]`: sockets, whom to listen to, and what proves a PBX under TLS.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::tls::Fingerprint;

/// `tls_roots` for the authorities that the system trusts.
const SYSTEM_ROOTS: &str = "system";

/// `[sip]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipConfig {
    /// The sockets, each `udp://address:port`, `tcp://address:port` or `tls://address:port`.
    pub listen: Vec<String>,
    /// The address that peers see when it is not the socket's own; empty when it is.
    pub external_address: String,
    /// Addresses or host names beside lines and devices that are listened to.
    pub trusted: Vec<String>,
    /// What a request from anybody else gets.
    pub unknown_sources: UnknownSources,
    /// From where telephones may register at the server itself.
    pub registrar: Registrar,
    /// The realm that their passwords are for; another one makes the passwords void.
    pub realm: String,
    /// By which algorithms telephones may prove themselves.
    pub digest: PhoneDigest,
    /// The DNS servers that PBXes' names are asked of, each `address:port`; empty for the system's.
    pub dns: Vec<String>,
    /// The authorities that may vouch for a PBX: `system`, or the path of their certificates in PEM.
    pub tls_roots: String,
    /// SHA-256 of certificates that are accepted whoever vouches for them: those of PBXes that signed their own.
    pub tls_pins: Vec<String>,
    /// The certificate chain in PEM that is shown to a PBX which asks for one; empty when there is none.
    pub tls_client_cert: PathBuf,
    /// Its private key in PEM.
    pub tls_client_key: PathBuf,
    /// The certificate chain in PEM of the `tls://` sockets.
    pub tls_cert: PathBuf,
    /// Its private key in PEM.
    pub tls_key: PathBuf,
}

/// What a SIP request from an unknown source gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSources {
    /// Silence, so that a scanner learns nothing.
    Drop,
    /// An ordinary refusal.
    Answer,
}

/// By which algorithms telephones may prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneDigest {
    /// MD5 alone: there are telephones that refuse a challenge which also names SHA-256.
    Md5,
    /// SHA-256, and MD5 for who knows no other.
    Sha256AndMd5,
    /// SHA-256 alone.
    Sha256,
}

/// From where telephones may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registrar {
    /// From nowhere.
    Off,
    /// From private networks, and from addresses that are listened to anyway.
    Known,
    /// From anywhere.
    Anyone,
}

/// The transport of a `sip.listen` entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenTransport {
    /// `udp://`
    Udp,
    /// `tcp://`
    Tcp,
    /// `tls://`
    Tls,
}

/// Who may vouch for a PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRoots<'a> {
    /// Whom the system trusts.
    System,
    /// The authorities in this file.
    File(&'a Path),
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            listen: vec!["udp://0.0.0.0:5060".into(), "tcp://0.0.0.0:5060".into()],
            external_address: String::new(),
            trusted: Vec::new(),
            unknown_sources: UnknownSources::Drop,
            registrar: Registrar::Known,
            realm: "linecard".into(),
            digest: PhoneDigest::Md5,
            dns: Vec::new(),
            tls_roots: SYSTEM_ROOTS.into(),
            tls_pins: Vec::new(),
            tls_client_cert: PathBuf::new(),
            tls_client_key: PathBuf::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
        }
    }
}

impl SipConfig {
    /// Returns the sockets to open.
    ///
    /// # Errors
    /// An entry that is not a transport with an address and a port.
    pub fn listeners(&self) -> Result<Vec<(ListenTransport, SocketAddr)>, ConfigError> {
        self.listen.iter().map(|entry| parse_listener(entry)).collect()
    }

    /// Returns the address that peers are told, when it differs from the socket's.
    ///
    /// # Errors
    /// A value that is not an IP address.
    pub fn external_address(&self) -> Result<Option<IpAddr>, ConfigError> {
        match self.external_address.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                ConfigError::new(
                    "sip.external_address",
                    format!(
                        "{text:?} is not an IP address; write one such as \"203.0.113.7\", or leave it empty"
                    ),
                )
            }),
        }
    }

    /// Returns the DNS servers to ask; none for the system's.
    ///
    /// # Errors
    /// An entry that is no address with a port.
    pub fn dns_servers(&self) -> Result<Vec<SocketAddr>, ConfigError> {
        let read = |entry: &String| {
            entry.parse().map_err(|_| {
                let advice = "write an address with a port, such as \"192.0.2.53:53\"";
                ConfigError::new("sip.dns", format!("{entry:?} is no DNS server; {advice}"))
            })
        };
        self.dns.iter().map(read).collect()
    }

    /// Returns who may vouch for a PBX.
    #[must_use]
    pub fn roots(&self) -> TlsRoots<'_> {
        match self.tls_roots.as_str() {
            SYSTEM_ROOTS => TlsRoots::System,
            path => TlsRoots::File(Path::new(path)),
        }
    }

    /// Returns the certificates that are accepted by their fingerprint.
    ///
    /// # Errors
    /// An entry that is no SHA-256.
    pub fn pins(&self) -> Result<Vec<Fingerprint>, ConfigError> {
        let read = |pin: &String| {
            pin.parse().map_err(|()| {
                let advice =
                    "write 32 bytes in hexadecimal digits, such as \"BA:78:16:…\": the doctor prints them";
                ConfigError::new("sip.tls_pins", format!("{pin:?} is no SHA-256 of a certificate; {advice}"))
            })
        };
        self.tls_pins.iter().map(read).collect()
    }

    fn check_realm(&self) -> Result<(), ConfigError> {
        let sane = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',');
        if (1..=64).contains(&self.realm.len()) && self.realm.bytes().all(sane) {
            return Ok(());
        }
        let advice = "write 1 to 64 ASCII letters, digits and signs without blanks, such as \"linecard\"";
        Err(ConfigError::new("sip.realm", format!("{:?} is no realm; {advice}", self.realm)))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let listeners = self.listeners()?;
        if listeners.is_empty() {
            let advice = "nothing is listened on; write at least one entry such as \"udp://0.0.0.0:5060\"";
            return Err(ConfigError::new("sip.listen", advice));
        }
        self.external_address()?;
        self.check_realm()?;
        self.dns_servers()?;
        self.pins()?;
        if self.tls_roots.is_empty() {
            let advice = "nobody could vouch for a PBX; write \"system\", or the path of certificates in PEM";
            return Err(ConfigError::new("sip.tls_roots", advice));
        }
        let under_tls = listeners.iter().any(|(transport, _)| *transport == ListenTransport::Tls);
        check_pair(
            ("sip.tls_client_cert", &self.tls_client_cert),
            ("sip.tls_client_key", &self.tls_client_key),
        )?;
        check_pair(("sip.tls_cert", &self.tls_cert), ("sip.tls_key", &self.tls_key))?;
        match (under_tls, self.tls_cert.as_os_str().is_empty()) {
            (true, true) => {
                let advice = "a tls:// socket needs it; write the path of the certificate chain in PEM";
                Err(ConfigError::new("sip.tls_cert", advice))
            }
            (false, false) => {
                let advice = "nothing is served with it; remove it, or write a socket such as \
                              \"tls://0.0.0.0:5061\" into sip.listen";
                Err(ConfigError::new("sip.tls_cert", advice))
            }
            _ => Ok(()),
        }
    }
}

/// A certificate and its key are both there, or neither.
fn check_pair(cert: (&str, &Path), key: (&str, &Path)) -> Result<(), ConfigError> {
    for ((name, path), (other_name, other)) in [(cert, key), (key, cert)] {
        if path.as_os_str().is_empty() && !other.as_os_str().is_empty() {
            let advice = format!("{other_name} needs it; write the path of its file in PEM");
            return Err(ConfigError::new(name, advice));
        }
    }
    Ok(())
}

fn parse_listener(entry: &str) -> Result<(ListenTransport, SocketAddr), ConfigError> {
    let advice = || {
        ConfigError::new(
            "sip.listen",
            format!("{entry:?} is not a socket; write entries such as \"udp://0.0.0.0:5060\""),
        )
    };
    let (scheme, address) = entry.split_once("://").ok_or_else(advice)?;
    let transport = match scheme {
        "udp" => ListenTransport::Udp,
        "tcp" => ListenTransport::Tcp,
        "tls" => ListenTransport::Tls,
        _ => return Err(advice()),
    };
    Ok((transport, address.parse().map_err(|_| advice())?))
}
