//! Rows of a backup on their way into an empty database: all of them in one transaction, or none.
//!
//! A backup of an older version goes into the schema that it was made from, which is brought up to date afterwards.

use serde_json::{Map, Value as Json};

use crate::address::Address;
use crate::database::{Pool, Tx, assembled, sql};
use crate::frames::forget_clean_stop;
use crate::schema::{Kind, Shape, misfit, tables_at};
use crate::statement::Value;
use crate::{StoreError, newest_schema};

/// What a server writes at its first start, before anybody uses it.
const OF_THE_SERVER: &str = "server_state";

/// Rows written by one statement.
const TOGETHER: usize = 50;

/// A database that can take a backup: nobody has used it.
#[derive(Debug)]
pub struct EmptyDatabase {
    address: Address,
    pool: Pool,
    /// The version of its schema; 0 when it has none.
    version: i64,
    tables: Vec<Shape>,
}

/// The transaction that takes the rows; dropped unfinished it leaves nothing.
#[derive(Debug)]
pub struct Restoring {
    address: Address,
    pool: Pool,
    tx: Tx,
    tables: Vec<Shape>,
}

impl EmptyDatabase {
    /// Opens the database at `url`; with `leftovers` it may hold what an unfinished restore has left.
    ///
    /// # Errors
    /// `StoreError::Used` when it holds rows; as `Store::open` else.
    pub async fn open(url: &str, leftovers: bool) -> Result<Self, StoreError> {
        let address: Address = url.parse()?;
        let pool = address.connect().await?;
        // Only looks whether this program knows the schema, and makes the list of versions.
        address.migrate(&pool, Some(0)).await?;
        let row = sql("SELECT MAX(version) AS version FROM _sqlx_migrations").fetch_one(&pool).await?;
        let version = row.try_get::<Option<i64>>("version")?.unwrap_or_default();
        let tables = tables_at(version).await?;
        let mut used = tables.iter().filter(|table| table.is_kept() && table.name != OF_THE_SERVER);
        while let Some(table) = used.next().filter(|_| !leftovers) {
            let count = assembled(format!("SELECT COUNT(*) AS held FROM {}", table.name), &[]);
            let rows: i64 = count.fetch_one(&pool).await?.try_get("held")?;
            if rows > 0 {
                return Err(StoreError::Used { table: table.name.clone(), rows });
            }
        }
        Ok(Self { address, pool, version, tables })
    }

    /// Makes the tables of a version of the schema and begins to take its rows.
    ///
    /// # Errors
    /// When the database fails, or this program does not know the version.
    pub async fn begin(self, version: i64) -> Result<Restoring, StoreError> {
        let Self { address, pool, version: found, tables } = self;
        if found != version && found != 0 {
            let mut tx = pool.begin().await?;
            for name in tables.iter().rev().map(|table| table.name.as_str()).chain(["_sqlx_migrations"]) {
                assembled(format!("DROP TABLE {name}"), &[]).execute(&mut tx).await?;
            }
            tx.commit().await?;
        }
        address.migrate(&pool, Some(version)).await?;
        let tables = tables_at(version).await?;
        let mut tx = pool.begin().await?;
        for table in tables.iter().rev() {
            assembled(format!("DELETE FROM {}", table.name), &[]).execute(&mut tx).await?;
        }
        Ok(Restoring { address, pool, tx, tables })
    }
}

impl Restoring {
    /// Takes rows of a table: a JSON object a line.
    ///
    /// # Errors
    /// `StoreError::Misfit` when a row has not exactly the table's columns; when the database fails.
    pub async fn insert(&mut self, table: &str, lines: &str) -> Result<(), StoreError> {
        let known = self.tables.iter().find(|it| it.name == table && it.is_kept());
        let shape = known.ok_or_else(|| misfit(table, "there is no such table".to_owned()))?;
        let rows = lines.lines().map(|line| values(shape, line)).collect::<Result<Vec<_>, _>>()?;
        for some in rows.chunks(TOGETHER) {
            let width = shape.columns.len();
            let row = |number: usize| {
                let places: Vec<String> =
                    (1..=width).map(|place| format!("${}", number * width + place)).collect();
                format!("({})", places.join(", "))
            };
            let places: Vec<String> = (0..some.len()).map(row).collect();
            let text = format!("INSERT INTO {} ({}) VALUES {}", shape.name, shape.names(), places.join(", "));
            assembled(text, &some.concat()).execute(&mut self.tx).await?;
        }
        Ok(())
    }

    /// Makes the rows last and brings the schema up to date. Browsers will begin anew: what they were sent after the
    /// backup is not known here.
    ///
    /// # Errors
    /// When the database fails; nothing was taken then.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        forget_clean_stop(&mut self.tx).await?;
        self.tx.commit().await?;
        self.address.migrate(&self.pool, Some(newest_schema())).await?;
        self.pool.close().await;
        Ok(())
    }
}

fn values(table: &Shape, line: &str) -> Result<Vec<Value>, StoreError> {
    let unfit = |why: String| misfit(&table.name, why);
    let mut row: Map<String, Json> = serde_json::from_str(line).map_err(|why| unfit(why.to_string()))?;
    let mut values = Vec::new();
    for column in &table.columns {
        let name = &column.name;
        let json = row.remove(name).ok_or_else(|| unfit(format!("{name} is missing")))?;
        values.push(match (column.kind, json) {
            (Kind::Text, Json::Null) => Value::Text(None),
            (Kind::Text, Json::String(text)) => Value::Text(Some(text)),
            (Kind::Number, Json::Null) => Value::Number(None),
            (Kind::Number, Json::Number(number)) if number.is_i64() => Value::Number(number.as_i64()),
            (Kind::Flag, Json::Bool(flag)) => Value::Flag(flag),
            (_, json) => return Err(unfit(format!("{name} is {json}"))),
        });
    }
    match row.keys().next() {
        Some(name) => Err(unfit(format!("there is no column {name}"))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests;
