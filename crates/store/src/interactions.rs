//! Interactions: what the fold made of the ledger, to be found and shown.

use std::collections::BTreeSet;

use linecard_calls::metrics::{CountedCall, Figure, Missed};
use linecard_calls::{CallId, Direction, Interaction, InteractionId, LineId, Outcome, UserId, UtcMillis};

use crate::counted::{LocalTime, figure_in_sql, under_way};
use crate::database::{Row, assembled, sql};
use crate::page::{By, CallOrder, Cursor, List, Order, Page, PageRequest};
use crate::row::{json, text_of};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

/// Which interactions are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct InteractionFilter {
    /// Started at or after, UTC milliseconds.
    pub from: Option<i64>,
    /// Started before, UTC milliseconds.
    pub until: Option<i64>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// How it went.
    pub outcome: Option<Outcome>,
    /// Whose it is.
    pub whose: Option<Whose>,
    /// On which line.
    pub line_id: Option<LineId>,
    /// With which contact.
    pub contact_id: Option<String>,
    /// With whose people, or without a contact by its numbers; `fits` leaves this to [`Store::of_company`].
    pub company_id: Option<String>,
    /// The other party's number, E.164 or digits, whoever called.
    pub number: Option<String>,
    /// Whether it has a recording.
    pub recorded: Option<bool>,
    /// At what local time it began.
    pub local: LocalTime,
    /// What counts it, with the target of the service level in milliseconds.
    pub figure: Option<(Figure, i64)>,
    /// When it was under way.
    pub under_way_at: Option<UtcMillis>,
    /// Those that are left out whatever they are like.
    pub without: Vec<InteractionId>,
    /// What comes first, by how long was talked.
    pub order: CallOrder,
}

/// Whose an interaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A user's.
    Of(UserId),
    /// A user's, or one in which the user talked after somebody else.
    With(UserId),
    /// Nobody's: the line had no owner.
    Nobody,
}

impl Whose {
    fn fits(self, it: &Interaction) -> bool {
        match self {
            Self::Of(user) => it.user_id == Some(user),
            Self::With(user) => it.user_id == Some(user) || it.further_talkers().contains(&user),
            Self::Nobody => it.user_id.is_none(),
        }
    }

    /// Adds the condition; `prefix` names the table of interactions where there are others.
    pub(crate) fn add_to(self, prefix: &str, conditions: &mut Conditions) {
        let text = match self {
            Self::Of(user) => {
                format!("{prefix}user_id = {}", conditions.place(Value::text(user.to_string())))
            }
            Self::With(user) => {
                let user = conditions.place(Value::text(user.to_string()));
                format!(
                    "({prefix}user_id = {user} OR {prefix}id IN \
                     (SELECT interaction_id FROM interaction_talkers WHERE user_id = {user}))"
                )
            }
            Self::Nobody => format!("{prefix}user_id IS NULL"),
        };
        conditions.push(text);
    }
}

impl InteractionFilter {
    /// Tells whether the database would find `it`, for one that it does not have; `missed` is how it stands when nobody
    /// answered it.
    #[must_use]
    pub fn fits(&self, it: &Interaction, missed: Option<Missed>) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let number = |number: &String| numbers_of(it).any(|found| found == number);
        self.from.is_none_or(|from| it.started_at.0 >= from)
            && self.until.is_none_or(|until| it.started_at.0 < until)
            && is(self.direction.as_ref(), Some(&it.direction))
            && is(self.outcome.as_ref(), it.outcome.as_ref())
            && self.whose.is_none_or(|whose| whose.fits(it))
            && is(self.line_id.as_ref(), Some(&it.line_id))
            && is(self.contact_id.as_ref(), it.contact_id.map(|id| id.to_string()).as_ref())
            && self.number.as_ref().is_none_or(number)
            && self.recorded.is_none_or(|recorded| recorded != it.recording_ids.is_empty())
            && self.local.fits(it.started_at)
            && self.counts(&CountedCall::of(it, missed))
            && !self.without.contains(&it.id)
    }

    fn counts(&self, call: &CountedCall) -> bool {
        self.figure.is_none_or(|(figure, within_ms)| figure.counts(call, within_ms))
            && self.under_way_at.is_none_or(|at| call.is_under_way(at))
    }
}

/// Where an interaction stands in the list.
#[must_use]
pub fn place_of(it: &Interaction, order: CallOrder) -> Cursor {
    let key = order.key(it.started_at.0, it.talk_ms.unwrap_or(0));
    Cursor { key: key.into(), id: it.id.to_string() }
}

const LIST: List = List { columns: "interaction", from: "interactions", key: "started_at", id: "id" };

impl Store {
    /// Returns an interaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interaction(&self, id: InteractionId) -> Result<Option<Interaction>, StoreError> {
        self.row(&LIST, &id.to_string(), interaction_of).await
    }

    /// Returns the interaction that a call left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interaction_of_call(&self, call: CallId) -> Result<Option<Interaction>, StoreError> {
        let row = sql("SELECT interaction FROM interactions WHERE call_id = $1")
            .bind(call.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(interaction_of).transpose()
    }

    /// Lists interactions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interactions(
        &self,
        filter: &InteractionFilter,
        page: &PageRequest,
    ) -> Result<Page<Interaction>, StoreError> {
        let by = filter.order.key(LIST.key, "COALESCE(talk_ms, 0)");
        let order = Order { by: By::Number(by), way: filter.order.way() };
        self.page_in(order, &LIST, conditions_of(filter)?, page, interaction_of).await
    }

    /// Leaves of `calls`, which the database may not have, those that the filter by a company would find.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_company(
        &self,
        company: &str,
        mut calls: Vec<Interaction>,
    ) -> Result<Vec<Interaction>, StoreError> {
        if calls.is_empty() {
            return Ok(calls);
        }
        let contacts: BTreeSet<String> =
            calls.iter().filter_map(|it| it.contact_id).map(|id| id.to_string()).collect();
        let people = if contacts.is_empty() {
            BTreeSet::new()
        } else {
            let mut people = Conditions::default();
            people.and("company_id = ?", Value::text(company));
            people.and_among("id", false, contacts);
            let text = format!("SELECT id FROM contacts{}", people.clause());
            texts_of(&assembled(text, &people.values).fetch_all(&self.pool).await?, "id")?
        };
        let numbers = sql("SELECT COALESCE(e164, extension) AS number FROM numbers \
             WHERE company_id = $1 AND COALESCE(e164, extension) IS NOT NULL")
        .bind(company)
        .fetch_all(&self.pool)
        .await?;
        let numbers = texts_of(&numbers, "number")?;
        calls.retain(|it| match it.contact_id {
            Some(contact) => people.contains(&contact.to_string()),
            None => numbers_of(it).any(|it| numbers.contains(it)),
        });
        Ok(calls)
    }
}

fn numbers_of(it: &Interaction) -> impl Iterator<Item = &String> {
    [&it.caller_number, &it.callee_number, &it.customer_number].into_iter().flatten()
}

fn texts_of(rows: &[Row], column: &str) -> Result<BTreeSet<String>, StoreError> {
    rows.iter().map(|row| Ok(row.try_get(column)?)).collect()
}

fn conditions_of(filter: &InteractionFilter) -> Result<Conditions, StoreError> {
    let mut conditions = Conditions::default();
    if let Some(from) = filter.from {
        conditions.and("started_at >= ?", Value::from(from));
    }
    if let Some(until) = filter.until {
        conditions.and("started_at < ?", Value::from(until));
    }
    if let Some(direction) = &filter.direction {
        conditions.and("direction = ?", Value::text(text_of(direction)?));
    }
    if let Some(outcome) = &filter.outcome {
        conditions.and("outcome = ?", Value::text(text_of(outcome)?));
    }
    if let Some(whose) = filter.whose {
        whose.add_to("", &mut conditions);
    }
    if let Some(line) = &filter.line_id {
        conditions.and("line_id = ?", Value::text(line.to_string()));
    }
    if let Some(contact) = &filter.contact_id {
        conditions.and("contact_id = ?", Value::text(contact));
    }
    if let Some(company) = &filter.company_id {
        conditions.and(
            "(contact_id IN (SELECT id FROM contacts WHERE company_id = ?) \
             OR (contact_id IS NULL AND caller_number IN \
             (SELECT COALESCE(e164, extension) FROM numbers WHERE company_id = ?)) \
             OR (contact_id IS NULL AND callee_number IN \
             (SELECT COALESCE(e164, extension) FROM numbers WHERE company_id = ?)) \
             OR (contact_id IS NULL AND customer_number IN \
             (SELECT COALESCE(e164, extension) FROM numbers WHERE company_id = ?)))",
            Value::text(company),
        );
    }
    if let Some(number) = &filter.number {
        conditions
            .and("(caller_number = ? OR callee_number = ? OR customer_number = ?)", Value::text(number));
    }
    if let Some(recorded) = filter.recorded {
        conditions.and("recorded = ?", Value::from(recorded));
    }
    filter.local.add_to(&mut conditions);
    if let Some((figure, within_ms)) = filter.figure {
        let counted = figure_in_sql(figure, within_ms, &mut conditions);
        conditions.push(format!("({counted})"));
    }
    if let Some(at) = filter.under_way_at {
        under_way(at.0, &mut conditions);
    }
    if !filter.without.is_empty() {
        conditions.and_among("id", true, filter.without.iter().map(ToString::to_string));
    }
    Ok(conditions)
}

fn interaction_of(row: &Row) -> Result<Interaction, StoreError> {
    json(row, "interactions", "interaction")
}
