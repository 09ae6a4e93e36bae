//! The command line: what an administrator types, and the exit codes that scripts rely on.
//!
//! 0 success; 1 the thing asked about is not well, or the environment refuses; 2 wrong usage or configuration, with one
//! line on stderr that names the key and says what to write.

mod backup;
mod doctor;
mod explain;
mod import;
mod recording;
mod replay;
mod serve;
mod simulate;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use linecard_calls::Role;
use linecard_store::{Address, Store};

use crate::config::{Config, ConfigError};
use crate::log;

/// Telephony-integrated CTI server: any PBX, one ledger, exactly one screen-pop.
#[derive(Debug, Parser)]
#[command(name = "linecard", version)]
pub struct Arguments {
    /// The configuration file; else `linecard.toml` in the working directory, else `/etc/linecard/linecard.toml`, else the
    /// defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; SIGTERM or Ctrl-C lets the running calls finish and closes their recordings.
    Serve,
    /// Manage the people who log in.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Find out what a PBX lets Linecard do with an account, and what to change; rings nobody.
    Doctor(doctor::Asked),
    /// Let a simulated fleet of PBXes call at a running server, and say what the server made of it.
    Simulate(simulate::Asked),
    /// Take over what another program has.
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Write everything into one archive; beside a running server too.
    Backup(backup::Destination),
    /// Put the content of a backup into an empty place; no server may run there.
    Restore {
        /// The archive.
        file: PathBuf,
    },
    /// Say why an interaction is what it is, from the ledger.
    Explain {
        /// The interaction's id.
        interaction: String,
    },
    /// Fold the whole ledger again and report where the saved interactions differ.
    Replay,
    /// Manage recordings.
    Recording {
        #[command(subcommand)]
        command: RecordingCommand,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user.
    Add(user::NewUser),
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// Add the contacts of a CSV or vCard file that are not there yet; beside a running server too.
    Contacts(import::Source),
}

#[derive(Debug, Subcommand)]
enum RecordingCommand {
    /// Prove length, gaps and checksum of one recording or of all; runs beside a live server.
    Verify {
        /// The recording's id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every recording.
        #[arg(long)]
        all: bool,
    },
}

/// How a command ended.
pub(crate) enum Ended {
    /// All is well.
    Well,
    /// The thing asked about is not well; what was found is on stdout.
    NotWell,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Wrong usage or configuration.
    #[error("{0}")]
    Usage(String),
    /// The environment refuses.
    #[error("{0}")]
    Environment(String),
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<linecard_store::StoreError> for CliError {
    fn from(error: linecard_store::StoreError) -> Self {
        match error {
            error @ linecard_store::StoreError::Url { .. } => Self::Usage(error.to_string()),
            error => Self::Environment(error.to_string()),
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Environment(format!("{error:#}"))
    }
}

/// Runs a command and returns the process's exit code.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    match execute(arguments) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::NotWell) => ExitCode::from(1),
        Err(error) => {
            eprintln!("linecard: {}", error.to_string().replace('\n', " "));
            ExitCode::from(if matches!(error, CliError::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn execute(arguments: Arguments) -> Result<Ended, CliError> {
    let config = Config::load(arguments.config.as_deref())?;
    log::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Environment(format!("the system gives no threads: {error}")))?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve => serve::serve(config).await,
            Command::User { command: UserCommand::Add(new) } => user::add(&config, new).await,
            Command::Doctor(asked) => doctor::examine(&config, asked).await,
            Command::Simulate(asked) => simulate::run(asked).await,
            Command::Import { command: ImportCommand::Contacts(source) } => {
                import::contacts(&config, source).await
            }
            Command::Backup(destination) => backup::back_up(&config, destination).await,
            Command::Restore { file } => backup::restore(&config, &file).await,
            Command::Explain { interaction } => explain::explain(&config, &interaction).await,
            Command::Replay => replay::replay(&config).await,
            Command::Recording { command: RecordingCommand::Verify { id, .. } } => {
                recording::verify(&config, id.as_deref()).await
            }
        }
    })
}

/// Opens the configured database for a command; only `serve` and `user add` may make a new one.
async fn open_existing(config: &Config) -> Result<Store, CliError> {
    let url = config.database_url();
    if let Some(file) = url.parse::<Address>()?.missing_file() {
        return Err(CliError::Environment(format!(
            "there is no database at {}; run `linecard serve` once, or set database.url or server.data_dir",
            file.display()
        )));
    }
    Ok(Store::open(&url).await?)
}

/// Makes the data folder and opens or makes the database.
pub(crate) async fn open_or_make(config: &Config) -> Result<Store, CliError> {
    let folder = &config.server.data_dir;
    std::fs::create_dir_all(folder).map_err(|error| {
        CliError::Environment(format!(
            "server.data_dir: {} cannot be made ({error}); write a folder that this user may write to",
            folder.display()
        ))
    })?;
    Ok(Store::open(&config.database_url()).await?)
}

fn parse_role(text: &str) -> Result<Role, String> {
    match text {
        "agent" => Ok(Role::Agent),
        "supervisor" => Ok(Role::Supervisor),
        "admin" => Ok(Role::Admin),
        _ => Err("write agent, supervisor or admin".to_owned()),
    }
}
