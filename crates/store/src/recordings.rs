//! Recordings as rows: what the file is, never where it lies.

use linecard_calls::{ContactId, Direction, Interaction, InteractionId, Outcome, Recording, RecordingId};

use crate::cards::name_pattern;
use crate::database::{Row, assembled};
use crate::interactions::Whose;
use crate::page::{By, CallOrder, List, Order, Page, PageRequest};
use crate::row::{id, json, text_of, word};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

const LIST: List = List {
    columns: "r.id, r.interaction_id, r.state, r.duration_ms, r.channels, r.sample_rate_hz, r.sha256, r.spans",
    from: "recordings r JOIN interactions i ON i.id = r.interaction_id",
    key: "r.started_at",
    id: "r.id",
};

/// The same, each with its call.
const WITH_CALL: List = List {
    columns: "r.id, r.interaction_id, r.state, r.duration_ms, r.channels, r.sample_rate_hz, r.sha256, r.spans, \
              i.interaction",
    ..LIST
};

/// Which recordings are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct RecordingFilter {
    /// Begun at or after, UTC milliseconds.
    pub from: Option<i64>,
    /// Begun before, UTC milliseconds.
    pub until: Option<i64>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// How the call went.
    pub outcome: Option<Outcome>,
    /// Whose call it is.
    pub whose: Option<Whose>,
    /// With which contact.
    pub contact_id: Option<ContactId>,
    /// With a contact whose name begins with it, or has a word that does.
    pub name: Option<String>,
    /// The other party's number, E.164 or digits, whoever called.
    pub number: Option<String>,
    /// At least so long, in milliseconds.
    pub duration_min_ms: Option<i64>,
    /// At most so long, in milliseconds.
    pub duration_max_ms: Option<i64>,
    /// What comes first, by the recording's own length.
    pub order: CallOrder,
}

/// A recording and the call that it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCall {
    /// The recording.
    pub recording: Recording,
    /// The call.
    pub interaction: Interaction,
}

impl Store {
    /// Returns a recording and whose interaction it is of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording(&self, recording: RecordingId) -> Result<Option<Recording>, StoreError> {
        self.row(&LIST, &recording.to_string(), recording_of).await
    }

    /// Lists recordings with their calls.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recordings(
        &self,
        filter: &RecordingFilter,
        page: &PageRequest,
    ) -> Result<Page<RecordedCall>, StoreError> {
        let by = filter.order.key(WITH_CALL.key, "COALESCE(r.duration_ms, 0)");
        let order = Order { by: By::Number(by), way: filter.order.way() };
        self.page_in(order, &WITH_CALL, conditions_of(filter)?, page, recorded_call_of).await
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

fn conditions_of(filter: &RecordingFilter) -> Result<Conditions, StoreError> {
    let mut conditions = Conditions::default();
    if let Some(from) = filter.from {
        conditions.and("r.started_at >= ?", Value::from(from));
    }
    if let Some(until) = filter.until {
        conditions.and("r.started_at < ?", Value::from(until));
    }
    if let Some(direction) = &filter.direction {
        conditions.and("i.direction = ?", Value::text(text_of(direction)?));
    }
    if let Some(outcome) = &filter.outcome {
        conditions.and("i.outcome = ?", Value::text(text_of(outcome)?));
    }
    if let Some(whose) = filter.whose {
        whose.add_to("i.", &mut conditions);
    }
    if let Some(contact) = &filter.contact_id {
        conditions.and("i.contact_id = ?", Value::text(contact.to_string()));
    }
    if let Some(name) = &filter.name {
        conditions.and(
            "i.contact_id IN (SELECT id FROM contacts WHERE ' ' || search_key LIKE ? ESCAPE '!')",
            Value::text(name_pattern(name)),
        );
    }
    if let Some(number) = &filter.number {
        conditions.and(
            "(i.caller_number = ? OR i.callee_number = ? OR i.customer_number = ?)",
            Value::text(number),
        );
    }
    if let Some(min) = filter.duration_min_ms {
        conditions.and("r.duration_ms >= ?", Value::from(min));
    }
    if let Some(max) = filter.duration_max_ms {
        conditions.and("r.duration_ms <= ?", Value::from(max));
    }
    Ok(conditions)
}

fn recorded_call_of(row: &Row) -> Result<RecordedCall, StoreError> {
    Ok(RecordedCall { recording: recording_of(row)?, interaction: json(row, "interactions", "interaction")? })
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
