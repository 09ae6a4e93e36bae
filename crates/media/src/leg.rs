//! One leg of the relay: whom it believes, whether media flows, what it has counted.
//!
//! A leg judges packets and measures; it neither sends nor stores them. Its RTCP begins and ends here: it makes reports
//! of its own and passes none on. RFC 3550 sections 5 and 6, RFC 3264 sections 5.1 and 8.4 (hold), RFC 3605 (the `rtcp`
//! attribute), RFC 5761 (RTCP on the port of RTP).

use std::{
    borrow::Cow,
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::{
    clock::ClockRate,
    codec::AudioCodec,
    quality::{Course, LegQuality, Way},
    reception::Reception,
    reporting::{ReportSession, SessionOrigin},
    rtcp,
    rtp::{PayloadKind, PayloadMap, RtpPacket},
    source::{SourceGuard, SourceVerdict},
    srtp::{SrtpKeys, SrtpLeg},
};

/// Where RTCP goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpPath {
    /// To the port above that of RTP.
    #[default]
    NextPort,
    /// To the address of the `rtcp` attribute.
    At(SocketAddr),
    /// Along with RTP: both ends have said `rtcp-mux`.
    Muxed,
}

/// What the other side's SDP says of its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Address of the `c=` and `m=` lines. Port 0 or an unspecified address: nothing is sent.
    pub rtp: SocketAddr,
    /// Where its reports come from and go to.
    pub rtcp: RtcpPath,
    /// Where its SIP messages come from: packets from there are believed too, once.
    pub contact: Option<IpAddr>,
    /// What was agreed on with it; empty when that is not known: everything is sent to it as it comes.
    pub formats: PayloadMap,
    /// What its packets and those to it are protected with.
    pub srtp: Option<SrtpKeys>,
    /// It is willing to receive: `sendrecv` or `recvonly` in its own SDP.
    pub receives: bool,
    /// It is going to send: `sendrecv` or `sendonly` in its own SDP.
    pub sends: bool,
}

impl Remote {
    /// Makes a two-way remote with the usual RTCP port of which no format is known.
    #[must_use]
    pub fn new(rtp: SocketAddr) -> Self {
        let formats = PayloadMap::default();
        Self {
            rtp,
            rtcp: RtcpPath::NextPort,
            contact: None,
            formats,
            srtp: None,
            receives: true,
            sends: true,
        }
    }

    fn rtcp_address(&self) -> SocketAddr {
        match self.rtcp {
            RtcpPath::NextPort => SocketAddr::new(self.rtp.ip(), self.rtp.port().saturating_add(1)),
            RtcpPath::At(address) => address,
            RtcpPath::Muxed => self.rtp,
        }
    }
}

/// What a leg is told.
#[derive(Clone, Copy, Debug)]
pub enum LegInput<'a> {
    /// A datagram on the RTP port.
    Rtp {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// A datagram on the RTCP port, or of RTCP on that of RTP.
    Rtcp {
        /// Its source.
        from: SocketAddr,
        /// Its content.
        bytes: &'a [u8],
    },
    /// An SDP arrived: learning starts anew.
    Remote(Remote),
    /// Nothing but time.
    Tick,
}

/// How a packet goes on to a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// As it is.
    Untouched,
    /// Only the payload type is another: the party has its own number for the same thing.
    Renumbered {
        /// The party's number.
        number: u8,
    },
    /// A telephone event that the party has at another clock.
    Rescaled {
        /// The clock that its length is told in.
        from: ClockRate,
        /// The party's.
        to: ClockRate,
        /// The party's number for it.
        number: u8,
    },
    /// The party does not speak the codec.
    Transcoded {
        /// What the packet is in.
        from: AudioCodec,
        /// What the party likes best.
        to: AudioCodec,
        /// The party's number for it.
        number: u8,
    },
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be forwarded, and recorded if it is audio.
    Forward(PayloadKind),
    /// It goes nowhere.
    Dropped(DropReason),
    /// It was a report, or no datagram.
    Taken,
}

/// Why a datagram goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It came from an address that is neither signalled nor learned.
    UnknownSource,
    /// It is no RTP or RTCP packet.
    Malformed,
}

/// What a leg reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOutput {
    /// RTCP for its party, to be protected and sent.
    Report(Vec<u8>),
    /// A direction has turned bad, or good again: [`RelayLeg::quality`] says which.
    QualityTurned,
    /// The first packet came, or the first after a loss.
    Flowing,
    /// Media had been flowing and no RTP came for as long as configured.
    Lost {
        /// How long nothing came.
        silent_ms: u64,
    },
    /// Nothing more to report before this instant.
    Timeout {
        /// When to come back.
        at: Instant,
        /// Why.
        reason: LegTimer,
    },
    /// Nothing more to report and no timer.
    Idle,
}

/// The timers of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegTimer {
    /// No RTP for the configured time.
    Silence,
}

/// What a leg has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegStatistics {
    /// Valid RTP packets from a known source.
    pub received: u64,
    /// Packets that never came, by sequence number (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Packets that came twice; forwarded all the same.
    pub duplicates: u64,
    /// Packets from an unknown source.
    pub unknown_source: u64,
    /// Datagrams that are no RTP or RTCP.
    pub malformed: u64,
    /// Datagrams on a protected leg that its party has not protected, or that came again.
    pub unprotected: u64,
    /// Packets of telephone events.
    pub telephone_events: u64,
    /// Valid RTCP compounds from a known source.
    pub rtcp: u64,
    /// Changes of the synchronisation source or restarts of its numbering.
    pub restarts: u64,
}

/// Whether media flows.
#[derive(Clone, Copy, Debug)]
enum Flow {
    /// Nothing has come since the last SDP.
    Waiting,
    /// Media flows.
    Flowing { last: Instant },
    /// Nothing comes any more.
    Lost,
    /// The other side has said that it sends nothing.
    Paused,
}

/// One party's media.
#[derive(Debug)]
pub struct RelayLeg {
    rtp: SourceGuard,
    rtcp: SourceGuard,
    payloads: PayloadMap,
    srtp: Option<SrtpLeg>,
    receives: bool,
    flow: Flow,
    rtcp_muxed: bool,
    reception: Reception,
    reports: ReportSession,
    /// What is sent to the party.
    sent_codec: Option<AudioCodec>,
    course_received: Course,
    course_sent: Course,
    counted: LegStatistics,
    outputs: VecDeque<LegOutput>,
    timeout: Duration,
}

impl RelayLeg {
    /// Makes a leg that knows nobody yet. `timeout` is how long RTP may stay away before the leg is lost.
    #[must_use]
    pub fn new(timeout: Duration, origin: SessionOrigin) -> Self {
        Self {
            rtp: SourceGuard::default(),
            rtcp: SourceGuard::default(),
            payloads: PayloadMap::default(),
            srtp: None,
            receives: false,
            flow: Flow::Waiting,
            rtcp_muxed: false,
            reception: Reception::default(),
            reports: ReportSession::new(origin),
            sent_codec: None,
            course_received: Course::default(),
            course_sent: Course::default(),
            counted: LegStatistics::default(),
            outputs: VecDeque::new(),
            timeout,
        }
    }

    /// Takes an input and says what becomes of it.
    pub fn handle_input(&mut self, input: LegInput<'_>, now: Instant) -> Verdict {
        match input {
            LegInput::Rtp { from, bytes } => self.take_rtp(from, bytes, now),
            LegInput::Rtcp { from, bytes } => self.take_rtcp(from, bytes, now),
            LegInput::Remote(remote) => {
                self.take_remote(&remote);
                Verdict::Taken
            }
            LegInput::Tick => {
                self.watch_silence(now);
                self.measure(now);
                Verdict::Taken
            }
        }
    }

    /// Opens what came on the RTP port: as it is on a plain leg, `None` if it is not from the party of a protected one.
    pub fn open<'a>(&mut self, datagram: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let opened = match &mut self.srtp {
            None => Some(Cow::Borrowed(datagram)),
            Some(srtp) => srtp.open(datagram).map(Cow::Owned),
        };
        self.counted.unprotected += u64::from(opened.is_none());
        opened
    }

    /// Tells whether a datagram on the RTP port is RTCP: only if both ends have agreed on that (RFC 5761 section 4).
    #[must_use]
    pub fn is_muxed_rtcp(&self, datagram: &[u8]) -> bool {
        self.rtcp_muxed && matches!(datagram, [_, 192..=223, ..])
    }

    /// Tells whether reports leave by the port of RTP.
    #[must_use]
    pub fn muxes_rtcp(&self) -> bool {
        self.rtcp_muxed
    }

    /// Opens what came on the RTCP port.
    pub fn open_rtcp<'a>(&mut self, datagram: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let opened = match &mut self.srtp {
            None => Some(Cow::Borrowed(datagram)),
            Some(srtp) => srtp.open_rtcp(datagram).map(Cow::Owned),
        };
        self.counted.unprotected += u64::from(opened.is_none());
        opened
    }

    /// Makes of a packet what is sent to the party, and counts it as sent; `None` if it must not be sent.
    pub fn protect<'a>(&mut self, packet: &'a [u8], now: Instant) -> Option<Cow<'a, [u8]>> {
        if let [_, second, ..] = packet {
            self.sent_codec = AudioCodec::of(self.payloads.kind(second & 0x7f)).or(self.sent_codec);
        }
        // What is no sound lies where the clock of the sound says.
        let clock = self.sent_codec.map_or(self.payloads.clock(), AudioCodec::clock);
        self.reports.note_sent(packet, clock, now);
        match &mut self.srtp {
            None => Some(Cow::Borrowed(packet)),
            Some(srtp) => srtp.protect(packet).map(Cow::Owned),
        }
    }

    /// Makes of a report what is sent to the party.
    pub fn protect_rtcp<'a>(&mut self, compound: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match &mut self.srtp {
            None => Some(Cow::Borrowed(compound)),
            Some(srtp) => srtp.protect_rtcp(compound).map(Cow::Owned),
        }
    }

    /// Returns the next report; `Timeout` or `Idle` means there is no more for now.
    pub fn poll_output(&mut self) -> LegOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        match self.flow {
            Flow::Flowing { last } => {
                LegOutput::Timeout { at: last + self.timeout, reason: LegTimer::Silence }
            }
            Flow::Waiting | Flow::Lost | Flow::Paused => LegOutput::Idle,
        }
    }

    /// Returns where this leg's party wants RTP, if it wants any.
    #[must_use]
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        self.rtp.target().filter(|_| self.receives)
    }

    /// Returns where this leg's party wants RTCP, on hold too (RFC 3264 section 5.1).
    #[must_use]
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        if self.rtcp_muxed { self.rtp.target() } else { self.rtcp.target() }
    }

    /// Returns the last report and the farewell for the party of a leg that closes.
    pub fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.reports.leave(&mut self.reception, now)
    }

    /// Says how well the leg is heard, both ways.
    #[must_use]
    pub fn quality(&self) -> LegQuality {
        let whole = self.reception.whole();
        let heard = (whole.pattern.expected() > 0)
            .then(|| self.course_received.quality(&whole, self.reception.last_window(), self.way_received()));
        let far = self.reports.whole().map(|far| self.course_sent.quality(&far, None, self.way_sent()));
        LegQuality {
            codec: self.reception.codec(),
            received: heard,
            duplicates: self.reception.duplicates(),
            reordered: self.reception.reordered(),
            late: self.reception.late(),
            sent: far,
            round_trip: self.reports.round_trip(),
        }
    }

    /// Says how a packet of the other party goes on to this one. What was not agreed on and is no audio passes: who
    /// does not know it ignores it (RFC 3551 section 3).
    #[must_use]
    pub fn passage(&self, kind: PayloadKind, payload_type: u8) -> Passage {
        match (self.payloads.number_of(kind), kind) {
            (Some(number), _) if number != payload_type => Passage::Renumbered { number },
            (None, PayloadKind::Audio(from)) => match self.payloads.codecs().next() {
                Some((number, to)) => Passage::Transcoded { from, to, number },
                None => Passage::Untouched,
            },
            (None, PayloadKind::TelephoneEvent(from)) => match self.payloads.events() {
                Some((number, to)) => Passage::Rescaled { from, to, number },
                None => Passage::Untouched,
            },
            (Some(_), _) | (None, PayloadKind::ComfortNoise | PayloadKind::Other) => Passage::Untouched,
        }
    }

    /// Returns what was agreed on with this leg's party.
    #[must_use]
    pub fn formats(&self) -> &PayloadMap {
        &self.payloads
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn statistics(&self) -> LegStatistics {
        let heard = &self.reception;
        let (lost, duplicates, restarts) = (heard.lost(), heard.duplicates(), heard.restarts());
        LegStatistics { lost, duplicates, restarts, ..self.counted }
    }

    fn take_remote(&mut self, remote: &Remote) {
        if self.turns(remote) {
            self.outputs.push_back(LegOutput::QualityTurned);
        }
        self.rtcp_muxed = remote.rtcp == RtcpPath::Muxed;
        self.rtp.expect(remote.rtp, remote.contact);
        self.rtcp.expect(remote.rtcp_address(), remote.contact);
        self.payloads = remote.formats;
        self.srtp = match (self.srtp.take(), remote.srtp) {
            (_, None) => None,
            (None, Some(keys)) => Some(SrtpLeg::new(keys)),
            (Some(running), Some(keys)) => Some(running.rekeyed(keys)),
        };
        self.receives = remote.receives;
        self.flow = match (self.flow, remote.sends) {
            (_, false) => Flow::Paused,
            (Flow::Paused, true) => Flow::Waiting,
            (flow, true) => flow,
        };
    }

    /// Ends what was measured under the description before; tells whether a direction stands otherwise now.
    fn turns(&mut self, remote: &Remote) -> bool {
        let moved = !self.rtp.is_at(remote.rtp) || self.payloads != remote.formats;
        let interrupted = moved || !remote.sends || matches!(self.flow, Flow::Paused);
        let before = (self.course_received.is_bad(), self.course_sent.is_bad());
        if let Some((began, heard)) = interrupted.then(|| self.reception.interrupt()).flatten() {
            self.course_received.note(began, &heard, self.way_received());
        }
        if !remote.sends {
            self.course_received.pause();
        }
        if !remote.receives {
            self.course_sent.pause();
        }
        before != (self.course_received.is_bad(), self.course_sent.is_bad())
    }

    fn take_rtp(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> Verdict {
        // Parsed first: a stray datagram must not be what a NAT's port is learned from.
        let Ok(packet) = RtpPacket::parse(bytes) else {
            return self.drop_malformed();
        };
        if self.rtp.judge(from) == SourceVerdict::Unknown {
            self.counted.unknown_source += 1;
            return Verdict::Dropped(DropReason::UnknownSource);
        }
        self.counted.received += 1;
        let kind = self.payloads.kind(packet.payload_type());
        self.reports.note_received(now);
        // What a held party still sends is nobody's loss.
        if !matches!(self.flow, Flow::Paused) {
            self.reception.take(&packet, kind, now);
        }
        self.note_flow(now);
        if let PayloadKind::TelephoneEvent(_) = kind {
            self.counted.telephone_events += 1;
        }
        Verdict::Forward(kind)
    }

    fn take_rtcp(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> Verdict {
        let Ok(items) = rtcp::read(bytes) else { return self.drop_malformed() };
        let guard = if self.rtcp_muxed { &mut self.rtp } else { &mut self.rtcp };
        if guard.judge(from) == SourceVerdict::Unknown {
            self.counted.unknown_source += 1;
            return Verdict::Dropped(DropReason::UnknownSource);
        }
        self.counted.rtcp += 1;
        self.reports.take(&items, now);
        Verdict::Taken
    }

    fn drop_malformed(&mut self) -> Verdict {
        self.counted.malformed += 1;
        Verdict::Dropped(DropReason::Malformed)
    }

    /// Takes the windows that are over and makes the report that is due.
    fn measure(&mut self, now: Instant) {
        let (received, sent) = (self.way_received(), self.way_sent());
        let heard = self.reception.take_window(now);
        let turned = heard.is_some_and(|(began, heard)| self.course_received.note(began, &heard, received));
        let far = self.reports.take_window();
        let far_turned = far.is_some_and(|(began, heard)| self.course_sent.note(began, &heard, sent));
        if turned || far_turned {
            self.outputs.push_back(LegOutput::QualityTurned);
        }
        if let Some(report) = self.reports.poll(&mut self.reception, now) {
            self.outputs.push_back(LegOutput::Report(report));
        }
    }

    fn way_received(&self) -> Way {
        Way {
            codec: self.reception.codec().unwrap_or(AudioCodec::Pcma),
            round_trip: self.reports.round_trip(),
        }
    }

    fn way_sent(&self) -> Way {
        Way { codec: self.sent_codec.unwrap_or(AudioCodec::Pcma), round_trip: self.reports.round_trip() }
    }

    fn note_flow(&mut self, now: Instant) {
        match self.flow {
            Flow::Flowing { .. } => {}
            // A held party's last packets are under way when its re-INVITE arrives.
            Flow::Paused => return,
            Flow::Waiting | Flow::Lost => self.outputs.push_back(LegOutput::Flowing),
        }
        self.flow = Flow::Flowing { last: now };
    }

    fn watch_silence(&mut self, now: Instant) {
        let Flow::Flowing { last } = self.flow else { return };
        let silent = now.saturating_duration_since(last);
        if silent >= self.timeout {
            self.flow = Flow::Lost;
            let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
            self.outputs.push_back(LegOutput::Lost { silent_ms });
        }
    }
}
