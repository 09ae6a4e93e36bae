//! An ordered list of headers, values as bytes (RFC 3261 section 7.3).
//!
//! The list is private so that one rule holds for all of it: no value has a CR or LF, and a NUL only as the
//! quoted pair that RFC 3261 section 25.1 allows; no name is anything but a token.

use super::{HeaderName, is_token};

/// One header line: its name and its unfolded, trimmed value, in the bytes that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub name: HeaderName,
    /// The value: unfolded and trimmed, otherwise untouched.
    pub value: Vec<u8>,
}

/// The headers of a message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a header. CR, LF and NUL in the value become spaces, so it stays one line.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        self.0.push(header(name, value.into()));
    }

    /// Puts a header before all others, as a Via or Route is.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        self.0.insert(0, header(name, value.into()));
    }

    /// Replaces every header of this name by one, at the first one's place, or appends it.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        let new = header(name, value.into());
        let Some(place) = self.0.iter().position(|header| header.name == new.name) else {
            self.0.push(new);
            return;
        };
        let mut index = 0;
        self.0.retain(|header| {
            let keep = header.name != new.name || index == place;
            index += 1;
            keep
        });
        if let Some(slot) = self.0.get_mut(place) {
            *slot = new;
        }
    }

    /// Replaces the first header of this name only, or appends it.
    pub(crate) fn replace_first(&mut self, name: HeaderName, value: Vec<u8>) {
        let new = header(name, value);
        match self.0.iter_mut().find(|header| header.name == new.name) {
            Some(slot) => *slot = new,
            None => self.0.push(new),
        }
    }

    /// Removes every header of this name; tells whether there was one.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let before = self.0.len();
        self.0.retain(|header| header.name != *name);
        before != self.0.len()
    }

    /// Gives the first value of this name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        self.0.iter().find(|header| header.name == *name).map(|header| header.value.as_slice())
    }

    /// Gives every line's value of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |header| header.name == *name).map(|header| header.value.as_slice())
    }

    /// Tells whether a header of this name is there.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// Gives all headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// Gives the number of header lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no header at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a copy of every header of this name in `from`.
    pub fn copy_all(&mut self, from: &Self, name: &HeaderName) {
        self.0.extend(from.0.iter().filter(|header| header.name == *name).cloned());
    }

    /// Appends a copy of the first header of this name in `from`.
    pub fn copy_first(&mut self, from: &Self, name: &HeaderName) {
        self.0.extend(from.0.iter().find(|header| header.name == *name).cloned());
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(iter: I) -> Self {
        Self(iter.into_iter().map(|Header { name, value }| header(name, value)).collect())
    }
}

fn header(name: HeaderName, value: Vec<u8>) -> Header {
    Header { name: token_name(name), value: one_line(value) }
}

fn token_name(name: HeaderName) -> HeaderName {
    match name {
        HeaderName::Other(text) if text.is_empty() || !text.bytes().all(is_token) => {
            let token: String =
                text.chars().map(|c| if u8::try_from(c).is_ok_and(is_token) { c } else { '-' }).collect();
            HeaderName::Other(if token.is_empty() { "-".to_owned() } else { token })
        }
        other => other,
    }
}

/// Takes out what would end or cut the line. A NUL stays only behind the backslash of a quoted pair: that is
/// legal (RFC 4475 section 3.1.1.2), and From and To must be echoed byte for byte.
fn one_line(mut value: Vec<u8>) -> Vec<u8> {
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        let mut escaped = false;
        for byte in &mut value {
            let harmful = matches!(*byte, b'\r' | b'\n') || (*byte == 0 && !escaped);
            escaped = *byte == b'\\' && !escaped;
            if harmful {
                *byte = b' ';
            }
        }
    }
    let trimmed = value.trim_ascii();
    if trimmed.len() == value.len() { value } else { trimmed.to_vec() }
}
