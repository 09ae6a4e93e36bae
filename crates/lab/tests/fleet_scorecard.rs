//! The scorecard against a hand-made truth: what is right counts as right, and each thing that is taken away, added or
//! changed is found as what it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{
    AWAY_MAX, Absence, Asked, Asks, Channel, Course, Deeds, Desk, DeskNames, Found, FoundMissed,
    FoundRecording, Handing, Handover, Hold, HoldEnd, HoldOffer, InboundEnd, Listening, Mishap, Mode,
    Network, Observed, OutboundEnd, Party, PlannedCall, PopFrame, Profile, Run, Side, Taker, TakerEnd, Talk,
    Tolerance, Turn, Verdict, World, WorldPlan, judge, tone_hz,
};

/// Call 0: talks for a second.
const TALKER: &str = "+79000000000";
/// Call 1: gives up.
const LEAVER: &str = "+79000000001";
/// Call 2: is held by the agent's phone in the middle of a talk of 1.5 s.
const WAITER: &str = "+79000000002";
/// Call 3: is handed over at 0.5 s, taken at 0.9 s, and talks for 2 s in all.
const TRAVELLER: &str = "+79000000003";

/// Four customers call one desk; a colleague sits at another.
struct Afternoon {
    world: World,
    deeds: BTreeMap<usize, Deeds>,
    observed: Observed,
}

impl Afternoon {
    fn new() -> Self {
        let start = Instant::now();
        Self { world: world(), deeds: deeds(start), observed: observed(start) }
    }

    fn on(network: Network) -> Self {
        let mut afternoon = Self::new();
        afternoon.world.plan.network = network;
        afternoon
    }

    /// The talker's interaction and recording are so long.
    fn talker_talked(&mut self, talk_ms: u64) {
        self.observed.interactions[0].talk_ms = i64::try_from(talk_ms).ok();
        let sound = self.sound(TALKER);
        sound.duration_ms = talk_ms;
        for channel in [&mut sound.customer, &mut sound.agent] {
            channel.runs[0].until_ms = talk_ms;
        }
    }

    fn found(&self) -> Vec<Verdict> {
        let card = judge(&self.world, &self.deeds, &self.observed, Tolerance::default());
        let mut found: Vec<Verdict> = card.findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(card.is_right(), found.is_empty(), "{card}");
        found.sort_unstable();
        found.dedup();
        found
    }

    fn interaction(&mut self, number: &str) -> &mut Found {
        let of_it = |found: &&mut Found| found.caller_number.as_deref() == Some(number);
        self.observed.interactions.iter_mut().find(of_it).unwrap()
    }

    fn sound(&mut self, number: &str) -> &mut Listening {
        self.observed.recordings.get_mut(&recording_of(number)).unwrap().1.as_mut().unwrap()
    }

    /// The frames about a customer's pop at a desk, in their order.
    fn frames(&mut self, number: &str, desk: usize) -> Vec<&mut PopFrame> {
        let of_it = |frame: &&mut PopFrame| frame.number.as_deref() == Some(number) && frame.desk == desk;
        self.observed.pops.iter_mut().filter(of_it).collect()
    }

    fn forget_pops(&mut self, number: &str, desk: usize) {
        self.observed.pops.retain(|frame| frame.number.as_deref() != Some(number) || frame.desk != desk);
    }

    fn asked(&mut self) -> &mut Asked {
        match &mut self.deeds.get_mut(&3).unwrap().handover {
            Some(Handing::Asked(asked)) => asked,
            other => panic!("{other:?}"),
        }
    }
}

fn world() -> World {
    let talk =
        |talk_ms, turn| InboundEnd::Talk { after_ms: 200, talk: Talk { talk_ms, ends: Side::Agent, turn } };
    let hold = Hold { by: Side::Agent, offer: HoldOffer::Inactive, end: HoldEnd::Retrieved };
    let end = TakerEnd::Answers { after_ms: 390 };
    let handover = Handover { asks: Asks::InInterface, to: Taker::Colleague, end };
    let calls = [
        (TALKER, talk(1_000, Turn::Straight)),
        (LEAVER, InboundEnd::GivesUp { after_ms: 300 }),
        (WAITER, talk(1_500, Turn::Hold(hold))),
        (TRAVELLER, talk(1_500, Turn::Handover(handover))),
    ];
    let calls = calls.map(|(number, end)| {
        let caller = Party { number: Some(number.to_owned()) };
        PlannedCall { desk: 0, at_ms: 0, course: Course::Inbound { caller, end } }
    });
    let plan = WorldPlan {
        seed: 1,
        calls: calls.len(),
        rate_per_s: 1,
        profiles: vec![Profile::Asterisk],
        network: Network::Good,
        ring_timeout_ms: 3_000,
        numbers_from: 0,
    };
    let desk = |number: usize| Desk {
        pbx: 0,
        mode: Mode::Anchor,
        account: format!("line{number}"),
        extension: format!("{}", 200 + number),
        did: format!("+7495100000{number}"),
    };
    World { plan, desks: vec![desk(0), desk(1)], calls: calls.to_vec() }
}

fn deeds(start: Instant) -> BTreeMap<usize, Deeds> {
    let at = |ms: u64| start + Duration::from_millis(ms);
    let talked = |from: u64, talk_ms: u64| Deeds {
        begun: Some(at(from)),
        invited: Some(at(from)),
        rang: Some(at(from + 10)),
        picked_up: Some(at(from + 210)),
        connected: Some(at(from + 220)),
        hung_up: Some((Side::Agent, at(from + 220 + talk_ms))),
        over: Some(at(from + 225 + talk_ms)),
        status: Some(200),
        done: Some(at(from + 225 + talk_ms)),
        ..Deeds::default()
    };
    let left = Deeds {
        begun: Some(at(2_000)),
        invited: Some(at(2_000)),
        rang: Some(at(2_010)),
        gave_up: Some(at(2_300)),
        over: Some(at(2_310)),
        status: Some(487),
        done: Some(at(2_310)),
        ..Deeds::default()
    };
    let held = Some((at(3_220 + 400), Some(at(3_220 + 1_000))));
    let asked = Asked { rang: Some(at(5_730)), taken: Some(at(6_120)), ..Asked::new(Some(1), at(5_720)) };
    BTreeMap::from([
        (0, talked(0, 1_000)),
        (1, left),
        (2, Deeds { held, ..talked(3_000, 1_500) }),
        (
            3,
            Deeds {
                handover: Some(Handing::Asked(asked)),
                hung_up: Some((Side::Other, at(7_220))),
                ..talked(5_000, 2_000)
            },
        ),
    ])
}

fn recording_of(number: &str) -> String {
    format!("recording of {number}")
}

fn interaction(number: &str, started_at: &str, talk_ms: Option<i64>) -> Found {
    let answered = talk_ms.is_some();
    Found {
        id: format!("interaction of {number}"),
        direction: "inbound".to_owned(),
        outcome: Some(if answered { "answered" } else { "abandoned" }.to_owned()),
        state: "ended".to_owned(),
        caller_number: Some(number.to_owned()),
        callee_number: None,
        user_id: Some("user".to_owned()),
        line_id: "line".to_owned(),
        started_at: started_at.to_owned(),
        talk_ms: Some(talk_ms.unwrap_or(0)),
        hold_ms: Some(0),
        hangup_by: Some(if answered { "agent" } else { "caller" }.to_owned()),
        sip_status: Some(if answered { 200 } else { 487 }),
        recording_ids: if answered { vec![recording_of(number)] } else { Vec::new() },
    }
}

fn pops(start: Instant, number: &str, desk: usize, frames: &[(u64, u64, &str)]) -> Vec<PopFrame> {
    let frame = |&(at_ms, version, state): &(u64, u64, &str)| PopFrame {
        desk,
        at: start + Duration::from_millis(at_ms),
        awake: true,
        kind: "pop.shown".to_owned(),
        pop_id: format!("pop of {number} at {desk}"),
        version,
        interaction_id: format!("interaction of {number}"),
        state: state.to_owned(),
        number: Some(number.to_owned()),
    };
    frames.iter().map(frame).collect()
}

fn channel(runs: &[(u32, u64, u64)]) -> Channel {
    let run = |&(hz, from_ms, until_ms): &_| Run { tone_hz: Some(hz), from_ms, until_ms };
    Channel { runs: runs.iter().map(run).collect() }
}

fn recordings() -> Vec<(&'static str, Listening)> {
    let [customer, agent] = [Side::Customer, Side::Agent].map(|side| tone_hz(0, side));
    let talked = Listening {
        duration_ms: 1_000,
        customer: channel(&[(customer, 0, 980)]),
        agent: channel(&[(agent, 20, 1_000)]),
    };
    let [customer, agent] = [Side::Customer, Side::Agent].map(|side| tone_hz(2, side));
    let held = Listening {
        duration_ms: 1_500,
        customer: channel(&[(customer, 0, 420), (customer, 1_000, 1_500)]),
        agent: channel(&[(agent, 0, 400), (agent, 1_000, 1_500)]),
    };
    let [customer, agent, other] = Side::ALL.map(|side| tone_hz(3, side));
    let handed_over = Listening {
        duration_ms: 2_000,
        customer: channel(&[(customer, 0, 500), (customer, 900, 2_000)]),
        agent: channel(&[(agent, 0, 500), (other, 900, 2_000)]),
    };
    vec![(TALKER, talked), (WAITER, held), (TRAVELLER, handed_over)]
}

fn observed(start: Instant) -> Observed {
    let recordings = recordings().into_iter().map(|(number, sound)| {
        let recording = FoundRecording {
            id: recording_of(number),
            interaction_id: format!("interaction of {number}"),
            state: "finished".to_owned(),
            duration_ms: Some(sound.duration_ms),
        };
        (recording.id.clone(), (recording, Some(sound)))
    });
    let missed = FoundMissed {
        number: Some(LEAVER.to_owned()),
        state: "open".to_owned(),
        attempts: 1,
        interaction_id: None,
    };
    let names =
        |number: &str| DeskNames { line_id: format!("line{number}"), user_id: format!("user{number}") };
    let waited = interaction(WAITER, "2026-01-01T00:00:03.000Z", Some(1_500));
    Observed {
        desks: vec![names(""), names(" of the colleague")],
        interactions: vec![
            interaction(TALKER, "2026-01-01T00:00:00.000Z", Some(1_000)),
            interaction(LEAVER, "2026-01-01T00:00:02.000Z", None),
            Found { hold_ms: Some(600), ..waited },
            interaction(TRAVELLER, "2026-01-01T00:00:05.000Z", Some(2_000)),
        ],
        recordings: recordings.collect(),
        missed: vec![missed],
        pops: [
            pops(start, TALKER, 0, &[(20, 1, "ringing"), (1_230, 3, "ended")]),
            pops(start, LEAVER, 0, &[(2_020, 1, "ringing"), (2_320, 2, "missed")]),
            pops(start, WAITER, 0, &[(3_020, 1, "ringing"), (4_730, 3, "ended")]),
            pops(start, TRAVELLER, 0, &[(5_020, 1, "ringing"), (6_125, 3, "ended")]),
            pops(start, TRAVELLER, 1, &[(5_740, 1, "ringing"), (7_230, 3, "ended")]),
        ]
        .concat(),
        ..Observed::default()
    }
}

#[test]
fn what_happened_and_is_told_so_is_right() {
    assert_eq!(Afternoon::new().found(), []);
}

/// Something that is done to the truth.
type Spoil = fn(&mut Afternoon);

fn each_is_found(spoils: &[(&str, Spoil, Verdict)]) {
    for (name, spoil, expected) in spoils {
        let mut afternoon = Afternoon::new();
        spoil(&mut afternoon);
        assert_eq!(afternoon.found(), [*expected], "{name}");
    }
}

#[test]
fn each_interaction_that_is_spoilt_is_found() {
    each_is_found(&[
        ("outcome", |a| a.interaction(LEAVER).outcome = Some("busy".into()), Verdict::InteractionWrong),
        ("still live", |a| a.interaction(LEAVER).state = "live".into(), Verdict::InteractionWrong),
        ("another user", |a| a.interaction(TALKER).user_id = None, Verdict::InteractionWrong),
        ("who hung up", |a| a.interaction(TALKER).hangup_by = None, Verdict::InteractionWrong),
        ("talk", |a| a.interaction(TALKER).talk_ms = Some(1_600), Verdict::InteractionWrong),
        ("hold that was none", |a| a.interaction(TALKER).hold_ms = Some(900), Verdict::InteractionWrong),
        ("hold that is not counted", |a| a.interaction(WAITER).hold_ms = Some(0), Verdict::InteractionWrong),
        (
            "the colleague's user",
            |a| a.interaction(TRAVELLER).user_id = Some("user of the colleague".into()),
            Verdict::InteractionWrong,
        ),
        (
            "talk until the agent left",
            |a| a.interaction(TRAVELLER).talk_ms = Some(500),
            Verdict::InteractionWrong,
        ),
        (
            "lost",
            |a| {
                a.observed.interactions.remove(1);
                a.forget_pops(LEAVER, 0);
            },
            Verdict::InteractionMissing,
        ),
        (
            "twice",
            |a| {
                let again = a.interaction(LEAVER).clone();
                a.observed.interactions.push(Found { started_at: "2026-01-01T00:00:03Z".into(), ..again });
            },
            Verdict::InteractionDouble,
        ),
        (
            "one more at the colleague's line",
            |a| {
                let again = a.interaction(TRAVELLER).clone();
                let line_id = "line of the colleague".into();
                a.observed.interactions.push(Found { line_id, recording_ids: Vec::new(), ..again });
            },
            Verdict::InteractionDouble,
        ),
    ]);
}

#[test]
fn each_pop_that_is_spoilt_is_found() {
    each_is_found(&[
        ("no pop", |a| a.forget_pops(LEAVER, 0), Verdict::PopLost),
        ("late pop", |a| a.frames(TALKER, 0)[0].at += Duration::from_secs(2), Verdict::PopLate),
        ("a pop that stays", |a| a.frames(LEAVER, 0)[1].state = "ringing".into(), Verdict::PopGhost),
        ("a second pop", |a| a.frames(LEAVER, 0)[0].pop_id = "another".into(), Verdict::PopGhost),
        ("a pop for nobody", |a| a.frames(LEAVER, 0)[0].number = None, Verdict::PopGhost),
        ("no pop for the colleague", |a| a.forget_pops(TRAVELLER, 1), Verdict::PopLost),
        (
            "a late pop for the colleague",
            |a| a.frames(TRAVELLER, 1)[0].at += Duration::from_millis(1_200),
            Verdict::PopLate,
        ),
        (
            "the agent's number in the colleague's pop",
            |a| a.frames(TRAVELLER, 1)[1].number = Some("200".into()),
            Verdict::PopGhost,
        ),
        (
            "two pops for the colleague",
            |a| {
                let again = a.frames(TRAVELLER, 1)[1].clone();
                a.observed.pops.push(PopFrame { pop_id: "another".into(), ..again });
            },
            Verdict::PopGhost,
        ),
        (
            "a pop that stays with the colleague",
            |a| a.frames(TRAVELLER, 1)[1].state = "mine".into(),
            Verdict::PopGhost,
        ),
        (
            "a pop that stays with the agent until the end",
            |a| a.frames(TRAVELLER, 0)[1].at += Duration::from_millis(1_100),
            Verdict::PopGhost,
        ),
        (
            "a pop for somebody else",
            |a| {
                let over = a.frames(TALKER, 0)[1].clone();
                a.observed.pops.push(PopFrame { desk: 1, ..over });
            },
            Verdict::PopGhost,
        ),
    ]);
}

#[test]
fn each_recording_that_is_spoilt_is_found() {
    each_is_found(&[
        ("no recording", |a| a.interaction(TALKER).recording_ids.clear(), Verdict::RecordingMissing),
        ("half a side", |a| a.sound(TALKER).agent.runs[0].until_ms = 300, Verdict::RecordingShort),
        (
            "the ends changed",
            |a| {
                let sound = a.sound(TALKER);
                std::mem::swap(&mut sound.customer, &mut sound.agent);
            },
            Verdict::RecordingShort,
        ),
        (
            "noise in a side",
            |a| {
                let agent = &mut a.sound(TALKER).agent.runs;
                agent[0].until_ms = 700;
                agent.push(Run { tone_hz: None, from_ms: 700, until_ms: 900 });
            },
            Verdict::RecordingShort,
        ),
        (
            "a longer hold than there was",
            |a| {
                let agent = &mut a.sound(WAITER).agent.runs;
                (agent[0].until_ms, agent[1].from_ms) = (150, 1_260);
            },
            Verdict::RecordingShort,
        ),
        (
            "sound through the hold",
            |a| a.sound(WAITER).customer.runs[0].until_ms = 1_000,
            Verdict::RecordingShort,
        ),
    ]);
}

#[test]
fn each_recording_of_a_customer_who_is_handed_over_that_is_spoilt_is_found() {
    each_is_found(&[
        (
            "two of the handed over",
            |a| a.interaction(TRAVELLER).recording_ids.push("another".into()),
            Verdict::RecordingShort,
        ),
        (
            "one that ends with the first agent",
            |a| {
                let sound = a.sound(TRAVELLER);
                sound.duration_ms = 500;
                sound.customer.runs.truncate(1);
                sound.agent.runs.truncate(1);
            },
            Verdict::RecordingShort,
        ),
        (
            "the colleague is not in it",
            |a| a.sound(TRAVELLER).agent.runs.truncate(1),
            Verdict::RecordingShort,
        ),
        (
            "the first agent is not in it",
            |a| {
                a.sound(TRAVELLER).agent.runs.remove(0);
            },
            Verdict::RecordingShort,
        ),
        (
            "the first agent goes on in it",
            |a| {
                let agent = &mut a.sound(TRAVELLER).agent.runs;
                (agent[0].until_ms, agent[1].from_ms) = (1_100, 1_100);
            },
            Verdict::RecordingShort,
        ),
        (
            "the colleague is on the customer's side",
            |a| {
                let hz = Some(tone_hz(3, Side::Other));
                a.sound(TRAVELLER).customer.runs.insert(1, Run { tone_hz: hz, from_ms: 600, until_ms: 700 });
            },
            Verdict::RecordingShort,
        ),
        (
            "the customer has a gap when the colleague talks",
            |a| {
                let customer = &mut a.sound(TRAVELLER).customer.runs;
                let second = Run { from_ms: 1_300, ..customer[1] };
                customer[1].until_ms = 1_200;
                customer.push(second);
            },
            Verdict::RecordingShort,
        ),
        (
            "the customer comes back late",
            |a| a.sound(TRAVELLER).customer.runs[1].from_ms = 1_450,
            Verdict::RecordingShort,
        ),
    ]);
}

#[test]
fn what_is_spoilt_beside_calls_is_found() {
    each_is_found(&[
        ("nobody to call back", |a| a.observed.missed.clear(), Verdict::MissedWrong),
        (
            "a phone that rings on",
            |a| a.deeds.get_mut(&0).unwrap().faults.push("rings on".into()),
            Verdict::Signalling,
        ),
    ]);
}

#[test]
fn a_customer_whom_nobody_takes_is_the_first_agents_again() {
    let mut afternoon = Afternoon::new();
    let back = afternoon.asked().taken.take();
    afternoon.asked().back = back;
    afternoon.deeds.get_mut(&3).unwrap().hung_up.as_mut().unwrap().0 = Side::Agent;
    assert_eq!(afternoon.found(), [Verdict::RecordingShort], "the other's tone is nobody's now");
    afternoon.sound(TRAVELLER).agent.runs[1].tone_hz = Some(tone_hz(3, Side::Agent));
    assert_eq!(afternoon.found(), []);
    let card = judge(&afternoon.world, &afternoon.deeds, &afternoon.observed, Tolerance::default());
    assert_eq!((card.handed_over, card.handed_back, card.nobody_idle), (0, 1, 0));
}

#[test]
fn where_the_word_of_a_refusal_was_lost_until_the_end_the_customer_may_have_waited() {
    let found = |network: Network| {
        let mut afternoon = Afternoon::on(network);
        afternoon.asked().taken = None;
        let deeds = afternoon.deeds.get_mut(&3).unwrap();
        let end = deeds.connected.unwrap() + Duration::from_secs(1);
        deeds.hung_up = Some((Side::Agent, end));
        afternoon.interaction(TRAVELLER).talk_ms = Some(1_000);
        let sound = afternoon.sound(TRAVELLER);
        sound.duration_ms = 1_000;
        for channel in [&mut sound.customer, &mut sound.agent] {
            let first = channel.runs[0];
            channel.runs = vec![first, Run { from_ms: 750, until_ms: 1_000, ..first }];
        }
        afternoon.found()
    };
    assert_eq!(found(Network::Lossy), []);
    assert_eq!(found(Network::Good), [Verdict::RecordingShort]);
}

#[test]
fn where_the_word_of_a_holds_end_was_lost_until_the_end_both_may_be_heard_after_it() {
    let found = |network: Network, came_behind_the_end: bool| {
        let mut afternoon = Afternoon::on(network);
        let deeds = afternoon.deeds.get_mut(&2).unwrap();
        let end = deeds.hung_up.unwrap().1;
        let behind = end + Duration::from_millis(200);
        deeds.held.as_mut().unwrap().1 = came_behind_the_end.then_some(behind);
        afternoon.interaction(WAITER).hold_ms = Some(1_000);
        let sound = afternoon.sound(WAITER);
        for channel in [&mut sound.customer, &mut sound.agent] {
            channel.runs[1].until_ms = 1_300;
        }
        afternoon.found()
    };
    for came_behind_the_end in [false, true] {
        assert_eq!(found(Network::Lossy, came_behind_the_end), []);
        assert_eq!(found(Network::Good, came_behind_the_end), [Verdict::RecordingShort]);
    }
}

#[test]
fn where_the_word_that_lets_an_agent_go_was_lost_the_other_may_be_heard_before_it() {
    let found = |network: Network| {
        let mut afternoon = Afternoon::on(network);
        let asked = afternoon.asked();
        asked.answered = asked.taken;
        asked.taken = asked.taken.map(|at| at + Duration::from_millis(800));
        let held = Some((asked.at, asked.taken));
        afternoon.deeds.get_mut(&3).unwrap().held = held;
        afternoon.interaction(TRAVELLER).hold_ms = Some(400);
        afternoon.found()
    };
    assert_eq!(found(Network::Lossy), []);
    assert_eq!(found(Network::Good), [Verdict::InteractionWrong, Verdict::RecordingShort]);
}

#[test]
fn where_the_word_of_an_answer_came_late_the_talk_counts_from_the_answer_or_from_the_word() {
    let found = |network: Network, talk_ms: u64| {
        let mut afternoon = Afternoon::on(network);
        let talked = afternoon.deeds.get_mut(&0).unwrap();
        let later = Duration::from_secs(11);
        talked.connected = talked.connected.map(|at| at + later);
        talked.hung_up = talked.hung_up.map(|(side, at)| (side, at + later));
        afternoon.talker_talked(talk_ms);
        afternoon.found()
    };
    assert_eq!(found(Network::Good, 1_000), []);
    assert_eq!(found(Network::Lossy, 12_010), []);
    let wrong = [Verdict::InteractionWrong, Verdict::RecordingShort];
    assert_eq!(found(Network::Good, 12_010), wrong);
    assert_eq!(found(Network::Lossy, 12_600), wrong);
}

#[test]
fn where_the_word_of_the_end_came_late_the_talk_may_count_until_it_came() {
    let found = |network: Network, talk_ms: u64| {
        let mut afternoon = Afternoon::on(network);
        let talked = afternoon.deeds.get_mut(&0).unwrap();
        talked.let_go = talked.hung_up.map(|(_, at)| at + Duration::from_millis(3_500));
        afternoon.talker_talked(talk_ms);
        afternoon.found()
    };
    assert_eq!(found(Network::Good, 1_000), []);
    assert_eq!(found(Network::Lossy, 1_000), [], "its answer alone was lost");
    assert_eq!(found(Network::Lossy, 4_500), []);
    let wrong = [Verdict::InteractionWrong, Verdict::RecordingShort];
    assert_eq!(found(Network::Good, 4_500), wrong);
    assert_eq!(found(Network::Lossy, 5_100), wrong);
}

#[test]
fn where_the_word_of_the_end_came_late_a_hold_may_count_until_it_came() {
    let found = |network: Network| {
        let mut afternoon = Afternoon::on(network);
        let held = afternoon.deeds.get_mut(&2).unwrap();
        held.held.as_mut().unwrap().1 = None;
        held.let_go = held.hung_up.map(|(_, at)| at + Duration::from_millis(1_500));
        let interaction = afternoon.interaction(WAITER);
        (interaction.talk_ms, interaction.hold_ms) = (Some(3_000), Some(2_600));
        let sound = afternoon.sound(WAITER);
        sound.duration_ms = 3_000;
        for channel in [&mut sound.customer, &mut sound.agent] {
            channel.runs.truncate(1);
        }
        afternoon.found()
    };
    assert_eq!(found(Network::Lossy), []);
    assert_eq!(found(Network::Good), [Verdict::InteractionWrong, Verdict::RecordingShort]);
}

#[test]
fn where_the_word_that_a_caller_gave_up_came_behind_the_ring_time_nobody_answered() {
    let found = |network: Network, rang_ms: u64| {
        let mut afternoon = Afternoon::on(network);
        let left = afternoon.deeds.get_mut(&1).unwrap();
        left.over = left.begun.map(|at| at + Duration::from_millis(rang_ms));
        left.status = Some(480);
        let interaction = afternoon.interaction(LEAVER);
        interaction.outcome = Some("no_answer".to_owned());
        interaction.hangup_by = None;
        interaction.sip_status = Some(480);
        afternoon.found()
    };
    assert_eq!(found(Network::Lossy, 3_000), []);
    assert_eq!(found(Network::Lossy, 2_000), [Verdict::InteractionWrong]);
    assert_eq!(found(Network::Good, 3_000), [Verdict::InteractionWrong]);
}

#[test]
fn where_the_word_of_the_agents_own_phone_came_behind_the_ring_time_nobody_was_dialled() {
    let found = |network: Network| {
        let mut afternoon = Afternoon::on(network);
        let callee = Party { number: Some(LEAVER.to_owned()) };
        let end = OutboundEnd::AgentDeclines;
        afternoon.world.calls[1].course = Course::Outbound { callee, pickup_ms: 300, clicks: 1, end };
        let interaction = afternoon.interaction(LEAVER);
        interaction.direction = "outbound".to_owned();
        interaction.callee_number = interaction.caller_number.take();
        interaction.outcome = Some("canceled".to_owned());
        (interaction.hangup_by, interaction.sip_status) = (Some("system".to_owned()), None);
        afternoon.forget_pops(LEAVER, 0);
        afternoon.observed.missed.clear();
        let deeds = afternoon.deeds.get_mut(&1).unwrap();
        (deeds.status, deeds.gave_up) = (None, None);
        let mut found = afternoon.found();
        found.retain(|verdict| *verdict != Verdict::PopLost);
        found
    };
    assert_eq!(found(Network::Lossy), []);
    assert_eq!(found(Network::Good), [Verdict::InteractionWrong]);
}

#[test]
fn a_pop_that_is_told_twice_is_found_and_one_that_a_snapshot_repeats_is_not() {
    let mut afternoon = Afternoon::new();
    let again = afternoon.observed.pops[1].clone();
    afternoon.observed.pops.push(PopFrame { kind: "snapshot".to_owned(), ..again.clone() });
    assert_eq!(afternoon.found(), []);
    afternoon.observed.pops.push(again);
    assert_eq!(afternoon.found(), [Verdict::PopGhost]);
}

#[test]
fn a_line_may_be_away_for_30_s_after_its_pbx_is_back_and_no_longer() {
    let since = Instant::now();
    for (away, expected) in [
        (Some(AWAY_MAX), &[][..]),
        (Some(AWAY_MAX + Duration::from_millis(1)), &[Verdict::LineAway]),
        (None, &[Verdict::LineAway]),
    ] {
        for mishap in [Mishap::Restart, Mishap::Cut] {
            let mut afternoon = Afternoon::new();
            let until = away.map(|away| since + away);
            afternoon.observed.absences = vec![Absence { desk: 0, mishap, since, until }];
            assert_eq!(afternoon.found(), expected, "{away:?}");
        }
    }
}

#[test]
fn a_gap_may_be_as_long_as_what_the_network_lost_of_that_end_in_a_row() {
    let gap = |agent_ms: u64, lost: (Side, u64)| {
        let mut afternoon = Afternoon::new();
        let whole = &mut afternoon.sound(TALKER).agent.runs;
        let rest = Run { from_ms: 400 + agent_ms, ..whole[0] };
        whole[0].until_ms = 400;
        whole.push(rest);
        afternoon.observed.lost_ms.insert((0, lost.0), lost.1);
        afternoon.found()
    };
    assert_eq!(gap(100, (Side::Agent, 40)), []);
    assert_eq!(gap(120, (Side::Agent, 40)), [Verdict::RecordingShort]);
    assert_eq!(gap(100, (Side::Customer, 40)), [Verdict::RecordingShort], "of the other end");
}

#[test]
fn a_gap_counts_unless_the_fleet_itself_was_late() {
    let mut afternoon = Afternoon::new();
    let agent = &mut afternoon.sound(TALKER).agent.runs;
    let hz = agent[0].tone_hz;
    agent[0].until_ms = 400;
    agent.push(Run { tone_hz: hz, from_ms: 600, until_ms: 1_000 });
    assert_eq!(afternoon.found(), [Verdict::RecordingShort]);
    afternoon.observed.spoke_late.insert(0);
    let card = judge(&afternoon.world, &afternoon.deeds, &afternoon.observed, Tolerance::default());
    assert_eq!((card.findings.len(), card.recordings_unjudged), (0, 1));
    assert_eq!(card.recordings_complete, 2);
    afternoon.observed.spoke_late.extend([2, 3]);
    for number in [WAITER, TRAVELLER] {
        afternoon.sound(number).customer.runs.clear();
    }
    let card = judge(&afternoon.world, &afternoon.deeds, &afternoon.observed, Tolerance::default());
    assert_eq!((card.findings.len(), card.recordings_unjudged), (0, 3));
    assert!(!card.is_right(), "of nothing that was judged nothing is known");
}
