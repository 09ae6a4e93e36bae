//! Hostile input costs time in proportion to its size.

mod laws;

use std::time::{Duration, Instant};

use linecard_sip::{
    frame::{FramingError, MAX_HEAD, MAX_STREAM_MESSAGE, StreamFramer},
    message::{MAX_DATAGRAM, MAX_HEADERS, ParseErrorKind, parse_datagram},
};

const SMALL: usize = 3_750;
const TIMES: usize = 16;
const LARGE: usize = TIMES * SMALL;

/// Linear time gives 1, a square law 16.
const ALLOWED_RATIO: f64 = 5.0;

/// Makes an OPTIONS with one header whose value grows to the given size.
fn with_header(name: &str, begin: &str, piece: &str, end: &str, size: usize) -> Vec<u8> {
    let value = format!("{begin}{}{end}", piece.repeat(size / piece.len()));
    let mut headers = vec![
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1".to_owned()),
        ("From", "<sip:a@example.com>;tag=1".to_owned()),
        ("To", "<sip:b@example.com>".to_owned()),
        ("Call-ID", "i".to_owned()),
        ("CSeq", "1 OPTIONS".to_owned()),
        ("Content-Length", "0".to_owned()),
    ];
    headers.retain(|(known, _)| *known != name);
    headers.insert(0, (name, value));
    let mut text = "OPTIONS sip:a@example.com SIP/2.0\r\n".to_owned();
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    text.push_str("\r\n");
    text.into_bytes()
}

fn fastest(mut run: impl FnMut()) -> Duration {
    let mut measure = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..2).map(|_| measure()).min().expect("two runs")
}

/// Compares one large input with as many small ones as make the same number of bytes, so that a busy machine
/// slows both down alike. It can still spoil a round; a square law spoils all.
fn assert_linear(what: &str, make: impl Fn(usize) -> Vec<u8>, run: impl Fn(&[u8])) {
    let (small, large) = (make(SMALL), make(LARGE));
    let range = TIMES / 2 * small.len()..=MAX_DATAGRAM;
    assert!(range.contains(&large.len()), "{what}: {} bytes", large.len());
    let rounds: Vec<f64> = (0..5)
        .map(|_| {
            let short = fastest(|| (0..TIMES).for_each(|_| run(&small)));
            fastest(|| run(&large)).as_secs_f64() / short.as_secs_f64()
        })
        .take_while(|ratio| *ratio >= ALLOWED_RATIO)
        .collect();
    assert!(
        rounds.len() < 5,
        "{what}: {LARGE} bytes at once cost {rounds:.1?} times as much as in {TIMES} parts"
    );
}

#[test]
fn hostile_headers_cost_linear_time() {
    let shapes = [
        ("Via", "SIP/2.0/UDP h", ", SIP/2.0/UDP h", ""),
        ("Via", "SIP/2.0/UDP h", ";a=b", ""),
        ("Via", "SIP/2.0/UDP h", " ", ";"),
        ("Via", "SIP/2.0/UDP h", ",", ""),
        ("Contact", "<sip:a@b>", ",<sip:a@b>", ""),
        ("Contact", "<sip:a@b", ";a=b", ">"),
        ("Contact", "", "\"", ""),
        ("Contact", "\"", "\\\"", ""),
        ("Contact", "", "<", ""),
        ("Contact", "<sip:a@b", "?a=b&", ">"),
        ("Contact", "", "a ", ""),
        ("From", "", "a ", "<sip:a@b>;tag=1"),
        ("From", "\"", "\\\"", "\" <sip:a@b>;tag=1"),
        ("From", "<sip:", "%41", "@b>;tag=1"),
        ("From", "<sip:[", "::", "]>;tag=1"),
        ("From", "<sip:a@b>;tag=1", " ; x = \"a,b\"", ""),
        ("Subject", "a", "\r\n ", "b"),
        ("Subject", "a", "\r\n b", ""),
        ("Reason", "SIP;cause=200", ",Q.850;cause=16;text=\"a,b\"", ""),
        ("CSeq", "", "1", " OPTIONS"),
        ("Content-Length", "", "0", ""),
        ("Call-ID", "", "(", ""),
    ];
    for (name, begin, piece, end) in shapes {
        let what = format!("{name}: {begin}({piece:?})*{end}");
        assert_linear(&what, |size| with_header(name, begin, piece, end, size), laws::datagram);
    }
}

#[test]
fn hostile_heads_and_uris_cost_linear_time() {
    let repeated = |begin: &'static str, piece: &'static str, end: &'static str| {
        move |size: usize| format!("{begin}{}{end}", piece.repeat(size / piece.len())).into_bytes()
    };
    let parse = |bytes: &[u8]| drop(parse_datagram(bytes));
    assert_linear("line ends", repeated("", "\r\n", ""), parse);
    assert_linear("returns", repeated("", "\r", "\n"), parse);
    assert_linear("spaces", repeated("OPTIONS", " ", "SIP/2.0\r\n\r\n"), parse);
    assert_linear("no colon", repeated("OPTIONS sip:a@b SIP/2.0\r\n", "a\r\n", "\r\n"), parse);
    assert_linear("colons", repeated("OPTIONS sip:a@b SIP/2.0\r\n", ":", "\r\n\r\n"), parse);
    assert_linear("URI", repeated("sip:a@b", ";a=b", "?x=y"), laws::uri);
    assert_linear("query", repeated("sip:a@b?x=y", "&x=y", ""), laws::uri);
}

#[test]
fn a_stream_byte_by_byte_costs_linear_time() {
    let run = |bytes: &[u8]| drop(laws::frames(&bytes.chunks(1).collect::<Vec<_>>()));
    assert_linear("a long header", |size| with_header("Subject", "", "a", "", size), run);
    assert_linear("a head without end", |size| vec![b'a'; size], run);
    let many = |size: usize| {
        let one = with_header("Subject", "", "a", "", 1);
        one.repeat(size / one.len())
    };
    assert_linear("many messages", many, run);
    assert_linear("pings", |size| b"\r\n\r\n".repeat(size / 4), run);
}

#[test]
fn the_number_of_headers_is_bounded() {
    let with_lines = |count: usize| {
        let mut text = String::from_utf8(with_header("Subject", "", "a", "", 1)).expect("ASCII");
        text.truncate(text.len() - 2);
        text.push_str(&"a: b\r\n".repeat(count - 7));
        parse_datagram((text + "\r\n").as_bytes())
    };
    assert!(with_lines(MAX_HEADERS).is_ok());
    let error = with_lines(MAX_HEADERS + 1).expect_err("too many").error;
    assert_eq!(error.kind, ParseErrorKind::TooManyHeaders);
}

#[test]
fn a_datagram_larger_than_udp_is_dropped() {
    let rejected = parse_datagram(&with_header("Subject", "", "a", "", MAX_DATAGRAM)).expect_err("too large");
    assert_eq!((rejected.error.kind, rejected.response), (ParseErrorKind::TooLarge, None));
}

#[test]
fn a_stream_never_holds_more_than_a_message() {
    let mut framer = StreamFramer::new();
    let mut lost = None;
    for _ in 0..10 * MAX_HEAD / 1000 {
        framer.push(&[b'a'; 1000]);
        lost = lost.or(framer.next());
        assert!(framer.buffered() <= MAX_HEAD + 1000);
    }
    let Some(Err(FramingError { error, response: None })) = lost else { panic!("{lost:?}") };
    assert_eq!((error.kind, framer.buffered()), (ParseErrorKind::TooLarge, 0));
}

#[test]
fn a_stream_answers_a_body_that_is_too_large_before_it_comes() {
    let head = with_header("Content-Length", &MAX_STREAM_MESSAGE.to_string(), " ", "", 1);
    let frames = laws::frames(&[&head]);
    let [Err(FramingError { response: Some(response), .. })] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(response.status.get(), 513);
}
