//! The simulated fleet against a running server: what `linecard simulate` does.
//!
//! The decisions are in `linecard_lab::fleet`; here are the sockets, the browsers and the REST calls. Nothing of the
//! server's own code runs here: what is observed comes through its outside contract alone.

mod browser;
mod client;
mod fleet;
mod link;
mod office;
mod reading;
mod sound;
mod stream;
mod wishes;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use linecard_lab::fleet::{Chance, Scorecard, Tolerance, World, WorldPlan, judge};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use self::browser::{Browser, Habit, Heard};
use self::client::Client;
pub(crate) use self::client::Server;
use self::fleet::{Fleet, Order, Standing};
pub(crate) use self::link::Faults;
use self::office::Office;

/// How long the lines may take to register.
const REGISTERED_WITHIN: Duration = Duration::from_secs(60);
/// How long after the last call the server may take to have everything saved.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// What a world may take beyond the time of its calls.
const GRACE: Duration = Duration::from_secs(120);

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Simulation {
    pub(crate) server: Server,
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) plan: WorldPlan,
    pub(crate) faults: Faults,
    /// Where the fleet is; by itself the address from which the server is reached.
    pub(crate) ip: Option<IpAddr>,
    /// Whether calls that are under way are no reason to refuse.
    pub(crate) beside_calls: bool,
    /// How much longer every step may take.
    pub(crate) slack_ms: u64,
}

/// Lets a world happen at a server and compares.
///
/// # Errors
/// When the server cannot be reached, refuses, or has calls under way.
pub(crate) async fn simulate(asked: &Simulation) -> anyhow::Result<Scorecard> {
    let mut admins = Vec::new();
    for _ in 0..2 {
        let admin = Client::log_in(&asked.server, &asked.login, &asked.password).await?;
        admins.push(Arc::new(Mutex::new(admin)));
    }
    let admin = admins.first().cloned().context("a log-in")?;
    let live = admin.lock().await.get("/calls").await?;
    let live = live.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    if live > 0 && !asked.beside_calls {
        bail!("the server has {live} calls under way; wait, or say --beside-calls");
    }
    let world = Arc::new(World::generate(asked.plan.clone()));
    let ip = match asked.ip {
        Some(ip) => ip,
        None => asked.server.connect().await?.local_addr()?.ip(),
    };
    let mut fleet = Fleet::open(&world, ip, asked.faults).await?;
    let mut office = Office::default();
    let furnished = office.furnish(&asked.server, &admins, &world, &fleet.addresses).await;
    let card = match furnished {
        Ok(()) => tokio::select! {
            card = happen(asked, &world, &mut fleet, &office, &admin) => card,
            // What was made is removed all the same.
            _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped; nothing is compared")),
        },
        Err(error) => Err(error),
    };
    let left = office.clear(&mut *admin.lock().await).await;
    for object in &left {
        tracing::warn!(object, "something simulated is left on the server");
    }
    let _ = fleet.orders.send(Order::Stop);
    card
}

/// Lets the calls happen on a furnished server.
async fn happen(
    asked: &Simulation,
    world: &Arc<World>,
    fleet: &mut Fleet,
    office: &Office,
    admin: &Arc<Mutex<Client>>,
) -> anyhow::Result<Scorecard> {
    let registered = fleet.standing.wait_for(|standing: &Standing| standing.registered);
    tokio::time::timeout(REGISTERED_WITHIN, registered)
        .await
        .context("the server did not register every line")?
        .context("the fleet ended")?;
    let (stop, browsers) = open_browsers(asked, office).await?;
    let started = Instant::now();
    let began_at = reading::since()?;
    fleet.orders.send(Order::Begin).ok();
    let last_ms = world.calls.last().map_or(0, |call| call.at_ms);
    let over = Duration::from_millis(last_ms * 3) + GRACE;
    let asking = wishes::ask(world, office, &mut fleet.wishes, &fleet.orders);
    let done = fleet.standing.wait_for(|standing| standing.open == Some(0));
    tokio::select! {
        done = tokio::time::timeout(over, done) => {
            if done.is_err() {
                tracing::warn!("the calls did not come to an end in time");
            }
        }
        () = asking => bail!("the fleet ended"),
    }
    tracing::info!(took_s = started.elapsed().as_secs(), "every call is over");
    let mut observed = reading::read(admin, office, &began_at, SETTLED_WITHIN).await?;
    let _ = stop.send(true);
    for browser in browsers {
        let heard = browser.await??;
        observed.pops.extend(heard.pops);
        observed.stream_faults.extend(heard.faults);
    }
    fleet.orders.send(Order::Stop).ok();
    let known = (&mut fleet.task).await?;
    observed.stream_faults.extend(known.strangers);
    observed.spoke_late = known.spoke_late;
    observed.lost_ms = known.lost_ms;
    observed.absences = known.absences;
    let tolerance = tolerance(asked.faults).with_slack(asked.slack_ms);
    Ok(judge(world, &known.deeds, &observed, tolerance))
}

/// What is allowed on a network like this: each loss costs up to T1, 500 ms, until the message comes again.
fn tolerance(faults: Faults) -> Tolerance {
    let usual = Tolerance::default();
    match faults {
        Faults::None => usual,
        Faults::Mild => Tolerance { talk_ms: 2_000, edge_ms: 2_000, ..usual },
        Faults::Harsh => Tolerance { talk_ms: 4_000, edge_ms: 4_000, ..usual },
    }
}

type Browsers = Vec<JoinHandle<anyhow::Result<Heard>>>;

/// Opens a browser for each desk; all have their snapshot when it returns.
async fn open_browsers(
    asked: &Simulation,
    office: &Office,
) -> anyhow::Result<(watch::Sender<bool>, Browsers)> {
    let (stop, stopped) = watch::channel(false);
    let (ready, mut readied) = mpsc::channel(office.agents.len().max(1));
    let mut chance = Chance::new(asked.plan.seed ^ 0xb0b);
    let mut browsers = Vec::new();
    for (desk, agent) in office.agents.iter().enumerate() {
        let odd = match asked.faults {
            Faults::None => 0,
            Faults::Mild => 2,
            Faults::Harsh => 5,
        };
        let habit = match (chance.below(10) < odd, chance.below(3)) {
            (false, _) => Habit::Steady,
            (true, 0) => Habit::Cuts,
            (true, 1) => Habit::Freezes,
            (true, _) => Habit::Sleeps,
        };
        let token = agent.lock().await.token().to_owned();
        let chance = Chance::new(chance.below(u64::MAX));
        let browser = Browser { server: asked.server.clone(), desk, token, habit, chance };
        browsers.push(tokio::spawn(browser.run(ready.clone(), stopped.clone())));
    }
    drop(ready);
    let mut open = 0;
    while readied.recv().await.is_some() {
        open += 1;
        if open == browsers.len() {
            return Ok((stop, browsers));
        }
    }
    for browser in browsers {
        browser.await??;
    }
    bail!("a browser could not be opened")
}
