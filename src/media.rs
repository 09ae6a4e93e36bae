//! The media relay: RTP ports, one epoll thread that forwards, and the recorder beside it.
//!
//! Forwarding first: a packet is read, judged by its leg and sent on at once, header and payload untouched unless
//! the two parties share no codec; a copy goes to the recorder's queue and never waits for it. RTCP is each leg's own and
//! goes no further. Nothing here knows SIP: the reactor opens legs, says where their parties are, bridges and closes
//! them. RFC 3550, RFC 3264 (directions), RFC 3605, RFC 5761.

mod line;
mod ports;
mod recent;
mod relay;
mod stun_servers;
mod workload;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linecard_media::ToneStream;
pub use linecard_media::stun::Mapped;
use linecard_media::stun::Mapping;
pub use linecard_media::{
    Digit, EventFormat, LegQuality, LegStatistics, Losses, PathQuality, Remote, RtcpPath, SessionOrigin,
    Span, SpanKind, Standing, WindowQuality,
};
use mio::{Poll, Waker};
pub use ports::{Lease, LentPorts, PortError, PortPool};
pub use stun_servers::StunServers;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;

use self::relay::{Command, Relay};
use self::workload::{Room, Workload};
use crate::recorder::{Recorder, RecorderError, RecorderSink, RecordingEvent, RecordingId, RecordingStore};

/// What the relay needs to start.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Lowest RTP port.
    pub port_min: u16,
    /// Highest RTP or RTCP port.
    pub port_max: u16,
    /// How long RTP may stay away before a leg that had media is reported lost.
    pub rtp_timeout: Duration,
    /// The share of a core that the relay's thread may need before there is no room for another talk.
    pub load_max: f64,
    /// Recorder threads.
    pub writers: usize,
    /// What stands in recordings for lost packets.
    pub losses: Losses,
    /// How long a pair of ports rests after a call.
    pub port_rest: Duration,
    /// Whether talks are encrypted.
    pub srtp: Srtp,
    /// Whom to ask how ports are seen from outside.
    pub stun: StunServers,
    /// Decides the order of ports.
    pub seed: u64,
}

impl Default for RelayOptions {
    fn default() -> Self {
        let rtp_timeout = Duration::from_secs(30);
        Self {
            port_min: 16_384,
            port_max: 32_766,
            rtp_timeout,
            load_max: 0.85,
            writers: 1,
            losses: Losses::Concealed,
            port_rest: Duration::from_secs(2),
            srtp: Srtp::Off,
            stun: StunServers::default(),
            seed: 0,
        }
    }
}

/// A leg of the relay, unique within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(u64);

impl std::fmt::Display for LegId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether talks are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Srtp {
    /// Never.
    #[default]
    Off,
    /// Where the other end can do it.
    Optional,
    /// Always: who cannot do it is refused.
    Required,
}

/// Keys of a leg's own for both suites, master key and salt joined. They never show themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnKeys {
    /// For the suite with tags of 80 bits.
    pub tag80: [u8; 30],
    /// For the suite with tags of 32 bits.
    pub tag32: [u8; 30],
}

impl std::fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnKeys")
    }
}

/// Where the ports of a leg are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The local address of its sockets.
    pub local: IpAddr,
    /// The address that its party is told: another one behind a NAT.
    pub told: IpAddr,
    /// What stands between it and its party.
    pub between: Between,
}

/// What stands between a leg's ports and its party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Between {
    /// Nothing that changes addresses, as far as is known.
    #[default]
    Nothing,
    /// A NAT: how it maps the ports is to be asked, where there is somebody to ask.
    Nat,
}

impl From<IpAddr> for Place {
    fn from(local: IpAddr) -> Self {
        Self { local, told: local, between: Between::Nothing }
    }
}

/// A leg whose ports are bound: what its SDP may promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLeg {
    /// Which leg.
    pub id: LegId,
    /// Local RTP address; the IP is the one asked for, be it unspecified.
    pub rtp: SocketAddr,
    /// Local RTCP address, one port above.
    pub rtcp: SocketAddr,
    /// The RTP address that its party is told.
    pub told: SocketAddr,
    /// The RTCP address that its party is told, where it is not the next port.
    pub told_rtcp: Option<SocketAddr>,
    /// Whether what is told may still change.
    pub telling: Telling,
    /// Whether it is to be encrypted.
    pub srtp: Srtp,
    /// What it would protect its packets with.
    pub keys: OwnKeys,
}

/// Whether it is known how a leg's ports are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// It is.
    Known,
    /// A STUN server is asked: `MediaEvent::Mapped` follows within half a second.
    Asked,
}

impl OpenLeg {
    /// Tells its party what a STUN server has seen; without an answer what was to be told before.
    pub fn seen(&mut self, mapped: Option<Mapped>) {
        self.telling = Telling::Known;
        if let Some(Mapped { rtp, rtcp }) = mapped {
            let next =
                |rtcp: &SocketAddr| rtcp.ip() == rtp.ip() && rtp.port().checked_add(1) == Some(rtcp.port());
            self.told = rtp;
            self.told_rtcp = rtcp.filter(|rtcp| !next(rtcp));
        }
    }
}

/// What a leg has counted and what became of its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegTotals {
    /// What was received.
    pub heard: LegStatistics,
    /// RTP packets of this leg that were sent to its peer.
    pub forwarded: u64,
    /// RTP packets that had no peer yet, whose peer does not receive, or that the system refused.
    pub unforwarded: u64,
    /// RTP packets that were put into another codec for the peer.
    pub transcoded: u64,
    /// How well it was heard.
    pub quality: LegQuality,
}

/// Two legs to be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The party on the left channel.
    pub customer: LegId,
    /// The party on the right channel.
    pub agent: LegId,
    /// Recording to begin at `at`, or to go on with this agent if it has begun.
    pub recording: Option<RecordingId>,
    /// When the talk begins: the first sample of the recording.
    pub at: Instant,
}

/// A leg that a recording hears without its being connected with anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which leg.
    pub leg: LegId,
    /// Whose voice comes there.
    pub voice: Voice,
}

/// Whose voice a stream of a recording session carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The customer's: the left channel.
    Customer,
    /// The agent's: the right channel.
    Agent,
    /// Everybody's: both channels.
    Both,
}

/// What the relay reports.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The first RTP of a leg came, or the first after a loss.
    Flowing {
        /// Which leg.
        leg: LegId,
    },
    /// A leg had media and nothing came for the configured time.
    Lost {
        /// Which leg.
        leg: LegId,
        /// For how long.
        silent_ms: u64,
    },
    /// A direction of a leg has turned bad, or good again, or a while has passed since the last figures.
    Measured {
        /// Which leg.
        leg: LegId,
        /// How well it was heard so far.
        quality: LegQuality,
    },
    /// It is known how a leg's ports are seen from outside, or (none) that the STUN server is silent.
    Mapped {
        /// Which leg.
        leg: LegId,
        /// How they are seen.
        mapped: Option<Mapped>,
    },
    /// A leg was closed; its ports are free again.
    LegClosed {
        /// Which leg.
        leg: LegId,
        /// What it has counted.
        totals: LegTotals,
    },
    /// Everything that was ordered before `tell_when_done` is done and told.
    Done,
    /// A recording has something to report.
    Recording(RecordingEvent),
    /// A thread of the media path has ended by itself: no talk is relayed or recorded from here on.
    Broken {
        /// What has ended.
        part: MediaPart,
    },
}

/// The threads of the media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaPart {
    /// The forwarding thread.
    Relay,
    /// A recorder thread.
    Recorder,
}

/// Why the relay could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediaStartError {
    /// There is no pair of ports in the range.
    #[error(
        "media.port_min = {port_min} and media.port_max = {port_max} leave no pair of an even and an odd port"
    )]
    Range {
        /// As configured.
        port_min: u16,
        /// As configured.
        port_max: u16,
    },
    /// The folder of recordings cannot be used.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The system gives no epoll instance or thread.
    #[error("the media threads cannot start: {0}")]
    System(#[from] io::Error),
}

/// The running relay and recorder; owns their threads.
pub struct Media {
    handle: MediaHandle,
    relay: JoinHandle<()>,
    recorder: Recorder,
}

impl Media {
    /// Starts the relay and the recorder. Events come until [`Media::shutdown`].
    ///
    /// # Errors
    /// [`MediaStartError`].
    pub fn start(
        options: &RelayOptions,
        store: &RecordingStore,
        events: UnboundedSender<MediaEvent>,
    ) -> Result<Self, MediaStartError> {
        let pool = PortPool::new(options.port_min, options.port_max, options.port_rest, options.seed);
        if pool.free() == 0 {
            let RelayOptions { port_min, port_max, .. } = *options;
            return Err(MediaStartError::Range { port_min, port_max });
        }
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), relay::WAKE)?);
        let (commands, inbox) = mpsc::channel();
        let reports = events.clone();
        let sink: RecorderSink = Arc::new(move |event| {
            // Nobody listens any more once the server has let go of the relay.
            let _ = reports.send(MediaEvent::Recording(event));
        });
        let (recorder, lanes) = Recorder::start(store, options.writers, options.losses, &sink)?;
        let alarm = events.clone();
        let room = Room::default();
        let workload = Workload::new(room.clone(), options.load_max);
        let relay = Relay::new(poll, inbox, lanes, events, options.rtp_timeout, workload);
        let relay = thread::Builder::new().name("relay".to_owned()).spawn(move || {
            if panic::catch_unwind(AssertUnwindSafe(|| relay.run())).is_err() {
                let _ = alarm.send(MediaEvent::Broken { part: MediaPart::Relay });
            }
        })?;
        let handle = MediaHandle {
            pool,
            room,
            stun: options.stun.clone(),
            srtp: options.srtp,
            commands,
            waker,
            next: Arc::new(AtomicU64::new(1)),
        };
        Ok(Self { handle, relay, recorder })
    }

    /// Returns a handle to give commands with.
    #[must_use]
    pub fn handle(&self) -> MediaHandle {
        self.handle.clone()
    }

    /// Closes every leg and recording and waits until the files are in their place. Blocks: not for a task.
    pub fn shutdown(self) {
        self.handle.send(Command::Shutdown { at: Instant::now() });
        if self.relay.join().is_err() {
            tracing::error!("the relay thread has panicked");
        }
        self.recorder.join();
    }
}

/// Draws keys, and what a leg's reports begin with: nothing in them tells of anybody (RFC 7022 section 4.2).
fn draw(address: IpAddr) -> Result<(OwnKeys, SessionOrigin), PortError> {
    let mut keys = OwnKeys { tag80: [0; 30], tag32: [0; 30] };
    let (mut name, mut ssrc, mut seed) = ([0; 12], [0; 4], [0; 8]);
    let drawn: [&mut [u8]; 5] = [&mut keys.tag80, &mut keys.tag32, &mut name, &mut ssrc, &mut seed];
    for bytes in drawn {
        getrandom::fill(bytes)
            .map_err(|error| PortError::Socket { address, source: io::Error::other(error.to_string()) })?;
    }
    let (ssrc, seed) = (u32::from_be_bytes(ssrc), u64::from_be_bytes(seed));
    Ok((keys, SessionOrigin { name, ssrc, seed, clock: (Instant::now(), ntp_now()) }))
}

/// The wall clock in NTP format (RFC 3550 section 4): seconds since 1900, 32 bits of them and of their fraction.
fn ntp_now() -> u64 {
    const SECONDS_FROM_1900_TO_1970: u64 = 2_208_988_800;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(SECONDS_FROM_1900_TO_1970);
    (seconds << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Gives commands to the relay. Cheap to clone; no call waits for the relay.
///
/// Commands about legs or recordings that do not exist (any more) do nothing.
#[derive(Clone)]
pub struct MediaHandle {
    pool: PortPool,
    room: Room,
    stun: StunServers,
    srtp: Srtp,
    commands: Sender<Command>,
    waker: Arc<Waker>,
    next: Arc<AtomicU64>,
}

impl MediaHandle {
    /// Tells whether another talk can be relayed without harm to those that are.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.room.is_left()
    }

    /// Opens a leg: binds its ports on a local address now and answers with what the SDP may say.
    ///
    /// # Errors
    /// [`PortError`]: the call is to be refused.
    pub fn open_leg(&self, place: impl Into<Place>) -> Result<OpenLeg, PortError> {
        let place = place.into();
        Ok(self.open(place, self.pool.lend(place.local)?, draw(place.local)?))
    }

    /// Describes a leg that is not opened: what would be agreed on with it.
    #[must_use]
    pub fn unbound(&self, place: Place) -> OpenLeg {
        let keys = OwnKeys { tag80: [0; 30], tag32: [0; 30] };
        let [rtp, rtcp] = [1, 2].map(|port| SocketAddr::new(place.local, port));
        let told = SocketAddr::new(place.told, rtp.port());
        let telling = Telling::Known;
        OpenLeg { id: LegId(0), rtp, rtcp, told, told_rtcp: None, telling, srtp: self.srtp, keys }
    }

    fn open(&self, place: Place, ports: LentPorts, drawn: (OwnKeys, SessionOrigin)) -> OpenLeg {
        let (keys, origin) = drawn;
        let id = LegId(self.next.fetch_add(1, Ordering::Relaxed));
        let port = ports.lease.port();
        let [rtp, rtcp] = [port, port.saturating_add(1)].map(|port| SocketAddr::new(place.local, port));
        let mapping = self.mapping(place);
        let telling = if mapping.is_some() { Telling::Asked } else { Telling::Known };
        self.send(Command::Open { leg: id, ports, origin, mapping });
        let told = SocketAddr::new(place.told, port);
        OpenLeg { id, rtp, rtcp, told, told_rtcp: None, telling, srtp: self.srtp, keys }
    }

    /// Begins to ask how ports are seen, where a NAT is between and a server of their family is known.
    fn mapping(&self, place: Place) -> Option<Mapping> {
        if place.between == Between::Nothing {
            return None;
        }
        let server = self.stun.towards(place.local)?;
        let mut ids = [[0; 12]; 2];
        ids.iter_mut().try_for_each(|id| getrandom::fill(id)).ok()?;
        Some(Mapping::new(server, ids, Instant::now()))
    }

    /// Tells whether there is somebody to ask how ports at this address are seen.
    #[must_use]
    pub fn can_map(&self, local: IpAddr) -> bool {
        self.stun.towards(local).is_some()
    }

    /// Opens two legs or none: a call that cannot have the second is not to have the first.
    ///
    /// # Errors
    /// [`PortError`]: the call is to be refused.
    pub fn open_pair(&self, [first, second]: [Place; 2]) -> Result<[OpenLeg; 2], PortError> {
        // Both are bound before the relay hears of either.
        let lend =
            |place: Place| Ok::<_, PortError>((place, self.pool.lend(place.local)?, draw(place.local)?));
        let both = [lend(first)?, lend(second)?];
        Ok(both.map(|(place, ports, drawn)| self.open(place, ports, drawn)))
    }

    /// Says where a leg's party is and what it is willing to do: after each SDP from it.
    pub fn set_remote(&self, leg: LegId, remote: Remote) {
        self.send(Command::Remote { leg, remote });
    }

    /// Connects two legs, taking them from whomever they were connected to.
    pub fn bridge(&self, bridge: Bridge) {
        self.send(Command::Bridge(bridge));
    }

    /// Lets a leg's party hear a tone from now on, until something else is sent to it.
    pub fn play(&self, leg: LegId, tone: ToneStream) {
        self.send(Command::Play { leg, tone });
    }

    /// Sends digits to a leg's party as telephone events (RFC 4733), as it wants them.
    pub fn press(&self, leg: LegId, digits: Vec<Digit>, format: EventFormat) {
        self.send(Command::Press { leg, digits, format });
    }

    /// Ends the tone that a leg's party hears.
    pub fn hush(&self, leg: LegId) {
        self.send(Command::Hush { leg });
    }

    /// Disconnects a leg from its peer. Its recording goes on: marks say why nothing is heard.
    pub fn unbridge(&self, leg: LegId) {
        self.send(Command::Unbridge { leg });
    }

    /// Begins a recording of a leg and of whoever is or will be bridged to it.
    pub fn start_recording(&self, recording: RecordingId, customer: LegId, at: Instant) {
        self.send(Command::StartRecording { recording, customer, at });
    }

    /// Begins a recording of legs that are connected with nobody, or lets it hear others from now on.
    pub fn feed(&self, recording: RecordingId, feeds: Vec<Feed>, at: Instant) {
        self.send(Command::Feed { recording, feeds, at });
    }

    /// Begins a marked span. [`SpanKind::Masked`] silences both sides: a paused recording.
    pub fn begin_span(&self, recording: RecordingId, kind: SpanKind, at: Instant) {
        self.send(Command::Mark { recording, kind, edge: crate::recorder::Edge::Begin, at });
    }

    /// Ends a marked span.
    pub fn end_span(&self, recording: RecordingId, kind: SpanKind, at: Instant) {
        self.send(Command::Mark { recording, kind, edge: crate::recorder::Edge::End, at });
    }

    /// Ends a recording at `at`: its length is the wall time since its start. `Closed` follows.
    pub fn stop_recording(&self, recording: RecordingId, at: Instant) {
        self.send(Command::StopRecording { recording, at });
    }

    /// Closes a leg and frees its ports; a recording of which it is the customer ends at `at`.
    /// [`MediaEvent::LegClosed`] follows.
    pub fn close_leg(&self, leg: LegId, at: Instant) {
        self.send(Command::Close { leg, at });
    }

    /// Asks to be told by [`MediaEvent::Done`] when everything ordered so far is done.
    pub fn tell_when_done(&self) {
        self.send(Command::TellDone);
    }

    /// Returns how many further legs could be opened.
    #[must_use]
    pub fn free_legs(&self) -> usize {
        self.pool.free()
    }

    fn send(&self, command: Command) {
        // Without a relay there is nothing to command: `Broken` was reported or the server is going down.
        if self.commands.send(command).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the relay cannot be woken");
        }
    }
}
