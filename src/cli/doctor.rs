//! `linecard doctor`.

use std::io::{BufRead, Write};
use std::time::Duration;

use linecard_store::lines::{LineMode, LineTransport};
use linecard_web::doctor::{Account, Finding, Language, TestCall};
use linecard_web::websocket_address::Written;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{CliError, Ended};
use crate::config::Config;
use crate::doctor::{self, Patient, Report};
use crate::wire::Equipment;

/// Findings that wait for the terminal.
const FINDINGS_MAX: usize = 256;
/// How long a look may take until it is brought to its end.
const LOOK_WITHIN: Duration = Duration::from_secs(120);

/// The account to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// The PBX: a host name or address, with :port if it is not 5060, or a WebSocket's address such as
    /// wss://pbx.example:8089/ws.
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
    /// Let the account call itself: this rings its real telephone for a moment. It is cancelled as soon as it rings.
    #[arg(long)]
    test_call: bool,
    /// In which language the telephone's display says that it is a test.
    #[arg(long, default_value = "en")]
    language: AskedLanguage,
    /// Print every message that went over the wire, too, without passwords and digests.
    #[arg(long)]
    exchange: bool,
    /// Print the report as JSON when all is found out.
    #[arg(long)]
    json: bool,
}

/// A language that can be asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AskedLanguage {
    En,
    Ru,
}

/// A transport that can be asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AskedTransport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
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
    let style = Style { as_json: asked.json, exchange: asked.exchange };
    let patient = Patient {
        account: account_of(asked, password.trim_end_matches(['\r', '\n']))?,
        own_contact: None,
        external_address: config.sip.external_address()?,
        equipment: Equipment::to_ask_with(config)?,
        test_calls: doctor::TestCalls::default(),
    };
    // Heard from now on, whatever else there is to do when it comes.
    let interrupted = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let (findings, told) = mpsc::channel(FINDINGS_MAX);
    let (examined, report) = tokio::join!(
        doctor::examine(&patient, findings, LOOK_WITHIN),
        report(&patient.account, (told, interrupted), style)
    );
    examined?;
    let report = report?;
    Ok(if report.healthy { Ended::Well } else { Ended::NotWell })
}

/// The account that is asked about, a WebSocket's address taken apart.
fn account_of(asked: Asked, password: &str) -> Result<Account, CliError> {
    let mut written = Written {
        server: asked.server,
        outbound_proxy: asked.outbound_proxy,
        transport: asked.transport.map(|transport| match transport {
            AskedTransport::Udp => LineTransport::Udp,
            AskedTransport::Tcp => LineTransport::Tcp,
            AskedTransport::Tls => LineTransport::Tls,
            AskedTransport::Ws => LineTransport::Ws,
            AskedTransport::Wss => LineTransport::Wss,
        }),
        websocket_path: None,
    };
    let test_call = match (asked.test_call, asked.language) {
        (false, _) => TestCall::No,
        (true, AskedLanguage::En) => TestCall::Yes(Language::En),
        (true, AskedLanguage::Ru) => TestCall::Yes(Language::Ru),
    };
    let transport = written.transport;
    written
        .take_apart(transport)
        .map_err(|wrong| CliError::Usage(format!("--{}: {}", wrong.field.replace('_', "-"), wrong.advice)))?;
    Ok(Account {
        server: written.server,
        username: asked.username,
        password: password.to_owned(),
        auth_username: asked.auth_username,
        outbound_proxy: written.outbound_proxy,
        transport: written.transport,
        websocket_path: written.websocket_path,
        mode: LineMode::Anchor,
        line: None,
        test_call,
    })
}

/// How a report is printed.
#[derive(Debug, Clone, Copy)]
struct Style {
    as_json: bool,
    exchange: bool,
}

/// Prints what is found, as it comes or at the end. Ctrl-C stops the look, which then takes back what it left at the PBX.
async fn report(
    account: &Account,
    (mut told, mut interrupted): (mpsc::Receiver<Finding>, Signal),
    style: Style,
) -> anyhow::Result<Report> {
    let mut out = std::io::stdout();
    let (server, username) = (account.server.clone(), account.username.clone());
    if !style.as_json {
        writeln!(out, "{username} at {server}")?;
    }
    let (steps, checks, messages) = (Vec::new(), Vec::new(), Vec::new());
    let mut report = Report { server, username, healthy: false, steps, checks, plan: None, messages };
    loop {
        let finding = tokio::select! {
            finding = told.recv() => finding,
            _ = interrupted.recv() => {
                eprintln!("stopped; what was left at the PBX is taken back");
                return Ok(report);
            }
        };
        let Some(finding) = finding else { break };
        if !style.as_json {
            write!(out, "{}", text_of(&finding, style.exchange))?;
        }
        match finding {
            Finding::Step(step) => report.steps.push(step),
            Finding::Check(check) => report.checks.push(check),
            Finding::Plan(plan) => report.plan = Some(plan),
            Finding::Message(message) if style.exchange => report.messages.push(message),
            Finding::Message(_) => {}
            Finding::Verdict { healthy } => report.healthy = healthy,
        }
    }
    if style.as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    }
    Ok(report)
}

fn text_of(finding: &Finding, exchange: bool) -> String {
    match finding {
        Finding::Step(step) => doctor::step_text(step),
        Finding::Check(check) => doctor::check_text(check),
        Finding::Plan(plan) => doctor::plan_text(plan),
        Finding::Message(message) if exchange => doctor::message_text(message),
        Finding::Message(_) => String::new(),
        Finding::Verdict { healthy } => doctor::verdict_text(*healthy).to_owned(),
    }
}
