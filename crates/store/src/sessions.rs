//! Log-ins, known by the SHA-256 of their token.

use crate::database::sql;
use crate::users::User;
use crate::{Store, StoreError};

impl Store {
    /// Keeps a session that ends at `expires_at`, and forgets those that have ended; times in UTC milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_session(
        &self,
        token_hash: &str,
        user_id: &str,
        now: i64,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sql("DELETE FROM sessions WHERE expires_at <= $1").bind(now).execute(&mut tx).await?;
        sql("INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(token_hash)
            .bind(user_id)
            .bind(now)
            .bind(expires_at)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns who is logged in under a token's hash, and until when (UTC milliseconds).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_user(&self, token_hash: &str, now: i64) -> Result<Option<(User, i64)>, StoreError> {
        let row = sql("SELECT user_id, expires_at FROM sessions WHERE token_hash = $1 AND expires_at > $2")
            .bind(token_hash)
            .bind(now)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let (user_id, expires_at): (String, i64) = (row.try_get("user_id")?, row.try_get("expires_at")?);
        Ok(self.user(&user_id).await?.map(|user| (user, expires_at)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_session(&self, token_hash: &str) -> Result<(), StoreError> {
        sql("DELETE FROM sessions WHERE token_hash = $1").bind(token_hash).execute(&self.pool).await?;
        Ok(())
    }
}
