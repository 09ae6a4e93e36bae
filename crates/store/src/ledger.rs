//! The ledger: signals in the order in which the server saw them, appended in groups.
//!
//! One writer calls `append`; what a batch holds becomes durable together (SQLite: WAL, `synchronous=FULL`).

use std::collections::{BTreeMap, BTreeSet};

use linecard_calls::{CallId, Interaction, MissedChange, Recording, Signal};
use serde::{Deserialize, Serialize};

use crate::counted::columns_of;
use crate::database::{Db, Row, Tx, sql};
use crate::frames::FrameRow;
use crate::missed::{amend_missed, save_missed};
use crate::row::{json, json_of, text_of};
use crate::rows::Rows;
use crate::statement::Value;
use crate::{Store, StoreError};

/// A signal and its place in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its place: rises by one.
    pub seq: i64,
    /// Whether the call had to go on before the signal was safe.
    pub late_durable: bool,
    /// The evidence.
    pub signal: Signal,
}

/// What the fold made of a call, to be saved with the recordings it names.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedCall {
    /// The interaction as it stands.
    pub interaction: Interaction,
    /// Its recordings as they stand.
    pub recordings: Vec<Recording>,
    /// Whether nothing more is expected: a restart need not look at the call again.
    pub settled: bool,
}

/// What becomes durable in one commit.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Evidence, in order.
    pub signals: Vec<LedgerEntry>,
    /// Interactions, the newest state of each.
    pub saves: Vec<SavedCall>,
    /// Missed-call items, the newest state of each.
    pub missed: Vec<MissedChange>,
    /// Frames of `epoch` that browsers may resume from.
    pub frames: Vec<FrameRow>,
    /// The epoch that the frames belong to.
    pub epoch: String,
    /// Frames up to this one can no longer be resumed from: some of them were never written.
    pub frames_lost_until: Option<i64>,
}

impl Batch {
    /// Tells whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { signals, saves, missed, frames, frames_lost_until, epoch: _ } = self;
        let rows = signals.is_empty() && saves.is_empty() && missed.is_empty() && frames.is_empty();
        rows && frames_lost_until.is_none()
    }
}

/// Calls of which a signal came.
static CALLS: Rows =
    Rows::new("INSERT INTO calls (id, settled) VALUES ", "(?, FALSE)", " ON CONFLICT (id) DO NOTHING");

/// Calls of which an interaction is saved, and whether a restart has to look at them.
static SETTLED: Rows = Rows::new(
    "INSERT INTO calls (id, settled) VALUES ",
    "(?, ?)",
    " ON CONFLICT (id) DO UPDATE SET settled = excluded.settled",
);

/// Interactions as they stand; whether one counts as missed is decided by its item, which may have been there before.
static INTERACTIONS: Rows = Rows::new(
    "INSERT INTO interactions (id, call_id, direction, outcome, state, caller_number, callee_number, contact_id, \
             user_id, line_id, started_at, recorded, interaction, answered, ended_at, ringing_ms, talk_ms, hold_ms, \
             customer_number, missed) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
          (SELECT CASE m.state WHEN 'closed' THEN 'settled' ELSE 'waiting' END FROM missed_calls c \
          JOIN missed_items m ON m.id = c.item_id WHERE c.interaction_id = ?))",
    " ON CONFLICT (id) DO UPDATE SET \
            direction = excluded.direction, outcome = excluded.outcome, state = excluded.state, \
            caller_number = excluded.caller_number, callee_number = excluded.callee_number, \
            contact_id = excluded.contact_id, user_id = excluded.user_id, line_id = excluded.line_id, \
            started_at = excluded.started_at, recorded = excluded.recorded, interaction = excluded.interaction, \
            answered = excluded.answered, ended_at = excluded.ended_at, ringing_ms = excluded.ringing_ms, \
            talk_ms = excluded.talk_ms, hold_ms = excluded.hold_ms, customer_number = excluded.customer_number",
);

/// Recordings as they stand.
static RECORDINGS: Rows = Rows::new(
    "INSERT INTO recordings (id, interaction_id, state, duration_ms, channels, sample_rate_hz, sha256, spans, \
             started_at) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    " ON CONFLICT (id) DO UPDATE SET \
            state = excluded.state, duration_ms = excluded.duration_ms, channels = excluded.channels, \
            sample_rate_hz = excluded.sample_rate_hz, sha256 = excluded.sha256, spans = excluded.spans",
);

/// Signals; one that is there already stays as it is, and a place that is taken by another is an error.
static SIGNALS: Rows = Rows::new(
    "INSERT INTO signals (seq, id, call_id, observed_at, late_durable, signal) \
             SELECT column1, column2, column3, column4, column5, column6 FROM (VALUES ",
    "(CAST(? AS BIGINT), ?, ?, CAST(? AS BIGINT), CAST(? AS BOOLEAN), ?)",
    ") AS entry WHERE NOT EXISTS (SELECT 1 FROM signals WHERE id = entry.column2)",
);

/// Frames that browsers may resume from.
static FRAMES: Rows = Rows::new(
    "INSERT INTO frames (epoch, seq, at, frame) VALUES ",
    "(?, ?, ?, ?)",
    " ON CONFLICT (epoch, seq) DO NOTHING",
);

impl Store {
    /// Makes a batch durable in one commit. A signal that is there already is left as it is.
    ///
    /// # Errors
    /// When the database is busy, out of reach or full (`is_passing`), nothing of the batch was written.
    pub async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut tx = self.ledger.begin().await?;
        insert_signals(&mut tx, &batch.signals).await?;
        save_calls(&mut tx, &batch.saves).await?;
        for change in &batch.missed {
            save_missed(&mut tx, change).await?;
        }
        if let Some(seq) = batch.frames_lost_until {
            sql("DELETE FROM frames WHERE epoch = $1 AND seq <= $2")
                .bind(&batch.epoch)
                .bind(seq)
                .execute(&mut tx)
                .await?;
        }
        let frames: Vec<Vec<Value>> = batch.frames.iter().map(|frame| frame.values(&batch.epoch)).collect();
        FRAMES.write(&mut tx, frames).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns the place of the last signal; 0 when the ledger is empty.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_signal_seq(&self) -> Result<i64, StoreError> {
        let row = sql("SELECT MAX(seq) AS last FROM signals").fetch_one(&self.pool).await?;
        let last: Option<i64> = row.try_get("last")?;
        Ok(last.unwrap_or(0))
    }

    /// Returns a call's signals in the order of the ledger.
    ///
    /// # Errors
    /// When the database fails, or a row cannot be read.
    pub async fn signals_of(&self, call: CallId) -> Result<Vec<Signal>, StoreError> {
        let rows = sql("SELECT seq, late_durable, signal FROM signals WHERE call_id = $1 ORDER BY seq")
            .bind(call.to_string())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| json(row, "signals", "signal")).collect()
    }

    /// Returns at most `limit` signals after place `seq`, in order.
    ///
    /// # Errors
    /// When the database fails, or a row cannot be read.
    pub async fn signals_after(&self, seq: i64, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        let rows = sql("SELECT seq, late_durable, signal FROM signals WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(entry_of).collect()
    }

    /// Returns the calls that a restart has to look at, with their signals in order.
    ///
    /// # Errors
    /// When the database fails, or a row cannot be read.
    pub async fn unsettled_calls(&self) -> Result<BTreeMap<CallId, Vec<Signal>>, StoreError> {
        unsettled_calls(&self.pool).await
    }

    /// Returns at most `limit` call ids after `after`, in order: every call that has a signal.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn calls_after(&self, after: Option<CallId>, limit: u32) -> Result<Vec<CallId>, StoreError> {
        let rows = sql("SELECT id FROM calls WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| crate::row::id(row, "calls", "id")).collect()
    }
}

/// Reads the calls that a restart has to look at.
pub(crate) async fn unsettled_calls(
    db: impl Into<Db<'_>>,
) -> Result<BTreeMap<CallId, Vec<Signal>>, StoreError> {
    let rows = sql(
        "SELECT signal FROM signals WHERE call_id IN (SELECT id FROM calls WHERE NOT settled) ORDER BY seq",
    )
    .fetch_all(db)
    .await?;
    let mut calls: BTreeMap<CallId, Vec<Signal>> = BTreeMap::new();
    for row in &rows {
        let signal: Signal = json(row, "signals", "signal")?;
        calls.entry(signal.call_id).or_default().push(signal);
    }
    Ok(calls)
}

async fn insert_signals(tx: &mut Tx, entries: &[LedgerEntry]) -> Result<(), StoreError> {
    let calls: BTreeSet<CallId> = entries.iter().map(|entry| entry.signal.call_id).collect();
    let calls: Vec<Vec<Value>> = calls.iter().map(|call| vec![Value::text(call.to_string())]).collect();
    CALLS.write(tx, calls).await?;
    let (mut known, mut rows) = (BTreeSet::new(), Vec::new());
    for entry in entries.iter().filter(|entry| known.insert(entry.signal.id)) {
        let signal = &entry.signal;
        rows.push(vec![
            Value::from(entry.seq),
            Value::text(signal.id.to_string()),
            Value::text(signal.call_id.to_string()),
            Value::from(signal.observed_at.0),
            Value::from(entry.late_durable),
            Value::text(json_of(signal)?),
        ]);
    }
    SIGNALS.write(tx, rows).await
}

async fn save_calls(tx: &mut Tx, saves: &[SavedCall]) -> Result<(), StoreError> {
    let rows: Vec<Vec<Value>> =
        saves.iter().map(|save| interaction_row(&save.interaction)).collect::<Result<_, _>>()?;
    INTERACTIONS.write(tx, rows).await?;
    for save in saves {
        let it = &save.interaction;
        for user in it.further_talkers() {
            let talked = "INSERT INTO interaction_talkers (user_id, interaction_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            sql(talked).bind(user.to_string()).bind(it.id.to_string()).execute(&mut *tx).await?;
        }
        if save.settled {
            amend_missed(tx, it).await?;
        }
    }
    let recordings = saves.iter().flat_map(|save| {
        let started_at = save.interaction.started_at.0;
        save.recordings.iter().map(move |recording| (recording.id, recording_row(recording, started_at)))
    });
    // A row must not come twice in one statement.
    let recordings: BTreeMap<_, _> = recordings.collect();
    let recordings: Vec<Vec<Value>> = recordings.into_values().collect::<Result<_, _>>()?;
    RECORDINGS.write(tx, recordings).await?;
    let calls: BTreeMap<CallId, bool> =
        saves.iter().map(|save| (save.interaction.call_id, save.settled)).collect();
    let calls: Vec<Vec<Value>> = calls
        .into_iter()
        .map(|(call, settled)| vec![Value::text(call.to_string()), settled.into()])
        .collect();
    SETTLED.write(tx, calls).await
}

fn interaction_row(it: &Interaction) -> Result<Vec<Value>, StoreError> {
    let mut row = vec![
        Value::text(it.id.to_string()),
        Value::text(it.call_id.to_string()),
        Value::text(text_of(&it.direction)?),
        Value::from(it.outcome.as_ref().map(text_of).transpose()?),
        Value::text(text_of(&it.state)?),
        Value::from(&it.caller_number),
        Value::from(&it.callee_number),
        Value::from(it.contact_id.map(|id| id.to_string())),
        Value::from(it.user_id.map(|id| id.to_string())),
        Value::text(it.line_id.to_string()),
        Value::from(it.started_at.0),
        Value::from(!it.recording_ids.is_empty()),
        Value::text(json_of(it)?),
    ];
    row.extend(columns_of(it));
    row.extend([Value::from(&it.customer_number), Value::text(it.id.to_string())]);
    Ok(row)
}

fn recording_row(recording: &Recording, started_at: i64) -> Result<Vec<Value>, StoreError> {
    let duration = recording.duration_ms.map(i64::try_from).transpose();
    let duration =
        duration.map_err(|_| StoreError::unreadable("recordings", "duration_ms is out of range"))?;
    Ok(vec![
        Value::text(recording.id.to_string()),
        Value::text(recording.interaction_id.to_string()),
        Value::text(text_of(&recording.state)?),
        Value::from(duration),
        Value::from(recording.channels.map(i64::from)),
        Value::from(recording.sample_rate_hz.map(i64::from)),
        Value::from(recording.sha256.clone()),
        Value::text(json_of(&recording.spans)?),
        Value::from(started_at),
    ])
}

fn entry_of(row: &Row) -> Result<LedgerEntry, StoreError> {
    Ok(LedgerEntry {
        seq: row.try_get("seq")?,
        late_durable: row.try_get("late_durable")?,
        signal: json(row, "signals", "signal")?,
    })
}
