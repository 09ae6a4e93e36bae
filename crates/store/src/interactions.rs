//! Interactions: what the fold made of the ledger, to be found and shown.

use linecard_calls::{CallId, Direction, Interaction, InteractionId, Outcome};
use sqlx::sqlite::SqliteRow;

use crate::page::{List, Page, PageRequest};
use crate::row::{json, text_of};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

/// Which interactions are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct InteractionFilter {
    /// Started at or after, UTC milliseconds.
    pub from: Option<i64>,
    /// Started before, UTC milliseconds.
    pub until: Option<i64>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// How it went.
    pub outcome: Option<Outcome>,
    /// Whose it is.
    pub user_id: Option<String>,
    /// With which contact.
    pub contact_id: Option<String>,
    /// The other party's number, E.164 or digits, whoever called.
    pub number: Option<String>,
    /// Whether it has a recording.
    pub recorded: Option<bool>,
}

const LIST: List = List { columns: "interaction", from: "interactions", key: "started_at", id: "id" };

impl Store {
    /// Returns an interaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interaction(&self, id: InteractionId) -> Result<Option<Interaction>, StoreError> {
        self.row(&LIST, &id.to_string(), interaction_of).await
    }

    /// Returns the interaction that a call left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interaction_of_call(&self, call: CallId) -> Result<Option<Interaction>, StoreError> {
        let row = sqlx::query("SELECT interaction FROM interactions WHERE call_id = $1")
            .bind(call.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(interaction_of).transpose()
    }

    /// Lists interactions, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interactions(
        &self,
        filter: &InteractionFilter,
        page: &PageRequest,
    ) -> Result<Page<Interaction>, StoreError> {
        self.page(&LIST, conditions_of(filter)?, page, interaction_of).await
    }
}

fn conditions_of(filter: &InteractionFilter) -> Result<Conditions, StoreError> {
    let mut conditions = Conditions::default();
    if let Some(from) = filter.from {
        conditions.and("started_at >= ?", Value::Number(from));
    }
    if let Some(until) = filter.until {
        conditions.and("started_at < ?", Value::Number(until));
    }
    if let Some(direction) = &filter.direction {
        conditions.and("direction = ?", Value::text(text_of(direction)?));
    }
    if let Some(outcome) = &filter.outcome {
        conditions.and("outcome = ?", Value::text(text_of(outcome)?));
    }
    if let Some(user) = &filter.user_id {
        conditions.and("user_id = ?", Value::text(user));
    }
    if let Some(contact) = &filter.contact_id {
        conditions.and("contact_id = ?", Value::text(contact));
    }
    if let Some(number) = &filter.number {
        conditions.and("(caller_number = ? OR callee_number = ?)", Value::text(number));
    }
    if let Some(recorded) = filter.recorded {
        conditions.and("recorded = ?", Value::Flag(recorded));
    }
    Ok(conditions)
}

fn interaction_of(row: &SqliteRow) -> Result<Interaction, StoreError> {
    json(row, "interactions", "interaction")
}
