//! Numbers that the contacts learned: written with the card that has them, gone once the calls of them were looked at.

use std::collections::BTreeSet;

use linecard_calls::CallId;
use linecard_crm::Number;

use crate::database::{Tx, assembled, sql};
use crate::row::id;
use crate::statement::Conditions;
use crate::{Store, StoreError};

/// A number that a card was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The row.
    pub id: String,
    /// E.164, else the extension.
    pub number: String,
}

/// Notes the numbers that a card has now and had not `before`.
pub(crate) async fn note_learned(
    tx: &mut Tx,
    card: &str,
    version: i64,
    before: &BTreeSet<String>,
    now: &[Number],
) -> Result<(), StoreError> {
    let new: BTreeSet<String> = now.iter().filter_map(called_by).filter(|it| !before.contains(it)).collect();
    for (place, number) in (0_i64..).zip(new) {
        sql("INSERT INTO numbers_learned (id, number) VALUES ($1, $2)")
            .bind(format!("{card}:{version}:{place}"))
            .bind(number)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Returns how calls name a number: E.164, else the extension.
fn called_by(number: &Number) -> Option<String> {
    number.e164.clone().or_else(|| number.extension.clone())
}

impl Store {
    /// Returns at most `limit` numbers that were learned and whose calls were not looked at yet, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn learned(&self, limit: u32) -> Result<Vec<Learned>, StoreError> {
        let rows = sql("SELECT id, number FROM numbers_learned ORDER BY id LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok(Learned { id: row.try_get("id")?, number: row.try_get("number")? }))
            .collect()
    }

    /// Forgets what was learned: its calls were looked at.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_learned(&self, learned: &[Learned]) -> Result<(), StoreError> {
        let mut conditions = Conditions::default();
        conditions.and_among("id", false, learned.iter().map(|it| it.id.clone()));
        let text = format!("DELETE FROM numbers_learned{}", conditions.clause());
        assembled(text, &conditions.values).execute(&self.pool).await?;
        Ok(())
    }

    /// Returns at most `limit` calls of the other party `number` that have no contact, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn calls_of_nobody(&self, number: &str, limit: u32) -> Result<Vec<CallId>, StoreError> {
        let rows = sql("SELECT call_id FROM interactions WHERE contact_id IS NULL \
             AND ((direction = 'inbound' AND caller_number = $1) OR (direction = 'outbound' AND callee_number = $1) \
             OR customer_number = $1) \
             ORDER BY started_at DESC, id DESC LIMIT $2")
        .bind(number)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| id(row, "interactions", "call_id")).collect()
    }
}
