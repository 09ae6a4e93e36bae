//! The dial plan: which digits stay inside, which are public, and the public ones by `rlibphonenumber`.

use super::E164_DIGITS_MAX;
use crate::CrmError;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, enums::Region};

const PREFIX_DIGITS_MAX: usize = 8;
const INTERNAL_DIGITS_LIMIT: u8 = 7;
/// A full number without `+` and trunk prefix is only believed to start with a country code from this length on.
const BARE_E164_DIGITS_MIN: usize = 11;

/// How numbers are dialled here (`[dialplan]` of the configuration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialPlan {
    region: Region,
    international_prefix: String,
    trunk_prefix: String,
    internal_digits_max: u8,
    emergency: Vec<String>,
}

impl Default for DialPlan {
    /// Russia: 810, 8, internal numbers of up to 5 digits, 101 to 104 and 112.
    fn default() -> Self {
        Self {
            region: Region::RU,
            international_prefix: "810".to_owned(),
            trunk_prefix: "8".to_owned(),
            internal_digits_max: 5,
            emergency: ["101", "102", "103", "104", "112"].map(str::to_owned).to_vec(),
        }
    }
}

/// What the dial plan alone says about bare digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Emergency,
    Extension,
    No,
}

impl DialPlan {
    /// Checks a configured plan. `region` is an ISO 3166 code in any case; an empty prefix means that there is none.
    ///
    /// Errors: an unknown region, a prefix or emergency number that is not 1 to 8 digits, internal numbers of more than 7.
    pub fn new(
        region: &str,
        international_prefix: &str,
        trunk_prefix: &str,
        internal_digits_max: u8,
        emergency: &[String],
    ) -> Result<Self, CrmError> {
        let unknown = || CrmError::UnknownRegion { region: region.to_owned() };
        let known: Region = region.trim().to_ascii_uppercase().parse().map_err(|_| unknown())?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(known).ok_or_else(unknown)?;
        if internal_digits_max > INTERNAL_DIGITS_LIMIT {
            return Err(CrmError::InternalDigits { digits: internal_digits_max });
        }
        let emergency = emergency.iter().map(|number| short_digits("emergency", number));
        Ok(Self {
            region: known,
            international_prefix: optional_digits("international_prefix", international_prefix)?,
            trunk_prefix: optional_digits("trunk_prefix", trunk_prefix)?,
            internal_digits_max,
            emergency: emergency.collect::<Result<_, _>>()?,
        })
    }

    /// The longest internal number, in digits.
    #[must_use]
    pub fn internal_digits_max(&self) -> usize {
        usize::from(self.internal_digits_max)
    }

    /// Tells whether bare digits are one of the emergency numbers.
    #[must_use]
    pub fn is_emergency(&self, digits: &str) -> bool {
        self.emergency.iter().any(|number| number == digits)
    }

    pub(super) fn inside(&self, digits: &str) -> Inside {
        if self.is_emergency(digits) {
            return Inside::Emergency;
        }
        if !digits.is_empty() && digits.len() <= self.internal_digits_max() {
            Inside::Extension
        } else {
            Inside::No
        }
    }

    /// The E.164 form of `+digits` or of digits as dialled here; the caller has asked [`DialPlan::inside`] before.
    pub(super) fn e164(&self, dialled: &str) -> Option<String> {
        // Longer than any prefix and number together; keeps the library's work bounded.
        if dialled.len() > E164_DIGITS_MAX + PREFIX_DIGITS_MAX + 1 {
            return None;
        }
        if let Some(digits) = dialled.strip_prefix('+') {
            return possible(digits);
        }
        let abroad = ["00", self.international_prefix.as_str()];
        for prefix in abroad.into_iter().filter(|prefix| !prefix.is_empty()) {
            if let Some(found) = dialled.strip_prefix(prefix).and_then(possible) {
                return Some(found);
            }
        }
        self.national(dialled).or_else(|| self.bare_country_code(dialled))
    }

    /// What the E.164 form of a number may begin with that is typed only so far: digits, perhaps after `+`.
    pub(super) fn beginnings(&self, dialled: &str) -> Vec<String> {
        if dialled.starts_with('+') {
            return vec![dialled.to_owned()];
        }
        let home = PHONE_NUMBER_UTIL.get_country_code_for_region(self.region);
        let at_home = |digits: &str| home.map(|code| format!("+{code}{digits}"));
        let behind =
            |prefix: &str| dialled.strip_prefix(prefix).filter(|rest| !prefix.is_empty() && !rest.is_empty());
        let abroad = behind(&self.international_prefix).map(|digits| format!("+{digits}"));
        let behind_trunk = behind(&self.trunk_prefix).and_then(at_home);
        let bare = Some(format!("+{dialled}"));
        [abroad, behind_trunk, at_home(dialled), bare].into_iter().flatten().collect()
    }

    fn national(&self, dialled: &str) -> Option<String> {
        let parsed = PHONE_NUMBER_UTIL.parse(dialled, Some(self.region)).ok();
        if let Some(number) = parsed.filter(|number| number.is_valid()) {
            return printed(&number);
        }
        let behind_trunk =
            dialled.strip_prefix(&self.trunk_prefix).filter(|_| !self.trunk_prefix.is_empty())?;
        let country_code = PHONE_NUMBER_UTIL.get_country_code_for_region(self.region)?;
        possible(&format!("{country_code}{behind_trunk}"))
    }

    /// `12025550100` and `375291234567`: many PBXes leave out the `+`. Another country's number must be a valid one, else
    /// digits of anything would become a number abroad.
    fn bare_country_code(&self, dialled: &str) -> Option<String> {
        if dialled.len() < BARE_E164_DIGITS_MIN || dialled.starts_with('0') {
            return None;
        }
        let number = PHONE_NUMBER_UTIL.parse(format!("+{dialled}"), None).ok()?;
        let at_home = PHONE_NUMBER_UTIL.get_country_code_for_region(self.region) == Some(number.country_code);
        (number.is_valid() || at_home && number.is_possible_with_reason().is_ok_and(is_full)).then_some(())?;
        printed(&number)
    }

    /// The digits that are dialled here for a public number: `88312123456` at home, `81012025550100` abroad.
    #[must_use]
    pub fn national_form(&self, e164: &str) -> String {
        let digits = e164.trim_start_matches('+');
        let at_home = PHONE_NUMBER_UTIL
            .get_country_code_for_region(self.region)
            .and_then(|code| digits.strip_prefix(&code.to_string()));
        match at_home {
            Some(behind) => format!("{}{behind}", self.trunk_prefix),
            None if self.international_prefix.is_empty() => e164.to_owned(),
            None => format!("{}{digits}", self.international_prefix),
        }
    }

    /// Tells whether a public number is another country's. Countries that share a code are different ones.
    #[must_use]
    pub fn is_abroad(&self, e164: &str) -> bool {
        let Ok(number) = PHONE_NUMBER_UTIL.parse(e164, None) else { return true };
        match number.get_region_code() {
            Some(region) => region != self.region,
            None => PHONE_NUMBER_UTIL.get_country_code_for_region(self.region) != Some(number.country_code),
        }
    }

    /// Tells whether calling a public number costs more than the call.
    #[must_use]
    pub fn is_premium(&self, e164: &str) -> bool {
        let number = PHONE_NUMBER_UTIL.parse(e164, None);
        number.is_ok_and(|number| {
            matches!(number.get_type(), PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost)
        })
    }

    /// The number as people here write it: `8 (831) 212-34-56` at home, `+1 202-555-0100` abroad. Anything that is not E.164
    /// comes back as it is.
    #[must_use]
    pub fn display(&self, number: &str) -> String {
        let Some(parsed) =
            number.starts_with('+').then(|| PHONE_NUMBER_UTIL.parse(number, None).ok()).flatten()
        else {
            return number.to_owned();
        };
        if printed(&parsed).as_deref() != Some(number) {
            return number.to_owned();
        }
        // A number of no known range keeps its country code, or it could not be dialled again as shown.
        let at_home = parsed.is_valid() && parsed.get_region_code() == Some(self.region);
        let format = if at_home { PhoneNumberFormat::National } else { PhoneNumberFormat::International };
        parsed.format_as(format).into_owned()
    }
}

fn possible(digits: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
    number.is_possible_with_reason().is_ok_and(is_full).then_some(())?;
    printed(&number)
}

fn is_full(length: rlibphonenumber::NumberLengthType) -> bool {
    matches!(length, rlibphonenumber::NumberLengthType::IsPossible)
}

/// Our own bounds beside the library's: `+` and at most 15 digits that mean themselves. The library takes one zero after
/// another off such as `+600000000000`; what changes with each reading is no number to find anybody by.
fn printed(number: &PhoneNumber) -> Option<String> {
    let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
    let again = PHONE_NUMBER_UTIL.parse(e164.as_str(), None).ok()?;
    if again.format_as(PhoneNumberFormat::E164) != e164 {
        return None;
    }
    let digits = e164.strip_prefix('+')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits.len() <= E164_DIGITS_MAX).then_some(e164)
}

fn optional_digits(key: &'static str, text: &str) -> Result<String, CrmError> {
    if text.is_empty() { Ok(String::new()) } else { short_digits(key, text) }
}

fn short_digits(key: &'static str, text: &str) -> Result<String, CrmError> {
    let fits =
        (1..=PREFIX_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err(CrmError::NotDigits { key, text: text.to_owned() }) }
}
