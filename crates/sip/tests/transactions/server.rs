//! Server transactions: once to the user, answered from the machine after.

use linecard_sip::transaction::RespondRefused;
use linecard_sip::transport::Transport;

use crate::bench::{Bench, PEER, PEER_VIA, flow, log, peer_request, udp};

fn invite() -> String {
    peer_request("INVITE", PEER_VIA, "")
}

fn ack() -> String {
    peer_request("ACK", PEER_VIA, ";tag=here")
}

#[test]
fn an_invite_is_told_once_and_gets_100_after_200_ms_of_silence() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.run_to(100);
    bench.hear(&invite(), udp());
    bench.run_to(500);
    bench.hear(&invite(), udp());
    let expected = [(0, "request INVITE"), (200, "send 100"), (500, "send 100")];
    assert_eq!(bench.log, log(&expected));
}

#[test]
fn a_user_that_answers_within_200_ms_needs_no_100() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.run_to(199);
    bench.answer(180).unwrap();
    bench.run_to(500);
    bench.hear(&invite(), udp());
    bench.answer(183).unwrap();
    bench.hear(&invite(), udp());
    let expected =
        [(0, "request INVITE"), (199, "send 180"), (500, "send 180"), (500, "send 183"), (500, "send 183")];
    assert_eq!(bench.log, log(&expected));
}

#[test]
fn an_unacknowledged_failure_is_repeated_up_to_t2_and_reported_after_32_s() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.answer(486).unwrap();
    bench.run_to(100_000);
    let times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(bench.times("send 486"), times);
    assert_eq!(bench.log[12..], log(&[(32_000, "timed out"), (32_000, "terminated")]));
    assert!(bench.layer.is_empty());
}

#[test]
fn the_ack_of_a_failure_ends_its_repetition_and_is_absorbed_for_t4() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.answer(486).unwrap();
    bench.run_to(300);
    bench.hear(&invite(), udp());
    bench.run_to(600);
    bench.hear(&ack(), udp());
    bench.run_to(5000);
    bench.hear(&ack(), udp());
    bench.hear(&invite(), udp());
    bench.run_to(100_000);
    let expected =
        [(0, "request INVITE"), (0, "send 486"), (300, "send 486"), (500, "send 486"), (5600, "terminated")];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn on_a_stream_a_failure_is_sent_once_and_its_ack_ends_it_at_once() {
    let mut bench = Bench::new();
    let stream = flow(Transport::Tcp, "192.0.2.9:41000");
    bench.hear(&invite().replace("/UDP", "/TCP"), stream);
    bench.answer(486).unwrap();
    bench.run_to(10_000);
    bench.hear(&ack().replace("/UDP", "/TCP"), stream);
    let expected = [(0, "request INVITE"), (0, "send 486"), (10_000, "terminated")];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn on_a_stream_a_missing_ack_is_still_reported() {
    let mut bench = Bench::new();
    bench.hear(&invite().replace("/UDP", "/TCP"), flow(Transport::Tcp, PEER));
    bench.answer(486).unwrap();
    bench.run_to(100_000);
    assert_eq!(bench.times("send 486"), [0]);
    assert_eq!(bench.times("timed out"), [32_000]);
}

#[test]
fn an_accepted_invite_absorbs_repetitions_and_repeats_only_what_its_user_repeats() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.answer(200).unwrap();
    bench.run_to(400);
    bench.hear(&invite(), udp());
    bench.run_to(500);
    bench.answer(200).unwrap();
    bench.hear(&ack(), udp());
    bench.hear(&ack(), udp());
    assert_eq!(bench.answer(486), Err(RespondRefused::AlreadyAnswered));
    assert_eq!(bench.answer(180), Err(RespondRefused::AlreadyAnswered));
    bench.run_to(31_999);
    bench.hear(&invite(), udp());
    bench.run_to(100_000);
    assert_eq!(bench.answer(200), Err(RespondRefused::UnknownTransaction));
    let expected = [
        (0, "request INVITE"),
        (0, "send 200"),
        (500, "send 200"),
        (500, "ack of an INVITE"),
        (500, "ack of an INVITE"),
        (32_000, "terminated"),
    ];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn the_ack_of_a_2xx_has_a_branch_of_its_own_and_is_told_each_time() {
    let mut bench = Bench::new();
    bench.hear(&invite(), udp());
    bench.answer(200).unwrap();
    let ack = peer_request("ACK", &PEER_VIA.replace("peer1", "ack1"), ";tag=here");
    bench.hear(&ack, udp());
    bench.hear(&ack, udp());
    assert_eq!(bench.times("ack of nothing"), [0, 0]);
}

#[test]
fn a_repeated_non_invite_is_absorbed_until_answered_and_then_answered_for_32_s() {
    let options = peer_request("OPTIONS", PEER_VIA, "");
    let mut bench = Bench::new();
    bench.hear(&options, udp());
    bench.hear(&options, udp());
    bench.run_to(1000);
    bench.answer(183).unwrap();
    bench.hear(&options, udp());
    bench.answer(200).unwrap();
    bench.hear(&options, udp());
    assert_eq!(bench.answer(404), Err(RespondRefused::AlreadyAnswered));
    bench.run_to(32_999);
    bench.hear(&options, udp());
    bench.run_to(100_000);
    let expected = [
        (0, "request OPTIONS"),
        (1000, "send 183"),
        (1000, "send 183"),
        (1000, "send 200"),
        (1000, "send 200"),
        (32_999, "send 200"),
        (33_000, "terminated"),
    ];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn on_a_stream_an_answered_non_invite_is_over() {
    let mut bench = Bench::new();
    let stream = flow(Transport::Tcp, PEER);
    bench.hear(&peer_request("BYE", PEER_VIA, ";tag=here").replace("/UDP", "/TCP"), stream);
    bench.answer(200).unwrap();
    assert_eq!(bench.log, log(&[(0, "request BYE"), (0, "send 200"), (0, "terminated")]));
    assert!(bench.layer.is_empty());
}

#[test]
fn the_automatic_100_says_when_the_request_was_made() {
    let mut bench = Bench::new();
    bench.hear(&invite().replace("Max-Forwards: 70", "Max-Forwards: 70\nTimestamp: 54.21"), udp());
    bench.run_to(200);
    let (response, _) = bench.last_response();
    let stamped = response.headers.iter().find(|header| header.name.as_str() == "Timestamp");
    assert_eq!(stamped.map(|header| header.value.as_slice()), Some(&b"54.21"[..]));
    assert_eq!(response.headers.to().unwrap().tag(), None);
}
