//! How a call begins: a customer's INVITE, or a user who asks for a call (RFC 3725, third-party call control).

use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, LegId, LineId, UserId};
use crate::interaction::Direction;
use crate::signal::{Caller, Offer, SignalBody};

/// A user's wish to call somebody: first the user's device rings, then the called one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialRequest {
    /// The leg of the one who is called (see [`crate::Engine::make_leg`]); dialled once the user is there.
    pub leg: LegId,
    /// The interaction that the call will leave.
    pub interaction: InteractionId,
    /// The line it goes out by.
    pub line: LineId,
    /// Who asks.
    pub user: UserId,
    /// Who is called.
    pub callee: Callee,
    /// The number shown to the called one, E.164 or digits.
    pub caller_id: Option<String>,
}

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callee {
    /// E.164, else the digits or the code as typed.
    pub number: String,
    /// As typed.
    pub typed: String,
    /// As the PBX is told.
    pub dialled: String,
    /// What kind of number it is.
    pub kind: CalleeKind,
}

/// What kind of number is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalleeKind {
    /// A public number.
    Outside,
    /// An internal number of the PBX.
    Inside,
    /// An emergency or short number or a code: dialled as typed, never matched to a contact.
    Special,
}

/// How a call began.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    /// A customer's INVITE arrived on a line.
    Offered(Offer),
    /// A user asked for it.
    Requested(DialRequest),
}

impl Opening {
    /// Reads it from a signal; `None` for one that opens no call.
    pub fn of(body: &SignalBody) -> Option<Self> {
        match body {
            SignalBody::LegOffered(offer) => Some(Self::Offered(offer.clone())),
            SignalBody::DialRequested(request) => Some(Self::Requested(request.clone())),
            _ => None,
        }
    }

    /// Yields the leg of the customer, or of whoever else is called.
    pub fn leg(&self) -> LegId {
        match self {
            Self::Offered(offer) => offer.leg,
            Self::Requested(request) => request.leg,
        }
    }

    /// Yields the interaction that the call leaves.
    pub fn interaction(&self) -> InteractionId {
        match self {
            Self::Offered(offer) => offer.interaction,
            Self::Requested(request) => request.interaction,
        }
    }

    /// Yields the line.
    pub fn line(&self) -> LineId {
        match self {
            Self::Offered(offer) => offer.line,
            Self::Requested(request) => request.line,
        }
    }

    /// Yields whose call it was at its opening.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Offered(offer) => offer.user,
            Self::Requested(request) => Some(request.user),
        }
    }

    /// Tells whether a user asked for the call, so that its own device rings first; else the PBX offered it.
    pub fn is_asked_for(&self) -> bool {
        matches!(self, Self::Requested(_))
    }

    /// Yields who called whom.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Offered(_) => Direction::Inbound,
            Self::Requested(request) => match request.callee.kind {
                CalleeKind::Inside => Direction::Internal,
                CalleeKind::Outside | CalleeKind::Special => Direction::Outbound,
            },
        }
    }

    /// Yields the other party's number: E.164, else digits; `None` when withheld or no number at all.
    pub fn number(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.number.as_deref(),
            Self::Requested(request) => Some(&request.callee.number),
        }
    }

    /// Yields the number to ask the contacts for.
    pub fn number_to_match(&self) -> Option<&str> {
        match self {
            Self::Requested(request) if request.callee.kind == CalleeKind::Special => None,
            _ => self.number(),
        }
    }

    /// Yields the other party's number as received or typed.
    pub fn number_dialled(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.dialled.as_deref(),
            Self::Requested(request) => Some(&request.callee.typed),
        }
    }

    /// Yields the number that a customer dialled, when the PBX tells it.
    pub fn did(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.did.as_deref(),
            Self::Requested(_) => None,
        }
    }

    /// Yields whom a device of the user shows: the one who calls, or the one who will be called.
    pub fn shown_on_device(&self) -> Caller {
        match self {
            Self::Offered(offer) => offer.caller.clone(),
            Self::Requested(request) => Caller {
                number: Some(request.callee.number.clone()),
                dialled: Some(request.callee.typed.clone()),
                ..Caller::default()
            },
        }
    }
}
