//! One end of a conversation's sound: sends a tone in 20 ms frames of PCMA, keeps every packet that arrives.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::net::udp_socket;
use super::program::eventually;
use super::sound::{from_alaw, level, sine, to_alaw};

const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: u32 = 160;
const PCMA: u8 = 8;
const HEADER: usize = 12;

/// A packet as it arrived (RFC 3550 section 5.1; no extension, no contributing sources).
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

struct Shared {
    socket: UdpSocket,
    received: Mutex<Vec<Packet>>,
    sent: AtomicU64,
    tone_hz: AtomicU32,
    over: AtomicBool,
}

/// The end: a socket, a thread that listens, and once it talks a thread that sends.
pub(crate) struct RtpEnd {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
    talker: Mutex<Option<JoinHandle<()>>>,
    talking: Arc<AtomicBool>,
}

impl RtpEnd {
    /// Opens an end at `ip` that listens from now on.
    pub(crate) fn open(ip: impl Into<IpAddr>) -> Self {
        let socket = udp_socket(ip);
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
        let shared = Arc::new(Shared {
            socket,
            received: Mutex::default(),
            sent: AtomicU64::new(0),
            tone_hz: AtomicU32::new(0),
            over: AtomicBool::new(false),
        });
        let heard = Arc::clone(&shared);
        let listener = Some(std::thread::spawn(move || listen(&heard)));
        Self { shared, listener, talker: Mutex::default(), talking: Arc::default() }
    }

    /// Where it listens and sends from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.socket.local_addr().expect("bound")
    }

    /// Begins to send a tone; 0 Hz is silence. The other end may be changed by calling it again.
    pub(crate) fn talk(&self, to: SocketAddr, tone_hz: u32) {
        self.fall_silent();
        self.shared.tone_hz.store(tone_hz, Ordering::Relaxed);
        self.talking.store(true, Ordering::Relaxed);
        let (shared, talking) = (Arc::clone(&self.shared), Arc::clone(&self.talking));
        let talker = std::thread::spawn(move || talk(&shared, &talking, to));
        *self.talker.lock().expect("no panic") = Some(talker);
    }

    /// Changes the tone without a gap in the stream.
    pub(crate) fn set_tone(&self, hz: u32) {
        self.shared.tone_hz.store(hz, Ordering::Relaxed);
    }

    /// Stops sending; listening goes on.
    pub(crate) fn fall_silent(&self) {
        self.talking.store(false, Ordering::Relaxed);
        if let Some(talker) = self.talker.lock().expect("no panic").take() {
            talker.join().expect("the talker ends well");
        }
    }

    /// How many packets were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many packets have arrived.
    pub(crate) fn received_count(&self) -> usize {
        self.shared.received.lock().expect("no panic").len()
    }

    /// Every packet that has arrived, in order of arrival.
    pub(crate) fn received(&self) -> Vec<Packet> {
        self.shared.received.lock().expect("no panic").clone()
    }

    /// Waits until `count` packets have arrived in all.
    pub(crate) fn wait_received(&self, count: usize, at_most: Duration) {
        let what = format!("{count} RTP packets arrive at {}", self.address());
        eventually(&what, at_most, || (self.received_count() >= count).then_some(()));
    }

    /// How many sequence numbers are missing between the first and the last packet.
    pub(crate) fn lost(&self) -> usize {
        let packets: Vec<u16> = self.received().iter().map(|packet| packet.sequence).collect();
        let Some(&first) = packets.first() else { return 0 };
        let mut seen: Vec<u16> = packets.iter().map(|sequence| sequence.wrapping_sub(first)).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.last().map_or(0, |&last| usize::from(last) + 1 - seen.len())
    }

    /// How loud the tone of `hz` was in what has arrived, as a part of full scale.
    pub(crate) fn heard(&self, hz: u32) -> f64 {
        let packets = self.received();
        let sound = packets.iter().filter(|packet| packet.payload_type == PCMA);
        let samples: Vec<i16> =
            sound.flat_map(|packet| packet.payload.iter().map(|&byte| from_alaw(byte))).collect();
        level(&samples, super::sound::RATE_HZ, hz)
    }
}

impl Drop for RtpEnd {
    fn drop(&mut self) {
        self.talking.store(false, Ordering::Relaxed);
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listen(shared: &Shared) {
    let mut buffer = [0; 2048];
    while !shared.over.load(Ordering::Relaxed) {
        let Ok((length, from)) = shared.socket.recv_from(&mut buffer) else {
            continue;
        };
        if let Some(packet) = parse(&buffer[..length], from) {
            shared.received.lock().expect("no panic").push(packet);
        }
    }
}

fn parse(bytes: &[u8], from: SocketAddr) -> Option<Packet> {
    if bytes.len() < HEADER || bytes[0] >> 6 != 2 {
        return None;
    }
    Some(Packet {
        at: Instant::now(),
        from,
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        payload: bytes[HEADER..].to_vec(),
    })
}

fn talk(shared: &Shared, talking: &AtomicBool, to: SocketAddr) {
    let started = Instant::now();
    let before = shared.sent.load(Ordering::Relaxed);
    let ssrc = u32::from(shared.socket.local_addr().expect("bound").port()).wrapping_mul(2_654_435_761);
    for frame in 0_u32.. {
        if !talking.load(Ordering::Relaxed) {
            return;
        }
        let number = before + u64::from(frame);
        let sequence = u16::try_from(number & 0xffff).expect("16 bits");
        let timestamp = u32::try_from((number * u64::from(FRAME_SAMPLES)) & 0xffff_ffff).expect("32 bits");
        let mut packet = vec![0x80, if frame == 0 { PCMA | 0x80 } else { PCMA }];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        let hz = shared.tone_hz.load(Ordering::Relaxed);
        let samples = sine(hz, number * u64::from(FRAME_SAMPLES), FRAME_SAMPLES as usize);
        packet.extend(samples.into_iter().map(to_alaw));
        if shared.socket.send_to(&packet, to).is_ok() {
            shared.sent.fetch_add(1, Ordering::Relaxed);
        }
        let next = started + FRAME * (frame + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
