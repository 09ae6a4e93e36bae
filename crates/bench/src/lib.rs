//! `cargo bench-all`: the rounds of the speed figures, each beside its contenders, in one run.
//!
//! The load judges every packet, frame and sample; whatever is measured runs alone on one core, the load on another.
//! What comes out is JSON with every figure, and a table for people.

pub mod browsers;
pub mod contenders;
pub mod figures;
pub mod host;
pub mod load;
pub mod office;
pub mod pbx;
pub mod process;
pub mod round_a;
pub mod round_b;
pub mod round_c;
pub mod server;
pub mod sound;
pub mod wav;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

/// The contacts of the office, in the whole run and in a quick one.
const CONTACTS: (usize, usize) = (1_000_000, 10_000);

/// What a round needs.
pub struct Bench {
    /// The server's program.
    server: PathBuf,
    /// This program, which is also the bare relay and the null sink.
    own: PathBuf,
    /// Where everything is kept.
    folder: PathBuf,
    /// The office's database.
    office: PathBuf,
    /// How many contacts are in it.
    contacts: usize,
    /// Whether it is only to be shown that the rounds work.
    quick: bool,
    /// The contender that is measured alone, while something is being improved.
    only: Option<String>,
    /// For what is not measured.
    runtime: Runtime,
}

/// Does what the words of the command line say.
///
/// # Errors
/// When they are not understood, or a round fails.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["bare-relay", base, legs, listeners] => bare(base, legs, listeners),
        ["null-sink", address] => contenders::sink::run(address.parse()?),
        ["rounds", server, folder, rest @ ..] => rounds(server, folder, rest),
        _ => bail!("usage: linecard-bench rounds SERVER FOLDER [--quick] [--only=CONTENDER] [a|b|c]..."),
    }
}

fn bare(base: &str, legs: &str, listeners: &str) -> Result<()> {
    let listeners = listeners.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    contenders::bare::run(base.parse()?, legs.parse()?, &listeners)
}

fn rounds(server: &str, folder: &str, words: &[&str]) -> Result<()> {
    let quick = words.contains(&"--quick");
    let only = words.iter().find_map(|word| word.strip_prefix("--only=")).map(str::to_owned);
    let mut chosen: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    if chosen.is_empty() {
        chosen = vec!["a", "b", "c"];
    }
    let host = host::describe();
    process::pin_the_load()?;
    fs::create_dir_all(folder)?;
    let folder = fs::canonicalize(folder)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let contacts = if quick { CONTACTS.1 } else { CONTACTS.0 };
    let office = runtime.block_on(office::found(&folder, contacts))?;
    let (server, own) = (fs::canonicalize(server).context("the server's program")?, std::env::current_exe()?);
    let bench = Bench { server, own, folder, office, contacts, quick, only, runtime };
    let mut results = Map::new();
    results.insert("host".to_owned(), host);
    for round in chosen {
        println!("round ({round})");
        let result: Value = match round {
            "a" => round_a::run(&bench)?,
            "b" => round_b::run(&bench)?,
            "c" => round_c::run(&bench)?,
            other => bail!("there is no round {other}"),
        };
        results.insert(round.to_owned(), result);
        let path = bench.folder.join(if quick { "quick.json" } else { "results.json" });
        fs::write(&path, serde_json::to_string_pretty(&results)?)?;
        println!("  written to {}", path.display());
    }
    Ok(())
}
