//! Identifiers: one newtype per thing that is named, all of them UUIDv7 (RFC 9562 section 5.7).
//!
//! This module draws no randomness and reads no clock: [`IdSource`] is given both.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::time::UtcMillis;

/// Marks the newtypes that [`IdSource`] can make.
pub trait Id: Copy + Ord + fmt::Display {
    /// Wraps a UUID that the caller vouches for.
    fn from_uuid(uuid: Uuid) -> Self;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that the caller vouches for.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Yields the bare UUID.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl Id for $name {
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|_| Error::Id { kind: stringify!($name) })
            }
        }
    )*};
}

ids! {
    /// Names a call: the whole conversation with all its legs.
    CallId,
    /// Names the record that a call leaves with the customer.
    InteractionId,
    /// Names one party's side of a call.
    LegId,
    /// Names a screen-pop.
    PopId,
    /// Names a recording.
    RecordingId,
    /// Names a user: an agent, a supervisor or an administrator.
    UserId,
    /// Names a line: a SIP account on a PBX.
    LineId,
    /// Names a contact of the CRM.
    ContactId,
    /// Names a device that a user answers on.
    DeviceId,
    /// Names a missed-call item.
    MissedId,
    /// Names a signal; a signal that arrives twice keeps its name.
    SignalId,
    /// Names a row of the audit.
    AuditId,
    /// Names a log-in that was not ended.
    SessionId,
    /// Names what one source sees of one extension's part in a call.
    SightingId,
}

/// Makes UUIDv7 identifiers that rise strictly, also when the wall clock falls back.
#[derive(Debug, Clone)]
pub struct IdSource {
    rng: ChaCha12Rng,
    last_ms: u64,
    counter: u16,
}

/// The 12 bits of `rand_a`, used as a counter (RFC 9562 section 6.2, method 1).
const COUNTER_MAX: u16 = 0x0fff;

impl IdSource {
    /// Takes the seeded generator that all randomness comes from.
    pub fn new(rng: ChaCha12Rng) -> Self {
        Self { rng, last_ms: 0, counter: 0 }
    }

    /// Makes the next identifier of any kind for the wall-clock time `at`.
    pub fn make<T: Id>(&mut self, at: UtcMillis) -> T {
        let at_ms = u64::try_from(at.0).unwrap_or(0);
        if at_ms > self.last_ms {
            self.last_ms = at_ms;
            self.counter = u16::try_from(self.rng.next_u32() & 0x07ff).unwrap_or(0);
        } else if self.counter >= COUNTER_MAX {
            self.last_ms += 1;
            self.counter = 0;
        } else {
            self.counter += 1;
        }
        let [.., b2, b3, b4, b5, b6, b7] = self.last_ms.to_be_bytes();
        let [c0, c1] = self.counter.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7] = self.rng.next_u64().to_be_bytes();
        T::from_uuid(Uuid::from_bytes([
            b2,
            b3,
            b4,
            b5,
            b6,
            b7,
            0x70 | (c0 & 0x0f),
            c1,
            0x80 | (r0 & 0x3f),
            r1,
            r2,
            r3,
            r4,
            r5,
            r6,
            r7,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn ids_rise_strictly_even_when_the_clock_falls_back() {
        let mut ids = IdSource::new(ChaCha12Rng::seed_from_u64(7));
        let mut last: SignalId = ids.make(UtcMillis(1_700_000_000_000));
        for step in 0..20_000_i64 {
            let next: SignalId = ids.make(UtcMillis(1_700_000_000_000 - step * 1_000));
            assert!(next > last, "{next} does not follow {last}");
            last = next;
        }
    }

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_time_and_survives_printing() {
        let mut ids = IdSource::new(ChaCha12Rng::seed_from_u64(7));
        let id: CallId = ids.make(UtcMillis(0x0190_0000_0001));
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert!(id.to_string().starts_with("01900000-0001-7"), "{id}");
        assert_eq!(id.to_string().parse::<CallId>().unwrap(), id);
        assert!("not-an-id".parse::<CallId>().is_err());
    }
}
