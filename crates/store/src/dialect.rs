//! The texts of which SQLite and PostgreSQL each need their own, because nothing portable says the same.
//!
//! Every other text is one for both. What is added here is counted below and tested by the conformance suite.

/// One meaning, one text for each database.
#[derive(Debug)]
pub(crate) struct Twin {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Begins a transaction that will write. SQLite takes its one write lock here: taken later, after a read, it could be
/// refused at once however patient the connection is.
pub(crate) const BEGIN_WRITING: Twin = Twin { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN" };

/// Begins a transaction that reads everything as it was at one moment.
pub(crate) const BEGIN_READING: Twin =
    Twin { sqlite: "BEGIN", postgres: "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" };

/// What the database finds wrong with itself, a row a `fault`; SQLite says `ok` when there is none.
pub(crate) const INTEGRITY: Twin = Twin {
    sqlite: "SELECT integrity_check AS fault FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    postgres: "SELECT CAST(indexrelid AS regclass) || ' is not valid' AS fault FROM pg_index WHERE NOT indisvalid",
};

/// PostgreSQL alone: whether text sorts by its bytes (capital letters first), how it is written, and the name of its
/// sorting, which stands in another column in each of the last versions.
pub(crate) const SORTING: &str = "SELECT 'Z' < 'a' AS by_bytes, CAST(pg_encoding_to_char(d.encoding) AS TEXT) AS encoding, \
     COALESCE(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', CAST(d.datcollate AS TEXT)) AS sorting \
     FROM pg_database d WHERE d.datname = current_database()";

/// SQLite alone, of a database in memory that the migrations have made: every column of every table, whether it is part
/// of the primary key, and which table it refers to.
pub(crate) const SHAPES: &str = "SELECT t.name AS table_name, c.name AS column_name, c.type AS kind, c.pk AS key_place, \
     f.\"table\" AS refers FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
     LEFT JOIN pragma_foreign_key_list(t.name) f ON f.\"from\" = c.name \
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name <> '_sqlx_migrations' ORDER BY t.name, c.cid";

/// PostgreSQL alone, where SQLite's driver has options: a commit is on the disk when it returns, and a lock is waited
/// for so many milliseconds.
pub(crate) fn session(patience_ms: u128) -> String {
    format!("SET synchronous_commit = on; SET lock_timeout = {patience_ms}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_few_and_differ() {
        let twins = [BEGIN_WRITING, BEGIN_READING, INTEGRITY];
        let alone = [SORTING.to_owned(), SHAPES.to_owned(), session(1)];
        assert!(twins.len() + alone.len() <= 8);
        assert!(twins.iter().all(|twin| twin.sqlite != twin.postgres));
    }
}
