//! Laws that hold for any bytes at all. Ordinary tests and the fuzz targets run these very functions.
#![allow(dead_code)] // each user of this module takes some of the laws

use linecard_sip::{
    frame::{Frame, FramingError, MAX_STREAM_MESSAGE, StreamFramer},
    message::{HeaderName, Headers, Message, Rejected, Response, parse_datagram},
    uri::Uri,
};

/// A datagram is accepted, answered or dropped; what is accepted is well-formed and survives printing, and
/// what is answered cannot carry an injected line.
pub(crate) fn datagram(bytes: &[u8]) {
    match parse_datagram(bytes) {
        Ok(message) => accepted(&message),
        Err(rejected) => refused(&rejected, bytes.len()),
    }
}

/// However a stream is cut into pieces, the same messages come out.
pub(crate) fn stream(bytes: &[u8], piece: usize) {
    let whole = frames(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(piece.max(1)).collect();
    assert_eq!(whole, frames(&pieces), "cut into pieces of {piece}");
    for frame in whole {
        match frame {
            Ok(Frame::Message(message)) => accepted(&message),
            Ok(Frame::Rejected(rejected)) => refused(&rejected, bytes.len()),
            Ok(Frame::KeepAlivePing | Frame::KeepAlivePong) => {}
            Err(FramingError { response, .. }) => response.iter().for_each(one_line_each),
        }
    }
}

/// What is read as a URI prints as the same URI, and prints nothing that could end it.
pub(crate) fn uri(bytes: &[u8]) {
    let Ok(uri) = Uri::parse(bytes) else { return };
    let printed = uri.to_string();
    assert!(!printed.contains(|c: char| c <= ' ' || "<>\"\x7F".contains(c)), "{printed:?}");
    assert_eq!(Uri::parse(printed.as_bytes()).as_ref(), Ok(&uri), "{printed:?}");
    if let Some(sip) = uri.as_sip() {
        assert!(sip.equivalent(sip), "{printed:?} equals itself");
    }
}

/// Collects all messages and rejections; keep-alives are left out, since a ping in two pieces is a pong too.
pub(crate) fn frames(pieces: &[&[u8]]) -> Vec<Result<Frame, FramingError>> {
    let mut framer = StreamFramer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            if !matches!(frame, Ok(Frame::KeepAlivePing | Frame::KeepAlivePong)) {
                frames.push(frame);
            }
        }
        assert!(framer.buffered() <= MAX_STREAM_MESSAGE);
    }
    frames
}

fn accepted(message: &Message) {
    let headers = message.headers();
    assert!(!headers.vias().expect("Via").is_empty());
    let (from, to) = (headers.from_().expect("From"), headers.to().expect("To"));
    headers.call_id().expect("Call-ID");
    let cseq = headers.cseq().expect("CSeq");
    for address in [from, to] {
        let printed = address.to_bytes();
        if !printed.contains(&0) && !address.display.as_ref().is_some_and(|name| name.contains(&0)) {
            let again = linecard_sip::message::NameAddr::parse(&printed).expect("a printed address reads");
            assert_eq!(again, address);
        }
    }
    if let Message::Request(request) = message {
        assert_eq!(cseq.method, request.method);
        for status in [100, 200, 481] {
            let status = linecard_sip::message::StatusCode::new(status).expect("status");
            one_line_each(&Response::reply_to(request, status));
        }
    }
    let printed = message.to_bytes();
    let again = parse_datagram(&printed).expect("a printed message reads");
    assert_eq!(without_length(&again), without_length(message));
    assert_eq!(again.to_bytes(), printed, "printing is stable");
}

fn refused(rejected: &Rejected, length: usize) {
    if let Some(response) = &rejected.response {
        assert!([400, 505, 513].contains(&response.status.get()));
        one_line_each(response);
    }
    assert!(rejected.error.offset <= length, "{:?} in {length} bytes", rejected.error);
}

/// Each header is one line on the wire, and no line is anything else.
pub(crate) fn one_line_each(response: &Response) {
    let printed = response.to_bytes();
    let head = printed.get(..printed.len() - response.body.len()).expect("head");
    let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
    let length_is_added = usize::from(!response.headers.contains(&HeaderName::ContentLength));
    assert_eq!(lines.len(), 1 + response.headers.len() + length_is_added + 1 + 1);
    let returns = head.iter().filter(|byte| **byte == b'\r').count();
    assert_eq!(returns, lines.len() - 1, "a CR only before its LF");
}

/// Gives a message without Content-Length, which printing adds or corrects.
pub(crate) fn without_length(message: &Message) -> Message {
    let strip = |headers: &Headers| {
        let mut headers = headers.clone();
        headers.remove(&HeaderName::ContentLength);
        headers
    };
    let mut message = message.clone();
    match &mut message {
        Message::Request(request) => request.headers = strip(&request.headers),
        Message::Response(response) => response.headers = strip(&response.headers),
    }
    message
}
