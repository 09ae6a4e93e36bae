//! Where messages go: rport and received, connections, the change from UDP to TCP and back.

use linecard_sip::message::{HeaderName, Message, Method, Response, StatusCode, parse_datagram};
use linecard_sip::transaction::{TransactionConfig, TransactionOutput};
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use linecard_sip::uri::Host;

use crate::bench::{Bench, HERE, address, flow, log, own_request, peer_request, tcp, udp};

/// Hears a request with this Via along `flow`, answers 200 and gives its stamped Via and where the answer went.
fn way_back(via: &str, flow: Flow) -> (String, Flow) {
    let mut bench = Bench::new();
    bench.hear(&peer_request("OPTIONS", via, ""), flow);
    let (_, request) = bench.last_received();
    let stamped = request.headers.get(&HeaderName::Via).unwrap().to_vec();
    bench.answer(200).unwrap();
    let (response, to) = bench.last_response();
    assert_eq!(response.headers.get(&HeaderName::Via), Some(stamped.as_slice()));
    (String::from_utf8(stamped).unwrap(), to)
}

fn from(remote: &str) -> Flow {
    flow(Transport::Udp, remote)
}

#[test]
fn a_peer_that_asks_for_rport_is_answered_where_it_sends_from() {
    let (via, to) = way_back("10.0.0.5:5060;rport;branch=z9hG4bKa", from("203.0.113.7:31000"));
    assert!(via.contains(";rport=31000") && via.contains(";received=203.0.113.7"), "{via}");
    assert_eq!(to, from("203.0.113.7:31000"));
}

#[test]
fn a_peer_that_does_not_is_answered_at_its_address_and_the_port_it_names() {
    let (via, to) = way_back("10.0.0.5:5070;branch=z9hG4bKa", from("203.0.113.7:31000"));
    assert!(via.contains(";received=203.0.113.7") && !via.contains("rport"), "{via}");
    assert_eq!(to, from("203.0.113.7:5070"));
    let (via, to) = way_back("203.0.113.7;branch=z9hG4bKa", from("203.0.113.7:31000"));
    assert!(!via.contains("received"), "{via}");
    assert_eq!(to, from("203.0.113.7:5060"));
    let (via, _) = way_back("203.0.113.7;received=198.51.100.1;branch=z9hG4bKa", from("203.0.113.7:31000"));
    assert!(!via.contains("received"), "a claim of the peer's own is no observation: {via}");
    let (via, _) = way_back("phone.example.com;branch=z9hG4bKa", from("203.0.113.7:5060"));
    assert!(via.contains(";received=203.0.113.7"), "{via}");
}

#[test]
fn nobody_can_aim_our_answers_at_a_third_party() {
    for lie in [
        "198.51.100.1:9;maddr=198.51.100.1;branch=z9hG4bKa",
        "198.51.100.1:9;received=198.51.100.1;branch=z9hG4bKa",
        "198.51.100.1:9;received=198.51.100.1;rport=9;branch=z9hG4bKa",
    ] {
        let (_, to) = way_back(lie, from("203.0.113.7:31000"));
        assert_eq!(to.remote.ip(), address("203.0.113.7:0").ip(), "{lie}");
    }
}

#[test]
fn over_ipv6_the_source_is_written_down_too() {
    let local = address("[2001:db8::1]:5060");
    let path = Flow::new(Transport::Udp, local, address("[2001:db8::9]:31000"));
    let (via, to) = way_back("[2001:db8::9]:5060;rport;branch=z9hG4bKa", path);
    assert!(via.contains("2001:db8::9") && via.contains(";rport=31000"), "{via}");
    assert_eq!(to, path);
    let (via, to) = way_back("[2001:db8::9]:5060;branch=z9hG4bKa", path);
    assert!(!via.contains("received"), "{via}");
    assert_eq!(to.remote, address("[2001:db8::9]:5060"));
}

#[test]
fn an_answer_goes_back_on_the_connection_the_request_came_by() {
    let stream = flow(Transport::Tcp, "203.0.113.7:41000");
    let (_, to) = way_back("203.0.113.7:5060;branch=z9hG4bKa", stream);
    assert_eq!(to, stream);
}

#[test]
fn when_the_connection_is_gone_the_answer_opens_one_to_the_port_the_peer_names() {
    let stream = flow(Transport::Tcp, "203.0.113.7:41000");
    let fresh = flow(Transport::Tcp, "203.0.113.7:5066");
    let mut bench = Bench::new();
    let invite = peer_request("INVITE", "203.0.113.7:5066;branch=z9hG4bKa", "").replace("/UDP", "/TCP");
    bench.hear(&invite, stream);
    bench.answer(180).unwrap();
    bench.fail(stream);
    assert_eq!(bench.last_response().1, fresh);
    bench.answer(200).unwrap();
    let (response, to) = bench.last_response();
    assert_eq!((response.status.get(), to), (200, fresh));
    assert_eq!(bench.times("transport failed"), [] as [u128; 0]);
    bench.fail(fresh);
    assert_eq!(bench.times("transport failed"), [0]);
    assert_eq!(bench.layer.server_count(), 1, "RFC 6026: an accepted INVITE outlives its connection");
    bench.run_to(32_000);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_path_that_fails_a_completed_request_lets_no_repetition_pass_as_new() {
    let options = peer_request("OPTIONS", "192.0.2.9:5060;rport;branch=z9hG4bKa", "");
    let mut bench = Bench::new();
    bench.hear(&options, udp());
    bench.answer(200).unwrap();
    bench.fail(udp());
    bench.hear(&options, udp());
    let expected = [(0, "request OPTIONS"), (0, "send 200"), (0, "transport failed"), (0, "send 200")];
    assert_eq!(bench.log, log(&expected));
}

#[test]
fn a_request_too_large_for_udp_goes_by_tcp() {
    let mut bench = Bench::new();
    let mut request = own_request(Method::Invite);
    request.body = vec![b'a'; 1300];
    let id = bench.send(request, udp());
    let (sent, path) = bench.last_request(&Method::Invite);
    assert_eq!(path, tcp());
    assert_eq!(sent.headers.top_via().unwrap().transport, "TCP");
    assert_eq!(bench.layer.client_flow(id), Some(tcp()));
    bench.run_to(20_000);
    assert_eq!(bench.times("send INVITE"), [0], "a stream needs no repetition");
}

#[test]
fn the_limit_is_1300_bytes_of_the_whole_request() {
    let size_of = |body: usize| {
        let mut bench = Bench::new();
        let mut request = own_request(Method::Message);
        request.body = vec![b'a'; body];
        bench.send(request, udp());
        let (sent, path) = bench.last_request(&Method::Message);
        (sent.to_bytes().len(), path.transport)
    };
    let (with_900, _) = size_of(900);
    let fitting = 900 + 1300 - with_900;
    assert_eq!(size_of(fitting), (1300, Transport::Udp));
    assert_eq!(size_of(fitting + 1), (1301, Transport::Tcp));
}

#[test]
fn when_tcp_fails_the_large_request_goes_by_udp_in_the_same_transaction() {
    let mut bench = Bench::new();
    let mut request = own_request(Method::Invite);
    request.body = vec![b'a'; 2000];
    let id = bench.send(request, udp());
    let (by_tcp, _) = bench.last_request(&Method::Invite);
    bench.run_to(2000);
    bench.fail(tcp());
    let (by_udp, path) = bench.last_request(&Method::Invite);
    assert_eq!(path, udp());
    let (old, new) = (by_tcp.headers.top_via().unwrap(), by_udp.headers.top_via().unwrap());
    assert_eq!(new.transport, "UDP");
    assert_eq!(new.branch(), old.branch());
    assert_eq!(by_udp.body, by_tcp.body);
    bench.run_to(3000);
    bench.hear_answer(&Method::Invite, 486, "there");
    let told = bench.outputs.iter().find_map(|output| match output {
        TransactionOutput::Response { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(told, Some(id));
    let (_, ack_path) = bench.last_request(&Method::Ack);
    assert_eq!(ack_path, udp());
    bench.run_to(100_000);
    assert_eq!(bench.times("send INVITE"), [0, 2000, 2500]);
    assert_eq!(bench.times("transport failed"), [] as [u128; 0]);
    assert!(bench.layer.is_empty());
}

#[test]
fn a_second_failure_by_udp_is_told() {
    let mut bench = Bench::new();
    let mut request = own_request(Method::Invite);
    request.body = vec![b'a'; 2000];
    bench.send(request, udp());
    bench.fail(tcp());
    bench.fail(udp());
    let expected = [(0, "send INVITE"), (0, "send INVITE"), (0, "transport failed"), (0, "terminated")];
    assert_eq!(bench.log, log(&expected));
    assert!(bench.layer.is_empty());
}

#[test]
fn without_a_tcp_address_a_large_request_stays_on_udp() {
    let addr = HERE.parse().unwrap();
    let local_addresses = vec![LocalAddress { transport: Transport::Udp, addr }];
    let mut bench = Bench::with(TransactionConfig { local_addresses, ..TransactionConfig::default() });
    let mut request = own_request(Method::Invite);
    request.body = vec![b'a'; 2000];
    bench.send(request, udp());
    assert_eq!(bench.last_request(&Method::Invite).1, udp());
}

#[test]
fn an_external_address_stands_in_our_via() {
    let sent_by = Some(Host::Name("cti.example.com".to_owned()));
    let mut bench = Bench::with(TransactionConfig { sent_by, ..TransactionConfig::default() });
    bench.send(own_request(Method::Options), udp());
    let (request, _) = bench.last_request(&Method::Options);
    let via = String::from_utf8(request.headers.get(&HeaderName::Via).unwrap().to_vec()).unwrap();
    assert!(via.starts_with("SIP/2.0/UDP cti.example.com:5060;"), "{via}");
}

#[test]
fn an_answer_without_a_transaction_finds_its_way_too() {
    let mut bench = Bench::new();
    let text = peer_request("OPTIONS", "10.0.0.5;rport;branch=z9hG4bKa", "");
    let Message::Request(request) = crate::bench::message(&text) else { unreachable!() };
    let response = Response::reply_to(&request, StatusCode::new(400).unwrap());
    bench.layer.send_stateless(&response, from("203.0.113.7:31000"));
    let Some(TransactionOutput::Transmit { flow, bytes }) = bench.layer.poll_output() else {
        panic!("nothing was sent")
    };
    assert_eq!(flow, from("203.0.113.7:31000"));
    let Ok(Message::Response(sent)) = parse_datagram(&bytes) else { panic!("no response was sent") };
    assert_eq!(sent.headers.top_via().unwrap().rport(), Some(Some(31000)));
    assert!(bench.layer.is_empty());
}
