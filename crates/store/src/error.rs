//! The one error of the store.

use sqlx::sqlite::SqliteError;

/// Why the database did not do what was asked. "Not found" is not among them: that is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that can be used.
    #[error("database.url: {advice}")]
    Url {
        /// What is wrong with it and what to write.
        advice: String,
    },
    /// The database cannot be opened.
    #[error("database.url: {what} cannot be opened: {why}; {advice}")]
    Open {
        /// The file, or the server without the password.
        what: String,
        /// The driver's reason.
        why: String,
        /// What to write or to do.
        advice: String,
    },
    /// The schema cannot be brought up to date.
    #[error("database.url: the schema cannot be brought up to date: {0}")]
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
    /// Without this user nobody could set anything up any more.
    #[error("this is the last administrator")]
    LastAdmin,
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
    /// A database that should be new holds something.
    #[error("the database holds {rows} rows of {table} already")]
    Used {
        /// The first table that holds rows.
        table: String,
        /// How many.
        rows: i64,
    },
    /// A row of a backup that the schema has no place for.
    #[error("a row of {table} does not fit: {why}")]
    Misfit {
        /// The table.
        table: String,
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
                error.code().is_some_and(|code| match error.try_downcast_ref::<SqliteError>() {
                    Some(_) => is_passing_in_sqlite(&code),
                    None => is_passing_in_postgres(&code),
                })
            }
            Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            _ => false,
        }
    }

    pub(crate) fn url(advice: String) -> Self {
        Self::Url { advice }
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

/// Primary codes: 5 busy, 6 locked, 10 I/O, 13 full, 14 cannot open (extended codes keep the low byte).
fn is_passing_in_sqlite(code: &str) -> bool {
    code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
}

/// SQLSTATE: a class of connection, rollback, resources, intervention or system, or the lock that could not be had, or a
/// server that for now only reads.
fn is_passing_in_postgres(code: &str) -> bool {
    let class = ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class));
    class || matches!(code, "55P03" | "25006" | "25P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_and_gone_pass_and_a_broken_rule_does_not() {
        for code in ["5", "6", "261", "517", "13", "3850"] {
            assert!(is_passing_in_sqlite(code), "{code}");
        }
        for code in ["1", "19", "787", "2067", "26"] {
            assert!(!is_passing_in_sqlite(code), "{code}");
        }
        for code in [
            "08006", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "57P03", "58030", "25006",
        ] {
            assert!(is_passing_in_postgres(code), "{code}");
        }
        for code in ["23505", "23503", "42601", "42P01", "22021", "42501", "25P02", "XX000"] {
            assert!(!is_passing_in_postgres(code), "{code}");
        }
    }
}
