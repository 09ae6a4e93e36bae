//! Simulated connections: reliable, ordered, and cut into pieces that fit no message.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use linecard_sip::transport::Transport;

/// Names a simulated connection.
pub(crate) type StreamId = u64;

/// Which way bytes travel on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    ToAcceptor,
    ToOpener,
}

/// One direction of a connection: pieces in order, each with the time from which it may arrive.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) pieces: VecDeque<(Instant, Vec<u8>)>,
    pub(crate) last_ready: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) transport: Transport,
    /// The opener's own address, as it names itself.
    pub(crate) opener: SocketAddr,
    /// The opener as the acceptor sees it: the same host, another port.
    pub(crate) opener_seen: SocketAddr,
    pub(crate) acceptor: SocketAddr,
    pub(crate) to_acceptor: Lane,
    pub(crate) to_opener: Lane,
}

impl Stream {
    pub(crate) fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::ToAcceptor => &mut self.to_acceptor,
            Way::ToOpener => &mut self.to_opener,
        }
    }

    /// Gives sender and receiver as the receiver sees them.
    pub(crate) fn ends_seen(&self, way: Way) -> (SocketAddr, SocketAddr) {
        match way {
            Way::ToAcceptor => (self.opener_seen, self.acceptor),
            Way::ToOpener => (self.acceptor, self.opener),
        }
    }

    /// Gives sender and receiver by the addresses that links are configured with.
    pub(crate) fn link(&self, way: Way) -> (SocketAddr, SocketAddr) {
        match way {
            Way::ToAcceptor => (self.opener, self.acceptor),
            Way::ToOpener => (self.acceptor, self.opener),
        }
    }
}

/// All open connections.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    by_ends: BTreeMap<(Transport, SocketAddr, SocketAddr), (StreamId, Way)>,
    opened: u64,
}

impl Streams {
    /// Finds the connection on which `from` reaches `to`, as `from` names both.
    pub(crate) fn find(
        &self,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Option<(StreamId, Way)> {
        self.by_ends.get(&(transport, from, to)).copied()
    }

    pub(crate) fn open(
        &mut self,
        transport: Transport,
        opener: SocketAddr,
        acceptor: SocketAddr,
    ) -> StreamId {
        self.opened += 1;
        let id = self.opened;
        let port = 32_768 + u16::try_from(id % 28_000).unwrap_or_default();
        let opener_seen = SocketAddr::new(opener.ip(), port);
        self.by_ends.insert((transport, opener, acceptor), (id, Way::ToAcceptor));
        self.by_ends.insert((transport, acceptor, opener_seen), (id, Way::ToOpener));
        let (to_acceptor, to_opener) = (Lane::default(), Lane::default());
        let stream = Stream { transport, opener, opener_seen, acceptor, to_acceptor, to_opener };
        self.open.insert(id, stream);
        id
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    pub(crate) fn close(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        self.by_ends.remove(&(stream.transport, stream.opener, stream.acceptor));
        self.by_ends.remove(&(stream.transport, stream.acceptor, stream.opener_seen));
        Some(stream)
    }

    /// Lists the connections that have an end at `address`.
    pub(crate) fn of(&self, address: SocketAddr) -> Vec<StreamId> {
        self.open
            .iter()
            .filter(|(_, stream)| stream.opener == address || stream.acceptor == address)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn ids(&self) -> Vec<StreamId> {
        self.open.keys().copied().collect()
    }
}
