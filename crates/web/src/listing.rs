//! Lists: `limit` and `cursor` in, `{items, total, next}` out.

use linecard_store::page::{MAX_LIMIT, Page, PageRequest};
use serde::{Deserialize, Serialize};

use crate::ApiError;

/// The query of every list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListQuery {
    pub(crate) fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    pub(crate) fn page(&self) -> Result<PageRequest, ApiError> {
        let limit = self.limit.unwrap_or(50);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(ApiError::field("limit", format!("write a number from 1 to {MAX_LIMIT}")));
        }
        let cursor = self.cursor.as_deref().map(str::parse).transpose()?;
        Ok(PageRequest { limit, cursor, counted: true })
    }
}

/// An answer to a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: i64,
    pub(crate) next: Option<String>,
}

impl<T> Listing<T> {
    pub(crate) fn of<S>(page: Page<S>, shape: impl FnMut(S) -> T) -> Self {
        let next = page.next.map(|cursor| cursor.to_string());
        Self { items: page.items.into_iter().map(shape).collect(), total: page.total, next }
    }

    pub(crate) fn whole(items: Vec<T>) -> Self {
        let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
        Self { items, total, next: None }
    }
}
