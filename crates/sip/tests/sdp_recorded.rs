//! Answers to the offers of recording clients: several streams that are only received.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use linecard_sip::sdp::{
    Awareness, Crypto, CryptoSuite, Encryption, LocalAudio, LocalSession, NotAcceptable, RecordedStream,
    SessionDescription, audios_of, label_of, receivable,
};

const TWO: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 9000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=label:96\r\na=sendonly\r\n\
    m=video 9010 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=label:98\r\na=sendonly\r\n\
    m=audio 9002 RTP/AVP 9\r\na=label:97\r\na=inactive\r\n";
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn offer(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn local(port: u16) -> LocalAudio {
    LocalAudio::new("192.0.2.9".parse().unwrap(), port)
}

fn stream(index: usize, port: u16, awareness: Awareness) -> RecordedStream {
    RecordedStream { index, local: local(port), awareness }
}

fn text(description: &SessionDescription) -> String {
    String::from_utf8(description.to_bytes()).unwrap()
}

#[test]
fn each_stream_is_received_in_its_place_and_video_is_not() {
    let offer = offer(TWO);
    let audios = receivable(&offer, &local(1)).unwrap();
    assert_eq!(audios.iter().map(|audio| audio.index).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(label_of(&offer, 2).as_deref(), Some("97"));
    let mut session = LocalSession::new(7);
    let streams = [stream(0, 5000, Awareness::On), stream(2, 5002, Awareness::Paused)];
    let answer = session.answer_recorded(&offer, &streams).unwrap();
    let text = text(&answer);
    assert_eq!(answer.media.iter().map(|media| media.port).collect::<Vec<_>>(), [5000, 0, 5002], "{text}");
    assert!(text.contains("m=audio 5000 RTP/AVP 0 8 101\r\n"), "{text}");
    assert!(text.contains("a=recvonly\r\na=label:96\r\na=record:on\r\n"), "{text}");
    assert!(text.contains("a=inactive\r\na=label:97\r\na=record:paused\r\n"), "{text}");
    let again = session.answer_recorded(&offer, &streams).unwrap();
    assert_eq!(again, answer, "the version stays where nothing changes");
}

#[test]
fn a_stream_that_nobody_takes_is_rejected_and_all_of_them_refuse_the_offer() {
    let offer = offer(TWO);
    let mut session = LocalSession::new(7);
    let answer = session.answer_recorded(&offer, &[stream(2, 5002, Awareness::Off)]).unwrap();
    assert_eq!(answer.media.iter().map(|media| media.port).collect::<Vec<_>>(), [0, 0, 5002]);
    assert_eq!(session.answer_recorded(&offer, &[]), Err(NotAcceptable::NoAudio));
    let foreign = TWO.replace("RTP/AVP 0 8 101", "RTP/AVP 18").replace("RTP/AVP 9\r", "RTP/AVP 18\r");
    let refused = receivable(&SessionDescription::parse(foreign.as_bytes()).unwrap(), &local(1));
    assert!(matches!(refused, Err(NotAcceptable::NoCommonCodec { .. })), "{refused:?}");
}

#[test]
fn encrypted_streams_have_a_key_each_and_plain_ones_are_refused_where_they_have_to_be() {
    let key = |first: u8| Crypto { tag: 1, suite: CryptoSuite::Aes128Sha1Tag80, key: [first; 30] };
    let local = |port, first| local(port).encrypted(Encryption::Required, vec![key(first)]);
    assert_eq!(receivable(&offer(TWO), &local(1, 1)), Err(NotAcceptable::Unencrypted));
    let crypto = format!("a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\na=label");
    let secured = offer(&TWO.replace("RTP/AVP", "RTP/SAVP").replace("a=label", &crypto));
    assert_eq!(receivable(&secured, &local(1, 1)).unwrap().len(), 2);
    let stream =
        |index, port, first| RecordedStream { index, local: local(port, first), awareness: Awareness::On };
    let mut session = LocalSession::new(7);
    let answer = session.answer_recorded(&secured, &[stream(0, 5000, 1), stream(2, 5002, 2)]).unwrap();
    let keys: Vec<(u32, u8)> =
        audios_of(&answer).iter().map(|audio| (audio.cryptos[0].tag, audio.cryptos[0].key[0])).collect();
    assert_eq!(keys, [(5, 1), (5, 2)], "the client's number, our key");
}
