//! Random schedules against a naive model: whatever the order of events, the laws hold.
//!
//! Each failure names its seed; `Schedule::run(seed)` plays it again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use common::{shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use schedule::{Customer, Phone, Schedule};

const SCHEDULES: u64 = 1_500;

#[test]
fn every_schedule_ends_as_the_model_says_and_the_ledger_folds_to_it() {
    let mut outcomes: BTreeMap<Option<Outcome>, u32> = BTreeMap::new();
    for seed in 0..SCHEDULES {
        let schedule = Schedule::run(seed);
        for (call, model) in &schedule.calls {
            let signals = schedule.signals_of(*call);
            let folded = fold(&signals).unwrap();
            assert_eq!(folded.outcome, model.outcome, "seed {seed}: {:#?}", explain(&signals));
            let saved: Vec<_> = schedule.desk.ended.iter().filter(|(id, ..)| id == call).collect();
            assert_eq!(saved.len(), 1, "seed {seed}: saved once");
            assert_eq!(saved[0].1.outcome, model.outcome, "seed {seed}: the engine's view");
            if !schedule.desk.amended.contains(call) {
                assert_eq!(saved[0].1, folded, "seed {seed}: the ledger folds to what was saved");
            }
            *outcomes.entry(folded.outcome).or_default() += 1;
        }
    }
    for outcome in [
        Outcome::Answered,
        Outcome::Abandoned,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Rejected,
        Outcome::Failed,
    ] {
        assert!(
            outcomes.get(&Some(outcome)).is_some_and(|count| *count > 20),
            "too few {outcome:?}: {outcomes:?}"
        );
    }
}

#[test]
fn every_customer_gets_one_final_response_and_no_leg_is_left_ringing() {
    for seed in 0..SCHEDULES {
        let schedule = Schedule::run(seed);
        for model in schedule.calls.values() {
            assert_eq!((model.state, model.finals), (Customer::Gone, 1), "seed {seed}");
            for (leg, phone) in &model.phones {
                assert!(matches!(phone, Phone::Down(_)), "seed {seed}: {leg} is left {phone:?}");
            }
        }
        let supervisor = Viewer { user_id: user(9), role: Role::Supervisor };
        let snapshot = schedule.desk.engine.snapshot(&supervisor);
        assert!(snapshot.calls.is_empty() && snapshot.pops.is_empty(), "seed {seed}: {snapshot:?}");
        assert!(snapshot.agents.iter().all(|agent| agent.state == AgentState::Available), "seed {seed}");
        assert_eq!(schedule.desk.timer, None, "seed {seed}: a timer is left");
    }
}

#[test]
fn each_call_and_user_has_exactly_one_pop_whose_versions_rise_by_one() {
    for seed in 0..SCHEDULES {
        let schedule = Schedule::run(seed);
        let mut pops: BTreeMap<(CallId, UserId), Vec<Pop>> = BTreeMap::new();
        for event in &schedule.desk.events {
            if let Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop) = event {
                pops.entry((pop.call_id, pop.user_id)).or_default().push(pop.clone());
            }
        }
        for versions in pops.values() {
            let names: BTreeSet<PopId> = versions.iter().map(|pop| pop.pop_id).collect();
            assert_eq!(names.len(), 1, "seed {seed}: one pop");
            assert!(versions.iter().map(|pop| pop.version).eq(1..=versions.len() as u64), "seed {seed}");
            assert!(versions.last().unwrap().state.is_over(), "seed {seed}: a pop is left on the screen");
        }
        for (call, model) in &schedule.calls {
            if !model.phones.is_empty() {
                let key = (*call, model.owner.unwrap());
                assert!(pops.contains_key(&key), "seed {seed}: a phone rang and nobody saw who calls");
            }
        }
    }
}

#[test]
fn any_order_and_duplication_of_a_calls_signals_folds_to_the_same_interaction() {
    for seed in 0..SCHEDULES {
        let schedule = Schedule::run(seed);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        for call in schedule.calls.keys() {
            let signals = schedule.signals_of(*call);
            let mixed = shuffled(&signals, &mut rng);
            assert_eq!(fold(&mixed), fold(&signals), "seed {seed}");
            assert_eq!(fold_recordings(&mixed), fold_recordings(&signals), "seed {seed}");
            assert_eq!(explain(&mixed), explain(&signals), "seed {seed}");
        }
    }
}
