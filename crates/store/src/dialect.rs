//! The texts of which SQLite and PostgreSQL each need their own, because nothing portable says the same.
//!
//! Every other text is one for both. A new twin is entered in `TWINS` and tested by the conformance suite.

/// One meaning, one text for each database.
#[derive(Debug)]
pub(crate) struct Twin {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Begins a transaction that will write. SQLite takes its one write lock here: taken later, after a read, it could be
/// refused at once however patient the connection is.
pub(crate) const BEGIN_WRITING: Twin = Twin { sqlite: "BEGIN IMMEDIATE", postgres: "BEGIN" };

/// What the database finds wrong with itself, a row a `fault`; SQLite says `ok` when there is none.
pub(crate) const INTEGRITY: Twin = Twin {
    sqlite: "SELECT integrity_check AS fault FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    postgres: "SELECT CAST(indexrelid AS regclass) || ' is not valid' AS fault FROM pg_index WHERE NOT indisvalid",
};

/// Whether text sorts by its bytes (capital letters first), and how it is written and sorted.
pub(crate) const SORTING: Twin = Twin {
    sqlite: "SELECT 'Z' < 'a' AS by_bytes, 'UTF8' AS encoding, 'BINARY' AS sorting",
    // The name of the sorting stands in another column in each of the last versions.
    postgres: "SELECT 'Z' < 'a' AS by_bytes, CAST(pg_encoding_to_char(d.encoding) AS TEXT) AS encoding, \
               COALESCE(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', CAST(d.datcollate AS TEXT)) \
               AS sorting FROM pg_database d WHERE d.datname = current_database()",
};

#[cfg(test)]
mod tests {
    use super::*;

    const TWINS: [Twin; 3] = [BEGIN_WRITING, INTEGRITY, SORTING];

    #[test]
    fn twins_are_few_and_differ() {
        assert!(TWINS.len() <= 8);
        assert!(TWINS.iter().all(|twin| twin.sqlite != twin.postgres));
    }
}
