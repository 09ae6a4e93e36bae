//! The asker's time zone: a name of the IANA database or an offset, over the period of a question.

use chrono::{DateTime, FixedOffset, Offset, TimeZone};
use chrono_tz::Tz;
use linecard_calls::UtcMillis;
use linecard_calls::metrics::Zone;

use crate::ApiError;

const DAY_MS: i64 = 86_400_000;

/// The longest period of which local hours are told, in days.
pub(crate) const DAYS_MAX: i64 = 400;

/// Reads a zone such as `Europe/Moscow` or `+03:00`, as it is from `from` until `until`.
pub(crate) fn zone_of(text: &str, from: UtcMillis, until: UtcMillis) -> Result<Zone, ApiError> {
    if let Ok(zone) = text.parse::<Tz>() {
        return Ok(over(from, until, |at| offset_ms(&zone, at)));
    }
    match text.parse::<FixedOffset>() {
        Ok(offset) => Ok(Zone::fixed(i64::from(offset.local_minus_utc()) * 1_000)),
        Err(_) => {
            Err(ApiError::field("tz", "write a time zone such as Europe/Moscow, or an offset such as +03:00"))
        }
    }
}

fn offset_ms(zone: &Tz, at: i64) -> i64 {
    let moment = DateTime::from_timestamp_millis(at).unwrap_or_default();
    i64::from(zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()) * 1_000
}

/// Looks once a day whether the clocks were changed, and then when; no place changes them twice a day.
fn over(from: UtcMillis, until: UtcMillis, offset_ms: impl Fn(i64) -> i64) -> Zone {
    let mut before = offset_ms(from.0);
    let mut zone = Zone::fixed(before);
    let mut at = from.0;
    while at < until.0 {
        let next = at.saturating_add(DAY_MS).min(until.0);
        let after = offset_ms(next);
        if after != before {
            let (mut early, mut late) = (at, next);
            while late - early > 1 {
                let middle = early + (late - early) / 2;
                if offset_ms(middle) == before { early = middle } else { late = middle }
            }
            zone.change(UtcMillis(late), after);
            before = after;
        }
        at = next;
    }
    zone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMillis {
        text.parse().expect("a time")
    }

    #[test]
    fn clocks_are_changed_at_the_very_moment() {
        let zone =
            zone_of("Europe/Berlin", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")).expect("a zone");
        let changes = [(at("2026-03-29T01:00:00Z"), 7_200_000), (at("2026-10-25T01:00:00Z"), 3_600_000)];
        assert_eq!(zone.steps(), (3_600_000, changes.as_slice()));
        let moscow = zone_of("Europe/Moscow", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(moscow.expect("a zone"), Zone::fixed(10_800_000));
        assert_eq!(
            zone_of("-05:30", at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z")),
            Ok(Zone::fixed(-19_800_000))
        );
    }

    #[test]
    fn what_is_no_zone_is_refused_by_its_field() {
        for text in ["Moscow", "", "+99:99", "'; DROP TABLE users"] {
            let refused = zone_of(text, UtcMillis(0), UtcMillis(1)).expect_err(text);
            assert_eq!(refused.blamed(), Some("tz"), "{text}");
        }
    }
}
