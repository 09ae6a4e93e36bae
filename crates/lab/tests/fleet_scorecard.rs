//! The scorecard against a hand-made truth: what is right counts as right, and each thing that is taken away, added or
//! changed is found as what it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{
    AWAY_MAX, Absence, Channel, Course, Deeds, Desk, DeskNames, Found, FoundMissed, FoundRecording,
    InboundEnd, Listening, Mishap, Mode, Network, Observed, Party, PlannedCall, PopFrame, Profile, Side,
    Talk, Tolerance, Verdict, World, WorldPlan, judge, tone_hz,
};

const TALKER: &str = "+79000000000";
const LEAVER: &str = "+79000000001";

/// One customer talks for a second, another gives up.
struct Afternoon {
    world: World,
    deeds: BTreeMap<usize, Deeds>,
    observed: Observed,
}

impl Afternoon {
    fn new() -> Self {
        let start = Instant::now();
        let at = |ms: u64| Some(start + Duration::from_millis(ms));
        let talk = Talk { talk_ms: 1_000, ends: Side::Agent, holds: false };
        let ends = [InboundEnd::Talk { after_ms: 200, talk }, InboundEnd::GivesUp { after_ms: 300 }];
        let call = |number: &str, end| {
            let caller = Party { number: Some(number.to_owned()) };
            PlannedCall { desk: 0, at_ms: 0, course: Course::Inbound { caller, end } }
        };
        let plan = WorldPlan {
            seed: 1,
            calls: 2,
            rate_per_s: 1,
            profiles: vec![Profile::Asterisk],
            network: Network::Good,
            ring_timeout_ms: 3_000,
            numbers_from: 0,
        };
        let text = |text: &str| text.to_owned();
        let desk = Desk {
            pbx: 0,
            mode: Mode::Anchor,
            account: text("line0"),
            extension: text("200"),
            did: text("+74951000000"),
        };
        let calls = vec![call(TALKER, ends[0]), call(LEAVER, ends[1])];
        let talked = Deeds {
            begun: at(0),
            invited: at(0),
            rang: at(10),
            picked_up: at(210),
            connected: at(220),
            hung_up: Some((Side::Agent, at(1_220).unwrap())),
            over: at(1_225),
            status: Some(200),
            done: at(1_225),
            ..Deeds::default()
        };
        let left = Deeds {
            begun: at(2_000),
            invited: at(2_000),
            rang: at(2_010),
            gave_up: at(2_300),
            over: at(2_310),
            status: Some(487),
            done: at(2_310),
            ..Deeds::default()
        };
        Self {
            world: World { plan, desks: vec![desk], calls },
            deeds: BTreeMap::from([(0, talked), (1, left)]),
            observed: observed(start),
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
}

fn interaction(number: &str, outcome: &str, started_at: &str) -> Found {
    let answered = outcome == "answered";
    Found {
        id: format!("interaction of {number}"),
        direction: "inbound".to_owned(),
        outcome: Some(outcome.to_owned()),
        state: "ended".to_owned(),
        caller_number: Some(number.to_owned()),
        callee_number: None,
        user_id: Some("user".to_owned()),
        line_id: "line".to_owned(),
        started_at: started_at.to_owned(),
        talk_ms: Some(if answered { 1_000 } else { 0 }),
        hold_ms: Some(0),
        hangup_by: Some(if answered { "agent" } else { "caller" }.to_owned()),
        sip_status: Some(if answered { 200 } else { 487 }),
        recording_ids: if answered { vec!["recording".to_owned()] } else { Vec::new() },
    }
}

fn pop(start: Instant, number: &str, at_ms: u64, version: u64, state: &str) -> PopFrame {
    PopFrame {
        desk: 0,
        at: start + Duration::from_millis(at_ms),
        awake: true,
        kind: "pop.shown".to_owned(),
        pop_id: format!("pop of {number}"),
        version,
        interaction_id: format!("interaction of {number}"),
        state: state.to_owned(),
        number: Some(number.to_owned()),
    }
}

fn observed(start: Instant) -> Observed {
    let channel = |side| Channel { tone_hz: Some(tone_hz(0, side)), own_ms: 980, ..Channel::default() };
    let sound =
        Listening { duration_ms: 1_000, customer: channel(Side::Customer), agent: channel(Side::Agent) };
    let recording = FoundRecording {
        id: "recording".to_owned(),
        interaction_id: format!("interaction of {TALKER}"),
        state: "finished".to_owned(),
        duration_ms: Some(1_000),
    };
    let missed = FoundMissed {
        number: Some(LEAVER.to_owned()),
        state: "open".to_owned(),
        attempts: 1,
        interaction_id: None,
    };
    let names = DeskNames { line_id: "line".to_owned(), user_id: "user".to_owned() };
    Observed {
        desks: vec![names],
        interactions: vec![
            interaction(TALKER, "answered", "2026-01-01T00:00:00.000Z"),
            interaction(LEAVER, "abandoned", "2026-01-01T00:00:02.000Z"),
        ],
        recordings: [("recording".to_owned(), (recording, Some(sound)))].into(),
        missed: vec![missed],
        pops: vec![
            pop(start, TALKER, 20, 1, "ringing"),
            pop(start, TALKER, 1_230, 3, "ended"),
            pop(start, LEAVER, 2_020, 1, "ringing"),
            pop(start, LEAVER, 2_320, 2, "missed"),
        ],
        ..Observed::default()
    }
}

#[test]
fn what_happened_and_is_told_so_is_right() {
    assert_eq!(Afternoon::new().found(), []);
}

/// Something that is done to the truth.
type Spoil = fn(&mut Afternoon);

#[test]
fn each_thing_that_is_spoilt_is_found_as_what_it_is() {
    let spoils: [(&str, Spoil, &[Verdict]); 18] = [
        (
            "outcome",
            |a| a.observed.interactions[1].outcome = Some("busy".into()),
            &[Verdict::InteractionWrong],
        ),
        ("still live", |a| a.observed.interactions[1].state = "live".into(), &[Verdict::InteractionWrong]),
        ("another user", |a| a.observed.interactions[0].user_id = None, &[Verdict::InteractionWrong]),
        ("who hung up", |a| a.observed.interactions[0].hangup_by = None, &[Verdict::InteractionWrong]),
        ("talk", |a| a.observed.interactions[0].talk_ms = Some(1_600), &[Verdict::InteractionWrong]),
        ("hold", |a| a.observed.interactions[0].hold_ms = Some(900), &[Verdict::InteractionWrong]),
        (
            "lost",
            |a| {
                a.observed.interactions.remove(1);
                a.observed.pops.truncate(2);
            },
            &[Verdict::InteractionMissing],
        ),
        (
            "twice",
            |a| {
                let again = a.observed.interactions[1].clone();
                a.observed.interactions.push(Found { started_at: "2026-01-01T00:00:03Z".into(), ..again });
            },
            &[Verdict::InteractionDouble],
        ),
        ("no pop", |a| a.observed.pops.truncate(2), &[Verdict::PopLost]),
        ("late pop", |a| a.observed.pops[0].at += Duration::from_secs(2), &[Verdict::PopLate]),
        ("a pop that stays", |a| a.observed.pops.truncate(3), &[Verdict::PopGhost]),
        ("a second pop", |a| a.observed.pops[2].pop_id = "another".into(), &[Verdict::PopGhost]),
        ("a pop for nobody", |a| a.observed.pops[0].number = None, &[Verdict::PopGhost]),
        ("no recording", |a| a.observed.interactions[0].recording_ids.clear(), &[Verdict::RecordingMissing]),
        (
            "half a recording",
            |a| {
                let sound = a.observed.recordings.get_mut("recording").unwrap().1.as_mut().unwrap();
                sound.agent.own_ms = 300;
            },
            &[Verdict::RecordingShort],
        ),
        (
            "the ends changed",
            |a| {
                let sound = a.observed.recordings.get_mut("recording").unwrap().1.as_mut().unwrap();
                std::mem::swap(&mut sound.customer, &mut sound.agent);
            },
            &[Verdict::RecordingShort],
        ),
        ("nobody to call back", |a| a.observed.missed.clear(), &[Verdict::MissedWrong]),
        (
            "a phone that rings on",
            |a| a.deeds.get_mut(&0).unwrap().faults.push("rings on".into()),
            &[Verdict::Signalling],
        ),
    ];
    for (name, spoil, expected) in spoils {
        let mut afternoon = Afternoon::new();
        spoil(&mut afternoon);
        assert_eq!(afternoon.found(), expected, "{name}");
    }
}

#[test]
fn where_the_word_of_an_answer_came_late_the_talk_counts_from_the_answer_or_from_the_word() {
    let found = |network: Network, talk_ms: u64| {
        let mut afternoon = Afternoon::new();
        afternoon.world.plan.network = network;
        let talked = afternoon.deeds.get_mut(&0).unwrap();
        let later = Duration::from_secs(11);
        talked.connected = talked.connected.map(|at| at + later);
        talked.hung_up = talked.hung_up.map(|(side, at)| (side, at + later));
        afternoon.observed.interactions[0].talk_ms = i64::try_from(talk_ms).ok();
        let sound = afternoon.observed.recordings.get_mut("recording").unwrap().1.as_mut().unwrap();
        sound.duration_ms = talk_ms;
        afternoon.found()
    };
    assert_eq!(found(Network::Good, 1_000), []);
    assert_eq!(found(Network::Lossy, 12_010), []);
    let wrong = [Verdict::InteractionWrong, Verdict::RecordingShort];
    assert_eq!(found(Network::Good, 12_010), wrong);
    assert_eq!(found(Network::Lossy, 12_600), wrong);
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
        let sound = afternoon.observed.recordings.get_mut("recording").unwrap().1.as_mut().unwrap();
        sound.agent.gap_ms = agent_ms;
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
    afternoon.observed.recordings.get_mut("recording").unwrap().1.as_mut().unwrap().agent.gap_ms = 200;
    assert_eq!(afternoon.found(), [Verdict::RecordingShort]);
    afternoon.observed.spoke_late.insert(0);
    let card = judge(&afternoon.world, &afternoon.deeds, &afternoon.observed, Tolerance::default());
    assert_eq!((card.findings.len(), card.recordings_unjudged), (0, 1));
    assert!(!card.is_right(), "of nothing that was judged nothing is known");
}
