//! Everything that a backup holds of the database, read as it was at one moment, beside a running server.
//!
//! Rows are JSON objects, a line each, the same for both databases.

use std::collections::BTreeMap;

use linecard_calls::{CallId, RecordingId, RecordingState, Signal};
use serde_json::{Map, Value as Json};

use crate::database::{Row, Tx, assembled, sql};
use crate::ledger::unsettled_calls;
use crate::row::{id, word};
use crate::schema::{ColumnShape, Kind, Shape, newest_schema, tables_at};
use crate::statement::Value;
use crate::{Store, StoreError};

/// Rows read at a time.
const ROWS: i64 = 1_000;

/// A moment of the database that stays as it is while it is read.
#[derive(Debug)]
pub struct Snapshot {
    tx: Tx,
    /// What is still to be read, the last first.
    tables: Vec<Shape>,
    /// The part of the last of them that was read, and the key of its last row.
    part: u32,
    after: Vec<Value>,
    recordings: Vec<(RecordingId, RecordingState)>,
    unsettled: BTreeMap<CallId, Vec<Signal>>,
}

/// Some rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The table.
    pub table: String,
    /// Which part of it, from 1.
    pub part: u32,
    /// How many rows these are.
    pub rows: u64,
    /// A JSON object a line.
    pub lines: String,
}

impl Store {
    /// Begins to read everything as it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut tables = tables_at(newest_schema()).await?;
        tables.retain(Shape::is_kept);
        tables.reverse();
        let mut tx = self.pool.begin_reading().await?;
        // The first read is the moment.
        let recordings = recordings(&mut tx).await?;
        let unsettled = unsettled_calls(&mut tx).await?;
        Ok(Snapshot { tx, tables, part: 0, after: Vec::new(), recordings, unsettled })
    }
}

impl Snapshot {
    /// Returns every recording and how it stands.
    #[must_use]
    pub fn recordings(&self) -> &[(RecordingId, RecordingState)] {
        &self.recordings
    }

    /// Returns the calls that a restart would have to look at, with their signals in order.
    #[must_use]
    pub fn unsettled_calls(&self) -> &BTreeMap<CallId, Vec<Signal>> {
        &self.unsettled
    }

    /// Reads the next rows; every table has one part at least, and a table comes after those that it refers to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Option<Part>, StoreError> {
        let Some(table) = self.tables.last() else { return Ok(None) };
        let rows = page(table, &self.after).fetch_all(&mut self.tx).await?;
        let mut lines = String::new();
        for row in &rows {
            lines += &Json::Object(object(table, row)?).to_string();
            lines.push('\n');
        }
        self.part += 1;
        let part = Part { table: table.name.clone(), part: self.part, rows: rows.len() as u64, lines };
        match rows.last().filter(|_| rows.len() as u64 == ROWS.unsigned_abs()) {
            Some(last) => {
                self.after =
                    table.key().into_iter().map(|column| value(column, last)).collect::<Result<_, _>>()?;
            }
            None => {
                self.tables.pop();
                (self.part, self.after) = (0, Vec::new());
            }
        }
        Ok(Some(part))
    }
}

async fn recordings(tx: &mut Tx) -> Result<Vec<(RecordingId, RecordingState)>, StoreError> {
    let rows = sql("SELECT id, state FROM recordings ORDER BY started_at, id").fetch_all(tx).await?;
    let read = |row: &Row| Ok((id(row, "recordings", "id")?, word(row, "recordings", "state")?));
    rows.iter().map(read).collect()
}

/// The rows of a table after a key, in the order of the key.
fn page(table: &Shape, after: &[Value]) -> crate::database::Statement {
    let key: Vec<_> = table.key().iter().map(|column| column.name.as_str()).collect();
    let key = key.join(", ");
    let places: Vec<String> = (1..=after.len()).map(|place| format!("${place}")).collect();
    let begin =
        if after.is_empty() { String::new() } else { format!(" WHERE ({key}) > ({})", places.join(", ")) };
    let text = format!(
        "SELECT {} FROM {}{begin} ORDER BY {key} LIMIT ${}",
        table.names(),
        table.name,
        after.len() + 1
    );
    assembled(text, after).bind(ROWS)
}

fn object(table: &Shape, row: &Row) -> Result<Map<String, Json>, StoreError> {
    table.columns.iter().map(|column| Ok((column.name.clone(), json(column, row)?))).collect()
}

fn json(column: &ColumnShape, row: &Row) -> Result<Json, StoreError> {
    let name = column.name.as_str();
    Ok(match column.kind {
        Kind::Text => row.try_get::<Option<String>>(name)?.into(),
        Kind::Number => row.try_get::<Option<i64>>(name)?.into(),
        Kind::Flag => row.try_get::<Option<bool>>(name)?.into(),
    })
}

fn value(column: &ColumnShape, row: &Row) -> Result<Value, StoreError> {
    let name = column.name.as_str();
    Ok(match column.kind {
        Kind::Text => Value::Text(row.try_get(name)?),
        Kind::Number => Value::Number(row.try_get(name)?),
        Kind::Flag => Value::Flag(row.try_get(name)?),
    })
}
