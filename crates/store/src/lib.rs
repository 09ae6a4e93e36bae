//! The database: the ledger of signals, what the fold made of it, people, lines, contacts, browsers' frames.
//!
//! One SQL text a statement, with `$1` placeholders and in the subset that SQLite and PostgreSQL share; SQLite is
//! served now. No rule of a call lives here, and nothing here decides what a row means.

mod cards;
pub mod contacts;
pub mod error;
pub mod frames;
pub mod idempotency;
pub mod interactions;
pub mod ledger;
pub mod lines;
pub mod lookup;
pub mod missed;
pub mod page;
pub mod recordings;
mod row;
pub mod sessions;
mod statement;
pub mod users;

use std::str::FromStr;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use error::StoreError;

/// The only history of the schema: forward, portable.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// How long a request of a person waits for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the ledger waits for a lock before it takes the spool instead.
const LEDGER_PATIENCE: Duration = Duration::from_millis(50);

/// An open database with its schema up to date.
///
/// Two pools: the ledger has one connection of its own, so that a slow report or a stuck request never stands
/// between a call and its evidence.
#[derive(Debug, Clone)]
pub struct Store {
    /// Everything but the ledger's appends.
    pool: SqlitePool,
    /// One connection, used by the one writer of the ledger.
    ledger: SqlitePool,
}

impl Store {
    /// Opens the database at `url` (`sqlite://PATH`), makes it when it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// `StoreError::Url` for an address that cannot be used, `StoreError::Open` when it cannot be opened,
    /// `StoreError::Migrate` when its schema is newer than this program or a step fails.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let url_error = |source| StoreError::Url { url: url.to_owned(), source };
        // The driver would take any other address for the name of a file.
        if !url.starts_with("sqlite:") {
            return Err(url_error(sqlx::Error::Configuration("write sqlite://PATH".into())));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(url_error)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let open_error = |source| StoreError::Open { url: url.to_owned(), source };
        let pool = SqlitePoolOptions::new()
            .max_connections(6)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone().busy_timeout(PATIENCE))
            .await
            .map_err(open_error)?;
        MIGRATIONS.run(&pool).await?;
        let ledger = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE)
            .connect_with(options.busy_timeout(LEDGER_PATIENCE))
            .await
            .map_err(open_error)?;
        Ok(Self { pool, ledger })
    }

    /// Closes every connection after the work under way.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.pool.close().await;
    }

    /// Runs the database's own check and returns what it complains about; empty when it is sound.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub async fn integrity_faults(&self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter(|line| line != "ok").collect())
    }
}
