//! The forwarding thread: an epoll loop over the sockets of all legs.
//!
//! One packet's way: `recv_from`, its leg's verdict, `send_to` its peer's party, a copy to the recorder. No
//! allocation on that way once the recorder's batches have their size, while both parties speak one codec.

mod bridging;
mod feed;
mod mapping;
mod telling;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use linecard_media::stun::Mapping;
use linecard_media::{
    Digit, EventFormat, LegInput, Outgoing, Passage, PayloadKind, RelayLeg, Remote, SampleRate, Side,
    SpanKind, ToneStream, Verdict,
};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::mpsc::UnboundedSender;

use super::line::{Line, Playing, Way};
use super::ports::LentPorts;
use super::recent::{Ahead, Recent};
use super::workload::Workload;
use super::{Bridge, Feed, LegId, LegTotals, MediaEvent, MediaPart, SessionOrigin};
use crate::recorder::{Edge, Lane, LaneState, RecordingId, Slot, Tap};

/// The token of the waker.
pub(super) const WAKE: Token = Token(usize::MAX);

/// Datagrams read from one socket before others have their turn.
const TURN: usize = 64;
/// Longer datagrams than this are no telephony.
const DATAGRAM_LEN: usize = 2_048;
/// How often legs are asked for silence.
const TICK: Duration = Duration::from_millis(500);
/// Sockets that are told to be ready at a time, and the waker.
const EVENTS: usize = 1_024;
/// How far behind recordings may be for packets that wait in their sockets.
const UNSEEN_MAX: Duration = Duration::from_secs(2);
/// What the relay is told.
pub(super) enum Command {
    Open { leg: LegId, ports: LentPorts, origin: SessionOrigin, mapping: Option<Mapping> },
    Remote { leg: LegId, remote: Remote },
    Bridge(Bridge),
    Unbridge { leg: LegId },
    Play { leg: LegId, tone: ToneStream },
    Hush { leg: LegId },
    Press { leg: LegId, digits: Vec<Digit>, format: EventFormat },
    StartRecording { recording: RecordingId, customer: LegId, at: Instant },
    Feed { recording: RecordingId, feeds: Vec<Feed>, at: Instant },
    Mark { recording: RecordingId, kind: SpanKind, edge: Edge, at: Instant },
    StopRecording { recording: RecordingId, at: Instant },
    Close { leg: LegId, at: Instant },
    TellDone,
    Shutdown { at: Instant },
}

/// Which of a line's sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Rtp,
    Rtcp,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Running,
    Ending,
}

/// The thread's state. Lines lie at the index that their tokens name.
pub(super) struct Relay {
    poll: Poll,
    inbox: Receiver<Command>,
    /// `None` where a recorder thread has ended.
    lanes: Vec<Option<Lane>>,
    events: UnboundedSender<MediaEvent>,
    rtp_timeout: Duration,
    lines: Vec<Option<Line>>,
    vacant: Vec<usize>,
    indices: HashMap<LegId, usize>,
    recordings: HashMap<RecordingId, Slot>,
    next_slot: u64,
    /// At least as many lines play a tone or send digits.
    tones: usize,
    /// At least as many lines ask how they are seen from outside.
    mappings: usize,
    /// Sockets that had more than one turn's worth of datagrams.
    unread: Vec<(usize, Channel)>,
    buffer: Vec<u8>,
    ticked_at: Instant,
    /// Everything that came until then has been read.
    seen: Instant,
    workload: Workload,
}

fn token(index: usize, channel: Channel) -> Token {
    Token(index * 2 + usize::from(channel == Channel::Rtcp))
}

fn origin(token: Token) -> (usize, Channel) {
    (token.0 / 2, if token.0.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp })
}

impl Relay {
    pub(super) fn new(
        poll: Poll,
        inbox: Receiver<Command>,
        lanes: Vec<Lane>,
        events: UnboundedSender<MediaEvent>,
        rtp_timeout: Duration,
        workload: Workload,
    ) -> Self {
        Self {
            poll,
            inbox,
            lanes: lanes.into_iter().map(Some).collect(),
            events,
            rtp_timeout,
            lines: Vec::new(),
            vacant: Vec::new(),
            indices: HashMap::new(),
            recordings: HashMap::new(),
            next_slot: 0,
            tones: 0,
            mappings: 0,
            unread: Vec::new(),
            buffer: vec![0; DATAGRAM_LEN],
            ticked_at: Instant::now(),
            seen: Instant::now(),
            workload,
        }
    }

    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(EVENTS);
        let mut wait = TICK;
        loop {
            if let Err(error) = self.poll.poll(&mut ready, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "epoll has failed");
                self.report(MediaEvent::Broken { part: MediaPart::Relay });
                break;
            }
            let polled = Instant::now();
            // Before the sockets: a packet that follows a bridge must find it.
            if self.take_commands() == Course::Ending {
                break;
            }
            for (index, channel) in std::mem::take(&mut self.unread) {
                self.read(index, channel);
            }
            let mut sockets = 0;
            for event in ready.iter().filter(|event| event.token() != WAKE) {
                let (index, channel) = origin(event.token());
                self.read(index, channel);
                sockets += 1;
            }
            let now = Instant::now();
            let is_drained = self.unread.is_empty() && sockets < EVENTS - 1;
            self.seen =
                if is_drained { polled } else { self.seen.max(now.checked_sub(UNSEEN_MAX).unwrap_or(now)) };
            self.tick(now);
            wait = self.flush(now).min(self.play(now)).min(self.map(now));
        }
        self.end();
    }

    fn report(&self, event: MediaEvent) {
        // The server may have stopped listening before it stops the relay.
        let _ = self.events.send(event);
    }

    /// Reads what a socket has, up to one turn.
    fn read(&mut self, index: usize, channel: Channel) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut turns = 0..TURN;
        let more = loop {
            let Some(line) = self.lines.get(index).and_then(Option::as_ref) else {
                break false;
            };
            let socket = match channel {
                Channel::Rtp => &line.rtp,
                Channel::Rtcp => &line.rtcp,
            };
            let Ok((len, from)) = socket.recv_from(&mut buffer) else {
                break false;
            };
            // A datagram that fills the buffer may have been cut.
            if let Some(bytes) = buffer.get(..len).filter(|_| len < DATAGRAM_LEN) {
                match channel {
                    _ if self.take_answer(index, channel, from, bytes) => {}
                    Channel::Rtp => self.take_rtp(index, from, bytes, Instant::now()),
                    Channel::Rtcp => self.take_rtcp(index, from, bytes),
                }
            }
            if turns.next().is_none() {
                break true;
            }
        };
        self.buffer = buffer;
        if more {
            self.unread.push((index, channel));
        }
    }

    /// Takes what came on an RTP port at `now`.
    fn take_rtp(&mut self, index: usize, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(line) = self.line_mut(index) else { return };
        if let Some(ahead) = &mut line.ahead {
            return ahead.keep(from, now, bytes);
        }
        if line.leg.is_muxed_rtcp(bytes) {
            return self.take_rtcp(index, from, bytes);
        }
        let Some(bytes) = line.leg.open(bytes) else { return };
        let bytes = &*bytes;
        let Verdict::Forward(kind) = line.leg.handle_input(LegInput::Rtp { from, bytes }, now) else {
            return;
        };
        let (peer, tap, fed, id) = (line.peer, line.tap, line.fed, line.id);
        // The first packet of a leg makes an output; later ones find only the timer.
        let output = line.leg.poll_output();
        let sent = peer.is_some_and(|peer| self.forward(index, peer, kind, bytes));
        if let Some(line) = self.line_mut(index) {
            *(if sent { &mut line.forwarded } else { &mut line.unforwarded }) += 1;
            if fed.is_none() && (tap.is_none() || peer.is_none()) {
                line.recent.keep(kind, now, bytes, sent);
            }
        }
        if let (Some((slot, side)), Some(_)) = (tap, peer) {
            self.record(Tap { slot, side, kind, at: now }, bytes);
        }
        if let Some(fed) = fed {
            self.record_fed(fed, kind, now, bytes);
        }
        self.report_leg(id, output);
    }

    /// Sends a packet of one line to the party of its peer, in what that party speaks; says whether it is gone.
    fn forward(&mut self, index: usize, peer: usize, kind: PayloadKind, bytes: &[u8]) -> bool {
        let now = Instant::now();
        let crosses = self.line_mut(index).is_some_and(|line| line.crossing.is_some());
        let Some(to) = self.line_mut(peer) else { return false };
        to.playing = None;
        let &[_, second, ..] = bytes else { return false };
        match to.leg.passage(kind, second & 0x7f) {
            Passage::Untouched if !crosses => to.pass_on(bytes, now),
            passage => self.cross(index, peer, kind, passage, bytes),
        }
    }

    /// Sends a packet that its peer's party does not take as it is.
    fn cross(
        &mut self,
        index: usize,
        peer: usize,
        kind: PayloadKind,
        passage: Passage,
        bytes: &[u8],
    ) -> bool {
        let now = Instant::now();
        let Some(line) = self.line_mut(index) else { return false };
        line.transcoded += u64::from(matches!(passage, Passage::Transcoded { .. }));
        let mut crossing = line.crossing.take().unwrap_or_default();
        let made = crossing.pass(bytes, kind, passage);
        line.crossing = (!crossing.is_over()).then_some(crossing);
        let to = self.line_mut(peer);
        made.zip(to).is_some_and(|(made, to)| to.pass_on(&made, now))
    }

    fn take_rtcp(&mut self, index: usize, from: SocketAddr, bytes: &[u8]) {
        let Some(line) = self.line_mut(index) else { return };
        let Some(bytes) = line.leg.open_rtcp(bytes) else { return };
        line.leg.handle_input(LegInput::Rtcp { from, bytes: &bytes }, Instant::now());
    }

    fn line_mut(&mut self, index: usize) -> Option<&mut Line> {
        self.lines.get_mut(index).and_then(Option::as_mut)
    }

    fn line_of(&mut self, leg: LegId) -> Option<(usize, &mut Line)> {
        let index = *self.indices.get(&leg)?;
        self.line_mut(index).map(|line| (index, line))
    }

    fn record(&mut self, tap: Tap, bytes: &[u8]) {
        if let Some(lane) = self.lane(tap.slot) {
            lane.record(tap, bytes);
        }
    }

    /// Returns the writer that a recording belongs to.
    fn lane(&mut self, slot: Slot) -> Option<&mut Lane> {
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1).max(1);
        let index = usize::try_from(slot.0 % lanes).unwrap_or_default();
        self.lanes.get_mut(index).and_then(Option::as_mut)
    }

    /// Hands packets to the recorder; returns how long the loop may sleep.
    fn flush(&mut self, now: Instant) -> Duration {
        let mut wait = if self.unread.is_empty() { TICK } else { Duration::ZERO };
        let mut gone = false;
        for seat in &mut self.lanes {
            match seat.as_mut().map(|lane| lane.flush(now, self.seen)) {
                Some(LaneState::Waiting(pause)) => wait = wait.min(pause),
                Some(LaneState::Gone) => {
                    *seat = None;
                    gone = true;
                }
                Some(LaneState::Idle) | None => {}
            }
        }
        if gone {
            self.report(MediaEvent::Broken { part: MediaPart::Recorder });
        }
        wait
    }

    /// Sends the tones that are due; returns how long the loop may sleep.
    fn play(&mut self, now: Instant) -> Duration {
        if self.tones == 0 {
            return TICK;
        }
        let due: Vec<Instant> =
            self.lines.iter_mut().flatten().filter_map(|line| line.play_on(now)).collect();
        self.tones = due.len();
        due.into_iter().min().map_or(TICK, |due| due.saturating_duration_since(now))
    }

    fn take_commands(&mut self) -> Course {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Shutdown { at }) => {
                    let legs: Vec<LegId> = self.indices.keys().copied().collect();
                    legs.into_iter().for_each(|leg| self.close(leg, at));
                    self.stop_all(at);
                    return Course::Ending;
                }
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty) => return Course::Running,
                Err(TryRecvError::Disconnected) => return Course::Ending,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open { leg, ports, origin, mapping } => self.open(leg, ports, origin, mapping),
            Command::Remote { leg, remote } => {
                self.place(leg, remote);
            }
            Command::Bridge(bridge) => self.bridge(bridge),
            Command::Unbridge { leg } => self.unbridge(leg),
            Command::Play { leg, tone } => {
                if let Some((_, line)) = self.line_of(leg) {
                    line.playing = Some(Playing { tone, due: Instant::now() });
                    self.tones += 1;
                }
            }
            Command::Press { leg, digits, format } => {
                if let Some((_, line)) = self.line_of(leg) {
                    line.outgoing.press(&digits, format);
                    self.tones += 1;
                }
            }
            Command::Hush { leg } => {
                if let Some((_, line)) = self.line_of(leg) {
                    line.playing = None;
                }
            }
            Command::StartRecording { recording, customer, at } => {
                self.start_recording(recording, customer, at);
            }
            Command::Feed { recording, feeds, at } => self.feed(recording, &feeds, at),
            Command::Mark { recording, kind, edge, at } => {
                if let Some(slot) = self.recordings.get(&recording).copied()
                    && let Some(lane) = self.lane(slot)
                {
                    lane.mark(slot, kind, edge, at);
                }
            }
            Command::StopRecording { recording, at } => self.stop_recording(&recording, at),
            Command::Close { leg, at } => self.close(leg, at),
            Command::TellDone => self.report(MediaEvent::Done),
            Command::Shutdown { .. } => {}
        }
    }

    fn open(&mut self, leg: LegId, ports: LentPorts, origin: SessionOrigin, mapping: Option<Mapping>) {
        self.mappings += usize::from(mapping.is_some());
        let LentPorts { rtp, rtcp, lease } = ports;
        let mut line = Line {
            id: leg,
            leg: RelayLeg::new(self.rtp_timeout, origin),
            rtp: UdpSocket::from_std(rtp),
            rtcp: UdpSocket::from_std(rtcp),
            peer: None,
            bridged_at: Instant::now(),
            tap: None,
            fed: None,
            ahead: Some(Ahead::default()),
            recent: Recent::default(),
            playing: None,
            outgoing: Outgoing::default(),
            numbered: Vec::new(),
            crossing: None,
            forwarded: 0,
            transcoded: 0,
            unforwarded: 0,
            way: if mapping.is_some() { Way::Closed } else { Way::Open },
            mapping,
            measured_at: Instant::now(),
            _lease: lease,
        };
        let index = self.vacant.pop().unwrap_or(self.lines.len());
        let registry = self.poll.registry();
        let registered =
            registry.register(&mut line.rtp, token(index, Channel::Rtp), Interest::READABLE).and_then(|()| {
                registry.register(&mut line.rtcp, token(index, Channel::Rtcp), Interest::READABLE)
            });
        if let Err(error) = registered {
            tracing::error!(%error, %leg, "epoll refuses the sockets of a leg");
            self.vacant.extend((index < self.lines.len()).then_some(index));
            return self.report(MediaEvent::LegClosed { leg, totals: LegTotals::default() });
        }
        match self.lines.get_mut(index) {
            Some(vacant) => *vacant = Some(line),
            None => self.lines.push(Some(line)),
        }
        self.indices.insert(leg, index);
    }

    /// Chooses the rate of a file that opens: what the better of the two parties has agreed on. A file has one rate, and
    /// a party that changes its codec later is resampled to it.
    fn recording_rate(&self, customer: usize) -> SampleRate {
        let line = |index: usize| self.lines.get(index).and_then(Option::as_ref);
        let customer = line(customer);
        let agent = customer.and_then(|customer| customer.peer).and_then(line);
        let parties = customer.into_iter().chain(agent);
        let rates = parties.flat_map(|line| line.leg.formats().codecs().map(|(_, codec)| codec.rate()));
        rates.max().unwrap_or_default()
    }

    /// Takes what has come for a bridged leg before its bridge changes.
    fn read_leg(&mut self, leg: LegId) {
        let Some((index, line)) = self.line_of(leg) else {
            return;
        };
        let (peer, fed) = (line.peer, line.fed.is_some());
        if peer.is_some() || fed {
            self.read(index, Channel::Rtp);
        }
        if let Some(peer) = peer {
            self.read(peer, Channel::Rtp);
        }
    }

    fn stop_recording(&mut self, recording: &RecordingId, at: Instant) {
        let Some(slot) = self.recordings.get(recording).copied() else {
            return;
        };
        let customer = self.lines.iter().flatten().find(|line| line.tap == Some((slot, Side::Customer)));
        if let Some(customer) = customer.map(|line| line.id) {
            self.read_leg(customer);
        }
        self.read_fed(slot);
        self.recordings.remove(recording);
        for line in self.lines.iter_mut().flatten() {
            line.tap = line.tap.filter(|(tapped, _)| *tapped != slot);
            line.fed = line.fed.filter(|(heard, _)| *heard != slot);
        }
        if let Some(lane) = self.lane(slot) {
            lane.stop(slot, at);
        }
    }

    fn close(&mut self, leg: LegId, at: Instant) {
        self.read_leg(leg);
        let Some((index, line)) = self.line_of(leg) else {
            return;
        };
        let slot = line.tap.filter(|(_, side)| *side == Side::Customer).map(|(slot, _)| slot);
        let recording = self.recordings.iter().find(|(_, open)| Some(**open) == slot);
        if let Some(recording) = recording.map(|(recording, _)| recording.clone()) {
            self.stop_recording(&recording, at);
        }
        self.unbridge(leg);
        self.indices.remove(&leg);
        let Some(mut line) = self.lines.get_mut(index).and_then(Option::take) else {
            return;
        };
        self.vacant.push(index);
        if let Some(farewell) = line.leg.leave(Instant::now()) {
            line.send_rtcp(&farewell);
        }
        let registry = self.poll.registry();
        for socket in [&mut line.rtp, &mut line.rtcp] {
            if let Err(error) = registry.deregister(socket) {
                tracing::debug!(%error, %leg, "epoll did not know a socket");
            }
        }
        let (heard, quality) = (line.leg.statistics(), line.leg.quality());
        let Line { forwarded, unforwarded, transcoded, .. } = line;
        let totals = LegTotals { heard, forwarded, unforwarded, transcoded, quality };
        // The ports are free before anybody hears of it.
        drop(line);
        self.report(MediaEvent::LegClosed { leg, totals });
    }

    /// Lets the recorder have everything and go.
    fn end(self) {
        self.lanes.into_iter().flatten().for_each(Lane::drain);
    }
}
