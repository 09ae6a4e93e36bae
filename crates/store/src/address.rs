//! Where the database is, and how its connections are opened: a file for SQLite, a server for PostgreSQL.
//!
//! Whatever keeps it from being opened is said in one line that says what to write, and never repeats a password.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool, SqlitePool};

use crate::database::{Pool, Row, sql};
use crate::{Store, StoreError, dialect};

/// The only history of the schema: forward, portable.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// How long a request of a person waits for a connection, or for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the ledger waits for a lock before it takes the spool instead.
const LEDGER_PATIENCE: Duration = Duration::from_millis(50);

/// Connections for everything but the ledger.
const CONNECTIONS: u32 = 6;

/// An address that names a database; whether it is there shows only when it is opened.
#[derive(Debug, Clone)]
pub enum Address {
    /// `sqlite://PATH`
    Sqlite(Box<SqliteConnectOptions>),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    Postgres(Box<PgConnectOptions>),
}

impl FromStr for Address {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        // The drivers would take other addresses too, for the name of a file or for their defaults.
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(|error| {
                StoreError::url(format!("{url:?} cannot be read ({error}); write \"sqlite://PATH\""))
            })?;
            Ok(Self::Sqlite(Box::new(options)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres(url).map(|options| Self::Postgres(Box::new(options)))
        } else {
            Err(StoreError::url(
                "write \"sqlite://PATH\", or \"postgres://USER:PASSWORD@HOST/DATABASE\"".to_owned(),
            ))
        }
    }
}

fn postgres(url: &str) -> Result<PgConnectOptions, StoreError> {
    const SHAPE: &str = "write \"postgres://USER:PASSWORD@HOST/DATABASE\", with %XX for signs other than letters and \
                         digits in a name or password";
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::url(format!("it cannot be read ({}); {SHAPE}", reason(&error))))?;
    if options.get_database().is_none() {
        return Err(StoreError::url(format!("it names no database; {SHAPE}")));
    }
    if !matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer) {
        let advice =
            "this build speaks to PostgreSQL without TLS; leave sslmode out, or write sslmode=disable";
        return Err(StoreError::url(advice.to_owned()));
    }
    // The driver logs each statement that takes a second with its text; texts hold no values, so that is left as it is.
    Ok(options.ssl_mode(PgSslMode::Disable).application_name("linecard"))
}

impl Address {
    /// Returns the file that an existing database would be in, when there is none.
    #[must_use]
    pub fn missing_file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(options) => Some(options.get_filename().to_owned()).filter(|file| !file.exists()),
            Self::Postgres(_) => None,
        }
    }

    /// Opens the database and brings its schema up to date. A missing file is made, a missing database is not.
    pub(crate) async fn open(self) -> Result<Store, StoreError> {
        let pool = self.connect().await?;
        self.migrate(&pool, None).await?;
        let ledger = self.connect_apart(LEDGER_PATIENCE).await?;
        let pops = self.connect_apart(PATIENCE).await?;
        // The first signal of the first call is not to wait until a connection is made.
        ledger.reach().await?;
        Ok(Store { pool, pops, ledger })
    }

    /// Opens the connection of one who must not wait for others, and keeps it.
    async fn connect_apart(&self, patience: Duration) -> Result<Pool, StoreError> {
        Ok(match self {
            Self::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
                Pool::Sqlite(connect_file(options, pool, patience).await?)
            }
            Self::Postgres(options) => {
                // The second connection is for the time in which a lost network holds the first one.
                let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE);
                let pool = pool.idle_timeout(None).max_lifetime(None);
                Pool::Postgres(with_patience(pool, patience, options))
            }
        })
    }

    /// Opens the connections for everything but the ledger, and leaves the schema as it is.
    pub(crate) async fn connect(&self) -> Result<Pool, StoreError> {
        match self {
            Self::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
                Ok(Pool::Sqlite(connect_file(options, pool, PATIENCE).await?))
            }
            Self::Postgres(options) => {
                try_connection(options).await.map_err(|error| refused(options, &error))?;
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
                let pool = Pool::Postgres(with_patience(pool, PATIENCE, options));
                check_sorting(options, &pool).await?;
                Ok(pool)
            }
        }
    }

    /// Brings the schema up to a version, or up to date.
    pub(crate) async fn migrate(&self, pool: &Pool, version: Option<i64>) -> Result<(), StoreError> {
        let version = version.unwrap_or(i64::MAX);
        let done = match pool {
            Pool::Sqlite(pool) => MIGRATIONS.run_to(version, pool).await,
            Pool::Postgres(pool) => MIGRATIONS.run_to(version, pool).await,
        };
        done.map_err(|error| match self {
            Self::Sqlite(_) => StoreError::Migrate(error),
            Self::Postgres(options) => may_not(options, error),
        })
    }
}

async fn connect_file(
    options: &SqliteConnectOptions,
    pool: SqlitePoolOptions,
    patience: Duration,
) -> Result<SqlitePool, StoreError> {
    let options = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(patience);
    let file = options.get_filename().display().to_string();
    // A file does not go away as a server does: asking whether it is there would double the way of every statement.
    let pool = pool.acquire_timeout(PATIENCE).test_before_acquire(false);
    pool.connect_with(options).await.map_err(|source| StoreError::Open {
        what: file,
        why: reason(&source),
        advice: "write the path of a SQLite database, or of a new one in a folder that is there".to_owned(),
    })
}

/// Connects once: a pool would try again and again, and forget why it could not.
async fn try_connection(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connection = tokio::time::timeout(PATIENCE, options.connect())
        .await
        .map_err(|_| sqlx::Error::Io(ErrorKind::TimedOut.into()))??;
    connection.close().await
}

/// Makes a pool whose connections wait so long for a lock, and whose commits are on the disk when they return.
fn with_patience(pool: PgPoolOptions, patience: Duration, options: &PgConnectOptions) -> PgPool {
    let settings = dialect::session(patience.as_millis());
    pool.after_connect(move |connection, _| {
        let settings = AssertSqlSafe(settings.clone());
        Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(drop) })
    })
    .connect_lazy_with(options.clone())
}

/// Refuses a database whose text does not sort as Rust and SQLite sort it.
async fn check_sorting(options: &PgConnectOptions, pool: &Pool) -> Result<(), StoreError> {
    let row: Row = sql(dialect::SORTING).fetch_one(pool).await?;
    let by_bytes: bool = row.try_get("by_bytes")?;
    let (encoding, sorting): (String, String) = (row.try_get("encoding")?, row.try_get("sorting")?);
    if by_bytes && encoding == "UTF8" {
        return Ok(());
    }
    let why = format!("its text is {encoding} and sorts by {sorting:?}, where UTF8 and \"C\" are needed");
    Err(StoreError::Open { what: name_of(options), why, advice: creation(options) })
}

/// How to make a database that can be used.
fn creation(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_default();
    format!(
        "make one with `createdb --template=template0 --encoding=UTF8 --locale=C --owner={} {name}`, or write the name \
         of another",
        options.get_username()
    )
}

/// The address without its password.
fn name_of(options: &PgConnectOptions) -> String {
    let (user, database) = (options.get_username(), options.get_database().unwrap_or_default());
    match options.get_socket() {
        Some(socket) => format!("postgres://{user}@/{database}?host={}", socket.display()),
        None => format!("postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

/// Says why the server was not opened, and what to do about it.
fn refused(options: &PgConnectOptions, error: &sqlx::Error) -> StoreError {
    let code = match error {
        sqlx::Error::Database(error) => error.code().map(std::borrow::Cow::into_owned),
        _ => None,
    };
    let advice = match code.as_deref() {
        // invalid_password; invalid_authorization_specification
        Some("28P01" | "28000") => "write the user and the password that the server knows".to_owned(),
        // invalid_catalog_name
        Some("3D000") => creation(options),
        Some(_) => "make the server take the connection, or write another address".to_owned(),
        None => "start the server, or write the address of one that runs".to_owned(),
    };
    StoreError::Open { what: name_of(options), why: reason(error), advice }
}

/// Names the owner's right when that is what the schema lacks.
fn may_not(options: &PgConnectOptions, error: MigrateError) -> StoreError {
    match &error {
        // insufficient_privilege
        MigrateError::Execute(sqlx::Error::Database(why))
        | MigrateError::ExecuteMigration(sqlx::Error::Database(why), _)
            if why.code().as_deref() == Some("42501") =>
        {
            let advice = format!(
                "make {:?} the owner of the database, or write a user who is",
                options.get_username()
            );
            StoreError::Open { what: name_of(options), why: why.message().to_owned(), advice }
        }
        _ => StoreError::Migrate(error),
    }
}

/// The driver's reason without the driver's own words around it.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Configuration(error) => error.to_string(),
        error => error.to_string(),
    }
}
