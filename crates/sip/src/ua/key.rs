//! A key of a telephone.

use std::fmt;

/// A key of a telephone: 0 to 9, `*`, `#`, A to D. Never shown: keys may be a card number or a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(char);

impl Key {
    /// Reads a key; `None` for anything else.
    #[must_use]
    pub fn of(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(key))
    }

    /// Reads a key as it stands in an INFO: the key itself, or 10 and 11 for star and hash as some gateways write.
    #[must_use]
    pub fn of_signal(signal: &str) -> Option<Self> {
        let mut chars = signal.chars();
        match (signal, chars.next(), chars.next()) {
            ("10", ..) => Self::of('*'),
            ("11", ..) => Self::of('#'),
            (_, Some(key), None) => Self::of(key),
            _ => None,
        }
    }

    /// Gives the key. Never to be logged.
    #[must_use]
    pub fn get(self) -> char {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_every_spelling_and_never_shown() {
        let read = |signal: &str| Key::of_signal(signal).map(Key::get);
        assert_eq!(
            ["5", "*", "#", "a", "10", "11"].map(read),
            [Some('5'), Some('*'), Some('#'), Some('A'), Some('*'), Some('#')]
        );
        assert_eq!(["", "12", "x", "55"].map(read), [None; 4]);
        assert_eq!(format!("{:?}", Key::of('7')), "Some(Key)");
    }
}
