//! The office that the rounds take place in: a database with agents, lines, log-ins and a million contacts.
//!
//! Made once and copied for each round. Agents, lines and sessions go through the store; the contacts are written row by
//! row, because a million of them through the store would be measured in hours.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use linecard_calls::{
    DeviceAddress, DeviceId, LineId, Ring, Role, RoutedDevice, SessionId, UserId, UtcMillis,
};
use linecard_crm::dialling::DialFormat;
use linecard_crm::number::suffix_key;
use linecard_crm::sort_key;
use linecard_store::Store;
use linecard_store::lines::{LineDraft, LineMode, LineTransport};
use linecard_store::sessions::OpenSession;
use linecard_store::users::{Device, UserDraft};
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite};
use uuid::Uuid;

use crate::pbx::{account_of, extension_of};

/// How many agents there are.
pub const AGENTS: usize = 1_000;
/// Raised when what is made here changes.
const EDITION: &str = "2";
/// Rows of one INSERT.
const ROWS: usize = 500;
/// The only password of these users; nothing is reachable beyond this machine.
const PASSWORD: &str = "a password of the rounds";
/// A day, in milliseconds: longer than any run.
const DAY_MS: i64 = 86_400_000;

/// The number of a contact.
#[must_use]
pub fn number_of(contact: usize) -> String {
    format!("+7900{contact:07}")
}

/// The name of a contact.
#[must_use]
pub fn name_of(contact: usize) -> String {
    format!("Клиент {contact:07}")
}

/// The token of an agent's log-in.
#[must_use]
pub fn token_of(agent: usize) -> String {
    hex(&Sha256::digest(format!("token of agent {agent}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the office in `folder`, or makes it; returns its database.
///
/// # Errors
/// When the database fails.
pub async fn found(folder: &Path, contacts: usize) -> Result<PathBuf> {
    let database = folder.join(format!("office-{EDITION}-{contacts}.db"));
    if database.exists() {
        return Ok(database);
    }
    println!("making an office of {AGENTS} agents and {contacts} contacts");
    let unfinished = database.with_extension("part");
    for old in [unfinished.clone(), sibling(&unfinished, "-wal"), sibling(&unfinished, "-shm")] {
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    let store = Store::open(&format!("sqlite://{}", unfinished.display())).await?;
    for agent in 0..AGENTS {
        employ(&store, agent).await.with_context(|| format!("agent {agent}"))?;
    }
    store.close().await;
    let mut connection = open(&unfinished).await?;
    know(&mut connection, contacts).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await?;
    fs::rename(&unfinished, &database)?;
    Ok(database)
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Opens a database beside the server's own connections.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(database: &Path) -> Result<SqliteConnection> {
    let options =
        SqliteConnectOptions::new().filename(database).busy_timeout(std::time::Duration::from_secs(10));
    Ok(options.connect().await?)
}

/// Copies the office to where a server will use it, with its lines at a PBX.
///
/// # Errors
/// When files or the database fail.
pub async fn furnish(office: &Path, database: &Path, pbx: SocketAddr) -> Result<()> {
    if let Some(folder) = database.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(office, database)?;
    let mut connection = open(database).await?;
    sqlx::query("UPDATE lines SET server = $1").bind(pbx.to_string()).execute(&mut connection).await?;
    sqlx::query("UPDATE sessions SET expires_at = $1")
        .bind(now().0 + DAY_MS)
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

fn now() -> UtcMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UtcMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Gives an agent a user, a phone, a line and a log-in.
async fn employ(store: &Store, agent: usize) -> Result<()> {
    let (user, at) = (UserId::from_uuid(Uuid::now_v7()), now());
    let draft = UserDraft {
        login: format!("agent{agent}"),
        name: format!("Агент {agent}"),
        role: Role::Agent,
        password: Some(PASSWORD.to_owned()),
        extension: None,
        ring: Ring::Together,
        ring_timeout_ms: 20_000,
        allow_call_waiting: false,
    };
    store.add_user(user, &draft, at).await?;
    let address = DeviceAddress::Sip { uri: extension_of(agent) };
    let routed = RoutedDevice { device: DeviceId::from_uuid(Uuid::now_v7()), address };
    store.add_device(&Device { routed, user_id: user }).await?;
    let line = LineDraft {
        name: format!("Линия {agent}"),
        server: "127.0.0.1:5060".to_owned(),
        username: account_of(agent),
        password: "secret".to_owned(),
        auth_username: None,
        outbound_proxy: None,
        transport: Some(LineTransport::Udp),
        websocket_path: None,
        mode: LineMode::Anchor,
        user_id: Some(user),
        dial_format: DialFormat::Plus,
        dial_prefix: None,
        caller_id: None,
        transfer: linecard_store::lines::LineTransfer::Here,
    };
    store.add_line(LineId::from_uuid(Uuid::now_v7()), &line, at).await?;
    let session = OpenSession {
        id: SessionId::from_uuid(Uuid::now_v7()),
        user_id: user,
        created_at: at,
        expires_at: UtcMillis(at.0 + DAY_MS),
        source: "127.0.0.1".to_owned(),
        user_agent: None,
    };
    let hash = hex(&Sha256::digest(token_of(agent).as_bytes()));
    Ok(store.open_session(&hash, &session).await?)
}

/// Writes the contacts.
async fn know(connection: &mut SqliteConnection, contacts: usize) -> Result<()> {
    let at = now().0;
    let mut transaction = connection.begin().await?;
    for start in (0..contacts).step_by(ROWS) {
        let rows: Vec<(String, usize)> = (start..contacts.min(start + ROWS))
            .map(|contact| (Uuid::now_v7().to_string(), contact))
            .collect();
        let mut people = QueryBuilder::<Sqlite>::new(
            "INSERT INTO contacts (id, name, search_key, fields, version, created_at) ",
        );
        people.push_values(&rows, |mut row, (id, contact)| {
            let name = name_of(*contact);
            row.push_bind(id).push_bind(name.clone()).push_bind(sort_key(&name));
            row.push_bind("{\"emails\":[],\"custom\":{}}").push_bind(1_i64).push_bind(at);
        });
        people.build().execute(&mut *transaction).await?;
        let mut numbers = QueryBuilder::<Sqlite>::new(
            "INSERT INTO numbers (id, contact_id, position, number, e164, suffix_key) ",
        );
        numbers.push_values(&rows, |mut row, (id, contact)| {
            let number = number_of(*contact);
            row.push_bind(format!("{id}:0")).push_bind(id).push_bind(0_i64).push_bind(number.clone());
            row.push_bind(number.clone()).push_bind(suffix_key(&number));
        });
        numbers.build().execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}
