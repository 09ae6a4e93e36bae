//! Many rows in one statement: each statement is a way to the database and back, whatever it carries.

use std::sync::{Arc, OnceLock};

use crate::StoreError;
use crate::database::{Tx, shared};
use crate::statement::Value;

/// Rows of one statement, most first: any number of rows is a few statements, and each text is prepared once.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A statement about rows: what stands before them, one row with `?` for each value, and what stands after.
#[derive(Debug)]
pub(crate) struct Rows {
    before: &'static str,
    row: &'static str,
    after: &'static str,
    /// The texts for each size, put together when they are first needed.
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

impl Rows {
    pub(crate) const fn new(before: &'static str, row: &'static str, after: &'static str) -> Self {
        Self { before, row, after, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// Writes rows in their order.
    pub(crate) async fn write(&self, tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let mut rest = rows.into_iter();
        for (size, text) in SIZES.iter().zip(&self.texts) {
            while rest.len() >= *size {
                let values = rest.by_ref().take(*size).flatten().collect();
                let text = text.get_or_init(|| self.text(*size).into());
                shared(Arc::clone(text), values).execute(&mut *tx).await?;
            }
        }
        Ok(())
    }

    fn text(&self, size: usize) -> String {
        let mut place = 0;
        let mut row = || {
            let mut parts = self.row.split('?');
            let mut text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                place += 1;
                text.push_str(&format!("${place}{part}"));
            }
            text
        };
        let rows: Vec<String> = (0..size).map(|_| row()).collect();
        format!("{}{}{}", self.before, rows.join(", "), self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_of_each_row_has_its_place() {
        let rows = Rows::new("INSERT INTO t VALUES ", "(?, CAST(? AS BIGINT))", " ON CONFLICT");
        assert_eq!(
            rows.text(2),
            "INSERT INTO t VALUES ($1, CAST($2 AS BIGINT)), ($3, CAST($4 AS BIGINT)) ON CONFLICT"
        );
    }
}
