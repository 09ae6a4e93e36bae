//! Recordings as rows: what the file is, never where it lies.

use linecard_calls::{InteractionId, Recording, RecordingId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::page::{Cursor, Page, PageRequest};
use crate::row::{id, json, word};
use crate::{Store, StoreError};

const SELECT: &str = "SELECT r.id, r.interaction_id, r.state, r.duration_ms, r.channels, r.sample_rate_hz, r.sha256, \
                      r.spans, r.started_at FROM recordings r JOIN interactions i ON i.id = r.interaction_id";

impl Store {
    /// Returns a recording and whose interaction it is of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording(&self, recording: RecordingId) -> Result<Option<Recording>, StoreError> {
        let text = sqlx::AssertSqlSafe(format!("{SELECT} WHERE r.id = $1"));
        let row = sqlx::query(text).bind(recording.to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(recording_of).transpose()
    }

    /// Lists recordings, newest first; with `owner`, those of that user's interactions only.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recordings(
        &self,
        owner: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Recording>, StoreError> {
        let from = page.cursor.clone().unwrap_or_else(Cursor::top);
        let text = sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE (CAST($1 AS TEXT) IS NULL OR i.user_id = $1) \
             AND (r.started_at < $2 OR (r.started_at = $2 AND r.id < $3)) \
             ORDER BY r.started_at DESC, r.id DESC LIMIT $4"
        ));
        let rows = sqlx::query(text)
            .bind(owner)
            .bind(from.key)
            .bind(&from.id)
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let total: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM recordings r JOIN interactions i ON i.id = r.interaction_id \
             WHERE (CAST($1 AS TEXT) IS NULL OR i.user_id = $1)",
        )
        .bind(owner)
        .fetch_one(&self.pool)
        .await?;
        let found = rows
            .iter()
            .map(|row| Ok((recording_of(row)?, row.try_get::<i64, _>("started_at")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let cut = Page::cut(found, total, page.limit, |(r, at)| Cursor { key: *at, id: r.id.to_string() });
        Ok(Page { items: cut.items.into_iter().map(|(r, _)| r).collect(), total: cut.total, next: cut.next })
    }

    /// Returns the recordings of an interaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recordings_of(&self, interaction: InteractionId) -> Result<Vec<Recording>, StoreError> {
        let text =
            sqlx::AssertSqlSafe(format!("{SELECT} WHERE r.interaction_id = $1 ORDER BY r.started_at, r.id"));
        let rows = sqlx::query(text).bind(interaction.to_string()).fetch_all(&self.pool).await?;
        rows.iter().map(recording_of).collect()
    }
}

fn recording_of(row: &SqliteRow) -> Result<Recording, StoreError> {
    let out_of_range =
        |column: &str| StoreError::unreadable("recordings", format!("{column} is out of range"));
    let duration: Option<i64> = row.try_get("duration_ms")?;
    let channels: Option<i64> = row.try_get("channels")?;
    let rate: Option<i64> = row.try_get("sample_rate_hz")?;
    Ok(Recording {
        id: id(row, "recordings", "id")?,
        interaction_id: id(row, "recordings", "interaction_id")?,
        state: word(row, "recordings", "state")?,
        duration_ms: duration.map(u64::try_from).transpose().map_err(|_| out_of_range("duration_ms"))?,
        channels: channels.map(u16::try_from).transpose().map_err(|_| out_of_range("channels"))?,
        sample_rate_hz: rate.map(u32::try_from).transpose().map_err(|_| out_of_range("sample_rate_hz"))?,
        sha256: row.try_get("sha256")?,
        spans: json(row, "recordings", "spans")?,
        path: None,
    })
}
