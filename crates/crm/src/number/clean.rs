//! Characters: foreign digits, invisible marks, punctuation that people put between digits (UAX #15, UnicodeData Nd).

use super::TYPED_CHARS_MAX;
use crate::keys::is_invisible;
use unicode_normalization::UnicodeNormalization;

/// The zeros of the decimal digit blocks that NFKC leaves alone.
const ZEROS: [char; 20] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}',
    '\u{1810}', '\u{19d0}',
];

/// The text to be kept as typed: no control characters, no invisible marks, trimmed, bounded.
pub(super) fn typed(text: &str) -> String {
    let spaced = text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter });
    let visible: String = spaced.filter(|letter| !letter.is_control() && !is_invisible(*letter)).collect();
    let cut: String = visible.trim().chars().take(TYPED_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

/// The text to be read: NFKC, ASCII digits, lower case, invisible marks gone, white space as spaces.
///
/// None when a control character stands in it or it is too long to be numbers that somebody typed.
pub(super) fn readable(text: &str, chars_max: usize) -> Option<String> {
    let text = text.trim();
    if text.chars().nth(chars_max).is_some() {
        return None;
    }
    let mut read = String::with_capacity(text.len());
    for letter in text.nfkc().filter(|letter| !is_invisible(*letter)).map(to_ascii) {
        match letter {
            '\n' | '\r' => read.push('\n'),
            letter if letter.is_whitespace() => read.push(' '),
            letter if letter.is_control() => return None,
            letter => read.extend(letter.to_lowercase()),
        }
    }
    Some(read.trim().to_owned())
}

fn to_ascii(letter: char) -> char {
    match letter {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' => '-',
        letter => ascii_digit(letter).unwrap_or(letter),
    }
}

fn ascii_digit(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return None;
    }
    let code = u32::from(letter);
    let digit =
        ZEROS.iter().find_map(|zero| code.checked_sub(u32::from(*zero)).filter(|digit| *digit < 10))?;
    char::from_digit(digit, 10)
}

/// Punctuation that groups digits and means nothing.
pub(super) fn is_grouping(letter: char) -> bool {
    matches!(letter, ' ' | '-' | '.' | '(' | ')' | '[' | ']' | '~')
}

/// The readable text without grouping; not necessarily digits.
pub(super) fn compact(text: &str) -> String {
    let read = readable(text, TYPED_CHARS_MAX).unwrap_or_default();
    read.chars().filter(|letter| !is_grouping(*letter)).collect()
}
