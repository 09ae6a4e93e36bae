//! One page of a list: `{items, total, next}`, newest first unless it is asked for in another order, continued by an
//! opaque cursor.

use crate::database::{Row, assembled};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

/// The most rows that one page holds.
pub const MAX_LIMIT: u32 = 500;

/// What part of a list is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Rows, 1 to 500.
    pub limit: u32,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
    /// Whether the rows of the whole list are to be counted.
    pub counted: bool,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, cursor: None, counted: true }
    }
}

impl PageRequest {
    /// The first page of a list that is read to its end, where counting it for every page would cost too much.
    #[must_use]
    pub fn uncounted(limit: u32) -> Self {
        Self { limit, cursor: None, counted: false }
    }
}

/// The sort key and the id of the last row of a page; text outside, `key:id`.
///
/// Cursors are ordered as the rows are by SQL: by the key, then by the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// What the list is sorted by.
    pub key: Key,
    /// The row's id, which makes the order total.
    pub id: String,
}

/// What a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A number, such as a time in UTC milliseconds.
    Number(i64),
    /// A text, such as the key of a name.
    Text(String),
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Before the key of a cursor that is a text.
const TEXT_MARK: char = '~';

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.key {
            Key::Number(number) => write!(f, "{number}:{}", self.id),
            Key::Text(text) => write!(f, "{TEXT_MARK}{text}:{}", self.id),
        }
    }
}

impl std::str::FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (key, id) = text.rsplit_once(':').ok_or(StoreError::Cursor)?;
        let sane = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let key = match key.strip_prefix(TEXT_MARK) {
            Some(text) => Some(Key::Text(text.to_owned())),
            None => key.parse().ok().map(Key::Number),
        };
        key.filter(|_| sane).map(|key| Self { key, id: id.to_owned() }).ok_or(StoreError::Cursor)
    }
}

/// A page as it was read.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the whole list has; 0 when they were not to be counted.
    pub total: i64,
    /// Where the next page starts; none when this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts a page out of a list that is in memory, downwards; `place` tells where a row stands in it.
    #[must_use]
    pub fn cut(rows: Vec<T>, request: &PageRequest, place: impl Fn(&T) -> Cursor) -> Self {
        Self { items: Vec::new(), total: 0, next: None }.with(rows, request, Way::Down, place)
    }

    /// Puts rows of the same list that the database does not have where they belong.
    #[must_use]
    pub fn with(self, rows: Vec<T>, request: &PageRequest, way: Way, place: impl Fn(&T) -> Cursor) -> Self {
        let total = self.total.saturating_add(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        let order = |one: &Cursor, other: &Cursor| match way {
            Way::Down => other.cmp(one),
            Way::Up => one.cmp(other),
        };
        let follows =
            |row: &T| request.cursor.as_ref().is_none_or(|cursor| order(cursor, &place(row)).is_lt());
        let mut items = self.items;
        items.extend(rows.into_iter().filter(follows));
        items.sort_by(|one, other| order(&place(one), &place(other)));
        // When the database has more rows, what it gave fills the page: what stands behind its last row is cut off here.
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = self.next.is_some() || items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Self { items, total, next }
    }

    /// Gives every row another shape.
    #[must_use]
    pub fn map<S>(self, shape: impl FnMut(T) -> S) -> Page<S> {
        Page { items: self.items.into_iter().map(shape).collect(), total: self.total, next: self.next }
    }
}

/// A list that is sorted downwards by a number and the id, unless it is asked for in another order.
#[derive(Debug)]
pub(crate) struct List {
    /// What is read of each row.
    pub(crate) columns: &'static str,
    /// The table, with what is joined to it.
    pub(crate) from: &'static str,
    /// The column of the number.
    pub(crate) key: &'static str,
    /// The column of the id.
    pub(crate) id: &'static str,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the smallest on.
    Up,
    /// From the greatest on.
    Down,
}

/// The order of a list that is asked for; the id decides between rows that are alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) by: By,
    pub(crate) way: Way,
}

/// What SQL sorts by: a column, or an expression that is never NULL.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Number(&'static str),
    Text(&'static str),
}

/// The orders of a list of calls or of what belongs to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallOrder {
    /// Begun last.
    #[default]
    Newest,
    /// Begun first.
    Oldest,
    /// The longest time; what has none comes last.
    Longest,
    /// The shortest time; what has none comes first.
    Shortest,
}

impl CallOrder {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Longest, Self::Shortest];

    /// Tells which way it goes.
    #[must_use]
    pub fn way(self) -> Way {
        match self {
            Self::Newest | Self::Longest => Way::Down,
            Self::Oldest | Self::Shortest => Way::Up,
        }
    }

    /// Picks what it sorts by: when a call began, or how long it took.
    pub(crate) fn key<T>(self, began: T, took: T) -> T {
        match self {
            Self::Newest | Self::Oldest => began,
            Self::Longest | Self::Shortest => took,
        }
    }
}

impl Store {
    /// Reads the row of `list` that `id` names.
    pub(crate) async fn row<T>(
        &self,
        list: &List,
        id: &str,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let text = format!("SELECT {} FROM {} WHERE {} = $1", list.columns, list.from, list.id);
        let row = assembled(text, &[Value::text(id)]).fetch_optional(&self.pool).await?;
        row.as_ref().map(read).transpose()
    }

    /// Reads one page of the rows of `list` that `conditions` hold for.
    pub(crate) async fn page<T>(
        &self,
        list: &List,
        conditions: Conditions,
        page: &PageRequest,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        self.page_in(Order { by: By::Number(list.key), way: Way::Down }, list, conditions, page, read).await
    }

    /// Reads one page in an order of its own.
    pub(crate) async fn page_in<T>(
        &self,
        order: Order,
        list: &List,
        mut conditions: Conditions,
        page: &PageRequest,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let List { columns, from, id, .. } = list;
        let (By::Number(key) | By::Text(key)) = order.by;
        let (way, follows) = match order.way {
            Way::Down => ("DESC", "<"),
            Way::Up => ("ASC", ">"),
        };
        let total = if page.counted {
            let text = format!("SELECT COUNT(*) AS total FROM {from}{}", conditions.clause());
            assembled(text, &conditions.values).fetch_one(&self.pool).await?.try_get("total")?
        } else {
            0
        };
        if let Some(Cursor { key: after, id: after_id }) = &page.cursor {
            let after = match (order.by, after) {
                (By::Number(_), Key::Number(number)) => Value::from(*number),
                (By::Text(_), Key::Text(text)) => Value::text(text),
                _ => return Err(StoreError::Cursor),
            };
            let place = conditions.values.len() + 1;
            conditions.values.extend([after, Value::text(after_id)]);
            conditions.push(format!("({key}, {id}) {follows} (${place}, ${})", place + 1));
        }
        let text = format!(
            "SELECT {key} AS page_key, {id} AS page_id, {columns} FROM {from}{} \
             ORDER BY {key} {way}, {id} {way} LIMIT {}",
            conditions.clause(),
            i64::from(page.limit) + 1
        );
        let mut rows = assembled(text, &conditions.values).fetch_all(&self.pool).await?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some(last) if more => {
                let key = match order.by {
                    By::Number(_) => Key::Number(last.try_get("page_key")?),
                    By::Text(_) => Key::Text(last.try_get("page_key")?),
                };
                Some(Cursor { key, id: last.try_get("page_id")? })
            }
            _ => None,
        };
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, total, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for key in [Key::Number(17), Key::Text("ооо «а: б» ~".into()), Key::Text(String::new())] {
            let cursor = Cursor { key, id: "0190-ab".into() };
            assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
    }

    #[test]
    fn a_list_in_memory_is_cut_into_pages_without_gaps_or_repeats() {
        let place = |row: &(i64, &str)| Cursor { key: row.0.into(), id: row.1.to_owned() };
        let rows = vec![(1, "a"), (3, "a"), (2, "b"), (2, "a"), (1, "b")];
        for limit in 1..=6 {
            let mut request = PageRequest { limit, ..PageRequest::default() };
            let mut all = Vec::new();
            loop {
                let page = Page::cut(rows.clone(), &request, place);
                assert_eq!(page.total, 5);
                assert!(page.items.len() <= limit as usize);
                all.extend(page.items);
                match page.next {
                    Some(next) => request.cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(all, [(3, "a"), (2, "b"), (2, "a"), (1, "b"), (1, "a")], "pages of {limit}");
        }
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        for text in ["", "x", "1", "a:b", "1:a b", "1:'; DROP TABLE users"] {
            assert!(matches!(text.parse::<Cursor>(), Err(StoreError::Cursor)), "{text}");
        }
    }
}
