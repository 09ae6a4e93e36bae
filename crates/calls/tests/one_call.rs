//! Whatever sees a call, and in whatever order it is told: one call leaves one interaction.
//!
//! A small truth: customers call groups of extensions and lines at the same time, one is answered or none, talks are
//! transferred. What happens is told by several sources, each late in its own way, some of it twice, some not at all.
//! Each failure names its seed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use common::{Desk, line, route, shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const WORLDS: u64 = 1_500;
/// The user of the line that runs through the server.
const CARRIED: u16 = 90;

/// What is told, when.
#[derive(Debug, Clone)]
enum Told {
    Seen { of: u16, source: Source, stage: SightingStage, side: Side },
    Lost { of: u16, source: Source, end: SightingEnd, reason: Option<u16> },
    Offered,
    Cancelled,
    Answered,
    HungUp,
}

/// One true call.
#[derive(Debug, Clone, Default)]
struct Truth {
    number: Option<String>,
    /// What is told of it, by time in milliseconds.
    told: Vec<(u64, Told)>,
    /// Whether somebody was seen to answer, and who first.
    taken_by: Option<u16>,
    /// Whether a Reason tells of an answer that nobody saw.
    hinted: bool,
    carried: bool,
    /// Whether a recording client sends the talk.
    recorded: bool,
}

struct Chance(ChaCha12Rng);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        u64::from(self.0.next_u32()) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How a source sees an extension: how late it tells, and whether the ringing is lost.
struct Eye {
    source: Source,
    late_ms: u64,
    drops_ringing: bool,
}

/// `sure`: a call may ring unseen and be known all the same; not so when its number is not told, or when nobody else rings.
fn eyes(chance: &mut Chance, sure: bool) -> Vec<Eye> {
    let dialogs = !chance.one_in(5);
    let shadow = !dialogs || chance.one_in(2);
    let mut eyes = Vec::new();
    if dialogs {
        let (late_ms, drops_ringing) = (chance.below(150), sure && !shadow && chance.one_in(8));
        eyes.push(Eye { source: Source::DialogInfo, late_ms, drops_ringing });
    }
    if shadow {
        eyes.push(Eye { source: Source::Shadow, late_ms: chance.below(60), drops_ringing: false });
    }
    eyes
}

/// A customer calls `members`, who ring together or one after the other.
fn truth(chance: &mut Chance, start: u64, number: Option<String>, members: &[u16], carried: bool) -> Truth {
    let mut truth = Truth { number, carried, ..Truth::default() };
    let marks = chance.one_in(2);
    let hunts = !carried && truth.number.is_some() && chance.one_in(3);
    let ring_ms = 3_000 + chance.below(9_000);
    let taker = chance.below(members.len() as u64 + 2) as usize;
    truth.recorded = !carried && chance.one_in(3);
    let by_line = carried && taker == members.len();
    let mut at = start;
    if carried {
        truth.told.push((start + chance.below(100), Told::Offered));
    }
    let mut over = start + ring_ms;
    let mut talk_from = None;
    for (nth, member) in members.iter().enumerate() {
        let eyes = eyes(chance, truth.number.is_some() && !hunts && nth > 0);
        let answers = nth == taker;
        let until = if hunts { at + ring_ms } else { start + ring_ms };
        for eye in &eyes {
            let ring = at + eye.late_ms + chance.below(80);
            if !eye.drops_ringing {
                truth.told.push((ring, seen(*member, eye.source, SightingStage::Ringing)));
            }
            let goes = until.max(ring) + eye.late_ms;
            let told_by_dialogs = eye.source == Source::DialogInfo;
            if answers && told_by_dialogs {
                truth.told.push((goes, seen(*member, eye.source, SightingStage::Talking)));
                talk_from = Some(until);
            } else {
                let taken = taker < members.len() && (!hunts || answers) || by_line;
                let reason = (taken && marks && eye.source == Source::Shadow).then_some(200);
                truth.hinted |= reason.is_some();
                let end = SightingEnd::Cancelled;
                truth.told.push((goes, Told::Lost { of: *member, source: eye.source, end, reason }));
            }
        }
        over = over.max(until);
        if answers && truth.recorded {
            truth.taken_by = Some(*member);
            talk_from = Some(until);
        }
        if answers && eyes.iter().any(|eye| eye.source == Source::DialogInfo) {
            truth.taken_by = Some(*member);
        }
        if hunts {
            at = until + chance.below(2_000);
            if answers {
                break;
            }
        }
    }
    if carried {
        finish_carried(chance, &mut truth, by_line, over);
    }
    if let (Some(member), Some(from)) = (truth.taken_by, talk_from) {
        talk(chance, &mut truth, members, member, from);
    }
    truth.told.sort_by_key(|(at, _)| *at);
    truth
}

fn seen(of: u16, source: Source, stage: SightingStage) -> Told {
    Told::Seen { of, source, stage, side: Side::Called }
}

fn finish_carried(chance: &mut Chance, truth: &mut Truth, by_line: bool, over: u64) {
    if by_line {
        truth.taken_by = Some(CARRIED);
        truth.told.push((over + chance.below(60), Told::Answered));
        truth.told.push((over + 5_000, Told::HungUp));
    } else {
        truth.told.push((over + chance.below(200), Told::Cancelled));
    }
}

/// The talk of the member who took it, and of those it is passed on to.
fn talk(chance: &mut Chance, truth: &mut Truth, members: &[u16], first: u16, from: u64) {
    let source = Source::DialogInfo;
    let (mut who, mut at) = (first, from + 2_000 + chance.below(20_000));
    if chance.one_in(3) {
        let from = from + 300 + chance.below(1_000);
        truth.told.push((from, seen(first, source, SightingStage::Holding)));
        truth.told.push((from + chance.below(600), seen(first, source, SightingStage::Talking)));
    }
    // Who only is seen by a recording client is not seen to ring elsewhere either.
    let watched = truth.told.iter().any(|(_, told)| {
        matches!(told, Told::Seen { of, source, stage, .. }
            if *of == first && *source == Source::DialogInfo && stage.is_connected())
    });
    let passed_on = if truth.number.is_some() && watched { chance.below(3) } else { 0 };
    for nth in 0..passed_on {
        let next = 60 + members[0] * 3 + nth as u16;
        let end = if chance.one_in(2) { SightingEnd::Replaced } else { SightingEnd::Untold };
        // The end of the old part and the ringing of the new one come in any order.
        let gap = chance.below(400);
        let (over, rings) = if chance.one_in(2) { (at + gap, at) } else { (at, at + gap) };
        truth.told.push((over, Told::Lost { of: who, source, end, reason: None }));
        truth.told.push((rings, seen(next, source, SightingStage::Ringing)));
        at = at.max(over).max(rings) + 1_000 + chance.below(5_000);
        truth.told.push((at, seen(next, source, SightingStage::Talking)));
        at += 1_000 + chance.below(20_000);
        who = next;
    }
    truth.told.push((at, Told::Lost { of: who, source, end: SightingEnd::OtherHungUp, reason: None }));
    if truth.recorded {
        let from_then_on: Vec<(u64, Told)> =
            truth.told.iter().filter(|(told_at, _)| *told_at >= from).cloned().collect();
        recording(chance, truth, first, from, &from_then_on, at);
    }
}

/// What a recording client tells of a talk: who talks, a little late and not all of it, until the end of its session.
fn recording(chance: &mut Chance, truth: &mut Truth, first: u16, from: u64, talk: &[(u64, Told)], over: u64) {
    let source = Source::Siprec;
    let mut known = BTreeSet::from([first]);
    truth.told.push((from + chance.below(400), seen(first, source, SightingStage::Talking)));
    for (at, told) in talk {
        let late = *at + chance.below(300);
        let told = match told {
            Told::Seen { of, stage, source: Source::DialogInfo, .. }
                if stage.is_connected() && *of != first =>
            {
                known.insert(*of);
                seen(*of, source, *stage)
            }
            Told::Lost { of, end: SightingEnd::Replaced, .. } if known.contains(of) => {
                let end = SightingEnd::Replaced;
                Told::Lost { of: *of, source, end, reason: None }
            }
            _ => continue,
        };
        if !chance.one_in(6) {
            truth.told.push((late, told));
        }
    }
    let over = over + chance.below(300);
    for of in known {
        truth.told.push((over, Told::Lost { of, source, end: SightingEnd::Untold, reason: None }));
    }
}

/// Plays what is told of some true calls to an engine.
struct World {
    desk: Desk,
    truths: Vec<Truth>,
}

impl World {
    fn play(seed: u64) -> Self {
        let mut chance = Chance(ChaCha12Rng::seed_from_u64(seed));
        let count = 1 + chance.below(3);
        let mut truths = Vec::new();
        let mut withheld = false;
        for nth in 0..count {
            let carried = nth == 0 && chance.one_in(3);
            let hides = !withheld && nth == 0 && chance.one_in(6);
            withheld |= hides;
            let number = (!hides).then(|| format!("+7910{seed:05}{nth}"));
            let members: Vec<u16> = (0..=chance.below(3)).map(|n| (nth * 4 + n) as u16 + 1).collect();
            // What begins within a second of a call without a number cannot be told from it.
            let start = nth * 1_800 + chance.below(400);
            truths.push(truth(&mut chance, start, number, &members, carried));
        }
        let mut world = Self { desk: Desk::with(RecordingPolicy::Nothing, seed), truths };
        world.run(&mut chance);
        world
    }

    /// What happened and what came of it, for a failure.
    fn shown(&self, seed: u64) -> String {
        let mut text = format!("seed {seed}\n");
        for Truth { number, told, taken_by, hinted, carried, recorded } in &self.truths {
            text += &format!(
                "true: {number:?} taken by {taken_by:?}, hinted {hinted}, carried {carried}, recorded {recorded}\n"
            );
            for (at, told) in told {
                text += &format!("  {at} {told:?}\n");
            }
        }
        for (_, it, _) in &self.desk.ended {
            let at = (it.started_at.0 - common::WALL, it.ended_at.map(|at| at.0 - common::WALL));
            text += &format!("left: {:?} {:?} {:?} {at:?}\n", it.caller_number, it.outcome, it.user_id);
        }
        text
    }

    fn run(&mut self, chance: &mut Chance) {
        let mut all: Vec<(u64, usize, Told)> = Vec::new();
        for (nth, truth) in self.truths.iter().enumerate() {
            for (at, told) in &truth.told {
                all.push((*at, nth, told.clone()));
                if matches!(told, Told::Seen { .. } | Told::Lost { .. }) && chance.one_in(5) {
                    all.push((*at + chance.below(30), nth, told.clone()));
                }
            }
        }
        all.sort_by_key(|(at, ..)| *at);
        let mut now = 0;
        let mut known: HashMap<(u16, Source), Sighting> = HashMap::new();
        let mut over: BTreeSet<SightingId> = BTreeSet::new();
        let mut customers: BTreeMap<usize, (CallId, LegId)> = BTreeMap::new();
        for (at, nth, told) in all {
            self.desk.wait_ms(at - now);
            now = at;
            match told {
                Told::Seen { of, source, stage, side } => {
                    let number = self.truths[nth].number.clone();
                    let sighting = match known.get(&(of, source)) {
                        // A notification that comes twice, the first time round or after the end.
                        Some(sighting) if over.contains(&sighting.id) => continue,
                        Some(sighting) if !stage.is_connected() => sighting.clone(),
                        Some(sighting) => Sighting { stage, ..sighting.clone() },
                        None => Sighting {
                            sip_call_id: (source == Source::Siprec).then(|| format!("rs-{nth}")),
                            ..self.sighting(of, number, stage, side)
                        },
                    };
                    known.insert((of, source), sighting.clone());
                    self.desk.give(Input::Sighted { sighting, source });
                }
                Told::Lost { of, source, end, reason } => {
                    let Some(sighting) = known.get(&(of, source)) else { continue };
                    over.insert(sighting.id);
                    let cause = |cause| Reason { protocol: "SIP".to_owned(), cause: Some(cause), text: None };
                    let reasons = reason.map(cause).into_iter().collect();
                    let over = SightingOver { id: sighting.id, end, status: None, reasons };
                    self.desk.give(Input::SightingOver { over, source });
                }
                carried => self.carry(nth, &carried, &mut customers),
            }
        }
        self.desk.wait_ms(60_000);
    }

    fn sighting(&mut self, of: u16, number: Option<String>, stage: SightingStage, side: Side) -> Sighting {
        let at = self.desk.at();
        Sighting {
            id: self.desk.engine.make_sighting(at),
            leg: self.desk.engine.make_leg(at),
            line: line(10 + of),
            user: Some(user(of)),
            extension: (200 + of).to_string(),
            server: "pbx.example".to_owned(),
            side,
            party: Caller { number: number.clone(), dialled: number, ..Caller::default() },
            reach: Reach::Outside,
            did: None,
            sip_call_id: None,
            stage,
        }
    }

    fn carry(&mut self, nth: usize, told: &Told, customers: &mut BTreeMap<usize, (CallId, LegId)>) {
        let desk = &mut self.desk;
        if let Told::Offered = told {
            let number = self.truths[nth].number.clone();
            let offer = desk.new_offer(Some(user(CARRIED)), number.as_deref(), &format!("carried-{nth}"));
            let leg = offer.leg;
            desk.give(Input::LegOffered(Offer { did: None, ..offer }));
            let call = desk.engine.call_of(leg).unwrap();
            desk.give(Input::RouteFound { call, route: route(Some(user(CARRIED)), &[1], Ring::Together) });
            customers.insert(nth, (call, leg));
            return;
        }
        let (_, customer) = customers[&nth];
        let device = desk.dialled()[0];
        match told {
            Told::Cancelled => {
                desk.cancel(customer);
                desk.reject(device, 487);
            }
            Told::Answered => {
                desk.give(Input::LegAnswered { leg: device });
                desk.give(Input::LegAnswered { leg: customer });
            }
            _ => desk.bye(customer),
        }
    }
}

fn signals_of(world: &World, call: CallId) -> Vec<Signal> {
    world.desk.signals.iter().filter(|signal| signal.call_id == call).cloned().collect()
}

/// What is not told leaves nothing.
fn is_told(truth: &Truth) -> bool {
    truth.told.iter().any(|(_, told)| matches!(told, Told::Seen { .. } | Told::Offered))
}

#[test]
fn each_true_call_leaves_one_interaction_with_its_outcome() {
    let mut kinds: BTreeMap<(Option<Outcome>, bool), u32> = BTreeMap::new();
    let mut recorded = 0;
    for seed in 0..WORLDS {
        let world = World::play(seed);
        let told: Vec<&Truth> = world.truths.iter().filter(|truth| is_told(truth)).collect();
        let shown = || world.shown(seed);
        assert_eq!(world.desk.ended.len(), told.len(), "{}", shown());
        for truth in told {
            let mut of = world.desk.ended.iter().filter(|(_, it, _)| it.caller_number == truth.number);
            let (_, it, _) = of.next().unwrap_or_else(|| panic!("none of {:?}: {}", truth.number, shown()));
            assert!(of.next().is_none(), "two of {:?}: {}", truth.number, shown());
            let outcome = match truth.taken_by {
                Some(_) => Outcome::Answered,
                None if truth.hinted && !truth.carried => Outcome::Answered,
                None => Outcome::Abandoned,
            };
            assert_eq!(it.outcome, Some(outcome), "{:?} {}", truth.number, shown());
            if let Some(taker) = truth.taken_by {
                assert_eq!(it.user_id, Some(user(taker)), "{:?} {}", truth.number, shown());
            }
            recorded += u32::from(truth.recorded && truth.taken_by.is_some());
            *kinds.entry((it.outcome, truth.carried)).or_default() += 1;
        }
    }
    assert!(recorded > 100, "{recorded}");
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 100), "{kinds:?}");
}

#[test]
fn any_order_of_a_seen_calls_signals_folds_to_what_was_saved() {
    for seed in 0..WORLDS {
        let world = World::play(seed);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        for (call, interaction, _) in &world.desk.ended {
            let signals = signals_of(&world, *call);
            assert_eq!(fold(&signals).as_ref(), Some(interaction), "seed {seed}");
            let mixed = shuffled(&signals, &mut rng);
            assert_eq!(fold(&mixed).as_ref(), Some(interaction), "seed {seed}");
            assert_eq!(explain(&mixed), explain(&signals), "seed {seed}");
        }
    }
}

#[test]
fn no_user_has_two_pops_of_a_call_at_once_and_none_is_left() {
    for seed in 0..WORLDS {
        let world = World::play(seed);
        let mut live: BTreeMap<(CallId, UserId), PopId> = BTreeMap::new();
        let mut versions: BTreeMap<PopId, u64> = BTreeMap::new();
        for event in &world.desk.events {
            let (Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop)) = event else {
                continue;
            };
            let version = versions.entry(pop.pop_id).or_default();
            *version += 1;
            assert_eq!(pop.version, *version, "seed {seed}");
            let key = (pop.call_id, pop.user_id);
            if pop.state.is_over() {
                assert_eq!(live.remove(&key), Some(pop.pop_id), "seed {seed}: a pop goes twice");
            } else {
                let known = *live.entry(key).or_insert(pop.pop_id);
                assert_eq!(known, pop.pop_id, "seed {seed}: two pops of one call");
            }
        }
        assert!(live.is_empty(), "seed {seed}: {live:?}");
        let snapshot = world.desk.engine.snapshot(&Viewer { user_id: user(99), role: Role::Supervisor });
        assert!(snapshot.calls.is_empty() && snapshot.pops.is_empty(), "seed {seed}: {snapshot:?}");
        let free = |agent: &AgentView| agent.state == AgentState::Available;
        assert!(snapshot.agents.iter().all(free), "seed {seed}");
        assert_eq!(world.desk.timer, None, "seed {seed}: a timer is left");
    }
}
