//! Whether the database answers.

use crate::database::sql;
use crate::{Store, StoreError};

impl Store {
    /// Asks the database for nothing, to see whether it answers; one that is locked does.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        sql("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }
}
