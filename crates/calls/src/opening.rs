//! How a call begins: a customer's INVITE, a user who asks for a call (RFC 3725, third-party call control), or the first
//! that is seen of one that goes on elsewhere.

use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, LegId, LineId, UserId};
use crate::interaction::Direction;
use crate::sighting::{Reach, Side, Sighting};
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

/// A call that goes on elsewhere, as far as the sightings tell until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCall {
    /// The leg of the customer, or of whoever else is called; never dialled nor answered by this server.
    pub leg: LegId,
    /// The interaction that the call will leave.
    pub interaction: InteractionId,
    /// The line by which it was first seen.
    pub line: LineId,
    /// The user of that line.
    pub user: Option<UserId>,
    /// Who called whom.
    pub direction: Direction,
    /// The extension that called; of an inbound call, the one that was called first.
    pub extension: String,
    /// The other party of that extension.
    pub party: Caller,
    /// What kind of number that is.
    pub reach: Reach,
    /// The number that was dialled, when the PBX tells it.
    pub did: Option<String>,
}

impl SeenCall {
    /// Begins with the first sighting.
    pub fn new(leg: LegId, interaction: InteractionId, sighting: &Sighting) -> Self {
        let direction = match (sighting.side, sighting.reach) {
            (Side::Called, _) => Direction::Inbound,
            (Side::Calling, Reach::Inside) => Direction::Internal,
            (Side::Calling, _) => Direction::Outbound,
        };
        Self {
            leg,
            interaction,
            line: sighting.line,
            user: sighting.user,
            direction,
            extension: sighting.extension.clone(),
            party: sighting.party.clone(),
            reach: sighting.reach,
            did: sighting.did.clone(),
        }
    }

    /// Takes what a further sighting knows better: who the other party is, or that both parties are extensions.
    pub fn learn(&mut self, sighting: &Sighting) {
        match (self.direction, sighting.side) {
            (Direction::Inbound, Side::Calling) => {
                self.direction = Direction::Internal;
                self.extension.clone_from(&sighting.extension);
                self.party = sighting.party.clone();
                self.reach = sighting.reach;
                self.user = sighting.user;
            }
            (Direction::Inbound, Side::Called)
            | (Direction::Outbound | Direction::Internal, Side::Calling) => {
                if self.party.number.is_none() && sighting.party.number.is_some() {
                    self.party = sighting.party.clone();
                    self.reach = sighting.reach;
                }
            }
            (Direction::Outbound | Direction::Internal, Side::Called) => {}
        }
        if self.did.is_none() && sighting.side == Side::Called {
            self.did.clone_from(&sighting.did);
        }
    }

    /// The number of who called, and as it was received.
    fn caller(&self) -> (Option<&str>, Option<&str>) {
        match self.direction {
            Direction::Inbound => (self.party.number.as_deref(), self.party.dialled.as_deref()),
            Direction::Outbound | Direction::Internal => (Some(&self.extension), Some(&self.extension)),
        }
    }
}

/// How a call began.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    /// A customer's INVITE arrived on a line.
    Offered(Offer),
    /// A user asked for it.
    Requested(DialRequest),
    /// It was seen to go on elsewhere.
    Seen(SeenCall),
}

impl Opening {
    /// Reads it from a signal; `None` for one that opens no call.
    pub fn of(body: &SignalBody) -> Option<Self> {
        match body {
            SignalBody::LegOffered(offer) => Some(Self::Offered(offer.clone())),
            SignalBody::DialRequested(request) => Some(Self::Requested(request.clone())),
            SignalBody::CallSighted { customer, interaction, sighting } => {
                Some(Self::Seen(SeenCall::new(*customer, *interaction, sighting)))
            }
            _ => None,
        }
    }

    /// Yields the leg of the customer, or of whoever else is called.
    pub fn leg(&self) -> LegId {
        match self {
            Self::Offered(offer) => offer.leg,
            Self::Requested(request) => request.leg,
            Self::Seen(seen) => seen.leg,
        }
    }

    /// Yields the interaction that the call leaves.
    pub fn interaction(&self) -> InteractionId {
        match self {
            Self::Offered(offer) => offer.interaction,
            Self::Requested(request) => request.interaction,
            Self::Seen(seen) => seen.interaction,
        }
    }

    /// Yields the line.
    pub fn line(&self) -> LineId {
        match self {
            Self::Offered(offer) => offer.line,
            Self::Requested(request) => request.line,
            Self::Seen(seen) => seen.line,
        }
    }

    /// Yields whose call it was at its opening.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Offered(offer) => offer.user,
            Self::Requested(request) => Some(request.user),
            Self::Seen(seen) => seen.user,
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
            Self::Seen(seen) => seen.direction,
        }
    }

    /// Yields the other party's number: E.164, else digits; `None` when withheld or no number at all.
    pub fn number(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.number.as_deref(),
            Self::Requested(request) => Some(&request.callee.number),
            Self::Seen(seen) => seen.party.number.as_deref(),
        }
    }

    /// Whether the caller keeps the number back: a call of which a number is told is another one.
    pub(crate) fn is_withheld(&self) -> bool {
        match self {
            Self::Offered(offer) => offer.caller.is_withheld(),
            Self::Requested(_) => false,
            Self::Seen(seen) => seen.direction == Direction::Inbound && seen.party.is_withheld(),
        }
    }

    /// Yields the number by which the customer is known: the one that the call began with, unless that is no public
    /// number and the PBX has `connected` the call with one since: then the first of those.
    pub fn known_number<'a>(&'a self, connected: &'a [Caller]) -> Option<&'a str> {
        self.put_through(connected).map_or(self.number(), |party| party.number.as_deref())
    }

    /// Yields the number at the customer's end at last, where it is another than the one by which the customer is known.
    pub fn connected_number<'a>(&self, connected: &'a [Caller]) -> Option<&'a str> {
        let number = connected.last().and_then(|party| party.number.as_deref());
        number.filter(|number| Some(*number) != self.known_number(connected))
    }

    /// Yields the customer whom somebody without a public number has put through.
    pub fn put_through<'a>(&self, connected: &'a [Caller]) -> Option<&'a Caller> {
        let is_public = |number: &str| number.starts_with('+');
        let known = self.number().is_some_and(is_public) || self.is_special();
        let mut public = connected.iter().filter(|party| party.number.as_deref().is_some_and(is_public));
        public.next().filter(|_| !known)
    }

    /// Yields the number to ask the contacts for.
    pub fn number_to_match<'a>(&'a self, connected: &'a [Caller]) -> Option<&'a str> {
        self.known_number(connected).filter(|_| !self.is_special())
    }

    /// Tells whether an emergency or short number is called.
    pub fn is_special(&self) -> bool {
        match self {
            Self::Offered(_) => false,
            Self::Requested(request) => request.callee.kind == CalleeKind::Special,
            Self::Seen(seen) => seen.reach == Reach::Special,
        }
    }

    /// Yields the other party's number as received or typed.
    pub fn number_dialled(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.dialled.as_deref(),
            Self::Requested(request) => Some(&request.callee.typed),
            Self::Seen(seen) => seen.party.dialled.as_deref(),
        }
    }

    /// Yields the number that a customer dialled, when the PBX tells it.
    pub fn did(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.did.as_deref(),
            Self::Requested(_) => None,
            Self::Seen(seen) => seen.did.as_deref(),
        }
    }

    /// Yields what the caller's side handed over with the call.
    pub fn user_to_user(&self) -> &[String] {
        match self {
            Self::Offered(offer) => &offer.user_to_user,
            Self::Requested(_) | Self::Seen(_) => &[],
        }
    }

    /// Takes what a sighting knows better; what this server carries it knows best itself.
    pub(crate) fn learn(&mut self, sighting: &Sighting) {
        if let Self::Seen(seen) = self {
            seen.learn(sighting);
        }
    }

    /// Yields the number that the called one sees: of a customer who called, the customer's.
    pub fn caller_number(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.number.as_deref(),
            Self::Requested(request) => request.caller_id.as_deref(),
            Self::Seen(seen) => seen.caller().0,
        }
    }

    /// Yields the number that is shown to who is called, of a call that a user asked for.
    pub fn shown_to_callee(&self) -> Option<&str> {
        match self {
            Self::Requested(request) => request.caller_id.as_deref(),
            Self::Offered(_) | Self::Seen(_) => None,
        }
    }

    /// Yields that number as received.
    pub fn caller_dialled(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.caller.dialled.as_deref(),
            Self::Requested(request) => request.caller_id.as_deref(),
            Self::Seen(seen) => seen.caller().1,
        }
    }

    /// Yields the number that was called, when it is known.
    pub fn callee_number(&self) -> Option<&str> {
        match self {
            Self::Offered(offer) => offer.did.as_deref(),
            Self::Requested(request) => Some(&request.callee.number),
            Self::Seen(seen) if seen.direction == Direction::Inbound => seen.did.as_deref(),
            Self::Seen(seen) => seen.party.number.as_deref(),
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
            Self::Seen(seen) => seen.party.clone(),
        }
    }
}
