//! What can be wrong with bytes that claim to be SIP, and the answer that is due (RFC 3261 section 8.2).

use super::{Response, StatusCode};

/// Why bytes are not a SIP message, or a value is not what its header must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing but line ends: a keep-alive.
    #[error("nothing but line ends")]
    Empty,
    /// Larger than the transport's bound.
    #[error("too large")]
    TooLarge,
    /// More header lines than the bound.
    #[error("too many header lines")]
    TooManyHeaders,
    /// The message ends before its headers or its body do.
    #[error("ends too early")]
    Truncated,
    /// Neither a request line nor a status line.
    #[error("bad start line")]
    StartLine,
    /// A protocol version other than SIP/2.0.
    #[error("unsupported protocol version")]
    Version,
    /// The Request-URI is malformed or carries headers.
    #[error("bad Request-URI")]
    RequestUri,
    /// A URI is malformed.
    #[error("bad URI")]
    Uri,
    /// A header line without a name and colon, or with a stray CR or LF.
    #[error("bad header line")]
    HeaderLine,
    /// A header's value breaks its grammar.
    #[error("bad value")]
    Value,
    /// A number is out of range.
    #[error("number out of range")]
    Number,
    /// A mandatory header is absent.
    #[error("missing")]
    Missing,
    /// A header that may stand once stands several times.
    #[error("more than one value")]
    Repeated,
    /// The CSeq names another method than the request line.
    #[error("method differs from the request line")]
    MethodMismatch,
}

/// A parse error with its place. In a message the offset counts from the first byte handed in, in a single
/// value from the value's start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{kind} at byte {offset}", .header.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct ParseError {
    /// The canonical name of the header at fault, if it is one.
    pub header: Option<String>,
    /// Where, in bytes.
    pub offset: usize,
    /// What.
    pub kind: ParseErrorKind,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { header: None, offset, kind }
    }

    pub(crate) fn in_header(mut self, name: &str) -> Self {
        self.header = Some(name.to_owned());
        self
    }

    /// Gives the status that answers a request with this error.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ParseErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
            ParseErrorKind::TooLarge => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Bytes that are no acceptable message, with the answer to send back, if one is due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// What is wrong.
    pub error: ParseError,
    /// A ready 400, 505 or 513 for a request that could be read far enough; `None` means drop silently, as
    /// for every ACK and every response.
    pub response: Option<Response>,
}
