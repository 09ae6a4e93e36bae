//! The network between the fleet and the server: what it loses, doubles and holds back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{Chance, Network};

/// How bad the network is, and the browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Faults {
    /// Nothing is lost.
    None,
    /// 2 % of SIP datagrams are lost, 2 % doubled, 2 % overtaken, of sound 1 % each; TCP is cut now and then, and one PBX
    /// restarts; a fifth of the browsers is cut, freezes or sleeps for half a minute.
    Mild,
    /// 10 % of SIP datagrams each, of sound 5 %; cuts and the restart as with mild; half of the browsers.
    Harsh,
}

impl Faults {
    /// Gives the share of datagrams that each of the three befalls.
    fn share(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Mild => 0.02,
            Self::Harsh => 0.1,
        }
    }

    /// Gives the share of sound packets that each of the three befalls.
    pub(super) fn sound_share(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Mild => 0.01,
            Self::Harsh => 0.05,
        }
    }

    /// Gives what the people of the world have to expect.
    pub(crate) fn network(self) -> Network {
        match self {
            Self::None => Network::Good,
            Self::Mild | Self::Harsh => Network::Lossy,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Harsh => "harsh",
        }
    }
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToFleet,
}

/// A datagram between a PBX and the server.
#[derive(Debug, Clone)]
pub(super) struct Datagram {
    pub(super) place: usize,
    pub(super) way: Way,
    pub(super) peer: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// The longest time that a datagram is held back.
const HELD_BACK_MS: u64 = 60;

/// The network.
pub(super) struct Link {
    faults: Faults,
    chance: Chance,
    under_way: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
}

impl Link {
    pub(super) fn new(faults: Faults, chance: Chance) -> Self {
        Self { faults, chance, under_way: BTreeMap::new(), sent: 0 }
    }

    /// Makes the network a good one from now on.
    pub(super) fn set(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Gives the network a datagram.
    pub(super) fn send(&mut self, datagram: Datagram, now: Instant) {
        let share = self.faults.share();
        if share > 0.0 && self.chance.happens(share) {
            return;
        }
        if share > 0.0 && self.chance.happens(share) {
            self.put(datagram.clone(), now);
        }
        let held = share > 0.0 && self.chance.happens(share);
        let wait = if held { self.chance.below(HELD_BACK_MS) } else { 0 };
        self.put(datagram, now + Duration::from_millis(wait));
    }

    fn put(&mut self, datagram: Datagram, at: Instant) {
        self.sent += 1;
        self.under_way.insert((at, self.sent), datagram);
    }

    /// Takes what has arrived.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Datagram> {
        let first = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(faults: Faults) -> usize {
        let mut link = Link::new(faults, Chance::new(7));
        let now = Instant::now();
        let peer = SocketAddr::from(([127, 0, 0, 1], 5060));
        for place in 0..1_000 {
            link.send(Datagram { place, way: Way::ToServer, peer, bytes: Vec::new() }, now);
        }
        let later = now + Duration::from_secs(1);
        std::iter::from_fn(|| link.arrived(later))
            .map(|datagram| datagram.place)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    }

    #[test]
    fn a_good_network_loses_nothing_and_a_harsh_one_a_tenth() {
        assert_eq!(arrivals(Faults::None), 1_000);
        assert!((850..950).contains(&arrivals(Faults::Harsh)), "{}", arrivals(Faults::Harsh));
    }
}
