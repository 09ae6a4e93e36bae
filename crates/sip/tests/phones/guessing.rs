//! Who may knock, what a scanner learns, and what guessing comes to.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message};
use linecard_sip::registrar::{Guesses, PhoneId, Standing};
use linecard_sip::ua::{Admits, Event};

use crate::bench::{ABROAD, Bench, HOME, Handset, status};

#[test]
fn a_stranger_from_the_internet_gets_nothing_unless_phones_may_come_from_anywhere() {
    let mut bench = Bench::new(Admits::Known);
    let mut abroad = Handset::at(ABROAD, "u7", "right");
    assert_eq!(status(bench.registers(&mut abroad, "")), 0);
    assert!(bench.sent.is_empty());
    let mut bench = Bench::new(Admits::Anyone);
    assert_eq!(status(bench.registers(&mut abroad, "")), 200);
}

#[test]
fn where_there_are_no_phones_nobody_is_answered() {
    let mut bench = Bench::new(Admits::Anyone);
    for phone in ["7", "8"] {
        bench.ua.remove_phone(&PhoneId::new(phone));
    }
    assert_eq!(status(bench.registers(&mut Handset::at(HOME, "u7", "right"), "")), 0);
}

#[test]
fn a_call_or_a_question_of_a_stranger_is_not_answered_where_phones_may_come_from_anywhere() {
    let mut bench = Bench::new(Admits::Anyone);
    let mut scanner = Handset::at(ABROAD, "100", "100");
    for method in ["INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"] {
        let request = bench.request(&mut scanner, method, "");
        assert_eq!(status(bench.exchange(scanner.flow, &request)), 0, "{method}");
    }
}

#[test]
fn an_unknown_account_is_answered_as_a_known_one_is() {
    let mut bench = Bench::new(Admits::Known);
    let shape = |bench: &mut Bench, username: &str, at: &str| {
        let mut handset = Handset::at(at, username, "guess");
        let request = bench.request(&mut handset, "REGISTER", "");
        let first = bench.exchange(handset.flow, &request).unwrap();
        let proved = bench.proved(&mut handset, request, &first);
        let second = bench.exchange(handset.flow, &proved).unwrap();
        [first, second].map(|response| {
            let names: Vec<String> =
                response.headers.iter().map(|header| header.name.as_str().to_owned()).collect();
            (response.status, response.reason, names)
        })
    };
    assert_eq!(shape(&mut bench, "u7", HOME), shape(&mut bench, "nobody", "10.0.0.8:5060"));
}

#[test]
fn a_guesser_is_slowed_then_silent_and_the_phone_at_its_own_place_goes_on() {
    let mut bench = Bench::new(Admits::Known);
    let mut own = Handset::at(HOME, "u7", "right");
    assert_eq!(status(bench.registers(&mut own, "")), 200);
    let mut guesser = Handset::at("10.0.0.66:5060", "u7", "guess");
    let mut answered = 0;
    for _ in 0..2_000 {
        answered += usize::from(status(bench.registers(&mut guesser, "")) == 401);
        bench.pass(Duration::from_millis(400));
    }
    assert_eq!(answered, 10, "in thirteen minutes");
    let told: Vec<_> =
        bench.events.iter().filter(|event| matches!(event, Event::GuesserLocked { .. })).collect();
    assert!(matches!(told[..], [Event::GuesserLocked { source, username }]
        if source.to_string() == "10.0.0.66" && username == "u7"));
    let mut right_at_last = Handset::at("10.0.0.66:5060", "u7", "right");
    assert_eq!(status(bench.registers(&mut right_at_last, "")), 0, "the right password too");
    assert_eq!(status(bench.registers(&mut own, "")), 200);
    let mut neighbour = Handset::at("10.0.0.66:5061", "u8", "right");
    assert_eq!(status(bench.registers(&mut neighbour, "")), 200, "another phone behind the same NAT");
    bench.pass(Duration::from_secs(15 * 60));
    assert_eq!(status(bench.registers(&mut right_at_last, "")), 200, "the window is over");
}

#[test]
fn one_who_tries_many_accounts_is_locked_and_phones_that_are_there_go_on() {
    let mut bench = Bench::new(Admits::Known);
    let mut own = Handset::at("10.0.0.66:5062", "u7", "right");
    assert_eq!(status(bench.registers(&mut own, "")), 200);
    for account in 0..60 {
        let mut guesser = Handset::at("10.0.0.66:5060", &format!("{account}"), "guess");
        bench.registers(&mut guesser, "");
    }
    let mut other = Handset::at("10.0.0.66:5061", "u8", "right");
    assert_eq!(status(bench.registers(&mut other, "")), 0);
    assert_eq!(status(bench.registers(&mut own, "")), 200);
}

#[test]
fn nobody_is_locked_out_by_who_only_writes_an_address_of_others() {
    let mut bench = Bench::new(Admits::Known);
    let mut own = Handset::at(HOME, "u7", "right");
    // Sees its own challenge and sends the answer as if from the phone's place.
    let mut forger = Handset::at("10.0.0.66:5060", "u7", "guess");
    for _ in 0..60 {
        let request = bench.request(&mut forger, "REGISTER", "");
        let challenge = bench.exchange(forger.flow, &request).unwrap();
        let proved = bench.proved(&mut forger, request, &challenge);
        bench.exchange(own.flow, &proved);
    }
    assert_eq!(status(bench.registers(&mut own, "")), 200);
}

#[test]
fn a_flood_of_strangers_costs_no_memory_and_not_an_answer_each() {
    let mut bench = Bench::new(Admits::Anyone);
    let mut own = Handset::at(HOME, "u7", "right");
    assert_eq!(status(bench.registers(&mut own, "")), 200);
    bench.pass(Duration::from_secs(40));
    bench.sent.clear();
    for n in 0..5_000_u32 {
        let mut scanner = Handset::at(&format!("203.0.{}.{}:5060", n / 250, n % 250 + 1), "100", "100");
        let request = bench.request(&mut scanner, "REGISTER", "");
        bench.write(scanner.flow, &Message::Request(request));
    }
    assert_eq!(bench.sent.len(), 200);
    assert_eq!((bench.ua.leg_count(), bench.ua.dialog_count()), (0, 0));
    assert_eq!(status(bench.registers(&mut own, "")), 200, "who is there is heard beside it");
    let figures = bench.ua.door_figures();
    assert_eq!((figures.0.silenced, figures.1), (4_800, 1));
}

#[test]
fn what_cannot_be_read_gets_400_and_is_no_guess() {
    let mut bench = Bench::new(Admits::Known);
    let mut handset = Handset::at(HOME, "u7", "right");
    for _ in 0..30 {
        let mut request = bench.request(&mut handset, "REGISTER", "");
        request.headers.set(HeaderName::Authorization, "Digest realm=\"linecard\", nonce=\"x\"");
        let refused = bench.exchange(handset.flow, &request).unwrap();
        assert_eq!(refused.status.get(), 400);
        assert!(String::from_utf8(refused.reason).unwrap().contains("qop"));
    }
    assert_eq!(status(bench.registers(&mut handset, "")), 200);
}

#[test]
fn the_memory_of_guesses_is_bounded() {
    let (mut guesses, now) = (Guesses::default(), Instant::now());
    for n in 0..10_000_u32 {
        let source = IpAddr::from((0x0A00_0000 + n).to_be_bytes());
        guesses.failed(source, "a", now + Duration::from_millis(u64::from(n)));
    }
    assert!(guesses.suspects() <= 4_096, "{}", guesses.suspects());
    let last = IpAddr::from((0x0A00_0000_u32 + 9_999).to_be_bytes());
    for _ in 0..9 {
        guesses.failed(last, "a", now + Duration::from_secs(10));
    }
    assert_eq!(guesses.of_account(last, "a", now + Duration::from_secs(10)), Standing::Locked);
}
