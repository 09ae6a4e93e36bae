//! One page of a list: `{items, total, next}`, newest first, continued by an opaque cursor.

use crate::StoreError;

/// The most rows that one page holds.
pub const MAX_LIMIT: u32 = 500;

/// What part of a list is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Rows, 1 to 500.
    pub limit: u32,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, cursor: None }
    }
}

/// The sort key and the id of the last row of a page; text outside, `key:id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The number the list is sorted by, such as a time in UTC milliseconds.
    pub key: i64,
    /// The row's id, which makes the order total.
    pub id: String,
}

impl Cursor {
    /// A cursor before the first row of a list that is sorted downwards.
    pub(crate) fn top() -> Self {
        Self { key: i64::MAX, id: "~".to_owned() }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.key, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (key, id) = text.split_once(':').ok_or(StoreError::Cursor)?;
        let sane = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match key.parse() {
            Ok(key) if sane => Ok(Self { key, id: id.to_owned() }),
            _ => Err(StoreError::Cursor),
        }
    }
}

/// A page as it was read.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the whole list has.
    pub total: i64,
    /// Where the next page starts; none when this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts `rows`, read with one row more than the limit, to a page.
    pub(crate) fn cut(mut rows: Vec<T>, total: i64, limit: u32, cursor_of: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor_of) } else { None };
        Self { items: rows, total, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor { key: 17, id: "0190-ab".into() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        for text in ["", "x", "1", "a:b", "1:a b", "1:'; DROP TABLE users"] {
            assert!(matches!(text.parse::<Cursor>(), Err(StoreError::Cursor)), "{text}");
        }
    }
}
