//! SIP on the wire: UDP sockets, TCP and TLS listeners and connections, WebSockets to PBXes, and the resolver.
//!
//! Moves bytes between the network and the reactor's queue; what they mean is the user agent's.

mod names;
mod secure;
mod streams;
mod websocket;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::Arc;

use linecard_sip::transport::{Connection, Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{Answer, Input, Question, ResolveId, Server};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

pub(crate) use names::Names;
pub(crate) use secure::Trust;
use streams::{Door, Link};

use crate::config::{Config, ConfigError, ListenTransport};
use crate::tls::{CertificateFiles, Served};

/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// Streams that peers may have open at once.
const STREAMS_MAX: usize = 2_048;

/// What the network brings; [`Wire::admit`] tells what of it is still true.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// One datagram.
    Datagram { flow: Flow, payload: Vec<u8> },
    /// A peer opened a stream, whose sender comes along, or ours is connected.
    StreamOpened { flow: Flow, serial: u64, sender: Option<mpsc::Sender<Vec<u8>>> },
    /// Bytes of a stream.
    StreamData { flow: Flow, serial: u64, payload: Vec<u8> },
    /// A stream is over, and perhaps why.
    StreamClosed { flow: Flow, serial: u64, fault: Option<TransportFault> },
    /// Something could not be sent, or the stream for it not be opened.
    TransmitFailed { flow: Flow, serial: Option<u64>, fault: TransportFault },
    /// The DNS answered.
    Resolved { id: ResolveId, answer: Answer },
}

impl Arrival {
    /// Returns it as the user agent takes it.
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Datagram { flow, payload } => Input::Datagram { flow: *flow, payload },
            Self::StreamOpened { flow, .. } => Input::StreamOpened { flow: *flow },
            Self::StreamData { flow, payload, .. } => Input::StreamData { flow: *flow, payload },
            Self::StreamClosed { flow, fault: None, .. } => Input::StreamClosed { flow: *flow },
            Self::StreamClosed { flow, fault: Some(fault), .. }
            | Self::TransmitFailed { flow, fault, .. } => {
                Input::TransmitFailed { flow: *flow, fault: fault.clone() }
            }
            Self::Resolved { id, answer } => Input::Resolved { id: *id, answer: answer.clone() },
        }
    }
}

/// What the sockets need beside addresses.
#[derive(Debug, Clone)]
pub(crate) struct Equipment {
    /// Whom TLS connections trust.
    pub(crate) trust: Arc<Trust>,
    /// What the `tls://` sockets serve, as of now; none when there are none.
    pub(crate) served: Option<Served>,
    /// The way to the DNS.
    pub(crate) names: Names,
}

impl Equipment {
    /// Reads what `[sip]` names, and goes on reading the certificate that is served.
    ///
    /// # Errors
    /// A file or a value that cannot be used, by its key.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigError> {
        let served = CertificateFiles::of_sip(config).map(CertificateFiles::serve).transpose()?;
        Ok(Self { served, ..Self::to_ask_with(config)? })
    }

    /// Reads what is needed to reach a PBX without being reached.
    ///
    /// # Errors
    /// As [`Equipment::load`].
    pub(crate) fn to_ask_with(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { trust: Trust::load(config)?, served: None, names: Names::load(config)? })
    }
}

/// The sockets; owned by the reactor.
#[derive(Debug)]
pub(crate) struct Wire {
    datagrams: Vec<(SocketAddr, Arc<UdpSocket>)>,
    streams: HashMap<Connection, Link>,
    local_addresses: Vec<LocalAddress>,
    /// Addresses that the configuration names: streams that are opened here leave from them.
    chosen: HashSet<IpAddr>,
    trust: Arc<Trust>,
    names: Names,
    arrivals: mpsc::Sender<Arrival>,
}

impl Wire {
    /// Opens the sockets and starts to read them into `arrivals`; `equipment` has what they need beside addresses.
    ///
    /// # Errors
    /// The address that cannot be listened on, with the system's reason.
    pub(crate) async fn open(
        listeners: &[(ListenTransport, SocketAddr)],
        equipment: &Equipment,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let chosen = listeners.iter().map(|(_, address)| address.ip()).filter(|ip| !ip.is_unspecified());
        let mut wire = Self {
            datagrams: Vec::new(),
            streams: HashMap::new(),
            local_addresses: Vec::new(),
            chosen: chosen.collect(),
            trust: Arc::clone(&equipment.trust),
            names: equipment.names.clone(),
            arrivals,
        };
        for (transport, address) in listeners {
            let opened = match (transport, &equipment.served) {
                (ListenTransport::Udp, _) => wire.open_datagrams(*address).await,
                (ListenTransport::Tcp, _) => wire.open_streams(*address, Door::Plain),
                (ListenTransport::Tls, Some(served)) => {
                    wire.open_streams(*address, Door::Tls(served.clone()))
                }
                (ListenTransport::Tls, None) => Err(io::Error::other("there is no certificate for it")),
            };
            opened.map_err(|error| (*address, error))?;
        }
        Ok(wire)
    }

    /// Returns the addresses that peers are told, none of them unspecified.
    pub(crate) fn local_addresses(&self) -> &[LocalAddress] {
        &self.local_addresses
    }

    /// Sends one message, under TLS and along a WebSocket to `server` alone; a failure comes back as
    /// `Arrival::TransmitFailed`.
    pub(crate) fn transmit(&mut self, flow: Flow, payload: Vec<u8>, server: Option<&Server>) {
        match flow.transport {
            Transport::Udp => self.transmit_datagram(flow, &payload),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.transmit_stream(flow, payload, server);
            }
        }
    }

    /// Takes note of what became of streams; gives back what concerns the user agent: nothing of a stream in whose place
    /// there is another.
    pub(crate) fn admit(&mut self, arrival: Arrival) -> Option<Arrival> {
        let replaced = |wire: &Self, flow: &Flow, serial: u64| {
            wire.streams.get(&flow.connection()).is_some_and(|link| link.serial != serial)
        };
        match arrival {
            Arrival::StreamOpened { flow, serial, sender: Some(sender) } => {
                self.streams.insert(flow.connection(), Link { serial, sender });
                Some(Arrival::StreamOpened { flow, serial, sender: None })
            }
            Arrival::StreamOpened { flow, serial, .. } | Arrival::StreamData { flow, serial, .. }
                if replaced(self, &flow, serial) =>
            {
                None
            }
            Arrival::StreamClosed { flow, serial, .. }
            | Arrival::TransmitFailed { flow, serial: Some(serial), .. } => {
                let concerns = !replaced(self, &flow, serial);
                if concerns {
                    self.streams.remove(&flow.connection());
                }
                concerns.then_some(arrival)
            }
            other => Some(other),
        }
    }

    /// Closes a stream: its writer ends with the queue.
    pub(crate) fn close_stream(&mut self, flow: Flow) {
        self.streams.remove(&flow.connection());
    }

    /// Asks the DNS; the answer comes as `Arrival::Resolved`.
    pub(crate) fn resolve(&self, id: ResolveId, question: Question) {
        let (names, arrivals) = (self.names.clone(), self.arrivals.clone());
        tokio::spawn(async move {
            let answer = names.ask(&question).await;
            let _ = arrivals.send(Arrival::Resolved { id, answer }).await;
        });
    }

    async fn open_datagrams(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = socket_for(address, socket2::Type::DGRAM)?;
        // A burst of INVITEs arrives faster than it is answered; the system caps what it cannot give.
        let _ = socket.set_recv_buffer_size(4 * 1024 * 1024);
        socket.bind(&address.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let told = told_address(socket.local_addr()?)?;
        self.local_addresses.push(LocalAddress { transport: Transport::Udp, addr: told });
        self.datagrams.push((told, Arc::clone(&socket)));
        tokio::spawn(read_datagrams(socket, told, self.arrivals.clone()));
        Ok(())
    }

    fn open_streams(&mut self, address: SocketAddr, door: Door) -> io::Result<()> {
        let socket = socket_for(address, socket2::Type::STREAM)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(256)?;
        let listener = TcpListener::from_std(socket.into())?;
        let told = told_address(listener.local_addr()?)?;
        let transport = match door {
            Door::Plain => Transport::Tcp,
            Door::Tls(_) => Transport::Tls,
        };
        self.local_addresses.push(LocalAddress { transport, addr: told });
        tokio::spawn(streams::accept(listener, told, door, self.arrivals.clone(), STREAMS_MAX));
        Ok(())
    }

    fn transmit_datagram(&self, flow: Flow, payload: &[u8]) {
        let own = self.datagrams.iter().find(|(address, _)| *address == flow.local);
        let same_family =
            || self.datagrams.iter().find(|(address, _)| address.is_ipv4() == flow.remote.is_ipv4());
        let sent = match own.or_else(same_family) {
            Some((_, socket)) => socket.try_send_to(payload, flow.remote).map(|_| ()),
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        match sent {
            Ok(()) => {}
            // A full buffer is loss, and loss is what the retransmissions are for.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!(%error, "a datagram could not be sent");
                self.fail(flow, TransportFault::Unconnected { why: error.to_string() });
            }
        }
    }

    fn transmit_stream(&mut self, flow: Flow, payload: Vec<u8>, server: Option<&Server>) {
        let Some(link) = self.streams.get(&flow.connection()) else {
            return self.connect(flow, payload, server);
        };
        match link.sender.try_send(payload) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.streams.remove(&flow.connection());
                self.fail(
                    flow,
                    TransportFault::Unconnected { why: "the other end takes nothing".to_owned() },
                );
            }
            Err(mpsc::error::TrySendError::Closed(payload)) => self.connect(flow, payload, server),
        }
    }

    fn connect(&mut self, flow: Flow, payload: Vec<u8>, server: Option<&Server>) {
        let named = match server {
            None if flow.transport.names_server() => return self.fail(flow, TransportFault::Closed),
            Some(server) => Some((Arc::clone(&self.trust), server.clone())),
            None => None,
        };
        let (link, carriage) = Link::new(flow, &self.arrivals);
        let _ = link.sender.try_send(payload);
        self.streams.insert(flow.connection(), link);
        let from = Some(flow.local.ip()).filter(|ip| self.chosen.contains(ip));
        tokio::spawn(carriage.open(from, named));
    }

    fn fail(&self, flow: Flow, fault: TransportFault) {
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let _ = arrivals.send(Arrival::TransmitFailed { flow, serial: None, fault }).await;
        });
    }
}

/// Makes a socket of an address's own family: `[::]` leaves IPv4 to `0.0.0.0`, whatever the system's default is.
fn socket_for(address: SocketAddr, kind: socket2::Type) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns the address to tell peers: an unspecified one becomes that of the interface that leads outside.
fn told_address(bound: SocketAddr) -> io::Result<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    // Connecting a datagram socket sends nothing; it only asks for the route. The addresses are of RFC 5737 and 3849.
    let (any, outside): (IpAddr, IpAddr) = if bound.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    };
    let probe = StdUdpSocket::bind((any, 0))?;
    let ip = match probe.connect((outside, 9)).and_then(|()| probe.local_addr()) {
        Ok(local) => local.ip(),
        Err(_) if bound.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        Err(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Ok(SocketAddr::new(ip, bound.port()))
}

async fn read_datagrams(socket: Arc<UdpSocket>, local: SocketAddr, arrivals: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((size, remote)) => {
                let flow = Flow::new(Transport::Udp, local, remote);
                let payload = buffer.get(..size).unwrap_or_default().to_vec();
                if arrivals.send(Arrival::Datagram { flow, payload }).await.is_err() {
                    return;
                }
            }
            // An ICMP error of an earlier datagram; the transaction's own timers notice the silence.
            Err(error) => tracing::debug!(%error, "a datagram socket reported an error"),
        }
    }
}

#[cfg(test)]
mod tests;
