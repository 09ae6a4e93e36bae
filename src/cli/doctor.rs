//! `linecard doctor`.

use std::io::{BufRead, Write};

use linecard_store::lines::{LineMode, LineTransport};
use linecard_web::doctor::{Account, Finding};
use tokio::sync::mpsc;

use super::{CliError, Ended};
use crate::config::Config;
use crate::doctor::{self, Patient, Report};
use crate::wire::Equipment;

/// Findings that wait for the terminal.
const FINDINGS_MAX: usize = 64;

/// The account to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// The PBX: a host name or address, with :port if it is not 5060.
    #[arg(long, value_name = "HOST[:PORT]")]
    server: String,
    /// The account's user name.
    #[arg(long)]
    username: String,
    /// The name for authentication, when it differs from the user name.
    #[arg(long)]
    auth_username: Option<String>,
    /// A proxy that every request goes through.
    #[arg(long, value_name = "HOST[:PORT]")]
    outbound_proxy: Option<String>,
    /// The transport; without it they are tried in turn.
    #[arg(long)]
    transport: Option<AskedTransport>,
    /// Read the password from the first line of standard input, where no list of processes shows it.
    #[arg(long, required = true)]
    password_stdin: bool,
    /// Print the report as JSON when all is found out.
    #[arg(long)]
    json: bool,
}

/// A transport that can be asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AskedTransport {
    Udp,
    Tcp,
    Tls,
}

/// Finds out what a PBX lets Linecard do; what is found goes to standard output, step by step.
pub(crate) async fn examine(config: &Config, asked: Asked) -> Result<Ended, CliError> {
    let proxy = asked.outbound_proxy.as_deref().unwrap_or("-");
    for (option, text) in
        [("--server", asked.server.as_str()), ("--username", &asked.username), ("--outbound-proxy", proxy)]
    {
        if text.trim().is_empty() || text.chars().any(|letter| letter.is_control() || letter == ' ') {
            return Err(CliError::Usage(format!("{option}: write it without blanks or control characters")));
        }
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).map_err(|error| {
        CliError::Usage(format!("--password-stdin: standard input cannot be read: {error}"))
    })?;
    let account = Account {
        server: asked.server,
        username: asked.username,
        password: password.trim_end_matches(['\r', '\n']).to_owned(),
        auth_username: asked.auth_username,
        outbound_proxy: asked.outbound_proxy,
        transport: asked.transport.map(|transport| match transport {
            AskedTransport::Udp => LineTransport::Udp,
            AskedTransport::Tcp => LineTransport::Tcp,
            AskedTransport::Tls => LineTransport::Tls,
        }),
        mode: LineMode::Anchor,
        line: None,
    };
    let patient = Patient {
        account,
        own_contact: None,
        external_address: config.sip.external_address()?,
        equipment: Equipment::to_ask_with(config)?,
    };
    let (findings, told) = mpsc::channel(FINDINGS_MAX);
    let (examined, report) =
        tokio::join!(doctor::examine(&patient, findings), report(&patient.account, told, asked.json));
    examined?;
    let report = report?;
    Ok(if report.healthy { Ended::Well } else { Ended::NotWell })
}

async fn report(
    account: &Account,
    mut told: mpsc::Receiver<Finding>,
    as_json: bool,
) -> anyhow::Result<Report> {
    let mut out = std::io::stdout();
    let (server, username) = (account.server.clone(), account.username.clone());
    if !as_json {
        writeln!(out, "{username} at {server}")?;
    }
    let mut report = Report { server, username, healthy: false, steps: Vec::new() };
    while let Some(finding) = told.recv().await {
        match finding {
            Finding::Step(step) => {
                if !as_json {
                    write!(out, "{}", doctor::step_text(&step))?;
                }
                report.steps.push(step);
            }
            Finding::Message(_) => {}
            Finding::Verdict { healthy } => report.healthy = healthy,
        }
    }
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "{}", doctor::verdict_text(report.healthy))?;
    }
    Ok(report)
}
