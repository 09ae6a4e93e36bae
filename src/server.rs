//! Start and stop: opens everything in order, closes what an earlier run left open, and puts the parts together.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linecard_calls::missed::RINGS_AT_MOST_MS;
use linecard_calls::{
    CallId, Engine, EngineConfig, IdSource, Interaction, OpenCall, RecordingClosed, RecordingPolicy,
    RecordingState, RecoveredRecording, Signal, UtcMillis, fold, fold_recordings,
};
use linecard_media::ToneTable;
use linecard_sip::digest::{Offer, Secret};
use linecard_sip::registrar::Terms;
use linecard_sip::ua::{self, UserAgent, UserAgentConfig};
use linecard_store::Store;
use linecard_store::idempotency::KEPT_MS;
use linecard_store::phones::PhoneSecret;
use linecard_web::outline::Outline;
use linecard_web::phones::PhoneSettings;
use linecard_web::port::{Doors, Reactor as Door};
use linecard_web::{App, WebSettings};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::audit::AuditWriter;
use crate::backup;
use crate::bindings::BindingKeeper;
use crate::clock::wall_clock;
use crate::config::{Config, ConfigError, PhoneDigest, RecordingDefault, Registrar, Tls, UnknownSources};
use crate::directory::Directory;
use crate::doctor::{Consulting, TestCalls};
use crate::http::Http;
use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::media::{Losses, Media, RelayOptions, Srtp, StunServers};
use crate::reactor::{Parts, Places, Queues, Reactor, Settings};
use crate::recorder::{RecordingStore, Recovered};
use crate::tls::{CertificateFiles, own_names};
use crate::wire::{Arrival, Equipment, Wire};
use crate::{chance, translate};

/// Datagrams and bytes of streams that wait for the reactor.
const ARRIVALS_MAX: usize = 16_384;
/// Questions of handlers that wait for the reactor.
const COMMANDS_MAX: usize = 1_024;
/// How often what is past its retention is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How long the database may take at the stop to take what waits for it.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// How long open HTTP connections may take to finish at the stop.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A key of the configuration holds something that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environment refuses: what, why, and what to change.
    #[error("{0}")]
    Environment(String),
}

impl From<linecard_store::StoreError> for StartError {
    fn from(error: linecard_store::StoreError) -> Self {
        Self::Environment(error.to_string())
    }
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::Environment(format!("{error:#}"))
    }
}

/// Runs the server until `shutdown`; `started` is told the HTTP address once everything listens.
///
/// # Errors
/// `StartError` names the key and what to change; nothing was served then.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()>,
    started: Option<oneshot::Sender<SocketAddr>>,
) -> Result<(), StartError> {
    let folder = &config.server.data_dir;
    let certificate = CertificateFiles::of(&config);
    if let (Some(files), Tls::Files) = (&certificate, config.server.tls) {
        // Before anything is made: a wrong path leaves no trace.
        files.load()?;
    }
    let equipment = Equipment::load(&config)?;
    let _lock = lock_whole(folder)?;
    let store = Store::open(&config.database_url()).await?;
    let numbering = store.take_numbering(&uuid::Uuid::now_v7().simple().to_string()).await?;
    let (ledger, notices) =
        Ledger::start(store.clone(), &folder.join("spool"), numbering.epoch.clone()).await?;
    let listener = listen(config.server.http).await?;
    let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
    let wire = open_wire(&config, &equipment, arrived).await?;
    let recordings = open_recordings(&config)?;
    let recovered = recordings.recover().map_err(|error| StartError::Environment(error.to_string()))?;
    let (reported, media_events) = mpsc::unbounded_channel();
    let options = relay_options(&config)?;
    let media = Media::start(&options, &recordings, reported)
        .map_err(|error| StartError::Environment(error.to_string()))?;

    let alive_file = folder.join("alive");
    let engine = recovered_engine(&config, &store, recovered, &alive_file).await?;
    let settings = reactor_settings(&config, &wire, alive_file).await?;
    let (commands, asked) = mpsc::channel(COMMANDS_MAX);
    let epoch = numbering.epoch.clone();
    let phones = phone_settings(&config, &wire)?;
    let (bindings, binding_writer) = BindingKeeper::start(store.clone());
    let (audit, audit_writer) = AuditWriter::start(store.clone(), &folder.join("spool"))?;
    let test_calls = TestCalls::default();
    let (looks, doctor) = Consulting::start(config.sip.external_address()?, equipment, test_calls.clone());
    let doors = Doors { reactor: Door::new(commands), audit, doctor };
    let app = web_app(&config, &store, doors, (epoch, phones))?;
    let parts = Parts {
        agent: UserAgent::new(agent_config(&config, &wire)?, chance::generator()?),
        engine,
        hub: Hub::new(numbering, ledger.clone()),
        ledger,
        directory: Directory::load(&store).await?,
        store: store.clone(),
        wire,
        media: media.handle(),
        recordings,
        dial_plan: config.dial_plan()?,
        settings,
        app: app.clone(),
        test_calls,
        bindings,
        kept_bindings: store.kept_bindings().await?,
    };
    let queues = Queues { arrivals, media: media_events, notices, commands: asked };
    let http = serve_http(&config, certificate, listener, app, started)?;
    let forgetting = tokio::spawn(forget(store.clone(), config.events.retention_days));
    let looking_up = tokio::spawn(options.stun.keep(config.media.stun.clone()));

    let parts = Reactor::run(parts, queues, shutdown).await;
    forgetting.abort();
    looking_up.abort();
    http.stop(HTTP_GRACE).await;
    looks.settle(SETTLE_WITHIN).await;
    audit_writer.settle(SETTLE_WITHIN).await;
    close(parts, media, binding_writer, &store).await
}

async fn listen(http: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(http).await.map_err(|error| in_use("server.http", http, &error))
}

async fn open_wire(
    config: &Config,
    equipment: &Equipment,
    arrived: mpsc::Sender<Arrival>,
) -> Result<Wire, StartError> {
    let opened = Wire::open(&config.sip.listeners()?, equipment, arrived).await;
    opened.map_err(|(address, error)| in_use("sip.listen", address, &error))
}

async fn reactor_settings(config: &Config, wire: &Wire, alive_file: PathBuf) -> Result<Settings, StartError> {
    Ok(Settings {
        records: config.recording.default == crate::config::RecordingDefault::All,
        places: Places::new(
            wire.local_addresses().iter().map(|local| local.addr.ip()),
            config.sip.external_address()?,
        ),
        trusted: trusted(config).await,
        barring: config.barring()?,
        tones: ToneTable::of(&config.dialplan.region),
        alive_file,
    })
}

/// Closes everything in the order in which each part still needs the others.
async fn close(
    parts: Parts,
    media: Media,
    binding_writer: JoinHandle<()>,
    store: &Store,
) -> Result<(), StartError> {
    // The relay joins its threads: that blocks.
    let _ = tokio::task::spawn_blocking(move || media.shutdown()).await;
    let Parts { ledger, hub, bindings, .. } = parts;
    drop(bindings);
    let _ = tokio::time::timeout(SETTLE_WITHIN, binding_writer).await;
    ledger.settle(SETTLE_WITHIN).await;
    store.leave_numbering(hub.numbering()).await?;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Makes sure that no other server uses the data folder.
pub(crate) fn lock(folder: &Path) -> Result<File, StartError> {
    let refuse =
        |why: String| StartError::Environment(format!("server.data_dir: {} {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|error| {
        refuse(format!("cannot be made ({error}); write a folder that this user may write to"))
    })?;
    let file = File::create(folder.join("lock"))
        .map_err(|error| refuse(format!("cannot be written ({error}); write another folder")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(refuse("is used by another running server; stop it, or write another folder".to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(refuse(format!("cannot be locked: {error}"))),
    }
}

/// Locks the data folder, unless a restore has left only half of one there.
fn lock_whole(folder: &Path) -> Result<File, StartError> {
    let locked = lock(folder)?;
    if backup::is_unfinished(folder) {
        let folder = folder.display();
        return Err(StartError::Environment(format!(
            "server.data_dir: a restore into {folder} has not come to its end; run `linecard restore` again"
        )));
    }
    Ok(locked)
}

fn in_use(key: &str, address: SocketAddr, error: &std::io::Error) -> StartError {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => "is in use; stop the other program or write another port",
        std::io::ErrorKind::AddrNotAvailable => "is no address of this machine; write one that is",
        std::io::ErrorKind::PermissionDenied => "is not allowed for this user; write a port above 1023",
        _ => return StartError::Environment(format!("{key}: {address} cannot be listened on: {error}")),
    };
    StartError::Environment(format!("{key}: {address} {advice}"))
}

fn open_recordings(config: &Config) -> Result<RecordingStore, StartError> {
    RecordingStore::open(config.recording_dir()).map_err(|error| {
        StartError::Environment(format!("recording.dir: {error}; write a folder for recordings"))
    })
}

fn relay_options(config: &Config) -> Result<RelayOptions, StartError> {
    let [a, b, c, d, e, f, g, h, ..] = chance::seed()?;
    if config.media.srtp != Srtp::Off {
        tracing::warn!("media.srtp: the keys are in the SIP messages; only lines over TLS keep them secret");
    }
    Ok(RelayOptions {
        port_min: config.media.port_min,
        port_max: config.media.port_max,
        rtp_timeout: Duration::from_secs(u64::from(config.media.rtp_timeout_s)),
        load_max: f64::from(config.media.load_max_percent) / 100.0,
        writers: 1,
        srtp: config.media.srtp,
        stun: StunServers::default(),
        port_rest: RelayOptions::default().port_rest,
        losses: if config.recording.conceal { Losses::Concealed } else { Losses::Silent },
        seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
    })
}

fn agent_config(config: &Config, wire: &Wire) -> Result<UserAgentConfig, StartError> {
    Ok(UserAgentConfig {
        user_agent_name: format!("Linecard/{}", env!("CARGO_PKG_VERSION")),
        local_addresses: wire.local_addresses().to_vec(),
        external_address: config.sip.external_address()?,
        registrar: registrar(config),
        unknown_sources: match config.sip.unknown_sources {
            UnknownSources::Drop => ua::UnknownSources::Drop,
            UnknownSources::Answer => ua::UnknownSources::Answer,
        },
        ..UserAgentConfig::default()
    })
}

/// How telephones may register here, if they may.
fn registrar(config: &Config) -> Option<ua::RegistrarConfig> {
    let admits = match config.sip.registrar {
        Registrar::Off => return None,
        Registrar::Known => ua::Admits::Known,
        Registrar::Anyone => ua::Admits::Anyone,
    };
    let offer = match config.sip.digest {
        PhoneDigest::Md5 => Offer::Md5,
        PhoneDigest::Sha256AndMd5 => Offer::Sha256AndMd5,
        PhoneDigest::Sha256 => Offer::Sha256,
    };
    Some(ua::RegistrarConfig { realm: config.sip.realm.clone(), offer, admits, terms: Terms::default() })
}

/// What telephones are told to register at: the address that peers are told.
fn phone_settings(config: &Config, wire: &Wire) -> Result<PhoneSettings, StartError> {
    let local = wire.local_addresses();
    let first = local.first().map(|local| local.addr);
    let ip = config.sip.external_address()?.or(first.map(|address| address.ip()));
    let mut transports: Vec<String> = local.iter().map(|local| local.transport.to_string()).collect();
    transports.dedup();
    Ok(PhoneSettings {
        admitted: config.sip.registrar != Registrar::Off,
        realm: config.sip.realm.clone(),
        digest: |username, realm, password| {
            let secret = Secret::of(username, realm, password);
            let [md5, sha256] = [secret.md5(), secret.sha256()].map(str::to_owned);
            PhoneSecret { realm: realm.to_owned(), md5, sha256 }
        },
        server: ip.map(|ip| ip.to_string()).unwrap_or_default(),
        port: first.map_or(5060, |address| address.port()),
        transports,
    })
}

/// Resolves the trusted hosts once; one without an address is reported and left out.
async fn trusted(config: &Config) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for host in &config.sip.trusted {
        match tokio::net::lookup_host((host.as_str(), 5060)).await {
            Ok(found) => addresses.extend(found.map(|address| address.ip())),
            Err(error) => {
                tracing::warn!(%host, %error, "sip.trusted: this host has no address and is left out")
            }
        }
    }
    addresses
}

/// Makes the engine and lets it close the calls that an earlier run left open.
async fn recovered_engine(
    config: &Config,
    store: &Store,
    recovered: Vec<Result<Recovered, crate::recorder::RecorderError>>,
    alive_file: &Path,
) -> Result<Engine, StartError> {
    let policy = match config.recording.default {
        RecordingDefault::All => RecordingPolicy::All,
        RecordingDefault::OnDemand => RecordingPolicy::OnDemand,
        RecordingDefault::None => RecordingPolicy::Nothing,
    };
    let (now, at) = (Instant::now(), wall_clock());
    let ids = IdSource::new(chance::generator()?);
    let mut engine = Engine::new(EngineConfig { recording: policy }, ids, now, at);
    let open = store.unsettled_calls().await?;
    engine.load_missed(store.kept_missed().await?, &answered_meanwhile(store, &open).await?);
    if open.is_empty() {
        return Ok(engine);
    }
    let mut files: HashMap<String, Recovered> = HashMap::new();
    for file in recovered {
        match file {
            Ok(file) => {
                tracing::info!(recording = %file.id, repair = ?file.repair, "a recording of an earlier run is whole again");
                files.insert(file.id.to_string(), file);
            }
            Err(error) => tracing::error!(%error, "a recording of an earlier run cannot be repaired"),
        }
    }
    let calls = open.into_values().map(|signals| {
        let unfinished =
            fold_recordings(&signals).into_iter().filter(|it| it.state == RecordingState::Recording);
        let recordings =
            unfinished.map(|it| recovered_recording(it.id, files.remove(&it.id.to_string()))).collect();
        OpenCall { signals, recordings }
    });
    let calls: Vec<OpenCall> = calls.collect();
    tracing::warn!(calls = calls.len(), "an earlier run was cut off; its calls are closed as interrupted");
    let alive_until = std::fs::read_to_string(alive_file).ok().and_then(|text| text.trim().parse().ok());
    engine.recover(calls, alive_until.map(UtcMillis), at);
    Ok(engine)
}

/// Reads the calls that may have reached a caller while one of the open calls rang.
async fn answered_meanwhile(
    store: &Store,
    open: &BTreeMap<CallId, Vec<Signal>>,
) -> Result<Vec<Interaction>, StartError> {
    let mut answered = Vec::new();
    for signals in open.values() {
        let Some(it) = fold(signals) else { continue };
        if let Some(number) = it.other_number() {
            answered.extend(store.answered_with(number, it.started_at.plus_ms(-RINGS_AT_MOST_MS)).await?);
        }
    }
    Ok(answered)
}

fn recovered_recording(
    recording: linecard_calls::RecordingId,
    file: Option<Recovered>,
) -> RecoveredRecording {
    match file {
        None => RecoveredRecording::Lost { recording, why: "its file is not there".to_owned() },
        Some(file) => RecoveredRecording::Repaired(RecordingClosed {
            recording,
            state: if file.repair.is_some() { RecordingState::Repaired } else { RecordingState::Finished },
            duration_ms: file.duration_ms,
            channels: 2,
            sample_rate_hz: file.sample_rate_hz,
            sha256: Some(file.sha256),
            spans: translate::spans(&file.spans),
        }),
    }
}

fn web_app(
    config: &Config,
    store: &Store,
    doors: Doors,
    (epoch, phones): (String, PhoneSettings),
) -> Result<App, StartError> {
    let settings = WebSettings {
        public_url: config.public_url(),
        allowed_origins: config.server.allowed_origins.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        dial_plan: config.dial_plan()?,
        barring: config.barring()?,
        calls_per_minute: config.dialplan.calls_per_minute,
        outliner: outline_of,
        recording_dir: config.recording_dir(),
        phones,
        epoch,
    };
    let ids = IdSource::new(chance::generator()?);
    Ok(App::new(store.clone(), doors, settings, ids, wall_clock))
}

fn outline_of(mut file: std::fs::File, parts: u32) -> std::io::Result<Outline> {
    let read = linecard_media::outline(&mut file, parts).map_err(std::io::Error::other)?;
    let duration_ms = read.frames / read.rate.per_ms();
    Ok(Outline { duration_ms, customer: read.customer, agent: read.agent })
}

fn serve_http(
    config: &Config,
    certificate: Option<CertificateFiles>,
    listener: TcpListener,
    app: App,
    started: Option<oneshot::Sender<SocketAddr>>,
) -> Result<Http, StartError> {
    if let (Some(files), Tls::SelfSigned) = (&certificate, config.server.tls) {
        files.make_self_signed(own_names(config))?;
    }
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let certificate = certificate.map(CertificateFiles::serve).transpose()?;
    let address = listener.local_addr().map_err(|error| in_use("server.http", config.server.http, &error))?;
    tracing::info!("serving {scheme}://{address}");
    if let Some(started) = started {
        let _ = started.send(address);
    }
    Ok(Http::serve(listener, certificate, app))
}

/// Forgets what is kept for a while only: frames to resume from, and answers to repeated requests.
async fn forget(store: Store, retention_days: u32) {
    loop {
        let now = wall_clock().0;
        if let Err(error) = store.forget_frames(now - i64::from(retention_days) * 24 * 3_600_000).await {
            tracing::warn!(%error, "old frames cannot be forgotten now");
        }
        if let Err(error) = store.forget_answers(now - KEPT_MS).await {
            tracing::warn!(%error, "old answers cannot be forgotten now");
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_data_folder_has_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("deep/data");
        let first = lock(&data).unwrap();
        let refused = lock(&data).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!(
                "server.data_dir: {} is used by another running server; stop it, or write another folder",
                data.display()
            )
        );
        drop(first);
        lock(&data).expect("the folder is free again, though the lock's file is still there");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let refused = lock(&file.join("below")).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("server.data_dir: {}", file.display())), "{refused}");
        assert!(refused.contains("write a folder that this user may write to"), "{refused}");
        std::fs::create_dir(folder.path().join("lock")).unwrap();
        let refused = lock(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains("cannot be written") && refused.contains("write another folder"),
            "{refused}"
        );
    }

    #[test]
    fn an_address_that_cannot_be_listened_on_says_what_to_write() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let said = |kind: io::ErrorKind| in_use("server.http", address, &io::Error::from(kind)).to_string();
        let cases = [
            (io::ErrorKind::AddrInUse, "is in use; stop the other program or write another port"),
            (io::ErrorKind::AddrNotAvailable, "is no address of this machine; write one that is"),
            (io::ErrorKind::PermissionDenied, "is not allowed for this user; write a port above 1023"),
        ];
        for (kind, advice) in cases {
            assert_eq!(said(kind), format!("server.http: 127.0.0.1:80 {advice}"));
        }
        let other = said(io::ErrorKind::OutOfMemory);
        assert!(other.starts_with("server.http: 127.0.0.1:80 cannot be listened on: "), "{other}");
    }
}
