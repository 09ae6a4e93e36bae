//! Wall-clock times as the ledger and the outside see them.
//!
//! Timers are not made of these: a timer is a [`std::time::Instant`]. The ledger stores the bare
//! milliseconds; what leaves for browsers is RFC 3339 in UTC with milliseconds ([`rfc3339`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use utoipa::ToSchema;

use crate::Error;

/// Counts milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
#[schema(as = Time, value_type = String, format = DateTime, examples("2026-01-31T09:00:00.000Z"))]
pub struct UtcMillis(pub i64);

/// 0000-01-01T00:00:00.000Z, the least year that RFC 3339 can print.
const FIRST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the last one.
const LAST_MS: i64 = 253_402_300_799_999;

impl UtcMillis {
    /// Measures the time since `earlier` in milliseconds; 0 when the clock fell back.
    pub fn since_ms(self, earlier: UtcMillis) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }

    /// Moves forward by `ms`.
    pub fn plus_ms(self, ms: i64) -> UtcMillis {
        UtcMillis(self.0.saturating_add(ms))
    }
}

/// Prints RFC 3339 in UTC with milliseconds; a year outside 0 to 9999 is shown as its nearest bound.
impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.clamp(FIRST_MS, LAST_MS);
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.millisecond()
        )
    }
}

/// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
impl FromStr for UtcMillis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Error::Time)?;
        let ms = moment.to_offset(UtcOffset::UTC).unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(ms).map(UtcMillis).map_err(|_| Error::Time)
    }
}

/// Serialises a [`UtcMillis`] as RFC 3339, for `#[serde(with = "rfc3339")]`.
pub mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::UtcMillis;

    /// Writes the text form.
    pub fn serialize<S: Serializer>(at: &UtcMillis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(at)
    }

    /// Reads the text form.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UtcMillis, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }

    /// The same for a time that may be unknown (`null`).
    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer, de};

        use super::UtcMillis;

        /// Writes the text form or `null`.
        pub fn serialize<S: Serializer>(at: &Option<UtcMillis>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => serializer.collect_str(at),
                None => serializer.serialize_none(),
            }
        }

        /// Reads the text form or `null`.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<UtcMillis>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_with_milliseconds_and_read_back() {
        let at = UtcMillis(1_764_000_000_007);
        assert_eq!(at.to_string(), "2025-11-24T16:00:00.007Z");
        assert_eq!("2025-11-24T16:00:00.007Z".parse::<UtcMillis>().unwrap(), at);
        assert_eq!("2025-11-24T19:00:00.007+03:00".parse::<UtcMillis>().unwrap(), at);
        assert!("yesterday".parse::<UtcMillis>().is_err());
    }

    #[test]
    fn impossible_times_are_printed_and_measured_without_panic() {
        assert_eq!(UtcMillis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(UtcMillis(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(UtcMillis(5).since_ms(UtcMillis(9)), 0);
        assert_eq!(UtcMillis(i64::MAX).since_ms(UtcMillis(i64::MIN)), i64::MAX);
    }
}
