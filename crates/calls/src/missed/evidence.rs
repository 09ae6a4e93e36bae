//! What is known of one caller, and how interactions and signals become it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deed, Item, items};
use crate::id::{CallId, ContactId, InteractionId, UserId};
use crate::interaction::{Direction, Interaction, InteractionState};
use crate::signal::{Signal, SignalBody};
use crate::time::UtcMillis;

/// Who a caller is, as far as calls tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKey {
    /// E.164, else digits.
    Number(String),
    /// A withheld number, or none at all: each call is a caller of its own.
    Call(InteractionId),
}

impl CallerKey {
    /// Yields the customer's side of an interaction; `None` for a call between users.
    pub fn of(interaction: &Interaction) -> Option<Self> {
        if interaction.direction == Direction::Internal {
            return None;
        }
        let number = interaction.other_number().map(str::to_owned);
        Some(number.map_or(Self::Call(interaction.id), Self::Number))
    }
}

/// An inbound call that ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedCall {
    /// Its interaction.
    pub interaction_id: InteractionId,
    /// The call.
    pub call_id: CallId,
    /// The user whose line was called.
    pub user_id: Option<UserId>,
    /// The caller, once settled.
    pub contact_id: Option<ContactId>,
    /// E.164, else digits.
    pub number: Option<String>,
    /// The number as received.
    pub number_dialled: Option<String>,
    /// The INVITE.
    pub started_at: UtcMillis,
    /// When it became a missed call.
    pub ended_at: UtcMillis,
}

impl MissedCall {
    /// Yields the missed call that an interaction is; `None` for one that is live, answered or not inbound.
    ///
    /// Why nobody answered does not matter: the caller wanted something either way.
    pub fn of(interaction: &Interaction) -> Option<Self> {
        let ended = interaction.state == InteractionState::Ended && interaction.answered_at.is_none();
        if interaction.direction != Direction::Inbound || !ended {
            return None;
        }
        let number = interaction.other_number();
        let first = number == interaction.caller_number.as_deref();
        let dialled = if first { interaction.caller_dialled.as_deref() } else { number };
        Some(Self {
            interaction_id: interaction.id,
            call_id: interaction.call_id,
            user_id: interaction.user_id,
            contact_id: interaction.contact_id,
            number: number.map(str::to_owned),
            number_dialled: dialled.map(str::to_owned),
            started_at: interaction.started_at,
            ended_at: interaction.ended_at.unwrap_or(interaction.started_at),
        })
    }

    /// Yields whose call it is.
    pub fn caller(&self) -> CallerKey {
        self.number.clone().map_or(CallerKey::Call(self.interaction_id), CallerKey::Number)
    }
}

/// A moment at which somebody talked with the caller, whoever had called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The interaction, live or over.
    pub interaction_id: InteractionId,
    /// Who talked.
    pub user_id: Option<UserId>,
    /// The connection.
    pub at: UtcMillis,
}

impl Answer {
    /// Yields the answer that an interaction had.
    pub fn of(interaction: &Interaction) -> Option<Self> {
        let (interaction_id, user_id) = (interaction.id, interaction.user_id);
        interaction.answered_at.map(|at| Self { interaction_id, user_id, at })
    }
}

/// A user's claim or close, named by a call of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// When; never before that call's end.
    pub at: UtcMillis,
    /// A missed call of the item.
    pub call_id: CallId,
    /// Who did it.
    pub user_id: UserId,
    /// What was done.
    pub deed: Deed,
}

impl Act {
    /// Reads it from the ledger.
    pub fn of(signal: &Signal) -> Option<Self> {
        let (user_id, deed) = match signal.body {
            SignalBody::MissedClaimed { user } => (user, Deed::Claim),
            SignalBody::MissedClosed { user } => (user, Deed::Close),
            _ => return None,
        };
        Some(Self { at: signal.observed_at, call_id: signal.call_id, user_id, deed })
    }

    /// Yields what it is in the ledger.
    pub fn body(&self) -> SignalBody {
        let user = self.user_id;
        match self.deed {
            Deed::Claim => SignalBody::MissedClaimed { user },
            Deed::Close => SignalBody::MissedClosed { user },
        }
    }
}

/// All that is known of one caller; what comes twice is there once.
#[derive(Debug, Clone, Default)]
pub struct CallerEvidence {
    pub(super) missed: BTreeMap<InteractionId, MissedCall>,
    pub(super) answered: BTreeMap<InteractionId, Answer>,
    pub(super) acts: BTreeSet<Act>,
}

impl CallerEvidence {
    /// Takes an interaction of this caller.
    pub fn take(&mut self, interaction: &Interaction) {
        if let Some(answer) = Answer::of(interaction) {
            self.answered.insert(answer.interaction_id, answer);
        } else if let Some(call) = MissedCall::of(interaction) {
            self.missed.insert(call.interaction_id, call);
        }
    }

    /// Takes what a user did.
    pub fn act(&mut self, act: Act) {
        self.acts.insert(act);
    }

    /// Yields the newest moment that is known.
    pub(super) fn newest(&self) -> Option<UtcMillis> {
        let missed = self.missed.values().map(|call| call.ended_at);
        let answered = self.answered.values().map(|answer| answer.at);
        missed.chain(answered).chain(self.acts.iter().map(|act| act.at)).max()
    }
}

/// All callers of a whole ledger.
#[derive(Debug, Clone, Default)]
pub struct Callers(BTreeMap<CallerKey, CallerEvidence>);

impl Callers {
    /// Takes an interaction with the signals it was folded from.
    pub fn take(&mut self, interaction: &Interaction, signals: &[Signal]) {
        let Some(key) = CallerKey::of(interaction) else { return };
        let evidence = self.0.entry(key).or_default();
        evidence.take(interaction);
        signals.iter().filter_map(Act::of).for_each(|act| evidence.act(act));
    }

    /// Makes every item there ever was.
    pub fn items(&self) -> impl Iterator<Item = Item> {
        self.0.values().flat_map(items)
    }
}
