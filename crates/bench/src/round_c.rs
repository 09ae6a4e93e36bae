//! Round (c): call attempts a second on one core, each with its interaction in the database.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::Bench;
use crate::figures::Spread;
use crate::load::{Load, Planned, is_fit};
use crate::office::{AGENTS, furnish, number_of, open};
use crate::pbx::Course;
use crate::server::{Plan, Recording, fresh};

/// How long a talk lasts, or a caller waits.
const LASTS: Duration = Duration::from_millis(300);
/// Within how long of its INVITE a call is answered, p99, for a step to count.
const SETUP_MAX_MS: f64 = 200.0;
/// How long the database may take after the last call.
const SAVED_WITHIN: Duration = Duration::from_secs(10);

/// Runs the round: the rate rises until something is late or missing.
///
/// # Errors
/// When the server fails.
pub fn run(bench: &Bench) -> Result<Value> {
    let rates: &[u32] = if bench.quick { &[50] } else { &[100, 200, 300, 400, 500, 600, 700, 800] };
    let seconds = if bench.quick { 2 } else { 15 };
    let mut rows = Vec::new();
    for rate in rates {
        let (row, clean) = step(bench, *rate, seconds)?;
        rows.push(row);
        if !clean {
            break;
        }
    }
    Ok(json!({"steps": rows}))
}

fn step(bench: &Bench, rate: u32, seconds: u32) -> Result<(Value, bool)> {
    let folder = bench.folder.join("c");
    fresh(&folder)?;
    let plan = Plan::new(&folder)?;
    let mut load = Load::open(Ipv4Addr::LOCALHOST, plan.sip)?;
    bench.runtime.block_on(furnish(&bench.office, &plan.database(), load.address()?))?;
    let server = plan.start(&bench.server, Recording::None)?;
    load.wait_for("every line registers", Duration::from_secs(60), |load| load.pbx.registered() == AGENTS)?;
    load.run_for(Duration::from_secs(1))?;
    let (began, cpu, calls) = (Instant::now(), server.cpu()?, rate * seconds);
    load.plan((0..calls).zip((0..AGENTS).cycle()).map(|(call, agent)| Planned {
        at: began + Duration::from_secs(1) / rate * call,
        agent,
        number: number_of(usize::try_from(call).unwrap_or(0) * 7_919 % bench.contacts),
        course: if call % 2 == 0 {
            Course::HangsUp { after: LASTS }
        } else {
            Course::GivesUp { after: LASTS }
        },
    }));
    load.run_for(Duration::from_secs(seconds.into()))?;
    let spent = server.cpu()? - cpu;
    load.run_for(Duration::from_secs(2))?;
    let (mut setup, mut ended, mut rang) = (Vec::new(), 0, 0);
    for seen in (0..load.pbx.count()).filter_map(|call| load.pbx.seen(call)) {
        rang += usize::from(seen.phone_called.is_some());
        ended += usize::from(seen.over.is_some());
        if let Some((at, 200)) = seen.answered {
            setup.push(u32::try_from((at - seen.invited).as_micros()).unwrap_or(u32::MAX));
        }
    }
    let saved = saved(bench, &plan.database(), &mut load, i64::from(calls))?;
    server.stop()?;
    let (calls, setup, late) = (usize::try_from(calls)?, Spread::of(setup), load.take_late());
    let fit = is_fit(&late);
    let whole = rang == calls
        && ended == calls
        && saved.0 == i64::try_from(calls)?
        && setup.count == calls.div_ceil(2);
    let clean = whole && setup.p99_ms <= SETUP_MAX_MS;
    println!(
        "  {rate:3} attempts/s: rang {rang} and ended {ended} of {calls}, saved {} after {:.1} s, setup {:.1} / {:.1} ms, \
         CPU {:.0} %; load late {:.2} ms{}{}",
        saved.0,
        saved.1.as_secs_f64(),
        setup.p50_ms,
        setup.p99_ms,
        spent.as_secs_f64() / f64::from(seconds) * 100.0,
        late.p99_ms,
        if fit { "" } else { ": its figures do not count" },
        if clean { "" } else { ": not clean" },
    );
    let row = json!({
        "attempts_per_second": rate, "attempts": calls, "rang": rang, "ended": ended, "interactions": saved.0,
        "saved_after_ms": u64::try_from(saved.1.as_millis())?, "setup": setup.json(), "clean": clean, "load_late": late.json(), "load_fit": fit,
        "cpu_share": spent.as_secs_f64() / f64::from(seconds),
    });
    Ok((row, clean))
}

/// How many interactions are saved and closed, and how long after the last call it took.
fn saved(bench: &Bench, database: &Path, load: &mut Load, expected: i64) -> Result<(i64, Duration)> {
    let began = Instant::now();
    loop {
        let count: i64 = bench.runtime.block_on(async {
            let mut connection = open(database).await?;
            let counted = sqlx::query_scalar("SELECT COUNT(*) FROM interactions WHERE outcome IS NOT NULL");
            anyhow::Ok(counted.fetch_one(&mut connection).await?)
        })?;
        if count >= expected || began.elapsed() > SAVED_WITHIN {
            return Ok((count, began.elapsed()));
        }
        load.run_for(Duration::from_millis(100))?;
    }
}
