//! Numbering plans and the matching of a caller to the contacts.
//!
//! Pure computation over given values: what a typed or received number means ([`number`]), which of a call's headers
//! names the caller ([`identity`]), who among the found contacts it may be ([`matching`]), and the key by which names are
//! sorted and searched ([`keys`]), what other programs' files say of contacts ([`import`]). It deliberately reads no database, no clock and no network.

pub mod dialling;
pub mod identity;
pub mod import;
pub mod keys;
pub mod matching;
pub mod number;

pub use dialling::{Barred, Barring, Destination, DialFormat, NoDestination};
pub use identity::{Identity, IdentityHeaders, IdentitySource, Party, choose_identity};
pub use keys::sort_key;
pub use matching::{Candidate, ContactRef, Found, Level, NumberOwner, Reason, Score, Signals, rank};
pub use number::{
    CallerNumber, DialPlan, Number, NumberSearch, SuffixProbes, Withheld, dialled_part, suffix_key,
};

/// What is wrong with a given dial plan or stored value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrmError {
    /// The region is no ISO 3166 code with a numbering plan.
    #[error("dialplan.region: unknown region {region:?}, write a two-letter country code such as \"RU\"")]
    UnknownRegion {
        /// The region as configured.
        region: String,
    },
    /// A prefix or an emergency number holds something other than digits.
    #[error("dialplan.{key}: {text:?} is no prefix or number, write at most 8 digits")]
    NotDigits {
        /// The configuration key's last part.
        key: &'static str,
        /// The text as configured.
        text: String,
    },
    /// An entry of the allowed or denied numbers is no beginning of an E.164 number.
    #[error("dialplan.{key}: {text:?} is no beginning of a number, write + and digits such as \"+375\"")]
    NoBeginning {
        /// The configuration key's last part.
        key: &'static str,
        /// The text as configured.
        text: String,
    },
    /// Internal numbers of that length could not be told from public ones.
    #[error("dialplan.internal_digits_max: {digits} is too long, write a number from 0 to 7")]
    InternalDigits {
        /// The length as configured.
        digits: u8,
    },
    /// A stored score lies outside 0 to 1.
    #[error("a score of {score} is not between 0 and 1")]
    ScoreRange {
        /// The score as text.
        score: String,
    },
}
