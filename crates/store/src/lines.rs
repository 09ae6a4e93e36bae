//! Lines: SIP accounts on PBXes.

use linecard_calls::{LineId, UserId, UtcMillis};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::page::{Cursor, Page, PageRequest};
use crate::row::{id, id_opt, text_of, word, word_opt};
use crate::{Store, StoreError};

/// A SIP account on a PBX, with its password: for the user agent, never for a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// Rises with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Everything else.
    pub account: LineDraft,
}

/// What an administrator gives of a line.
#[derive(Clone, PartialEq, Eq)]
pub struct LineDraft {
    /// What people call it.
    pub name: String,
    /// The PBX, `host` or `host:port`.
    pub server: String,
    /// The account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The name used in digests where it differs from the account.
    pub auth_username: Option<String>,
    /// A proxy that every request goes through.
    pub outbound_proxy: Option<String>,
    /// The transport; `None` tries them in turn.
    pub transport: Option<LineTransport>,
    /// How calls are captured.
    pub mode: LineMode,
    /// Whose line it is.
    pub user_id: Option<UserId>,
    /// How a number is written when it is dialled.
    pub dial_format: DialFormat,
    /// What is put before a dialled number.
    pub dial_prefix: Option<String>,
    /// The number shown to the called.
    pub caller_id: Option<String>,
}

/// The transport of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineTransport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
    /// Streams under TLS.
    Tls,
}

/// How a line captures calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineMode {
    /// Linecard answers for the agent and bridges.
    Anchor,
    /// A second registration beside the desk phone.
    Shadow,
    /// A subscription to the extension's dialogs.
    DialogInfo,
}

/// How a dialled number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialFormat {
    /// `+78312123456`
    Plus,
    /// `78312123456`
    E164,
    /// `88312123456`
    National,
    /// As it was typed.
    AsTyped,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LineDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineDraft").field("mode", &self.mode).finish_non_exhaustive()
    }
}

const SELECT: &str = "SELECT id, name, server, username, password, auth_username, outbound_proxy, transport, mode, \
                      user_id, dial_format, dial_prefix, caller_id, version, created_at FROM lines";

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// `Dangling { field: "user_id" }` when there is no such user.
    pub async fn add_line(&self, id: LineId, draft: &LineDraft, now: UtcMillis) -> Result<Line, StoreError> {
        sqlx::query(
            "INSERT INTO lines (name, server, username, password, auth_username, outbound_proxy, transport, mode, \
             user_id, dial_format, dial_prefix, caller_id, id, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14)",
        )
        .bind(&draft.name)
        .bind(&draft.server)
        .bind(&draft.username)
        .bind(&draft.password)
        .bind(&draft.auth_username)
        .bind(&draft.outbound_proxy)
        .bind(draft.transport.as_ref().map(text_of).transpose()?)
        .bind(text_of(&draft.mode)?)
        .bind(draft.user_id.map(|user| user.to_string()))
        .bind(text_of(&draft.dial_format)?)
        .bind(&draft.dial_prefix)
        .bind(&draft.caller_id)
        .bind(id.to_string())
        .bind(now.0)
        .execute(&self.pool)
        .await
        .map_err(|e| StoreError::constraint(e, "id", "user_id"))?;
        Ok(Line { id, version: 1, created_at: now, account: draft.clone() })
    }

    /// Changes a line that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile, `Dangling` when there is no such user.
    pub async fn change_line(&self, id: LineId, draft: &LineDraft, version: i64) -> Result<Line, StoreError> {
        let done = sqlx::query(
            "UPDATE lines SET name = $1, server = $2, username = $3, password = $4, auth_username = $5, \
             outbound_proxy = $6, transport = $7, mode = $8, user_id = $9, dial_format = $10, dial_prefix = $11, \
             caller_id = $12, version = version + 1 WHERE id = $13 AND version = $14",
        )
        .bind(&draft.name)
        .bind(&draft.server)
        .bind(&draft.username)
        .bind(&draft.password)
        .bind(&draft.auth_username)
        .bind(&draft.outbound_proxy)
        .bind(draft.transport.as_ref().map(text_of).transpose()?)
        .bind(text_of(&draft.mode)?)
        .bind(draft.user_id.map(|user| user.to_string()))
        .bind(text_of(&draft.dial_format)?)
        .bind(&draft.dial_prefix)
        .bind(&draft.caller_id)
        .bind(id.to_string())
        .bind(version)
        .execute(&self.pool)
        .await
        .map_err(|e| StoreError::constraint(e, "id", "user_id"))?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        self.line(id).await?.ok_or(StoreError::Stale)
    }

    /// Deletes a line that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_line(&self, id: LineId, version: i64) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM lines WHERE id = $1 AND version = $2")
            .bind(id.to_string())
            .bind(version)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    /// Returns a line.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn line(&self, id: LineId) -> Result<Option<Line>, StoreError> {
        let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
        let row = sqlx::query(text).bind(id.to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(line_of).transpose()
    }

    /// Lists lines, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lines_page(&self, page: &PageRequest) -> Result<Page<Line>, StoreError> {
        let from = page.cursor.clone().unwrap_or_else(Cursor::top);
        let text = sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE created_at < $1 OR (created_at = $1 AND id < $2) ORDER BY created_at DESC, id DESC LIMIT $3"
        ));
        let rows = sqlx::query(text)
            .bind(from.key)
            .bind(&from.id)
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM lines").fetch_one(&self.pool).await?;
        let lines = rows.iter().map(line_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(lines, total, page.limit, |line| Cursor {
            key: line.created_at.0,
            id: line.id.to_string(),
        }))
    }

    /// Returns every line: the user agent holds them all in memory anyway.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let text = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY created_at DESC, id DESC"));
        let rows = sqlx::query(text).fetch_all(&self.pool).await?;
        rows.iter().map(line_of).collect()
    }
}

fn line_of(row: &SqliteRow) -> Result<Line, StoreError> {
    Ok(Line {
        id: id(row, "lines", "id")?,
        version: row.try_get("version")?,
        created_at: UtcMillis(row.try_get("created_at")?),
        account: LineDraft {
            name: row.try_get("name")?,
            server: row.try_get("server")?,
            username: row.try_get("username")?,
            password: row.try_get("password")?,
            auth_username: row.try_get("auth_username")?,
            outbound_proxy: row.try_get("outbound_proxy")?,
            transport: word_opt(row, "lines", "transport")?,
            mode: word(row, "lines", "mode")?,
            user_id: id_opt(row, "lines", "user_id")?,
            dial_format: word(row, "lines", "dial_format")?,
            dial_prefix: row.try_get("dial_prefix")?,
            caller_id: row.try_get("caller_id")?,
        },
    })
}
