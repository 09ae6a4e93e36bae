//! Where a typed number leads, whether it may be called, and what the PBX is told.
//!
//! Emergency and internal numbers and codes are dialled as typed and never barred. A public number is barred by what it
//! would cost: premium-rate numbers and numbers abroad unless they are allowed, and whatever is denied. Kinds and regions
//! are `rlibphonenumber`'s.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CrmError;
use crate::number::{DialPlan, E164_DIGITS_MAX, dialled_part};

/// How a dialled number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DialFormat {
    /// `+78312123456`
    Plus,
    /// `78312123456`
    E164,
    /// `88312123456`
    National,
    /// As it was typed.
    AsTyped,
}

/// Where a typed number leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A public number.
    Outside {
        /// `+` and digits.
        number: String,
        /// What was typed, nothing but `+`, digits, `*` and `#`.
        typed: String,
    },
    /// An internal number, digits.
    Inside(String),
    /// An emergency number, digits of no numbering plan or a code: digits, `*` and `#`.
    Special(String),
}

/// A text that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no telephone number can be read from this; write digits, such as +7 831 212-34-56, 8 (831) 212-34-56 or 105"
)]
pub struct NoDestination;

impl Destination {
    /// Reads what a user typed or clicked.
    ///
    /// # Errors
    /// Letters, several numbers, nothing.
    pub fn read(plan: &DialPlan, text: &str) -> Result<Self, NoDestination> {
        let text = dialled_part(text);
        let number = plan.number(&text);
        match (number.e164, number.extension) {
            (Some(number), None) => Ok(Self::Outside { number, typed: dialled_signs(&text) }),
            // The digits of the extension would be dialled as part of the number.
            (Some(number), Some(_)) => {
                let typed = plan.national_form(&number);
                Ok(Self::Outside { number, typed })
            }
            (None, Some(digits)) => Ok(Self::Inside(digits)),
            (None, None) => Self::read_sign_by_sign(&text),
        }
    }

    /// What no plan explains is dialled when it is nothing but what a telephone has keys for.
    fn read_sign_by_sign(text: &str) -> Result<Self, NoDestination> {
        let lawful = |letter: char| {
            letter.is_ascii_digit() || matches!(letter, '+' | '*' | '#' | ' ' | '-' | '(' | ')' | '.')
        };
        let typed = dialled_signs(text);
        let digits = typed.strip_prefix('+').unwrap_or(&typed);
        if !text.chars().all(lawful) || digits.is_empty() || digits.contains('+') {
            return Err(NoDestination);
        }
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        match typed.starts_with('+') {
            true if plain && digits.len() <= E164_DIGITS_MAX => {
                Ok(Self::Outside { number: typed.clone(), typed })
            }
            true => Err(NoDestination),
            false => Ok(Self::Special(typed)),
        }
    }

    /// Yields the number as calls keep it: E.164, else as typed.
    #[must_use]
    pub fn number(&self) -> &str {
        match self {
            Self::Outside { number, .. } => number,
            Self::Inside(typed) | Self::Special(typed) => typed,
        }
    }

    /// Yields what the PBX is told: a public number in the line's format behind the line's prefix, all else as typed.
    #[must_use]
    pub fn dialled(&self, plan: &DialPlan, format: DialFormat, prefix: Option<&str>) -> String {
        let Self::Outside { number, typed } = self else { return self.number().to_owned() };
        let bare = number.trim_start_matches('+');
        let written = match format {
            DialFormat::Plus => number.clone(),
            DialFormat::E164 => bare.to_owned(),
            DialFormat::National => plan.national_form(number),
            DialFormat::AsTyped => typed.clone(),
        };
        format!("{}{written}", prefix.unwrap_or_default())
    }
}

/// Keeps what a telephone has keys for, and a leading `+`.
fn dialled_signs(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_digit() || matches!(letter, '+' | '*' | '#')).collect()
}

/// Which public numbers may be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Barring {
    international: bool,
    premium: bool,
    allow: Vec<String>,
    deny: Vec<String>,
}

/// Why a number may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Barred {
    /// It is on the list.
    #[error("this number is on the list dialplan.deny; an administrator can change it")]
    Denied,
    /// It costs more than a call.
    #[error(
        "this is a premium-rate number; an administrator can allow it by dialplan.allow or dialplan.premium"
    )]
    Premium,
    /// It is in another country.
    #[error(
        "this number is abroad; an administrator can allow it by dialplan.allow or dialplan.international"
    )]
    International,
}

impl Barring {
    /// Checks a configured barring; `allow` and `deny` are beginnings of E.164 numbers such as `+375`.
    ///
    /// # Errors
    /// A beginning that is not `+` and 1 to 15 digits.
    pub fn new(
        international: bool,
        premium: bool,
        allow: &[String],
        deny: &[String],
    ) -> Result<Self, CrmError> {
        let beginnings = |key: &'static str, texts: &[String]| {
            texts.iter().map(|text| beginning(key, text)).collect::<Result<Vec<_>, _>>()
        };
        let (allow, deny) = (beginnings("allow", allow)?, beginnings("deny", deny)?);
        Ok(Self { international, premium, allow, deny })
    }

    /// Tells whether a destination may be called. Of a denied and an allowed beginning the longer decides.
    ///
    /// # Errors
    /// [`Barred`]; never for what is not a public number.
    pub fn permit(&self, plan: &DialPlan, destination: &Destination) -> Result<(), Barred> {
        let Destination::Outside { number, .. } = destination else { return Ok(()) };
        let longest = |list: &[String]| {
            list.iter().filter(|begin| number.starts_with(begin.as_str())).map(String::len).max()
        };
        match (longest(&self.allow), longest(&self.deny)) {
            (allowed, Some(denied)) if allowed.is_none_or(|allowed| allowed <= denied) => {
                return Err(Barred::Denied);
            }
            (Some(_), _) => return Ok(()),
            (None, _) => {}
        }
        if !self.premium && plan.is_premium(number) {
            return Err(Barred::Premium);
        }
        if !self.international && plan.is_abroad(number) {
            return Err(Barred::International);
        }
        Ok(())
    }
}

fn beginning(key: &'static str, text: &str) -> Result<String, CrmError> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let fits =
        (1..=E164_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err(CrmError::NoBeginning { key, text: text.to_owned() }) }
}
