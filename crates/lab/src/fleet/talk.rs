//! A talk before it happens: how long, who hangs up, and what turn it takes in its middle.

use serde::Serialize;

use super::chance::Chance;

/// A side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who is outside.
    Customer,
    /// The agent's phone.
    Agent,
    /// Who is to take the customer over from the agent: a colleague's phone, or somebody outside.
    Other,
}

impl Side {
    /// Every side that a desk has ends for.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Agent, Self::Other];
}

/// A talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Talk {
    /// How long, in ms; handing over comes on top.
    pub talk_ms: u64,
    /// Who hangs up: the customer, or whoever talks with the customer then.
    pub ends: Side,
    /// What happens a third into it.
    pub turn: Turn,
}

/// What happens within a talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: both talk until one hangs up.
    Straight,
    /// One holds the other.
    Hold(Hold),
    /// The agent hands the customer over.
    Handover(Handover),
}

/// A hold by a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Who holds: the customer's side or the agent's phone.
    pub by: Side,
    /// How it is offered.
    pub offer: HoldOffer,
    /// How it ends.
    pub end: HoldEnd,
}

/// How a phone says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldOffer {
    /// `a=sendonly` (RFC 3264 section 8.4).
    SendOnly,
    /// `a=inactive`: of phones that play nothing.
    Inactive,
    /// `c=0.0.0.0` and no direction: of old phones (RFC 2543 appendix B.5).
    NoAddress,
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// Both talk again after another third.
    Retrieved,
    /// The talk ends with it.
    HungUp,
}

/// A customer is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// How the agent asks for it.
    pub asks: Asks,
    /// Who is to take the customer.
    pub to: Taker,
    /// What becomes of it.
    pub end: TakerEnd,
}

/// How an agent asks for a customer to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// The phone sends REFER and waits for what it is told (RFC 5589 section 6.1).
    OnPhone,
    /// The phone sends REFER and hangs up as soon as that is accepted.
    OnPhoneAndLeaves,
    /// The phone holds the customer, calls the colleague within the PBX and sends REFER with Replaces (RFC 5589 section 7).
    OnPhoneAfterTalk,
    /// In the interface, blind.
    InInterface,
    /// In the interface, attended: both agents talk first.
    InInterfaceAfterTalk,
}

/// Who is to take a customer over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A colleague at the same PBX whose desk is idle then.
    Colleague,
    /// A number outside.
    Outside,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakerEnd {
    /// It is answered, in ms from its ringing.
    Answers {
        /// When.
        after_ms: u64,
    },
    /// Nobody is there until the ring time is over.
    RingsOut,
    /// It refuses, in ms from its INVITE.
    Refuses {
        /// When.
        after_ms: u64,
        /// How: 486 or 603.
        status: u16,
    },
}

/// Makes a talk in which nobody is handed over.
pub(super) fn talk(chance: &mut Chance) -> Talk {
    let talk_ms = 400 + chance.below(800);
    let ends = who_hangs_up(chance);
    let holds = talk_ms > 700 && chance.one_in(3);
    let turn = if holds { Turn::Hold(hold(chance)) } else { Turn::Straight };
    Talk { talk_ms, ends, turn }
}

/// Makes the talk of a customer who has called and may be handed over.
pub(super) fn talk_with_caller(chance: &mut Chance) -> Talk {
    if !chance.one_in(8) {
        return talk(chance);
    }
    // Its last two thirds are longer than a pop may be late: one that stays with the first agent is seen to stay.
    let (talk_ms, ends) = (1_650 + chance.below(500), who_hangs_up(chance));
    Talk { talk_ms, ends, turn: Turn::Handover(handover(chance)) }
}

fn who_hangs_up(chance: &mut Chance) -> Side {
    if chance.one_in(2) { Side::Customer } else { Side::Agent }
}

fn hold(chance: &mut Chance) -> Hold {
    let by = if chance.one_in(2) { Side::Customer } else { Side::Agent };
    let offer = match chance.below(3) {
        0 => HoldOffer::SendOnly,
        1 => HoldOffer::Inactive,
        _ => HoldOffer::NoAddress,
    };
    let end = if chance.one_in(3) { HoldEnd::HungUp } else { HoldEnd::Retrieved };
    Hold { by, offer, end }
}

fn handover(chance: &mut Chance) -> Handover {
    let after_ms = 80 + chance.below(400);
    let asks = match chance.below(5) {
        0 => Asks::OnPhone,
        1 => Asks::OnPhoneAndLeaves,
        2 => Asks::InInterface,
        3 => Asks::InInterfaceAfterTalk,
        // Whom the phone has called has answered already.
        _ => {
            let end = TakerEnd::Answers { after_ms: 0 };
            return Handover { asks: Asks::OnPhoneAfterTalk, to: Taker::Colleague, end };
        }
    };
    let to = if chance.one_in(4) { Taker::Outside } else { Taker::Colleague };
    let end = match (chance.below(6), to) {
        // A number outside may ring for longer than a call may take here.
        (0, Taker::Colleague) => TakerEnd::RingsOut,
        (0 | 1, _) => TakerEnd::Refuses { after_ms, status: if chance.one_in(2) { 486 } else { 603 } },
        _ => TakerEnd::Answers { after_ms },
    };
    Handover { asks, to, end }
}
