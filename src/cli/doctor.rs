//! `linecard doctor`.

use std::io::BufRead;

use super::{CliError, Ended};
use crate::config::Config;
use crate::doctor::{self, Account};

/// The account to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Patient {
    /// The PBX: a host name or address, with :port if it is not 5060.
    #[arg(long, value_name = "HOST[:PORT]")]
    server: String,
    /// The account's user name.
    #[arg(long)]
    username: String,
    /// The name for authentication, when it differs from the user name.
    #[arg(long)]
    auth_username: Option<String>,
    /// Read the password from the first line of standard input, where no list of processes shows it.
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Finds out what a PBX lets Linecard do; the report goes to standard output.
pub(crate) async fn examine(config: &Config, patient: Patient) -> Result<Ended, CliError> {
    for (option, text) in [("--server", &patient.server), ("--username", &patient.username)] {
        if text.trim().is_empty() || text.chars().any(|letter| letter.is_control() || letter == ' ') {
            return Err(CliError::Usage(format!("{option}: write it without blanks or control characters")));
        }
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).map_err(|error| {
        CliError::Usage(format!("--password-stdin: standard input cannot be read: {error}"))
    })?;
    let account = Account {
        server: patient.server,
        username: patient.username,
        password: password.trim_end_matches(['\r', '\n']).to_owned(),
        auth_username: patient.auth_username,
        external_address: config.external_address()?,
    };
    let report = doctor::examine(&account).await?;
    if patient.json {
        let json = serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?;
        println!("{json}");
    } else {
        print!("{report}");
    }
    Ok(if report.healthy { Ended::Well } else { Ended::NotWell })
}
