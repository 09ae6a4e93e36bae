//! The fleet on real sockets: one task that drives every PBX, its datagrams through the simulated network, its streams
//! as they come.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{Absence, Chance, Deeds, Pbx, PbxOutput, Side, SoundPorts, Wish, World};
use linecard_sip::transport::Transport;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};

use super::link::{Datagram, Faults, Link, Way};
use super::sound::Sound;
use super::stream::{StreamEvent, Streams};

/// Datagrams and pieces of streams that wait for the fleet.
const ARRIVALS_MAX: usize = 8_192;
/// How many ports are tried for one that nobody has.
const PORT_TRIES: u32 = 100;
/// How large a socket's buffer is asked to be, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;

/// What the network brings to the fleet.
#[derive(Debug)]
pub(super) enum Arrival {
    Datagram(Datagram),
    Stream { place: usize, peer: SocketAddr, serial: u64, event: StreamEvent },
}

/// By what a PBX is reached.
enum Wire {
    Datagrams { socket: Arc<UdpSocket>, _closed: socket2::Socket },
    Streams(Box<Streams>),
}

/// What the fleet is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Let the calls begin.
    Begin,
    /// The server refused what an agent asked for.
    Refused { call: usize, wish: Wish, why: String },
    /// Leave.
    Stop,
}

/// How the fleet stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Every line of every desk is registered.
    pub(super) registered: bool,
    /// Calls that have not come to their end, from the beginning on.
    pub(super) open: Option<usize>,
}

/// What the fleet knows in the end.
pub(super) struct Known {
    pub(super) deeds: BTreeMap<usize, Deeds>,
    /// Calls to the fleet that nobody asked for, and messages that cannot be read.
    pub(super) strangers: Vec<String>,
    /// Calls in which the fleet's own sound was late.
    pub(super) spoke_late: HashSet<usize>,
    /// The longest time for which an end was not heard, in ms.
    pub(super) lost_ms: HashMap<(usize, Side), u64>,
    /// The times for which lines were not there.
    pub(super) absences: Vec<Absence>,
}

/// The running fleet.
pub(super) struct Fleet {
    /// Where each PBX listens.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) orders: mpsc::UnboundedSender<Order>,
    /// What agents ask for, and in which call.
    pub(super) wishes: mpsc::UnboundedReceiver<(usize, Wish)>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) task: tokio::task::JoinHandle<Known>,
}

struct Running {
    pbxes: Vec<Pbx>,
    wires: Vec<Wire>,
    sound: Sound,
    link: Link,
    faults: Faults,
    wishes: mpsc::UnboundedSender<(usize, Wish)>,
    standing: watch::Sender<Standing>,
    begun: Option<Instant>,
}

impl Fleet {
    /// Opens the sockets of a world's PBXes at `ip`.
    ///
    /// # Errors
    /// When the system has no sockets to give.
    pub(super) async fn open(world: &Arc<World>, ip: IpAddr, faults: Faults) -> anyhow::Result<Self> {
        let sound_chance = Chance::new(world.plan.seed ^ 0x50d);
        let (sound, ports) = Sound::open(ip, world.desks.len(), faults.sound_share(), sound_chance)?;
        let ports: BTreeMap<usize, SoundPorts> = ports.into_iter().enumerate().collect();
        let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let (mut pbxes, mut wires, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..world.plan.profiles.len() {
            let (wire, address) = match world.transport(place) {
                Transport::Udp => {
                    let (socket, _closed) = datagrams_alone(ip)?;
                    let socket = Arc::new(socket);
                    tokio::spawn(read(place, Arc::clone(&socket), arrived.clone()));
                    let address = socket.local_addr()?;
                    (Wire::Datagrams { socket, _closed }, address)
                }
                _ => {
                    let listener = TcpListener::bind((ip, 0)).await?;
                    let address = listener.local_addr()?;
                    let chance = Chance::new(world.plan.seed ^ 0x7ea6 ^ place as u64);
                    let streams = Streams::open(place, listener, arrived.clone(), chance)?;
                    (Wire::Streams(Box::new(streams)), address)
                }
            };
            pbxes.push(Pbx::new(Arc::clone(world), place, address, &ports));
            addresses.push(address);
            wires.push(wire);
        }
        let (orders, ordered) = mpsc::unbounded_channel();
        let (wishes, wished) = mpsc::unbounded_channel();
        let (standing, seen) = watch::channel(Standing::default());
        let link = Link::new(Faults::None, Chance::new(world.plan.seed ^ 0x5eed));
        let running = Running { pbxes, wires, sound, link, faults, wishes, standing, begun: None };
        let task = tokio::spawn(running.run(arrivals, ordered));
        Ok(Self { addresses, orders, wishes: wished, standing: seen, task })
    }
}

/// Opens a socket for a PBX that speaks UDP alone, and keeps the TCP port of that number closed: a long INVITE is tried there
/// first (RFC 3261 section 18.1.1), and another fleet on this machine must not answer it.
fn datagrams_alone(ip: IpAddr) -> anyhow::Result<(UdpSocket, socket2::Socket)> {
    for _ in 0..PORT_TRIES {
        let socket = roomy_socket(ip)?;
        let address = socket.local_addr()?;
        let domain = socket2::Domain::for_address(address);
        let closed = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if closed.bind(&address.into()).is_ok() {
            return Ok((socket, closed));
        }
    }
    anyhow::bail!("no port is free for UDP and TCP")
}

/// Opens a socket whose buffer holds a burst.
fn roomy_socket(ip: IpAddr) -> anyhow::Result<UdpSocket> {
    let domain = if ip.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    // Less than asked for is what the system allows.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((ip, 0)).into())?;
    Ok(UdpSocket::from_std(socket.into())?)
}

async fn read(place: usize, socket: Arc<UdpSocket>, arrived: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; 65_536];
    while !arrived.is_closed() {
        // An error is an ICMP message of an earlier datagram: the transaction's timers know what to do.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        let datagram = Datagram { place, way: Way::ToFleet, peer, bytes };
        if arrived.send(Arrival::Datagram(datagram)).await.is_err() {
            return;
        }
    }
}

impl Running {
    async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> Known {
        loop {
            let wake_at = self.turn();
            tokio::select! {
                Some(arrival) = arrivals.recv() => match arrival {
                    Arrival::Datagram(datagram) => self.link.send(datagram, Instant::now()),
                    Arrival::Stream { place, peer, serial, event } => {
                        self.stream(place, peer, serial, event);
                    }
                },
                order = orders.recv() => match order {
                    Some(Order::Begin) => self.begin(),
                    Some(Order::Refused { call, wish, why }) => {
                        let now = Instant::now();
                        for pbx in self.pbxes.iter_mut().filter(|pbx| pbx.deeds().contains_key(&call)) {
                            pbx.refused(call, &wish, &why, now);
                        }
                    }
                    Some(Order::Stop) | None => return self.known(),
                },
                () = tokio::time::sleep_until(wake_at.into()) => {}
            }
        }
    }

    fn begin(&mut self) {
        let now = Instant::now();
        self.begun = Some(now);
        self.link.set(self.faults);
        for pbx in &mut self.pbxes {
            pbx.start(now);
        }
    }

    /// Delivers what has arrived, lets every PBX act, and says when there is more to do.
    fn turn(&mut self) -> Instant {
        let now = Instant::now();
        while let Some(datagram) = self.link.arrived(now) {
            match datagram.way {
                Way::ToFleet => {
                    if let Some(pbx) = self.pbxes.get_mut(datagram.place) {
                        pbx.receive(datagram.peer, &datagram.bytes, now);
                    }
                }
                Way::ToServer => self.transmit(&datagram, now),
            }
            self.collect(now);
        }
        for pbx in &mut self.pbxes {
            if pbx.next_wakeup().is_some_and(|at| at <= now) {
                pbx.wake(now);
            }
        }
        self.collect(now);
        self.tell();
        let wakeups = self.pbxes.iter_mut().filter_map(Pbx::next_wakeup);
        let next = wakeups.chain(self.link.next_arrival()).min();
        next.unwrap_or(now + Duration::from_millis(500))
    }

    /// Something has happened to a stream.
    fn stream(&mut self, place: usize, peer: SocketAddr, serial: u64, event: StreamEvent) {
        let now = Instant::now();
        let (Some(Wire::Streams(streams)), Some(pbx)) =
            (self.wires.get_mut(place), self.pbxes.get_mut(place))
        else {
            return;
        };
        match streams.admit(peer, serial, event) {
            Some(StreamEvent::Opened) => pbx.opened(peer),
            Some(StreamEvent::Bytes(bytes)) => pbx.receive(peer, &bytes, now),
            Some(StreamEvent::Closed) => pbx.closed(peer, now),
            Some(StreamEvent::Accepted(_)) | None => {}
        }
        self.collect(now);
    }

    fn transmit(&mut self, datagram: &Datagram, now: Instant) {
        if let Some(pbx) = self.pbxes.get_mut(datagram.place) {
            pbx.delivered(&datagram.bytes, now);
        }
        if let Some(Wire::Datagrams { socket, .. }) = self.wires.get(datagram.place) {
            // A full buffer is loss, as on any network: it is sent again.
            let _ = socket.try_send_to(&datagram.bytes, datagram.peer);
        }
    }

    fn collect(&mut self, now: Instant) {
        let mut outputs = VecDeque::new();
        for (place, pbx) in self.pbxes.iter_mut().enumerate() {
            outputs.extend(std::iter::from_fn(|| pbx.poll_output()).map(|output| (place, output)));
        }
        for (place, output) in outputs {
            match output {
                PbxOutput::Transmit { to, bytes } => match self.wires.get_mut(place) {
                    Some(Wire::Streams(streams)) => {
                        if let Some(pbx) = self.pbxes.get_mut(place) {
                            pbx.delivered(&bytes, now);
                        }
                        streams.send(to, bytes);
                    }
                    _ => self.link.send(Datagram { place, way: Way::ToServer, peer: to, bytes }, now),
                },
                PbxOutput::Cut => {
                    if let Some(Wire::Streams(streams)) = self.wires.get_mut(place) {
                        streams.cut();
                    }
                }
                PbxOutput::Speak { desk, side, to, call } => self.sound.speak(desk, side, to, call),
                PbxOutput::Hush { desk, side } => self.sound.hush(desk, side),
                PbxOutput::Ask { call, wish } => {
                    let _ = self.wishes.send((call, wish));
                }
            }
        }
    }

    fn tell(&self) {
        let registered = self.pbxes.iter().all(Pbx::is_registered);
        let open = self.begun.map(|_| self.pbxes.iter().map(Pbx::open_calls).sum());
        let now = Standing { registered, open };
        self.standing.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
    }

    fn known(self) -> Known {
        let deeds = self.pbxes.iter().flat_map(|pbx| pbx.deeds().clone()).collect();
        let strangers = self.pbxes.iter().flat_map(|pbx| pbx.strangers().to_vec()).collect();
        let absences = self.pbxes.iter().flat_map(Pbx::absences).collect();
        let (spoke_late, lost_ms) = self.sound.notes();
        Known { deeds, strangers, spoke_late, lost_ms, absences }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn nobody_answers_by_tcp_where_a_pbx_speaks_udp() {
        let (socket, closed) = datagrams_alone(Ipv4Addr::LOCALHOST.into()).expect("a port");
        let address = socket.local_addr().expect("bound");
        TcpListener::bind(address).await.expect_err("the port is kept");
        let refused = tokio::net::TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        drop(closed);
        TcpListener::bind(address).await.expect("given up with the PBX");
    }
}
