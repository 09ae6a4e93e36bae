//! Statements whose columns or conditions are put together: rows that carry a version, and conditions of a list.
//!
//! Only constants of this crate become SQL text; what comes from outside is always bound.

use linecard_calls::UtcMillis;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use crate::StoreError;

/// What a column is given or compared with.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// TEXT or null.
    Text(Option<String>),
    /// BIGINT.
    Number(i64),
    /// BOOLEAN.
    Flag(bool),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }
}

/// Makes a query of `text`, whose placeholders `$1` and on stand for `values` in order.
pub(crate) fn query(text: String, values: &[Value]) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(text));
    values.iter().cloned().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Flag(flag) => query.bind(flag),
    })
}

/// The columns of a row, without id, version and time.
pub(crate) type Columns = Vec<(&'static str, Value)>;

/// A table of rows with `id`, `version` and `created_at`.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The field to blame when a value must be unique and is not.
    pub(crate) unique: &'static str,
    /// The field to blame when a reference points at nothing.
    pub(crate) reference: &'static str,
}

impl Table {
    /// Adds a row at version 1.
    pub(crate) async fn insert(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        columns: Columns,
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        let (mut names, mut values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        names.extend(["id", "version", "created_at"]);
        values.extend([Value::text(id), Value::Number(1), Value::Number(now.0)]);
        let places: Vec<String> = (1..=values.len()).map(|place| format!("${place}")).collect();
        let text = format!("INSERT INTO {} ({}) VALUES ({})", self.name, names.join(", "), places.join(", "));
        query(text, &values).execute(db).await.map_err(|error| self.refused(error))?;
        Ok(())
    }

    /// Changes the row `id` that is still at `version`; else `Stale`.
    pub(crate) async fn update(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        columns: Columns,
        version: i64,
    ) -> Result<(), StoreError> {
        let (names, mut values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let assignments: Vec<String> =
            (1..).zip(names).map(|(place, name)| format!("{name} = ${place}")).collect();
        let (id_place, version_place) = (values.len() + 1, values.len() + 2);
        values.extend([Value::text(id), Value::Number(version)]);
        let text = format!(
            "UPDATE {} SET {}, version = version + 1 WHERE id = ${id_place} AND version = ${version_place}",
            self.name,
            assignments.join(", ")
        );
        let done = query(text, &values).execute(db).await.map_err(|error| self.refused(error))?;
        if done.rows_affected() == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    /// Deletes the row `id` that is still at `version`; else `Stale`.
    pub(crate) async fn delete(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        let text = format!("DELETE FROM {} WHERE id = $1 AND version = $2", self.name);
        let done = query(text, &[Value::text(id), Value::Number(version)]).execute(db).await?;
        if done.rows_affected() == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    fn refused(&self, error: sqlx::Error) -> StoreError {
        StoreError::constraint(error, self.unique, self.reference)
    }
}

/// Conditions that must all hold; none holds for every row.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    texts: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition in which each `?` stands for `value`.
    pub(crate) fn and(&mut self, condition: &'static str, value: Value) {
        self.values.push(value);
        self.texts.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    /// Adds a condition whose placeholders are in place.
    pub(crate) fn push(&mut self, condition: String) {
        self.texts.push(condition);
    }

    /// Adds that `column` holds, or with `none` does not hold, one of `values`.
    pub(crate) fn and_among(
        &mut self,
        column: &'static str,
        none: bool,
        values: impl IntoIterator<Item = String>,
    ) {
        let first = self.values.len() + 1;
        self.values.extend(values.into_iter().map(Value::text));
        let places: Vec<String> = (first..=self.values.len()).map(|place| format!("${place}")).collect();
        let not = if none { "NOT " } else { "" };
        self.texts.push(format!("{column} {not}IN ({})", places.join(", ")));
    }

    /// Returns the WHERE clause.
    pub(crate) fn clause(&self) -> String {
        if self.texts.is_empty() { String::new() } else { format!(" WHERE {}", self.texts.join(" AND ")) }
    }
}
