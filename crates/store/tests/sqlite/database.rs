//! A SQLite database of a test's own, and how another program reaches and locks it.

use std::path::PathBuf;

use tempfile::TempDir;

/// A connection that the store knows nothing of.
pub(crate) type Outside = sqlx::SqliteConnection;

/// What keeps everybody else from writing, until a rollback.
pub(crate) const LOCK: &[&str] = &["BEGIN IMMEDIATE"];

/// A file, gone with its folder.
pub(crate) struct Own(TempDir);

impl Own {
    pub(crate) fn make() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("linecard.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }
}
