//! One leg of the relay with its sockets, and what is sent to its party.

use std::time::{Duration, Instant};

use linecard_media::stun::Mapping;
use linecard_media::{Crossing, Outgoing, RelayLeg, Side, ToneStream};
use mio::net::UdpSocket;

use super::ports::Lease;
use super::recent::{Ahead, Recent, Recorded};
use super::{LegId, Voice};
use crate::recorder::Slot;

/// How long after the agent's answer the customer may have it, and the recording its file: the evidence comes first, for
/// as long as [`crate::ledger::DURABLE_WITHIN`] and what a busy machine adds.
const OPENING: Duration = Duration::from_millis(150);

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
    /// When it was bridged last.
    pub(super) bridged_at: Instant,
    pub(super) tap: Option<(Slot, Side)>,
    /// The recording that hears what a recording session sends here.
    pub(super) fed: Option<(Slot, Voice)>,
    /// What came before it was said where the party is.
    pub(super) ahead: Option<Ahead>,
    /// What came last, while there is no peer or no recording.
    pub(super) recent: Recent,
    pub(super) playing: Option<Playing>,
    pub(super) outgoing: Outgoing,
    /// Where a packet that is numbered anew is written.
    pub(super) numbered: Vec<u8>,
    /// There while the peer does not speak this line's codec.
    pub(super) crossing: Option<Box<Crossing>>,
    pub(super) forwarded: u64,
    pub(super) transcoded: u64,
    pub(super) unforwarded: u64,
    /// Asks how its ports are seen from outside, while that is not known.
    pub(super) mapping: Option<Mapping>,
    /// Whether the way through the NAT before us is to be opened.
    pub(super) way: Way,
    /// When its figures were told last.
    pub(super) measured_at: Instant,
    /// Dropped after the sockets: fields drop in order.
    pub(super) _lease: Lease,
}

/// The way of a party's packets to a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is open, or nobody needs to open it from here.
    Open,
    /// A NAT of ours lets in only those to whom something was sent.
    Closed,
}

/// A tone that a line's party hears.
pub(super) struct Playing {
    pub(super) tone: ToneStream,
    /// When the next packet is to leave.
    pub(super) due: Instant,
}

impl Line {
    /// What a recording hears of the line that is to begin at `at`: one that opens with the talk has all of it.
    pub(super) fn recorded_since(&self, at: Instant) -> Recorded {
        let talked = at.saturating_duration_since(self.bridged_at);
        let said_since = if talked <= OPENING { at.min(self.bridged_at) } else { at };
        Recorded { said_since, heard_since: at }
    }

    /// Sends a packet to the line's party, protected if the two have agreed on that; says whether it is gone.
    pub(super) fn send(&mut self, packet: &[u8], now: Instant) -> bool {
        let Some(target) = self.leg.rtp_target() else { return false };
        self.leg.protect(packet, now).is_some_and(|packet| self.rtp.send_to(&packet, target).is_ok())
    }

    pub(super) fn send_rtcp(&mut self, compound: &[u8]) {
        if let Some(target) = self.leg.rtcp_target()
            && let Some(compound) = self.leg.protect_rtcp(compound)
        {
            let socket = if self.leg.muxes_rtcp() { &self.rtp } else { &self.rtcp };
            // Lost like any datagram: reports are repeated.
            let _ = socket.send_to(&compound, target);
        }
    }

    /// Opens the way through a NAT by an empty datagram from each port (RFC 6263 section 4.1), until something was heard.
    pub(super) fn open_way(&mut self) {
        if self.way == Way::Open {
            return;
        }
        if self.leg.statistics().received > 0 {
            self.way = Way::Open;
            return;
        }
        // Lost like any datagram: it is repeated.
        if let Some(target) = self.leg.rtp_target() {
            let _ = self.rtp.send_to(&[], target);
        }
        if let Some(target) = self.leg.rtcp_target().filter(|_| !self.leg.muxes_rtcp()) {
            let _ = self.rtcp.send_to(&[], target);
        }
    }

    /// Sends a packet of the other party, unless digits are leaving; says whether it is gone.
    pub(super) fn pass_on(&mut self, packet: &[u8], now: Instant) -> bool {
        let mut numbered = std::mem::take(&mut self.numbered);
        let sent = match self.outgoing.forward(packet, &mut numbered, now) {
            Some(packet) => self.send(packet, now),
            None => false,
        };
        self.numbered = numbered;
        sent
    }

    /// Sends what of a tone and of digits is due; returns when the next packet is.
    pub(super) fn play_on(&mut self, now: Instant) -> Option<Instant> {
        let source = self.own_source();
        while let Some(packet) = self.outgoing.poll_packet(source, now) {
            self.send(&packet, now);
        }
        [self.play_tone(now), self.outgoing.due()].into_iter().flatten().min()
    }

    /// The source of a stream to which nothing was forwarded yet.
    fn own_source(&self) -> u32 {
        u32::try_from(self.id.0 & 0xffff_ffff).unwrap_or_default()
    }

    fn play_tone(&mut self, now: Instant) -> Option<Instant> {
        let mut playing = self.playing.take()?;
        while playing.due <= now {
            // Lost like any datagram.
            self.send(&playing.tone.next_packet(), now);
            playing.due += PACKET;
        }
        let due = playing.due;
        self.playing = Some(playing);
        Some(due)
    }
}
