//! The sound of the load: two streams a call, a packet each 20 ms, every packet known when it comes back.
//!
//! What a packet carries follows from its stream and its number, so that a relay's delay, a loss, a packet at the wrong
//! party and every sample of a recording can be judged without anything being told on the wire.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// Bytes of sound in a packet: 20 ms of A-law.
pub const FRAME: usize = 160;
/// Bytes of an RTP header without extras.
const HEADER: usize = 12;
const PACKET: usize = HEADER + FRAME;
/// How often a stream has a packet.
pub const PERIOD: Duration = Duration::from_millis(20);
/// The sockets that all streams share: the streams of a call have different ones.
pub const SOCKETS: usize = 16;
/// Room for what comes while the load's thread does something else.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams read from one socket before something is sent again.
const TURN: usize = 64;
/// Longer than every stream lasts.
const PACKETS_MAX: usize = 60_000;
/// A-law of the payload type's static number (RFC 3551 section 6).
const PCMA: u8 = 8;

/// Bytes without a pattern of their own; a frame is a window of them.
pub struct Noise(Vec<u8>);

impl Noise {
    const LEN: usize = 1 << 20;

    fn new() -> Self {
        // xorshift: the same bytes in every run and in every process.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self(bytes.flatten().take(Self::LEN + FRAME).collect())
    }

    /// The sound of a packet.
    #[must_use]
    pub fn frame(&self, stream: usize, number: usize) -> &[u8] {
        let at = (stream * 7_919 + number * 104_729) % Self::LEN;
        self.0.get(at..at + FRAME).unwrap_or_default()
    }
}

/// One direction of a call.
struct Stream {
    to: SocketAddr,
    began: Instant,
    sent: Vec<Instant>,
    came: Vec<Option<Instant>>,
}

impl Stream {
    /// When a packet is to leave.
    fn due(&self, number: usize) -> Instant {
        self.began + PERIOD * u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// What became of the packets of some streams in a stretch of time.
#[derive(Debug, Default, Clone)]
pub struct Heard {
    /// Packets that were sent.
    pub sent: usize,
    /// Of them, those that never came.
    pub lost: usize,
    /// Of them, the first ones of a stream, before anything came.
    pub clipped: usize,
    /// How long each took that came, in microseconds.
    pub delays_us: Vec<u32>,
    /// How much later than planned each was sent, in microseconds.
    pub late_us: Vec<u32>,
}

/// Every stream, by twice its call's number and one more for the agent's.
pub struct Sound {
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
    streams: Vec<Option<Stream>>,
    speaking: Vec<usize>,
    noise: Noise,
    /// Packets that came to somebody else, or changed.
    pub wrong: u64,
}

impl Sound {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn open(ip: Ipv4Addr) -> io::Result<Self> {
        let sockets: Vec<UdpSocket> = (0..SOCKETS).map(|_| open(ip)).collect::<io::Result<_>>()?;
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
        Ok(Self {
            sockets,
            addresses,
            streams: Vec::new(),
            speaking: Vec::new(),
            noise: Noise::new(),
            wrong: 0,
        })
    }

    /// The sockets, to wait for them.
    #[must_use]
    pub fn sockets(&self) -> &[UdpSocket] {
        &self.sockets
    }

    /// What the packets carry.
    #[must_use]
    pub fn noise(&self) -> &Noise {
        &self.noise
    }

    /// Where a stream's speaker listens.
    #[must_use]
    pub fn address(&self, stream: usize) -> SocketAddr {
        self.addresses.get(stream % SOCKETS).copied().unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into())
    }

    /// A stream begins, or goes elsewhere from now on.
    pub fn speak(&mut self, stream: usize, to: SocketAddr, now: Instant) {
        if self.streams.len() <= stream {
            self.streams.resize_with(stream + 1, || None);
        }
        let Some(seat) = self.streams.get_mut(stream) else { return };
        match seat {
            Some(known) => known.to = to,
            None => {
                *seat = Some(Stream { to, began: now, sent: Vec::new(), came: Vec::new() });
                self.speaking.push(stream);
            }
        }
    }

    /// A stream ends.
    pub fn hush(&mut self, stream: usize) {
        self.speaking.retain(|other| *other != stream);
    }

    /// Sends what is due.
    pub fn send_due(&mut self, now: Instant) {
        let mut packet = [0_u8; PACKET];
        for index in 0..self.speaking.len() {
            let Some(number) = self.speaking.get(index).copied() else { break };
            let Some(Some(stream)) = self.streams.get_mut(number) else { continue };
            while stream.due(stream.sent.len()) <= now && stream.sent.len() < PACKETS_MAX {
                write_packet(&mut packet, number, stream.sent.len(), &self.noise);
                let at = Instant::now();
                let socket = self.sockets.get(number % SOCKETS);
                // A full buffer of the system counts as a loss, as it would be for a phone.
                let _ = socket.map(|socket| socket.send_to(&packet, stream.to));
                stream.sent.push(at);
                stream.came.push(None);
            }
        }
    }

    /// Takes what has come.
    pub fn receive(&mut self) {
        let mut buffer = [0_u8; 2_048];
        for socket in 0..self.sockets.len() {
            for _ in 0..TURN {
                let Some(Ok(len)) = self.sockets.get(socket).map(|it| it.recv(&mut buffer)) else { break };
                self.take(socket, buffer.get(..len).unwrap_or_default(), Instant::now());
            }
        }
    }

    fn take(&mut self, socket: usize, packet: &[u8], now: Instant) {
        // RTCP shares nothing with the sound here: reports come to the next port, or muxed and are no sound.
        let &[0x80, kind, s0, s1, _, _, _, _, c0, c1, c2, c3, ref frame @ ..] = packet else { return };
        if kind & 0x7f != PCMA {
            return;
        }
        let stream = usize::try_from(u32::from_be_bytes([c0, c1, c2, c3])).unwrap_or(usize::MAX) - 1;
        let number = usize::from(u16::from_be_bytes([s0, s1]));
        let right = (stream ^ 1) % SOCKETS == socket && frame == self.noise.frame(stream, number);
        let known = self.streams.get_mut(stream).and_then(Option::as_mut);
        match known.and_then(|known| known.came.get_mut(number)) {
            Some(came) if right => {
                came.get_or_insert(now);
            }
            _ => self.wrong += 1,
        }
    }

    /// What became of everything that was sent from one moment to another.
    #[must_use]
    pub fn heard(&self, from: Instant, until: Instant) -> Heard {
        let mut heard = Heard::default();
        for stream in self.streams.iter().flatten() {
            let mut silent = true;
            for (number, (sent, came)) in stream.sent.iter().zip(&stream.came).enumerate() {
                silent &= came.is_none();
                if !(from..until).contains(sent) {
                    continue;
                }
                heard.sent += 1;
                heard.late_us.push(micros(sent.saturating_duration_since(stream.due(number))));
                match came {
                    Some(came) => heard.delays_us.push(micros(came.saturating_duration_since(*sent))),
                    None if silent => heard.clipped += 1,
                    None => heard.lost += 1,
                }
            }
        }
        heard
    }

    /// How many packets of a stream were sent.
    #[must_use]
    pub fn sent(&self, stream: usize) -> usize {
        self.streams.get(stream).and_then(Option::as_ref).map_or(0, |stream| stream.sent.len())
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn write_packet(packet: &mut [u8; PACKET], stream: usize, number: usize, noise: &Noise) {
    let sequence = u16::try_from(number).unwrap_or(u16::MAX);
    let timestamp = u32::from(sequence).wrapping_mul(u32::try_from(FRAME).unwrap_or(0));
    let ssrc = u32::try_from(stream + 1).unwrap_or(u32::MAX);
    let (header, frame) = packet.split_at_mut(HEADER);
    let marker = if number == 0 { 0x80 } else { 0 };
    let fields =
        [&[0x80, marker | PCMA][..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &ssrc.to_be_bytes()];
    for (place, byte) in header.iter_mut().zip(fields.concat()) {
        *place = byte;
    }
    frame.copy_from_slice(noise.frame(stream, number));
}

fn open(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((ip, 0)).into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_told_from_what_is_lost_and_from_what_is_wrong() {
        let mut sound = Sound::open(Ipv4Addr::LOCALHOST).expect("sockets");
        let began = Instant::now();
        // Each speaks to where the other listens: the shortest relay there is.
        let (customer, agent) = (sound.address(0), sound.address(1));
        sound.speak(0, agent, began);
        sound.speak(1, customer, began);
        for step in 0..5 {
            sound.send_due(began + PERIOD * step);
        }
        std::thread::sleep(Duration::from_millis(20));
        sound.receive();
        let heard = sound.heard(began, Instant::now());
        assert_eq!((heard.sent, heard.lost, heard.clipped, sound.wrong), (10, 0, 0, 0));
        // To oneself is the wrong party.
        sound.speak(0, customer, began);
        sound.send_due(began + PERIOD * 5);
        std::thread::sleep(Duration::from_millis(20));
        sound.receive();
        let heard = sound.heard(began, Instant::now());
        assert_eq!((heard.sent, heard.lost, sound.wrong), (12, 1, 1));
    }

    #[test]
    fn a_packet_that_is_changed_is_wrong() {
        let mut sound = Sound::open(Ipv4Addr::LOCALHOST).expect("sockets");
        let began = Instant::now();
        sound.speak(0, (Ipv4Addr::LOCALHOST, 9).into(), began);
        sound.send_due(began);
        let mut packet = [0; PACKET];
        write_packet(&mut packet, 0, 0, &Noise::new());
        sound.take(1, &packet, began);
        assert_eq!(sound.wrong, 0);
        if let Some(last) = packet.last_mut() {
            *last ^= 1;
        }
        sound.take(1, &packet, began);
        assert_eq!(sound.wrong, 1);
    }
}
