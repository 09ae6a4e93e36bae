//! Whether the server's name has an address, and whether somebody listens there.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use linecard_sip::transport::{Transport, TransportFault};
use linecard_sip::ua::{Question, Records};
use linecard_sip::uri::{Host, Uri};
use linecard_store::lines::LineTransport;
use linecard_web::doctor::{Step, StepName};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Patient;
use super::announced::TlsSeen;
use super::chart::Chart;
use super::said::Said;
use crate::directory::transport_of;
use crate::tls::Fingerprint;
use crate::trouble::Trouble;
use crate::wire::{Names, Trust};

/// How long the resolver and a TCP connection may take.
const REACH_WITHIN: Duration = Duration::from_secs(5);
/// How long a refusal of a datagram is waited for; most refuse at once or never.
const REFUSE_WITHIN: Duration = Duration::from_millis(700);
/// Where TLS is usual (RFC 3261 section 19.1.2).
const TLS_PORT: u16 = 5061;
/// Empty lines, which every SIP element passes over (RFC 5626 section 4.4.1).
const KNOCK: &[u8] = b"\r\n\r\n";

/// Where the server is.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The host of the account's address.
    pub(super) host: Host,
    pub(super) port: Option<u16>,
    /// Where requests go first: the server, or the outbound proxy.
    pub(super) address: SocketAddr,
    /// The host there, as a certificate has to name it.
    pub(super) next: Host,
}

/// What is known of the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) tcp_open: bool,
    pub(super) udp_refused: bool,
    /// Somebody takes TLS connections who proves to be the server.
    pub(super) tls_open: bool,
}

/// How a TCP connection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connected {
    Open,
    Refused,
    NoWay,
    Silent,
}

/// Finds the address that requests go to.
pub(super) async fn resolve(patient: &Patient, chart: &mut Chart) -> Option<Server> {
    let account = &patient.account;
    let proxy = account.outbound_proxy.as_deref();
    let (Some((host, port)), Some((next, next_port))) =
        (place(&account.server), place(proxy.unwrap_or(&account.server)))
    else {
        let advice = "write the PBX's host name or address, with :port if it is not 5060";
        let text = format!("{:?} is no host", account.server);
        let said = Said::fault("no_host", text, advice).with("server", &account.server);
        chart.step(said.blames("server").bad(StepName::Resolve)).await;
        return None;
    };
    let field = if proxy.is_some() { "outbound_proxy" } else { "server" };
    let usual = account.transport.map_or(Transport::Udp, transport_of);
    let port_wanted = next_port.unwrap_or(usual.default_port());
    if let Some(ip) = next.ip() {
        let said = Said::new("address_given", format!("{ip} is an address already")).with("address", ip);
        chart.step(said.good(StepName::Resolve)).await;
        return Some(Server { host, port, address: SocketAddr::new(ip, port_wanted), next });
    }
    let name = next.to_string();
    let names = &patient.equipment.names;
    let service = if next_port.is_none() { service(names, &name, account.transport).await } else { None };
    let (host_there, port_there) = service.unwrap_or((name.clone(), port_wanted));
    let found = names.ask(&Question::Addresses(host_there)).await.records;
    let addresses: Vec<SocketAddr> = match found {
        Records::Addresses(found) => found.into_iter().map(|ip| SocketAddr::new(ip, port_there)).collect(),
        Records::Naptr(_) | Records::Srv(_) => Vec::new(),
    };
    let Some(address) = addresses.first().copied() else {
        let said = Said::from(Trouble::no_address(&name)).blames(field);
        chart.step(said.bad(StepName::Resolve)).await;
        return None;
    };
    let said = match addresses.len() {
        1 => Said::new("resolved", format!("{name} is at {}", address.ip())),
        count => {
            let more = count - 1;
            Said::new("resolved_more", format!("{name} is at {} and {more} more", address.ip()))
                .with("count", more)
        }
    };
    chart.step(said.with("host", &name).with("address", address.ip()).good(StepName::Resolve)).await;
    Some(Server { host, port, address, next })
}

/// Where a domain says that its best SIP service is (RFC 2782).
async fn service(names: &Names, domain: &str, wanted: Option<LineTransport>) -> Option<(String, u16)> {
    let services: &[&str] = match wanted {
        None => &["_sip._udp", "_sip._tcp"],
        Some(LineTransport::Udp) => &["_sip._udp"],
        Some(LineTransport::Tcp) => &["_sip._tcp"],
        Some(LineTransport::Tls) => &["_sips._tcp"],
        // A WebSocket is where its address says.
        Some(LineTransport::Ws | LineTransport::Wss) => &[],
    };
    for service in services {
        let answer = names.ask(&Question::Srv(format!("{service}.{domain}"))).await;
        let Records::Srv(records) = answer.records else { continue };
        let best = records.into_iter().filter(|record| record.target != ".");
        if let Some(best) = best.min_by_key(|record| record.priority) {
            return Some((best.target.trim_end_matches('.').to_owned(), best.port));
        }
    }
    None
}

fn place(server: &str) -> Option<(Host, Option<u16>)> {
    let uri = Uri::parse(format!("sip:{server}").as_bytes()).ok()?;
    uri.as_sip().map(|uri| (uri.host.clone(), uri.port))
}

/// Looks whether somebody listens, on both transports at once; or under TLS alone, when that is wanted.
pub(super) async fn knock(server: &Server, patient: &Patient, chart: &mut Chart) -> Reached {
    let address = server.address;
    let wanted = patient.account.transport;
    if wanted.is_some_and(|wanted| transport_of(wanted).is_secure()) {
        let knocked = timeout(REACH_WITHIN, patient.equipment.trust.knock(address, &server.next)).await;
        let knocked = knocked.unwrap_or(Err(TransportFault::NotTls));
        let tls_open = knocked.is_ok();
        chart.step(tls_step(address, knocked)).await;
        return Reached { tcp_open: false, udp_refused: true, tls_open };
    }
    let (tcp, udp_refused) = tokio::join!(connect(address), datagram_refused(address));
    chart.step(port_step(address, wanted, tcp, udp_refused)).await;
    Reached { tcp_open: tcp == Connected::Open, udp_refused, tls_open: false }
}

/// Looks for TLS where it is usual, beside what the account was asked for.
pub(super) async fn look_for_tls(
    address: SocketAddr,
    next: Host,
    trust: Arc<Trust>,
    in_use: bool,
) -> TlsSeen {
    if in_use {
        return TlsSeen::InUse { address: address.to_string() };
    }
    let place = SocketAddr::new(address.ip(), TLS_PORT);
    let address = place.to_string();
    match timeout(REACH_WITHIN, trust.knock(place, &next)).await {
        Err(_) => TlsSeen::Silent { address },
        Ok(Ok(_)) => TlsSeen::Offered { address, fault: None },
        Ok(Err(TransportFault::Unconnected { .. } | TransportFault::Closed | TransportFault::NotTls)) => {
            TlsSeen::Refused { address }
        }
        Ok(Err(fault)) => TlsSeen::Offered { address, fault: Some(fault) },
    }
}

fn tls_step(address: SocketAddr, knocked: Result<Fingerprint, TransportFault>) -> Step {
    let said = match knocked {
        Ok(fingerprint) => {
            let text = format!("{address} speaks TLS; the SHA-256 of its certificate is {fingerprint}");
            let said = Said::new("port_tls", text).with("fingerprint", fingerprint);
            return said.with("address", address).good(StepName::Port);
        }
        Err(fault) => Said::from(Trouble::of_fault(&fault)),
    };
    said.with("address", address).bad(StepName::Port)
}

fn port_step(address: SocketAddr, wanted: Option<LineTransport>, tcp: Connected, udp_refused: bool) -> Step {
    let name = StepName::Port;
    let said = |key, text: String| Said::new(key, text).with("address", address);
    let fault = |key, text: String, advice| Said::fault(key, text, advice).with("address", address);
    let udp_wanted = !matches!(wanted, Some(LineTransport::Tcp | LineTransport::Ws));
    let tcp_wanted = wanted != Some(LineTransport::Udp);
    match (tcp, udp_refused) {
        (Connected::NoWay, _) => {
            let text = format!("no way leads from this machine to {address}");
            let advice = "check the server's address, and this machine's network and routes";
            fault("no_way", text, advice).blames("server").bad(name)
        }
        (Connected::Open, false) => said("port_open", format!("{address} takes connections")).good(name),
        (Connected::Open, true) if tcp_wanted => {
            said("port_tcp_only", format!("{address} takes connections, but no datagrams")).noted(name)
        }
        (Connected::Refused | Connected::Silent, _) if wanted == Some(LineTransport::Ws) => {
            let advice = "check the port of the WebSocket's address, and switch WebSocket on at the PBX";
            let text = format!("{address} takes no connection");
            fault("port_no_websocket", text, advice).blames("server").bad(name)
        }
        (Connected::Refused | Connected::Silent, false) if !udp_wanted => {
            let advice = "choose UDP, or let the PBX listen for TCP on this port";
            fault("port_no_tcp", format!("{address} takes no TCP"), advice).blames("transport").bad(name)
        }
        (Connected::Open, true) => {
            let advice = "choose TCP, or let the PBX listen for UDP on this port";
            fault("port_no_udp", format!("{address} takes no UDP"), advice).blames("transport").bad(name)
        }
        (Connected::Refused, false) => {
            said("port_udp_only", format!("{address} takes no connection, so only UDP is left")).noted(name)
        }
        (Connected::Silent, false) => {
            said("port_silent", format!("{address} answers no connection, so only UDP is left")).noted(name)
        }
        (Connected::Refused | Connected::Silent, true) => {
            let advice =
                "check the port (5060 is usual; write host:port for another), and that the PBX runs there";
            fault("port_closed", format!("nobody listens at {address}"), advice).blames("server").bad(name)
        }
    }
}

async fn connect(address: SocketAddr) -> Connected {
    match timeout(REACH_WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Connected::Open,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Connected::NoWay,
            ErrorKind::TimedOut => Connected::Silent,
            _ => Connected::Refused,
        },
        Err(_) => Connected::Silent,
    }
}

/// Tells whether the machine there says that nobody takes datagrams; a connected socket is told of it (ICMP).
async fn datagram_refused(address: SocketAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let Ok(socket) = UdpSocket::bind((any, 0)).await else { return false };
    let is_refusal = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    let knocked = async {
        socket.connect(address).await?;
        socket.send(KNOCK).await?;
        socket.recv(&mut [0; 1]).await.map(|_| ())
    };
    timeout(REFUSE_WITHIN, knocked).await.is_ok_and(|answer| answer.is_err_and(is_refusal))
}

#[cfg(test)]
mod tests {
    use linecard_web::doctor::StepState;

    use super::*;

    #[test]
    fn what_is_known_of_a_port_is_judged_by_the_transport_that_is_wanted() {
        use Connected::{NoWay, Open, Refused, Silent};
        use LineTransport::{Tcp, Udp};
        let cases = [
            (None, Open, false, StepState::Good, "port_open"),
            (None, Open, true, StepState::Noted, "port_tcp_only"),
            (None, Refused, false, StepState::Noted, "port_udp_only"),
            (None, Silent, false, StepState::Noted, "port_silent"),
            (None, Refused, true, StepState::Bad, "port_closed"),
            (None, Silent, true, StepState::Bad, "port_closed"),
            (None, NoWay, false, StepState::Bad, "no_way"),
            (Some(Udp), Open, true, StepState::Bad, "port_no_udp"),
            (Some(Udp), Refused, false, StepState::Noted, "port_udp_only"),
            (Some(Tcp), Open, true, StepState::Noted, "port_tcp_only"),
            (Some(Tcp), Silent, false, StepState::Bad, "port_no_tcp"),
            (Some(Tcp), Refused, true, StepState::Bad, "port_closed"),
        ];
        let address = SocketAddr::from(([192, 0, 2, 1], 5060));
        for (wanted, tcp, udp_refused, state, key) in cases {
            let step = port_step(address, wanted, tcp, udp_refused);
            assert_eq!((step.state, step.key), (state, key), "{wanted:?} {tcp:?} {udp_refused}");
            assert_eq!(step.advice.is_some(), state == StepState::Bad, "{step:?}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_silent_one() {
        let silent = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = silent.local_addr().unwrap();
        assert!(!datagram_refused(address).await);
        drop(silent);
        assert!(datagram_refused(address).await);
    }
}
