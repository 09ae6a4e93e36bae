//! Percent escapes (RFC 3261 section 19.1.2, RFC 3986 section 2.1).

use std::{borrow::Cow, fmt};

/// Tells whether a byte may stand in a URI as we read it: everything but controls, space and what delimits a
/// URI in a header.
pub(super) fn may_stand(byte: u8) -> bool {
    byte > b' ' && byte != 0x7F && !b"<>\"".contains(&byte)
}

/// Gives the bytes as text; bytes that are not UTF-8 as escapes, which mean the same.
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(
            bytes
                .iter()
                .map(
                    |byte| {
                        if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
                    },
                )
                .collect(),
        ),
    }
}

/// Gives the place in `bytes` of a place in the text that [`utf8`] made of them.
pub(super) fn place_in(bytes: &[u8], text: &str, place: usize) -> usize {
    if text.len() == bytes.len() {
        return place;
    }
    let widths = bytes.iter().map(|byte| if byte.is_ascii() { 1 } else { 3 });
    let ends = widths.scan(0, |end, width| {
        *end += width;
        Some(*end)
    });
    ends.take_while(|end| *end <= place).count()
}

/// Writes text as it is, but escapes what may not stand in a URI and, beyond that, `also`.
pub(super) fn write(f: &mut fmt::Formatter<'_>, text: &str, also: &str) -> fmt::Result {
    for c in text.chars() {
        let harmful =
            u8::try_from(c).is_ok_and(|byte| byte.is_ascii() && !may_stand(byte)) || also.contains(c);
        if harmful {
            write!(f, "%{:02X}", u32::from(c))?;
        } else {
            fmt::Write::write_char(f, c)?;
        }
    }
    Ok(())
}

/// Makes a user part of any text: what the grammar does not allow there is escaped, the percent sign too (RFC 3261
/// section 25.1, `user`), so that [`unescape`] gives the text back.
#[must_use]
pub fn escape_user(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    let mut user = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            user.push(char::from(byte));
        } else {
            user.push_str(&format!("%{byte:02X}"));
        }
    }
    user
}

/// Makes a header's value in a URI of any text: what the grammar does not allow there is escaped (RFC 3261 section 25.1,
/// `hvalue`), so that [`unescape`] gives the text back.
#[must_use]
pub fn escape_header(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// Resolves every escape; a percent sign that begins none stays.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match escaped(rest) {
            Some((byte, behind)) => {
                out.push(byte);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Brings text to the form in which RFC 3261 section 19.1.4 compares it: only escapes of reserved characters
/// (and of the percent sign itself) differ from what they stand for.
pub(super) fn normalised(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match escaped(rest) {
            Some((byte, behind)) => {
                if b";/?:@&=+$,%".contains(&byte) {
                    out.extend(format!("%{byte:02X}").bytes());
                } else {
                    out.push(byte);
                }
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, behind @ ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? * 16 + digit(low)?, behind))
}
