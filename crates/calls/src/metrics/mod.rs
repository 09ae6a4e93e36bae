//! What the figures of reports mean: the definitions, as pure functions over what calls left.
//!
//! A report sums with SQL, whose conditions say the same as [`Figure::counts`]; calls that the database does not have
//! yet are counted here. Not here: the database, names, words.

mod group;
mod peak;
mod zone;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use group::{By, Group};
pub use peak::{Peak, peaks, raise};
pub use zone::Zone;

use crate::id::{LineId, UserId};
use crate::interaction::{Direction, Interaction, Outcome};
use crate::missed::{MissedItem, MissedState};
use crate::time::UtcMillis;

/// A call counts as under way for so long at most, in milliseconds: one whose end was never seen hides no later peak.
pub const UNDER_WAY_AT_MOST_MS: i64 = 24 * 3_600_000;

/// How an inbound call that nobody answered stands. One whose caller was answered on another line while it rang is none:
/// it is that other call, which counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Its caller waits: neither answered nor called back since, and nobody has closed the item.
    Waiting,
    /// The caller was reached, or a user closed the item.
    Settled,
}

impl Missed {
    /// Yields how the calls of an item stand.
    pub fn of(item: &MissedItem) -> Self {
        match item.state {
            MissedState::Open | MissedState::Claimed => Self::Waiting,
            MissedState::Closed => Self::Settled,
        }
    }
}

/// What reports know of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedCall {
    /// Who called whom.
    pub direction: Direction,
    /// How it went; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// The line.
    pub line_id: LineId,
    /// The user who answered, else the one it was meant for.
    pub user_id: Option<UserId>,
    /// The INVITE.
    pub started_at: UtcMillis,
    /// The end of the customer's leg.
    pub ended_at: Option<UtcMillis>,
    /// Whether customer and agent were ever connected.
    pub answered: bool,
    /// From the INVITE to the answer or the end.
    pub ringing_ms: Option<i64>,
    /// Both connected until the first BYE, hold included.
    pub talk_ms: Option<i64>,
    /// The part of the talk on hold.
    pub hold_ms: Option<i64>,
    /// How it stands when nobody answered it.
    pub missed: Option<Missed>,
}

impl CountedCall {
    /// Takes what is counted out of an interaction.
    pub fn of(interaction: &Interaction, missed: Option<Missed>) -> Self {
        Self {
            direction: interaction.direction,
            outcome: interaction.outcome,
            line_id: interaction.line_id,
            user_id: interaction.user_id,
            started_at: interaction.started_at,
            ended_at: interaction.ended_at,
            answered: interaction.answered_at.is_some(),
            ringing_ms: interaction.ringing_ms,
            talk_ms: interaction.talk_ms,
            hold_ms: interaction.hold_ms,
            missed,
        }
    }

    /// Yields the first moment at which it is not under way any more, at least a millisecond after its beginning.
    pub fn under_way_until(&self) -> UtcMillis {
        let longest = self.started_at.plus_ms(UNDER_WAY_AT_MOST_MS);
        self.ended_at.unwrap_or(longest).min(longest).max(self.started_at.plus_ms(1))
    }

    /// Tells whether it is under way at a moment.
    pub fn is_under_way(&self, at: UtcMillis) -> bool {
        self.started_at <= at && at < self.under_way_until()
    }
}

/// What is counted: each number of a report is one of these over a part of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Inbound calls: answered, missed or still ringing.
    Offered,
    /// Inbound calls in which customer and agent were connected.
    Answered,
    /// Inbound calls that ended without an answer, whatever the reason.
    Missed,
    /// Missed calls whose caller waits: neither answered nor called back since, and nobody has closed the item.
    NotCalledBack,
    /// Answered calls that rang no longer than the target of the service level.
    InTime,
    /// Missed calls that the caller gave up after the target of the service level.
    AbandonedLate,
    /// Answered calls that are over.
    Handled,
    /// Outbound calls.
    Dialled,
    /// Outbound calls in which customer and agent were connected.
    Reached,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Figure; 9] = [
        Figure::Offered,
        Figure::Answered,
        Figure::Missed,
        Figure::NotCalledBack,
        Figure::InTime,
        Figure::AbandonedLate,
        Figure::Handled,
        Figure::Dialled,
        Figure::Reached,
    ];

    /// Tells whether `call` is counted; `within_ms` is the target of the service level.
    pub fn counts(self, call: &CountedCall, within_ms: i64) -> bool {
        let inbound = call.direction == Direction::Inbound;
        let answered = inbound && call.answered;
        let rang = |fits: fn(i64, i64) -> bool| call.ringing_ms.is_some_and(|ms| fits(ms, within_ms));
        match self {
            Figure::Offered => inbound && (call.answered || call.missed.is_some() || call.ended_at.is_none()),
            Figure::Answered => answered,
            Figure::Missed => call.missed.is_some(),
            Figure::NotCalledBack => call.missed == Some(Missed::Waiting),
            Figure::InTime => answered && rang(|ms, within| ms <= within),
            Figure::AbandonedLate => {
                let gave_up = call.missed.is_some() && call.outcome == Some(Outcome::Abandoned);
                gave_up && rang(|ms, within| ms > within)
            }
            Figure::Handled => answered && call.ended_at.is_some(),
            Figure::Dialled => call.direction == Direction::Outbound,
            Figure::Reached => call.direction == Direction::Outbound && call.answered,
        }
    }
}

/// The figures of a part of the calls; those of two parts add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// [`Figure::Offered`].
    pub offered: i64,
    /// [`Figure::Answered`].
    pub answered: i64,
    /// [`Figure::Missed`].
    pub missed: i64,
    /// [`Figure::NotCalledBack`].
    pub not_called_back: i64,
    /// [`Figure::InTime`].
    pub in_time: i64,
    /// [`Figure::AbandonedLate`].
    pub abandoned_late: i64,
    /// [`Figure::Handled`].
    pub handled: i64,
    /// [`Figure::Dialled`].
    pub dialled: i64,
    /// [`Figure::Reached`].
    pub reached: i64,
    /// The talk of the handled calls, hold included.
    pub talk_ms: i64,
    /// The part of it on hold.
    pub hold_ms: i64,
    /// The talk of the outbound calls that are over, hold included.
    pub reached_talk_ms: i64,
}

impl Load {
    /// Counts calls; `within_ms` is the target of the service level.
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a CountedCall>, within_ms: i64) -> Self {
        let mut load = Self::default();
        for call in calls {
            for figure in Figure::ALL {
                *load.figure_mut(figure) += i64::from(figure.counts(call, within_ms));
            }
            if Figure::Handled.counts(call, within_ms) {
                load.talk_ms += call.talk_ms.unwrap_or(0);
                load.hold_ms += call.hold_ms.unwrap_or(0);
            } else if Figure::Reached.counts(call, within_ms) && call.ended_at.is_some() {
                load.reached_talk_ms += call.talk_ms.unwrap_or(0);
            }
        }
        load
    }

    /// Yields one figure.
    pub fn figure(&self, figure: Figure) -> i64 {
        let mut load = *self;
        *load.figure_mut(figure)
    }

    /// Yields the place of one figure.
    pub fn figure_mut(&mut self, figure: Figure) -> &mut i64 {
        match figure {
            Figure::Offered => &mut self.offered,
            Figure::Answered => &mut self.answered,
            Figure::Missed => &mut self.missed,
            Figure::NotCalledBack => &mut self.not_called_back,
            Figure::InTime => &mut self.in_time,
            Figure::AbandonedLate => &mut self.abandoned_late,
            Figure::Handled => &mut self.handled,
            Figure::Dialled => &mut self.dialled,
            Figure::Reached => &mut self.reached,
        }
    }

    /// Yields the service level p/T: answered within T / (answered + abandoned after T); `None` without such a call.
    pub fn service_level(&self) -> Option<f64> {
        ratio(self.in_time, self.answered + self.abandoned_late)
    }

    /// Yields AHT: (talk + hold + wrap-up) / handled. The talk holds the hold; wrap-up is not seen yet and counts nothing.
    pub fn aht_ms(&self) -> Option<i64> {
        (self.handled > 0).then(|| self.talk_ms / self.handled)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        for figure in Figure::ALL {
            *self.figure_mut(figure) += other.figure(figure);
        }
        self.talk_ms += other.talk_ms;
        self.hold_ms += other.hold_ms;
        self.reached_talk_ms += other.reached_talk_ms;
    }
}
