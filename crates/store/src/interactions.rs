//! Interactions: what the fold made of the ledger, to be found and shown.

use linecard_calls::{CallId, Direction, Interaction, InteractionId, Outcome};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use crate::page::{Cursor, Page, PageRequest};
use crate::row::{json, text_of};
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

impl Store {
    /// Returns an interaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interaction(&self, id: InteractionId) -> Result<Option<Interaction>, StoreError> {
        let row = sqlx::query("SELECT interaction FROM interactions WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(interaction_of).transpose()
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
        let mut count = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM interactions WHERE 1 = 1");
        push_filter(&mut count, filter)?;
        let total: i64 = count.build_query_scalar().fetch_one(&self.pool).await?;
        let from = page.cursor.clone().unwrap_or_else(Cursor::top);
        let mut list = QueryBuilder::<Sqlite>::new("SELECT interaction FROM interactions WHERE 1 = 1");
        push_filter(&mut list, filter)?;
        list.push(" AND (started_at < ").push_bind(from.key);
        list.push(" OR (started_at = ").push_bind(from.key).push(" AND id < ").push_bind(from.id).push("))");
        list.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(i64::from(page.limit) + 1);
        let rows = list.build().fetch_all(&self.pool).await?;
        let found = rows.iter().map(interaction_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(found, total, page.limit, |it| Cursor { key: it.started_at.0, id: it.id.to_string() }))
    }
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &InteractionFilter) -> Result<(), StoreError> {
    if let Some(from) = filter.from {
        query.push(" AND started_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" AND started_at < ").push_bind(until);
    }
    if let Some(direction) = &filter.direction {
        query.push(" AND direction = ").push_bind(text_of(direction)?);
    }
    if let Some(outcome) = &filter.outcome {
        query.push(" AND outcome = ").push_bind(text_of(outcome)?);
    }
    if let Some(user) = &filter.user_id {
        query.push(" AND user_id = ").push_bind(user.clone());
    }
    if let Some(contact) = &filter.contact_id {
        query.push(" AND contact_id = ").push_bind(contact.clone());
    }
    if let Some(number) = &filter.number {
        query.push(" AND (caller_number = ").push_bind(number.clone());
        query.push(" OR callee_number = ").push_bind(number.clone()).push(")");
    }
    if let Some(recorded) = filter.recorded {
        query.push(" AND recorded = ").push_bind(recorded);
    }
    Ok(())
}

fn interaction_of(row: &SqliteRow) -> Result<Interaction, StoreError> {
    json(row, "interactions", "interaction")
}
