//! What a typed or received telephone number means.
//!
//! The [`DialPlan`] is asked first: an internal number such as 105 is an extension and never becomes +7105; emergency numbers
//! and service codes stay as typed. Only then `rlibphonenumber` reads the text by the region's numbering plan (E.164).
//! It deliberately invents nothing: letters are not turned into digits, a shorthand such as `212-34-56/57` is not expanded,
//! and what cannot be read stays text. `tel:` URIs are RFC 3966, telephone users in `sip:` URIs RFC 3261 section 19.1.6,
//! the anonymous URI RFC 3323 section 4.1.1.3.

mod clean;
mod field;
mod plan;
mod read;
mod search;
mod uri;

pub use field::dialled_part;
pub use plan::DialPlan;
pub use search::NumberSearch;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest text kept of one number as typed, in characters.
pub const TYPED_CHARS_MAX: usize = 128;
/// The most numbers read from one field.
pub const FIELD_NUMBERS_MAX: usize = 32;
/// Fewer common last digits than this say nothing about a caller.
pub const SUFFIX_DIGITS_MIN: usize = 6;
/// The most digits of an E.164 number (ITU-T E.164 section 6).
pub const E164_DIGITS_MAX: usize = 15;

/// A number as api.md shows it: as typed, and what it means.
///
/// `e164` starts with `+` and has at most 15 digits. Without `e164`, an `extension` is an internal number of this telephone
/// system; beside it, the extension behind that number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Number {
    /// As typed, without control characters and direction marks, at most [`TYPED_CHARS_MAX`] characters.
    pub number: String,
    /// The public number, `+` and digits.
    pub e164: Option<String>,
    /// Digits.
    pub extension: Option<String>,
    /// What the number is for, such as `mobile` or `work`.
    pub label: Option<String>,
}

impl Number {
    /// The bare digits to compare last digits by: of the E.164 number, else of the typed text when it is nothing but digits
    /// and punctuation, else none. An extension or a service code has none.
    #[must_use]
    pub fn digits(&self) -> String {
        if let Some(e164) = &self.e164 {
            return e164.trim_start_matches('+').to_owned();
        }
        let compact = clean::compact(&self.number);
        let plain = compact.chars().all(|letter| letter.is_ascii_digit());
        if self.extension.is_some() || !plain { String::new() } else { compact }
    }

    /// The value of the indexed column of reversed digits; none when there are too few digits to find anybody by.
    #[must_use]
    pub fn suffix_key(&self) -> Option<String> {
        let digits = self.digits();
        (digits.len() >= SUFFIX_DIGITS_MIN).then(|| suffix_key(&digits))
    }

    /// What to look up in the column of reversed digits to find all numbers with the same last digits.
    ///
    /// None when an exact search is all that makes sense: an extension, a service code, too few or too many digits.
    #[must_use]
    pub fn suffix_probes(&self) -> Option<SuffixProbes> {
        let key = self.suffix_key().filter(|key| key.len() <= E164_DIGITS_MAX)?;
        let equal = (SUFFIX_DIGITS_MIN..key.len()).filter_map(|length| key.get(..length)).map(str::to_owned);
        Some(SuffixProbes { from: key.clone(), below: format!("{key}:"), equal: equal.collect() })
    }
}

/// The look-ups in the column of reversed digits; a row that fits either half is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuffixProbes {
    /// First key of the half-open range of longer numbers that end with these digits: `from <= key AND key < below`.
    pub from: String,
    /// First key past the range (`:` follows `9`); keys compare by bytes.
    pub below: String,
    /// Keys of shorter numbers that these digits end with; to be compared for equality.
    pub equal: Vec<String>,
}

/// Reverses the digits of a number for the indexed column: `+78312123456` to `65432121387`. Other characters are left out.
#[must_use]
pub fn suffix_key(e164: &str) -> String {
    e164.chars().filter(char::is_ascii_digit).rev().collect()
}

/// Why a caller has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The caller calls itself anonymous (RFC 3323).
    Anonymous,
    /// The network marks the number as restricted, private or blocked.
    Restricted,
    /// The network has no number to show.
    Unavailable,
    /// There is no user part at all.
    Empty,
    /// A `Privacy` header or a `privacy` parameter asks to keep it back.
    Privacy,
}

/// Who calls, as far as the number says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallerNumber {
    /// No number is to be shown.
    Withheld {
        /// Why not.
        why: Withheld,
    },
    /// An internal number of this telephone system.
    Extension {
        /// Its digits.
        digits: String,
    },
    /// A public number.
    E164 {
        /// `+` and digits.
        number: String,
        /// The extension behind it, digits.
        extension: Option<String>,
    },
    /// Something else: a service code, digits of no numbering plan, a name.
    Other {
        /// The text without control characters, at most [`TYPED_CHARS_MAX`] characters.
        text: String,
    },
}

impl CallerNumber {
    /// The value of `*_number` in calls: E.164, else bare digits, none when withheld or no number at all. A `+` and digits
    /// of no numbering plan that is known here stays as it is: plans grow faster than what is known of them.
    #[must_use]
    pub fn call_number(&self) -> Option<&str> {
        match self {
            Self::Withheld { .. } => None,
            Self::Extension { digits } => Some(digits),
            Self::E164 { number, .. } => Some(number),
            Self::Other { text } => Some(text.as_str()).filter(|text| is_dialled_digits(text)),
        }
    }

    /// The number to match contacts by; none when there is none.
    #[must_use]
    pub fn to_number(&self) -> Option<Number> {
        let (e164, extension) = match self {
            Self::Withheld { .. } => return None,
            Self::Extension { digits } => (None, Some(digits.clone())),
            Self::E164 { number, extension } => (Some(number.clone()), extension.clone()),
            Self::Other { .. } => (None, None),
        };
        Some(Number { number: self.call_number()?.to_owned(), e164, extension, label: None })
    }
}

fn is_dialled_digits(text: &str) -> bool {
    let digits = match text.strip_prefix('+') {
        Some(digits) if digits.len() > E164_DIGITS_MAX => return false,
        Some(digits) => digits,
        None => text,
    };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
