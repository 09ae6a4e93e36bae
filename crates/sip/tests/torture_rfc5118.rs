//! RFC 5118: each of the 12 IPv6 messages is accepted or refused as the manifest says, over UDP and TCP.

mod corpus;
mod laws;

use linecard_sip::{
    frame::Frame,
    message::{HeaderName, Message, Request, parse_datagram},
    uri::Host,
};

fn request(file: &str) -> Request {
    match parse_datagram(&corpus::read(&format!("rfc5118/wire/{file}.sip"))) {
        Ok(Message::Request(request)) => request,
        other => panic!("{file}: {other:?}"),
    }
}

#[test]
fn every_ipv6_message_is_accepted_or_refused_as_the_manifest_says() {
    let messages = corpus::rfc5118();
    for (file, valid, bytes) in &messages {
        laws::datagram(bytes);
        let result = parse_datagram(bytes);
        let status = result.as_ref().err().map(|rejected| rejected.response.as_ref().map(|r| r.status.get()));
        assert_eq!(status, if *valid { None } else { Some(Some(400)) }, "{file}: {result:?}");
        for piece in [1, 2, 3, 7, 64, 4096] {
            laws::stream(bytes, piece);
        }
        let frames = laws::frames(&[bytes]);
        assert_eq!(matches!(frames.as_slice(), [Ok(Frame::Message(_))]), *valid, "{file}");
        assert_eq!(matches!(frames.as_slice(), [Ok(Frame::Rejected(_))]), !*valid, "{file}");
    }
    assert_eq!(messages.len(), 12);
}

fn target(file: &str) -> (Host, Option<u16>) {
    let request = request(file);
    let uri = request.uri.as_sip().expect("sip");
    (uri.host.clone(), uri.port)
}

fn v6(text: &str) -> Host {
    Host::V6(text.parse().expect("IPv6"))
}

#[test]
fn a_port_inside_the_brackets_belongs_to_the_address() {
    assert_eq!(target("port-ambiguous"), (v6("2001:db8::10:5070"), None));
    assert_eq!(target("port-unambiguous"), (v6("2001:db8::10"), Some(5070)));
}

#[test]
fn received_is_read_with_and_without_brackets_and_kept_as_written() {
    for (file, written) in [
        ("via-received-param-with-delim", "[2001:db8::9:255]"),
        ("via-received-param-no-delim", "2001:db8::9:255"),
    ] {
        let via = request(file).headers.top_via().expect("Via");
        assert_eq!(via.received().map(|address| address.to_string()).as_deref(), Some("2001:db8::9:255"));
        assert_eq!(via.params.get("received"), Some(written));
    }
}

#[test]
fn three_colons_are_read_as_two() {
    let expected = (v6("2001:db8::192.0.2.1"), None);
    assert_eq!(target("ipv6-bug-abnf-3-colons"), expected);
    assert_eq!(target("ipv6-correct-abnf-2-colons"), expected);
}

#[test]
fn addresses_of_both_families_stand_in_one_message() {
    let vias = request("mult-ip-in-header").headers.vias().expect("Via");
    let hosts: Vec<_> = vias.iter().map(|via| via.host.to_string()).collect();
    assert_eq!(hosts, ["[2001:db8::9:1]", "192.0.2.1", "[2001:db8::9:255]"]);
    assert_eq!(vias[0].port, Some(6050));
    let mapped = request("ipv4-mapped-ipv6");
    assert_eq!(mapped.headers.top_via().expect("Via").host, v6("::ffff:192.0.2.10"));
    assert!(mapped.headers.contains(&HeaderName::ContentType) && !mapped.body.is_empty());
}
