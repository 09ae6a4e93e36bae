//! The one wall clock: handed to what must not read it itself, and used by what dates evidence.

use std::time::SystemTime;

use linecard_calls::UtcMillis;

/// Returns the wall clock's time.
pub(crate) fn wall_clock() -> UtcMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
