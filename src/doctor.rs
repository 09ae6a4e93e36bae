//! The doctor: from server, user and password it finds out what a PBX lets Linecard do, and says only what it saw.
//!
//! First form: it resolves the name, tries the transports, registers for a minute at most, looks at the contacts before,
//! meanwhile and after, and asks what the server can do. It rings nobody and takes its contact away again.

mod report;
mod session;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Response};
use linecard_sip::registration::{FailureReason, RegistrationState, WaitReason};
use linecard_sip::sdp::{SessionDescription, audio_of};
use linecard_sip::transport::Transport;
use linecard_sip::uri::{Host, Uri};

pub(crate) use report::Report;
use report::{Step, StepName, StepState};
use session::{Listing, Session};

/// How long the resolver and a TCP connection may take.
const REACH_WITHIN: Duration = Duration::from_secs(5);
/// How long a registration may take over one transport: six datagrams are sent in that time.
const REGISTER_WITHIN: Duration = Duration::from_secs(12);

/// The account to look at.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// `host` or `host:port`.
    pub(crate) server: String,
    /// The user part of the address of record.
    pub(crate) username: String,
    /// The password.
    pub(crate) password: String,
    /// The name for authentication, when it differs.
    pub(crate) auth_username: Option<String>,
    /// The address that peers are told, behind a NAT.
    pub(crate) external_address: Option<IpAddr>,
}

/// Where the server is.
#[derive(Debug, Clone)]
struct Server {
    host: Host,
    port: Option<u16>,
    address: SocketAddr,
}

/// How a registration over one transport went.
enum Registered {
    Yes { took: Duration, contacts: usize },
    Refused(FailureReason),
    Unavailable { status: u16 },
    NotListed,
    Silent,
}

/// Looks at an account; takes half a minute at most.
///
/// # Errors
/// When this machine gives no sockets or no randomness; what the PBX does wrong stands in the report.
pub(crate) async fn examine(account: &Account) -> anyhow::Result<Report> {
    let mut steps = Vec::new();
    let server = resolve(account, &mut steps).await;
    if let Some(server) = server {
        let tcp = reach(&server, &mut steps).await;
        let transports: &[Transport] =
            if tcp { &[Transport::Udp, Transport::Tcp] } else { &[Transport::Udp] };
        register(account, &server, transports, &mut steps).await?;
    }
    let healthy = steps.iter().all(|step| step.state != StepState::Bad);
    Ok(Report { server: account.server.clone(), username: account.username.clone(), healthy, steps })
}

async fn resolve(account: &Account, steps: &mut Vec<Step>) -> Option<Server> {
    let advice = "write the PBX's host name or address, with :port if it is not 5060";
    let uri = Uri::parse(format!("sip:{}", account.server).as_bytes()).ok();
    let Some((host, port)) = uri.as_ref().and_then(Uri::as_sip).map(|uri| (uri.host.clone(), uri.port))
    else {
        steps.push(Step::bad(StepName::Resolve, format!("{:?} is no host", account.server), advice));
        return None;
    };
    let wanted = port.unwrap_or(Transport::Udp.default_port());
    if let Some(ip) = host.ip() {
        return Some(Server { host, port, address: SocketAddr::new(ip, wanted) });
    }
    let name = host.to_string();
    let found = tokio::time::timeout(REACH_WITHIN, tokio::net::lookup_host((name.as_str(), wanted))).await;
    let addresses: Vec<SocketAddr> =
        found.map_or_else(|_| Vec::new(), |found| found.into_iter().flatten().collect());
    let Some(address) = addresses.first().copied() else {
        let advice = "check its spelling and this machine's name service, or write the address itself";
        steps.push(Step::bad(StepName::Resolve, format!("the name {name} has no address"), advice));
        return None;
    };
    let more = match addresses.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    steps.push(Step::good(StepName::Resolve, format!("{name} is at {}{more}", address.ip())));
    Some(Server { host, port, address })
}

/// Tells whether a TCP connection can be made; a PBX that speaks only UDP is fine.
async fn reach(server: &Server, steps: &mut Vec<Step>) -> bool {
    let address = server.address;
    match tokio::time::timeout(REACH_WITHIN, tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => {
            steps.push(Step::good(StepName::TcpPort, format!("{address} takes connections")));
            true
        }
        Ok(Err(error)) => {
            steps.push(Step::noted(StepName::TcpPort, format!("{address} takes no connection: {error}")));
            false
        }
        Err(_) => {
            steps.push(Step::noted(StepName::TcpPort, format!("{address} does not answer a connection")));
            false
        }
    }
}

async fn register(
    account: &Account,
    server: &Server,
    transports: &[Transport],
    steps: &mut Vec<Step>,
) -> anyhow::Result<()> {
    for transport in transports {
        let mut session = Session::begin(account, server, *transport).await?;
        let begun = Instant::now();
        session.until(REGISTER_WITHIN, |session| outcome(&session.state, begun).is_some()).await;
        let registered = outcome(&session.state, begun).unwrap_or(Registered::Silent);
        if let Registered::Silent = registered {
            continue;
        }
        let is_registered = matches!(registered, Registered::Yes { .. });
        steps.push(registration_step(account, *transport, &registered));
        if is_registered {
            let options = session.ask_options(account, server).await;
            let confirmed = session.leave().await;
            steps.push(bindings_step(&registered, &session.listings, confirmed));
            steps.push(server_step(session.server_name.as_deref()));
            steps.extend(options_steps(options.as_ref()));
            steps.push(outlook(&session.listings));
        } else {
            session.leave().await;
            steps.push(server_step(session.server_name.as_deref()));
        }
        return Ok(());
    }
    let tried: Vec<&str> = transports.iter().map(|transport| transport.as_via()).collect();
    let text = format!("{} does not answer over {}", server.address, tried.join(" or "));
    let advice = "check address and port, that the PBX runs, and that a firewall lets SIP through both ways";
    steps.push(Step::bad(StepName::Register, text, advice));
    Ok(())
}

/// What a state comes to; none while it is not decided.
fn outcome(state: &RegistrationState, begun: Instant) -> Option<Registered> {
    match state {
        RegistrationState::Registered { contacts, .. } => {
            Some(Registered::Yes { took: begun.elapsed(), contacts: *contacts })
        }
        RegistrationState::Failed { reason, .. } => Some(Registered::Refused(reason.clone())),
        RegistrationState::Waiting { reason, .. } => match reason {
            WaitReason::Spread => None,
            WaitReason::Unreachable { .. } => Some(Registered::Silent),
            WaitReason::Unavailable { status, .. } => Some(Registered::Unavailable { status: *status }),
            WaitReason::ContactMissing { .. } => Some(Registered::NotListed),
        },
        _ => None,
    }
}

fn registration_step(account: &Account, transport: Transport, registered: &Registered) -> Step {
    let (name, via) = (StepName::Register, transport.as_via());
    match registered {
        Registered::Yes { took, .. } => {
            let text = format!("registered as {} over {via} in {} ms", account.username, took.as_millis());
            Step::good(name, text)
        }
        Registered::Refused(reason) => {
            let advice = match reason {
                FailureReason::Authentication(_) => {
                    "check user name and password; some PBXes want another name for authentication (--auth-username)"
                }
                FailureReason::Forbidden => "allow this account on the PBX to register from this machine",
                FailureReason::UnknownUser => "check the user name; the PBX has no such account",
                FailureReason::Redirect => "write the server that the PBX redirects to",
                FailureReason::IntervalRefused => "let the PBX accept an expiry of a day or less",
                FailureReason::Rejected { .. } => "look into the PBX's log for this account",
            };
            Step::bad(name, format!("refused over {via}: {reason}"), advice)
        }
        Registered::Unavailable { status } => {
            let advice = "look into the PBX's log; it may be starting or overloaded";
            Step::bad(name, format!("the PBX answered {status} over {via}"), advice)
        }
        Registered::NotListed => {
            let advice = "check how many contacts the account may have: this one was accepted and not kept";
            Step::bad(name, format!("accepted over {via}, but the contact is not listed"), advice)
        }
        Registered::Silent => Step::bad(name, format!("no answer over {via}"), "check address and port"),
    }
}

/// What the registrar's lists say about other phones of the account, never more than they show.
fn bindings_step(registered: &Registered, listings: &[Listing], confirmed: bool) -> Step {
    let name = StepName::Bindings;
    let Registered::Yes { contacts, .. } = registered else {
        return Step::noted(name, "not seen");
    };
    let before = listings.first().filter(|first| !first.own).map(|first| &first.others);
    let during = listings.iter().rev().find(|listing| listing.own).map(|listing| &listing.others);
    let after = listings.last().filter(|last| confirmed && !last.own).map(|last| &last.others);
    let (Some(before), Some(during)) = (before, during) else {
        return Step::noted(
            name,
            format!("the account has at least {contacts} contact(s), this one among them"),
        );
    };
    let gone: Vec<&str> = before.difference(after.unwrap_or(during)).map(String::as_str).collect();
    if !gone.is_empty() {
        let advice = "the PBX keeps fewer contacts than there are phones: give Linecard an account of its own, \
                      or raise the number of contacts, and restart the phone";
        return Step::bad(name, format!("registering has pushed out {}", gone.join(", ")), advice);
    }
    match (during.len(), after) {
        (0, _) => Step::good(name, "at least 1 contact is possible; no other phone uses this account"),
        (others, Some(_)) => Step::good(
            name,
            format!(
                "at least {} contacts are possible; {} stayed: {}",
                others + 1,
                phones(others),
                list(during)
            ),
        ),
        (others, None) => Step::noted(
            name,
            format!("at least {} contacts are possible; {}: {}", others + 1, phones(others), list(during)),
        ),
    }
}

fn phones(count: usize) -> String {
    if count == 1 { "the other phone".to_owned() } else { format!("the {count} other phones") }
}

fn list(contacts: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = contacts.iter().take(5).map(String::as_str).collect();
    let more = contacts.len().saturating_sub(shown.len());
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn server_step(server_name: Option<&str>) -> Step {
    match server_name {
        Some(text) => Step::good(StepName::Server, text),
        None => Step::noted(StepName::Server, "it does not say what it is"),
    }
}

fn options_steps(options: Option<&Response>) -> Vec<Step> {
    let Some(response) = options else {
        return vec![Step::noted(
            StepName::Codecs,
            "not told: OPTIONS is not answered; the first call will show",
        )];
    };
    let status = response.status.get();
    let audio = SessionDescription::parse(&response.body).ok().as_ref().and_then(audio_of);
    let codecs = match audio {
        Some(audio) => {
            let names: Vec<String> =
                audio.codecs.iter().map(|codec| format!("{}/{}", codec.name, codec.clock_rate)).collect();
            if audio.codecs.iter().any(|codec| codec.is_g711()) {
                Step::good(StepName::Codecs, names.join(", "))
            } else {
                let advice = "allow G.711 (PCMA or PCMU) for this account";
                Step::bad(StepName::Codecs, format!("no G.711 among {}", names.join(", ")), advice)
            }
        }
        None => {
            let text = format!("not told outside a call (OPTIONS: {status}); the first call will show");
            Step::noted(StepName::Codecs, text)
        }
    };
    let told = |name: HeaderName, word: &str| {
        let values = response.headers.options_of(&name);
        (!values.is_empty()).then(|| format!("{word} {}", values.join(" ")))
    };
    let told = [
        told(HeaderName::Allow, "methods"),
        told(HeaderName::Supported, "extensions"),
        told(HeaderName::AllowEvents, "events"),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    match told.is_empty() {
        true => vec![codecs],
        false => vec![codecs, Step::noted(StepName::Abilities, told.join("; "))],
    }
}

fn outlook(listings: &[Listing]) -> Step {
    let others = listings.iter().rev().find(|listing| listing.own).map_or(0, |listing| listing.others.len());
    let text = if others == 0 {
        "mode anchor: every call to this account is seen, shown and recorded; calls that its agent dials elsewhere are not"
    } else {
        "mode anchor: every call to this account is seen; what another phone of the account answers is seen as \
         answered elsewhere and not recorded, and what it dials is not seen"
    };
    Step::good(StepName::Outlook, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(own: bool, others: &[&str]) -> Listing {
        Listing { own, others: others.iter().map(|other| (*other).to_owned()).collect() }
    }

    fn bindings(listings: &[Listing], confirmed: bool) -> Step {
        bindings_step(&Registered::Yes { took: Duration::ZERO, contacts: 2 }, listings, confirmed)
    }

    #[test]
    fn another_phone_that_stays_is_named_and_one_that_is_pushed_out_is_an_alarm() {
        let desk = "sip:201@192.0.2.9";
        let lists = [listing(false, &[desk]), listing(true, &[desk]), listing(false, &[desk])];
        let step = bindings(&lists, true);
        assert_eq!((step.state, step.text.contains(desk)), (StepState::Good, true), "{step:?}");
        for pushed_out in [
            [listing(false, &[desk]), listing(true, &[]), listing(false, &[])],
            [listing(false, &[desk]), listing(true, &[desk]), listing(false, &[])],
        ] {
            let step = bindings(&pushed_out, true);
            assert_eq!((step.state, step.text.contains(desk)), (StepState::Bad, true), "{step:?}");
        }
    }

    #[test]
    fn nothing_is_claimed_that_the_registrar_did_not_show() {
        let step = bindings(&[listing(true, &[])], false);
        assert_eq!(step.state, StepState::Noted);
        assert!(step.text.contains("at least 2"), "{step:?}");
        let unconfirmed = bindings(&[listing(false, &["sip:x@h"]), listing(true, &["sip:x@h"])], false);
        assert_eq!(unconfirmed.state, StepState::Noted);
        assert!(!unconfirmed.text.contains("stayed"), "{unconfirmed:?}");
    }
}
