//! From bytes to text: UTF-8 and UTF-16 by their marks or their sense, else Windows-1251, which Russian Excel writes.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251};

use super::ImportError;

/// Reads a file as text.
///
/// # Errors
/// `NoText` when control characters or NUL stand in it, as in every file of a spreadsheet's own format.
pub(super) fn decode(bytes: &[u8]) -> Result<String, ImportError> {
    let text = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode_with_bom_removal(bytes).0,
        None => match (std::str::from_utf8(bytes), unmarked_utf16(bytes)) {
            (_, Some(encoding)) => encoding.decode_without_bom_handling(bytes).0,
            (Ok(text), None) => text.into(),
            (Err(_), None) => WINDOWS_1251.decode_without_bom_handling(bytes).0,
        },
    };
    let foreign = |letter: char| letter.is_control() && !matches!(letter, '\r' | '\n' | '\t' | '\u{85}');
    if text.chars().any(foreign) { Err(ImportError::NoText) } else { Ok(text.into_owned()) }
}

/// Text in UTF-16 without a mark has a NUL beside every delimiter and line end.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let ends = |first: u8, second: u8| bytes.chunks_exact(2).any(|pair| pair == [first, second]);
    match (ends(b'\n', 0), ends(0, b'\n')) {
        (true, false) => Some(UTF_16LE),
        (false, true) => Some(UTF_16BE),
        _ => None,
    }
    .filter(|encoding| *encoding != UTF_8)
}
