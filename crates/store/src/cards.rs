//! What contacts and companies have in common: a name that is searched, numbers, fields that are only shown.

use std::collections::HashMap;

use linecard_calls::UtcMillis;
use linecard_crm::{Number, NumberSearch, sort_key};

use crate::database::{Row, Tx, assembled, sql};
use crate::learned::note_learned;
use crate::page::{By, List, Order, Page, PageRequest, Way};
use crate::statement::{Columns, Conditions, Table, Value};
use crate::{Store, StoreError};

/// What a list of contacts or companies is searched for, and its order.
#[derive(Debug, Clone, Default)]
pub struct CardSearch {
    /// The name begins with it, or has a word that does; where `number` is given too, the name alone.
    pub words: Option<String>,
    /// One of the numbers fits it.
    pub number: Option<NumberSearch>,
    /// The order of the list.
    pub order: CardOrder,
}

/// The order of a list of contacts or companies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CardOrder {
    /// Newest first.
    #[default]
    Newest,
    /// By the name, as the key of the search has it.
    Name,
}

/// A row with a name and numbers, `c` in its list.
pub(crate) trait Card: Sized {
    /// What a user writes of it.
    type Draft;
    /// Where it is written.
    const TABLE: Table;
    /// How it is read; the id is among the columns.
    const LIST: List;
    /// The column of `numbers` that names the owner.
    const OWNER: &'static str;
    /// The columns of the list that name an owner of numbers that are found.
    const FOUND_BY: &'static [(&'static str, &'static str)];

    /// Returns the columns, without those of the search.
    fn columns(draft: &Self::Draft) -> Result<Columns, StoreError>;
    fn name(draft: &Self::Draft) -> &str;
    fn numbers(draft: &Self::Draft) -> &[Number];
    /// Returns the company that the draft belongs to.
    fn company(draft: &Self::Draft) -> Option<&str>;
    /// Reads a row; its numbers are read after it.
    fn of(row: &Row) -> Result<Self, StoreError>;
    /// Returns the id, and where the numbers belong.
    fn numbers_mut(&mut self) -> (String, &mut Vec<Number>);
}

impl Store {
    pub(crate) async fn add_card<C: Card>(
        &self,
        id: &str,
        draft: &C::Draft,
        now: UtcMillis,
    ) -> Result<C, StoreError> {
        let mut tx = self.pool.begin().await?;
        check_company::<C>(&mut tx, draft).await?;
        C::TABLE.insert(&mut tx, id, searched_columns::<C>(draft)?, now).await?;
        write_numbers(&mut tx, C::OWNER, id, 1, C::numbers(draft)).await?;
        tx.commit().await?;
        self.card(id).await?.ok_or_else(|| StoreError::unreadable(C::TABLE.name, "the new row is gone"))
    }

    pub(crate) async fn change_card<C: Card>(
        &self,
        id: &str,
        draft: &C::Draft,
        version: i64,
    ) -> Result<C, StoreError> {
        let mut tx = self.pool.begin().await?;
        check_company::<C>(&mut tx, draft).await?;
        C::TABLE.update(&mut tx, id, searched_columns::<C>(draft)?, version).await?;
        write_numbers(&mut tx, C::OWNER, id, version + 1, C::numbers(draft)).await?;
        tx.commit().await?;
        self.card(id).await?.ok_or(StoreError::Stale)
    }

    pub(crate) async fn card<C: Card>(&self, id: &str) -> Result<Option<C>, StoreError> {
        let mut card = self.row(&C::LIST, id, C::of).await?;
        self.add_numbers(card.as_mut_slice()).await?;
        Ok(card)
    }

    pub(crate) async fn cards<C: Card>(
        &self,
        search: &CardSearch,
        mut conditions: Conditions,
        page: &PageRequest,
    ) -> Result<Page<C>, StoreError> {
        match (&search.words, &search.number) {
            (Some(words), None) => {
                conditions.and("' ' || c.search_key LIKE ? ESCAPE '!'", Value::text(name_pattern(words)));
            }
            (words, Some(number)) => fits_number::<C>(&mut conditions, words.as_deref(), number),
            (None, None) => {}
        }
        let order = match search.order {
            CardOrder::Newest => Order { by: By::Number(C::LIST.key), way: Way::Down },
            CardOrder::Name => Order { by: By::Text("c.search_key"), way: Way::Up },
        };
        let mut found = self.page_in(order, &C::LIST, conditions, page, C::of).await?;
        self.add_numbers(&mut found.items).await?;
        Ok(found)
    }

    /// Reads the numbers of `cards`, each one's in order.
    async fn add_numbers<C: Card>(&self, cards: &mut [C]) -> Result<(), StoreError> {
        let mut wanted: HashMap<String, &mut Vec<Number>> = cards.iter_mut().map(C::numbers_mut).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut conditions = Conditions::default();
        conditions.and_among(C::OWNER, false, wanted.keys().cloned());
        let text = format!(
            "SELECT {} AS owner, number, e164, extension, label FROM numbers{} ORDER BY position",
            C::OWNER,
            conditions.clause()
        );
        for row in assembled(text, &conditions.values).fetch_all(&self.pool).await? {
            if let Some(numbers) = wanted.get_mut(&row.try_get::<String>("owner")?) {
                numbers.push(number_of(&row)?);
            }
        }
        Ok(())
    }
}

fn searched_columns<C: Card>(draft: &C::Draft) -> Result<Columns, StoreError> {
    let name = C::name(draft);
    let mut columns = C::columns(draft)?;
    columns.extend([("name", Value::text(name)), ("search_key", Value::text(sort_key(name)))]);
    Ok(columns)
}

/// Refuses a company that does not exist, which the database would not tell from another broken reference.
async fn check_company<C: Card>(tx: &mut Tx, draft: &C::Draft) -> Result<(), StoreError> {
    let Some(company) = C::company(draft) else { return Ok(()) };
    let found = sql("SELECT 1 FROM companies WHERE id = $1").bind(company).fetch_optional(&mut *tx).await?;
    found.map(|_| ()).ok_or(StoreError::Dangling { field: "company_id" })
}

/// Replaces the owner's numbers, and notes those that it did not have.
async fn write_numbers(
    tx: &mut Tx,
    owner: &'static str,
    id: &str,
    version: i64,
    numbers: &[Number],
) -> Result<(), StoreError> {
    let known = format!(
        "SELECT COALESCE(e164, extension) AS number FROM numbers WHERE {owner} = $1 AND COALESCE(e164, extension) IS NOT NULL"
    );
    let known = assembled(known, &[Value::text(id)]).fetch_all(&mut *tx).await?;
    let known = known.iter().map(|row| row.try_get("number")).collect::<Result<_, _>>()?;
    note_learned(tx, id, version, &known, numbers).await?;
    assembled(format!("DELETE FROM numbers WHERE {owner} = $1"), &[Value::text(id)])
        .execute(&mut *tx)
        .await?;
    for (position, number) in (0_i64..).zip(numbers) {
        let text = format!(
            "INSERT INTO numbers (id, {owner}, position, number, e164, extension, label, suffix_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        );
        let values = [
            Value::text(format!("{id}:{position}")),
            Value::text(id),
            Value::from(position),
            Value::text(&number.number),
            Value::from(number.e164.clone()),
            Value::from(number.extension.clone()),
            Value::from(number.label.clone()),
            Value::from(number.suffix_key()),
        ];
        assembled(text, &values).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Past every letter that a name can go on with; names sort by bytes.
const PAST_ALL: char = '\u{10ffff}';

/// Adds that a number fits, or that the name begins with the same digits. Every part has an index.
fn fits_number<C: Card>(conditions: &mut Conditions, words: Option<&str>, number: &NumberSearch) {
    let mut named = Vec::new();
    if let Some(words) = words {
        let key = sort_key(words);
        let past = conditions.place(Value::text(format!("{key}{PAST_ALL}")));
        let key = conditions.place(Value::text(key));
        named.push(format!("(c.search_key >= {key} AND c.search_key < {past})"));
    }
    let mut fits = Vec::new();
    if let Some(e164) = &number.e164 {
        fits.push(format!("e164 = {}", conditions.place(Value::text(e164))));
    }
    if let Some(extension) = &number.extension {
        fits.push(format!("extension = {}", conditions.place(Value::text(extension))));
    }
    let mut within = |column: &str, beginning: &String| {
        let from = conditions.place(Value::text(beginning));
        // `:` follows `9`.
        let below = conditions.place(Value::text(format!("{beginning}:")));
        fits.push(format!("({column} >= {from} AND {column} < {below})"));
    };
    number.beginnings.iter().for_each(|beginning| within("e164", beginning));
    number.ending.iter().for_each(|ending| within("suffix_key", ending));
    let fits = fits.join(" OR ");
    named.extend(C::FOUND_BY.iter().map(|(column, owner)| {
        format!("{column} IN (SELECT {owner} FROM numbers WHERE {owner} IS NOT NULL AND ({fits}))")
    }));
    conditions.push(format!("({})", named.join(" OR ")));
}

/// A pattern for `' ' || search_key`: the words typed begin a word of the name.
pub(crate) fn name_pattern(search: &str) -> String {
    let escaped: String = sort_key(search).chars().flat_map(escape_like).collect();
    format!("% {escaped}%")
}

fn escape_like(letter: char) -> impl Iterator<Item = char> {
    let escape = matches!(letter, '%' | '_' | '!').then_some('!');
    escape.into_iter().chain([letter])
}

pub(crate) fn number_of(row: &Row) -> Result<Number, StoreError> {
    Ok(Number {
        number: row.try_get("number")?,
        e164: row.try_get("e164")?,
        extension: row.try_get("extension")?,
        label: row.try_get("label")?,
    })
}
