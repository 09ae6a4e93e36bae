//! What a request must be like before anybody looks at what it wants (RFC 3261 section 8.2).

use crate::invite::{ACCEPTED_BODY, accepts_sdp, with_allow};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::uri::Uri;

/// Extensions that a request may require.
const KNOWN_OPTIONS: [&str; 4] = ["timer", "replaces", "norefersub", "100rel"];

/// Gives the refusal of a request that cannot be served, whoever it is for; without To tag.
pub(super) fn refusal(request: &Request) -> Option<Response> {
    method(request).or_else(|| uri(request)).or_else(|| extensions(request)).or_else(|| body(request))
}

/// Tells whether a request belongs to a dialog: its To has a tag.
pub(super) fn is_within_dialog(request: &Request) -> bool {
    request.headers.to().is_ok_and(|to| to.tag().is_some())
}

/// Section 8.2.1: 501 for an unknown method, 405 for a known one that is not served.
fn method(request: &Request) -> Option<Response> {
    match &request.method {
        Method::Invite | Method::Ack | Method::Cancel | Method::Bye | Method::Options | Method::Update => {
            None
        }
        Method::Info | Method::Notify | Method::Refer | Method::Prack if is_within_dialog(request) => None,
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
fn extensions(request: &Request) -> Option<Response> {
    let unknown: Vec<String> = [HeaderName::Require, HeaderName::ProxyRequire]
        .iter()
        .flat_map(|name| request.headers.options_of(name))
        .filter(|option| !KNOWN_OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(option)))
        .collect();
    if unknown.is_empty() {
        return None;
    }
    let mut response = Response::reply_to(request, StatusCode::BAD_EXTENSION);
    response.headers.set(HeaderName::Unsupported, unknown.join(", "));
    Some(response)
}

/// Section 8.2.3: 415 for a body that is not SDP, 406 when the answer could not be SDP.
fn body(request: &Request) -> Option<Response> {
    if !matches!(request.method, Method::Invite | Method::Update) {
        return None;
    }
    if !request.body.is_empty() && !body_is_read(request) {
        let mut response = Response::reply_to(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        response.headers.set(HeaderName::Accept, ACCEPTED_BODY);
        response.headers.set(HeaderName::AcceptEncoding, "identity");
        return Some(response);
    }
    if !accepts_sdp(&request.headers) {
        return Some(Response::reply_to(request, StatusCode::NOT_ACCEPTABLE));
    }
    None
}

fn body_is_read(request: &Request) -> bool {
    let encoded = request
        .headers
        .get(&HeaderName::ContentEncoding)
        .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    let optional = request
        .headers
        .text(&HeaderName::ContentDisposition)
        .is_some_and(|value| value.to_ascii_lowercase().contains("handling=optional"));
    optional || (crate::invite::is_sdp(&request.headers) && !encoded)
}

/// Makes a response that tells what this end serves.
pub(super) fn with_capabilities(request: &Request, status: StatusCode) -> Response {
    let mut response = Response::reply_to(request, status);
    with_allow(&mut response.headers);
    response
}
