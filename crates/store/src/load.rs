//! The load report: SQL selects and sums what `linecard_calls::metrics` defines.

use std::collections::BTreeMap;

use linecard_calls::metrics::{
    By, CountedCall, Figure, Group, Load, Peak, UNDER_WAY_AT_MOST_MS, Zone, raise,
};
use linecard_calls::{InteractionId, UtcMillis};

use crate::counted::{figure_in_sql, hour_of, weekday_of};
use crate::database::{Row, assembled};
use crate::row::{id, id_opt, word, word_opt};
use crate::statement::{Conditions, Value};
use crate::{Store, StoreError};

const TABLE: &str = "interactions";

/// More than any number of calls under way at once may be, and than any time in milliseconds: a peak and its moment go
/// through MAX as one number, of equal peaks the earliest.
const PLACE: i64 = 1 << 43;

/// Which calls are summed, and how they are parted.
#[derive(Debug, Clone)]
pub struct LoadQuery {
    /// Started at or after.
    pub from: UtcMillis,
    /// Started before.
    pub until: UtcMillis,
    /// The parts.
    pub by: By,
    /// The zone of hours and days.
    pub zone: Zone,
    /// The target of the service level.
    pub within_ms: i64,
    /// Those that are left out, because somebody knows them better.
    pub without: Vec<InteractionId>,
}

impl Store {
    /// Sums the load of each part.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(&self, query: &LoadQuery) -> Result<BTreeMap<Group, Load>, StoreError> {
        let mut conditions = query.conditions(query.from, query.until);
        let part = query.part_in_sql("started_at", &mut conditions);
        let mut sums = String::new();
        for (place, figure) in (0..).zip(Figure::ALL) {
            let counted = figure_in_sql(figure, query.within_ms, &mut conditions);
            sums.push_str(&format!(
                ", CAST(SUM(CASE WHEN {counted} THEN 1 ELSE 0 END) AS BIGINT) AS f{place}"
            ));
        }
        for (name, figure, column) in [
            ("talk", Figure::Handled, "talk_ms"),
            ("hold", Figure::Handled, "hold_ms"),
            ("reached_talk", Figure::Reached, "talk_ms"),
        ] {
            let counted = figure_in_sql(figure, query.within_ms, &mut conditions);
            sums.push_str(&format!(
                ", CAST(COALESCE(SUM(CASE WHEN {counted} THEN {column} END), 0) AS BIGINT) AS {name}"
            ));
        }
        let text = format!("SELECT {part} AS part{sums} FROM {TABLE}{} GROUP BY part", conditions.clause());
        let mut load = BTreeMap::new();
        for row in assembled(text, &conditions.values).fetch_all(&self.pool).await? {
            load.insert(query.group_of(&row)?, load_of(&row)?);
        }
        Ok(load)
    }

    /// Finds the peak of each part, and of all calls together, over the calls that began before `before` too; those left
    /// out of the load are taken as they stand here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load_peaks(
        &self,
        query: &LoadQuery,
        before: UtcMillis,
    ) -> Result<BTreeMap<Group, Peak>, StoreError> {
        let mut highest = self.peaks_over(query, query.by, before).await?;
        if query.by.parts_lines() {
            // Whatever the parts are, the calls are one line of time for the whole.
            let whole = self.peaks_of_all(query, before).await?;
            highest.extend(whole);
        } else {
            for peak in highest.values().copied().collect::<Vec<_>>() {
                raise(&mut highest, Group::All, peak);
            }
        }
        Ok(highest)
    }

    async fn peaks_of_all(
        &self,
        query: &LoadQuery,
        before: UtcMillis,
    ) -> Result<BTreeMap<Group, Peak>, StoreError> {
        let hours = LoadQuery { by: By::Hour, ..query.clone() };
        let mut whole = BTreeMap::new();
        for peak in self.peaks_over(&hours, By::Hour, before).await?.into_values() {
            raise(&mut whole, Group::All, peak);
        }
        Ok(whole)
    }

    async fn peaks_over(
        &self,
        query: &LoadQuery,
        by: By,
        before: UtcMillis,
    ) -> Result<BTreeMap<Group, Peak>, StoreError> {
        let until = query.until.min(before);
        let mut conditions = query.conditions(query.from.plus_ms(-UNDER_WAY_AT_MOST_MS), until);
        let clause = conditions.clause();
        let (lane, lanes) = match by {
            By::Hour | By::Weekday => ("", ""),
            By::Line => (", line_id", "PARTITION BY line_id "),
            By::Agent => (", user_id", "PARTITION BY user_id "),
        };
        let part = query.part_in_sql("at", &mut conditions);
        let from = conditions.place(Value::from(query.from.0));
        let longest = format!("started_at + {UNDER_WAY_AT_MOST_MS}");
        let end = format!(
            "CASE WHEN ended_at IS NULL OR ended_at > {longest} THEN {longest} \
             WHEN ended_at > started_at THEN ended_at ELSE started_at + 1 END"
        );
        let text = format!(
            "SELECT {part} AS part, MAX(calls * {PLACE} + {PLACE} - 1 - at) AS top FROM (\
             SELECT at, step{lane}, CAST(SUM(step) OVER ({lanes}ORDER BY at) AS BIGINT) AS calls FROM (\
             SELECT started_at AS at, 1 AS step{lane} FROM {TABLE}{clause} UNION ALL \
             SELECT {end} AS at, -1 AS step{lane} FROM {TABLE}{clause}) AS moments) AS counted \
             WHERE step = 1 AND at >= {from} GROUP BY part"
        );
        let mut highest = BTreeMap::new();
        for row in assembled(text, &conditions.values).fetch_all(&self.pool).await? {
            let top: i64 = row.try_get("top")?;
            let peak = Peak { calls: top / PLACE, at: UtcMillis(PLACE - 1 - top % PLACE) };
            highest.insert(query.group_of(&row)?, peak);
        }
        Ok(highest)
    }

    /// Reads the calls that were under way at `from` or begin later, before the query's end, to be looked at beside calls
    /// that only their owner knows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counted_calls(
        &self,
        query: &LoadQuery,
        from: UtcMillis,
    ) -> Result<Vec<CountedCall>, StoreError> {
        let mut conditions = query.conditions(from.plus_ms(-UNDER_WAY_AT_MOST_MS), query.until);
        conditions.and("(ended_at IS NULL OR ended_at >= ?)", Value::from(from.0));
        let text = format!(
            "SELECT direction, outcome, line_id, user_id, started_at, ended_at, answered, ringing_ms, talk_ms, hold_ms, \
             missed FROM {TABLE}{}",
            conditions.clause()
        );
        let rows = assembled(text, &conditions.values).fetch_all(&self.pool).await?;
        rows.iter().map(counted_of).collect()
    }
}

impl LoadQuery {
    fn conditions(&self, from: UtcMillis, until: UtcMillis) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.and("started_at >= ?", Value::from(from.0));
        conditions.and("started_at < ?", Value::from(until.0));
        if !self.without.is_empty() {
            conditions.and_among("id", true, self.without.iter().map(ToString::to_string));
        }
        conditions
    }

    fn part_in_sql(&self, time: &str, conditions: &mut Conditions) -> String {
        match self.by {
            By::Hour => hour_of(time, &self.zone, conditions),
            By::Weekday => weekday_of(time, &self.zone, conditions),
            // An expression: grouped by the bare column, SQLite would walk an index of it and read every interaction.
            By::Line => "line_id || ''".to_owned(),
            By::Agent => "user_id || ''".to_owned(),
        }
    }

    fn group_of(&self, row: &Row) -> Result<Group, StoreError> {
        Ok(match self.by {
            By::Hour => Group::Hour(row.try_get("part")?),
            By::Weekday => Group::Weekday(row.try_get("part")?),
            By::Line => Group::Line(id(row, TABLE, "part")?),
            By::Agent => Group::Agent(id_opt(row, TABLE, "part")?),
        })
    }
}

fn load_of(row: &Row) -> Result<Load, StoreError> {
    let mut load = Load {
        talk_ms: row.try_get("talk")?,
        hold_ms: row.try_get("hold")?,
        reached_talk_ms: row.try_get("reached_talk")?,
        ..Load::default()
    };
    for (place, figure) in (0..).zip(Figure::ALL) {
        *load.figure_mut(figure) = row.try_get(format!("f{place}").as_str())?;
    }
    Ok(load)
}

fn counted_of(row: &Row) -> Result<CountedCall, StoreError> {
    Ok(CountedCall {
        direction: word(row, TABLE, "direction")?,
        outcome: word_opt(row, TABLE, "outcome")?,
        line_id: id(row, TABLE, "line_id")?,
        user_id: id_opt(row, TABLE, "user_id")?,
        started_at: UtcMillis(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>>("ended_at")?.map(UtcMillis),
        answered: row.try_get("answered")?,
        ringing_ms: row.try_get("ringing_ms")?,
        talk_ms: row.try_get("talk_ms")?,
        hold_ms: row.try_get("hold_ms")?,
        missed: word_opt(row, TABLE, "missed")?,
    })
}
