//! The database: the ledger of signals, what the fold made of it, people, lines, contacts, browsers' frames.
//!
//! One SQL text a statement, with `$1` placeholders and in the subset that SQLite and PostgreSQL share. No rule of a
//! call lives here, and nothing here decides what a row means.

mod address;
pub mod audit;
mod cards;
pub mod contacts;
pub mod counted;
mod database;
mod dialect;
pub mod error;
pub mod frames;
pub mod idempotency;
pub mod import;
pub mod interactions;
pub mod learned;
pub mod ledger;
pub mod lines;
pub mod load;
pub mod lookup;
pub mod missed;
pub mod page;
pub mod phones;
mod probe;
pub mod recordings;
mod restoring;
mod row;
mod rows;
mod schema;
pub mod sessions;
pub mod snapshot;
mod statement;
#[cfg(test)]
mod texts;
pub mod users;

#[cfg(test)]
extern crate self as linecard_store;

pub use address::Address;
use database::{Pool, sql};
pub use error::StoreError;
pub use restoring::{EmptyDatabase, Restoring};
pub use schema::newest_schema;
use serde::Serialize;
pub use snapshot::Snapshot;
use utoipa::ToSchema;

/// An open database with its schema up to date.
///
/// Three pools: the ledger and the pops have connections of their own, so that a slow report or a stuck request never
/// stands between a call and its evidence, or between a caller and the name on the screen.
#[derive(Debug, Clone)]
pub struct Store {
    /// Everything else.
    pool: Pool,
    /// Who calls.
    pops: Pool,
    /// Used by the one writer of the ledger.
    ledger: Pool,
}

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// A file beside the server.
    Sqlite,
    /// A server of its own.
    Postgres,
}

impl Store {
    /// Opens the database at `url`, `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`, and brings its schema
    /// up to date. A missing file is made, a missing database of a server is not.
    ///
    /// # Errors
    /// `StoreError::Url` for an address that cannot be used, `StoreError::Open` when it cannot be opened,
    /// `StoreError::Migrate` when its schema is newer than this program or a step fails.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = url.parse::<Address>()?.open().await?;
        store.fill_counted().await?;
        Ok(store)
    }

    /// Makes sure that the ledger's database can be reached. A lost connection is made anew here, which may take longer
    /// than a signal can wait.
    ///
    /// # Errors
    /// When it cannot be reached within a few seconds.
    pub async fn reach(&self) -> Result<(), StoreError> {
        Ok(self.ledger.reach().await?)
    }

    /// Returns which database it is.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        match self.pool {
            Pool::Sqlite(_) => DatabaseKind::Sqlite,
            Pool::Postgres(_) => DatabaseKind::Postgres,
        }
    }

    /// Closes every connection after the work under way.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.pops.close().await;
        self.pool.close().await;
    }

    /// Runs the database's own check and returns what it complains about; empty when it is sound.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub async fn integrity_faults(&self) -> Result<Vec<String>, StoreError> {
        let rows = sql(self.pool.dialect(&dialect::INTEGRITY)).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok(row.try_get("fault")?)).collect()
    }
}
