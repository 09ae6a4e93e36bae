//! Text from the wire made readable: UTF-8, and Windows-1251 where it is not UTF-8.
//!
//! SIP says UTF-8 (RFC 3261 section 7.3.1); Russian PBXs send CP1251 display names nevertheless. Only what is
//! shown is decoded here; what is sent back stays the bytes that came.

use std::borrow::Cow;

/// CP1251 from 0x80 to 0xBF; from 0xC0 on it is U+0410 and what follows.
const CP1251_HIGH: [char; 64] = [
    'Ђ', 'Ѓ', '‚', 'ѓ', '„', '…', '†', '‡', '€', '‰', 'Љ', '‹', 'Њ', 'Ќ', 'Ћ', 'Џ', //
    'ђ', '‘', '’', '“', '”', '•', '–', '—', '\u{FFFD}', '™', 'љ', '›', 'њ', 'ќ', 'ћ', 'џ', //
    '\u{A0}', 'Ў', 'ў', 'Ј', '¤', 'Ґ', '¦', '§', 'Ё', '©', 'Є', '«', '¬', '\u{AD}', '®', 'Ї', //
    '°', '±', 'І', 'і', 'ґ', 'µ', '¶', '·', 'ё', '№', 'є', '»', 'ј', 'Ѕ', 'ѕ', 'ї',
];

/// Decodes Windows-1251; the one unassigned byte becomes U+FFFD.
#[must_use]
pub fn decode_cp1251(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| cp1251(*byte)).collect()
}

/// Shows bytes as text: UTF-8 if they are, else as Windows-1251.
#[must_use]
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(decode_cp1251(bytes)),
    }
}

fn cp1251(byte: u8) -> char {
    match byte {
        ..0x80 => char::from(byte),
        0x80..0xC0 => CP1251_HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or('\u{FFFD}'),
        0xC0.. => char::from_u32(0x0410 + u32::from(byte - 0xC0)).unwrap_or('\u{FFFD}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cp1251_name_is_readable_and_utf8_is_left_alone() {
        assert_eq!(readable(b"\xC8\xE2\xE0\xED\xEE\xE2 \xB9 5, \xB8\xA8"), "Иванов № 5, ёЁ");
        assert_eq!(readable("Иванов".as_bytes()), "Иванов");
        assert_eq!(decode_cp1251(&[0xFF, 0xC0, 0x98, 0x88]), "яА\u{FFFD}€");
    }
}
