//! Offers and answers (RFC 3264) of a relay that passes G.711 on, and properties of the syntax.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

use std::net::IpAddr;

use linecard_sip::sdp::{
    Attribute, Audio, Bandwidth, Codec, Connection, Crypto, CryptoSuite, Direction, Encryption, Line,
    LocalAudio, LocalSession, Media, NotAcceptable, Origin, SdpErrorKind, SessionDescription, audio_of,
};
use proptest::collection::vec;
use proptest::prelude::*;

const HEAD: &str = "v=0\r\no=pbx 77 5 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn offer(media: &str) -> SessionDescription {
    parse(&format!("{HEAD}{}", media.replace('\n', "\r\n")))
}

fn here() -> IpAddr {
    "198.51.100.7".parse().unwrap()
}

fn local() -> LocalAudio {
    LocalAudio::new(here(), 30_000)
}

fn text(description: &SessionDescription) -> String {
    String::from_utf8(description.to_bytes()).unwrap()
}

fn version(description: &SessionDescription) -> u64 {
    description.origin.version.parse().unwrap()
}

/// The number of the telephone events that go with G.711.
fn narrow_events(audio: &Audio) -> Option<u8> {
    audio.events_beside(&[Codec::pcma()]).first().map(|event| event.payload_type)
}

#[test]
fn our_offer_is_printed_strictly() {
    let mut session = LocalSession::new(4711);
    let expected = "v=0\r\no=- 4711 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=audio 30000 RTP/AVP 8 0 9 111 101 110\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text(&session.offer(&local())), expected);
}

#[test]
fn an_ipv6_address_is_named_as_such() {
    let offer = LocalSession::new(1).offer(&LocalAudio::new("2001:db8::1".parse().unwrap(), 30_000));
    assert!(text(&offer).contains("c=IN IP6 2001:db8::1\r\n"));
    assert_eq!(audio_of(&offer).unwrap().remote(), Some("[2001:db8::1]:30000".parse().unwrap()));
}

#[test]
fn an_answer_takes_the_common_codecs_in_the_offerer_s_order_and_numbers() {
    let offer = offer(
        "m=audio 4000 RTP/AVP 18 0 8 96\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-16\na=ptime:30\n",
    );
    let answer = LocalSession::new(1).answer_to(&offer, &local()).unwrap();
    let audio = audio_of(&answer).unwrap();
    let types: Vec<u8> = audio.codecs.iter().map(|codec| codec.payload_type).collect();
    assert_eq!(types, [0, 8]);
    assert_eq!(narrow_events(&audio), Some(96));
    assert_eq!(audio.telephone_events[0].fmtp.as_deref(), Some("0-16"));
    assert_eq!(audio.remote(), Some("198.51.100.7:30000".parse().unwrap()));
}

#[test]
fn a_dynamic_payload_type_for_g711_is_kept() {
    let offer = offer("m=audio 4000 RTP/AVP 97\na=rtpmap:97 pcma/8000\n");
    let answer = LocalSession::new(1).answer_to(&offer, &local()).unwrap();
    assert_eq!(answer.media[0].formats, ["97"]);
}

#[test]
fn telephone_events_are_not_answered_when_the_other_side_has_none() {
    let offer = offer("m=audio 4000 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\n");
    let mut audio = local();
    audio.telephone_events = Vec::new();
    let answer = LocalSession::new(1).answer_to(&offer, &audio).unwrap();
    assert_eq!(answer.media[0].formats, ["8"]);
}

#[test]
fn an_answer_has_as_many_streams_as_the_offer_and_rejects_all_but_one() {
    let offer = offer(
        "m=video 5000 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio 4002 RTP/SAVP 8\nm=audio 4000 RTP/AVP 8\nm=audio 4004 RTP/AVP 8\nm=application 9 UDP/BFCP *\n",
    );
    let answer = LocalSession::new(1).answer_to(&offer, &local()).unwrap();
    let lines: Vec<String> = answer
        .media
        .iter()
        .map(|m| format!("{} {} {} {:?}", m.kind, m.port, m.protocol, m.formats))
        .collect();
    assert_eq!(
        lines,
        [
            r#"video 0 RTP/AVP ["96"]"#,
            r#"audio 0 RTP/SAVP ["8"]"#,
            r#"audio 30000 RTP/AVP ["8"]"#,
            r#"audio 0 RTP/AVP ["8"]"#,
            r#"application 0 UDP/BFCP ["*"]"#,
        ]
    );
}

/// RFC 5761 section 5.1.1.
#[test]
fn one_port_for_both_is_answered_where_it_is_offered_and_kept() {
    let muxed = offer("m=audio 4000 RTP/AVP 8\na=rtcp-mux\n");
    let mut session = LocalSession::new(1);
    assert!(!audio_of(&session.clone().offer(&local())).unwrap().rtcp_mux, "nobody has asked for it");
    let answer = session.answer_to(&muxed, &local()).unwrap();
    assert!(text(&answer).contains("a=rtcp-mux\r\n"));
    assert!(audio_of(&session.offer(&local())).unwrap().rtcp_mux, "a later offer keeps it");
    let apart = offer("m=audio 4000 RTP/AVP 8\n");
    assert!(
        !text(&session.answer_to(&apart, &local()).unwrap()).contains("rtcp-mux"),
        "whose offer drops it"
    );
}

/// RFC 3605 section 2.1.
#[test]
fn reports_are_wanted_where_the_attribute_says() {
    let rtcp = |attribute: &str| {
        let media = format!("m=audio 4000 RTP/AVP 8\n{attribute}");
        audio_of(&offer(&media)).unwrap().remote_rtcp().map(|address| address.to_string())
    };
    assert_eq!(rtcp("").as_deref(), Some("192.0.2.1:4001"));
    assert_eq!(rtcp("a=rtcp:53020\n").as_deref(), Some("192.0.2.1:53020"));
    assert_eq!(rtcp("a=rtcp:53020 IN IP4 203.0.113.9\n").as_deref(), Some("203.0.113.9:53020"));
    assert_eq!(rtcp("a=rtcp:53020 IN IP6 2001:db8::9\n").as_deref(), Some("[2001:db8::9]:53020"));
    assert_eq!(rtcp("a=rtcp:0\n"), None);
    assert_eq!(rtcp("a=rtcp:70000\n").as_deref(), Some("192.0.2.1:4001"), "no number is none");
}

#[test]
fn a_direction_is_answered_by_its_counterpart() {
    let cases = [
        ("sendrecv", Direction::SendReceive, Direction::SendReceive),
        ("sendonly", Direction::SendReceive, Direction::ReceiveOnly),
        ("recvonly", Direction::SendReceive, Direction::SendOnly),
        ("inactive", Direction::SendReceive, Direction::Inactive),
        ("sendrecv", Direction::SendOnly, Direction::SendOnly),
        ("sendonly", Direction::SendOnly, Direction::Inactive),
        ("recvonly", Direction::ReceiveOnly, Direction::Inactive),
    ];
    for (offered, wanted, answered) in cases {
        let offer = offer(&format!("m=audio 4000 RTP/AVP 8\na={offered}\n"));
        let mut audio = local();
        audio.direction = wanted;
        let answer = LocalSession::new(1).answer_to(&offer, &audio).unwrap();
        assert_eq!(audio_of(&answer).unwrap().direction, answered, "{offered}, we {wanted:?}");
    }
}

#[test]
fn what_can_not_be_answered_says_why() {
    let mut session = LocalSession::new(1);
    let mut refusal = |media: &str| session.answer_to(&offer(media), &local()).unwrap_err();
    assert_eq!(refusal("m=video 5000 RTP/AVP 34\n"), NotAcceptable::NoAudio);
    assert_eq!(refusal("m=audio 0 RTP/AVP 8\n"), NotAcceptable::NoAudio);
    assert_eq!(
        refusal("m=audio 4000 RTP/SAVP 8\n"),
        NotAcceptable::Transport { offered: vec!["RTP/SAVP".into()] }
    );
    let none = refusal("m=audio 4000 RTP/AVP 18 13\n");
    assert_eq!(none, NotAcceptable::NoCommonCodec { offered: vec!["G729".into(), "CN".into()] });
    assert_eq!(none.to_string(), "no common codec, offered: G729, CN");
    assert!(session.current().is_none(), "a refusal changes nothing");
}

#[test]
fn the_version_rises_with_each_change_and_only_then() {
    let mut session = LocalSession::new(9);
    let first = session.offer(&local());
    let same = session.offer(&local());
    assert_eq!(first, same);
    let mut held = local();
    held.direction = Direction::SendOnly;
    let hold = session.offer(&held);
    let talk = session.offer(&local());
    assert_eq!([&first, &hold, &talk].map(version), [1, 2, 3]);
    assert!([&first, &hold, &talk].iter().all(|description| description.origin.session_id == "9"));
}

#[test]
fn a_later_offer_keeps_every_stream_in_its_place() {
    let mut session = LocalSession::new(9);
    let theirs = offer("m=video 5000 RTP/AVP 34\nm=audio 4000 RTP/AVP 8\n");
    session.answer_to(&theirs, &local()).unwrap();
    let ours = session.offer(&local());
    let ports: Vec<u16> = ours.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [0, 30_000]);
    assert_eq!(version(&ours), 2);
}

#[test]
fn a_repeated_offer_keeps_to_the_stream_in_use() {
    let mut session = LocalSession::new(9);
    session.answer_to(&offer("m=audio 0 RTP/AVP 8\nm=audio 4000 RTP/AVP 8\n"), &local()).unwrap();
    let answer =
        session.answer_to(&offer("m=audio 4002 RTP/AVP 8\nm=audio 4000 RTP/AVP 8\n"), &local()).unwrap();
    let ports: Vec<u16> = answer.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [0, 30_000]);
}

#[test]
fn what_a_peer_offered_is_passed_on_untouched() {
    let peer = offer("m=audio 4000 RTP/AVP 18 9 0 13 96\na=rtpmap:96 telephone-event/8000\na=ptime:30\n");
    let passed = LocalAudio::passing_on(&audio_of(&peer).unwrap(), here(), 30_002).unwrap();
    let ours = LocalSession::new(1).offer(&passed);
    assert_eq!(ours.media[0].formats, ["9", "0", "13", "96"]);
    assert_eq!(audio_of(&ours).unwrap().ptime_ms, Some(30));
    let strange = offer("m=audio 4000 RTP/AVP 18 13\n");
    assert_eq!(LocalAudio::passing_on(&audio_of(&strange).unwrap(), here(), 30_002), None);
}

#[test]
fn a_second_party_is_offered_what_the_first_has_and_then_the_rest() {
    let peer =
        offer("m=audio 4000 RTP/AVP 9 13 97 96\na=rtpmap:97 PCMU/8000\na=rtpmap:96 telephone-event/8000\n");
    let passed = LocalAudio::passing_on(&audio_of(&peer).unwrap(), here(), 30_002).unwrap().with_others();
    let ours = LocalSession::new(1).offer(&passed);
    assert_eq!(ours.media[0].formats, ["9", "13", "97", "8", "111", "96", "110"]);
    let taken = offer("m=audio 4000 RTP/AVP 8\na=rtpmap:8 PCMU/8000\n");
    let passed = LocalAudio::passing_on(&audio_of(&taken).unwrap(), here(), 30_002).unwrap().with_others();
    let ours = LocalSession::new(1).offer(&passed);
    assert_eq!(
        ours.media[0].formats,
        ["8", "9", "111"],
        "a number that means something else is not given twice"
    );
}

#[test]
fn a_refused_offer_leaves_what_was_agreed_in_force() {
    let mut session = LocalSession::new(9);
    let agreed = session.answer_to(&offer("m=audio 4000 RTP/AVP 8\n"), &local()).unwrap();
    let before = session.clone();
    let mut other = local();
    other.codecs = vec![Codec::g722()];
    let refused = session.offer(&other);
    session.take_back(before);
    assert_eq!(session.current(), Some(&agreed));
    assert!(version(&session.offer(&other)) > version(&refused), "a version is used once");
}

#[test]
fn both_ends_of_a_relayed_call_agree_on_one_codec() {
    let caller = offer("m=audio 4000 RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\n");
    let to_agent = LocalAudio::passing_on(&audio_of(&caller).unwrap(), here(), 30_002).unwrap();
    let our_offer = LocalSession::new(1).offer(&to_agent);
    let mut agent = local();
    agent.codecs = vec![Codec::pcma()];
    let agent_answer = LocalSession::new(2).answer_to(&our_offer, &agent).unwrap();
    let to_caller = LocalAudio::passing_on(&audio_of(&agent_answer).unwrap(), here(), 30_000).unwrap();
    let our_answer = LocalSession::new(3).answer_to(&caller, &to_caller).unwrap();
    assert_eq!(our_answer.media[0].formats, ["8", "101"]);
}

/// A key that is told in ASCII, in a suite.
fn crypto(tag: u32, suite: CryptoSuite, byte: u8) -> Crypto {
    Crypto { tag, suite, key: [byte; 30] }
}

fn encrypting(encryption: Encryption) -> LocalAudio {
    let [better, other] = CryptoSuite::ALL;
    local().encrypted(encryption, vec![crypto(1, better, b'o'), crypto(2, other, b'p')])
}

fn told(description: &SessionDescription) -> (Vec<String>, Vec<Crypto>) {
    let protocols = description.media.iter().map(|media| format!("{} {}", media.port, media.protocol));
    (protocols.collect(), audio_of(description).unwrap().cryptos)
}

#[test]
fn what_is_offered_says_how_much_encryption_is_wanted() {
    let offer = |encryption| told(&LocalSession::new(1).offer(&encrypting(encryption)));
    assert_eq!(offer(Encryption::Off), (vec!["30000 RTP/AVP".into()], vec![]));
    let keys = encrypting(Encryption::Off).cryptos;
    assert_eq!(offer(Encryption::Optional), (vec!["30000 RTP/AVP".into()], keys.clone()));
    assert_eq!(offer(Encryption::Required), (vec!["30000 RTP/SAVP".into()], keys));
}

#[test]
fn an_offered_key_is_answered_with_its_number_in_the_first_suite_that_both_have() {
    let theirs = crypto(7, CryptoSuite::Aes128Sha1Tag32, b't').print();
    let strange = "1 AEAD_AES_256_GCM inline:AAAA";
    let body = |protocol: &str| {
        offer(&format!("m=audio 4000 {protocol} 8\na=crypto:{strange}\na=crypto:{theirs}\n"))
    };
    let ours = crypto(7, CryptoSuite::Aes128Sha1Tag32, b'p');
    for (protocol, encryption) in [
        ("RTP/SAVP", Encryption::Required),
        ("RTP/SAVP", Encryption::Optional),
        ("RTP/AVP", Encryption::Optional),
    ] {
        let answer = LocalSession::new(1).answer_to(&body(protocol), &encrypting(encryption)).unwrap();
        assert_eq!(
            told(&answer),
            (vec![format!("30000 {protocol}")], vec![ours]),
            "{protocol} {encryption:?}"
        );
    }
    let plain = LocalSession::new(1).answer_to(&body("RTP/AVP"), &encrypting(Encryption::Off)).unwrap();
    assert_eq!(told(&plain).1, []);
}

#[test]
fn required_encryption_never_falls_back() {
    let with_key = crypto(1, CryptoSuite::Aes128Sha1Tag80, b't').print();
    for body in [
        "m=audio 4000 RTP/AVP 8\n".to_owned(),
        format!("m=audio 4000 RTP/AVP 8\na=crypto:{with_key}\n"),
        "m=audio 4000 RTP/SAVP 8\n".to_owned(),
        "m=audio 4000 RTP/SAVP 8\na=crypto:1 AEAD_AES_256_GCM inline:AAAA\n".to_owned(),
    ] {
        let mut session = LocalSession::new(1);
        let refused = session.answer_to(&offer(&body), &encrypting(Encryption::Required)).unwrap_err();
        assert_eq!(refused, NotAcceptable::Unencrypted, "{body}");
        assert!(refused.to_string().contains("encryption is required"));
        assert_eq!(session.current(), None);
    }
    let both = offer(&format!("m=audio 4000 RTP/AVP 8\nm=audio 4002 RTP/SAVP 8\na=crypto:{with_key}\n"));
    for encryption in [Encryption::Required, Encryption::Optional] {
        let mut session = LocalSession::new(1);
        let answer = session.answer_to(&both, &encrypting(encryption)).unwrap();
        assert_eq!(told(&answer).0, ["0 RTP/AVP", "30000 RTP/SAVP"], "the better stream of two");
        assert_eq!(told(&session.offer(&encrypting(encryption))).0, ["0 RTP/AVP", "30000 RTP/SAVP"]);
    }
}

#[test]
fn broken_descriptions_say_where() {
    let kind = |body: &[u8]| SessionDescription::parse(body).map(|_| ()).unwrap_err();
    assert_eq!(kind(b"").kind, SdpErrorKind::Empty);
    assert_eq!(kind(b"\r\n\r\n").kind, SdpErrorKind::Empty);
    assert_eq!(kind(b"v=1\r\n").kind, SdpErrorKind::Version);
    let error = kind(b"v=0\r\nhello\r\n");
    assert_eq!((error.offset, error.kind), (5, SdpErrorKind::NotALine));
    for media in ["m=audio", "m=audio x RTP/AVP 8", "m=audio 65536 RTP/AVP 8", "m=audio 1/x RTP/AVP 8"] {
        assert_eq!(kind(format!("v=0\r\n{media}\r\n").as_bytes()).kind, SdpErrorKind::Media, "{media}");
    }
    assert_eq!(kind(b"v=0\r\nc=IN IP4\r\n").kind, SdpErrorKind::Connection);
    assert_eq!(kind(b"v=0\r\no=- 1\r\n").kind, SdpErrorKind::Origin);
}

#[test]
fn sizes_are_bounded() {
    let kind = |body: String| SessionDescription::parse(body.as_bytes()).map(|_| ()).unwrap_err().kind;
    assert_eq!(kind(format!("v=0\r\na={}\r\n", "x".repeat(70_000))), SdpErrorKind::TooLarge);
    assert_eq!(kind(format!("v=0\r\n{}", "a=x\r\n".repeat(3_000))), SdpErrorKind::TooLarge);
    assert_eq!(kind(format!("v=0\r\n{}", "m=audio 1 RTP/AVP 8\r\n".repeat(100))), SdpErrorKind::TooLarge);
    assert_eq!(kind(format!("v=0\r\nm=audio 1 RTP/AVP{}\r\n", " 8".repeat(200))), SdpErrorKind::TooLarge);
}

#[test]
fn a_session_name_in_an_old_encoding_is_kept() {
    let body = [&b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns="[..], b"\xc0\xd2\xd1", b"\r\nt=0 0\r\n"].concat();
    let description = SessionDescription::parse(&body).unwrap();
    assert_eq!(description.name, b"\xc0\xd2\xd1");
    assert_eq!(description.to_bytes(), body);
}

#[test]
fn a_line_break_in_a_value_begins_no_line() {
    let mut description = parse(HEAD);
    description.name = b"x\r\nm=audio 1 RTP/AVP 8".to_vec();
    description.attributes.push(Attribute::with("tool", "y\nm=audio 2 RTP/AVP 8"));
    assert!(SessionDescription::parse(&description.to_bytes()).unwrap().media.is_empty());
}

fn word() -> impl Strategy<Value = String> {
    "[!-~]{1,12}"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    "[!-~]([ -~]{0,20}[!-~])?".prop_map(String::into_bytes)
}

fn connection() -> impl Strategy<Value = Connection> {
    (word(), word(), word()).prop_map(|(network, kind, address)| Connection { network, kind, address })
}

fn bandwidth() -> impl Strategy<Value = Bandwidth> {
    ("[!-9;-~]{1,8}", "[!-~]{1,8}").prop_map(|(kind, value)| Bandwidth { kind, value })
}

fn attribute() -> impl Strategy<Value = Attribute> {
    ("[!-9;-~]{1,12}", proptest::option::of(value())).prop_map(|(name, value)| Attribute { name, value })
}

fn lines(letters: &'static str) -> impl Strategy<Value = Vec<Line>> {
    vec((proptest::sample::select(letters.as_bytes()), value()), 0..4)
        .prop_map(|lines| lines.into_iter().map(|(letter, value)| Line { letter, value }).collect())
}

fn media() -> impl Strategy<Value = Media> {
    let head = (word(), any::<u16>(), proptest::option::of(any::<u16>()), word());
    (
        head,
        vec(word(), 0..5),
        vec(connection(), 0..2),
        vec(bandwidth(), 0..2),
        lines("xyk"),
        vec(attribute(), 0..6),
    )
        .prop_map(
            |((kind, port, port_count, protocol), formats, connections, bandwidths, lines, attributes)| {
                Media {
                    kind,
                    port,
                    port_count,
                    protocol,
                    formats,
                    connections,
                    bandwidths,
                    lines,
                    attributes,
                }
            },
        )
}

fn description() -> impl Strategy<Value = SessionDescription> {
    let origin =
        (word(), word(), word(), connection()).prop_map(|(username, session_id, version, connection)| {
            Origin { username, session_id, version, connection }
        });
    let lines = (lines("iuep"), lines("rz"), lines("kxyZ")).prop_map(|(before, times, after)| {
        let time = Line { letter: b't', value: b"0 0".to_vec() };
        [before, Vec::from([time]), times, after].concat()
    });
    (
        origin,
        value(),
        proptest::option::of(connection()),
        vec(bandwidth(), 0..3),
        lines,
        vec(attribute(), 0..5),
        vec(media(), 0..4),
    )
        .prop_map(|(origin, name, connection, bandwidths, lines, attributes, media)| {
            SessionDescription { origin, name, connection, bandwidths, lines, attributes, media }
        })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(description in description()) {
        let printed = description.to_bytes();
        prop_assert_eq!(SessionDescription::parse(&printed).unwrap(), description);
    }

    #[test]
    fn any_bytes_are_read_without_panic_and_round_trip(body in vec(any::<u8>(), 0..400)) {
        if let Ok(description) = SessionDescription::parse(&body) {
            prop_assert_eq!(SessionDescription::parse(&description.to_bytes()).unwrap(), description);
        }
    }

    #[test]
    fn any_lines_are_read_without_panic_and_round_trip(
        body in "(([vosiuepcbtrzkamx]=([ -~]{0,6}|audio [0-9]{1,5}(/[0-9])? RTP/AVP( [0-9]{1,3}){0,3}|[a-z]{1,6}:[ -~]{0,9}|IN IP4 [0-9.]{1,9}| [\t]x )[ ]{0,2}(\r\n|\n|\r)){0,20})"
    ) {
        let text = format!("v=0\n{body}");
        if let Ok(description) = SessionDescription::parse(text.as_bytes()) {
            prop_assert_eq!(SessionDescription::parse(&description.to_bytes()).unwrap(), description.clone());
            let mut session = LocalSession::new(1);
            if let Ok(answer) = session.answer_to(&description, &local()) {
                prop_assert_eq!(answer.media.len(), description.media.len());
                prop_assert_eq!(answer.media.iter().filter(|media| media.port != 0).count(), 1);
            }
        }
    }
}

const OPUS_PHONE: &str = "m=audio 4000 RTP/AVP 111 0 96 97\na=rtpmap:111 opus/48000/2\na=fmtp:111 stereo=1;sprop-stereo=1\na=rtpmap:96 telephone-event/48000\na=rtpmap:97 telephone-event/8000\na=fmtp:97 0-16\n";

#[test]
fn opus_is_answered_with_its_clock_its_channels_and_what_we_can_take() {
    let answer = LocalSession::new(1).answer_to(&offer(OPUS_PHONE), &local()).unwrap();
    let body = String::from_utf8(answer.to_bytes()).unwrap();
    assert!(body.contains("m=audio 30000 RTP/AVP 111 0 96 97\r\n"), "{body}");
    assert!(body.contains("a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"), "{body}");
    assert!(!body.contains("stereo"), "what the other end can take is not what we can: {body}");
    let mono = offer("m=audio 4000 RTP/AVP 111\na=rtpmap:111 opus/48000/1\n");
    assert!(
        LocalSession::new(1).answer_to(&mono, &local()).is_err(),
        "RFC 7587 section 7: always 2 channels"
    );
}

#[test]
fn digits_have_the_clock_of_the_sound_that_is_agreed_on() {
    let numbers = |body: &str| {
        let answer = LocalSession::new(1).answer_to(&offer(body), &local()).unwrap();
        let events = audio_of(&answer).unwrap().telephone_events;
        events.iter().map(|event| (event.payload_type, event.clock_rate)).collect::<Vec<_>>()
    };
    let with = |types: &str| {
        format!(
            "m=audio 4000 RTP/AVP {types}\na=rtpmap:111 opus/48000/2\na=rtpmap:96 telephone-event/48000\na=rtpmap:97 telephone-event/8000\n"
        )
    };
    assert_eq!(numbers(&with("111 96 97")), [(96, 48_000)]);
    assert_eq!(numbers(&with("8 96 97")), [(97, 8_000)]);
    assert_eq!(numbers(&with("8 111 96 97")), [(96, 48_000), (97, 8_000)]);
    assert_eq!(numbers(&with("111 97")), [(97, 8_000)], "many phones have no other beside Opus");
    assert_eq!(numbers(&with("8 96")), [], "none of another clock beside G.711");
}

#[test]
fn what_an_opus_phone_can_take_is_told_to_the_other_and_numbers_never_clash() {
    let peer = audio_of(&offer(OPUS_PHONE)).unwrap();
    let ours =
        LocalSession::new(1).offer(&LocalAudio::passing_on(&peer, here(), 30_002).unwrap().with_others());
    assert_eq!(ours.media[0].formats, ["111", "0", "8", "9", "96", "97"]);
    assert_eq!(audio_of(&ours).unwrap().codecs[0].fmtp.as_deref(), Some("stereo=1;sprop-stereo=1"));
    let clashing =
        offer("m=audio 4000 RTP/AVP 0 111 110\na=rtpmap:111 telephone-event/8000\na=rtpmap:110 PCMA/8000\n");
    let passed = LocalAudio::passing_on(&audio_of(&clashing).unwrap(), here(), 30_002).unwrap().with_others();
    assert_eq!(LocalSession::new(1).offer(&passed).media[0].formats, ["0", "110", "9", "96", "111", "97"]);
    let long = OPUS_PHONE.replace("stereo=1;sprop-stereo=1", &"x=1;".repeat(200));
    let passed = LocalAudio::passing_on(&audio_of(&offer(&long)).unwrap(), here(), 30_002).unwrap();
    assert_eq!(passed.codecs[0].fmtp, None, "an offer does not grow by what others write");
}

#[test]
fn an_offer_of_everything_leaves_room_in_a_datagram_of_1300_bytes() {
    let plain = LocalSession::new(u64::MAX).offer(&local());
    assert!(plain.to_bytes().len() <= 480, "{}", plain.to_bytes().len());
}

#[test]
fn a_pbx_that_takes_us_for_a_browser_is_told_what_to_change() {
    let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n\
                 m=audio 40000 UDP/TLS/RTP/SAVPF 8\r\na=setup:actpass\r\na=ice-ufrag:x\r\n";
    let offer = SessionDescription::parse(offer.as_bytes()).unwrap();
    let refused = LocalSession::new(1).answer_to(&offer, &LocalAudio::new(here(), 30_000)).unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("UDP/TLS/RTP/SAVPF") && said.contains("webrtc=no"), "{said}");
}
