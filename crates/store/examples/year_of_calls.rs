//! Measures the load report over a year of calls in a SQLite file: `cargo run --release -p linecard-store --example
//! year_of_calls [CALLS]`, a million unless said otherwise; a row takes a kilobyte and a half of disk.

use std::time::Instant;

use linecard_calls::UtcMillis;
use linecard_calls::metrics::{By, Zone};
use linecard_store::Store;
use linecard_store::load::LoadQuery;
use sqlx::{Connection, SqliteConnection};

const YEAR_BEGINS: UtcMillis = UtcMillis(1_735_689_600_000);
const DAY_MS: i64 = 86_400_000;

/// A year of calls of 40 users on 10 lines, six of seven answered, written by SQL itself.
const CALLS: &str = "INSERT INTO interactions (id, call_id, direction, outcome, state, caller_number, user_id, line_id, \
    started_at, recorded, interaction, answered, ended_at, ringing_ms, talk_ms, hold_ms, missed) \
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
    SELECT printf('01900000-0000-7000-8000-%012d', i), printf('01900000-0000-7000-9000-%012d', i), \
    CASE WHEN i % 10 < 7 THEN 'inbound' ELSE 'outbound' END, CASE WHEN i % 7 > 0 THEN 'answered' ELSE 'abandoned' END, \
    'ended', printf('+7903%07d', i * 7919 % 10000000), printf('01900000-0000-7000-a000-%012d', i * 31 % 40), \
    printf('01900000-0000-7000-b000-%012d', i * 17 % 10), $2 + (31536000000 / $1) * i + i * 7919 % 50000, 0, \
    printf('%600s', '{}'), i % 7 > 0, \
    $2 + (31536000000 / $1) * i + i * 7919 % 50000 + i * 13 % 30000 + CASE WHEN i % 7 > 0 THEN i * 101 % 600000 ELSE 0 END, \
    i * 13 % 30000, CASE WHEN i % 7 > 0 THEN i * 101 % 600000 ELSE 0 END, 0, \
    CASE WHEN i % 10 < 7 AND i % 7 = 0 THEN CASE WHEN i % 3 = 0 THEN 'waiting' ELSE 'settled' END END FROM n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls: i64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("linecard.db").display());
    let store = Store::open(&url).await?;
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::query(CALLS).bind(calls).bind(YEAR_BEGINS.0).execute(&mut connection).await?;
    for days in [1, 7, 31, 92, 365] {
        for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
            let from = YEAR_BEGINS.plus_ms((365 - days) * DAY_MS);
            let until = YEAR_BEGINS.plus_ms(365 * DAY_MS);
            let zone = Zone::fixed(3 * 3_600_000);
            let query = LoadQuery { from, until, by, zone, within_ms: 20_000, without: Vec::new() };
            let begun = Instant::now();
            let load = store.load(&query).await?;
            let summed = begun.elapsed();
            let peaks = store.load_peaks(&query, until).await?;
            let calls: i64 = load.values().map(|load| load.offered + load.dialled).sum();
            println!(
                "{days} days, {calls} calls by {by:?}: sums {} ms, peaks {} ms, {} parts",
                summed.as_millis(),
                (begun.elapsed() - summed).as_millis(),
                load.len().max(peaks.len())
            );
        }
    }
    Ok(())
}
