//! The one way by which SQL reaches a database: the same text and the same values, whichever of the two it is.
//!
//! What differs between the two stands in `dialect`; everything else compiles for both drivers from one typed body.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, IntoArguments, PgPool, Postgres, SqlSafeStr, SqlStr, Sqlite,
    SqlitePool, Transaction, Type,
};

use crate::dialect::{self, Twin};
use crate::statement::Value;

/// Compiles one body for the driver that the value is of.
macro_rules! on_either {
    ($kind:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            $kind::Sqlite($inner) => $body,
            $kind::Postgres($inner) => $body,
        }
    };
}

/// Runs a statement on whatever `$db` is, and shapes what the driver answered.
macro_rules! run {
    ($statement:expr, $db:expr, $verb:ident, $answer:ident => $shape:expr) => {
        match $db.into() {
            Db::Pool(Pool::Sqlite(pool)) => {
                let $answer = $statement.bound::<Sqlite>().$verb(pool).await?;
                Ok($shape)
            }
            Db::Pool(Pool::Postgres(pool)) => {
                let $answer = $statement.bound::<Postgres>().$verb(pool).await?;
                Ok($shape)
            }
            Db::Tx(Tx::Sqlite(tx)) => {
                let $answer = $statement.bound::<Sqlite>().$verb(&mut **tx).await?;
                Ok($shape)
            }
            Db::Tx(Tx::Postgres(tx)) => {
                let $answer = $statement.bound::<Postgres>().$verb(&mut **tx).await?;
                Ok($shape)
            }
        }
    };
}

/// Connections to one of the two databases.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

impl Pool {
    /// Begins a transaction that will write.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(&dialect::BEGIN_WRITING).await
    }

    /// Begins a transaction in which nothing changes.
    pub(crate) async fn begin_reading(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(&dialect::BEGIN_READING).await
    }

    async fn begin_with(&self, twin: &Twin) -> Result<Tx, sqlx::Error> {
        let begin = self.dialect(twin);
        match self {
            Self::Sqlite(pool) => pool.begin_with(begin).await.map(Tx::Sqlite),
            Self::Postgres(pool) => pool.begin_with(begin).await.map(Tx::Postgres),
        }
    }

    /// Makes sure that there is a connection and that it answers.
    pub(crate) async fn reach(&self) -> Result<(), sqlx::Error> {
        on_either!(Self, self, pool => pool.acquire().await.map(drop))
    }

    pub(crate) async fn close(&self) {
        on_either!(Self, self, pool => pool.close().await);
    }

    /// Returns the text of a twin that this database takes.
    pub(crate) fn dialect(&self, twin: &Twin) -> &'static str {
        match self {
            Self::Sqlite(_) => twin.sqlite,
            Self::Postgres(_) => twin.postgres,
        }
    }
}

/// A transaction that has begun; dropped without a commit it undoes everything.
#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        on_either!(Self, self, tx => tx.commit().await)
    }
}

/// Where a statement runs: on any connection, or in a transaction.
#[derive(Debug)]
pub(crate) enum Db<'a> {
    Pool(&'a Pool),
    Tx(&'a mut Tx),
}

impl<'a> From<&'a Pool> for Db<'a> {
    fn from(pool: &'a Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'a> From<&'a mut Tx> for Db<'a> {
    fn from(tx: &'a mut Tx) -> Self {
        Self::Tx(tx)
    }
}

/// A row that was read.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl Row {
    /// Reads the column of that name.
    pub(crate) fn try_get<T: Column>(&self, column: &str) -> Result<T, sqlx::Error> {
        on_either!(Self, self, row => sqlx::Row::try_get(row, column))
    }
}

/// What a column of either database can be read as.
pub(crate) trait Column:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// A text with the values of its placeholders `$1` and on.
#[derive(Debug)]
pub(crate) struct Statement {
    text: SqlStr,
    values: Vec<Value>,
}

/// Makes a statement of a constant text.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), values: Vec::new() }
}

/// Makes a statement of a text that was put together from constants of this crate.
pub(crate) fn assembled(text: String, values: &[Value]) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), values: values.to_vec() }
}

/// Makes a statement of a text of that kind which is used again and again.
pub(crate) fn shared(text: Arc<str>, values: Vec<Value>) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), values }
}

impl Statement {
    /// Gives the next placeholder its value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs the statement and returns how many rows it touched.
    pub(crate) async fn execute(self, db: impl Into<Db<'_>>) -> Result<u64, sqlx::Error> {
        run!(self, db, execute, done => done.rows_affected())
    }

    /// Runs the statement and returns its rows.
    pub(crate) async fn fetch_all(self, db: impl Into<Db<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        run!(self, db, fetch_all, rows => rows.into_iter().map(Row::from).collect())
    }

    /// Runs the statement and returns its first row.
    pub(crate) async fn fetch_optional(self, db: impl Into<Db<'_>>) -> Result<Option<Row>, sqlx::Error> {
        run!(self, db, fetch_optional, row => row.map(Row::from))
    }

    /// Runs a statement that answers with one row.
    pub(crate) async fn fetch_one(self, db: impl Into<Db<'_>>) -> Result<Row, sqlx::Error> {
        run!(self, db, fetch_one, row => Row::from(row))
    }

    fn bound<D>(self) -> Query<'static, D, D::Arguments>
    where
        D: Database,
        D::Arguments: IntoArguments<D>,
        Option<String>: Encode<'static, D> + Type<D>,
        Option<i64>: Encode<'static, D> + Type<D>,
        bool: Encode<'static, D> + Type<D>,
    {
        #[cfg(test)]
        crate::texts::saw(D::NAME, self.text.as_str());
        self.values.into_iter().fold(sqlx::query::<D>(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text.map(without_nul)),
            Value::Number(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
        })
    }
}

/// PostgreSQL keeps no NUL in a text. What it is replaced with is what a reader would see anyway.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
