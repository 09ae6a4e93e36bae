//! Session descriptions as PBXes and browsers send them: what each of them means, and that none is lost.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use linecard_sip::sdp::{Audio, Codec, Direction, Protocol, SessionDescription, audio_of, audios_of};

fn folder(name: &str) -> PathBuf {
    let path = format!("{}/../../../shared/corpora/sdp/{name}", env!("CARGO_MANIFEST_DIR"));
    let path = PathBuf::from(path);
    assert!(path.is_dir(), "the corpus {} is absent", path.display());
    path
}

fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn parse(file: &str) -> SessionDescription {
    let body = std::fs::read(folder("pbx-shapes").join(file)).unwrap();
    SessionDescription::parse(&body).unwrap()
}

fn audio(file: &str) -> Audio {
    audio_of(&parse(file)).unwrap()
}

fn names(audio: &Audio) -> Vec<String> {
    let name = |codec: &Codec| format!("{} {}/{}", codec.payload_type, codec.name, codec.clock_rate);
    audio.codecs.iter().map(name).collect()
}

fn remote(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// The number of the telephone events that go with G.711.
fn narrow_events(audio: &Audio) -> Option<u8> {
    audio.events_beside(&[Codec::pcma()]).first().map(|event| event.payload_type)
}

#[test]
fn every_description_of_both_corpora_parses_and_round_trips() {
    let mut count = 0;
    for corpus in ["pbx-shapes", "sdp-transform"] {
        for (name, body) in files(corpus) {
            let description =
                SessionDescription::parse(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let printed = description.to_bytes();
            assert_eq!(SessionDescription::parse(&printed).unwrap(), description, "{name}");
            assert!(!String::from_utf8_lossy(&printed).replace("\r\n", "").contains(['\r', '\n']), "{name}");
            let _ = audios_of(&description);
            count += 1;
        }
    }
    assert!(count >= 38, "only {count} files");
}

#[test]
fn no_line_of_the_corpora_is_lost_or_invented() {
    let lines = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        let mut lines: Vec<String> = text
            .split(['\r', '\n'])
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty() && line != "s=")
            .collect();
        lines.sort();
        lines
    };
    let mut same = 0;
    let mut odd = Vec::new();
    for corpus in ["pbx-shapes", "sdp-transform"] {
        for (name, body) in files(corpus) {
            let printed = SessionDescription::parse(&body).unwrap().to_bytes();
            let mut printed = lines(&printed);
            let given = lines(&body);
            // What RFC 8866 demands is supplied where it was missing.
            for demanded in ["t=0 0", "s=-", "v=0", "o=- 0 0 IN IP4 0.0.0.0"] {
                if !given.iter().any(|line| line.get(..2) == demanded.get(..2)) {
                    printed.retain(|line| line != demanded);
                }
            }
            if printed == given {
                same += 1;
            } else {
                odd.push(name);
            }
        }
    }
    assert!(odd.is_empty(), "{same} same, changed: {odd:?}");
}

#[test]
fn asterisk_chan_sip_offer() {
    let audio = audio("asterisk-chan_sip-offer.sdp");
    assert_eq!(audio.remote(), remote("192.0.2.30:14028"));
    assert_eq!(names(&audio), ["0 PCMU/8000", "8 PCMA/8000"]);
    assert_eq!(narrow_events(&audio), Some(101));
    assert_eq!(audio.telephone_events[0].fmtp.as_deref(), Some("0-16"));
    assert_eq!((audio.ptime_ms, audio.maxptime_ms), (Some(20), Some(150)));
    assert_eq!(audio.direction, Direction::SendReceive);
    assert_eq!(audio.rtcp_port, 14_029);
    assert!(!audio.rtcp_mux && !audio.is_hold());
    assert_eq!(audio.protocol, Protocol::Avp);
}

#[test]
fn asterisk_pjsip_offer() {
    let description = parse("asterisk-pjsip-offer.sdp");
    assert_eq!(description.origin.username, "-");
    assert_eq!(description.name, b"Asterisk");
    let audio = audio_of(&description).unwrap();
    assert_eq!(names(&audio), ["8 PCMA/8000", "0 PCMU/8000", "9 G722/8000", "111 G726-32/8000"]);
    assert_eq!(audio.maxptime_ms, Some(140));
}

#[test]
fn asterisk_with_bandwidth_and_a_rejected_video() {
    let description = parse("asterisk-b-ct.sdp");
    assert_eq!(description.bandwidths[0].kind, "CT");
    assert_eq!(description.bandwidths[0].value, "384");
    assert_eq!((description.media[1].kind.as_str(), description.media[1].port), ("video", 0));
    assert_eq!(description.media[1].formats, ["34"]);
    let silence = description.media[0].attribute("silenceSupp").unwrap();
    assert_eq!(silence.text(), Some("off - - - -"));
    assert_eq!(audio_of(&description).unwrap().remote(), remote("192.0.2.31:18822"));
}

#[test]
fn broadworks_offers_plain_and_encrypted_streams_and_the_plain_one_is_talked_over() {
    let description = parse("broadworks-avp-and-savp.sdp");
    let audios = audios_of(&description);
    assert_eq!(audios.len(), 2);
    assert_eq!(audios[1].protocol, Protocol::Savp);
    assert!(description.media[1].attribute("crypto").is_some());
    let audio = audio_of(&description).unwrap();
    assert_eq!((audio.index, audio.protocol.clone()), (0, Protocol::Avp));
    assert_eq!(names(&audio), ["8 PCMA/8000", "0 PCMU/8000", "18 G729/8000"]);
    assert_eq!(audio.codecs[2].fmtp.as_deref(), Some("annexb=yes"));
    assert_eq!(narrow_events(&audio), Some(116));
    assert!(description.media[0].attribute("3gOoBTC").is_some());
}

#[test]
fn broadworks_without_a_session_connection() {
    let description = parse("broadworks-no-session-c.sdp");
    assert_eq!(description.connection, None);
    assert_eq!(description.attribute("X-nat").unwrap().text(), Some("0"));
    let audio = audio_of(&description).unwrap();
    assert_eq!(audio.remote(), remote("192.0.2.51:4012"));
    assert_eq!(audio.rtcp_port, 4013);
    assert_eq!(names(&audio), ["96 opus/48000", "9 G722/8000", "8 PCMA/8000", "0 PCMU/8000"]);
    assert_eq!(audio.codecs[0].channels, 2);
    assert_eq!(narrow_events(&audio), Some(102), "the events at 8000 Hz go with G.711");
    assert_eq!(audio.telephone_events.len(), 2);
    assert_eq!(audio.ptime_ms, None);
}

#[test]
fn broadworks_siprec_sends_two_streams() {
    let audios = audios_of(&parse("broadworks-siprec-two-streams.sdp"));
    let ports: Vec<u16> = audios.iter().map(|audio| audio.port).collect();
    assert_eq!(ports, [10_528, 10_536]);
    assert!(audios.iter().all(|audio| audio.direction == Direction::SendOnly && audio.is_hold()));
    assert_eq!(audios[1].codecs.len(), 3, "97 has no rtpmap there");
}

#[test]
fn cisco_offer_and_its_hold_of_old() {
    let talk = audio("cisco-cucm-offer.sdp");
    assert_eq!(talk.remote(), remote("192.0.2.20:23672"));
    assert!(!talk.is_hold());
    assert_eq!(talk.telephone_events[0].fmtp.as_deref(), Some("0-15"));
    let held = audio("cisco-cucm-hold-0000.sdp");
    assert_eq!(held.direction, Direction::Inactive);
    assert!(held.is_hold());
    assert_eq!(held.remote(), None);
    assert_eq!(held.port, 24_580);
}

#[test]
fn an_address_of_zeros_alone_is_a_hold() {
    let body =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    let audio = audio_of(&SessionDescription::parse(body.as_bytes()).unwrap()).unwrap();
    assert_eq!(audio.direction, Direction::SendReceive);
    assert!(audio.is_hold());
    let body = body.replace("0.0.0.0", "192.0.2.1");
    let with = |direction: &str| format!("{body}a={direction}\r\n");
    for (direction, hold) in
        [("sendonly", true), ("inactive", true), ("recvonly", false), ("sendrecv", false)]
    {
        let audio = audio_of(&SessionDescription::parse(with(direction).as_bytes()).unwrap()).unwrap();
        assert_eq!(audio.is_hold(), hold, "{direction}");
    }
}

#[test]
fn a_session_s_direction_counts_where_the_stream_has_none() {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=inactive\r\nm=audio 4000 RTP/AVP 8\r\n";
    let audio = |body: &str| audio_of(&SessionDescription::parse(body.as_bytes()).unwrap()).unwrap();
    assert_eq!(audio(body).direction, Direction::Inactive);
    assert_eq!(audio(&format!("{body}a=sendrecv\r\n")).direction, Direction::SendReceive);
}

#[test]
fn cisco_video_disabled() {
    let description = parse("cisco-cucm-video-disabled-ack.sdp");
    let audio = audio_of(&description).unwrap();
    assert_eq!(names(&audio), ["18 G729/8000"]);
    assert_eq!(audio.codecs[0].fmtp.as_deref(), Some("annexb=no"));
    assert_eq!(description.media[1].formats, ["31", "34", "96", "97"]);
}

#[test]
fn cisco_srtp_offer() {
    let audio = audio("cisco-srtp-fallback-offer.sdp");
    assert_eq!(audio.protocol, Protocol::Savp);
    assert!(!audio.protocol.is_plain());
    assert_eq!(audio.rtcp_port, 31_183);
}

#[test]
fn freeswitch_answer() {
    let audio = audio("freeswitch-answer.sdp");
    assert_eq!(names(&audio), ["8 PCMA/8000"]);
    assert!(audio.rtcp_mux);
    assert_eq!(audio.rtcp_port, 60_706);
}

#[test]
fn huawei_over_ipv6() {
    let description = parse("huawei-ims-sbc-ipv6.sdp");
    let address: IpAddr = "2001:db8:2222:4444::7".parse().unwrap();
    assert_eq!(description.origin.connection.ip(), Some(address));
    let audio = audio_of(&description).unwrap();
    assert_eq!(audio.remote(), remote("[2001:db8:2222:4444::7]:47994"));
    assert_eq!(names(&audio), ["107 AMR-WB/16000"]);
    assert_eq!(narrow_events(&audio), Some(102));
    assert!(audio.codecs[0].fmtp.as_deref().unwrap().starts_with("mode-set=0,1,2,8;"));
    let qos: Vec<&str> =
        description.media[0].attributes.iter().filter(|a| a.is("des")).map(|a| a.text().unwrap()).collect();
    assert_eq!(qos, ["qos optional local sendrecv", "qos mandatory remote sendrecv"]);
}

#[test]
fn a_static_payload_type_needs_no_rtpmap() {
    let audio = audio("static-pt-no-rtpmap.sdp");
    assert_eq!(names(&audio), ["8 PCMA/8000"]);
    assert_eq!(narrow_events(&audio), Some(101));
}

#[test]
fn trailing_blanks_and_bare_line_feeds_are_no_part_of_values() {
    let description = parse("trailing-spaces-lf-only.sdp");
    assert_eq!(description.name, b"Asterisk PBX 11.7.0~dfsg-1ubuntu1");
    assert_eq!(description.media[0].attributes[0].text(), Some("0 PCMU/8000"));
    let audio = audio_of(&description).unwrap();
    assert_eq!(audio.remote(), remote("192.0.2.60:19516"));
    assert_eq!(names(&audio), ["0 PCMU/8000", "8 PCMA/8000"]);
    assert_eq!(narrow_events(&audio), None, "101 has no rtpmap there");
}
