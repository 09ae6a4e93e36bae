//! What every later layer may rely on in a message (RFC 3261 section 8.1.1, RFC 4475 section 3.1.2).

use super::{HeaderName, Message, ParseError, ParseErrorKind, Request};
use crate::uri::Uri;

/// Checks that every mandatory header is there once and well-formed.
///
/// After it, `vias`, `from_`, `to`, `call_id` and `cseq` succeed on either kind of message, and `contacts`,
/// `routes` and `record_routes` on requests. RFC 2543 syntax passes: no branch, no From tag, no Max-Forwards.
/// A Date that makes no sense is ignored, and so is a bad Contact in a response: a registrar lists other
/// devices' contacts there.
///
/// # Errors
/// The first header at fault.
pub fn validate(message: &Message) -> Result<(), ParseError> {
    let headers = message.headers();
    headers.top_via()?;
    headers.vias()?;
    headers.from_()?;
    headers.to()?;
    headers.call_id()?;
    headers.cseq()?;
    match message {
        Message::Request(request) => validate_request(request),
        Message::Response(_) => Ok(()),
    }
}

fn validate_request(request: &Request) -> Result<(), ParseError> {
    let headers = &request.headers;
    if headers.cseq()?.method != request.method {
        return Err(fault(ParseErrorKind::MethodMismatch, &HeaderName::CSeq));
    }
    // RFC 3261 section 19.1.1: no headers in a Request-URI; obeying them would let a link set our Route.
    if matches!(&request.uri, Uri::Sip(uri) if uri.headers.is_some()) {
        return Err(ParseError::new(ParseErrorKind::RequestUri, 0));
    }
    let mut hops = headers.get_all(&HeaderName::MaxForwards);
    if let Some(value) = hops.next()
        && (value.is_empty() || !value.iter().all(u8::is_ascii_digit))
    {
        return Err(fault(ParseErrorKind::Value, &HeaderName::MaxForwards));
    }
    if hops.next().is_some() {
        return Err(fault(ParseErrorKind::Repeated, &HeaderName::MaxForwards));
    }
    headers.contacts()?;
    headers.routes()?;
    headers.record_routes()?;
    Ok(())
}

fn fault(kind: ParseErrorKind, name: &HeaderName) -> ParseError {
    ParseError::new(kind, 0).in_header(name.as_str())
}
