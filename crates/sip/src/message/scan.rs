//! A cursor over one header value: tokens, quoted strings, white space (RFC 3261 section 25.1).
//!
//! It only moves forward, so whatever is built on it reads each byte a bounded number of times.

use super::{ParseError, ParseErrorKind};

/// Tells whether a byte may stand in a token.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// A cursor over a value.
#[derive(Debug, Clone)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Eats one byte if it is this one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Eats a separator with the white space around it.
    pub(crate) fn eat_spaced(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.eat(byte);
        if found {
            self.skip_space();
        }
        found
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error(ParseErrorKind::Value)) }
    }

    pub(crate) fn skip_space(&mut self) -> usize {
        self.take_while(|byte| matches!(byte, b' ' | b'\t')).len()
    }

    pub(crate) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !accept(*byte)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Reads a token, which is always ASCII.
    pub(crate) fn token(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        let bytes = self.take_while(is_token);
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(ParseError::new(ParseErrorKind::Value, start)),
        }
    }

    /// Reads digits as a number, refusing what does not fit into `u32`.
    pub(crate) fn number(&mut self) -> Result<u32, ParseError> {
        let start = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Value, start));
        }
        digits
            .iter()
            .try_fold(0u32, |sum, digit| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0')))
            .ok_or_else(|| ParseError::new(ParseErrorKind::Number, start))
    }

    /// Reads a quoted string with its quotes, as written. The cursor must stand on the opening quote.
    pub(crate) fn quoted(&mut self) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.bump() {
                Some(b'"') => return Ok(self.since(start)),
                Some(b'\\') if !matches!(self.bump(), None | Some(b'\r' | b'\n')) => {}
                None | Some(b'\\' | b'\r' | b'\n' | 0) => {
                    return Err(ParseError::new(ParseErrorKind::Value, start));
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError::new(kind, self.at)
    }

    /// Accepts the end of the value, or a comma that another value must follow.
    pub(crate) fn end_of_value(&mut self) -> Result<bool, ParseError> {
        self.skip_space();
        if self.is_done() {
            return Ok(false);
        }
        self.expect(b',')?;
        self.skip_space();
        if self.is_done() { Err(self.error(ParseErrorKind::Value)) } else { Ok(true) }
    }
}

/// Takes the quotes off a quoted string and resolves its quoted pairs.
pub(crate) fn unquote(quoted: &[u8]) -> Vec<u8> {
    let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(quoted);
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        let literal = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        text.push(*literal);
    }
    text
}

/// Writes text as a quoted string; CR, LF and NUL become spaces.
pub(crate) fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    for byte in text {
        match byte {
            b'\r' | b'\n' | 0 => quoted.push(b' '),
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'"');
    quoted
}
