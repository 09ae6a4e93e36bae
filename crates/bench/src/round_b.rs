//! Round (b): bridged, recorded G.711 calls on one core, beside rtpengine that records and a relay that does nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Bench;
use crate::contenders::bare::Bare;
use crate::contenders::rtpengine::Rtpengine;
use crate::contenders::sink::Sink;
use crate::figures::{Spread, median_of};
use crate::load::{Load, Planned, is_fit};
use crate::office::{AGENTS, furnish, number_of};
use crate::pbx::Course;
use crate::process::Pinned;
use crate::server::{Plan, Recording, fresh};
use crate::sound::Heard;
use crate::wav;

/// Calls at which the cost of a call is compared.
const COMPARED: usize = 200;
/// Calls that begin in a second.
const RAMP: u32 = 40;
/// What a relay may take, p99, for a step of the ladder to count.
const DELAY_MAX_MS: f64 = 20.0;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// The server, with SIP, ledger and recording.
    Linecard,
    /// rtpengine with `recording-method=pcap`.
    Rtpengine,
    /// A relay that only relays.
    Bare,
}

impl Contender {
    const ALL: [Self; 3] = [Self::Linecard, Self::Rtpengine, Self::Bare];

    fn name(self) -> &'static str {
        match self {
            Self::Linecard => "linecard",
            Self::Rtpengine => "rtpengine",
            Self::Bare => "bare relay",
        }
    }
}

/// What one run showed.
#[derive(Debug, Clone)]
pub struct Run {
    contender: Contender,
    calls: usize,
    cpu_ms: f64,
    memory_kb: f64,
    delay: Spread,
    late: Spread,
    setup: Spread,
    sent: usize,
    lost: usize,
    clipped: usize,
    wrong: u64,
    refused: usize,
    recorded: Value,
    recordings_wrong: usize,
}

impl Run {
    fn json(&self) -> Value {
        json!({
            "contender": self.contender.name(), "calls": self.calls, "refused_503": self.refused,
            "cpu_ms_per_call_second": self.cpu_ms, "memory_kb_per_call": self.memory_kb,
            "delay": self.delay.json(), "load_late": self.late.json(), "setup": self.setup.json(),
            "packets": self.sent, "lost": self.lost, "clipped": self.clipped, "wrong": self.wrong,
            "recorded": self.recorded, "load_fit": is_fit(&self.late),
        })
    }

    /// Whether nothing was lost, late or wrong.
    fn is_clean(&self) -> bool {
        let whole = self.lost == 0 && self.clipped == 0 && self.wrong == 0 && self.recordings_wrong == 0;
        whole && self.delay.p99_ms <= DELAY_MAX_MS
    }

    fn tell(&self) {
        println!(
            "  {:10} {:4} calls: {:.2} ms CPU a call-second, delay {:.2} / {:.2} ms, lost {}, clipped {}, wrong {}, \
             refused {}, setup {:.1} / {:.1} ms, {:.0} kB a call, recordings {}; load late {:.2} ms{}",
            self.contender.name(),
            self.calls,
            self.cpu_ms,
            self.delay.p50_ms,
            self.delay.p99_ms,
            self.lost,
            self.clipped,
            self.wrong,
            self.refused,
            self.setup.p50_ms,
            self.setup.p99_ms,
            self.memory_kb,
            self.recorded,
            self.late.p99_ms,
            if is_fit(&self.late) { "" } else { ": its delays do not count" },
        );
    }
}

/// How long everything takes.
#[derive(Debug, Clone, Copy)]
pub struct Plans {
    repetitions: usize,
    window: Duration,
    ladder: &'static [usize],
    overload: usize,
}

impl Plans {
    /// The whole round, or one that only shows that it works.
    #[must_use]
    pub fn of(quick: bool) -> Self {
        if quick {
            let window = Duration::from_secs(3);
            return Self { repetitions: 1, window, ladder: &[], overload: 0 };
        }
        Self {
            repetitions: 3,
            window: Duration::from_secs(15),
            ladder: &[300, 400, 500, 600, 700],
            overload: AGENTS,
        }
    }
}

/// Runs the round.
///
/// # Errors
/// When a contender cannot be started, or the load proves too slow.
pub fn run(bench: &Bench) -> Result<Value> {
    let plans = Plans::of(bench.quick);
    let calls = if bench.quick { 40 } else { COMPARED };
    let proof = prove(bench, if bench.quick { 40 } else { 500 })?;
    let asked = |contender: &Contender| bench.only.as_deref().is_none_or(|only| only == contender.name());
    let chosen: Vec<Contender> = Contender::ALL.into_iter().filter(asked).collect();
    let mut runs = Vec::new();
    for _ in 0..plans.repetitions {
        for contender in chosen.iter().copied() {
            let run = measure(bench, contender, calls, plans.window)?;
            run.tell();
            runs.push(run);
        }
    }
    let compared = compare(&runs);
    let mut steps = Vec::new();
    for contender in chosen {
        for calls in plans.ladder {
            let mut run = measure(bench, contender, *calls, plans.window)?;
            run.tell();
            if !run.is_clean() && !is_fit(&run.late) {
                run = measure(bench, contender, *calls, plans.window)?;
                run.tell();
            }
            let clean = run.is_clean();
            steps.push(run);
            if !clean {
                break;
            }
        }
    }
    if plans.overload > 0 {
        let run = measure(bench, Contender::Linecard, plans.overload, plans.window)?;
        run.tell();
        steps.push(run);
    }
    let all = |runs: &[Run]| runs.iter().map(Run::json).collect::<Vec<_>>();
    Ok(
        json!({"load": proof, "compared_calls": calls, "compared": compared, "runs": all(&runs), "ladder": all(&steps)}),
    )
}

/// Shows that the load alone sends everything in time.
fn prove(bench: &Bench, calls: usize) -> Result<Value> {
    let folder = bench.folder.join("b-sink");
    fresh(&folder)?;
    let sink = Sink::start(&bench.own, &folder.join("log"))?;
    let mut load = Load::open(Ipv4Addr::LOCALHOST, sink.address)?;
    let began = Instant::now();
    for stream in 0..calls * 2 {
        load.sound.speak(stream, sink.address, began + spread(stream, calls * 2));
    }
    load.run_for(Duration::from_secs(5))?;
    let heard = load.sound.heard(began, Instant::now());
    std::thread::sleep(Duration::from_millis(300));
    let (sent, came, late) = (heard.sent, sink.count()?, Spread::of(heard.late_us));
    println!(
        "  null sink  {calls:4} calls: {sent} packets sent, {came} came, late {:.2} / {:.2} ms",
        late.p50_ms, late.p99_ms
    );
    let fit = came == sent && (bench.quick || bench.only.is_some() || is_fit(&late));
    ensure!(fit, "the load is not fit to measure with on this machine");
    Ok(json!({"calls": calls, "sent": sent, "came": came, "late": late.json()}))
}

/// Streams begin at different moments of 20 ms, as those of real phones do.
fn spread(stream: usize, streams: usize) -> Duration {
    let share = u32::try_from(stream * 20_000 / streams.max(1)).unwrap_or(0);
    Duration::from_micros(share.into())
}

fn measure(bench: &Bench, contender: Contender, calls: usize, window: Duration) -> Result<Run> {
    match contender {
        Contender::Linecard => linecard(bench, calls, window),
        Contender::Rtpengine => rtpengine(bench, calls, window),
        Contender::Bare => bare(bench, calls, window),
    }
}

/// What the window showed, for any contender.
fn observed(
    load: &mut Load,
    process: &Pinned,
    (contender, calls): (Contender, usize),
    window: Duration,
    empty_kb: f64,
) -> Result<Run> {
    let (began, cpu) = (Instant::now(), process.cpu()?);
    load.run_for(window)?;
    let (ended, spent) = (Instant::now(), process.cpu()? - cpu);
    let memory_kb = (process.resident_kb()? - empty_kb) / as_f64(calls);
    load.run_for(Duration::from_millis(300))?;
    let Heard { sent, lost, delays_us, late_us, .. } = load.sound.heard(began, ended);
    Ok(Run {
        contender,
        calls,
        cpu_ms: spent.as_secs_f64() * 1_000.0 / (as_f64(calls) * (ended - began).as_secs_f64()),
        memory_kb,
        delay: Spread::of(delays_us),
        late: Spread::of(late_us),
        setup: Spread::default(),
        sent,
        lost,
        clipped: 0,
        wrong: load.sound.wrong,
        refused: 0,
        recorded: Value::Null,
        recordings_wrong: 0,
    })
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

fn linecard(bench: &Bench, calls: usize, window: Duration) -> Result<Run> {
    let folder = bench.folder.join("b-linecard");
    fresh(&folder)?;
    let plan = Plan::new(&folder)?;
    let mut load = Load::open(Ipv4Addr::LOCALHOST, plan.sip)?;
    bench.runtime.block_on(furnish(&bench.office, &plan.database(), load.address()?))?;
    let server = plan.start(&bench.server, Recording::All)?;
    load.wait_for("every line registers", Duration::from_secs(60), |load| load.pbx.registered() == AGENTS)?;
    load.run_for(Duration::from_secs(1))?;
    let (empty_kb, began) = (server.resident_kb()?, Instant::now());
    load.plan((0..calls).map(|agent| Planned {
        at: began + Duration::from_secs(1) / RAMP * u32::try_from(agent).unwrap_or(0),
        agent,
        number: number_of(agent),
        course: Course::Talks,
    }));
    let within = Duration::from_secs(20 + u64::try_from(calls)? / u64::from(RAMP));
    load.wait_for("every call has an answer", within, |load| {
        let seen = (0..calls).filter_map(|call| load.pbx.seen(call));
        seen.filter(|seen| seen.answered.is_some()).count() == calls
    })?;
    load.run_for(Duration::from_secs(1))?;
    let answers: Vec<_> =
        (0..calls).filter_map(|call| load.pbx.seen(call)?.answered.map(|it| (call, it))).collect();
    let talks: Vec<usize> =
        answers.iter().filter(|(_, (_, code))| *code == 200).map(|(call, _)| *call).collect();
    let refused = answers.iter().filter(|(_, (_, code))| *code == 503).count();
    ensure!(talks.len() + refused == calls, "{} calls were refused otherwise", calls - talks.len() - refused);
    let mut run = observed(&mut load, &server, (Contender::Linecard, talks.len().max(1)), window, empty_kb)?;
    run.refused = refused;
    run.setup = Spread::of(setups(&load, &talks));
    load.hang_up_all()?;
    load.run_for(Duration::from_secs(2))?;
    run.clipped = load.sound.heard(began, Instant::now()).clipped;
    let until = Instant::now() + Duration::from_secs(30);
    while wav::files(&plan.recordings())?.len() < talks.len() && Instant::now() < until {
        load.run_for(Duration::from_millis(200))?;
    }
    server.stop().context("the server")?;
    let judged =
        wav::judge(&plan.recordings(), load.sound.noise(), calls * 2, |stream| load.sound.sent(stream))?;
    run.recorded = json!({
        "files": judged.files, "sides": judged.sides, "samples": judged.samples, "samples_wrong": judged.wrong,
        "frames_clipped": judged.clipped,
    });
    run.recordings_wrong = judged.wrong + judged.clipped + (talks.len() * 2).saturating_sub(judged.sides);
    if let Some(surprise) = load.pbx.surprises.first() {
        println!("  the PBX was surprised {} times: {surprise}", load.pbx.surprises.len());
    }
    Ok(run)
}

fn setups(load: &Load, talks: &[usize]) -> Vec<u32> {
    let seen = talks.iter().filter_map(|call| load.pbx.seen(*call));
    let took = seen.filter_map(|seen| Some(seen.answered?.0.saturating_duration_since(seen.invited)));
    took.map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX)).collect()
}

fn rtpengine(bench: &Bench, calls: usize, window: Duration) -> Result<Run> {
    let folder = bench.folder.join("b-rtpengine");
    fresh(&folder)?;
    let mut engine = Rtpengine::start(&folder)?;
    let mut load = Load::open(Ipv4Addr::LOCALHOST, (Ipv4Addr::LOCALHOST, 9).into())?;
    let (empty_kb, began) = (engine.process.resident_kb()?, Instant::now());
    for call in 0..calls {
        let [customer, agent] =
            engine.call(call, load.sound.address(call * 2), load.sound.address(call * 2 + 1))?;
        let now = Instant::now();
        load.sound.speak(call * 2, customer, now);
        load.sound.speak(call * 2 + 1, agent, now);
        load.run_for(Duration::from_secs(1) / RAMP)?;
    }
    load.run_for(Duration::from_secs(1))?;
    let mut run = observed(&mut load, &engine.process, (Contender::Rtpengine, calls), window, empty_kb)?;
    load.hang_up_all()?;
    load.run_for(Duration::from_secs(1))?;
    run.clipped = load.sound.heard(began, Instant::now()).clipped;
    for call in 0..calls {
        engine.end(call)?;
    }
    let sent: usize = (0..calls * 2).map(|stream| load.sound.sent(stream)).sum();
    run.recorded = json!({"packets": engine.stop()?, "of": sent});
    Ok(run)
}

fn bare(bench: &Bench, calls: usize, window: Duration) -> Result<Run> {
    let folder = bench.folder.join("b-bare");
    fresh(&folder)?;
    let mut load = Load::open(Ipv4Addr::LOCALHOST, (Ipv4Addr::LOCALHOST, 9).into())?;
    let listeners: Vec<SocketAddr> = (0..crate::sound::SOCKETS).map(|at| load.sound.address(at)).collect();
    let bare = Bare::start(&bench.own, calls, &listeners, &folder.join("log"))?;
    let (empty_kb, began) = (bare.process.resident_kb()?, Instant::now());
    for stream in 0..calls * 2 {
        let to = bare.leg(stream).context("a leg")?;
        load.sound.speak(stream, to, began + spread(stream, calls * 2));
    }
    load.run_for(Duration::from_secs(1))?;
    let mut run = observed(&mut load, &bare.process, (Contender::Bare, calls), window, empty_kb)?;
    run.clipped = load.sound.heard(began, Instant::now()).clipped;
    Ok(run)
}

/// One figure of a run.
type Figure = fn(&Run) -> f64;

/// The medians of each contender, with their range, and their ratio to the server's.
fn compare(runs: &[Run]) -> Value {
    let of = |contender: Contender, figure: Figure| {
        let figures: Vec<f64> = runs.iter().filter(|run| run.contender == contender).map(figure).collect();
        median_of(&figures)
    };
    let figures: [(&str, Figure); 4] = [
        ("cpu_ms_per_call_second", |run| run.cpu_ms),
        ("delay_p50_ms", |run| run.delay.p50_ms),
        ("delay_p99_ms", |run| run.delay.p99_ms),
        ("memory_kb_per_call", |run| run.memory_kb),
    ];
    let mut table = serde_json::Map::new();
    for contender in Contender::ALL {
        let mut row = serde_json::Map::new();
        for (name, figure) in figures {
            let (median, least, greatest) = of(contender, figure);
            let ratio = median / of(Contender::Linecard, figure).0;
            row.insert(
                name.to_owned(),
                json!({"median": median, "least": least, "greatest": greatest, "to_linecard": ratio}),
            );
        }
        table.insert(contender.name().to_owned(), row.into());
    }
    table.into()
}
