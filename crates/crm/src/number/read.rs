//! Reads one number: `[word] digits [extension mark digits] [word]`, after the dial plan has had the first say.

use super::clean::{is_grouping, readable, typed};
use super::plan::{DialPlan, Inside};
use super::{TYPED_CHARS_MAX, uri};
use std::iter::Peekable;
use std::str::Chars;

/// The longest extension behind a public number, in digits.
const EXTENSION_DIGITS_MAX: usize = 10;
/// From this many digits on a number is a whole one, and what follows a comma or `#` is an extension.
pub(super) const WHOLE_DIGITS_MIN: usize = 6;

const EXTENSION_WORDS: [&str; 14] = [
    "доб",
    "добавочный",
    "доп",
    "вн",
    "внутр",
    "внутренний",
    "ext",
    "extn",
    "extension",
    "x",
    "х",
    "int",
    "anexo",
    "durchwahl",
];

/// Words that only say "here comes a number".
const NUMBER_WORDS: [&str; 6] = ["тел", "телефон", "т", "tel", "phone", "номер"];

const LABEL_WORDS: [(&str, &str); 22] = [
    ("моб", "mobile"),
    ("мобильный", "mobile"),
    ("сот", "mobile"),
    ("сотовый", "mobile"),
    ("mobile", "mobile"),
    ("mob", "mobile"),
    ("cell", "mobile"),
    ("m", "mobile"),
    ("раб", "work"),
    ("рабочий", "work"),
    ("служ", "work"),
    ("work", "work"),
    ("office", "work"),
    ("офис", "work"),
    ("w", "work"),
    ("дом", "home"),
    ("домашний", "home"),
    ("home", "home"),
    ("h", "home"),
    ("факс", "fax"),
    ("ф", "fax"),
    ("fax", "fax"),
];

/// What one text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Extension(String),
    E164 {
        number: String,
        extension: Option<String>,
    },
    /// Emergency numbers, service codes, digits of no plan, anything else.
    Text,
}

/// A text's meaning and the label found in its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) meaning: Meaning,
    pub(super) label: Option<&'static str>,
}

impl Reading {
    const TEXT: Self = Self { meaning: Meaning::Text, label: None };
}

/// Reads one number or URI as typed.
pub(super) fn read(plan: &DialPlan, text: &str) -> Reading {
    let cut = uri::take_apart(text);
    // A local number of a whole context (RFC 3966 section 5.1.5); a context that is a host name leaves it to the dial plan.
    let dialled = match cut.context.as_deref() {
        Some(context) if context.starts_with('+') && !cut.dialled.starts_with('+') => {
            format!("{context}{}", cut.dialled)
        }
        _ => cut.dialled,
    };
    let Some(text) = readable(&dialled, TYPED_CHARS_MAX) else {
        return Reading::TEXT;
    };
    let Some(parts) = tokens(&text).and_then(|tokens| Parts::of(&tokens)) else {
        return Reading::TEXT;
    };
    let named = cut.extension.and_then(|extension| readable(&extension, TYPED_CHARS_MAX));
    let extension = parts.extension.or(named.filter(|digits| is_extension(digits)));
    // A word that we do not know makes a few digits a house number, a code, anything; nobody has an extension at home.
    let is_something_else = parts.other_words || parts.label == Some("home");
    if is_something_else && plan.inside(&parts.digits) == Inside::Extension {
        return Reading::TEXT;
    }
    Reading { meaning: means(plan, &parts.digits, extension), label: parts.label }
}

fn means(plan: &DialPlan, digits: &str, extension: Option<String>) -> Meaning {
    match plan.inside(digits) {
        // A number that is inside cannot have an extension behind it.
        _ if digits.starts_with('+') => {}
        Inside::Emergency => return Meaning::Text,
        Inside::Extension if extension.is_none() => return Meaning::Extension(digits.to_owned()),
        Inside::Extension => return Meaning::Text,
        Inside::No => {}
    }
    match plan.e164(digits) {
        Some(number) => Meaning::E164 { number, extension },
        None => Meaning::Text,
    }
}

fn is_extension(digits: &str) -> bool {
    (1..=EXTENSION_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Digits, perhaps after `+`, without grouping.
    Digits(String),
    /// A run of letters that does not touch digits of a number.
    Word(String),
    /// `,` `;` `#` or several of them: a pause before further digits, or the end of them.
    Pause,
}

/// Splits readable text; none when something stands there that no typed number contains.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    let mut after_digit = false;
    while let Some(&letter) = rest.peek() {
        match letter {
            '+' | '0'..='9' => {
                let (digits, touches) = take_digits(&mut rest)?;
                tokens.push(Token::Digits(digits));
                after_digit = touches;
                continue;
            }
            letter if letter.is_alphabetic() => {
                tokens.push(take_word(&mut rest, after_digit)?);
            }
            ',' | ';' | '#' => {
                if tokens.last() != Some(&Token::Pause) {
                    tokens.push(Token::Pause);
                }
                rest.next();
            }
            letter if is_grouping(letter) || matches!(letter, ':' | '=' | '№') => {
                rest.next();
            }
            _ => return None,
        }
        after_digit = false;
    }
    Some(tokens)
}

/// The digits, and whether the last of them touches what follows.
fn take_digits(rest: &mut Peekable<Chars<'_>>) -> Option<(String, bool)> {
    let (mut digits, mut touches) = (String::new(), false);
    while let Some(&letter) = rest.peek() {
        match letter {
            '+' if digits.is_empty() => digits.push('+'),
            // A second `+` with no separator between the two is no number that anybody writes.
            '+' => return None,
            '0'..='9' => digits.push(letter),
            letter if is_grouping(letter) => {}
            _ => break,
        }
        touches = letter.is_ascii_digit();
        rest.next();
    }
    digits.bytes().any(|byte| byte.is_ascii_digit()).then_some((digits, touches))
}

/// Letters that touch digits are part of something else (`1202555O100`), unless they mark an extension (`x105`).
fn take_word(rest: &mut Peekable<Chars<'_>>, after_digit: bool) -> Option<Token> {
    let mut word = String::new();
    while let Some(letter) = rest.next_if(|letter| letter.is_alphabetic()) {
        word.push(letter);
    }
    let before_digit = rest.peek().is_some_and(char::is_ascii_digit);
    let marks = EXTENSION_WORDS.contains(&word.as_str());
    (marks || !(after_digit || before_digit)).then_some(Token::Word(word))
}

struct Parts {
    digits: String,
    extension: Option<String>,
    label: Option<&'static str>,
    other_words: bool,
}

impl Parts {
    /// Accepts exactly one number with at most one marked extension; words may stand before, between and after.
    fn of(tokens: &[Token]) -> Option<Self> {
        let mut digits: Option<String> = None;
        let (mut extension, mut label, mut marked, mut other_words) = (None, None, false, false);
        for token in tokens {
            match token {
                Token::Digits(found) if digits.is_none() && !marked => digits = Some(found.clone()),
                Token::Digits(found) if marked && extension.is_none() && is_extension(found) => {
                    extension = Some(found.clone());
                    marked = false;
                }
                Token::Digits(_) => return None,
                // A mark before any digits: `доб. 105` is the internal number alone.
                Token::Word(word) if EXTENSION_WORDS.contains(&word.as_str()) => marked = digits.is_some(),
                Token::Word(word) => match label_of(word) {
                    Some(known) => label = label.or(Some(known)),
                    None => other_words |= !NUMBER_WORDS.contains(&word.as_str()),
                },
                Token::Pause => {
                    marked |= digits.as_ref().is_some_and(|digits| digits.len() >= WHOLE_DIGITS_MIN)
                }
            }
        }
        Some(Self { digits: digits?, extension, label, other_words })
    }
}

fn label_of(word: &str) -> Option<&'static str> {
    LABEL_WORDS.iter().find(|(written, _)| *written == word).map(|(_, label)| *label)
}

/// Tells whether a piece of a field begins with an extension's mark, so that it belongs to the number before it.
pub(super) fn begins_with_extension_mark(piece: &str) -> bool {
    let read = readable(piece, TYPED_CHARS_MAX).unwrap_or_default();
    let word = read.trim_start_matches(is_grouping).split(|letter: char| !letter.is_alphabetic()).next();
    word.is_some_and(|word| EXTENSION_WORDS.contains(&word))
}

/// Tells whether a text is a service code (`*97`, `#31#…`): to be kept as typed.
pub(super) fn is_service_code(text: &str) -> bool {
    typed(text).starts_with(['*', '#'])
}
