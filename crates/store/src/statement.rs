//! Statements whose columns or conditions are put together: rows that carry a version, and conditions of a list.
//!
//! Only constants of this crate become SQL text; what comes from outside is always bound.

use linecard_calls::UtcMillis;

use crate::StoreError;
use crate::database::{Db, assembled};

/// What a column is given or compared with.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// TEXT or null.
    Text(Option<String>),
    /// BIGINT or null.
    Number(Option<i64>),
    /// BOOLEAN.
    Flag(bool),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        text.clone().into()
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
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
        db: impl Into<Db<'_>>,
        id: &str,
        columns: Columns,
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        let (mut names, mut values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        names.extend(["id", "version", "created_at"]);
        values.extend([Value::text(id), Value::from(1_i64), Value::from(now.0)]);
        let places: Vec<String> = (1..=values.len()).map(|place| format!("${place}")).collect();
        let text = format!("INSERT INTO {} ({}) VALUES ({})", self.name, names.join(", "), places.join(", "));
        assembled(text, &values).execute(db).await.map_err(|error| self.refused(error))?;
        Ok(())
    }

    /// Changes the row `id` that is still at `version`; else `Stale`.
    pub(crate) async fn update(
        &self,
        db: impl Into<Db<'_>>,
        id: &str,
        columns: Columns,
        version: i64,
    ) -> Result<(), StoreError> {
        let (names, mut values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let assignments: Vec<String> =
            (1..).zip(names).map(|(place, name)| format!("{name} = ${place}")).collect();
        let (id_place, version_place) = (values.len() + 1, values.len() + 2);
        values.extend([Value::text(id), Value::from(version)]);
        let text = format!(
            "UPDATE {} SET {}, version = version + 1 WHERE id = ${id_place} AND version = ${version_place}",
            self.name,
            assignments.join(", ")
        );
        let changed = assembled(text, &values).execute(db).await.map_err(|error| self.refused(error))?;
        if changed == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    /// Deletes the row `id` that is still at `version`; else `Stale`.
    pub(crate) async fn delete(
        &self,
        db: impl Into<Db<'_>>,
        id: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        let text = format!("DELETE FROM {} WHERE id = $1 AND version = $2", self.name);
        let changed = assembled(text, &[Value::text(id), Value::from(version)]).execute(db).await?;
        if changed == 0 { Err(StoreError::Stale) } else { Ok(()) }
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

    /// Takes a value and yields its placeholder.
    pub(crate) fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
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
