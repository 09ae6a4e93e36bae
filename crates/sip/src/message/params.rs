//! Parameters of headers and URIs: `;name=value;name` (RFC 3261 sections 7.3.1 and 19.1.1).
//!
//! Order, case and quoting stay as written. What was set by code is made harmless when it is printed: in a
//! header by quoting, in a URI by escaping.

use super::{
    ParseError, ParseErrorKind, Scan, is_token, readable,
    scan::{quote, unquote},
};

/// Parameters in their order; names compare without regard to case, values are kept as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a parameter's value as written: `None` if absent, or if it has no value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.1.as_deref()
    }

    /// Gives a parameter's value without quotes, its quoted pairs resolved.
    #[must_use]
    pub fn unquoted(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| readable(&unquote(value.as_bytes())).into_owned())
    }

    /// Tells whether the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Sets a parameter at its place, or appends it.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes a parameter; tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        before != self.0.len()
    }

    /// Gives name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Option<&(String, Option<String>)> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Reads `*( SEMI generic-param )` and stops before whatever else follows.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<Self, ParseError> {
        let mut params = Vec::new();
        while scan.eat_spaced(b';') {
            let name = scan.token()?.to_owned();
            let value = if scan.eat_spaced(b'=') { Some(header_value(scan)?) } else { None };
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// Reads the parameters of a URI, all of `text`, which begins behind the first semicolon.
    pub(crate) fn parse_uri(text: &str) -> Option<Self> {
        text.split(';')
            .map(|param| match param.split_once('=') {
                Some(("", _)) => None,
                Some((name, value)) => Some((name.to_owned(), Some(value.to_owned()))),
                None if param.is_empty() => None,
                None => Some((param.to_owned(), None)),
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Prints them for a header.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.push(b';');
            out.extend(name.bytes().map(|byte| if is_token(byte) { byte } else { b'-' }));
            let Some(value) = value else { continue };
            out.push(b'=');
            if is_quoted(value) || value.bytes().all(is_bare) {
                out.extend(value.bytes());
            } else {
                out.extend(quote(value.as_bytes()));
            }
        }
    }
}

fn header_value(scan: &mut Scan<'_>) -> Result<String, ParseError> {
    let bytes = if scan.peek() == Some(b'"') { scan.quoted()? } else { scan.take_while(is_bare) };
    if bytes.contains(&0) {
        return Err(scan.error(ParseErrorKind::Value));
    }
    Ok(readable(bytes).into_owned())
}

/// What stands in a parameter's value without quotes: tokens and hosts, and in practice more.
fn is_bare(byte: u8) -> bool {
    byte > b' ' && byte != 0x7F && !b";,\"<>".contains(&byte)
}

fn is_quoted(value: &str) -> bool {
    let mut scan = Scan::new(value.as_bytes());
    !value.contains(['\r', '\n', '\0']) && scan.quoted().is_ok() && scan.is_done()
}
