//! The one error of the store.

/// Why the database did not do what was asked. "Not found" is not among them: that is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that can be used.
    #[error("database.url {url:?} cannot be used: {source}")]
    Url {
        /// The address as configured.
        url: String,
        /// The driver's reason.
        source: sqlx::Error,
    },
    /// The database cannot be opened.
    #[error("the database {url:?} cannot be opened: {source}")]
    Open {
        /// The address as configured.
        url: String,
        /// The driver's reason.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("the database's schema cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A value that must be unique is taken.
    #[error("{field} is already in use")]
    Taken {
        /// The field as it is named outside.
        field: &'static str,
    },
    /// The object was changed since the caller read it.
    #[error("the object was changed meanwhile; read it again")]
    Stale,
    /// A reference points at nothing.
    #[error("{field} names nothing that exists")]
    Dangling {
        /// The field as it is named outside.
        field: &'static str,
    },
    /// A cursor that no list of this server handed out.
    #[error("the cursor is not one that a list answered with")]
    Cursor,
    /// A row that this program cannot read: a newer version wrote it, or it was damaged.
    #[error("a row of {table} cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What about it.
        why: String,
    },
    /// A password could not be hashed.
    #[error("the password could not be hashed")]
    Hash,
    /// The driver failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// Tells whether the database was only busy or out of reach, so that the same call may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                // SQLite's primary codes: 5 busy, 6 locked, 10 I/O, 13 full, 14 cannot open (extended codes keep the low byte).
                let code = error.code().and_then(|code| code.parse::<i64>().ok());
                code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
            }
            Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            _ => false,
        }
    }

    pub(crate) fn unreadable(table: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Unreadable { table, why: why.to_string() }
    }

    /// Turns a driver's unique violation into `Taken`, a broken reference into `Dangling`.
    pub(crate) fn constraint(error: sqlx::Error, unique: &'static str, reference: &'static str) -> Self {
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Taken { field: unique },
            sqlx::Error::Database(e) if e.is_foreign_key_violation() => Self::Dangling { field: reference },
            _ => Self::Database(error),
        }
    }
}
