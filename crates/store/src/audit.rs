//! The audit: who did what, to what, when and from where. Rows are added and read, never changed.

use std::net::IpAddr;

use linecard_calls::{AuditId, UserId, UtcMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::database::{Row, sql};
use crate::page::{List, Page, PageRequest};
use crate::row::{id, id_opt, text_of, word};
use crate::statement::{Conditions, Value};
use crate::users::login_key;
use crate::{Store, StoreError};

/// What is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// Somebody logged in.
    Login,
    /// A log-in was refused for a wrong password or an unknown log-in.
    LoginFailed,
    /// After too many failures further attempts wait.
    LoginLocked,
    /// Somebody logged out.
    Logout,
    /// A password was changed; the user whose it is is the subject.
    PasswordChanged,
    /// Somebody ended an own session at another browser; the session is the subject.
    SessionEnded,
    /// A recording was listened to.
    RecordingPlayed,
    /// A recording was saved as a file.
    RecordingExported,
    /// A user or its devices were added, changed or deleted.
    UserChanged,
    /// A line was added, changed or deleted.
    LineChanged,
    /// A call was asked for; the interaction is the subject.
    CallDialled,
    /// A call was asked for and refused: the number is barred, or there were too many.
    CallBarred,
    /// The doctor looked at an account of a PBX.
    LineChecked,
    /// The doctor looked at one and let it call itself, which rang its telephone.
    LineTestCalled,
}

/// A row to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id; the same id is added once.
    pub id: AuditId,
    /// When it was done.
    pub at: UtcMillis,
    /// What.
    pub action: AuditAction,
    /// Who; none when nobody has the log-in that was given.
    pub user_id: Option<UserId>,
    /// To what: the id of a recording, a user, a line or an interaction, an account that is no line yet, or a number
    /// that was not called.
    pub subject: Option<String>,
    /// From which address.
    pub source: IpAddr,
}

/// A row as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditRow {
    /// Its id.
    pub id: AuditId,
    /// When it was done.
    #[serde(with = "linecard_calls::time::rfc3339")]
    pub at: UtcMillis,
    /// What.
    pub action: AuditAction,
    /// Who; null when nobody has the log-in that was given.
    pub user_id: Option<UserId>,
    /// That user's log-in at that time.
    pub login: Option<String>,
    /// To what.
    pub subject: Option<String>,
    /// From which address.
    pub source: String,
}

/// Which rows are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Done by.
    pub user_id: Option<UserId>,
    /// What.
    pub action: Option<AuditAction>,
    /// Done at or after, UTC milliseconds.
    pub from: Option<i64>,
    /// Done before, UTC milliseconds.
    pub until: Option<i64>,
}

const LIST: List =
    List { columns: "id, at, action, user_id, login, subject, source", from: "audit", key: "at", id: "id" };

const INSERT: &str = "INSERT INTO audit (id, at, action, user_id, login, subject, source) VALUES \
    ($1, $2, $3, $4, (SELECT login FROM users WHERE id = $4), $5, $6) ON CONFLICT (id) DO NOTHING";

impl Store {
    /// Adds rows, all or none; those that are there already stay as they are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_audit(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        // Rows are written while others write too: the lock is waited for here and not in the middle.
        let mut tx = self.pool.begin().await?;
        for entry in entries {
            sql(INSERT)
                .bind(entry.id.to_string())
                .bind(entry.at.0)
                .bind(text_of(&entry.action)?)
                .bind(entry.user_id.map(|user| user.to_string()))
                .bind(entry.subject.clone())
                .bind(entry.source.to_string())
                .execute(&mut tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Returns whose a log-in is. A failed one is audited by this: what is typed there is sometimes a password, and only
    /// the user is written down.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_of_login(&self, login: &str) -> Result<Option<UserId>, StoreError> {
        let found = sql("SELECT id FROM users WHERE login_key = $1").bind(login_key(login));
        let row = found.fetch_optional(&self.pool).await?;
        row.as_ref().map(|row| id(row, "users", "id")).transpose()
    }

    /// Lists the audit, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(user) = filter.user_id {
            conditions.and("user_id = ?", Value::text(user.to_string()));
        }
        if let Some(action) = &filter.action {
            conditions.and("action = ?", Value::text(text_of(action)?));
        }
        if let Some(from) = filter.from {
            conditions.and("at >= ?", from.into());
        }
        if let Some(until) = filter.until {
            conditions.and("at < ?", until.into());
        }
        self.page(&LIST, conditions, page, audit_of).await
    }
}

fn audit_of(row: &Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: id(row, "audit", "id")?,
        at: UtcMillis(row.try_get("at")?),
        action: word(row, "audit", "action")?,
        user_id: id_opt(row, "audit", "user_id")?,
        login: row.try_get("login")?,
        subject: row.try_get("subject")?,
        source: row.try_get("source")?,
    })
}
