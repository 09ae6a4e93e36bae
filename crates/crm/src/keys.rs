//! The key by which names are searched and sorted, made in Rust because databases fold ASCII only (`LOWER`, `LIKE` of
//! SQLite) or by a collation that differs from host to host.
//!
//! Not a transliteration and not a stemmer: `Иванов` and `Ivanov` have different keys. Normalisation is UAX #15 (NFKC).

use unicode_normalization::UnicodeNormalization;

/// The longest key in characters; a longer name is cut, so that an index row stays bounded.
pub const KEY_CHARS_MAX: usize = 200;

/// Folds a name for search and sort: NFKC, lower case, `ё` to `е`, runs of white space to one space, no control characters.
///
/// Two spellings of the same name give the same key, and a key is its own key. At most [`KEY_CHARS_MAX`] characters.
#[must_use]
pub fn sort_key(name: &str) -> String {
    // Lower-casing can leave sequences that NFKC composes further (Kelvin sign, dotted İ), so it is framed by two passes.
    let folded: String =
        name.chars().take(KEY_CHARS_MAX * 4).nfkc().flat_map(fold_case).nfkc().map(yo_to_ye).collect();
    let mut key = String::with_capacity(folded.len());
    for word in folded.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    let cut: String = key.chars().filter(|letter| !is_invisible(*letter)).take(KEY_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

fn fold_case(letter: char) -> impl Iterator<Item = char> {
    // German ß and its capital fold to ss (CaseFolding.txt, status F); to_lowercase alone would keep them apart from "SS".
    let (sharp, other) =
        if matches!(letter, 'ß' | 'ẞ') { (Some("ss"), None) } else { (None, Some(letter.to_lowercase())) };
    sharp.into_iter().flat_map(str::chars).chain(other.into_iter().flatten()).map(|lower| match lower {
        'ς' => 'σ',
        lower => lower,
    })
}

fn yo_to_ye(letter: char) -> char {
    if letter == 'ё' { 'е' } else { letter }
}

/// Zero-width and direction marks, which are copied along with names and cannot be seen.
pub(crate) fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        assert_eq!(sort_key("Королёв Пётр"), sort_key("КОРОЛЕВ  ПЕТР"));
        assert_eq!(sort_key("Коро\u{0435}\u{0308}в"), "короев", "a decomposed ё is a ё too");
        assert_eq!(sort_key("ＡＢＣ"), "abc", "full-width letters");
        assert_eq!(sort_key("Straße"), sort_key("STRASSE"));
        assert_eq!(sort_key(" \t ООО\u{a0}«Ромашка» \n"), "ооо «ромашка»");
        assert_eq!(sort_key("a\u{200b}b\u{0}c"), "ab c");
    }

    #[test]
    fn й_stays_й() {
        assert_eq!(sort_key("Андре\u{0438}\u{0306}"), "андрей");
        assert_ne!(sort_key("Андрей"), sort_key("Андреи"));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(sort_key(&"я".repeat(10_000)).chars().count(), KEY_CHARS_MAX);
    }
}
