//! What is counted of interactions, as conditions: each [`Figure`] in SQL, and local time.
//!
//! The list and the report take a figure's text from here alone, so that a number and the calls behind it agree.

use linecard_calls::metrics::{Figure, Missed, UNDER_WAY_AT_MOST_MS, Zone};
use linecard_calls::{Interaction, UtcMillis};

use crate::database::sql;
use crate::row::json;
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

/// Says that the columns that are counted are filled for every interaction.
const FILLED: &str = "interactions_counted";

/// Rows that are filled in one transaction.
const FILLED_AT_ONCE: u32 = 500;

/// A time of the day or a day of the week in a zone.
#[derive(Debug, Clone, Default)]
pub struct LocalTime {
    /// The zone.
    pub zone: Zone,
    /// The hour in which a call began, 0 to 23.
    pub hour: Option<i64>,
    /// The day of the week on which it began, Monday 1 to Sunday 7.
    pub weekday: Option<i64>,
}

impl LocalTime {
    pub(crate) fn fits(&self, at: UtcMillis) -> bool {
        self.hour.is_none_or(|hour| hour == self.zone.hour(at))
            && self.weekday.is_none_or(|weekday| weekday == self.zone.weekday(at))
    }

    pub(crate) fn add_to(&self, conditions: &mut Conditions) {
        if let Some(hour) = self.hour {
            let told = hour_of("started_at", &self.zone, conditions);
            let wanted = conditions.place(Value::from(hour));
            conditions.push(format!("{told} = {wanted}"));
        }
        if let Some(weekday) = self.weekday {
            let told = weekday_of("started_at", &self.zone, conditions);
            let wanted = conditions.place(Value::from(weekday));
            conditions.push(format!("{told} = {wanted}"));
        }
    }
}

/// Says in SQL which calls a figure counts.
pub(crate) fn figure_in_sql(figure: Figure, within_ms: i64, conditions: &mut Conditions) -> String {
    match figure {
        Figure::Offered => {
            "direction = 'inbound' AND (answered OR missed IS NOT NULL OR ended_at IS NULL)".to_owned()
        }
        Figure::Answered => "direction = 'inbound' AND answered".to_owned(),
        Figure::Missed => "missed IS NOT NULL".to_owned(),
        Figure::NotCalledBack => "missed = 'waiting'".to_owned(),
        Figure::InTime => {
            let within = conditions.place(Value::from(within_ms));
            format!("direction = 'inbound' AND answered AND ringing_ms <= {within}")
        }
        Figure::AbandonedLate => {
            let within = conditions.place(Value::from(within_ms));
            format!("missed IS NOT NULL AND outcome = 'abandoned' AND ringing_ms > {within}")
        }
        Figure::Handled => "direction = 'inbound' AND answered AND ended_at IS NOT NULL".to_owned(),
        Figure::Dialled => "direction = 'outbound'".to_owned(),
        Figure::Reached => "direction = 'outbound' AND answered".to_owned(),
    }
}

/// The hour of a column with a time.
pub(crate) fn hour_of(column: &str, zone: &Zone, conditions: &mut Conditions) -> String {
    format!("(({column} + {}) / 3600000) % 24", offset_of(column, zone, conditions))
}

/// The day of the week of a column with a time; 1970-01-01 was a Thursday.
pub(crate) fn weekday_of(column: &str, zone: &Zone, conditions: &mut Conditions) -> String {
    format!("(({column} + {}) / 86400000 + 3) % 7 + 1", offset_of(column, zone, conditions))
}

fn offset_of(column: &str, zone: &Zone, conditions: &mut Conditions) -> String {
    let (first, changes) = zone.steps();
    let mut offset = conditions.place(Value::from(first));
    for (from, offset_ms) in changes {
        let from = conditions.place(Value::from(from.0));
        let after = conditions.place(Value::from(*offset_ms));
        offset = format!("CASE WHEN {column} >= {from} THEN {after} ELSE {offset} END");
    }
    offset
}

/// Keeps those that are under way at a moment, as [`linecard_calls::metrics::CountedCall::is_under_way`] has it.
pub(crate) fn under_way(at: i64, conditions: &mut Conditions) {
    conditions.and("started_at <= ?", Value::from(at));
    conditions.and("started_at > ?", Value::from(at - UNDER_WAY_AT_MOST_MS));
    conditions.and("(ended_at IS NULL OR ended_at > ? OR started_at = ?)", Value::from(at));
}

/// The columns beside an interaction that exist to be counted, in the order of the statements that write them.
pub(crate) fn columns_of(it: &Interaction) -> [Value; 5] {
    [
        Value::from(it.answered_at.is_some()),
        Value::from(it.ended_at.map(|at| at.0)),
        Value::from(it.ringing_ms),
        Value::from(it.talk_ms),
        Value::from(it.hold_ms),
    ]
}

/// The word of [`Missed`] in its column.
pub(crate) fn missed_word(missed: Missed) -> &'static str {
    match missed {
        Missed::Waiting => "waiting",
        Missed::Settled => "settled",
    }
}

impl Store {
    /// Fills the columns that are counted of interactions from before there were such columns, once.
    pub(crate) async fn fill_counted(&self) -> Result<(), StoreError> {
        let filled = sql("SELECT value FROM server_state WHERE name = $1").bind(FILLED);
        if filled.fetch_optional(&self.pool).await?.is_some() {
            return Ok(());
        }
        self.fill_all_counted().await?;
        sql("INSERT INTO server_state (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(FILLED)
            .bind("yes")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn fill_all_counted(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        while let Some(id) = self.fill_after(&after).await? {
            after = id;
        }
        Ok(())
    }

    async fn fill_after(&self, after: &str) -> Result<Option<String>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let rows = sql("SELECT id, interaction FROM interactions WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(FILLED_AT_ONCE))
            .fetch_all(&mut tx)
            .await?;
        let mut last = None;
        for row in &rows {
            let id: String = row.try_get("id")?;
            let it: Interaction = json(row, "interactions", "interaction")?;
            let mut update = sql("UPDATE interactions SET answered = $1, ended_at = $2, ringing_ms = $3, \
                                  talk_ms = $4, hold_ms = $5 WHERE id = $6");
            for value in columns_of(&it) {
                update = update.bind(value);
            }
            update.bind(&id).execute(&mut tx).await?;
            last = Some(id);
        }
        tx.commit().await?;
        Ok(last)
    }
}
