//! Headers that sessions write and read: what this end supports, bodies, reasons.

use super::session::Service;
use crate::body::parts_of;
use crate::message::{Header, HeaderName, Headers, ReasonValue, Request, Response, StatusCode};
use crate::siprec;

/// Methods this end serves (Allow).
pub(crate) const ALLOWED: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER, INFO, PRACK";

/// Bodies this end reads (Accept).
pub(crate) const ACCEPTED_BODY: &str = "application/sdp";

/// Extensions this end knows (Supported).
pub(crate) const SUPPORTED: &str = "timer, replaces, norefersub, 100rel";

/// Tells whether a value can stand in a header without breaking out of it.
pub(crate) fn header_is_printable(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

/// Adds what a 2xx or a capability answer tells: methods and extensions.
pub(crate) fn with_allow(headers: &mut Headers, service: Service) {
    headers.set(HeaderName::Allow, ALLOWED);
    match service {
        Service::Calls => headers.set(HeaderName::Supported, SUPPORTED),
        Service::Recording => {
            headers.set(HeaderName::Supported, format!("{SUPPORTED}, {}", siprec::OPTION));
            headers.set(HeaderName::Accept, siprec::ACCEPTED);
        }
    }
}

/// Takes the session description of a message, also one of several parts; `None` when there is none in it.
pub(crate) fn sdp_of(headers: &Headers, body: &[u8]) -> Option<Vec<u8>> {
    let parts = parts_of(headers, body).ok()?;
    parts.into_iter().find(|part| part.media_type == ACCEPTED_BODY).map(|part| part.content.to_vec())
}

/// Tells whether a request without Accept, or with one that takes SDP, lets us answer with SDP
/// (RFC 3261 section 20.1: an INVITE without Accept takes SDP).
pub(crate) fn accepts_sdp(headers: &Headers) -> bool {
    let mut values = headers.get_all(&HeaderName::Accept).peekable();
    if values.peek().is_none() {
        return true;
    }
    values.flat_map(|value| value.split(|byte| *byte == b',')).any(|range| {
        ["application/sdp", "application/*", "*/*"].iter().any(|kind| media_type_is(range, kind))
    })
}

fn media_type_is(value: &[u8], kind: &str) -> bool {
    let before_params = value.split(|byte| *byte == b';').next().unwrap_or_default();
    // `type / subtype` may have spaces around the slash.
    let compact: Vec<u8> = before_params.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    compact.eq_ignore_ascii_case(kind.as_bytes())
}

/// Puts a session description into a request or response.
pub(crate) fn put_sdp(headers: &mut Headers, body: &mut Vec<u8>, sdp: Option<&[u8]>) {
    headers.remove(&HeaderName::ContentType);
    body.clear();
    if let Some(sdp) = sdp {
        headers.set(HeaderName::ContentType, ACCEPTED_BODY);
        body.extend_from_slice(sdp);
    }
}

/// Copies the INVITE's credentials into the ACK for its 2xx (RFC 3261 section 22.1).
pub(crate) fn copy_credentials(from: &Request, into: &mut Request) {
    for header in from.headers.iter() {
        if matches!(header.name, HeaderName::Authorization | HeaderName::ProxyAuthorization) {
            into.headers.push(header.name.clone(), header.value.clone());
        }
    }
}

/// Writes a Reason header (RFC 3326).
pub(crate) fn reason_value(reason: &ReasonValue) -> Header {
    let mut value = reason.protocol.clone();
    if let Some(cause) = reason.cause {
        value.push_str(&format!(";cause={cause}"));
    }
    if let Some(text) = &reason.text {
        let quoted: String =
            text.chars().filter(|char| !char.is_control()).fold(String::new(), |mut out, char| {
                if matches!(char, '"' | '\\') {
                    out.push('\\');
                }
                out.push(char);
                out
            });
        value.push_str(&format!(";text=\"{quoted}\""));
    }
    Header { name: HeaderName::Reason, value: value.into_bytes() }
}

/// Writes a Warning of no code of its own (RFC 3261 section 20.43).
pub(crate) fn warning_value(agent_name: &str, text: &str) -> String {
    let agent: String = agent_name.chars().take_while(|char| char.is_ascii_alphanumeric()).collect();
    let text: String =
        text.chars().filter(|char| !char.is_control() && !matches!(char, '"' | '\\')).collect();
    format!("399 {} \"{text}\"", if agent.is_empty() { "server" } else { &agent })
}

/// Makes a response with this end's tag.
pub(crate) fn reply(request: &Request, status: StatusCode, local_tag: &str) -> Response {
    let mut response = Response::reply_to(request, status);
    let tagged = response.headers.to().is_ok_and(|to| to.tag().is_some());
    if !tagged && status != StatusCode::TRYING {
        response.headers.set_to_tag(local_tag);
    }
    response
}
