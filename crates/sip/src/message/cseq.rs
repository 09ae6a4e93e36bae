//! CSeq (RFC 3261 section 20.16).

use super::{Method, ParseError, ParseErrorKind, Scan};

/// A CSeq value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// The sequence number, below 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method of the request it numbers.
    pub method: Method,
}

impl CSeq {
    /// Reads a value.
    ///
    /// # Errors
    /// A number of 2^31 or more, a method that is no token, or anything else behind them.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let number = scan.number()?;
        if number >= 1 << 31 {
            return Err(ParseError::new(ParseErrorKind::Number, 0));
        }
        if scan.skip_space() == 0 {
            return Err(scan.error(ParseErrorKind::Value));
        }
        let method = Method::from(scan.token()?);
        scan.skip_space();
        if scan.is_done() { Ok(Self { number, method }) } else { Err(scan.error(ParseErrorKind::Value)) }
    }
}

impl std::fmt::Display for CSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
