//! A network between a server and everybody else that loses and holds up packets on purpose, and counts what it lost.
//!
//! The server tells an address that is this network's (`sip.external_address`); whatever comes there goes on to the
//! server from a port of its own at the sender's address, as behind a NAT, and back the same way. Losses are spread
//! evenly, so that each stream loses exactly its share; reports (odd ports) and SIP are never lost.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::net::{free_ports, ipv4, own_address};

/// How many RTP and RTCP ports lead through it: those of four legs.
const MEDIA_PORTS: u16 = 8;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    ToServer,
    FromServer,
}

/// What is done with the sound of one way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Treatment {
    /// How many of a hundred packets are lost.
    pub(crate) lost_percent: u32,
    /// How long each takes.
    pub(crate) delay_ms: u64,
    /// By how much at most a packet is later than that; below 20 none overtakes another.
    pub(crate) uneven_ms: u64,
}

#[derive(Default)]
struct Treatments {
    to_server: Treatment,
    from_server: Treatment,
}

/// The running network.
pub(crate) struct BadNetwork {
    address: Ipv4Addr,
    server: SocketAddr,
    first: u16,
    treatments: Arc<Mutex<Treatments>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BadNetwork {
    /// Begins between a server that is to start and everybody else; nothing is lost yet.
    pub(crate) fn begin() -> Self {
        let (address, server_ip) = (own_address(), own_address());
        let first = free_ports(server_ip, MEDIA_PORTS + 1);
        let server = SocketAddr::from((server_ip, first + MEDIA_PORTS));
        let bind = |port| UdpSocket::bind((address, port)).expect("a port of an address of our own");
        let near: Vec<UdpSocket> = (first..=server.port()).map(bind).collect();
        near.iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket need not wait"));
        let (treatments, over) = (Arc::<Mutex<Treatments>>::default(), Arc::<AtomicBool>::default());
        let carrier = Carrier {
            server: server_ip,
            near,
            far: HashMap::new(),
            under_way: Vec::new(),
            owed: HashMap::new(),
            chance: 4_711,
            sip: server.port(),
        };
        let (told, ended) = (Arc::clone(&treatments), Arc::clone(&over));
        let thread = Some(std::thread::spawn(move || carrier.run(&told, &ended)));
        Self { address, server, first, treatments, over, thread }
    }

    /// The configuration of the server behind it, keys of `[sip]` first.
    pub(crate) fn configuration(&self) -> String {
        let Self { address, server, first, .. } = self;
        let last = first + MEDIA_PORTS - 1;
        format!(
            "listen = [\"udp://{server}\"]\nexternal_address = \"{address}\"\n\
             [media]\nport_min = {first}\nport_max = {last}\n"
        )
    }

    /// Treats the sound of one way so from now on.
    pub(crate) fn treat(&self, way: Way, treatment: Treatment) {
        let mut treatments = self.treatments.lock().expect("no panic");
        match way {
            Way::ToServer => treatments.to_server = treatment,
            Way::FromServer => treatments.from_server = treatment,
        }
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One sender's packets to one port of the server, and the answers.
struct Flow {
    socket: UdpSocket,
    near: usize,
    peer: SocketAddr,
}

struct UnderWay {
    due: Instant,
    way: Way,
    flow: (usize, SocketAddr),
    bytes: Vec<u8>,
}

struct Carrier {
    server: Ipv4Addr,
    near: Vec<UdpSocket>,
    far: HashMap<(usize, SocketAddr), Flow>,
    under_way: Vec<UnderWay>,
    /// Hundredths of a packet that each stream has to lose.
    owed: HashMap<(usize, SocketAddr, Way), u32>,
    chance: u64,
    sip: u16,
}

impl Carrier {
    fn run(mut self, treatments: &Mutex<Treatments>, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            let (to, from) = {
                let treatments = treatments.lock().expect("no panic");
                (treatments.to_server, treatments.from_server)
            };
            for (near, peer, bytes) in self.arrived() {
                self.open(near, peer);
                self.take(Way::ToServer, (near, peer), bytes, to);
            }
            for (flow, bytes) in self.answered() {
                self.take(Way::FromServer, flow, bytes, from);
            }
            self.deliver();
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn arrived(&self) -> Vec<(usize, SocketAddr, Vec<u8>)> {
        let mut buffer = [0; 4_096];
        let mut all = Vec::new();
        for (near, socket) in self.near.iter().enumerate() {
            while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
                all.push((near, peer, buffer[..len].to_vec()));
            }
        }
        all
    }

    fn answered(&self) -> Vec<((usize, SocketAddr), Vec<u8>)> {
        let mut buffer = [0; 4_096];
        let mut all = Vec::new();
        for (key, flow) in &self.far {
            while let Ok((len, _)) = flow.socket.recv_from(&mut buffer) {
                all.push((*key, buffer[..len].to_vec()));
            }
        }
        all
    }

    fn open(&mut self, near: usize, peer: SocketAddr) {
        self.far.entry((near, peer)).or_insert_with(|| {
            let ip = ipv4(peer);
            let socket = UdpSocket::bind((ip, free_ports(ip, 1))).expect("a port beside the sender's");
            socket.set_nonblocking(true).expect("a socket need not wait");
            Flow { socket, near, peer }
        });
    }

    fn take(&mut self, way: Way, flow: (usize, SocketAddr), bytes: Vec<u8>, treatment: Treatment) {
        let port = self.near[flow.0].local_addr().expect("bound").port();
        let treatment = if port == self.sip { Treatment::default() } else { treatment };
        let is_sound = port != self.sip && port.is_multiple_of(2);
        if is_sound {
            let owed = self.owed.entry((flow.0, flow.1, way)).or_default();
            *owed += treatment.lost_percent;
            if *owed >= 100 {
                *owed -= 100;
                return;
            }
        }
        let uneven = if is_sound { treatment.uneven_ms } else { 0 };
        let late = Duration::from_micros(self.draw() % (uneven * 1_000 + 1));
        let due = Instant::now() + Duration::from_millis(treatment.delay_ms) + late;
        self.under_way.push(UnderWay { due, way, flow, bytes });
    }

    fn draw(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        let (mut due, later) =
            std::mem::take(&mut self.under_way).into_iter().partition(|it: &UnderWay| it.due <= now);
        self.under_way = later;
        due.sort_by_key(|it: &UnderWay| it.due);
        for UnderWay { way, flow, bytes, .. } in due {
            let Some(Flow { socket, near, peer }) = self.far.get(&flow) else { continue };
            let near = &self.near[*near];
            let port = near.local_addr().expect("bound").port();
            // Whoever is not there any more misses it, as on any network.
            let _ = match way {
                Way::ToServer => socket.send_to(&bytes, (self.server, port)),
                Way::FromServer => near.send_to(&bytes, peer),
            };
        }
    }
}
