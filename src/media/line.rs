//! One leg of the relay with its sockets, and what is sent to its party.

use std::time::{Duration, Instant};

use linecard_media::{RelayLeg, Side, ToneStream, Transcoder};
use mio::net::UdpSocket;

use super::LegId;
use super::ports::Lease;
use crate::recorder::Slot;

/// How long a packet of a tone sounds.
const PACKET: Duration = Duration::from_millis(20);

/// A leg with its sockets.
pub(super) struct Line {
    pub(super) id: LegId,
    pub(super) leg: RelayLeg,
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    /// Index of the line it is bridged with.
    pub(super) peer: Option<usize>,
    pub(super) tap: Option<(Slot, Side)>,
    pub(super) playing: Option<Playing>,
    /// Busy while the peer does not speak this line's codec.
    pub(super) transcoder: Option<Transcoder>,
    pub(super) forwarded: u64,
    pub(super) transcoded: u64,
    pub(super) unforwarded: u64,
    /// Dropped after the sockets: fields drop in order.
    pub(super) _lease: Lease,
}

/// A tone that a line's party hears.
pub(super) struct Playing {
    pub(super) tone: ToneStream,
    /// When the next packet is to leave.
    pub(super) due: Instant,
}

impl Line {
    /// Sends a packet to the line's party, protected if the two have agreed on that; says whether it is gone.
    pub(super) fn send(&mut self, packet: &[u8]) -> bool {
        let Some(target) = self.leg.rtp_target() else { return false };
        self.leg.protect(packet).is_some_and(|packet| self.rtp.send_to(&packet, target).is_ok())
    }

    pub(super) fn send_rtcp(&mut self, compound: &[u8]) {
        if let Some(target) = self.leg.rtcp_target()
            && let Some(compound) = self.leg.protect_rtcp(compound)
        {
            // Lost like any datagram: reports are repeated.
            let _ = self.rtcp.send_to(&compound, target);
        }
    }

    /// Sends what of the tone is due; returns when the next packet is.
    pub(super) fn play_on(&mut self, now: Instant) -> Option<Instant> {
        let mut playing = self.playing.take()?;
        while playing.due <= now {
            // Lost like any datagram.
            self.send(&playing.tone.next_packet());
            playing.due += PACKET;
        }
        let due = playing.due;
        self.playing = Some(playing);
        Some(due)
    }
}
