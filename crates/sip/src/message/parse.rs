//! From bytes to a message, or to the answer that the bytes deserve (RFC 3261 sections 7 and 18.3).
//!
//! Each byte is read a bounded number of times, and what is kept is never larger than what came. Headers are
//! collected even when the start line is bad: a 400 needs them.

use super::{
    HeaderName, Headers, Message, Method, ParseError, ParseErrorKind, Rejected, Request, Response,
    StatusCode, is_token, validate,
};
use crate::uri::Uri;

/// The largest datagram that is looked at.
pub const MAX_DATAGRAM: usize = 65_535;

/// The most header lines a message may have.
pub const MAX_HEADERS: usize = 512;

/// Reads one datagram. Leading line ends are skipped (RFC 3261 section 7.5); bytes behind Content-Length are
/// dropped (section 18.3); without Content-Length the body is the rest.
///
/// # Errors
/// What is wrong, with the answer to send if one is due.
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, Rejected> {
    let mut message = bytes;
    while let Some(rest) = message.strip_prefix(b"\r\n") {
        message = rest;
    }
    let skipped = bytes.len() - message.len();
    if message.is_empty() {
        return Err(dropped(ParseError::new(ParseErrorKind::Empty, 0)));
    }
    if bytes.len() > MAX_DATAGRAM {
        return Err(dropped(ParseError::new(ParseErrorKind::TooLarge, MAX_DATAGRAM)));
    }
    let head = Head::read(message);
    let result = match head.fault.clone().map_or_else(|| body_length(&head.headers), Err) {
        Err(error) => Err(rejection(&head, error)),
        Ok(length) => {
            let rest = message.get(head.length..).unwrap_or_default();
            match rest.get(..length.unwrap_or(rest.len())) {
                Some(body) => assemble(head, body),
                None => {
                    let error = ParseError::new(ParseErrorKind::Truncated, message.len());
                    Err(rejection(&head, error.in_header(HeaderName::ContentLength.as_str())))
                }
            }
        }
    };
    result.map_err(|mut rejected| {
        rejected.error.offset += skipped;
        rejected
    })
}

/// Reads a message whose extent a framer has found already.
pub(crate) fn parse_framed(head: Head, body: &[u8]) -> Result<Message, Rejected> {
    match head.fault.clone() {
        Some(error) => Err(rejection(&head, error)),
        None => assemble(head, body),
    }
}

/// The start line and the headers, split but not yet understood.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    start_line: Vec<u8>,
    pub(crate) headers: Headers,
    /// Where each header's value begins, parallel to `headers`.
    offsets: Vec<usize>,
    /// Bytes up to and with the empty line.
    pub(crate) length: usize,
    pub(crate) fault: Option<ParseError>,
}

impl Head {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut lines = Lines { bytes, at: 0 };
        let start_line = lines.next_line().map(<[u8]>::to_vec).unwrap_or_default();
        let mut head =
            Self { start_line, headers: Headers::new(), offsets: Vec::new(), length: 0, fault: None };
        let mut folded: Option<(HeaderName, Vec<u8>)> = None;
        loop {
            let at = lines.at;
            let Some(line) = lines.next_line() else {
                head.blame(ParseErrorKind::Truncated, at);
                break;
            };
            if line.is_empty() {
                head.length = lines.at;
                break;
            }
            if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                head.blame(ParseErrorKind::HeaderLine, at);
            }
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                match &mut folded {
                    Some((_, value)) => unfold(value, line),
                    None => head.blame(ParseErrorKind::HeaderLine, at),
                }
                continue;
            }
            head.keep(folded.take());
            if head.offsets.len() >= MAX_HEADERS {
                head.blame(ParseErrorKind::TooManyHeaders, at);
                break;
            }
            match name_and_value(line) {
                Some((name, value)) => {
                    head.offsets.push(at + (line.len() - value.trim_ascii_start().len()));
                    folded = Some((name, value.trim_ascii().to_vec()));
                }
                None => head.blame(ParseErrorKind::HeaderLine, at),
            }
        }
        head.keep(folded);
        head
    }

    fn keep(&mut self, header: Option<(HeaderName, Vec<u8>)>) {
        if let Some((name, value)) = header {
            self.headers.push(name, value);
        }
    }

    /// Notes the first fault; reading goes on, for the answer's sake.
    fn blame(&mut self, kind: ParseErrorKind, offset: usize) {
        self.fault.get_or_insert_with(|| ParseError::new(kind, offset));
    }

    /// Turns an offset in a value into one in the message.
    fn located(&self, mut error: ParseError) -> ParseError {
        let place = error.header.as_deref().and_then(|name| {
            self.headers.iter().zip(&self.offsets).find(|(header, _)| header.name.as_str() == name)
        });
        if let Some((_, offset)) = place {
            error.offset += offset;
        }
        error
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Gives the next line without its CRLF, which must be there.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        rest.get(..end)
    }
}

fn unfold(value: &mut Vec<u8>, line: &[u8]) {
    if !value.is_empty() {
        value.push(b' ');
    }
    value.extend(line.trim_ascii());
}

fn name_and_value(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return None;
    }
    Some((HeaderName::from(std::str::from_utf8(name).ok()?), line.get(colon + 1..)?))
}

/// Reads Content-Length: `None` if absent. Two of them, equal or not, are an attack on framing.
pub(crate) fn body_length(headers: &Headers) -> Result<Option<usize>, ParseError> {
    let mut values = headers.get_all(&HeaderName::ContentLength);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let fault = |kind| ParseError::new(kind, 0).in_header(HeaderName::ContentLength.as_str());
    if values.next().is_some() {
        return Err(fault(ParseErrorKind::Repeated));
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(fault(ParseErrorKind::Value));
    }
    let length = value
        .iter()
        .try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
        .ok_or_else(|| fault(ParseErrorKind::Number))?;
    Ok(Some(length))
}

fn assemble(head: Head, body: &[u8]) -> Result<Message, Rejected> {
    let start = match start_line(&head.start_line) {
        Ok(start) => start,
        Err(error) => return Err(rejection(&head, error)),
    };
    let headers = head.headers.clone();
    let body = body.to_vec();
    let message = match start {
        StartLine::Request { method, uri } => Message::Request(Request { method, uri, headers, body }),
        StartLine::Response { status, reason } => {
            Message::Response(Response { status, reason, headers, body })
        }
    };
    match validate(&message) {
        Ok(()) => Ok(message),
        Err(error) => Err(rejection(&head, head.located(error))),
    }
}

enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: StatusCode, reason: Vec<u8> },
}

fn start_line(line: &[u8]) -> Result<StartLine, ParseError> {
    if is_status_line(line) { status_line(line) } else { request_line(line) }
}

fn is_status_line(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/"))
}

fn status_line(line: &[u8]) -> Result<StartLine, ParseError> {
    let fault = |kind, offset| ParseError::new(kind, offset);
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    if !parts.next().is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0")) {
        return Err(fault(ParseErrorKind::Version, 0));
    }
    let digits = parts.next().filter(|digits| digits.len() == 3 && digits.iter().all(u8::is_ascii_digit));
    let digits = digits.ok_or_else(|| fault(ParseErrorKind::StartLine, 8))?;
    let code = digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let status = StatusCode::new(code).ok_or_else(|| fault(ParseErrorKind::Number, 8))?;
    let reason = parts.next().unwrap_or_default().to_vec();
    if reason.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(fault(ParseErrorKind::StartLine, 12));
    }
    Ok(StartLine::Response { status, reason })
}

/// Reads the request line strictly: one space between its three parts and none behind them (RFC 4475
/// sections 3.1.2.8 to 3.1.2.10).
fn request_line(line: &[u8]) -> Result<StartLine, ParseError> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(uri), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ParseError::new(ParseErrorKind::StartLine, 0));
    };
    let method_length = method.len();
    let method = Method::parse(method).ok_or_else(|| ParseError::new(ParseErrorKind::StartLine, 0))?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let kind = match version.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case(b"SIP/") => ParseErrorKind::Version,
            _ => ParseErrorKind::StartLine,
        };
        return Err(ParseError::new(kind, line.len() - version.len()));
    }
    let uri = Uri::parse(uri)
        .map_err(|error| ParseError::new(ParseErrorKind::RequestUri, method_length + 1 + error.offset))?;
    Ok(StartLine::Request { method, uri })
}

/// Makes the rejection of a message whose head was read: with an answer, if it is a request other than ACK
/// that says where an answer goes and what it answers.
pub(crate) fn rejection(head: &Head, error: ParseError) -> Rejected {
    if !is_answerable(head) {
        return dropped(error);
    }
    let mut response = Response::reply_to_headers(&head.headers, error.status());
    if response.headers.to().is_ok_and(|to| to.tag().is_none()) {
        response.headers.set_to_tag(&stateless_tag(&head.headers));
    }
    Rejected { error, response: Some(response) }
}

fn is_answerable(head: &Head) -> bool {
    let line = head.start_line.as_slice();
    let method = line.split(|byte| *byte == b' ').next().and_then(Method::parse);
    let claims_sip = line.windows(5).any(|word| word.eq_ignore_ascii_case(b" SIP/"));
    !is_status_line(line)
        && claims_sip
        && method.is_some_and(|method| method != Method::Ack)
        && head.headers.contains(&HeaderName::Via)
        && head.headers.contains(&HeaderName::CSeq)
}

/// Makes the tag of an answer that keeps no state: the same for each copy of a request (RFC 3261 section
/// 8.2.7), by FNV-1a over what identifies it.
fn stateless_tag(headers: &Headers) -> String {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        for byte in headers.get(&name).unwrap_or_default() {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
    format!("{hash:016x}")
}

fn dropped(error: ParseError) -> Rejected {
    Rejected { error, response: None }
}
