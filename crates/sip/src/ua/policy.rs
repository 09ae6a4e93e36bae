//! What a request must be like before anybody looks at what it wants (RFC 3261 section 8.2).

use crate::body::{Handling, Part, parts_of};
use crate::invite::{ACCEPTED_BODY, Service, accepts_sdp, warning_value, with_allow};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::registrar::PhoneId;
use crate::siprec;
use crate::uri::Uri;

/// Extensions that a request may require.
const KNOWN_OPTIONS: [&str; 4] = ["timer", "replaces", "norefersub", "100rel"];

/// Gives the refusal of a request that cannot be served, whoever it is for; without To tag. A phone that has proved
/// itself may register.
pub(super) fn refusal(request: &Request, service: Service, asker: Option<&PhoneId>) -> Option<Response> {
    method(request, asker)
        .or_else(|| uri(request))
        .or_else(|| extensions(request, service))
        .or_else(|| body(request, service))
}

/// Tells whether a request belongs to a dialog: its To has a tag.
pub(super) fn is_within_dialog(request: &Request) -> bool {
    request.headers.to().is_ok_and(|to| to.tag().is_some())
}

/// Section 8.2.1: 501 for an unknown method, 405 for a known one that is not served.
fn method(request: &Request, asker: Option<&PhoneId>) -> Option<Response> {
    match &request.method {
        Method::Invite | Method::Ack | Method::Cancel | Method::Bye | Method::Options | Method::Update => {
            None
        }
        Method::Info | Method::Notify | Method::Refer | Method::Prack if is_within_dialog(request) => None,
        Method::Register if asker.is_some() => None,
        Method::Other(_) => Some(with_capabilities(request, StatusCode::NOT_IMPLEMENTED)),
        _ => Some(with_capabilities(request, StatusCode::METHOD_NOT_ALLOWED)),
    }
}

/// Section 8.2.2.1: 416 for a scheme other than SIP; section 19.1.1: no headers in a Request-URI.
fn uri(request: &Request) -> Option<Response> {
    match &request.uri {
        Uri::Sip(uri) if uri.headers.is_some() => Some(Response::reply_to(request, StatusCode::BAD_REQUEST)),
        Uri::Sip(_) => None,
        Uri::Tel(_) | Uri::Other(_) => Some(Response::reply_to(request, StatusCode::UNSUPPORTED_URI_SCHEME)),
    }
}

/// Section 8.2.2.3: 420 with all that is not known. Proxy-Require counts too, for we are the last hop.
fn extensions(request: &Request, service: Service) -> Option<Response> {
    let recording = (service == Service::Recording).then_some(siprec::OPTION);
    let unknown: Vec<String> = [HeaderName::Require, HeaderName::ProxyRequire]
        .iter()
        .flat_map(|name| request.headers.options_of(name))
        .filter(|option| {
            let mut known = KNOWN_OPTIONS.into_iter().chain(recording);
            !known.any(|known| known.eq_ignore_ascii_case(option))
        })
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let mut response = Response::reply_to(request, StatusCode::BAD_EXTENSION);
    response.headers.set(HeaderName::Unsupported, unknown.join(", "));
    Some(response)
}

/// Section 8.2.3: 400 for a body that cannot be taken apart, 415 for a part that is not understood and has to be
/// (RFC 5621 section 8.3), 406 when the answer could not be SDP.
fn body(request: &Request, service: Service) -> Option<Response> {
    if !matches!(request.method, Method::Invite | Method::Update) {
        return None;
    }
    if !is_optional(request) {
        let encoded = request
            .headers
            .get(&HeaderName::ContentEncoding)
            .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        let parts = match parts_of(&request.headers, &request.body) {
            Ok(parts) => parts,
            Err(error) => {
                let mut response = Response::reply_to(request, StatusCode::BAD_REQUEST);
                response.headers.set(HeaderName::Warning, warning_value("", &format!("the body: {error}")));
                return Some(response);
            }
        };
        let unknown = |part: &Part<'_>| part.handling == Handling::Required && !is_read(part, service);
        if !parts.is_empty() && (encoded || parts.iter().any(unknown)) {
            let mut response = Response::reply_to(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            let accepted = if service == Service::Recording { siprec::ACCEPTED } else { ACCEPTED_BODY };
            response.headers.set(HeaderName::Accept, accepted);
            response.headers.set(HeaderName::AcceptEncoding, "identity");
            return Some(response);
        }
    }
    if !accepts_sdp(&request.headers) {
        return Some(Response::reply_to(request, StatusCode::NOT_ACCEPTABLE));
    }
    None
}

fn is_optional(request: &Request) -> bool {
    request
        .headers
        .text(&HeaderName::ContentDisposition)
        .is_some_and(|value| value.to_ascii_lowercase().contains("handling=optional"))
}

fn is_read(part: &Part<'_>, service: Service) -> bool {
    part.media_type == ACCEPTED_BODY
        || (service == Service::Recording && siprec::is_metadata(&part.media_type))
}

/// Makes a response that tells what this end serves.
pub(super) fn with_capabilities(request: &Request, status: StatusCode) -> Response {
    let mut response = Response::reply_to(request, status);
    with_allow(&mut response.headers, Service::Calls);
    response
}
