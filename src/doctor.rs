//! The doctor: from server, user and password it finds out what a PBX lets Linecard do, and says only what it saw.
//!
//! It resolves the name, looks whether somebody listens, registers for a minute at most, looks at the contacts before,
//! meanwhile and after, and asks what the server can do. It rings nobody and takes its contact away again; a phone that it
//! pushed out gets its place back. At an account that a line of ours has, or that only is to be watched, it only asks.

mod chart;
mod consulting;
mod reach;
mod report;
mod said;
mod session;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use linecard_sip::registration::{FailureReason, RegistrationState, WaitReason};
use linecard_sip::transport::{Transport, TransportFault};
use linecard_store::lines::{LineMode, LineTransport};
use linecard_web::doctor::{Account, Finding};
use tokio::sync::mpsc;

use chart::Chart;
pub(crate) use consulting::Consulting;
use reach::{Reached, Server};
pub(crate) use report::{Report, step_text, verdict_text};
use session::Session;

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
/// more the look ends, with the doctor's contact taken away.
///
/// # Errors
/// When this machine gives no sockets or no randomness; what the PBX does wrong is among the findings.
pub(crate) async fn examine(patient: &Patient, findings: mpsc::Sender<Finding>) -> anyhow::Result<()> {
    let mut chart = Chart::new(findings);
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

/// Tells how the registration went, and asks a server that took it what it can do.
async fn look_around(
    patient: &Patient,
    server: &Server,
    mut session: Session,
    (transport, registered): (Transport, Registered),
    chart: &mut Chart,
) -> anyhow::Result<()> {
    let via = transport.as_via();
    let step = said::registration(&patient.account, via, &registered);
    chart.step(step).await;
    match registered {
        Registered::Yes { .. } | Registered::Answered { .. } => {
            let options = session.ask_options(patient, server).await;
            session.ask_dialogs(&patient.account).await;
            let put_back = session.put_back().await;
            let confirmed = session.leave().await || put_back;
            let bindings = match (&patient.own_contact, patient.account.mode) {
                (_, LineMode::DialogInfo) => said::desk_phones(session.listings.first()),
                (Some(_), _) => said::own_place(session.listings.first()),
                (None, _) => said::bindings(&session.listings, confirmed),
            };
            chart.step(bindings).await;
            chart.step(said::server(session.server_name.as_deref())).await;
            for step in said::abilities(options.as_ref()) {
                chart.step(step).await;
            }
            chart.step(said::dialogs(&session.dialogs)).await;
            chart.step(said::outlook(patient.account.mode, &session.listings, &session.dialogs)).await;
        }
        Registered::No(_) | Registered::NotListed | Registered::Silent => {
            session.leave().await;
            chart.step(said::server(session.server_name.as_deref())).await;
        }
    }
    Ok(())
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
