//! A fresh store for each test, and what the tests tell of.

use std::ops::Deref;

use linecard_store::Store;

use crate::database::Own;

pub(crate) use super::fixtures::*;

/// An empty store of the test's own, gone with it.
pub(crate) struct Fresh {
    store: Store,
    /// The address under which another connection reaches the same database.
    pub(crate) url: String,
    /// Holds the database.
    pub(crate) own: Own,
}

impl Deref for Fresh {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Opens an empty store.
pub(crate) async fn fresh_store() -> Fresh {
    let own = Own::make();
    let url = own.url();
    let store = Store::open(&url).await.expect("an empty database opens");
    Fresh { store, url, own }
}
