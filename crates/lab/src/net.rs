//! The simulated network and the loop that drives everything attached to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_sip::transport::Transport;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::clock::SimClock;
use crate::conditions::Conditions;
use crate::stream::{StreamId, Streams, Way};
use crate::transcript::{Entry, Fate, Transcript};

/// How many things may happen in one instant before the loop counts as stuck.
const STUCK_AFTER: u32 = 100_000;

/// Bytes on their way: a datagram, or a piece of a stream of any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What carries it.
    pub transport: Transport,
    /// One of the sender's own addresses.
    pub from: SocketAddr,
    /// The receiver; for an accepted stream the address it was received from.
    pub to: SocketAddr,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Something that lives on the network: a machine under test, a scripted phone, a PBX.
pub trait Endpoint {
    /// Tells whether bytes for this address are its own.
    fn owns(&self, address: SocketAddr) -> bool;

    /// Takes a datagram or the next bytes of a stream.
    fn receive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        payload: &[u8],
        now: Instant,
    );

    /// Takes note that `remote` cannot be reached: a connection refused or closed, or an ICMP error.
    fn path_failed(&mut self, _local: SocketAddr, _remote: SocketAddr, _transport: Transport, _now: Instant) {
    }

    /// Gives the next thing to send, until there is none.
    fn poll_transmit(&mut self, now: Instant) -> Option<Parcel>;

    /// Gives the time at which it wants to be woken, if any.
    fn next_wakeup(&mut self) -> Option<Instant>;

    /// Lets it act on the time; called when its wake-up has come.
    fn wake(&mut self, now: Instant);
}

/// Why the loop stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is under way and nobody waits for a time.
    Idle,
    /// The time given has come.
    Deadline,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    Datagram { from: SocketAddr, to: SocketAddr, payload: Vec<u8> },
    Piece { stream: StreamId, way: Way },
    PathFailed { local: SocketAddr, remote: SocketAddr, transport: Transport },
}

/// A seeded network. The same seed, endpoints and calls give the same run, event for event.
///
/// When it is dropped in a panic it prints its seed and its transcript.
#[derive(Debug)]
pub struct SimNet {
    seed: u64,
    rng: ChaCha12Rng,
    clock: SimClock,
    usual: Conditions,
    links: BTreeMap<(SocketAddr, SocketAddr), Conditions>,
    cuts: BTreeSet<(SocketAddr, SocketAddr)>,
    isolated: BTreeSet<SocketAddr>,
    refusing: BTreeSet<SocketAddr>,
    icmp: bool,
    connect_timeout: Duration,
    streams: Streams,
    arrivals: BinaryHeap<Reverse<(Instant, u64, Arrival)>>,
    sequence: u64,
    transcript: Transcript,
}

impl SimNet {
    /// Makes a network of good links.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: ChaCha12Rng::seed_from_u64(seed),
            clock: SimClock::new(),
            usual: Conditions::default(),
            links: BTreeMap::new(),
            cuts: BTreeSet::new(),
            isolated: BTreeSet::new(),
            refusing: BTreeSet::new(),
            icmp: false,
            connect_timeout: Duration::from_secs(3),
            streams: Streams::default(),
            arrivals: BinaryHeap::new(),
            sequence: 0,
            transcript: Transcript::default(),
        }
    }

    /// Gives the clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Gives the clock to set its wall time.
    pub fn clock_mut(&mut self) -> &mut SimClock {
        &mut self.clock
    }

    /// Gives the present instant.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Gives what happened so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Sets the conditions of every link that has none of its own.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.usual = conditions;
    }

    /// Sets the conditions of one direction of a link.
    pub fn set_link(&mut self, from: SocketAddr, to: SocketAddr, conditions: Conditions) {
        self.links.insert((from, to), conditions);
    }

    /// Cuts one direction: datagrams are lost, streams stall, connections time out.
    pub fn cut(&mut self, from: SocketAddr, to: SocketAddr) {
        self.cuts.insert((from, to));
    }

    /// Cuts every link of an address, as when its cable is pulled.
    pub fn isolate(&mut self, address: SocketAddr) {
        self.isolated.insert(address);
    }

    /// Undoes `cut` for one direction; stalled streams go on.
    pub fn heal(&mut self, from: SocketAddr, to: SocketAddr) {
        self.cuts.remove(&(from, to));
        self.resume_streams();
    }

    /// Undoes `isolate`; stalled streams go on.
    pub fn rejoin(&mut self, address: SocketAddr) {
        self.isolated.remove(&address);
        self.resume_streams();
    }

    /// Makes an address refuse connections, or take them again.
    pub fn refuse_streams(&mut self, address: SocketAddr, refuse: bool) {
        if refuse {
            self.refusing.insert(address);
        } else {
            self.refusing.remove(&address);
        }
    }

    /// Sets whether a datagram for nobody is reported to its sender, as ICMP does.
    pub fn set_icmp(&mut self, on: bool) {
        self.icmp = on;
    }

    /// Closes every connection of an address; both ends are told at once, bytes under way are gone.
    pub fn close_streams(&mut self, address: SocketAddr) {
        for id in self.streams.of(address) {
            let Some(stream) = self.streams.close(id) else {
                continue;
            };
            let now = self.now();
            for way in [Way::ToAcceptor, Way::ToOpener] {
                let (remote, local) = stream.ends_seen(way);
                let transport = stream.transport;
                self.schedule(now, Arrival::PathFailed { local, remote, transport });
            }
        }
    }

    /// Lets everything run until nothing is left to happen, at most for `limit`.
    pub fn run_until_idle(&mut self, ends: &mut [&mut dyn Endpoint], limit: Duration) -> Outcome {
        let deadline = self.now() + limit;
        self.run_until(ends, deadline)
    }

    /// Lets everything run for exactly this long.
    pub fn run_for(&mut self, ends: &mut [&mut dyn Endpoint], duration: Duration) -> Outcome {
        let deadline = self.now() + duration;
        let outcome = self.run_until(ends, deadline);
        self.clock.advance_to(deadline);
        outcome
    }

    /// Lets everything run until `deadline`; idle earlier, the clock stays where the last thing happened.
    pub fn run_until(&mut self, ends: &mut [&mut dyn Endpoint], deadline: Instant) -> Outcome {
        loop {
            match self.next_event(ends) {
                None => return Outcome::Idle,
                Some(at) if at > deadline => {
                    self.clock.advance_to(deadline);
                    return Outcome::Deadline;
                }
                Some(at) => self.happen(ends, at),
            }
        }
    }

    /// Lets the next instant happen in which anything does; `Idle` when there is none.
    pub fn step(&mut self, ends: &mut [&mut dyn Endpoint]) -> Outcome {
        match self.next_event(ends) {
            None => Outcome::Idle,
            Some(at) => {
                self.happen(ends, at);
                Outcome::Deadline
            }
        }
    }

    /// Takes in what the endpoints want to send and tells when the next thing happens.
    fn next_event(&mut self, ends: &mut [&mut dyn Endpoint]) -> Option<Instant> {
        self.collect(ends);
        let arrival = self.arrivals.peek().map(|Reverse((at, _, _))| *at);
        let wakeups = ends.iter_mut().filter_map(|end| end.next_wakeup()).min();
        arrival.into_iter().chain(wakeups).min()
    }

    /// Jumps to `at`, delivers what arrives then and wakes who waits for it.
    fn happen(&mut self, ends: &mut [&mut dyn Endpoint], at: Instant) {
        self.clock.advance_to(at);
        let now = self.now();
        let mut turns = 0;
        while self.arrivals.peek().is_some_and(|Reverse((due, _, _))| *due <= now) {
            if let Some(Reverse((_, _, arrival))) = self.arrivals.pop() {
                self.arrive(ends, arrival);
                self.collect(ends);
            }
            turns = self.count_turn(turns);
        }
        for place in 0..ends.len() {
            while let Some(end) = ends.get_mut(place) {
                if end.next_wakeup().is_none_or(|due| due > now) {
                    break;
                }
                end.wake(now);
                self.collect(ends);
                turns = self.count_turn(turns);
            }
        }
    }

    fn count_turn(&self, turns: u32) -> u32 {
        assert!(turns < STUCK_AFTER, "the simulation is stuck at {:?}", self.clock.elapsed());
        turns + 1
    }

    fn collect(&mut self, ends: &mut [&mut dyn Endpoint]) {
        let now = self.now();
        for place in 0..ends.len() {
            while let Some(parcel) = ends.get_mut(place).and_then(|end| end.poll_transmit(now)) {
                if parcel.transport.reliable() {
                    let reachable = ends.iter().any(|end| end.owns(parcel.to));
                    self.send_on_stream(parcel, reachable);
                } else {
                    self.send_datagram(parcel);
                }
            }
        }
    }

    fn send_datagram(&mut self, parcel: Parcel) {
        let Parcel { transport, from, to, payload } = parcel;
        self.record(from, to, transport, Fate::Sent, &payload);
        if self.is_cut(from, to) {
            return self.record(from, to, transport, Fate::Cut, &payload);
        }
        let conditions = self.conditions(from, to);
        if self.chance(conditions.loss) {
            return self.record(from, to, transport, Fate::Lost, &payload);
        }
        if self.chance(conditions.duplicate) {
            self.record(from, to, transport, Fate::Duplicated, &payload);
            let at = self.datagram_arrival(conditions);
            self.schedule(at, Arrival::Datagram { from, to, payload: payload.clone() });
        }
        let at = self.datagram_arrival(conditions);
        self.schedule(at, Arrival::Datagram { from, to, payload });
    }

    fn datagram_arrival(&mut self, conditions: Conditions) -> Instant {
        let mut at = self.transit(conditions);
        if self.chance(conditions.reorder) {
            at += self.up_to(conditions.held_back);
        }
        at
    }

    fn send_on_stream(&mut self, parcel: Parcel, reachable: bool) {
        let Parcel { transport, from, to, payload } = parcel;
        self.record(from, to, transport, Fate::Sent, &payload);
        let (id, way) = match self.streams.find(transport, from, to) {
            Some(found) => found,
            None => {
                let failed = Arrival::PathFailed { local: from, remote: to, transport };
                let round_trip = self.conditions(from, to).delay + self.conditions(to, from).delay;
                if self.is_cut(from, to) || self.is_cut(to, from) {
                    return self.schedule(self.now() + self.connect_timeout, failed);
                }
                if !reachable || self.refusing.contains(&to) {
                    return self.schedule(self.now() + round_trip, failed);
                }
                self.record(from, to, transport, Fate::Connected, &[]);
                let id = self.streams.open(transport, from, to);
                let ready = self.now() + round_trip;
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.to_acceptor.last_ready = Some(ready);
                }
                (id, Way::ToAcceptor)
            }
        };
        self.queue_pieces(id, way, &payload);
    }

    /// Splits bytes into pieces of random length that arrive in order.
    fn queue_pieces(&mut self, id: StreamId, way: Way, payload: &[u8]) {
        let mut rest = payload;
        while !rest.is_empty() {
            let whole = self.chance(0.5);
            let length = if whole { rest.len() } else { 1 + self.below(rest.len()) };
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            let Some(stream) = self.streams.get_mut(id) else {
                return;
            };
            let (from, to) = stream.link(way);
            let transit = self.transit(self.conditions(from, to));
            let Some(stream) = self.streams.get_mut(id) else {
                return;
            };
            let lane = stream.lane(way);
            let ready = lane.last_ready.map_or(transit, |last| last.max(transit));
            lane.last_ready = Some(ready);
            lane.pieces.push_back((ready, piece.to_vec()));
            self.schedule(ready, Arrival::Piece { stream: id, way });
        }
    }

    fn arrive(&mut self, ends: &mut [&mut dyn Endpoint], arrival: Arrival) {
        let now = self.now();
        match arrival {
            Arrival::Datagram { from, to, payload } => match ends.iter_mut().find(|end| end.owns(to)) {
                Some(end) => {
                    self.record(from, to, Transport::Udp, Fate::Delivered, &payload);
                    end.receive(from, to, Transport::Udp, &payload, now);
                }
                None => {
                    self.record(from, to, Transport::Udp, Fate::Unreachable, &payload);
                    if self.icmp {
                        let at = self.transit(self.conditions(to, from));
                        let transport = Transport::Udp;
                        self.schedule(at, Arrival::PathFailed { local: from, remote: to, transport });
                    }
                }
            },
            Arrival::Piece { stream, way } => self.deliver_pieces(ends, stream, way),
            Arrival::PathFailed { local, remote, transport } => {
                self.record(remote, local, transport, Fate::Closed, &[]);
                if let Some(end) = ends.iter_mut().find(|end| end.owns(local)) {
                    end.path_failed(local, remote, transport, now);
                }
            }
        }
    }

    /// Delivers the pieces that are there, joined, unless the link is cut.
    fn deliver_pieces(&mut self, ends: &mut [&mut dyn Endpoint], id: StreamId, way: Way) {
        let now = self.now();
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let (transport, link, (from, to)) = (stream.transport, stream.link(way), stream.ends_seen(way));
        if self.is_cut(link.0, link.1) {
            return;
        }
        let join = self.chance(0.5);
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let lane = stream.lane(way);
        let mut bytes = Vec::new();
        while let Some((_, piece)) = lane.pieces.pop_front_if(|(ready, _)| *ready <= now) {
            bytes.extend(piece);
            if !join {
                break;
            }
        }
        if bytes.is_empty() {
            return;
        }
        self.record(from, to, transport, Fate::Delivered, &bytes);
        if let Some(end) = ends.iter_mut().find(|end| end.owns(to)) {
            end.receive(from, to, transport, &bytes, now);
        }
    }

    fn resume_streams(&mut self) {
        for id in self.streams.ids() {
            for way in [Way::ToAcceptor, Way::ToOpener] {
                let now = self.now();
                let waiting = self.streams.get_mut(id).map_or(0, |stream| stream.lane(way).pieces.len());
                for _ in 0..waiting {
                    self.schedule(now, Arrival::Piece { stream: id, way });
                }
            }
        }
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival) {
        self.sequence += 1;
        self.arrivals.push(Reverse((at, self.sequence, arrival)));
    }

    fn is_cut(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.cuts.contains(&(from, to)) || self.isolated.contains(&from) || self.isolated.contains(&to)
    }

    fn conditions(&self, from: SocketAddr, to: SocketAddr) -> Conditions {
        self.links.get(&(from, to)).copied().unwrap_or(self.usual)
    }

    fn transit(&mut self, conditions: Conditions) -> Instant {
        self.now() + conditions.delay + self.up_to(conditions.jitter)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.fraction())
    }

    fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// Draws from 0 up to, not including, 1.
    fn fraction(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u32()).unwrap_or_default() % bound.max(1)
    }

    fn record(&mut self, from: SocketAddr, to: SocketAddr, transport: Transport, fate: Fate, payload: &[u8]) {
        let at = self.clock.elapsed();
        self.transcript.push(Entry { at, from, to, transport, fate, payload: payload.to_vec() });
    }
}

impl Drop for SimNet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}\n{}", self.seed, self.transcript);
        }
    }
}
