//! The certificates that are served, to browsers and on SIP's `tls://` sockets: from files, or made at the first start.
//!
//! The files are looked at each second and read again when they changed, so a renewed certificate is served without a
//! restart; while they cannot be used, because only one of the two is new for example, the old one is served on.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::config::{Config, ConfigError, Tls};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What browsers are spoken to with.
const HTTP: &[u8] = b"http/1.1";

/// SHA-256 of a certificate, written as browsers show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    /// Reads 64 hexadecimal digits, with or without colons and blanks.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|letter| !matches!(letter, ':' | ' '))
            .map(|letter| u8::try_from(letter.to_digit(16)?).ok())
            .collect();
        let bytes: Vec<u8> = digits
            .ok_or(())?
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        let is_whole = text.chars().filter(char::is_ascii_hexdigit).count() == 64;
        bytes.try_into().ok().filter(|_| is_whole).map(Self).ok_or(())
    }
}

/// What is served, as of now.
pub(crate) type Served = watch::Receiver<Arc<ServerConfig>>;

/// Where a certificate and its key lie, and which keys of the configuration lead there.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    chain: PathBuf,
    chain_key: &'static str,
    private: PathBuf,
    private_key: &'static str,
    protocol: Option<&'static [u8]>,
}

/// By this a changed file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl CertificateFiles {
    /// Returns the files to serve from; none when the server speaks plain HTTP.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let server = &config.server;
        match server.tls {
            Tls::Off => None,
            Tls::Files => Some(Self {
                chain: server.tls_cert.clone(),
                chain_key: "server.tls_cert",
                private: server.tls_key.clone(),
                private_key: "server.tls_key",
                protocol: Some(HTTP),
            }),
            Tls::SelfSigned => Some(Self {
                chain: server.data_dir.join("self-signed.pem"),
                chain_key: "server.data_dir",
                private: server.data_dir.join("self-signed.key"),
                private_key: "server.data_dir",
                protocol: Some(HTTP),
            }),
        }
    }

    /// Returns the files of SIP's `tls://` sockets; none when there is no such socket.
    pub(crate) fn of_sip(config: &Config) -> Option<Self> {
        let sip = &config.sip;
        (!sip.tls_cert.as_os_str().is_empty()).then(|| Self {
            chain: sip.tls_cert.clone(),
            chain_key: "sip.tls_cert",
            private: sip.tls_key.clone(),
            private_key: "sip.tls_key",
            protocol: None,
        })
    }

    /// Returns the files that are shown to a PBX which asks for a certificate; none when there are none.
    pub(crate) fn of_client(config: &Config) -> Option<Self> {
        let sip = &config.sip;
        (!sip.tls_client_cert.as_os_str().is_empty()).then(|| Self {
            chain: sip.tls_client_cert.clone(),
            chain_key: "sip.tls_client_cert",
            private: sip.tls_client_key.clone(),
            private_key: "sip.tls_client_key",
            protocol: None,
        })
    }

    /// Makes a certificate that nobody vouches for, unless it is there; browsers warn until it is known to them.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(crate) fn make_self_signed(&self, names: Vec<String>) -> Result<(), ConfigError> {
        if self.chain.exists() && self.private.exists() {
            return Ok(());
        }
        let failed = |why: String| {
            ConfigError::new(
                self.chain_key,
                format!("no certificate can be made: {why}; write another folder, or server.tls = \"files\""),
            )
        };
        let key = rcgen::KeyPair::generate().map_err(|error| failed(error.to_string()))?;
        let mut params = rcgen::CertificateParams::new(names).map_err(|error| failed(error.to_string()))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Linecard");
        let certificate = params.self_signed(&key).map_err(|error| failed(error.to_string()))?;
        // The key first: a certificate without it is made anew at the next start.
        write_private(&self.private, &key.serialize_pem())
            .and_then(|()| write_private(&self.chain, &certificate.pem()))
            .map_err(|error| failed(error.to_string()))
    }

    /// Reads both files into what is served.
    ///
    /// # Errors
    /// Names the key that leads to the file to blame.
    pub(crate) fn load(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        let (chain, key) = (self.read_chain()?, self.read_key()?);
        let fingerprint = chain.first().map(|it| Fingerprint::of(it).to_string()).unwrap_or_default();
        let unfit = |error| self.unfit(&error);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        config.alpn_protocols = self.protocol.into_iter().map(<[u8]>::to_vec).collect();
        tracing::info!(%fingerprint, file = %self.chain.display(), "a certificate is served (SHA-256 of it)");
        Ok(Arc::new(config))
    }

    /// Reads both files into what proves who we are.
    ///
    /// # Errors
    /// As [`CertificateFiles::load`].
    pub(crate) fn identity(&self) -> Result<CertifiedKey, ConfigError> {
        let (chain, key) = (self.read_chain()?, self.read_key()?);
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| self.unfit(&error))
    }

    fn unfit(&self, error: &tokio_rustls::rustls::Error) -> ConfigError {
        let advice = format!("{error}; write the key that the certificate was made with");
        ConfigError::new(self.private_key, format!("{} cannot be used: {advice}", self.private.display()))
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, ConfigError> {
        PrivateKeyDer::from_pem_file(&self.private).map_err(|error| {
            let advice = format!("{error}; write the path of the certificate's private key in PEM");
            ConfigError::new(self.private_key, format!("{} cannot be read: {advice}", self.private.display()))
        })
    }

    fn read_chain(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let refused = |why: String| {
            let advice = "write the path of a certificate in PEM, followed by those that vouch for it";
            ConfigError::new(self.chain_key, format!("{} {why}; {advice}", self.chain.display()))
        };
        let read =
            CertificateDer::pem_file_iter(&self.chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(chain) if chain.is_empty() => Err(refused("holds no certificate".to_owned())),
            Ok(chain) => Ok(chain),
            Err(error) => Err(refused(format!("cannot be read: {error}"))),
        }
    }

    fn stamp(&self) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        let stamp = |path: &Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len(), found.ino()))
        };
        Stamp([stamp(&self.chain), stamp(&self.private)])
    }

    /// Reads the files and goes on reading them again for as long as somebody serves from them.
    ///
    /// # Errors
    /// As [`CertificateFiles::load`].
    pub(crate) fn serve(self) -> Result<Served, ConfigError> {
        let stamp = self.stamp();
        let (renewed, served) = watch::channel(self.load()?);
        tokio::spawn(self.renew(stamp, renewed));
        Ok(served)
    }

    async fn renew(self, mut served: Stamp, renewed: watch::Sender<Arc<ServerConfig>>) {
        let mut refused: Option<Stamp> = None;
        while !renewed.is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            let stamp = self.stamp();
            if stamp == served {
                continue;
            }
            match self.load() {
                Ok(config) => {
                    let _ = renewed.send(config);
                    (served, refused) = (stamp, None);
                }
                // Once a change: perhaps the other file is still to be written.
                Err(error) if refused.as_ref() != Some(&stamp) => {
                    tracing::warn!(%error, "a changed certificate cannot be used; the old one is served on");
                    refused = Some(stamp);
                }
                Err(_) => {}
            }
        }
    }
}

/// Returns the names of this server that a certificate is made for.
pub(crate) fn own_names(config: &Config) -> Vec<String> {
    let url = config.public_url();
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let listener = config.server.http.ip();
    let listener = (!listener.is_unspecified()).then(|| listener.to_string());
    let mut names: Vec<String> =
        host.filter(|host| !host.is_empty()).map(str::to_owned).into_iter().collect();
    names.extend(listener);
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    names.sort();
    names.dedup();
    names
}

/// Writes a file that only this user may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let unfinished = path.with_extension("part");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha_256_as_browsers_show_it() {
        let fingerprint = Fingerprint::of(&CertificateDer::from(b"abc".to_vec()));
        let told = fingerprint.to_string();
        for written in [told.clone(), told.replace(':', "").to_lowercase(), told.replace(':', " ")] {
            assert_eq!(written.parse(), Ok(fingerprint), "{written}");
        }
        for wrong in
            ["", "BA", &told[1..], &told[..told.len() - 3], &format!("{told}:00"), &told.replace('B', "x")]
        {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(()), "{wrong}");
        }
        assert!(told.starts_with("BA:78:16:BF:8F:01:CF:EA:"), "{told}");
        assert_eq!(told.len(), 32 * 3 - 1);
    }

    #[test]
    fn a_certificate_is_made_for_every_name_of_the_server() {
        let named = |http: &str, public_url: &str| {
            let mut config = Config::default();
            config.server.http = http.parse().unwrap();
            config.server.public_url = public_url.to_owned();
            own_names(&config)
        };
        let (own, local) = ("127.0.0.1", "localhost");
        assert_eq!(named("0.0.0.0:8443", "https://desk.example:8443/x"), [own, "desk.example", local]);
        assert_eq!(named("192.0.2.1:443", ""), [own, "192.0.2.1", local]);
        assert_eq!(named("[::]:443", "https://[2001:db8::1]:443"), [own, "2001:db8::1", local]);
    }

    #[test]
    fn what_was_made_is_kept_until_one_of_the_two_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.tls = Tls::SelfSigned;
        config.server.data_dir = folder.path().to_owned();
        let files = CertificateFiles::of(&config).unwrap();
        let made = || {
            files.make_self_signed(vec!["localhost".to_owned()]).unwrap();
            files.load().unwrap();
            std::fs::read(&files.chain).unwrap()
        };
        let first = made();
        assert_eq!(made(), first);
        std::fs::remove_file(&files.private).unwrap();
        assert_ne!(made(), first);
    }
}
