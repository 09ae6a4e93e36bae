//! Round (a): from the INVITE on the wire to the frame that names the caller, decoded at the right agent.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::Bench;
use crate::browsers::Browsers;
use crate::figures::Spread;
use crate::load::{Load, Planned, is_fit};
use crate::office::{AGENTS, furnish, name_of, number_of};
use crate::pbx::Course;
use crate::process::Pinned;
use crate::server::{Plan, Recording, fresh};

/// Agents whose calls are the recorded ones; the pops are for the others.
const TALKERS: usize = 300;
/// How long a caller waits before giving up.
const RINGS: Duration = Duration::from_millis(400);
/// Calls that begin in a second while the talks are set up.
const RAMP: u32 = 40;

/// Runs the round.
///
/// # Errors
/// When the server or a browser fails.
pub fn run(bench: &Bench) -> Result<Value> {
    // How many calls begin in a second, for how many seconds.
    let rates: &[(u32, u32)] = if bench.quick { &[(20, 2)] } else { &[(1, 60), (50, 40), (200, 20)] };
    let talks: &[usize] = if bench.quick { &[5] } else { &[0, TALKERS] };
    let folder = bench.folder.join("a");
    let mut rows = Vec::new();
    for talks in talks {
        fresh(&folder)?;
        let plan = Plan::new(&folder)?;
        let mut load = Load::open(Ipv4Addr::LOCALHOST, plan.sip)?;
        bench.runtime.block_on(furnish(&bench.office, &plan.database(), load.address()?))?;
        let server = plan.start(&bench.server, Recording::All)?;
        load.wait_for("every line registers", Duration::from_secs(60), |load| {
            load.pbx.registered() == AGENTS
        })?;
        let browsers = Browsers::open(plan.http, AGENTS)?;
        talk(&mut load, *talks)?;
        for (rate, seconds) in rates {
            rows.push(step(bench, &mut load, (&browsers, &server), *talks, (*rate, *seconds))?);
        }
        drop(browsers);
        load.hang_up_all()?;
        load.run_for(Duration::from_secs(2))?;
        server.stop()?;
    }
    Ok(json!({"agents": AGENTS, "contacts": bench.contacts, "steps": rows}))
}

/// Sets up the talks that go on all the while.
fn talk(load: &mut Load, talks: usize) -> Result<()> {
    let began = Instant::now();
    load.plan((0..talks).map(|at| Planned {
        at: began + Duration::from_secs(1) / RAMP * u32::try_from(at).unwrap_or(0),
        agent: AGENTS - 1 - at,
        number: number_of(at),
        course: Course::Talks,
    }));
    load.wait_for("every talk is set up", Duration::from_secs(60), |load| {
        (0..talks).filter_map(|call| load.pbx.seen(call)).filter(|seen| seen.answered.is_some()).count()
            == talks
    })?;
    load.run_for(Duration::from_secs(2))
}

/// Lets calls come at a rate and compares what the screens showed.
fn step(
    bench: &Bench,
    load: &mut Load,
    (browsers, server): (&Browsers, &Pinned),
    talks: usize,
    (rate, seconds): (u32, u32),
) -> Result<Value> {
    browsers.take()?;
    load.take_late();
    let (first, calls) = (load.pbx.count(), usize::try_from(rate * seconds)?);
    let (began, cpu) = (Instant::now() + Duration::from_millis(100), server.cpu()?);
    let asked: Vec<(usize, usize)> = (0..calls)
        .map(|call| ((first + call) % (AGENTS - TALKERS), (first + call) * 7_919 % bench.contacts))
        .collect();
    load.plan(asked.iter().zip(0..).map(|((agent, contact), at)| Planned {
        at: began + Duration::from_secs(1) / rate * at,
        agent: *agent,
        number: number_of(*contact),
        course: Course::GivesUp { after: RINGS },
    }));
    load.run_for(Duration::from_secs(seconds.into()) + Duration::from_secs(2))?;
    let spent = server.cpu()? - cpu;
    let shown = browsers.take()?;
    let (mut took, mut missed) = (Vec::new(), 0);
    for (call, (agent, contact)) in (first..).zip(&asked) {
        let invited = load.pbx.seen(call).context("a call that never began")?.invited;
        let (number, name) = (number_of(*contact), name_of(*contact));
        let here = shown.iter().filter(|pop| pop.agent == *agent && pop.number == number && pop.name == name);
        match here.map(|pop| pop.at).filter(|at| *at >= invited).min() {
            Some(at) => took.push(u32::try_from((at - invited).as_micros()).unwrap_or(u32::MAX)),
            None => missed += 1,
        }
    }
    let wrong = shown.iter().filter(|pop| {
        let right =
            |(agent, contact): &(usize, usize)| *agent == pop.agent && number_of(*contact) == pop.number;
        !asked.iter().any(right)
    });
    let (wrong, spread, late) = (wrong.count(), Spread::of(took), load.take_late());
    let fit = is_fit(&late);
    println!(
        "  {talks:3} talks, {rate:3} calls/s: p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms of {}; missed {missed}, wrong agent {wrong}; \
         load late {:.2} ms{}",
        spread.p50_ms,
        spread.p99_ms,
        spread.p999_ms,
        spread.count,
        late.p99_ms,
        if fit { "" } else { ": its figures do not count" },
    );
    Ok(json!({
        "talks": talks, "calls_per_second": rate, "calls": calls, "invite_to_frame": spread.json(), "missed": missed,
        "wrong_agent": wrong, "load_late": late.json(), "load_fit": fit, "cpu_share": spent.as_secs_f64() / f64::from(seconds),
    }))
}
