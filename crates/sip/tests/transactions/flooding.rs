//! A full table: memory stays bounded and calls can still be ended.

use linecard_sip::message::HeaderName;
use linecard_sip::transaction::{TransactionConfig, WhenFull};

use crate::bench::{Bench, peer_request, udp};

fn small(when_full: WhenFull) -> Bench {
    Bench::with(TransactionConfig { max_server_transactions: 80, when_full, ..TransactionConfig::default() })
}

fn request(method: &str, number: usize, to_tag: &str) -> String {
    peer_request(method, &format!("192.0.2.9:5060;rport;branch=z9hG4bKn{number}"), to_tag)
}

#[test]
fn a_full_table_answers_503_with_a_time_to_come_back_and_keeps_no_state() {
    let mut bench = small(WhenFull::Answer503 { retry_after_s: 17 });
    for number in 0..1000 {
        bench.hear(&request("INVITE", number, ""), udp());
    }
    assert_eq!(bench.layer.server_count(), 80);
    assert_eq!(bench.times("request INVITE").len(), 80);
    assert_eq!(bench.times("send 503").len(), 920);
    let (response, flow) = bench.last_response();
    assert_eq!(flow, udp());
    assert_eq!(response.headers.retry_after(), Some(17));
    assert!(response.headers.to().unwrap().tag().is_some());
    assert!(response.headers.get(&HeaderName::Via).is_some());
    bench.hear(&request("ACK", 999, ";tag=x"), udp());
    assert_eq!(bench.layer.server_count(), 80);
}

#[test]
fn a_full_table_can_be_silent() {
    let mut bench = small(WhenFull::Drop);
    for number in 0..1000 {
        bench.hear(&request("OPTIONS", number, ""), udp());
    }
    assert_eq!(bench.layer.server_count(), 80);
    assert_eq!(bench.log.len(), 80);
}

#[test]
fn a_full_table_still_takes_what_ends_calls_up_to_an_eighth_more() {
    let mut bench = small(WhenFull::Drop);
    for number in 0..100 {
        bench.hear(&request("INVITE", number, ""), udp());
    }
    bench.hear(&request("CANCEL", 3, ""), udp());
    assert_eq!(bench.times("cancel of an INVITE").len(), 1);
    for number in 0..100 {
        bench.hear(&request("BYE", number, ";tag=here"), udp());
    }
    assert_eq!(bench.times("request BYE").len(), 9);
    assert_eq!(bench.layer.server_count(), 90);
}

#[test]
fn a_table_that_was_full_takes_requests_again() {
    let mut bench = small(WhenFull::Drop);
    for number in 0..100 {
        bench.hear(&request("OPTIONS", number, ""), udp());
        if bench.times("request OPTIONS").len() == number + 1 {
            bench.answer(200).unwrap();
        }
    }
    bench.run_to(32_000);
    assert!(bench.layer.is_empty());
    bench.take_log();
    bench.hear(&request("OPTIONS", 200, ""), udp());
    assert_eq!(bench.times("request OPTIONS"), [32_000]);
}
