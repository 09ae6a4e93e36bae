//! Many rows in one statement: each statement is a way to the database and back, whatever it carries.

use crate::StoreError;
use crate::database::{Tx, assembled};
use crate::statement::Value;

/// Rows of one statement, most first: any number of rows is a few statements, and each text is prepared once.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A statement about rows: what stands before them, one row with `?` for each value, and what stands after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) before: &'static str,
    pub(crate) row: &'static str,
    pub(crate) after: &'static str,
}

impl Rows {
    /// Writes rows in their order.
    pub(crate) async fn write(&self, tx: &mut Tx, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let mut rest = rows;
        for size in SIZES {
            while let Some((some, after)) = rest.split_at_checked(size) {
                let values: Vec<Value> = some.iter().flatten().cloned().collect();
                assembled(self.text(size), &values).execute(&mut *tx).await?;
                rest = after;
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
        let rows =
            Rows { before: "INSERT INTO t VALUES ", row: "(?, CAST(? AS BIGINT))", after: " ON CONFLICT" };
        assert_eq!(
            rows.text(2),
            "INSERT INTO t VALUES ($1, CAST($2 AS BIGINT)), ($3, CAST($4 AS BIGINT)) ON CONFLICT"
        );
    }
}
