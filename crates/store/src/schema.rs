//! The tables and columns that the migrations make, read from a database in memory: whichever database the rows are in,
//! and whatever else may be in it, these are ours. A new table is here by itself.

use sqlx::sqlite::SqlitePoolOptions;

use crate::address::MIGRATIONS;
use crate::database::{Pool, Row, sql};
use crate::{StoreError, dialect};

/// What no backup holds: where telephones were is not where they are then; frames can be resumed from only where their epoch goes on, and a session that was closed after
/// the backup is not to be open again.
const LEFT_OUT: [&str; 3] = ["frames", "phone_bindings", "sessions"];

/// A table as the migrations make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnShape>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnShape {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its place in the primary key, from 1; 0 when it is not part of it.
    key_place: i64,
    refers: Option<String>,
}

/// What the portable subset has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Flag,
}

impl Shape {
    /// Tells whether its rows are in a backup.
    pub(crate) fn is_kept(&self) -> bool {
        !LEFT_OUT.contains(&self.name.as_str())
    }

    /// Returns the columns of the primary key, in its order.
    pub(crate) fn key(&self) -> Vec<&ColumnShape> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.key_place > 0).collect();
        key.sort_by_key(|column| column.key_place);
        key
    }

    /// Returns the names of all columns, separated by commas.
    pub(crate) fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
impl ColumnShape {
    /// Returns the table that the column refers to.
    pub(crate) fn refers(&self) -> Option<&str> {
        self.refers.as_deref()
    }
}

/// Returns the version of the newest schema that this program knows.
#[must_use]
pub fn newest_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Returns the tables of a version of the schema, each after those that it refers to.
pub(crate) async fn tables_at(version: i64) -> Result<Vec<Shape>, StoreError> {
    let memory = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    MIGRATIONS.run_to(version, &memory).await?;
    let memory = Pool::Sqlite(memory);
    let rows = sql(dialect::SHAPES).fetch_all(&memory).await?;
    memory.close().await;
    let mut tables: Vec<Shape> = Vec::new();
    for row in &rows {
        let name: String = row.try_get("table_name")?;
        let column = column_of(&name, row)?;
        match tables.last_mut().filter(|table| table.name == name) {
            Some(table) => table.columns.push(column),
            None => tables.push(Shape { name, columns: vec![column] }),
        }
    }
    in_order(tables)
}

fn column_of(table: &str, row: &Row) -> Result<ColumnShape, StoreError> {
    let kind: String = row.try_get("kind")?;
    let kind = match kind.as_str() {
        "TEXT" => Kind::Text,
        "BIGINT" => Kind::Number,
        "BOOLEAN" => Kind::Flag,
        _ => return Err(misfit(table, format!("{kind} is not of the portable subset"))),
    };
    let (name, refers) = (row.try_get("column_name")?, row.try_get("refers")?);
    Ok(ColumnShape { name, kind, key_place: row.try_get("key_place")?, refers })
}

/// Puts each table after those that it refers to.
fn in_order(mut tables: Vec<Shape>) -> Result<Vec<Shape>, StoreError> {
    let mut placed: Vec<Shape> = Vec::new();
    while !tables.is_empty() {
        let is_free = |table: &Shape| {
            let mut refers = table.columns.iter().filter_map(|column| column.refers.as_ref());
            refers.all(|other| placed.iter().any(|it| it.name == *other))
        };
        let (free, bound): (Vec<_>, Vec<_>) = tables.into_iter().partition(is_free);
        if let (true, Some(table)) = (free.is_empty(), bound.first()) {
            return Err(misfit(&table.name, "it refers to itself in a circle".to_owned()));
        }
        placed.extend(free);
        tables = bound;
    }
    Ok(placed)
}

pub(crate) fn misfit(table: &str, why: String) -> StoreError {
    StoreError::Misfit { table: table.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_table_has_a_key_and_what_is_left_out_is_there() {
        let tables = tables_at(newest_schema()).await.unwrap();
        assert!(tables.len() >= 17, "{tables:?}");
        for table in &tables {
            assert!(!table.key().is_empty(), "{} has no primary key to read it in order by", table.name);
        }
        for left_out in LEFT_OUT {
            assert!(tables.iter().any(|table| table.name == left_out), "{left_out}");
        }
        let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        assert!(place("users") < place("lines") && place("contacts") < place("numbers"));
    }

    #[tokio::test]
    async fn an_older_schema_is_what_it_was() {
        let tables = tables_at(1).await.unwrap();
        assert!(!tables.iter().any(|table| table.name == "audit"));
        let keys = tables.iter().find(|table| table.name == "idempotency_keys").unwrap();
        assert!(!keys.names().contains("content_type"));
        let key: Vec<_> = keys.key().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(key, ["user_id", "key"]);
    }
}
