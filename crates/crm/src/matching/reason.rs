//! Why a candidate is shown. Structured inside, one English sentence outside; a sentence reads back as the reason it was,
//! so a recorded match survives the ledger unchanged.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One reason for a candidate's place; in JSON its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reason {
    /// The contact's number is the caller's.
    SameNumber,
    /// The contact's number and extension are the caller's.
    SameNumberAndExtension {
        /// The extension's digits.
        extension: String,
    },
    /// The contact's internal extension is the caller's.
    SameExtension {
        /// The extension's digits.
        extension: String,
    },
    /// The number is the contact's company's own.
    CompanyNumber,
    /// Several contacts of one company hold the number.
    Switchboard,
    /// The contact sits behind this number at an extension, and the caller sent none.
    BehindExtension {
        /// The contact's extension.
        extension: String,
    },
    /// The number is the caller's, the extension is not.
    OtherExtension,
    /// Only the last digits are the same.
    SameLastDigits {
        /// How many.
        digits: usize,
    },
    /// Other contacts hold the number too.
    Shared {
        /// How many others.
        others: usize,
    },
    /// The called user is responsible for the contact.
    Responsible,
    /// Somebody talked with the contact lately.
    RecentTalk {
        /// Full days since then.
        days: u32,
    },
    /// The number is marked as a personal one.
    PersonalNumber,
    /// A sentence that this version does not know, kept as it was recorded.
    Recorded(String),
}

const SAME_NUMBER: &str = "The number is this contact's.";
const SAME_BOTH: &str = "The number and the extension are this contact's: ";
const SAME_EXTENSION: &str = "The internal extension is this contact's: ";
const COMPANY_NUMBER: &str = "The number is the company's.";
const SWITCHBOARD: &str = "Several contacts of the company have this number.";
const BEHIND: &str = "The contact is behind this number at extension ";
const OTHER_EXTENSION: &str = "The number is the same, the extension is not.";
const LAST_DIGITS: &str = "Only the last digits are the same: ";
const SHARED: &str = "Other contacts with this number: ";
const RESPONSIBLE: &str = "The called user is responsible for this contact.";
const RECENT_TALK: &str = "Days since the last talk: ";
const PERSONAL: &str = "The number is marked as personal.";

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameNumber => out.write_str(SAME_NUMBER),
            Self::SameNumberAndExtension { extension } => write!(out, "{SAME_BOTH}{extension}."),
            Self::SameExtension { extension } => write!(out, "{SAME_EXTENSION}{extension}."),
            Self::CompanyNumber => out.write_str(COMPANY_NUMBER),
            Self::Switchboard => out.write_str(SWITCHBOARD),
            Self::BehindExtension { extension } => write!(out, "{BEHIND}{extension}."),
            Self::OtherExtension => out.write_str(OTHER_EXTENSION),
            Self::SameLastDigits { digits } => write!(out, "{LAST_DIGITS}{digits}."),
            Self::Shared { others } => write!(out, "{SHARED}{others}."),
            Self::Responsible => out.write_str(RESPONSIBLE),
            Self::RecentTalk { days } => write!(out, "{RECENT_TALK}{days}."),
            Self::PersonalNumber => out.write_str(PERSONAL),
            Self::Recorded(sentence) => out.write_str(sentence),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl From<String> for Reason {
    fn from(sentence: String) -> Self {
        let known = match sentence.as_str() {
            SAME_NUMBER => Some(Self::SameNumber),
            COMPANY_NUMBER => Some(Self::CompanyNumber),
            SWITCHBOARD => Some(Self::Switchboard),
            OTHER_EXTENSION => Some(Self::OtherExtension),
            RESPONSIBLE => Some(Self::Responsible),
            PERSONAL => Some(Self::PersonalNumber),
            other => with_value(other),
        };
        // A number printed otherwise than we print it (`007`) would not read back as the same sentence.
        known.filter(|reason| reason.to_string() == sentence).unwrap_or(Self::Recorded(sentence))
    }
}

fn with_value(sentence: &str) -> Option<Reason> {
    let body = sentence.strip_suffix('.')?;
    if let Some(extension) = body.strip_prefix(SAME_BOTH) {
        return Some(Reason::SameNumberAndExtension { extension: extension.to_owned() });
    }
    if let Some(extension) = body.strip_prefix(SAME_EXTENSION) {
        return Some(Reason::SameExtension { extension: extension.to_owned() });
    }
    if let Some(extension) = body.strip_prefix(BEHIND) {
        return Some(Reason::BehindExtension { extension: extension.to_owned() });
    }
    if let Some(digits) = body.strip_prefix(LAST_DIGITS) {
        return digits.parse().ok().map(|digits| Reason::SameLastDigits { digits });
    }
    if let Some(others) = body.strip_prefix(SHARED) {
        return others.parse().ok().map(|others| Reason::Shared { others });
    }
    let days = body.strip_prefix(RECENT_TALK)?;
    days.parse().ok().map(|days| Reason::RecentTalk { days })
}
