//! Where a leg's packets may come from: the signalled address, or one other port of a known address.
//!
//! A symmetric NAT sends from a port that its SDP does not name. The first such packet is believed, once;
//! everything from elsewhere is counted by the caller and goes nowhere. The signalled address itself is
//! always believed and, once heard, final: whoever guessed the address of a peer loses to the peer.
//! No ICE (RFC 8445), no STUN.

use std::net::{IpAddr, SocketAddr};

/// Whether a packet's source is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceVerdict {
    /// From the signalled or the learned address.
    Known,
    /// From an address that was learned with this very packet.
    Learned,
    /// From anywhere else, or before an address was signalled.
    Unknown,
}

/// The guard of one port of one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceGuard {
    /// No address was signalled yet: nobody is known.
    #[default]
    Unset,
    /// An address was signalled and nothing has come yet.
    Expecting {
        /// The address of the SDP.
        signalled: SocketAddr,
        /// A further address whose ports may be learned: where the SIP message came from.
        contact: Option<IpAddr>,
        /// What was learned under the same signalled address: still sent to until something comes.
        previous: Option<SocketAddr>,
    },
    /// Packets came from the signalled address.
    Confirmed {
        /// The address of the SDP.
        signalled: SocketAddr,
    },
    /// Packets came from another port.
    Translated {
        /// The address of the SDP.
        signalled: SocketAddr,
        /// Where packets really come from and are sent to.
        learned: SocketAddr,
    },
}

impl SourceGuard {
    /// Expects packets from a signalled address and forgets what was learned.
    pub fn expect(&mut self, signalled: SocketAddr, contact: Option<IpAddr>) {
        let previous = match *self {
            Self::Translated { signalled: same, learned } if same == signalled => Some(learned),
            Self::Expecting { signalled: same, previous, .. } if same == signalled => previous,
            _ => None,
        };
        *self = Self::Expecting { signalled, contact, previous };
    }

    /// Tells whether this address was signalled last.
    #[must_use]
    pub fn is_at(&self, address: SocketAddr) -> bool {
        match *self {
            Self::Unset => false,
            Self::Expecting { signalled, .. }
            | Self::Confirmed { signalled }
            | Self::Translated { signalled, .. } => signalled == address,
        }
    }

    /// Judges a packet's source.
    pub fn judge(&mut self, from: SocketAddr) -> SourceVerdict {
        match *self {
            Self::Unset => SourceVerdict::Unknown,
            Self::Expecting { signalled, .. } if from == signalled => {
                *self = Self::Confirmed { signalled };
                SourceVerdict::Known
            }
            Self::Expecting { signalled, contact, .. } => {
                if from.ip() != signalled.ip() && Some(from.ip()) != contact {
                    return SourceVerdict::Unknown;
                }
                *self = Self::Translated { signalled, learned: from };
                SourceVerdict::Learned
            }
            Self::Confirmed { signalled } if from == signalled => SourceVerdict::Known,
            Self::Confirmed { .. } => SourceVerdict::Unknown,
            Self::Translated { learned, .. } if from == learned => SourceVerdict::Known,
            Self::Translated { signalled, .. } if from == signalled => {
                *self = Self::Confirmed { signalled };
                SourceVerdict::Known
            }
            Self::Translated { .. } => SourceVerdict::Unknown,
        }
    }

    /// Returns where to send: the learned address, else the signalled one.
    #[must_use]
    pub fn target(&self) -> Option<SocketAddr> {
        let target = match *self {
            Self::Unset => return None,
            Self::Expecting { signalled, previous, .. } => previous.unwrap_or(signalled),
            Self::Confirmed { signalled } => signalled,
            Self::Translated { learned, .. } => learned,
        };
        // RFC 3264 section 5.1: port 0 refuses the stream; section 8.4: an unspecified address is a hold.
        (target.port() != 0 && !target.ip().is_unspecified()).then_some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn expecting(text: &str) -> SourceGuard {
        let mut guard = SourceGuard::default();
        guard.expect(at(text), None);
        guard
    }

    #[test]
    fn another_port_of_the_signalled_address_is_learned_once() {
        let mut guard = expecting("10.0.0.1:4000");
        assert_eq!(guard.judge(at("10.0.0.1:5555")), SourceVerdict::Learned);
        assert_eq!(guard.target(), Some(at("10.0.0.1:5555")));
        assert_eq!(guard.judge(at("10.0.0.1:5555")), SourceVerdict::Known);
        assert_eq!(guard.judge(at("10.0.0.1:6666")), SourceVerdict::Unknown);
        assert_eq!(guard.target(), Some(at("10.0.0.1:5555")));
    }

    #[test]
    fn another_address_is_never_learned() {
        let mut guard = expecting("10.0.0.1:4000");
        assert_eq!(guard.judge(at("10.0.0.2:4000")), SourceVerdict::Unknown);
        assert_eq!(guard.judge(at("10.0.0.1:4000")), SourceVerdict::Known);
        assert_eq!(guard.judge(at("10.0.0.1:4002")), SourceVerdict::Unknown);
    }

    #[test]
    fn the_signalled_source_takes_its_place_back_from_a_guesser() {
        let mut guard = expecting("10.0.0.1:4000");
        assert_eq!(guard.judge(at("10.0.0.1:9")), SourceVerdict::Learned);
        assert_eq!(guard.judge(at("10.0.0.1:4000")), SourceVerdict::Known);
        assert_eq!(guard.judge(at("10.0.0.1:9")), SourceVerdict::Unknown);
        assert_eq!(guard.target(), Some(at("10.0.0.1:4000")));
    }

    #[test]
    fn a_phone_behind_nat_is_learned_from_where_its_signalling_comes() {
        let mut guard = SourceGuard::default();
        guard.expect(at("192.168.1.7:4000"), Some("203.0.113.9".parse().unwrap()));
        assert_eq!(guard.judge(at("198.51.100.1:4000")), SourceVerdict::Unknown);
        assert_eq!(guard.judge(at("203.0.113.9:61000")), SourceVerdict::Learned);
        assert_eq!(guard.target(), Some(at("203.0.113.9:61000")));
    }

    #[test]
    fn a_new_offer_resets_what_was_learned() {
        let mut guard = expecting("10.0.0.1:4000");
        guard.judge(at("10.0.0.1:5555"));
        guard.expect(at("10.0.0.3:4000"), None);
        assert_eq!(guard.judge(at("10.0.0.1:5555")), SourceVerdict::Unknown);
        assert_eq!(guard.judge(at("10.0.0.3:7777")), SourceVerdict::Learned);
    }

    #[test]
    fn a_refresh_with_the_same_address_goes_on_sending_where_packets_came_from() {
        let mut guard = expecting("10.0.0.1:4000");
        guard.judge(at("10.0.0.1:5555"));
        guard.expect(at("10.0.0.1:4000"), None);
        assert_eq!(guard.target(), Some(at("10.0.0.1:5555")));
        assert_eq!(guard.judge(at("10.0.0.1:6000")), SourceVerdict::Learned);
        assert_eq!(guard.target(), Some(at("10.0.0.1:6000")));
    }

    #[test]
    fn nothing_is_sent_to_a_held_or_refused_stream() {
        assert_eq!(SourceGuard::default().target(), None);
        assert_eq!(expecting("0.0.0.0:4000").target(), None);
        assert_eq!(expecting("10.0.0.1:0").target(), None);
    }
}
