//! The one typed configuration: a TOML file, then `LINECARD__SECTION__KEY` from the environment.
//!
//! Every key has a default, an unknown key is an error, and every error names the key and says what to write.
//! Nothing here opens a file other than the configuration or a socket.

mod sip;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use linecard_crm::number::DialPlan;
use linecard_crm::{Barring, CrmError};
use linecard_store::{Address, StoreError};
use linecard_web::Network;
use serde::{Deserialize, Serialize};

use crate::media::Srtp;

pub use sip::{ListenTransport, PhoneDigest, Registrar, SipConfig, TlsRoots, UnknownSources};

/// The name of the file read when no `--config` is given and it exists in the working directory.
pub const DEFAULT_FILE: &str = "linecard.toml";

/// The file read when there is none in the working directory: the Debian package brings it.
const SYSTEM_FILE: &str = "/etc/linecard/linecard.toml";

/// Everything an administrator can set.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens and keeps its files.
    pub server: ServerConfig,
    /// Which database holds the ledger and the contacts.
    pub database: DatabaseConfig,
    /// The SIP side: sockets and whom to listen to.
    pub sip: SipConfig,
    /// The RTP relay.
    pub media: MediaConfig,
    /// What is recorded, and where.
    pub recording: RecordingConfig,
    /// How numbers are read and dialled.
    pub dialplan: DialplanConfig,
    /// How long browsers can resume.
    pub events: EventsConfig,
    /// What the process says about itself.
    pub log: LogConfig,
}

/// `[server]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The folder that holds the database, the spool and the recordings.
    pub data_dir: PathBuf,
    /// The address of the HTTP listener, `host:port`.
    pub http: SocketAddr,
    /// The address under which browsers see the server; the WebSocket's Origin is held against it. Empty stands for the
    /// listener's own.
    pub public_url: String,
    /// Whether the server speaks TLS itself.
    pub tls: Tls,
    /// The certificate chain in PEM, for `tls = "files"`.
    pub tls_cert: PathBuf,
    /// The private key in PEM, for `tls = "files"`.
    pub tls_key: PathBuf,
    /// Addresses or networks of the proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Further origins whose pages may open the events WebSocket.
    pub allowed_origins: Vec<String>,
}

/// How the HTTP listener is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Plain HTTP: loopback, or behind a proxy.
    Off,
    /// A certificate and a key from files.
    Files,
    /// A certificate made at the first start.
    SelfSigned,
}

/// `[database]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; `{data_dir}` stands for the data folder.
    pub url: String,
}

/// `[media]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// The lowest RTP port.
    pub port_min: u16,
    /// The highest RTP port; below 32768, where the system's ephemeral range starts.
    pub port_max: u16,
    /// Seconds without RTP after which a talk counts as dead.
    pub rtp_timeout_s: u32,
    /// Per cent of a core that the forwarding thread may need; with more no new call is taken until it has eased.
    pub load_max_percent: u8,
    /// Whether talks are encrypted, by keys in the session descriptions (SDES).
    pub srtp: Srtp,
    /// The STUN server that is asked how a NAT maps the RTP ports, `host:port`; empty for none.
    pub stun: String,
}

/// `[recording]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingConfig {
    /// The folder of the WAV files; `{data_dir}` stands for the data folder.
    pub dir: String,
    /// Which talks are recorded.
    pub default: RecordingDefault,
    /// Whether lost packets are concealed in the files; they are marked in either case.
    pub conceal: bool,
}

/// Which talks are recorded unless somebody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingDefault {
    /// Every talk.
    All,
    /// Those an agent starts recording.
    OnDemand,
    /// No talk.
    None,
}

/// `[dialplan]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialplanConfig {
    /// The country whose numbering plan is dialled by default, ISO 3166 such as `RU`.
    pub region: String,
    /// What is dialled before a country code.
    pub international_prefix: String,
    /// What is dialled before an area code.
    pub trunk_prefix: String,
    /// The length up to which digits are an extension.
    pub internal_digits_max: u8,
    /// Numbers that are always dialled as they are and never blocked.
    pub emergency: Vec<String>,
    /// Whether numbers of other countries may be called.
    pub international: bool,
    /// Whether premium-rate numbers may be called.
    pub premium: bool,
    /// Beginnings of numbers that may be called all the same, such as `+375`.
    pub allow: Vec<String>,
    /// Beginnings of numbers that may not be called.
    pub deny: Vec<String>,
    /// How many calls a user may ask for within a minute.
    pub calls_per_minute: u32,
}

/// `[events]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Days for which a cursor can be resumed.
    pub retention_days: u32,
}

/// `[log]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Lines for people or JSON for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,linecard=debug`.
    pub level: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration that cannot be used: which key, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {advice}")]
pub struct ConfigError {
    /// The key as it stands in the file, `section.name`, or the file's own name.
    pub key: String,
    /// What is wrong and what to write.
    pub advice: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { key: key.into(), advice: advice.into() }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data_dir: "linecard-data".into(),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            tls: Tls::Off,
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: "sqlite://{data_dir}/linecard.db".into() }
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            port_min: 16384,
            port_max: 32766,
            rtp_timeout_s: 30,
            load_max_percent: 85,
            srtp: Srtp::Off,
            stun: String::new(),
        }
    }
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self { dir: "{data_dir}/recordings".into(), default: RecordingDefault::All, conceal: true }
    }
}

impl Default for DialplanConfig {
    fn default() -> Self {
        Self {
            region: "RU".into(),
            international_prefix: "810".into(),
            trunk_prefix: "8".into(),
            internal_digits_max: 5,
            emergency: ["101", "102", "103", "104", "112"].map(String::from).to_vec(),
            international: false,
            premium: false,
            allow: Vec::new(),
            deny: Vec::new(),
            calls_per_minute: 20,
        }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { retention_days: 7 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

impl Config {
    /// Reads the file (a default one only if it exists) and the environment, and checks the whole.
    ///
    /// # Errors
    /// A missing file that was asked for, an unknown key, a value of the wrong shape or out of range.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let figment = Figment::from(Serialized::defaults(Self::default()));
        let figment = match file {
            Some(path) if !path.is_file() => {
                let advice = "no such file; give --config the path of an existing one, or leave it out";
                return Err(ConfigError::new(path.display().to_string(), advice));
            }
            Some(path) => figment.merge(Toml::file_exact(path)),
            None => match default_file([DEFAULT_FILE, SYSTEM_FILE].map(Path::new)) {
                Some(path) => figment.merge(Toml::file_exact(path)),
                None => figment,
            },
        };
        let config: Self =
            figment.merge(Env::prefixed("LINECARD__").split("__")).extract().map_err(explain_figment)?;
        config.check()?;
        Ok(config)
    }

    /// Returns the database's address with the data folder put in.
    #[must_use]
    pub fn database_url(&self) -> String {
        self.expand(&self.database.url)
    }

    /// Returns the address under which browsers see the server.
    #[must_use]
    pub fn public_url(&self) -> String {
        let ServerConfig { http, public_url, tls, .. } = &self.server;
        if !public_url.is_empty() {
            return public_url.clone();
        }
        let scheme = if *tls == Tls::Off { "http" } else { "https" };
        let ip = if http.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { http.ip() };
        format!("{scheme}://{}", SocketAddr::new(ip, http.port()))
    }

    /// Returns the folder of the recordings with the data folder put in.
    #[must_use]
    pub fn recording_dir(&self) -> PathBuf {
        self.expand(&self.recording.dir).into()
    }

    /// Returns how numbers are read and dialled.
    ///
    /// # Errors
    /// An unknown region, or a prefix that is not digits.
    pub fn dial_plan(&self) -> Result<DialPlan, ConfigError> {
        let plan = &self.dialplan;
        DialPlan::new(
            &plan.region,
            &plan.international_prefix,
            &plan.trunk_prefix,
            plan.internal_digits_max,
            &plan.emergency,
        )
        .map_err(|error| dialplan_error(&error))
    }

    /// Returns which public numbers may be called.
    ///
    /// # Errors
    /// An entry that is no beginning of a number.
    pub fn barring(&self) -> Result<Barring, ConfigError> {
        let plan = &self.dialplan;
        Barring::new(plan.international, plan.premium, &plan.allow, &plan.deny)
            .map_err(|error| dialplan_error(&error))
    }

    fn expand(&self, text: &str) -> String {
        text.replace("{data_dir}", &self.server.data_dir.display().to_string())
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.sip.check()?;
        self.dial_plan()?;
        self.barring()?;
        if self.dialplan.calls_per_minute == 0 {
            let advice =
                "nobody could call; write how many calls a user may ask for within a minute, such as 20";
            return Err(ConfigError::new("dialplan.calls_per_minute", advice));
        }
        self.check_ports()?;
        self.check_public_url()?;
        self.check_tls()?;
        if let Err(StoreError::Url { advice }) = self.database_url().parse::<Address>() {
            return Err(ConfigError::new("database.url", advice));
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), ConfigError> {
        let MediaConfig { port_min, port_max, rtp_timeout_s, load_max_percent, srtp: _, ref stun } =
            self.media;
        if port_min < 1024 || port_min % 2 != 0 {
            return Err(ConfigError::new(
                "media.port_min",
                "write an even port of 1024 or more, such as 16384",
            ));
        }
        if port_max > 32767 || port_max <= port_min {
            let advice = "write a port above media.port_min and below 32768, such as 32766";
            return Err(ConfigError::new("media.port_max", advice));
        }
        if !(1..=100).contains(&load_max_percent) {
            return Err(ConfigError::new(
                "media.load_max_percent",
                "write per cent of a core, 1 to 100, such as 85",
            ));
        }
        if rtp_timeout_s == 0 {
            return Err(ConfigError::new("media.rtp_timeout_s", "write a number of seconds such as 30"));
        }
        let parts = stun.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>().unwrap_or_default()));
        let sane =
            |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !stun.is_empty() && !parts.is_some_and(|(host, port)| sane(host) && port != 0) {
            let advice = "write a host with a port, such as \"stun.example:3478\", or leave it empty";
            return Err(ConfigError::new("media.stun", format!("{stun:?} is no STUN server; {advice}")));
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let ServerConfig { tls, tls_cert, tls_key, .. } = &self.server;
        for (key, path, what) in [
            ("server.tls_cert", tls_cert, "the certificate chain"),
            ("server.tls_key", tls_key, "the certificate's private key"),
        ] {
            let is_empty = path.as_os_str().is_empty();
            if *tls == Tls::Files && is_empty {
                let advice = format!("server.tls = \"files\" needs it; write the path of {what} in PEM");
                return Err(ConfigError::new(key, advice));
            }
            if *tls != Tls::Files && !is_empty {
                let advice = "nothing is read from there; remove it, or write server.tls = \"files\"";
                return Err(ConfigError::new(key, advice));
            }
        }
        Ok(())
    }

    fn check_public_url(&self) -> Result<(), ConfigError> {
        let url = &self.server.public_url;
        if url.is_empty() || url.starts_with("http://") || url.starts_with("https://") {
            return Ok(());
        }
        let advice = format!("{url:?} is not a web address; write one such as \"http://127.0.0.1:8080\"");
        Err(ConfigError::new("server.public_url", advice))
    }
}

/// The first of the default files that there is.
fn default_file(files: [&Path; 2]) -> Option<&Path> {
    files.into_iter().find(|file| file.is_file())
}

fn dialplan_error(error: &CrmError) -> ConfigError {
    let text = error.to_string();
    let (key, advice) = text.split_once(": ").unwrap_or(("dialplan", &text));
    ConfigError::new(key, advice)
}

fn explain_figment(error: figment::Error) -> ConfigError {
    // A place within a list is no key.
    let is_key = |part: &&String| part.parse::<usize>().is_err();
    let key = error.path.iter().filter(is_key).cloned().collect::<Vec<_>>().join(".");
    let origin = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ => metadata.name.to_string(),
    });
    match &error.kind {
        figment::error::Kind::UnknownField(field, expected) => {
            let path = if key.is_empty() || key.ends_with(field.as_str()) {
                if key.is_empty() { field.clone() } else { key }
            } else {
                format!("{key}.{field}")
            };
            ConfigError::new(path, format!("unknown key; remove it or write one of: {}", expected.join(", ")))
        }
        kind if key.is_empty() => {
            let advice = format!("cannot be read, write it as the README shows: {kind}");
            ConfigError::new(origin.unwrap_or_default(), advice)
        }
        kind => ConfigError::new(key, format!("{kind}; write a value of the kind shown in the README")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<Config, ConfigError> {
        let config: Config = Figment::from(Serialized::defaults(Config::default()))
            .merge(Toml::string(text))
            .extract()
            .map_err(explain_figment)?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn the_defaults_are_a_valid_configuration() {
        let config = from_toml("").unwrap();
        assert_eq!(config.database_url(), "sqlite://linecard-data/linecard.db");
        assert_eq!(config.recording_dir(), PathBuf::from("linecard-data/recordings"));
        assert_eq!(config.sip.listeners().unwrap().len(), 2);
    }

    #[test]
    fn paths_follow_the_data_folder() {
        let config = from_toml("[server]\ndata_dir = \"/srv/lc\"").unwrap();
        assert_eq!(config.database_url(), "sqlite:///srv/lc/linecard.db");
        assert_eq!(config.recording_dir(), PathBuf::from("/srv/lc/recordings"));
    }

    #[test]
    fn the_address_for_browsers_follows_the_listener() {
        let cases = [
            ("", "http://127.0.0.1:8080"),
            ("tls = \"self_signed\"", "https://127.0.0.1:8080"),
            ("http = \"0.0.0.0:8443\"\ntls = \"self_signed\"", "https://127.0.0.1:8443"),
            ("http = \"[2001:db8::1]:80\"", "http://[2001:db8::1]:80"),
            ("tls = \"self_signed\"\npublic_url = \"https://desk.example\"", "https://desk.example"),
        ];
        for (text, url) in cases {
            assert_eq!(from_toml(&format!("[server]\n{text}")).unwrap().public_url(), url, "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_the_ones_that_exist() {
        let error = from_toml("[server]\nhtpp = \"127.0.0.1:1\"").unwrap_err();
        assert_eq!(error.key, "server.htpp");
        assert!(error.advice.contains("http"), "{}", error.advice);
    }

    #[test]
    fn each_bad_value_names_its_key() {
        let cases = [
            ("[server]\nhttp = \"here\"", "server.http"),
            ("[server]\npublic_url = \"example\"", "server.public_url"),
            ("[server]\ntls = \"files\"", "server.tls_cert"),
            ("[server]\ntls = \"files\"\ntls_cert = \"c.pem\"", "server.tls_key"),
            ("[server]\ntls_key = \"k.pem\"", "server.tls_key"),
            ("[server]\ntrusted_proxies = [\"10.0.0.0/40\"]", "server.trusted_proxies"),
            ("[sip]\nlisten = [\"sctp://0.0.0.0:5060\"]", "sip.listen"),
            ("[sip]\nlisten = []", "sip.listen"),
            ("[sip]\nlisten = [5060]", "sip.listen"),
            ("[sip]\nexternal_address = \"pbx\"", "sip.external_address"),
            ("[sip]\nlisten = [\"tls://0.0.0.0:5061\"]", "sip.tls_cert"),
            ("[sip]\ntls_cert = \"c.pem\"", "sip.tls_key"),
            ("[sip]\ntls_cert = \"c.pem\"\ntls_key = \"k.pem\"", "sip.tls_cert"),
            ("[sip]\ntls_client_key = \"k.pem\"", "sip.tls_client_cert"),
            ("[sip]\ntls_client_cert = \"c.pem\"", "sip.tls_client_key"),
            ("[sip]\ntls_roots = \"\"", "sip.tls_roots"),
            ("[sip]\ndns = [\"192.0.2.53\"]", "sip.dns"),
            ("[sip]\ntls_pins = [\"BA:78\"]", "sip.tls_pins"),
            ("[media]\nport_min = 7", "media.port_min"),
            ("[media]\nport_max = 40000", "media.port_max"),
            ("[media]\nrtp_timeout_s = 0", "media.rtp_timeout_s"),
            ("[media]\nload_max_percent = 0", "media.load_max_percent"),
            ("[media]\nload_max_percent = 101", "media.load_max_percent"),
            ("[media]\nstun = \"stun.example\"", "media.stun"),
            ("[media]\nstun = \"stun:stun.example:3478/x\"", "media.stun"),
            ("[recording]\ndefault = \"some\"", "recording.default"),
            ("[dialplan]\nregion = \"Mars\"", "dialplan.region"),
            ("[dialplan]\nallow = [\"375\"]", "dialplan.allow"),
            ("[dialplan]\ndeny = [\"+7x\"]", "dialplan.deny"),
            ("[dialplan]\ncalls_per_minute = 0", "dialplan.calls_per_minute"),
            ("[database]\nurl = \"mysql://x\"", "database.url"),
            ("[database]\nurl = \"postgres://h:port/d\"", "database.url"),
        ];
        for (text, key) in cases {
            assert_eq!(from_toml(text).unwrap_err().key, key, "{text}");
        }
    }

    #[test]
    fn the_file_in_the_working_directory_comes_before_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let [near, far] = ["near.toml", "far.toml"].map(|name| folder.path().join(name));
        assert_eq!(default_file([&near, &far]), None);
        std::fs::write(&far, "").unwrap();
        assert_eq!(default_file([&near, &far]), Some(far.as_path()));
        std::fs::write(&near, "").unwrap();
        assert_eq!(default_file([&near, &far]), Some(near.as_path()));
    }

    #[test]
    fn a_missing_file_is_an_error_only_when_it_was_asked_for() {
        let error = Config::load(Some(Path::new("/nonexistent/linecard.toml"))).unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }
}
