//! The two ways in: what a person typed into a field, and what a call names as its caller.

use super::clean::{is_grouping, readable, typed};
use super::plan::DialPlan;
use super::read::{Meaning, WHOLE_DIGITS_MIN, begins_with_extension_mark, is_service_code, read};
use super::uri::{is_uri, take_apart};
use super::{CallerNumber, FIELD_NUMBERS_MAX, Number, Withheld};

/// The longest field that is read as numbers, in characters.
const FIELD_CHARS_MAX: usize = 1024;

impl DialPlan {
    /// Reads one number as typed. Never fails: what cannot be read has neither `e164` nor `extension`.
    #[must_use]
    pub fn number(&self, text: &str) -> Number {
        let number = typed(text);
        if is_service_code(text) {
            return Number { number, e164: None, extension: None, label: None };
        }
        let reading = read(self, text);
        let label = reading.label.map(str::to_owned);
        let (e164, extension) = match reading.meaning {
            Meaning::Extension(digits) => (None, Some(digits)),
            Meaning::E164 { number, extension } => (Some(number), extension),
            Meaning::Text => (None, None),
        };
        Number { number, e164, extension, label }
    }

    /// Reads a field that may hold several numbers, separated by `/`, `,`, `;`, `|`, line breaks or just written one after
    /// the other with `+`. An empty field holds none; at most [`FIELD_NUMBERS_MAX`] are returned.
    ///
    /// A shorthand for a neighbouring number (`212-34-56/57`) stays in the text of the first and is not expanded.
    #[must_use]
    pub fn numbers(&self, field: &str) -> Vec<Number> {
        if typed(field).is_empty() {
            return Vec::new();
        }
        if is_uri(field) || is_service_code(field) || !is_list(field) {
            return vec![self.number(field)];
        }
        let mut pieces = joined(split(field), self.internal_digits_max());
        pieces.truncate(FIELD_NUMBERS_MAX);
        pieces.iter().map(|piece| self.piece(piece)).filter(|number| !number.number.is_empty()).collect()
    }

    fn piece(&self, piece: &Piece) -> Number {
        let mut number = self.number(&piece.text);
        if !piece.shorthand.is_empty() {
            number.number = typed(&format!("{}{}", piece.text.trim_end(), piece.shorthand));
        }
        number
    }

    /// Reads what a call names as its caller: a URI of any kind or its user part.
    ///
    /// Words such as `anonymous` in the user part, the host `anonymous.invalid` (RFC 3323 section 4.1.1.3) and an empty user
    /// mean a withheld number.
    #[must_use]
    pub fn caller(&self, uri: &str) -> CallerNumber {
        let taken = take_apart(uri);
        let anonymous_host = taken.host.as_deref().is_some_and(|host| host == "anonymous.invalid");
        let user = typed(&taken.dialled);
        if let Some(why) = withheld_word(&user) {
            return CallerNumber::Withheld { why };
        }
        if anonymous_host {
            return CallerNumber::Withheld { why: Withheld::Anonymous };
        }
        // People write words before numbers, machines do not: `agent-105` is a name and not the extension 105.
        if is_service_code(&user) || user.starts_with(char::is_alphabetic) {
            return CallerNumber::Other { text: user };
        }
        match read(self, uri).meaning {
            Meaning::Extension(digits) => CallerNumber::Extension { digits },
            Meaning::E164 { number, extension } => CallerNumber::E164 { number, extension },
            Meaning::Text => CallerNumber::Other { text: plain_digits(&user).unwrap_or(user) },
        }
    }
}

/// The user part of a URI, or the text itself: what was dialled or received, for a screen (`*_dialled` of api.md).
///
/// Percent-decoded, without parameters, control characters and direction marks, bounded as a typed number.
#[must_use]
pub fn dialled_part(uri: &str) -> String {
    typed(&take_apart(uri).dialled)
}

fn withheld_word(user: &str) -> Option<Withheld> {
    match user.to_lowercase().as_str() {
        "" => Some(Withheld::Empty),
        "anonymous" | "anonym" | "аноним" | "анонимный" => Some(Withheld::Anonymous),
        "restricted" | "withheld" | "private" | "blocked" | "hidden" | "скрыт" | "скрытый номер" => {
            Some(Withheld::Restricted)
        }
        "unavailable" | "unknown" | "неизвестен" | "неизвестный" => {
            Some(Withheld::Unavailable)
        }
        _ => None,
    }
}

/// `12-34-56` as `123456`; none when there is more to it than digits and grouping.
fn plain_digits(user: &str) -> Option<String> {
    let read = readable(user, super::TYPED_CHARS_MAX)?;
    let digits: String = read.chars().filter(|letter| !is_grouping(*letter)).collect();
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// Only digits, words and their punctuation: anything else (`300&Zap/g1/416…`) is no list of numbers and stays whole.
fn is_list(field: &str) -> bool {
    let Some(read) = readable(field, FIELD_CHARS_MAX) else {
        return false;
    };
    let is_known = |letter: char| {
        letter.is_alphanumeric() || is_grouping(letter) || matches!(letter, '+' | '#' | '*' | ':' | '=' | '№')
    };
    read.chars().all(|letter| is_known(letter) || is_separator(letter))
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '/' | ',' | ';' | '|' | '\n' | '\r' | '，' | '；')
}

struct Piece {
    /// What stood between the piece before and this one.
    after: String,
    text: String,
    /// The tails with their `/` that abbreviate neighbouring numbers.
    shorthand: String,
}

fn split(field: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut after, mut text) = (String::new(), String::new());
    for letter in field.chars() {
        let next_number = letter == '+' && digit_count(&text) >= WHOLE_DIGITS_MIN;
        if is_separator(letter) || next_number {
            if text.contains(char::is_alphanumeric) {
                let text = std::mem::take(&mut text);
                pieces.push(Piece { after: std::mem::take(&mut after), text, shorthand: String::new() });
            }
            text.clear();
        }
        if is_separator(letter) {
            after.push(letter);
        } else {
            text.push(letter);
        }
    }
    pieces.push(Piece { after, text, shorthand: String::new() });
    pieces
}

/// Puts back what a separator did not part: an extension after a comma, the shorthand of a neighbouring number.
fn joined(pieces: Vec<Piece>, internal_digits_max: usize) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        let digits = digit_count(&piece.text);
        let is_marked = begins_with_extension_mark(&piece.text);
        let is_short = digits > 0 && digits <= internal_digits_max && is_bare(&piece.text);
        match joined.last_mut() {
            Some(whole) if is_marked && digit_count(&whole.text) >= WHOLE_DIGITS_MIN => {
                // Any other separator than these could not be read again within one number.
                let separator = if piece.after.chars().all(|letter| matches!(letter, ',' | ';')) {
                    piece.after.as_str()
                } else {
                    ", "
                };
                whole.text.push_str(separator);
                whole.text.push_str(&piece.text);
            }
            Some(whole) if is_short && digit_count(&whole.text) >= WHOLE_DIGITS_MIN => {
                if piece.after.starts_with('/') {
                    whole.shorthand.push('/');
                    whole.shorthand.push_str(piece.text.trim());
                } else if piece.after.starts_with([',', '，']) && !whole.text.contains(',') {
                    whole.text.push_str(&piece.after);
                    whole.text.push_str(&piece.text);
                } else {
                    joined.push(piece);
                }
            }
            _ => joined.push(piece),
        }
    }
    joined
}

fn is_bare(text: &str) -> bool {
    text.chars().all(|letter| !letter.is_alphabetic())
}

fn digit_count(text: &str) -> usize {
    readable(text, FIELD_CHARS_MAX).map_or(0, |read| read.chars().filter(char::is_ascii_digit).count())
}
