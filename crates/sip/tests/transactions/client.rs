//! Client transactions: when they repeat, when they give up, what they say.

use linecard_sip::message::{HeaderName, Method};
use linecard_sip::transaction::TransactionOutput;

use crate::bench::{Bench, HERE, log, message, own_request, tcp, udp};

#[test]
fn an_unanswered_invite_is_repeated_at_doubling_waits_and_given_up_after_32_s() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), udp());
    bench.run_to(100_000);
    assert_eq!(bench.times("send INVITE"), [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(bench.log[7..], log(&[(32_000, "timed out"), (32_000, "terminated")]));
    assert!(bench.layer.is_empty());
}

#[test]
fn an_unanswered_options_is_repeated_at_waits_capped_at_t2_and_given_up_after_32_s() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Options), udp());
    bench.run_to(100_000);
    let times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(bench.times("send OPTIONS"), times);
    assert_eq!(bench.log[11..], log(&[(32_000, "timed out"), (32_000, "terminated")]));
    assert!(bench.layer.is_empty());
}

#[test]
fn on_a_stream_nothing_is_repeated_and_patience_is_the_same() {
    for method in [Method::Invite, Method::Bye] {
        let mut bench = Bench::new();
        let sent = format!("send {}", method.as_str());
        bench.send(own_request(method), tcp());
        bench.run_to(100_000);
        assert_eq!(bench.log, log(&[(0, sent.as_str()), (32_000, "timed out"), (32_000, "terminated")]));
    }
}

#[test]
fn a_provisional_answer_stops_the_repetition_of_an_invite_for_good() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), udp());
    bench.run_to(600);
    bench.hear_answer(&Method::Invite, 100, "there");
    bench.run_to(170_000);
    bench.hear_answer(&Method::Invite, 180, "there");
    let expected =
        [(0, "send INVITE"), (500, "send INVITE"), (600, "response 100"), (170_000, "response 180")];
    assert_eq!(bench.log, log(&expected));
    assert_eq!(bench.layer.client_count(), 1);
}

#[test]
fn a_provisional_answer_slows_a_non_invite_to_t2_and_keeps_its_end() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Register), udp());
    bench.run_to(600);
    bench.hear_answer(&Method::Register, 100, "there");
    bench.run_to(100_000);
    let times = [0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500];
    assert_eq!(bench.times("send REGISTER"), times);
    assert_eq!(bench.times("timed out"), [32_000]);
}

#[test]
fn a_failure_is_told_once_and_acknowledged_each_time_for_32_s() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), udp());
    bench.run_to(100);
    bench.hear_answer(&Method::Invite, 486, "there");
    bench.run_to(600);
    bench.hear_answer(&Method::Invite, 486, "there");
    bench.run_to(32_099);
    bench.hear_answer(&Method::Invite, 486, "there");
    assert_eq!(bench.times("send ACK"), [100, 600, 32_099]);
    assert_eq!(bench.times("response 486"), [100]);
    assert_eq!(bench.times("terminated"), [] as [u128; 0]);
    bench.run_to(40_000);
    assert_eq!(bench.times("terminated"), [32_100]);
    bench.hear_answer(&Method::Invite, 486, "there");
    assert_eq!(bench.times("send ACK"), [100, 600, 32_099]);
    assert!(bench.layer.is_empty());
}

#[test]
fn on_a_stream_a_failure_ends_the_invite_at_once() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), tcp());
    bench.hear_answer(&Method::Invite, 603, "there");
    assert_eq!(
        bench.log,
        log(&[(0, "send INVITE"), (0, "send ACK"), (0, "response 603"), (0, "terminated")])
    );
    assert!(bench.layer.is_empty());
}

#[test]
fn the_ack_of_a_failure_is_the_invites_own() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), udp());
    let (invite, flow) = bench.last_request(&Method::Invite);
    bench.hear_answer(&Method::Invite, 404, "there");
    let (ack, ack_flow) = bench.last_request(&Method::Ack);
    assert_eq!(ack_flow, flow);
    assert_eq!(ack.uri, invite.uri);
    for name in [HeaderName::Via, HeaderName::Route, HeaderName::From, HeaderName::CallId] {
        let values = |request: &linecard_sip::message::Request| {
            request.headers.get_all(&name).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(values(&ack), values(&invite), "{name:?}");
    }
    assert_eq!(ack.headers.vias().unwrap().len(), 1);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("there"));
    assert_eq!(ack.headers.get(&HeaderName::CSeq), Some(&b"41 ACK"[..]));
    assert_eq!(ack.headers.max_forwards(), Some(70));
    assert!(ack.body.is_empty());
}

#[test]
fn a_2xx_is_told_each_time_it_comes_for_32_s_also_from_forks() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), udp());
    bench.hear_answer(&Method::Invite, 180, "one");
    bench.run_to(1000);
    bench.hear_answer(&Method::Invite, 200, "one");
    bench.run_to(1500);
    bench.hear_answer(&Method::Invite, 200, "one");
    bench.hear_answer(&Method::Invite, 200, "two");
    bench.hear_answer(&Method::Invite, 183, "three");
    bench.hear_answer(&Method::Invite, 486, "three");
    bench.run_to(50_000);
    bench.hear_answer(&Method::Invite, 200, "two");
    let expected = [
        (0, "send INVITE"),
        (0, "response 180"),
        (1000, "response 200"),
        (1500, "response 200"),
        (1500, "response 200"),
        (33_000, "terminated"),
        (50_000, "stray 200"),
    ];
    assert_eq!(bench.log, log(&expected));
}

#[test]
fn a_non_invites_answer_is_told_once_and_its_repetitions_are_absorbed_for_t4() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Options), udp());
    bench.hear_answer(&Method::Options, 200, "there");
    bench.run_to(4999);
    bench.hear_answer(&Method::Options, 200, "there");
    bench.run_to(10_000);
    bench.hear_answer(&Method::Options, 200, "there");
    assert_eq!(bench.log, log(&[(0, "send OPTIONS"), (0, "response 200"), (5000, "terminated")]));
    assert!(bench.layer.is_empty());
}

#[test]
fn a_broken_path_ends_what_is_unanswered_and_spares_a_ringing_invite() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Invite), tcp());
    bench.hear_answer(&Method::Invite, 180, "there");
    bench.send(own_request(Method::Invite), tcp());
    bench.send(own_request(Method::Options), tcp());
    bench.send(own_request(Method::Options), udp());
    bench.take_log();
    bench.fail(tcp());
    let failed = [(0, "transport failed"), (0, "terminated")];
    assert_eq!(bench.take_log(), log(&[failed, failed].concat()));
    assert_eq!(bench.layer.client_count(), 2, "the ringing INVITE and the one on the other path live");
}

#[test]
fn every_request_has_a_branch_of_its_own_and_asks_for_rport() {
    let mut bench = Bench::new();
    let mut branches = std::collections::BTreeSet::new();
    for _ in 0..100 {
        bench.send(own_request(Method::Options), udp());
        let (request, _) = bench.last_request(&Method::Options);
        let via = request.headers.top_via().unwrap();
        assert_eq!(via.transport, "UDP");
        assert_eq!(format!("{}:{}", via.host, via.port.unwrap()), HERE);
        assert_eq!(via.rport(), Some(None));
        let branch = via.branch().unwrap().to_owned();
        assert!(branch.starts_with("z9hG4bK") && branch.len() > 30, "{branch}");
        branches.insert(branch);
    }
    assert_eq!(branches.len(), 100);
}

#[test]
fn a_request_sent_before_loses_its_old_via() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Options), udp());
    let (sent, _) = bench.last_request(&Method::Options);
    bench.send(sent.clone(), udp());
    let (again, _) = bench.last_request(&Method::Options);
    assert_eq!(again.headers.vias().unwrap().len(), 1);
    assert_ne!(again.headers.top_via().unwrap().branch(), sent.headers.top_via().unwrap().branch());
}

#[test]
fn a_response_with_a_second_via_or_a_strange_branch_is_not_ours() {
    let mut bench = Bench::new();
    bench.send(own_request(Method::Options), udp());
    let (request, _) = bench.last_request(&Method::Options);
    let via = String::from_utf8(request.headers.get(&HeaderName::Via).unwrap().to_vec()).unwrap();
    let response = |via: &str, cseq: &str| {
        format!(
            "SIP/2.0 200 OK
             Via: {via}
             From: <sip:alice@192.0.2.1>;tag=from-here
             To: <sip:bob@192.0.2.9>;tag=there
             Call-ID: call-1@192.0.2.1
             CSeq: {cseq}
             Content-Length: 0"
        )
    };
    bench.hear(&response(&format!("{via}, SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx"), "41 OPTIONS"), udp());
    bench.hear(&response("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKguess", "41 OPTIONS"), udp());
    bench.hear(&response(&via, "41 REGISTER"), udp());
    assert_eq!(bench.times("response 200"), [] as [u128; 0]);
    bench.hear(&response(&via, "41 OPTIONS"), udp());
    assert_eq!(bench.times("response 200"), [0]);
}

#[test]
fn the_ack_of_a_2xx_keeps_its_via_when_it_is_sent_again() {
    let mut bench = Bench::new();
    let mut ack = own_request(Method::Ack);
    bench.layer.send_ack(&mut ack, udp());
    bench.layer.send_ack(&mut ack, udp());
    let sent: Vec<Vec<u8>> = std::iter::from_fn(|| match bench.layer.poll_output() {
        Some(TransactionOutput::Transmit { bytes, .. }) => Some(bytes),
        _ => None,
    })
    .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_forgotten_transaction_leaves_nothing_and_says_nothing() {
    let mut bench = Bench::new();
    let id = bench.send(own_request(Method::Invite), udp());
    bench.take_log();
    bench.layer.forget(id);
    bench.run_to(60_000);
    assert_eq!(bench.log, []);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_2xx_without_any_transaction_is_told_as_stray_and_a_failure_is_not() {
    let mut bench = Bench::new();
    let response = |line: &str, method: &str| {
        message(&format!(
            "SIP/2.0 {line}
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKgone
             From: <sip:alice@192.0.2.1>;tag=from-here
             To: <sip:bob@192.0.2.9>;tag=there
             Call-ID: call-1@192.0.2.1
             CSeq: 41 {method}
             Content-Length: 0"
        ))
    };
    bench.hear_message(response("200 OK", "INVITE"), udp());
    bench.hear_message(response("486 Busy Here", "INVITE"), udp());
    bench.hear_message(response("180 Ringing", "INVITE"), udp());
    bench.hear_message(response("200 OK", "BYE"), udp());
    assert_eq!(bench.log, log(&[(0, "stray 200")]));
}
