//! The doctor: from server, user and password it finds out what a PBX lets Linecard do, and says only what it saw.
//!
//! It resolves the name, looks whether somebody listens, registers for a minute at most, looks at the contacts before,
//! meanwhile and after, and asks what the server can do. It takes its contact away again; a phone that it pushed out gets
//! its place back. At an account that a line of ours has, or that only is to be watched, it registers nothing. It rings
//! nobody, unless it is asked for a test call: then the account calls itself for a moment. Each claim names the message
//! that it comes from.

mod announced;
mod asking;
mod bindings;
mod called;
mod calling;
mod chart;
mod consulting;
mod plan;
mod reach;
mod report;
mod said;
mod session;
mod test_calls;
mod transcript;
mod watched;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_sip::registration::{FailureReason, RegistrationState, WaitReason};
use linecard_sip::transport::{Transport, TransportFault};
use linecard_store::lines::{LineMode, LineTransport};
use linecard_web::doctor::{Account, CheckName, Finding, Outcome, Step, StepName, TestCall};
use tokio::sync::mpsc;

use announced::{Announced, TlsSeen};
use called::{Called, Mark};
use chart::Chart;
pub(crate) use consulting::Consulting;
use plan::{CallSeen, Known, Sightings};
use reach::{Reached, Server};
pub(crate) use report::{Report, check_text, message_text, plan_text, step_text, verdict_text};
use said::Said;
use session::Session;
pub(crate) use test_calls::TestCalls;
use watched::Watched;

use crate::directory::transport_of;
use crate::trouble::Trouble;
use crate::wire::Equipment;

/// How long a registration may take over one transport: six datagrams are sent in that time.
const REGISTER_WITHIN: Duration = Duration::from_secs(12);

/// An account, and what the doctor has to know beside it.
#[derive(Debug, Clone)]
pub(crate) struct Patient {
    /// The account.
    pub(crate) account: Account,
    /// The user part of the contact under which a line of ours has registered it.
    pub(crate) own_contact: Option<String>,
    /// The address that peers are told, behind a NAT.
    pub(crate) external_address: Option<IpAddr>,
    /// What is needed to reach the PBX.
    pub(crate) equipment: Equipment,
    /// Where a call to an account that a line of ours has is told.
    pub(crate) test_calls: TestCalls,
}

impl Patient {
    /// Whether nothing is registered.
    fn is_only_asked(&self) -> bool {
        self.own_contact.is_some() || self.account.mode == LineMode::DialogInfo
    }
}

/// How a registration over one transport went.
enum Registered {
    Yes {
        took: Duration,
    },
    /// The registrar answered the question about contacts; none of ours was added.
    Answered {
        took: Duration,
    },
    No(Trouble),
    NotListed,
    Silent,
}

/// Looks at an account, for half a minute or so; what is found goes to `findings` as it comes. When nobody takes it any
/// more, or after `at_most`, the look ends, with the doctor's contact taken away and its call cancelled.
///
/// # Errors
/// When this machine gives no sockets or no randomness; what the PBX does wrong is among the findings.
pub(crate) async fn examine(
    patient: &Patient,
    findings: mpsc::Sender<Finding>,
    at_most: Duration,
) -> anyhow::Result<()> {
    let mut chart = Chart::new(findings, at_most);
    let wanted = patient.account.transport;
    if let Some(server) = reach::resolve(patient, &mut chart).await {
        let reached = reach::knock(&server, patient, &mut chart).await;
        let transports = transports(wanted, &reached);
        if patient.account.mode == LineMode::Siprec {
            chart.step(said::recorder()).await;
        } else if !transports.is_empty() && chart.is_wanted() {
            register(patient, &server, &transports, &mut chart).await?;
        }
    }
    chart.close().await;
    Ok(())
}

/// The transports to try: the one that is wanted, else those that are not known to lead nowhere.
fn transports(wanted: Option<LineTransport>, reached: &Reached) -> Vec<Transport> {
    let tried = [
        (Transport::Udp, LineTransport::Udp, !reached.udp_refused),
        (Transport::Tcp, LineTransport::Tcp, reached.tcp_open),
        (Transport::Tls, LineTransport::Tls, reached.tls_open),
    ];
    // Nobody looks for a WebSocket by itself: only its address says where it is.
    let by_websocket = wanted.map(transport_of).filter(|wanted| wanted.is_websocket());
    if let Some(websocket) = by_websocket {
        let leads = if websocket.is_secure() { reached.tls_open } else { reached.tcp_open };
        return Vec::from_iter(leads.then_some(websocket));
    }
    let tried = tried.into_iter().filter(|(_, name, leads)| *leads && wanted.is_none_or(|it| it == *name));
    tried.map(|(transport, ..)| transport).collect()
}

async fn register(
    patient: &Patient,
    server: &Server,
    transports: &[Transport],
    chart: &mut Chart,
) -> anyhow::Result<()> {
    for transport in transports {
        let mut session = Session::begin(patient, server, *transport, chart.exchange()).await?;
        let begun = Instant::now();
        tokio::select! {
            _ = session.until(REGISTER_WITHIN, |session| outcome(session, begun).is_some()) => {}
            () = chart.left() => {}
        }
        match outcome(&session, begun).unwrap_or(Registered::Silent) {
            Registered::Silent if chart.is_wanted() => {
                if Some(transport) != transports.last() {
                    let step = said::registration(&patient.account, transport.as_via(), &Registered::Silent);
                    chart.step(step).await;
                }
            }
            Registered::Silent => {
                session.leave().await;
                return Ok(());
            }
            registered => {
                return look_around(patient, server, session, (*transport, registered), chart).await;
            }
        }
    }
    let tried: Vec<&str> = transports.iter().map(|transport| transport.as_via()).collect();
    chart.step(said::silent(server.address, &tried.join(", "))).await;
    Ok(())
}

/// Tells how the registration went, asks a server that took it what it can do, and calls the account when that is wanted.
async fn look_around(
    patient: &Patient,
    server: &Server,
    mut session: Session,
    (transport, registered): (Transport, Registered),
    chart: &mut Chart,
) -> anyhow::Result<()> {
    let account = &patient.account;
    chart.step(said::registration(account, transport.as_via(), &registered)).await;
    if !matches!(registered, Registered::Yes { .. } | Registered::Answered { .. }) {
        session.leave().await;
        chart.step(said::server(session.server_name.as_deref())).await;
        return Ok(());
    }
    let (in_use, trust) = (transport == Transport::Tls, Arc::clone(&patient.equipment.trust));
    let tls = reach::look_for_tls(server.address, server.next.clone(), trust, in_use);
    let tls = tokio::spawn(tls);
    let options = session.ask_options(account, server).await;
    chart.step(said::server(session.server_name.as_deref())).await;
    chart.step(said::abilities(options.as_ref())).await;
    let subscription = session.ask_dialogs(account).await;
    chart.step(said::dialogs(&session.dialogs)).await;
    let (told, called) = (session.dialogs.clone(), call(patient, server, &mut session, chart).await?);
    if let Some(subscription) = subscription {
        session.stop_dialogs(subscription).await;
    }
    if session.dialogs != told {
        chart.step(said::dialogs(&session.dialogs)).await;
    }
    if let Some(step) = called {
        chart.step(step).await;
    }
    let put_back = session.put_back().await;
    let confirmed = session.leave().await || put_back;
    let step = match (&patient.own_contact, account.mode) {
        (_, LineMode::DialogInfo) => bindings::desk_phones(session.listings.first()),
        (Some(_), _) => bindings::own_place(session.listings.first()),
        (None, _) => bindings::bindings(&session.listings, confirmed),
    };
    chart.step(step).await;
    if options.is_some() {
        // Once more, now that nothing is registered: a PBX may know us only as long as we are.
        session.ask_options(account, server).await;
    }
    let tls = tls.await?;
    conclude(patient, &session, (transport, confirmed), tls, chart).await;
    Ok(())
}

/// Calls the account by itself when that is wanted and can be done without harm; gives how it went.
async fn call(
    patient: &Patient,
    server: &Server,
    session: &mut Session,
    chart: &Chart,
) -> anyhow::Result<Option<Step>> {
    let account = &patient.account;
    let TestCall::Yes(language) = account.test_call else { return Ok(None) };
    if !chart.is_wanted() {
        return Ok(None);
    }
    if account.mode == LineMode::DialogInfo {
        let text = "no test call: in mode dialog_info nothing is registered, so a call cannot come here";
        return Ok(Some(Said::new("call_not_bound", text).noted(StepName::Call)));
    }
    if session.has_pushed_out() {
        let text =
            "no test call: this contact has pushed another phone out, which has to have its place back first";
        return Ok(Some(Said::new("call_not_made", text).noted(StepName::Call)));
    }
    let username = account.username.clone();
    let mark = Mark { call_id: String::new(), display: calling::display_name(language).to_owned(), username };
    let expected = account.line.map(|line| patient.test_calls.expect(line, mark));
    let expected = expected.map(|(expectation, calls)| {
        session.at_line = Some(calls);
        expectation
    });
    let called = session.call_itself(account, server, chart).await;
    drop(expected);
    called?;
    Ok(session.called().map(|called| called.step()))
}

/// Tells what was seen of each thing, which mode fits, and what will be seen in the one that is asked for.
async fn conclude(
    patient: &Patient,
    session: &Session,
    (transport, confirmed): (Transport, bool),
    tls: TlsSeen,
    chart: &mut Chart,
) {
    let account = &patient.account;
    let entries = session.transcript.entries();
    let called = session.called();
    let announced = Announced { entries, called: called.as_ref() };
    let mut checks = announced.checks();
    checks.push(said::dialogs_check(&session.dialogs, entries));
    checks.push(announced::tls(tls));
    match &called {
        Some(called) => checks.extend(called.checks()),
        None => {
            let asked_elsewhere = |name: &CheckName| *name != CheckName::Codecs;
            checks.extend(called::ONLY_BY_CALL.into_iter().filter(asked_elsewhere).map(called::not_asked));
        }
    }
    let offers_srtp = checks
        .iter()
        .any(|check| check.name == CheckName::Srtp && matches!(check.outcome, Outcome::Seen { .. }));
    let seen = Sightings {
        phones: bindings::phones(&session.listings, confirmed),
        dialogs: session.dialogs.clone(),
        watched: Watched::read(entries),
        call: called.as_ref().map_or(CallSeen::Nothing, Called::seen),
    };
    let translated = announced.seen_address().filter(|(_, own, seen, _)| own != seen);
    let known = Known {
        transport: transport.as_param(),
        external_address: translated.map(|(_, _, seen, _)| seen.to_string()),
        offers_srtp,
        own_number: announced.own_number(),
    };
    chart.checks(checks).await;
    chart.plan(plan::plan(account, &seen, &known)).await;
    chart.step(said::outlook(account.mode, &session.listings, &session.dialogs, seen.call)).await;
}

/// What a session comes to; none while it is not decided.
fn outcome(session: &Session, begun: Instant) -> Option<Registered> {
    if session.held_back {
        return Some(Registered::Answered { took: begun.elapsed() });
    }
    match &session.state {
        RegistrationState::Registered { .. }
        | RegistrationState::Failed { reason: FailureReason::PushesOut { .. }, .. } => {
            Some(Registered::Yes { took: begun.elapsed() })
        }
        RegistrationState::Failed { reason, .. } => Some(Registered::No(Trouble::of_failure(reason))),
        RegistrationState::Waiting { reason, .. } => match reason {
            WaitReason::Spread => None,
            WaitReason::Unreachable { fault: None | Some(TransportFault::Unconnected { .. }), .. } => {
                Some(Registered::Silent)
            }
            WaitReason::Unreachable { fault: Some(fault), .. } => {
                Some(Registered::No(Trouble::of_fault(fault)))
            }
            WaitReason::Unavailable { .. } => Trouble::of_wait(reason).map(Registered::No),
            WaitReason::ContactMissing { .. } => Some(Registered::NotListed),
        },
        _ => None,
    }
}
