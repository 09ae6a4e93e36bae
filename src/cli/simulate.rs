//! `linecard simulate`.

use std::io::{BufRead, Write};
use std::net::IpAddr;

use linecard_lab::fleet::{Profile, Scorecard, WorldPlan};

use super::{CliError, Ended};
use crate::clock::wall_clock;
use crate::simulate::{Faults, Server, Simulation, simulate};

/// The most calls of one run.
const CALLS_MAX: usize = 100_000;
/// The most that steps may take longer, in ms.
const SLACK_MAX_MS: u64 = 20_000;
/// How long a phone rings, in ms: four times as long as anybody takes to answer.
const RING_TIMEOUT_MS: u64 = 3_000;
/// The most calls that begin in a second.
const RATE_MAX: u32 = 500;

/// The fleet that is to call, and whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// The server's address.
    #[arg(long, value_name = "http://HOST:PORT")]
    url: String,
    /// An administrator's log-in.
    #[arg(long)]
    login: String,
    /// Read the password from the first line of standard input, where no list of processes shows it.
    #[arg(long, required = true)]
    password_stdin: bool,
    /// How many calls are made.
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// How many calls begin in a second.
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// The seed: the same gives the same calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A kind of PBX, or all.
    #[arg(long, default_value = "all", value_name = "asterisk|freeswitch|kamailio|3cx|cloud|all")]
    profile: String,
    /// How bad the network between PBXes and server is, the PBXes themselves, and the agents' browsers.
    #[arg(long, value_enum, default_value_t = Faults::None)]
    faults: Faults,
    /// How much longer than usual every step may take, in ms, because a machine is busy with other things.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    slack: u64,
    /// The address of this machine that the server reaches; without it the one from which it is reached.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Run although the server has calls under way.
    #[arg(long)]
    beside_calls: bool,
    /// Print the scorecard as JSON.
    #[arg(long)]
    json: bool,
}

/// Lets a simulated fleet of PBXes call at a server and prints what the server made of it.
pub(crate) async fn run(asked: Asked) -> Result<Ended, CliError> {
    let as_json = asked.json;
    let simulation = read(asked)?;
    let card = simulate(&simulation).await?;
    print(&card, simulation.faults, as_json).map_err(anyhow::Error::from)?;
    Ok(if card.is_right() { Ended::Well } else { Ended::NotWell })
}

fn read(asked: Asked) -> Result<Simulation, CliError> {
    let server = Server::parse(&asked.url).map_err(CliError::Usage)?;
    if !(1..=CALLS_MAX).contains(&asked.calls) {
        return Err(CliError::Usage(format!("--calls: write 1 to {CALLS_MAX}")));
    }
    if !(1..=RATE_MAX).contains(&asked.rate) {
        return Err(CliError::Usage(format!("--rate: write 1 to {RATE_MAX}")));
    }
    if asked.slack > SLACK_MAX_MS {
        return Err(CliError::Usage(format!("--slack: write at most {SLACK_MAX_MS}")));
    }
    let profiles = match (asked.profile.as_str(), Profile::from_name(&asked.profile)) {
        ("all", _) => Profile::ALL.to_vec(),
        (_, Some(profile)) => vec![profile],
        (_, None) => {
            let names = Profile::ALL.map(Profile::name).join(", ");
            return Err(CliError::Usage(format!("--profile: write {names} or all")));
        }
    };
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).map_err(|error| {
        CliError::Usage(format!("--password-stdin: standard input cannot be read: {error}"))
    })?;
    Ok(Simulation {
        server,
        login: asked.login,
        password: password.trim_end_matches(['\r', '\n']).to_owned(),
        plan: WorldPlan {
            seed: asked.seed,
            calls: asked.calls,
            rate_per_s: asked.rate,
            profiles,
            network: asked.faults.network(),
            ring_timeout_ms: RING_TIMEOUT_MS + asked.slack,
            // No run makes a thousand calls a second: each has numbers of its own.
            numbers_from: wall_clock().0.unsigned_abs(),
        },
        faults: asked.faults,
        ip: asked.ip,
        beside_calls: asked.beside_calls,
        slack_ms: asked.slack,
    })
}

fn print(card: &Scorecard, faults: Faults, as_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(card)?)
    } else {
        write!(out, "faults {}\n{card}", faults.name())
    }
}
