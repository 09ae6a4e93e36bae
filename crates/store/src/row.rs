//! Reading a column into a type of ours, with the table's name in the error, and the words of closed sets.

use std::str::FromStr;

use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value};

use crate::StoreError;
use crate::database::Row;

/// Reads a text column that holds an id.
pub(crate) fn id<T: FromStr>(row: &Row, table: &'static str, column: &'static str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|why| StoreError::unreadable(table, format!("{column}: {why}")))
}

/// Reads a text column that holds an id or null.
pub(crate) fn id_opt<T: FromStr>(
    row: &Row,
    table: &'static str,
    column: &'static str,
) -> Result<Option<T>, StoreError>
where
    T::Err: std::fmt::Display,
{
    let text: Option<String> = row.try_get(column)?;
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|why| StoreError::unreadable(table, format!("{column}: {why}")))
}

/// Reads a text column that holds one word of a closed set, as serde names it.
pub(crate) fn word<T: DeserializeOwned>(
    row: &Row,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
        .map_err(|why| StoreError::unreadable(table, format!("{column}: {why}")))
}

/// Reads a text column that holds one word of a closed set, or null.
pub(crate) fn word_opt<T: DeserializeOwned>(
    row: &Row,
    table: &'static str,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    let parsed = text.map(|text| T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text)));
    parsed.transpose().map_err(|why| StoreError::unreadable(table, format!("{column}: {why}")))
}

/// Reads a text column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(
    row: &Row,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|why| StoreError::unreadable(table, format!("{column}: {why}")))
}

/// Reads a count that the schema keeps as BIGINT.
pub(crate) fn number<T: TryFrom<i64>>(
    row: &Row,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value)
        .map_err(|_| StoreError::unreadable(table, format!("{column}: {value} is out of range")))
}

/// Returns the word of a closed set as serde names it.
pub(crate) fn text_of<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(other) => Err(StoreError::unreadable("value", format!("{other} is no word"))),
        Err(why) => Err(StoreError::unreadable("value", why)),
    }
}

/// Returns a value as JSON text.
pub(crate) fn json_of<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::unreadable("value", why))
}
