//! The grammar that challenges and credentials share: `scheme name=value, ...` (RFC 7235 section 2.1).
//!
//! It splits and unquotes; what a parameter means is decided by its readers.

/// The longest header value that is read, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Why a value is not of this grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    TooLong,
    At { offset: usize },
}

/// A scheme and its parameters, names in lower case, values without quotes and escapes.
pub(super) type Scheme<'a> = (&'a [u8], Vec<(String, Vec<u8>)>);

/// Reads `scheme name=value, ...` with one step of look-ahead, in linear time.
pub(super) struct Lexer<'a> {
    value: &'a [u8],
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(value: &'a [u8]) -> Result<Self, Unreadable> {
        if value.len() > MAX_VALUE_BYTES { Err(Unreadable::TooLong) } else { Ok(Self { value, offset: 0 }) }
    }

    /// Reads every scheme with its parameters.
    pub(super) fn schemes(mut self) -> Result<Vec<Scheme<'a>>, Unreadable> {
        let mut schemes: Vec<Scheme<'a>> = Vec::new();
        loop {
            self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
            if self.peek().is_none() {
                return Ok(schemes);
            }
            let word = self.take(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b',' | b'=' | b'"'));
            if word.is_empty() {
                return Err(Unreadable::At { offset: self.offset });
            }
            self.skip(|byte| byte.is_ascii_whitespace());
            if self.peek() != Some(b'=') {
                schemes.push((word, Vec::new()));
                continue;
            }
            self.offset += 1;
            self.skip(|byte| byte.is_ascii_whitespace());
            let value = self.parameter_value()?;
            let Some((_, parameters)) = schemes.last_mut() else {
                return Err(Unreadable::At { offset: self.offset });
            };
            parameters.push((String::from_utf8_lossy(word).to_ascii_lowercase(), value));
        }
    }

    fn parameter_value(&mut self) -> Result<Vec<u8>, Unreadable> {
        if self.peek() != Some(b'"') {
            return Ok(self.take(|byte| !byte.is_ascii_whitespace() && byte != b',').to_vec());
        }
        self.offset += 1;
        let mut text = Vec::new();
        while let Some(byte) = self.peek() {
            self.offset += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => {
                    let Some(escaped) = self.peek() else { break };
                    self.offset += 1;
                    text.push(escaped);
                }
                _ => text.push(byte),
            }
        }
        Err(Unreadable::At { offset: self.offset })
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.offset).copied()
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        self.take(wanted);
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.value.get(self.offset..).unwrap_or_default();
        let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.offset += length;
        rest.get(..length).unwrap_or_default()
    }
}
