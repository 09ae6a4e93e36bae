//! The ground truth before it happens: who will call whom, and what everybody will do, all from one seed.

use serde::Serialize;

use super::chance::Chance;
use super::quirk::{Profile, Quirk};
use super::talk::{Talk, Turn, talk, talk_with_caller};

/// What a world is made from; the same gives the same world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorldPlan {
    /// The seed.
    pub seed: u64,
    /// How many calls there are.
    pub calls: usize,
    /// How many of them begin each second.
    pub rate_per_s: u32,
    /// What kinds of PBX there are: one PBX of each.
    pub profiles: Vec<Profile>,
    /// How the network is between them and the server: on a bad one people wait longer before they act.
    pub network: Network,
    /// How long the server lets a desk's phone ring, in ms.
    pub ring_timeout_ms: u64,
    /// Where the customers' numbers begin: two runs at one server must not be taken for the same customers.
    pub numbers_from: u64,
}

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing is lost.
    Good,
    /// Messages are lost, doubled and overtaken: each loss costs T1 or more.
    Lossy,
}

/// Everything that will happen.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What it was made from.
    pub plan: WorldPlan,
    /// The desks, by number.
    pub desks: Vec<Desk>,
    /// The calls, by number, in the order in which they begin.
    pub calls: Vec<PlannedCall>,
}

/// An agent with a line of Linecard's and a phone, both accounts of one PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// The place of its PBX in [`WorldPlan::profiles`].
    pub pbx: usize,
    /// How the line's calls are captured.
    pub mode: Mode,
    /// The account that Linecard has: the line's own, or the desk phone's when the line only watches.
    pub account: String,
    /// The extension of the phone.
    pub extension: String,
    /// The number that customers dial.
    pub did: String,
}

/// How the calls of a desk are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They come to Linecard, which rings the phone.
    Anchor,
    /// They come to the phone, and Linecard is a second contact beside it.
    Shadow,
    /// They come to the phone, and Linecard is told.
    DialogInfo,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCall {
    /// The desk it is for, or that makes it.
    pub desk: usize,
    /// When it begins at the earliest, in ms from the start; it waits for the desk to be free.
    pub at_ms: u64,
    /// What happens.
    pub course: Course,
}

/// What happens in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// A customer calls the desk's number.
    Inbound {
        /// Who calls.
        caller: Party,
        /// What becomes of it.
        end: InboundEnd,
    },
    /// A customer calls a desk whose agent talks: it begins in the middle of that talk.
    Intrusion {
        /// Who calls.
        caller: Party,
        /// The number of the call that is disturbed.
        upon: usize,
    },
    /// The agent asks in the interface for a call.
    Outbound {
        /// Who is called.
        callee: Party,
        /// When the agent's own phone is picked up, in ms from its ringing.
        pickup_ms: u64,
        /// How often the agent clicks.
        clicks: u32,
        /// What becomes of it.
        end: OutboundEnd,
    },
}

/// Somebody outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// E.164; `None` when it is withheld.
    pub number: Option<String>,
}

/// What becomes of a customer's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundEnd {
    /// The phone is answered.
    Talk {
        /// When, in ms from its ringing.
        after_ms: u64,
        /// What is said.
        talk: Talk,
    },
    /// The customer hangs up, in ms from the INVITE.
    GivesUp {
        /// When.
        after_ms: u64,
    },
    /// Nobody is there until the ring time is over.
    RingsOut,
    /// The phone says 486, in ms from its INVITE.
    Busy {
        /// When.
        after_ms: u64,
    },
    /// The agent declines on the phone, 603, in ms from its INVITE.
    Declined {
        /// When.
        after_ms: u64,
    },
}

/// What becomes of a call that an agent asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundEnd {
    /// The customer answers.
    Talk {
        /// When, in ms from the INVITE.
        after_ms: u64,
        /// What is said.
        talk: Talk,
    },
    /// The customer's side refuses.
    Refused {
        /// When, in ms from the INVITE.
        after_ms: u64,
        /// How: 486, 603, 480 or 404.
        status: u16,
        /// What the agent does who hears of it.
        then: AfterRefusal,
    },
    /// The agent hangs up before the customer answers, in ms from the customer's INVITE.
    AgentLeaves {
        /// When.
        after_ms: u64,
    },
    /// The agent declines the own phone's ringing.
    AgentDeclines,
}

/// What an agent does whose call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRefusal {
    /// Hangs up at once.
    HangsUp,
    /// Listens to the tone until the server hangs up.
    Listens,
}

/// How many ms a call takes at a desk on average, pause included.
const MEAN_CALL_MS: u64 = 2_200;

impl World {
    /// Makes a world.
    #[must_use]
    pub fn generate(plan: WorldPlan) -> Self {
        let mut chance = Chance::new(plan.seed);
        let desks = desks(&plan);
        let mut calls: Vec<PlannedCall> = Vec::with_capacity(plan.calls);
        let mut missed: Vec<Vec<String>> = vec![Vec::new(); desks.len()];
        while calls.len() < plan.calls {
            let number = calls.len();
            let at_ms = number as u64 * 1_000 / u64::from(plan.rate_per_s.max(1));
            // A whole round of the desks is dealt out before any gets its next call.
            let index = number % desks.len().max(1);
            let Some(desk) = desks.get(index) else { break };
            let profile = plan.profiles.get(desk.pbx).copied().unwrap_or(Profile::Asterisk);
            let known = missed.get_mut(index);
            let fresh = customer_number(&plan, number);
            let course = match desk.mode {
                Mode::Anchor => course(&mut chance, &plan, profile, fresh, known),
                Mode::Shadow | Mode::DialogInfo => course_at_phone(&mut chance, desk.mode, profile, fresh),
            };
            // Upon an agent who hands the customer over nobody comes: whether the desk is busy then is no question of the plan.
            let long = matches!(
                &course,
                Course::Inbound { end: InboundEnd::Talk { talk, .. }, .. }
                    if talk.talk_ms > 700 && !matches!(talk.turn, Turn::Handover(_))
            );
            calls.push(PlannedCall { desk: index, at_ms, course });
            if long && desk.mode == Mode::Anchor && calls.len() < plan.calls && chance.one_in(4) {
                let caller = Party { number: Some(customer_number(&plan, calls.len())) };
                let course = Course::Intrusion { caller, upon: number };
                calls.push(PlannedCall { desk: index, at_ms, course });
            }
        }
        Self { plan, desks, calls }
    }

    /// Gives the profile of a desk's PBX.
    #[must_use]
    pub fn profile(&self, desk: usize) -> Option<Profile> {
        self.plan.profiles.get(self.desks.get(desk)?.pbx).copied()
    }

    /// Gives the number of somebody outside to whom a call's customer may be handed over.
    #[must_use]
    pub fn outside_number(&self, call: usize) -> String {
        format!("+74952{:06}", call % 1_000_000)
    }

    /// Gives the number of a call's other party as the interaction has to have it.
    #[must_use]
    pub fn other_number(&self, call: usize) -> Option<&str> {
        match &self.calls.get(call)?.course {
            Course::Inbound { caller, .. } | Course::Intrusion { caller, .. } => caller.number.as_deref(),
            Course::Outbound { callee, .. } => callee.number.as_deref(),
        }
    }
}

/// Makes as many desks as the rate keeps busy about two thirds of the time.
fn desks(plan: &WorldPlan) -> Vec<Desk> {
    let pbxes = plan.profiles.len().max(1);
    let busy = u64::from(plan.rate_per_s) * MEAN_CALL_MS / 1_000;
    let wanted = usize::try_from(busy * 3 / 2).unwrap_or(usize::MAX).clamp(pbxes, 400);
    let count = wanted.min(plan.calls.max(1)).max(1);
    // A user of the server's whose extension is the same would be rung in place of a colleague.
    let extensions_from = 10_000 + plan.numbers_from % 200 * 400;
    let desk = |number: usize| {
        let pbx = number % pbxes;
        let told = plan.profiles.get(pbx).is_some_and(|profile| profile.has(Quirk::TellsDialogs));
        let mode = match (told, number / pbxes % 6) {
            (true, 2) => Mode::DialogInfo,
            (true, 4) => Mode::Shadow,
            _ => Mode::Anchor,
        };
        let extension = (extensions_from + number as u64).to_string();
        let account = if mode == Mode::Anchor { format!("line{number}") } else { extension.clone() };
        Desk { pbx, mode, account, extension, did: format!("+74951{number:06}") }
    };
    (0..count).map(desk).collect()
}

/// Makes the number of a customer that nobody else of the same or the next worlds has.
fn customer_number(plan: &WorldPlan, call: usize) -> String {
    let number = plan.numbers_from.wrapping_add(call as u64) % 1_000_000_000;
    format!("+79{number:09}")
}

fn course(
    chance: &mut Chance,
    plan: &WorldPlan,
    profile: Profile,
    fresh: String,
    missed: Option<&mut Vec<String>>,
) -> Course {
    if chance.one_in(4) {
        return outbound(chance, plan, Party { number: Some(fresh) }, missed);
    }
    let withheld = profile.has(Quirk::WithheldById) && chance.one_in(6);
    let end = inbound_end(chance);
    let number = (!withheld).then_some(fresh);
    let answered = matches!(end, InboundEnd::Talk { .. });
    if let (Some(number), Some(missed), false) = (&number, missed, answered) {
        missed.push(number.clone());
    }
    Course::Inbound { caller: Party { number }, end }
}

/// A call that the desk phone has for itself: of what its PBX does not tell nothing can be known.
fn course_at_phone(chance: &mut Chance, mode: Mode, profile: Profile, fresh: String) -> Course {
    let party = Party { number: Some(fresh) };
    let after_ms = 150 + chance.below(400);
    let talk = Talk { turn: Turn::Straight, ..talk(chance) };
    if mode == Mode::DialogInfo && chance.one_in(3) {
        let end = OutboundEnd::Talk { after_ms, talk };
        return Course::Outbound { callee: party, pickup_ms: 0, clicks: 0, end };
    }
    let end = match chance.below(5) {
        0..=2 => InboundEnd::Talk { after_ms, talk },
        3 if profile.has(Quirk::TellsHowItEnded) => InboundEnd::Declined { after_ms },
        _ => InboundEnd::GivesUp { after_ms },
    };
    Course::Inbound { caller: party, end }
}

fn inbound_end(chance: &mut Chance) -> InboundEnd {
    let after_ms = 80 + chance.below(400);
    match chance.below(20) {
        0..=10 => InboundEnd::Talk { after_ms, talk: talk_with_caller(chance) },
        11..=14 => InboundEnd::GivesUp { after_ms: 200 + chance.below(600) },
        15 => InboundEnd::RingsOut,
        16 | 17 => InboundEnd::Busy { after_ms },
        _ => InboundEnd::Declined { after_ms },
    }
}

/// A call that an agent asks for; of those whom the desk missed some are called back.
fn outbound(
    chance: &mut Chance,
    plan: &WorldPlan,
    callee: Party,
    missed: Option<&mut Vec<String>>,
) -> Course {
    let back = missed.filter(|_| chance.one_in(2)).and_then(Vec::pop);
    let callee = back.map_or(callee, |number| Party { number: Some(number) });
    let after_ms = 80 + chance.below(400);
    let end = match chance.below(10) {
        0..=5 => OutboundEnd::Talk { after_ms, talk: talk(chance) },
        6 | 7 => {
            let status = [486, 603, 480, 404].get(chance.index(4)).copied().unwrap_or(486);
            // On a bad network the refusal may come after the agent's hanging up, and would be none.
            let listens = plan.network == Network::Lossy || chance.one_in(8);
            let then = if listens { AfterRefusal::Listens } else { AfterRefusal::HangsUp };
            OutboundEnd::Refused { after_ms, status, then }
        }
        8 => OutboundEnd::AgentLeaves { after_ms: 150 + chance.below(300) },
        _ => OutboundEnd::AgentDeclines,
    };
    // A second click on a call that is over already is a call of its own.
    let lasts = matches!(end, OutboundEnd::Talk { .. } | OutboundEnd::Refused { .. });
    let clicks = if lasts && chance.one_in(4) { 2 } else { 1 };
    Course::Outbound { callee, pickup_ms: 50 + chance.below(200), clicks, end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::talk::{Asks, Handover, Hold, HoldEnd, HoldOffer, Side, Taker, TakerEnd};

    fn plan(seed: u64) -> WorldPlan {
        let (profiles, network) = (Profile::ALL.to_vec(), Network::Good);
        WorldPlan {
            seed,
            calls: 2_000,
            rate_per_s: 30,
            profiles,
            network,
            ring_timeout_ms: 3_000,
            numbers_from: 0,
        }
    }

    #[test]
    fn a_seed_gives_one_world_and_another_seed_another() {
        assert_eq!(World::generate(plan(1)), World::generate(plan(1)));
        assert_ne!(World::generate(plan(1)).calls, World::generate(plan(2)).calls);
    }

    #[test]
    fn every_course_happens_in_a_world_of_two_thousand_calls() {
        let world = World::generate(plan(3));
        assert_eq!(world.calls.len(), 2_000);
        let count =
            |wanted: fn(&Course) -> bool| world.calls.iter().filter(|call| wanted(&call.course)).count();
        type Named = (&'static str, fn(&Course) -> bool);
        let ends: [Named; 9] = [
            ("talks", |c| matches!(c, Course::Inbound { end: InboundEnd::Talk { .. }, .. })),
            ("gives up", |c| matches!(c, Course::Inbound { end: InboundEnd::GivesUp { .. }, .. })),
            ("rings out", |c| matches!(c, Course::Inbound { end: InboundEnd::RingsOut, .. })),
            ("busy", |c| matches!(c, Course::Inbound { end: InboundEnd::Busy { .. }, .. })),
            ("withheld", |c| matches!(c, Course::Inbound { caller: Party { number: None }, .. })),
            ("intrudes", |c| matches!(c, Course::Intrusion { .. })),
            ("clicks twice", |c| matches!(c, Course::Outbound { clicks: 2, .. })),
            ("is refused", |c| matches!(c, Course::Outbound { end: OutboundEnd::Refused { .. }, .. })),
            ("leaves", |c| matches!(c, Course::Outbound { end: OutboundEnd::AgentLeaves { .. }, .. })),
        ];
        for (name, wanted) in ends {
            assert!(count(wanted) >= 10, "{name}: {}", count(wanted));
        }
    }

    #[test]
    fn talks_take_every_turn_in_a_world_of_two_thousand_calls() {
        let world = World::generate(plan(3));
        let turns = world.calls.iter().filter_map(|call| match call.course {
            Course::Inbound { end: InboundEnd::Talk { talk, .. }, .. }
            | Course::Outbound { end: OutboundEnd::Talk { talk, .. }, .. } => Some(talk.turn),
            _ => None,
        });
        let turns: Vec<Turn> = turns.collect();
        let count = |wanted: &dyn Fn(&Turn) -> bool| turns.iter().filter(|turn| wanted(turn)).count();
        let holds = |of_it: fn(&Hold) -> bool| count(&|turn| matches!(turn, Turn::Hold(it) if of_it(it)));
        let hands =
            |of_it: fn(&Handover) -> bool| count(&|turn| matches!(turn, Turn::Handover(it) if of_it(it)));
        let counts = [
            ("the customer's side holds", holds(|it| it.by == Side::Customer)),
            ("the agent's phone holds", holds(|it| it.by == Side::Agent)),
            ("sendonly", holds(|it| it.offer == HoldOffer::SendOnly)),
            ("inactive", holds(|it| it.offer == HoldOffer::Inactive)),
            ("0.0.0.0", holds(|it| it.offer == HoldOffer::NoAddress)),
            ("held until the end", holds(|it| it.end == HoldEnd::HungUp)),
            ("REFER", hands(|it| it.asks == Asks::OnPhone)),
            ("REFER and BYE", hands(|it| it.asks == Asks::OnPhoneAndLeaves)),
            ("REFER with Replaces", hands(|it| it.asks == Asks::OnPhoneAfterTalk)),
            ("blind in the interface", hands(|it| it.asks == Asks::InInterface)),
            ("attended in the interface", hands(|it| it.asks == Asks::InInterfaceAfterTalk)),
            ("to a number outside", hands(|it| it.to == Taker::Outside)),
            ("nobody answers", hands(|it| it.end == TakerEnd::RingsOut)),
            ("refused", hands(|it| matches!(it.end, TakerEnd::Refuses { .. }))),
        ];
        for (name, count) in counts {
            assert!(count >= 5, "{name}: {count}");
        }
        let talks = turns.len();
        let handed = count(&|turn| matches!(turn, Turn::Handover(_)));
        assert!((talks / 20..talks / 6).contains(&handed), "{handed} of {talks} talks");
    }
}
