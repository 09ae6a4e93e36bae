//! Answers kept for a day, so that a repeated POST is answered and not done twice.

use crate::{Store, StoreError};

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeptAnswer {
    /// A digest of the method, the path and the body that were answered.
    pub request: String,
    /// The HTTP status.
    pub status: i64,
    /// The body.
    pub response: String,
}

impl Store {
    /// Returns what `user_id` was answered under `key` since `since` (UTC milliseconds).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kept_answer(
        &self,
        user_id: &str,
        key: &str,
        since: i64,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let row = sqlx::query_as(
            "SELECT request, status, response FROM idempotency_keys \
             WHERE user_id = $1 AND key = $2 AND created_at >= $3",
        )
        .bind(user_id)
        .bind(key)
        .bind(since)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }

    /// Keeps an answer under `key` and forgets those made before `forget_before`, both UTC milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_answer(
        &self,
        user_id: &str,
        key: &str,
        answer: &KeptAnswer,
        now: i64,
        forget_before: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(forget_before)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO idempotency_keys (user_id, key, request, status, response, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, key) DO NOTHING",
        )
        .bind(user_id)
        .bind(key)
        .bind(&answer.request)
        .bind(answer.status)
        .bind(&answer.response)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
