//! Log-ins, known by the SHA-256 of their token.

use linecard_calls::{SessionId, UserId, UtcMillis};
use serde::Serialize;
use utoipa::ToSchema;

use crate::database::{Row, Tx, sql};
use crate::row::id;
use crate::users::User;
use crate::{Store, StoreError};

/// A log-in that was not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenSession {
    /// Its id, which opens no door.
    pub id: SessionId,
    /// Whose it is.
    #[serde(skip)]
    #[schema(ignore)]
    pub user_id: UserId,
    /// When somebody logged in.
    #[serde(with = "linecard_calls::time::rfc3339")]
    pub created_at: UtcMillis,
    /// When it ends by itself.
    #[serde(with = "linecard_calls::time::rfc3339")]
    pub expires_at: UtcMillis,
    /// The address from which somebody logged in.
    pub source: String,
    /// What the browser said it is.
    pub user_agent: Option<String>,
}

impl Store {
    /// Keeps a session, and forgets those that have ended before it begins.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_session(&self, token_hash: &str, session: &OpenSession) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let ended = sql("DELETE FROM sessions WHERE expires_at <= $1").bind(session.created_at.0);
        ended.execute(&mut tx).await?;
        sql("INSERT INTO sessions (id, token_hash, user_id, source, user_agent, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(session.id.to_string())
        .bind(token_hash)
        .bind(session.user_id.to_string())
        .bind(&session.source)
        .bind(&session.user_agent)
        .bind(session.created_at.0)
        .bind(session.expires_at.0)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns who is logged in under a token's hash, and in which session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_user(
        &self,
        token_hash: &str,
        now: UtcMillis,
    ) -> Result<Option<(User, OpenSession)>, StoreError> {
        let row = sql("SELECT id, user_id, source, user_agent, created_at, expires_at FROM sessions \
             WHERE token_hash = $1 AND expires_at > $2")
        .bind(token_hash)
        .bind(now.0)
        .fetch_optional(&self.pool)
        .await?;
        let Some(session) = row.as_ref().map(session_of).transpose()? else {
            return Ok(None);
        };
        Ok(self.user(&session.user_id.to_string()).await?.map(|user| (user, session)))
    }

    /// Returns a user's sessions, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(&self, user: UserId, now: UtcMillis) -> Result<Vec<OpenSession>, StoreError> {
        let rows = sql("SELECT id, user_id, source, user_agent, created_at, expires_at FROM sessions \
             WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC")
        .bind(user.to_string())
        .bind(now.0)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(session_of).collect()
    }

    /// Ends a session of a user and tells whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_session(&self, user: UserId, session: SessionId) -> Result<bool, StoreError> {
        let closed = sql("DELETE FROM sessions WHERE user_id = $1 AND id = $2");
        let closed = closed.bind(user.to_string()).bind(session.to_string()).execute(&self.pool).await?;
        Ok(closed > 0)
    }

    /// Ends a user's sessions but for one, and tells how many those were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_other_sessions(&self, user: UserId, kept: SessionId) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        let closed = end_sessions(&mut tx, user, Some(kept)).await?;
        tx.commit().await?;
        Ok(closed)
    }
}

/// Ends a user's sessions, but for one that is kept, and tells how many those were.
pub(crate) async fn end_sessions(
    tx: &mut Tx,
    user: UserId,
    kept: Option<SessionId>,
) -> Result<u64, StoreError> {
    let kept = kept.map(|kept| kept.to_string()).unwrap_or_default();
    let ended = sql("DELETE FROM sessions WHERE user_id = $1 AND id <> $2");
    Ok(ended.bind(user.to_string()).bind(kept).execute(tx).await?)
}

fn session_of(row: &Row) -> Result<OpenSession, StoreError> {
    Ok(OpenSession {
        id: id(row, "sessions", "id")?,
        user_id: id(row, "sessions", "user_id")?,
        created_at: UtcMillis(row.try_get("created_at")?),
        expires_at: UtcMillis(row.try_get("expires_at")?),
        source: row.try_get("source")?,
        user_agent: row.try_get("user_agent")?,
    })
}
