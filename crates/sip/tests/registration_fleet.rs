//! Thousands of lines at one registrar: nothing comes in bursts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

mod registration_world;

use std::time::Instant;

use linecard_sip::message::{HeaderName, Response};
use linecard_sip::registration::{Input, Output, Registration, RegistrationState, WaitReason};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use registration_world::*;

const LINES: u64 = 5_000;

/// Counts instants in equal bins between two offsets from the beginning.
fn bins(instants: &[Instant], began: Instant, from_s: f64, to_s: f64, count: usize) -> Vec<usize> {
    let mut bins = vec![0; count];
    for at in instants {
        let share = (gap(began, *at) - from_s) / (to_s - from_s);
        assert!((0.0..=1.0).contains(&share), "{} s is outside {from_s} to {to_s}", gap(began, *at));
        let bin = (share * count as f64).floor() as usize;
        bins[bin.min(count - 1)] += 1;
    }
    bins
}

/// Bounds each bin by five standard deviations around the even share.
fn assert_even(bins: &[usize], what: &str) {
    let even = LINES as f64 / bins.len() as f64;
    for (index, bin) in bins.iter().enumerate() {
        let off = (*bin as f64 - even).abs() / even.sqrt();
        assert!(off < 5.0, "{what}: bin {index} has {bin} of {even} expected; {bins:?}");
    }
}

#[test]
fn the_first_registrations_of_5000_lines_are_spread_evenly() {
    let mut first = Vec::new();
    let began = Instant::now();
    for seed in 0..LINES {
        let mut config = config();
        config.start_spread = seconds(50);
        let mut line = Registration::new(config, ChaCha12Rng::seed_from_u64(seed));
        line.handle_input(Input::Start, began);
        assert!(matches!(
            line.poll_output(),
            Output::StateChanged(RegistrationState::Waiting { reason: WaitReason::Spread, .. })
        ));
        let Output::Timeout { at, .. } = line.poll_output() else { panic!() };
        line.handle_input(Input::Timeout, at);
        assert!(matches!(line.poll_output(), Output::StateChanged(RegistrationState::Querying)));
        assert!(matches!(line.poll_output(), Output::SendRequest(_)));
        first.push(at);
    }
    assert_even(&bins(&first, began, 0.0, 50.0, 50), "first requests, by the second");
}

/// Registers a line at once and returns when it refreshes.
fn refresh_of(seed: u64, began: Instant) -> Instant {
    let mut line = Registration::new(config(), ChaCha12Rng::seed_from_u64(seed));
    line.handle_input(Input::Start, began);
    loop {
        match line.poll_output() {
            Output::SendRequest(request) => {
                let mut response = Response::reply_to(&request, status(200));
                if request.headers.contains(&HeaderName::Contact) {
                    response.headers.push(HeaderName::Contact, format!("<{OWN}>;expires=3600"));
                }
                line.handle_input(Input::Response(response), began);
            }
            Output::StateChanged(_) => {}
            Output::Timeout { at, .. } => return at,
            Output::Idle => panic!(),
        }
    }
}

#[test]
fn the_refreshes_of_5000_lines_that_registered_together_are_spread_evenly() {
    let began = Instant::now();
    let refreshes: Vec<Instant> = (0..LINES).map(|seed| refresh_of(seed, began)).collect();
    assert_even(&bins(&refreshes, began, 1800.0, 3240.0, 100), "refreshes");
}

#[test]
fn the_attempts_of_5000_lines_at_a_dead_registrar_do_not_march_in_step() {
    let began = Instant::now();
    let mut attempts = Vec::new();
    for seed in 0..LINES {
        let mut line = Registration::new(config(), ChaCha12Rng::seed_from_u64(seed));
        line.handle_input(Input::Start, began);
        let mut now = began;
        while gap(began, now) < 300.0 {
            match line.poll_output() {
                Output::SendRequest(_) => {
                    attempts.push(now);
                    line.handle_input(Input::TransportFailed(None), now);
                }
                Output::Timeout { at, .. } => {
                    now = at;
                    line.handle_input(Input::Timeout, now);
                }
                Output::StateChanged(_) => {}
                Output::Idle => panic!(),
            }
        }
    }
    let late: Vec<f64> =
        attempts.iter().map(|at| gap(began, *at)).filter(|s| (150.0..300.0).contains(s)).collect();
    let mut per_second = vec![0_usize; 150];
    for at in &late {
        per_second[(*at - 150.0).floor() as usize] += 1;
    }
    let even = late.len() as f64 / 150.0;
    let most = *per_second.iter().max().unwrap() as f64;
    assert!(most < even * 1.5, "{most} in one second, {even} on average");
    assert!(even < LINES as f64 / 14.0, "at most one attempt each 14 s and line");
}

#[test]
fn equal_seeds_register_equally() {
    let began = Instant::now();
    assert_eq!(refresh_of(3, began), refresh_of(3, began));
    assert_ne!(refresh_of(3, began), refresh_of(4, began));
}
