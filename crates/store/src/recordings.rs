//! Recordings as rows: what the file is, never where it lies.

use linecard_calls::{InteractionId, Recording, RecordingId};

use crate::database::{Row, assembled};
use crate::page::{List, Page, PageRequest};
use crate::row::{id, json, word};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

const LIST: List = List {
    columns: "r.id, r.interaction_id, r.state, r.duration_ms, r.channels, r.sample_rate_hz, r.sha256, r.spans",
    from: "recordings r JOIN interactions i ON i.id = r.interaction_id",
    key: "r.started_at",
    id: "r.id",
};

impl Store {
    /// Returns a recording and whose interaction it is of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording(&self, recording: RecordingId) -> Result<Option<Recording>, StoreError> {
        self.row(&LIST, &recording.to_string(), recording_of).await
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
        let mut conditions = Conditions::default();
        if let Some(owner) = owner {
            conditions.and("i.user_id = ?", Value::text(owner));
        }
        self.page(&LIST, conditions, page, recording_of).await
    }

    /// Returns the recordings of an interaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recordings_of(&self, interaction: InteractionId) -> Result<Vec<Recording>, StoreError> {
        let text = format!(
            "SELECT {} FROM {} WHERE r.interaction_id = $1 ORDER BY r.started_at, r.id",
            LIST.columns, LIST.from
        );
        let rows = assembled(text, &[Value::text(interaction.to_string())]).fetch_all(&self.pool).await?;
        rows.iter().map(recording_of).collect()
    }
}

fn recording_of(row: &Row) -> Result<Recording, StoreError> {
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
