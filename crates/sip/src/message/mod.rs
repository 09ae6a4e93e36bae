//! SIP messages as data (RFC 3261 section 7): start lines, headers kept as bytes in their order, bodies.
//!
//! A header stays the bytes that arrived; the typed views of [`Headers`] read it when somebody asks. This is
//! deliberately no dialog or transaction logic, and nothing here interprets a body.
//!
//! Nothing that is put into a message can become a second line on the wire: [`Headers`] takes CR, LF and bare
//! NUL out of every value, and printing does the same for methods, URIs and reason phrases.

mod charset;
mod cseq;
mod error;
mod headers;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod print;
mod scan;
mod status;
mod user_to_user;
mod validate;
mod via;
mod views;

pub use charset::{decode_cp1251, readable};
pub use cseq::CSeq;
pub use error::{ParseError, ParseErrorKind, Rejected};
pub use headers::{Header, Headers};
pub use method::Method;
pub use name::HeaderName;
pub use name_addr::NameAddr;
pub use params::Params;
pub use parse::{MAX_DATAGRAM, MAX_HEADERS, parse_datagram};
pub use status::StatusCode;
pub use user_to_user::UserToUser;
pub use validate::validate;
pub use via::Via;
pub use views::{ReasonValue, Refresher};

pub(crate) use parse::{Head, body_length, parse_framed, rejection};
pub(crate) use scan::{Scan, is_token};

use crate::uri::Uri;

/// One SIP message (RFC 3261 section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request: method, Request-URI, headers in the order they arrived, body (RFC 3261 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI, as written.
    pub uri: Uri,
    /// All headers in their order.
    pub headers: Headers,
    /// The body; printing states its length.
    pub body: Vec<u8>,
}

/// A response: status, reason phrase as received, headers, body (RFC 3261 section 7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase: opaque text, may be empty or not UTF-8.
    pub reason: Vec<u8>,
    /// All headers in their order.
    pub headers: Headers,
    /// The body; printing states its length.
    pub body: Vec<u8>,
}

impl Message {
    /// Gives the headers of either kind.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Gives the body of either kind.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// Makes a request without headers or body.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// Tells whether a success answer to this method makes a dialog, so that it carries Record-Route.
    fn forms_dialog(&self) -> bool {
        matches!(self.method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
    }
}

impl Response {
    /// Makes a response without headers or body, with the usual reason phrase.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: status.default_reason().into(), headers: Headers::new(), body: Vec::new() }
    }

    /// Makes the response to a request: Via, From, To, Call-ID and CSeq are copied byte for byte (RFC 3261
    /// section 8.2.6.2), Record-Route where the answer can make a dialog (section 12.1.1), Timestamp into a
    /// 100. No To tag is added.
    #[must_use]
    pub fn reply_to(request: &Request, status: StatusCode) -> Self {
        let mut response = Self::reply_to_headers(&request.headers, status);
        let early_or_success = status.get() > 100 && status.get() < 300;
        if early_or_success && request.forms_dialog() {
            response.headers.copy_all(&request.headers, &HeaderName::RecordRoute);
        }
        if status == StatusCode::TRYING {
            response.headers.copy_first(&request.headers, &HeaderName::Timestamp);
        }
        response
    }

    pub(crate) fn reply_to_headers(headers: &Headers, status: StatusCode) -> Self {
        let mut response = Self::new(status);
        response.headers.copy_all(headers, &HeaderName::Via);
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            response.headers.copy_first(headers, &name);
        }
        response
    }
}
