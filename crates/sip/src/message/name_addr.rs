//! Addresses with a name: From, To, Contact, Route and their kin (RFC 3261 sections 20.10, 20.20, 25.1).

use super::{
    Params, ParseError, ParseErrorKind, Scan, readable,
    scan::{quote, unquote},
};
use crate::uri::Uri;

/// A display name, a URI and header parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name without quotes, quoted pairs resolved; bytes, since not every peer sends UTF-8.
    pub display: Option<Vec<u8>>,
    /// The address.
    pub uri: Uri,
    /// The header's parameters, not the URI's.
    pub params: Params,
}

impl NameAddr {
    /// Makes an address without name or parameters.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::new() }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// Anything but one address: quotes that do not close, spaces in the URI, a URI with a query outside
    /// angle brackets (RFC 3261 section 20), empty parameters.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut scan = Scan::new(value);
        let address = Self::scan(&mut scan)?;
        scan.skip_space();
        if scan.is_done() { Ok(address) } else { Err(scan.error(ParseErrorKind::Value)) }
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<Self, ParseError> {
        scan.skip_space();
        let start = scan.at();
        if scan.peek() == Some(b'"') {
            let display = unquote(scan.quoted()?);
            scan.skip_space();
            return Self::scan_bracketed(scan, Some(display));
        }
        let name = scan.take_while(is_bare_display).trim_ascii();
        if scan.peek() == Some(b'<') {
            return Self::scan_bracketed(scan, (!name.is_empty()).then(|| name.to_vec()));
        }
        scan.rewind(start);
        Self::scan_bare(scan)
    }

    fn scan_bracketed(scan: &mut Scan<'_>, display: Option<Vec<u8>>) -> Result<Self, ParseError> {
        scan.expect(b'<')?;
        let start = scan.at();
        let text = scan.take_while(|byte| byte != b'>');
        scan.expect(b'>')?;
        let uri = Uri::parse(text).map_err(|error| shifted(error, start))?;
        Ok(Self { display, uri, params: Params::scan(scan)? })
    }

    /// Reads `addr-spec` without brackets: a semicolon begins the header's parameters, a question mark is
    /// refused because nobody can tell whose it is.
    fn scan_bare(scan: &mut Scan<'_>) -> Result<Self, ParseError> {
        let start = scan.at();
        let text = scan.take_while(|byte| byte > b' ' && !b";,?<>\"".contains(&byte));
        let uri = Uri::parse(text).map_err(|error| shifted(error, start))?;
        Ok(Self { display: None, uri, params: Params::scan(scan)? })
    }

    /// Gives the tag (RFC 3261 section 19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// Sets the tag.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", Some(tag));
    }

    /// Gives the name as text: UTF-8, else Windows-1251; `None` when blank. Control characters stay.
    #[must_use]
    pub fn display_text(&self) -> Option<String> {
        let text = readable(self.display.as_deref()?);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Prints the value, always with angle brackets, the name always quoted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(display) = &self.display {
            out.extend(quote(display));
            out.push(b' ');
        }
        out.push(b'<');
        out.extend(self.uri.to_string().bytes());
        out.push(b'>');
        self.params.print(&mut out);
        out
    }
}

impl std::fmt::Display for NameAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&readable(&self.to_bytes()))
    }
}

/// Wider than the grammar's tokens: names with brackets or in a national charset without quotes do occur. A
/// comma is not among them (RFC 4475 section 3.1.2.15).
fn is_bare_display(byte: u8) -> bool {
    (byte >= b' ' || byte == b'\t') && byte != 0x7F && !b"\",;:<>@".contains(&byte)
}

fn shifted(mut error: ParseError, by: usize) -> ParseError {
    error.offset += by;
    error
}
