//! Missed-call items: what the rule made of the calls that nobody answered, to be found and worked off.

use std::collections::BTreeMap;

use linecard_calls::metrics::Missed;
use linecard_calls::missed::{Act, KeptItem, MissedCall};
use linecard_calls::{Interaction, MissedChange, MissedId, MissedItem, MissedState, Signal, UtcMillis};

use crate::counted::missed_word;
use crate::database::{Row, Tx, assembled, sql};
use crate::page::{Cursor, List, Page, PageRequest};
use crate::row::{id, id_opt, json, json_of, number, text_of, word};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

/// Which items are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct MissedFilter {
    /// How they stand.
    pub state: Option<MissedState>,
    /// Those of calls to this user's lines.
    pub user_id: Option<String>,
    /// Those that are left out whatever they are like.
    pub without: Vec<MissedId>,
}

impl MissedFilter {
    /// Tells whether the database would find `item`, for one that it does not have.
    #[must_use]
    pub fn fits(&self, item: &MissedItem) -> bool {
        let called = |user: &String| item.user_ids.iter().any(|id| id.to_string() == *user);
        self.state.is_none_or(|state| state == item.state)
            && self.user_id.as_ref().is_none_or(called)
            && !self.without.contains(&item.id)
    }
}

/// Where an item stands in the list: the caller heard of last comes first.
#[must_use]
pub fn place_of(item: &MissedItem) -> Cursor {
    Cursor { key: item.last_at.0.into(), id: item.id.to_string() }
}

const ITEMS: &str = "missed_items";
const CALLS: &str = "missed_calls";

const LIST: List = List {
    columns: "id, number, number_dialled, contact_id, attempts, first_at, last_at, owner_id, state, closed_by, \
              closed_at, answered_interaction_id, interaction_id, user_ids",
    from: ITEMS,
    key: "last_at",
    id: "id",
};

/// The items that a new process must know: those not closed, and those of calls that a restart looks at again.
const KEPT: &str = "(m.state <> 'closed' OR m.id IN (SELECT u.item_id FROM missed_calls u \
                    JOIN calls k ON k.id = u.call_id WHERE NOT k.settled))";

impl Store {
    /// Returns an item.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn missed_item(&self, id: MissedId) -> Result<Option<MissedItem>, StoreError> {
        self.row(&LIST, &id.to_string(), item_of).await
    }

    /// Lists items, the caller heard of last first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn missed_items(
        &self,
        filter: &MissedFilter,
        page: &PageRequest,
    ) -> Result<Page<MissedItem>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(state) = &filter.state {
            conditions.and("state = ?", Value::text(text_of(state)?));
        }
        if let Some(user) = &filter.user_id {
            let called =
                "EXISTS (SELECT 1 FROM missed_calls c WHERE c.item_id = missed_items.id AND c.user_id = ?)";
            conditions.and(called, Value::text(user));
        }
        if !filter.without.is_empty() {
            conditions.and_among("id", true, filter.without.iter().map(ToString::to_string));
        }
        self.page(&LIST, conditions, page, item_of).await
    }

    /// Returns the items that a new process must know, with their calls and what users did with them.
    ///
    /// # Errors
    /// When the database fails, or a row cannot be read.
    pub async fn kept_missed(&self) -> Result<Vec<KeptItem>, StoreError> {
        let text = format!("SELECT {} FROM missed_items m WHERE {KEPT} ORDER BY id", LIST.columns);
        let mut kept: BTreeMap<MissedId, KeptItem> = BTreeMap::new();
        for row in assembled(text, &[]).fetch_all(&self.pool).await? {
            let item = item_of(&row)?;
            kept.insert(item.id, KeptItem { item, calls: Vec::new(), acts: Vec::new() });
        }
        let text = format!(
            "SELECT c.* FROM missed_calls c JOIN missed_items m ON m.id = c.item_id WHERE {KEPT} \
             ORDER BY c.ended_at, c.interaction_id"
        );
        for row in assembled(text, &[]).fetch_all(&self.pool).await? {
            if let Some(kept) = kept.get_mut(&id(&row, CALLS, "item_id")?) {
                kept.calls.push(call_of(&row)?);
            }
        }
        let text = format!(
            "SELECT c.item_id, s.signal FROM signals s JOIN missed_calls c ON c.call_id = s.call_id \
             JOIN missed_items m ON m.id = c.item_id WHERE s.signal LIKE $1 ESCAPE '!' AND {KEPT}"
        );
        let acts = format!("%{quote}kind{quote}:{quote}missed!_%", quote = '\u{22}');
        for row in assembled(text, &[Value::text(acts)]).fetch_all(&self.pool).await? {
            let signal: Signal = json(&row, "signals", "signal")?;
            if let (Some(kept), Some(act)) = (kept.get_mut(&id(&row, CALLS, "item_id")?), Act::of(&signal)) {
                kept.acts.push(act);
            }
        }
        Ok(kept.into_values().collect())
    }

    /// Returns the calls with `number` that began at `since` or later and were answered, whoever called.
    ///
    /// # Errors
    /// When the database fails, or a row cannot be read.
    pub async fn answered_with(
        &self,
        number: &str,
        since: UtcMillis,
    ) -> Result<Vec<Interaction>, StoreError> {
        let text = "SELECT interaction FROM interactions \
                    WHERE (caller_number = $1 OR callee_number = $1 OR customer_number = $1) AND started_at >= $2 ORDER BY started_at, id";
        let rows = sql(text).bind(number).bind(since.0).fetch_all(&self.pool).await?;
        let mut found = Vec::new();
        for row in &rows {
            let interaction: Interaction = json(row, "interactions", "interaction")?;
            if interaction.answered_at.is_some() && interaction.other_number() == Some(number) {
                found.push(interaction);
            }
        }
        Ok(found)
    }
}

/// Writes what changed of an item.
pub(crate) async fn save_missed(tx: &mut Tx, change: &MissedChange) -> Result<(), StoreError> {
    if change.void {
        let none = "UPDATE interactions SET missed = NULL WHERE id IN (SELECT interaction_id FROM missed_calls WHERE item_id = $1)";
        sql(none).bind(change.item.id.to_string()).execute(&mut *tx).await?;
        let gone = [Value::text(change.item.id.to_string())];
        for table in [("missed_calls", "item_id"), ("missed_items", "id")] {
            let text = format!("DELETE FROM {} WHERE {} = $1", table.0, table.1);
            assembled(text, &gone).execute(&mut *tx).await?;
        }
        return Ok(());
    }
    save_item(tx, &change.item).await?;
    for call in &change.calls {
        save_missed_call(tx, change.item.id, call).await?;
    }
    let stands = "UPDATE interactions SET missed = $1 WHERE id IN (SELECT interaction_id FROM missed_calls WHERE item_id = $2)";
    let word = missed_word(Missed::of(&change.item));
    sql(stands).bind(word).bind(change.item.id.to_string()).execute(&mut *tx).await?;
    Ok(())
}

async fn save_item(tx: &mut Tx, item: &MissedItem) -> Result<(), StoreError> {
    let text = "INSERT INTO missed_items (id, number, number_dialled, contact_id, attempts, first_at, last_at, owner_id, \
                state, closed_by, closed_at, answered_interaction_id, interaction_id, user_ids) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                ON CONFLICT (id) DO UPDATE SET number = excluded.number, number_dialled = excluded.number_dialled, \
                contact_id = excluded.contact_id, attempts = excluded.attempts, first_at = excluded.first_at, \
                last_at = excluded.last_at, owner_id = excluded.owner_id, state = excluded.state, \
                closed_by = excluded.closed_by, closed_at = excluded.closed_at, \
                answered_interaction_id = excluded.answered_interaction_id, \
                interaction_id = excluded.interaction_id, user_ids = excluded.user_ids";
    let attempts = i64::try_from(item.attempts)
        .map_err(|_| StoreError::unreadable(ITEMS, "attempts is out of range"))?;
    sql(text)
        .bind(item.id.to_string())
        .bind(item.number.clone())
        .bind(item.number_dialled.clone())
        .bind(item.contact_id.map(|id| id.to_string()))
        .bind(attempts)
        .bind(item.first_at.0)
        .bind(item.last_at.0)
        .bind(item.owner_id.map(|id| id.to_string()))
        .bind(text_of(&item.state)?)
        .bind(item.closed_by.map(|id| id.to_string()))
        .bind(item.closed_at.map(|at| at.0))
        .bind(item.answered_interaction_id.map(|id| id.to_string()))
        .bind(item.interaction_id.to_string())
        .bind(json_of(&item.user_ids)?)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn save_missed_call(tx: &mut Tx, item: MissedId, call: &MissedCall) -> Result<(), StoreError> {
    let text = "INSERT INTO missed_calls (interaction_id, item_id, call_id, user_id, contact_id, number, number_dialled, \
                started_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                ON CONFLICT (interaction_id) DO UPDATE SET item_id = excluded.item_id, contact_id = excluded.contact_id";
    sql(text)
        .bind(call.interaction_id.to_string())
        .bind(item.to_string())
        .bind(call.call_id.to_string())
        .bind(call.user_id.map(|id| id.to_string()))
        .bind(call.contact_id.map(|id| id.to_string()))
        .bind(call.number.clone())
        .bind(call.number_dialled.clone())
        .bind(call.started_at.0)
        .bind(call.ended_at.0)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Takes over the contact of a missed call that was amended, also when its item is long closed.
pub(crate) async fn amend_missed(tx: &mut Tx, interaction: &Interaction) -> Result<(), StoreError> {
    let Some(call) = MissedCall::of(interaction) else { return Ok(()) };
    let (contact, name) = (call.contact_id.map(|id| id.to_string()), call.interaction_id.to_string());
    let text = "UPDATE missed_calls SET contact_id = $1 WHERE interaction_id = $2";
    let done = sql(text).bind(contact).bind(&name).execute(&mut *tx).await?;
    if done == 0 {
        return Ok(());
    }
    let text = "UPDATE missed_items SET contact_id = (SELECT c.contact_id FROM missed_calls c \
                WHERE c.item_id = missed_items.id AND c.contact_id IS NOT NULL \
                ORDER BY c.ended_at DESC, c.interaction_id DESC LIMIT 1) \
                WHERE id = (SELECT c.item_id FROM missed_calls c WHERE c.interaction_id = $1)";
    sql(text).bind(name).execute(&mut *tx).await?;
    Ok(())
}

fn item_of(row: &Row) -> Result<MissedItem, StoreError> {
    let closed_at: Option<i64> = row.try_get("closed_at")?;
    Ok(MissedItem {
        id: id(row, ITEMS, "id")?,
        number: row.try_get("number")?,
        number_dialled: row.try_get("number_dialled")?,
        contact_id: id_opt(row, ITEMS, "contact_id")?,
        attempts: number(row, ITEMS, "attempts")?,
        first_at: UtcMillis(row.try_get("first_at")?),
        last_at: UtcMillis(row.try_get("last_at")?),
        owner_id: id_opt(row, ITEMS, "owner_id")?,
        state: word(row, ITEMS, "state")?,
        closed_by: id_opt(row, ITEMS, "closed_by")?,
        closed_at: closed_at.map(UtcMillis),
        answered_interaction_id: id_opt(row, ITEMS, "answered_interaction_id")?,
        interaction_id: id(row, ITEMS, "interaction_id")?,
        user_ids: json(row, ITEMS, "user_ids")?,
    })
}

fn call_of(row: &Row) -> Result<MissedCall, StoreError> {
    Ok(MissedCall {
        interaction_id: id(row, CALLS, "interaction_id")?,
        call_id: id(row, CALLS, "call_id")?,
        user_id: id_opt(row, CALLS, "user_id")?,
        contact_id: id_opt(row, CALLS, "contact_id")?,
        number: row.try_get("number")?,
        number_dialled: row.try_get("number_dialled")?,
        started_at: UtcMillis(row.try_get("started_at")?),
        ended_at: UtcMillis(row.try_get("ended_at")?),
    })
}
