//! Which transaction a request belongs to, also for peers that speak RFC 2543.

use linecard_sip::transaction::TransactionOutput;

use crate::bench::{Bench, log, peer_request, udp};

/// Counts how often a request reached the user.
fn told(requests: &[String]) -> usize {
    let mut bench = Bench::new();
    for request in requests {
        bench.hear(request, udp());
    }
    bench.outputs.iter().filter(|output| matches!(output, TransactionOutput::Request { .. })).count()
}

#[test]
fn a_branch_belongs_to_its_sender_and_method() {
    let request = |method: &str, via: &str| peer_request(method, via, "");
    let first = request("OPTIONS", "192.0.2.9:5060;branch=z9hG4bKsame");
    assert_eq!(told(&[first.clone(), first.clone()]), 1);
    assert_eq!(told(&[first.clone(), request("OPTIONS", "192.0.2.9:5061;branch=z9hG4bKsame")]), 2);
    assert_eq!(told(&[first.clone(), request("OPTIONS", "pbx.example.com;branch=z9hG4bKsame")]), 2);
    assert_eq!(told(&[first.clone(), request("OPTIONS", "192.0.2.9:5060;branch=z9hG4bKother")]), 2);
    assert_eq!(told(&[first, request("INFO", "192.0.2.9:5060;branch=z9hG4bKsame")]), 2);
}

#[test]
fn a_sender_may_write_its_host_in_any_case() {
    let request = |host: &str| peer_request("OPTIONS", &format!("{host};branch=z9hG4bKsame"), "");
    assert_eq!(told(&[request("pbx.example.com"), request("PBX.Example.COM")]), 1);
}

#[test]
fn without_the_cookie_the_whole_identity_is_compared() {
    for via in ["192.0.2.9:5060", "192.0.2.9:5060;branch=1", "192.0.2.9:5060;branch=z9hG4bK"] {
        let first = peer_request("OPTIONS", via, "");
        assert_eq!(told(&[first.clone(), first.clone()]), 1, "{via}");
        for (old, new) in [
            ("CSeq: 7", "CSeq: 8"),
            ("call-9", "call-10"),
            ("tag=from-peer", "tag=else"),
            ("sip:alice@192.0.2.1 ", "sip:carol@192.0.2.1 "),
            ("192.0.2.9:5060", "192.0.2.9:5070"),
        ] {
            let other = first.replacen(old, new, 1);
            assert_ne!(other, first);
            assert_eq!(told(&[first.clone(), other]), 2, "{via}: {new}");
        }
    }
}

#[test]
fn an_old_peers_ack_ends_the_failure_it_acknowledges() {
    let via = "192.0.2.9:5060";
    let mut bench = Bench::new();
    bench.hear(&peer_request("INVITE", via, ""), udp());
    bench.answer(486).unwrap();
    bench.hear(&peer_request("ACK", via, ";tag=another"), udp());
    bench.run_to(500);
    bench.hear(&peer_request("ACK", via, ";tag=here"), udp());
    bench.run_to(100_000);
    let expected = [
        (0, "request INVITE"),
        (0, "send 486"),
        (0, "ack of nothing"),
        (500, "send 486"),
        (5500, "terminated"),
    ];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn an_old_peers_cancel_finds_its_invite() {
    let via = "192.0.2.9:5060;branch=1";
    let mut bench = Bench::new();
    bench.hear(&peer_request("INVITE", via, ""), udp());
    bench.hear(&peer_request("CANCEL", via, ""), udp());
    bench.hear(&peer_request("CANCEL", via, "").replace("CSeq: 7", "CSeq: 8"), udp());
    let expected = [(0, "request INVITE"), (0, "cancel of an INVITE"), (0, "cancel of nothing")];
    assert_eq!(bench.log, log(&expected));
}
