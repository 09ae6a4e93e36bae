//! URIs (RFC 3261 section 19.1, RFC 3966 for `tel`), kept as written: nothing is unescaped or escaped anew.
//!
//! Only printing escapes, and only what can stand in no URI at all: spaces, controls, quotes and angle
//! brackets that code may have put in. This is no resolver and dereferences nothing.

mod escape;
mod host;
mod sip;

use std::{fmt, str::FromStr};

pub use escape::{escape_header, escape_user, unescape};
pub use host::Host;
pub use sip::SipUri;

use crate::message::{Params, ParseError, ParseErrorKind};

/// A URI of any scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other scheme.
    Other(OtherUri),
}

/// A telephone number as a URI (RFC 3966).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelUri {
    /// The number as written, separators included; global ones begin with `+`.
    pub number: String,
    /// Parameters such as `phone-context` and `ext`.
    pub params: Params,
}

/// A URI that is only carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherUri {
    /// The scheme as written.
    pub scheme: String,
    /// All behind the first colon.
    pub rest: String,
}

impl Uri {
    /// Tells whether it is a `sips:` URI.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        matches!(self, Self::Sip(uri) if uri.secure)
    }

    /// Reads a URI. Bytes that are not UTF-8 are taken as their escapes.
    ///
    /// # Errors
    /// No scheme, a space, control, quote or angle bracket, or a `sip:`, `sips:` or `tel:` URI that breaks
    /// its grammar.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if let Some(place) = bytes.iter().position(|byte| !escape::may_stand(*byte)) {
            return Err(ParseError::new(ParseErrorKind::Uri, place));
        }
        let text = escape::utf8(bytes);
        let fault = |offset| ParseError::new(ParseErrorKind::Uri, escape::place_in(bytes, &text, offset));
        let (scheme, rest) = text.split_once(':').ok_or_else(|| fault(0))?;
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(fault(0));
        }
        let shift = |error: ParseError| fault(error.offset + scheme.len() + 1);
        match scheme {
            _ if scheme.eq_ignore_ascii_case("sip") => {
                SipUri::read(false, rest).map(Self::Sip).map_err(shift)
            }
            _ if scheme.eq_ignore_ascii_case("sips") => {
                SipUri::read(true, rest).map(Self::Sip).map_err(shift)
            }
            _ if scheme.eq_ignore_ascii_case("tel") => {
                TelUri::read(rest).map(Self::Tel).ok_or_else(|| fault(4))
            }
            _ => Ok(Self::Other(OtherUri { scheme: scheme.to_owned(), rest: rest.to_owned() })),
        }
    }

    /// Gives the SIP or SIPS URI, if it is one.
    #[must_use]
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }
}

impl TelUri {
    fn read(rest: &str) -> Option<Self> {
        let (number, params) = match rest.split_once(';') {
            Some((number, params)) => (number, Params::parse_uri(params)?),
            None => (rest, Params::new()),
        };
        (!number.is_empty()).then(|| Self { number: number.to_owned(), params })
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

impl FromStr for Uri {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => uri.fmt(f),
            Self::Other(uri) => uri.fmt(f),
        }
    }
}

impl fmt::Display for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tel:")?;
        escape::write(f, &self.number, "")?;
        sip::write_params(f, &self.params, "")
    }
}

impl fmt::Display for OtherUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape::write(f, &self.scheme, "")?;
        f.write_str(":")?;
        escape::write(f, &self.rest, "")
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}
