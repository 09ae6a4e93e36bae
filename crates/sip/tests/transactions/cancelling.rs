//! CANCEL from both ends, and the races it runs into.

use linecard_sip::message::{Header, HeaderName, Method};
use linecard_sip::transaction::CancelRefused;

use crate::bench::{Bench, PEER_VIA, log, own_request, peer_request, udp};

#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    let reason = Header { name: HeaderName::Reason, value: b"SIP;cause=200".to_vec() };
    bench.cancel(invite, vec![reason]).unwrap();
    bench.run_to(400);
    assert_eq!(bench.times("send CANCEL"), [] as [u128; 0]);
    bench.hear_answer(&Method::Invite, 100, "there");
    assert_eq!(bench.times("send CANCEL"), [400]);

    let (sent, flow) = bench.last_request(&Method::Invite);
    let (cancel, cancel_flow) = bench.last_request(&Method::Cancel);
    assert_eq!(cancel_flow, flow);
    assert_eq!(cancel.uri, sent.uri);
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::Route] {
        assert_eq!(cancel.headers.get(&name), sent.headers.get(&name), "{name:?}");
    }
    assert_eq!(cancel.headers.get(&HeaderName::CSeq), Some(&b"41 CANCEL"[..]));
    assert_eq!(cancel.headers.get(&HeaderName::Reason), Some(&b"SIP;cause=200"[..]));
    assert_eq!(cancel.headers.get(&HeaderName::Contact), None);
}

#[test]
fn a_cancelled_invite_ends_with_its_487() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.hear_answer(&Method::Invite, 180, "there");
    bench.cancel(invite, Vec::new()).unwrap();
    bench.run_to(10);
    bench.hear_answer(&Method::Cancel, 200, "there");
    bench.hear_answer(&Method::Invite, 487, "there");
    bench.run_to(100_000);
    let expected = [
        (0, "send INVITE"),
        (0, "response 180"),
        (0, "send CANCEL"),
        (10, "response 200"),
        (10, "send ACK"),
        (10, "response 487"),
        (5010, "terminated"),
        (32_010, "terminated"),
    ];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn an_invite_whose_487_never_comes_is_over_64_t1_after_the_cancel() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.hear_answer(&Method::Invite, 180, "there");
    bench.run_to(60_000);
    bench.cancel(invite, Vec::new()).unwrap();
    bench.run_to(60_010);
    bench.hear_answer(&Method::Cancel, 200, "there");
    bench.run_to(200_000);
    assert_eq!(bench.times("timed out"), [92_000]);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_2xx_that_overtakes_a_held_cancel_is_told_and_the_cancel_never_leaves() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.cancel(invite, Vec::new()).unwrap();
    bench.hear_answer(&Method::Invite, 200, "there");
    bench.run_to(100_000);
    let expected = [(0, "send INVITE"), (0, "response 200"), (0, "terminated"), (32_000, "terminated")];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn a_held_cancel_of_an_invite_that_nobody_answers_ends_with_it() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.cancel(invite, Vec::new()).unwrap();
    bench.run_to(100_000);
    assert_eq!(bench.times("send CANCEL"), [] as [u128; 0]);
    assert_eq!(bench.times("timed out"), [32_000]);
    assert_eq!(bench.times("terminated"), [32_000, 32_000]);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_2xx_that_crosses_a_cancel_is_told_and_not_timed_out() {
    let mut bench = Bench::new();
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.hear_answer(&Method::Invite, 180, "there");
    bench.cancel(invite, Vec::new()).unwrap();
    bench.hear_answer(&Method::Invite, 200, "there");
    bench.hear_answer(&Method::Cancel, 481, "there");
    bench.run_to(100_000);
    assert_eq!(bench.times("response 200"), [0]);
    assert_eq!(bench.times("timed out"), [] as [u128; 0]);
    assert!(bench.layer.is_empty());
}

#[test]
fn only_an_open_invite_can_be_cancelled_and_only_once() {
    let mut bench = Bench::new();
    let options = bench.send(own_request(Method::Options), udp());
    assert_eq!(bench.cancel(options, Vec::new()), Err(CancelRefused::NotInvite));
    let invite = bench.send(own_request(Method::Invite), udp());
    bench.cancel(invite, Vec::new()).unwrap();
    assert_eq!(bench.cancel(invite, Vec::new()), Err(CancelRefused::AlreadyCancelled));
    let other = bench.send(own_request(Method::Invite), udp());
    bench.hear_answer(&Method::Invite, 200, "there");
    assert_eq!(bench.cancel(other, Vec::new()), Err(CancelRefused::AlreadyAnswered));
    bench.run_to(100_000);
    assert_eq!(bench.cancel(other, Vec::new()), Err(CancelRefused::UnknownTransaction));
}

#[test]
fn a_peers_cancel_is_told_once_with_its_invite_and_answered_from_the_machine_after() {
    let mut bench = Bench::new();
    bench.hear(&peer_request("INVITE", PEER_VIA, ""), udp());
    let (invite, request) = bench.last_received();
    bench.hear(&peer_request("CANCEL", PEER_VIA, ""), udp());
    let Some(linecard_sip::transaction::TransactionOutput::Cancel {
        id, invite: meant, request: cancel, ..
    }) = bench.outputs.last().cloned()
    else {
        panic!("no CANCEL was told: {:?}", bench.log)
    };
    assert_eq!(meant, Some(invite));
    bench.answer_to(id, &cancel, 200).unwrap();
    bench.answer_to(invite, &request, 487).unwrap();
    bench.run_to(10);
    bench.hear(&peer_request("CANCEL", PEER_VIA, ""), udp());
    bench.hear(&peer_request("ACK", PEER_VIA, ";tag=here"), udp());
    bench.run_to(100_000);
    let expected = [
        (0, "request INVITE"),
        (0, "cancel of an INVITE"),
        (0, "send 200"),
        (0, "send 487"),
        (10, "send 200"),
        (5010, "terminated"),
        (32_000, "terminated"),
    ];
    assert_eq!(bench.log, log(&expected));
}

#[test]
fn a_cancel_of_an_unknown_invite_says_so() {
    let mut bench = Bench::new();
    bench.hear(&peer_request("CANCEL", PEER_VIA, ""), udp());
    assert_eq!(bench.log, log(&[(0, "cancel of nothing")]));
    bench.hear(&peer_request("INVITE", &PEER_VIA.replace("peer1", "peer2"), ""), udp());
    bench.hear(&peer_request("CANCEL", &PEER_VIA.replace("peer1", "peer3"), ""), udp());
    assert_eq!(bench.log.last(), Some(&(0, "cancel of nothing".to_owned())));
}
