//! A relay on a loopback address of its own, and parties with real sockets that talk through it.

#![allow(clippy::cast_possible_truncation)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use linecard::media::{
    Bridge, LegId, Media, MediaEvent, MediaHandle, OpenLeg, RelayOptions, Remote, RtcpPath,
};
use linecard::recorder::{ClosedRecording, RecordingEvent, RecordingId, RecordingStore};
use linecard_media::codec::Decoder;
use linecard_media::{AudioCodec, PayloadKind, PayloadMap, RtpHeader, rtp};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) const PTIME: Duration = Duration::from_millis(20);
pub(crate) const PAYLOAD_LEN: usize = 160;

/// An address of 127/8 that no other test process uses.
pub(crate) fn own_address() -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 0x3f), low, 9))
}

pub(crate) fn options() -> RelayOptions {
    RelayOptions {
        port_min: 20_000,
        port_max: 20_099,
        seed: u64::from(std::process::id()),
        ..RelayOptions::default()
    }
}

pub(crate) fn recording(name: &str) -> RecordingId {
    RecordingId::new(name).unwrap()
}

/// A running relay with its events.
pub(crate) struct Exchange {
    pub(crate) media: Media,
    pub(crate) handle: MediaHandle,
    pub(crate) store: RecordingStore,
    pub(crate) events: UnboundedReceiver<MediaEvent>,
}

impl Exchange {
    pub(crate) fn start(folder: &Path, options: &RelayOptions) -> Self {
        let store = RecordingStore::open(folder).unwrap();
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        let media = Media::start(options, &store, sender).unwrap();
        let handle = media.handle();
        Self { media, handle, store, events }
    }

    /// Opens a leg for a party and tells the relay where the party is.
    pub(crate) fn seat(&self, party: &Party) -> OpenLeg {
        let leg = self.handle.open_leg(own_address()).unwrap();
        self.handle.set_remote(leg.id, party.remote());
        leg
    }

    pub(crate) fn bridge(&self, customer: LegId, agent: LegId, name: Option<&str>) -> Instant {
        let at = Instant::now();
        self.handle.bridge(Bridge { customer, agent, recording: name.map(recording), at });
        at
    }

    /// Waits for an event that `pick` wants; fails loudly after ten seconds.
    pub(crate) fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&MediaEvent) -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            match self.events.try_recv() {
                Ok(event) => {
                    if let Some(found) = pick(&event) {
                        return found;
                    }
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        panic!("no {what} within ten seconds");
    }

    pub(crate) fn wait_closed(&mut self, name: &str) -> ClosedRecording {
        self.wait("closed recording", |event| match event {
            MediaEvent::Recording(RecordingEvent::Closed(closed)) if closed.id.as_str() == name => {
                Some(closed.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn totals(&mut self, leg: LegId) -> linecard::media::LegTotals {
        self.handle.close_leg(leg, Instant::now());
        self.wait("closed leg", |event| match event {
            MediaEvent::LegClosed { leg: closed, totals } if *closed == leg => Some(*totals),
            _ => None,
        })
    }

    /// Left and right of a finished recording.
    pub(crate) fn heard(&self, name: &str) -> (Vec<i16>, Vec<i16>) {
        split(hound::WavReader::open(self.store.path(&recording(name))).unwrap())
    }
}

/// Fails unless a recording lasts as long as the talk, or longer by the rest of its last packet.
pub(crate) fn assert_lasts(closed: &ClosedRecording, talk: std::time::Duration) {
    let wall_ms = u64::try_from(talk.as_millis()).unwrap();
    let allowed = wall_ms - 1..=wall_ms + 21;
    assert!(allowed.contains(&closed.duration_ms), "{} ms of {wall_ms} ms", closed.duration_ms);
}

pub(crate) fn split<R: std::io::Read>(reader: hound::WavReader<R>) -> (Vec<i16>, Vec<i16>) {
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    (samples.iter().step_by(2).copied().collect(), samples.iter().skip(1).step_by(2).copied().collect())
}

/// Somebody with a phone.
pub(crate) struct Party {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) ssrc: u32,
    pub(crate) codec: AudioCodec,
}

/// The number that a codec always has.
pub(crate) fn number_of(codec: AudioCodec) -> u8 {
    match codec {
        AudioCodec::Pcmu => rtp::PCMU,
        AudioCodec::Pcma => rtp::PCMA,
        AudioCodec::G722 => rtp::G722,
        AudioCodec::Opus => 111,
    }
}

impl Party {
    /// Makes somebody who speaks PCMA.
    pub(crate) fn new(ssrc: u32) -> Self {
        Self::speaking(ssrc, AudioCodec::Pcma)
    }

    pub(crate) fn speaking(ssrc: u32, codec: AudioCodec) -> Self {
        let bind = || {
            let socket = UdpSocket::bind((own_address(), 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            socket
        };
        Self { rtp: bind(), rtcp: bind(), ssrc, codec }
    }

    pub(crate) fn remote(&self) -> Remote {
        let rtcp = RtcpPath::At(self.rtcp.local_addr().unwrap());
        let spoken = (number_of(self.codec), PayloadKind::Audio(self.codec));
        let formats =
            PayloadMap::new([spoken, (101, PayloadKind::TelephoneEvent(linecard_media::ClockRate::Hz8000))]);
        Remote { rtcp, formats, ..Remote::new(self.rtp.local_addr().unwrap()) }
    }

    /// The n-th packet of this party: noise that no other party makes.
    pub(crate) fn packet(&self, n: usize) -> Vec<u8> {
        let header = RtpHeader {
            payload_type: number_of(self.codec),
            marker: n == 0,
            sequence: (n as u16).wrapping_add(65_500),
            timestamp: (n * PAYLOAD_LEN) as u32,
            ssrc: self.ssrc,
        };
        header.build(&self.payload(n)).unwrap()
    }

    fn payload(&self, n: usize) -> Vec<u8> {
        let mut noise = self.ssrc.wrapping_mul(2_654_435_761).wrapping_add(n as u32 * 7_919);
        (0..PAYLOAD_LEN)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect()
    }

    /// The samples of packets `from..until`, at the rate of the codec.
    pub(crate) fn samples(&self, packets: std::ops::Range<usize>) -> Vec<i16> {
        let (mut decoder, mut samples) = (Decoder::new(self.codec), Vec::new());
        (0..packets.end).for_each(|n| decoder.decode(&self.payload(n), &mut samples));
        samples.split_off(packets.start * PAYLOAD_LEN * self.codec.rate().per_tick())
    }

    /// Talks in real time, on a thread of its own.
    pub(crate) fn talk(&self, to: SocketAddr, packets: std::ops::Range<usize>) -> JoinHandle<()> {
        let socket = self.rtp.try_clone().unwrap();
        let speech: Vec<Vec<u8>> = packets.map(|n| self.packet(n)).collect();
        thread::spawn(move || {
            let start = Instant::now();
            for (n, packet) in (0_u32..).zip(speech) {
                thread::sleep((start + PTIME * n).saturating_duration_since(Instant::now()));
                socket.send_to(&packet, to).unwrap();
            }
        })
    }

    /// Throws away what has come.
    pub(crate) fn discard(&self) {
        self.rtp.set_nonblocking(true).unwrap();
        drain(&self.rtp);
        self.rtp.set_nonblocking(false).unwrap();
    }

    /// Receives while others talk: a socket's own queue holds five seconds at most.
    pub(crate) fn listen(&self) -> JoinHandle<Vec<Vec<u8>>> {
        let socket = self.rtp.try_clone().unwrap();
        thread::spawn(move || drain(&socket))
    }

    /// Receives until nothing comes for half a second.
    pub(crate) fn receive(&self) -> Vec<Vec<u8>> {
        drain(&self.rtp)
    }
}

pub(crate) fn drain(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2_048];
    let mut received = Vec::new();
    while let Ok((len, _)) = socket.recv_from(&mut buffer) {
        received.push(buffer[..len].to_vec());
    }
    received
}

/// Where a voice lies in a channel, unbroken.
pub(crate) fn find(channel: &[i16], voice: &[i16]) -> Option<usize> {
    channel.windows(voice.len()).position(|window| window == voice)
}
