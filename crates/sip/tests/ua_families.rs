//! IPv4 and IPv6 beside each other: each peer is told addresses of its own family, and one that no address of ours
//! reaches is named.

use std::net::IpAddr;
use std::time::Instant;

use linecard_sip::message::{HeaderName, Message, Request, parse_datagram};
use linecard_sip::registration::{RegistrationState, WaitReason};
use linecard_sip::transport::{LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{Event, Line, LineId, Output, Presence, Route, UserAgent, UserAgentConfig};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

fn agent(locals: &[&str], external: Option<&str>) -> UserAgent {
    let local =
        |addr: &&str| LocalAddress { transport: Transport::Udp, addr: addr.parse().expect("an address") };
    let config = UserAgentConfig {
        local_addresses: locals.iter().map(local).collect(),
        external_address: external.map(|ip| ip.parse().expect("an address")),
        ..UserAgentConfig::default()
    };
    UserAgent::new(config, ChaCha12Rng::seed_from_u64(5))
}

/// Adds a line at a server and returns its first REGISTER, or the events when none is sent.
fn registers(ua: &mut UserAgent, server: &str) -> Result<Request, Vec<Event>> {
    let line = Line {
        id: LineId::new("1"),
        server: server.to_owned(),
        username: "100".to_owned(),
        password: "x".to_owned(),
        auth_username: None,
        outbound_proxy: None,
        transport: Some(Transport::Udp),
        websocket_path: None,
        expires_s: 3_600,
        contact_user: Some("contact".to_owned()),
        presence: Presence::Registers,
    };
    ua.add_line(line, Instant::now()).expect("added");
    let mut events = Vec::new();
    loop {
        match ua.poll_output() {
            Output::Transmit { payload, .. } => match parse_datagram(&payload) {
                Ok(Message::Request(request)) => return Ok(request),
                other => panic!("{other:?}"),
            },
            Output::Event(event) => events.push(event),
            Output::Timeout { .. } | Output::Idle => return Err(events),
            _ => {}
        }
    }
}

#[test]
fn each_family_is_told_its_own_address_and_a_nat_has_one_family() {
    let locals = ["192.0.2.9:5060", "[2001:db8::9]:5062"];
    for (server, told, sent_by) in [
        ("192.0.2.5", "@203.0.113.7:5060", "203.0.113.7:5060"),
        ("[2001:db8::5]:5070", "@[2001:db8::9]:5062", "[2001:db8::9]:5062"),
    ] {
        let mut ua = agent(&locals, Some("203.0.113.7"));
        let request = registers(&mut ua, server).expect("a REGISTER");
        let via =
            String::from_utf8_lossy(request.headers.get(&HeaderName::Via).unwrap_or_default()).into_owned();
        let contact = ua.line_contact(&LineId::new("1")).expect("a contact").to_string();
        assert!(contact.contains(told), "{contact}");
        assert!(via.starts_with(&format!("SIP/2.0/UDP {sent_by};")), "{via}");
    }
}

#[test]
fn a_server_that_no_address_of_ours_reaches_is_named() {
    let events =
        registers(&mut agent(&["192.0.2.9:5060"], None), "[2001:db8::5]").expect_err("nothing leaves");
    let remote: IpAddr = "2001:db8::5".parse().expect("an address");
    let said = events.iter().find_map(|event| match event {
        Event::RegistrationChanged {
            state: RegistrationState::Waiting { reason: WaitReason::Unreachable { fault, .. }, .. },
            ..
        } => fault.clone(),
        _ => None,
    });
    assert_eq!(said, Some(TransportFault::NoAddress { remote }), "{events:?}");
}

#[test]
fn the_address_that_a_call_goes_to_first_is_known_before() {
    let mut ua = agent(&["192.0.2.9:5060", "[2001:db8::9]:5060"], None);
    registers(&mut ua, "[2001:db8::5]:5070").expect("a REGISTER");
    let towards = |route: Route, target: &str| {
        ua.address_towards(&route, &Uri::parse(target.as_bytes()).expect("a URI")).map(|ip| ip.to_string())
    };
    let through = || Route::Line(LineId::new("1"));
    assert_eq!(towards(through(), "sip:201@pbx.example").as_deref(), Some("2001:db8::5"));
    assert_eq!(towards(Route::Direct, "sip:201@198.51.100.4").as_deref(), Some("198.51.100.4"));
    assert_eq!(towards(Route::Direct, "sip:201@phone.example"), None, "nobody is asked");
    assert_eq!(towards(Route::Line(LineId::new("2")), "sip:201@198.51.100.4"), None);
}
