//! Searching for a number of which perhaps only a part is typed: its beginning in any spelling, or its last digits.

use super::{DialPlan, clean, suffix_key};

/// Fewer digits than this fit too many numbers to be taken as a part of one.
const PART_DIGITS_MIN: usize = 4;

/// What to look for in the columns of numbers; a row that fits any part is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSearch {
    /// The whole public number.
    pub e164: Option<String>,
    /// The whole internal number, or one behind a public number.
    pub extension: Option<String>,
    /// What a public number may begin with, `+` and digits.
    pub beginnings: Vec<String>,
    /// What the column of reversed digits may begin with.
    pub ending: Option<String>,
}

impl DialPlan {
    /// Reads what is typed into a search; none when it is no number and no part of one.
    #[must_use]
    pub fn search(&self, typed: &str) -> Option<NumberSearch> {
        let number = self.number(typed);
        let compact = clean::compact(typed);
        let digits = compact.strip_prefix('+').unwrap_or(&compact);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain {
            let extension = number.extension.filter(|_| number.e164.is_none());
            let read = number.e164.is_some() || extension.is_some();
            return read.then(|| NumberSearch { e164: number.e164, extension, ..NumberSearch::default() });
        }
        let is_part = digits.len() >= PART_DIGITS_MIN;
        // A number that is whole when read at home may be the beginning of one abroad.
        let beginnings = if is_part { self.beginnings(&compact) } else { Vec::new() };
        let ending = (is_part && number.e164.is_none()).then(|| suffix_key(digits));
        let extension = number.e164.is_none().then(|| digits.to_owned());
        Some(NumberSearch { e164: number.e164, extension, beginnings, ending })
    }
}
