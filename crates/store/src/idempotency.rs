//! Answers kept for a day, so that a repeated POST is answered and not done twice.

use crate::database::{Row, sql};
use crate::{Store, StoreError};

/// How long an answer is kept, in milliseconds.
pub const KEPT_MS: i64 = 24 * 3_600_000;

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// A digest of the body that was answered.
    pub request: String,
    /// The HTTP status.
    pub status: i64,
    /// What kind of body the answer has; none when it has no body.
    pub content_type: Option<String>,
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
        let row = sql("SELECT request, status, content_type, response FROM idempotency_keys \
             WHERE user_id = $1 AND key = $2 AND created_at >= $3")
        .bind(user_id)
        .bind(key)
        .bind(since)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(answer_of).transpose()
    }

    /// Keeps an answer under `key`. The first one stands, unless it was given before `since`; UTC milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_answer(
        &self,
        user_id: &str,
        key: &str,
        answer: &KeptAnswer,
        now: i64,
        since: i64,
    ) -> Result<(), StoreError> {
        sql(
            "INSERT INTO idempotency_keys (user_id, key, request, status, content_type, response, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, key) DO UPDATE SET \
             request = excluded.request, status = excluded.status, content_type = excluded.content_type, \
             response = excluded.response, created_at = excluded.created_at \
             WHERE idempotency_keys.created_at < $8",
        )
        .bind(user_id)
        .bind(key)
        .bind(&answer.request)
        .bind(answer.status)
        .bind(&answer.content_type)
        .bind(&answer.response)
        .bind(now)
        .bind(since)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets the answers given before `before` (UTC milliseconds) and returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_answers(&self, before: i64) -> Result<u64, StoreError> {
        Ok(sql("DELETE FROM idempotency_keys WHERE created_at < $1").bind(before).execute(&self.pool).await?)
    }
}

fn answer_of(row: &Row) -> Result<KeptAnswer, StoreError> {
    Ok(KeptAnswer {
        request: row.try_get("request")?,
        status: row.try_get("status")?,
        content_type: row.try_get("content_type")?,
        response: row.try_get("response")?,
    })
}
