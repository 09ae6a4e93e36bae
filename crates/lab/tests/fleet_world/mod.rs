//! The fleet's PBXes on the simulated network.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod server;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use linecard_lab::fleet::{Pbx, PbxOutput, SoundPorts, Wish, World};
use linecard_lab::{Endpoint, Parcel};
use linecard_sip::transport::Transport;

/// A PBX that is driven by the simulated network.
pub(crate) struct Driven {
    pub(crate) pbx: Pbx,
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    /// It has ended its streams, and the network has to be told.
    pub(crate) cut: bool,
    /// Whether it has refused to refresh what it does not know any more.
    pub(crate) forgot: bool,
    /// What its agents ask for in the interface, by the call.
    pub(crate) wishes: Vec<(usize, Wish)>,
    peers: HashSet<SocketAddr>,
    parcels: VecDeque<Parcel>,
}

impl Driven {
    /// Makes the PBX of a place in the world. Nobody hears anything: its ports are not opened.
    pub(crate) fn new(world: &Arc<World>, place: usize, address: SocketAddr) -> Self {
        let ports = SoundPorts { customer: address, agent: address, other: address };
        let ports: BTreeMap<usize, SoundPorts> = (0..world.desks.len()).map(|desk| (desk, ports)).collect();
        Self {
            pbx: Pbx::new(Arc::clone(world), place, address, &ports),
            address,
            transport: world.transport(place),
            cut: false,
            forgot: false,
            wishes: Vec::new(),
            peers: HashSet::new(),
            parcels: VecDeque::new(),
        }
    }

    /// What is said after a cut goes by a new stream: it waits until the old ones are closed.
    fn collect(&mut self) {
        while !self.cut
            && let Some(output) = self.pbx.poll_output()
        {
            match output {
                PbxOutput::Transmit { to, bytes } => {
                    self.forgot |= bytes.starts_with(b"SIP/2.0 481");
                    let (transport, from) = (self.transport, self.address);
                    self.parcels.push_back(Parcel { transport, from, to, payload: bytes });
                }
                PbxOutput::Cut => {
                    self.peers.clear();
                    self.cut = true;
                }
                PbxOutput::Ask { call, wish } => self.wishes.push((call, wish)),
                PbxOutput::Speak { .. } | PbxOutput::Hush { .. } => {}
            }
        }
    }
}

impl Endpoint for Driven {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.address
    }

    fn receive(
        &mut self,
        from: SocketAddr,
        _: SocketAddr,
        transport: Transport,
        payload: &[u8],
        now: Instant,
    ) {
        assert_eq!(transport, self.transport, "{}", String::from_utf8_lossy(payload));
        if transport.reliable() && self.peers.insert(from) {
            self.pbx.opened(from);
        }
        self.pbx.receive(from, payload, now);
    }

    fn path_failed(&mut self, _: SocketAddr, remote: SocketAddr, _: Transport, now: Instant) {
        if self.peers.remove(&remote) {
            self.pbx.closed(remote, now);
        }
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<Parcel> {
        self.collect();
        self.parcels.pop_front()
    }

    fn next_wakeup(&mut self) -> Option<Instant> {
        self.pbx.next_wakeup()
    }

    fn wake(&mut self, now: Instant) {
        self.pbx.wake(now);
    }
}
