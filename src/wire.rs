//! SIP on the wire: UDP sockets, TCP listeners and connections, and the resolver.
//!
//! Moves bytes between the network and the reactor's queue; what they mean is the user agent's.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use linecard_sip::transport::{Flow, LocalAddress, Transport};
use linecard_sip::ua::ResolveId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::ListenTransport;

/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// Messages that wait for a slow stream before it counts as broken.
const STREAM_QUEUE: usize = 256;
/// How long a stream may take to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a stream may take to accept one message.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How long the resolver may take.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);
/// Streams that peers may have open at once.
const STREAMS_MAX: usize = 2_048;

/// What the network brings.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// One datagram.
    Datagram { flow: Flow, payload: Vec<u8> },
    /// A peer opened a stream, or ours is connected.
    StreamOpened { flow: Flow, sender: mpsc::Sender<Vec<u8>> },
    /// Bytes of a stream.
    StreamData { flow: Flow, payload: Vec<u8> },
    /// A stream is over.
    StreamClosed { flow: Flow },
    /// Something could not be sent.
    TransmitFailed { flow: Flow },
    /// The resolver answered.
    Resolved { id: ResolveId, addresses: Vec<SocketAddr> },
}

/// The sockets; owned by the reactor.
#[derive(Debug)]
pub(crate) struct Wire {
    datagrams: Vec<(SocketAddr, Arc<UdpSocket>)>,
    streams: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    listens_to_streams: Option<SocketAddr>,
    local_addresses: Vec<LocalAddress>,
    arrivals: mpsc::Sender<Arrival>,
}

impl Wire {
    /// Opens the sockets and starts to read them into `arrivals`.
    ///
    /// # Errors
    /// The address that cannot be listened on, with the system's reason.
    pub(crate) async fn open(
        listeners: &[(ListenTransport, SocketAddr)],
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut wire = Self {
            datagrams: Vec::new(),
            streams: HashMap::new(),
            listens_to_streams: None,
            local_addresses: Vec::new(),
            arrivals,
        };
        for (transport, address) in listeners {
            let opened = match transport {
                ListenTransport::Udp => wire.open_datagrams(*address).await,
                ListenTransport::Tcp => wire.open_streams(*address).await,
            };
            opened.map_err(|error| (*address, error))?;
        }
        Ok(wire)
    }

    /// Returns the addresses that peers are told, none of them unspecified.
    pub(crate) fn local_addresses(&self) -> &[LocalAddress] {
        &self.local_addresses
    }

    /// Sends one message; a failure comes back as `Arrival::TransmitFailed`.
    pub(crate) fn transmit(&mut self, flow: Flow, payload: Vec<u8>) {
        match flow.transport {
            Transport::Udp => self.transmit_datagram(flow, &payload),
            Transport::Tcp | Transport::Tls => self.transmit_stream(flow, payload),
        }
    }

    /// Remembers a stream that was opened.
    pub(crate) fn stream_opened(&mut self, flow: Flow, sender: mpsc::Sender<Vec<u8>>) {
        self.streams.insert(flow.remote, sender);
    }

    /// Forgets a stream; its writer ends with the queue.
    pub(crate) fn close_stream(&mut self, flow: Flow) {
        self.streams.remove(&flow.remote);
    }

    /// Asks the resolver; the answer comes as `Arrival::Resolved`, empty when there is none.
    pub(crate) fn resolve(&self, id: ResolveId, host: String, port: u16) {
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let found = timeout(RESOLVE_WITHIN, tokio::net::lookup_host((host.as_str(), port))).await;
            let addresses = match found {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(_)) | Err(_) => Vec::new(),
            };
            let _ = arrivals.send(Arrival::Resolved { id, addresses }).await;
        });
    }

    async fn open_datagrams(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
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

    async fn open_streams(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(256)?;
        let told = told_address(listener.local_addr()?)?;
        self.local_addresses.push(LocalAddress { transport: Transport::Tcp, addr: told });
        self.listens_to_streams.get_or_insert(told);
        tokio::spawn(accept_streams(listener, told, self.arrivals.clone(), STREAMS_MAX));
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
                self.fail(flow);
            }
        }
    }

    fn transmit_stream(&mut self, flow: Flow, payload: Vec<u8>) {
        if let Some(sender) = self.streams.get(&flow.remote) {
            match sender.try_send(payload) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.streams.remove(&flow.remote);
                    return self.fail(flow);
                }
                Err(mpsc::error::TrySendError::Closed(payload)) => {
                    self.streams.remove(&flow.remote);
                    return self.connect(flow, payload);
                }
            }
        }
        self.connect(flow, payload);
    }

    fn connect(&mut self, flow: Flow, payload: Vec<u8>) {
        let (sender, queue) = mpsc::channel(STREAM_QUEUE);
        let _ = sender.try_send(payload);
        self.streams.insert(flow.remote, sender);
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            match timeout(CONNECT_WITHIN, TcpStream::connect(flow.remote)).await {
                Ok(Ok(stream)) => carry(stream, flow, queue, arrivals).await,
                Ok(Err(_)) | Err(_) => {
                    let _ = arrivals.send(Arrival::TransmitFailed { flow }).await;
                }
            }
        });
    }

    fn fail(&self, flow: Flow) {
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let _ = arrivals.send(Arrival::TransmitFailed { flow }).await;
        });
    }
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
                let flow = Flow { transport: Transport::Udp, local, remote };
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

async fn accept_streams(
    listener: TcpListener,
    local: SocketAddr,
    arrivals: mpsc::Sender<Arrival>,
    streams_max: usize,
) {
    let places = Arc::new(tokio::sync::Semaphore::new(streams_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, remote)) => {
                let flow = Flow { transport: Transport::Tcp, local, remote };
                let (sender, queue) = mpsc::channel(STREAM_QUEUE);
                if arrivals.send(Arrival::StreamOpened { flow, sender }).await.is_err() {
                    return;
                }
                let arrivals = arrivals.clone();
                tokio::spawn(async move {
                    carry(stream, flow, queue, arrivals).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors: the listener stays readable, so wait rather than spin.
                tracing::warn!(%error, "a stream could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Carries one stream until either side ends it.
async fn carry(
    stream: TcpStream,
    flow: Flow,
    mut queue: mpsc::Receiver<Vec<u8>>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let _ = stream.set_nodelay(true);
    let (reader, mut writer) = stream.into_split();
    let mut reading = tokio::spawn(read_stream(reader, flow, arrivals.clone()));
    loop {
        tokio::select! {
            _ = &mut reading => break,
            payload = queue.recv() => {
                let Some(payload) = payload else { break };
                if !matches!(timeout(WRITE_WITHIN, writer.write_all(&payload)).await, Ok(Ok(()))) {
                    let _ = arrivals.send(Arrival::TransmitFailed { flow }).await;
                    break;
                }
            }
        }
    }
    reading.abort();
    let _ = arrivals.send(Arrival::StreamClosed { flow }).await;
}

async fn read_stream(mut reader: OwnedReadHalf, flow: Flow, arrivals: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(size) => {
                let payload = buffer.get(..size).unwrap_or_default().to_vec();
                if arrivals.send(Arrival::StreamData { flow, payload }).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
