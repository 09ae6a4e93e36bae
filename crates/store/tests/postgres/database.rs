//! A PostgreSQL database of a test's own, and how another program reaches and locks it.

use xtask::postgres::Database;

/// A connection that the store knows nothing of.
pub(crate) type Outside = sqlx::PgConnection;

/// What keeps everybody else from writing, until a rollback.
pub(crate) const LOCK: &[&str] = &[
    "BEGIN",
    "LOCK TABLE server_state, users, devices, sessions, lines, companies, contacts, numbers, signals, calls, \
     interactions, recordings, frames, idempotency_keys IN EXCLUSIVE MODE",
];

/// A database in the cluster of the run.
pub(crate) struct Own(pub(crate) Database);

impl Own {
    pub(crate) fn make() -> Self {
        Self(Database::make().expect("a database"))
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }
}
