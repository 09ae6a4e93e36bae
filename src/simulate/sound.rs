//! The fleet's RTP: one thread that sends every tone that is spoken now, a packet each 20 ms; on a bad network some are
//! lost, doubled or overtaken.

use std::collections::{HashMap, HashSet};
use std::f64::consts::TAU;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{Chance, Side, SoundPorts, tone_hz};
use linecard_media::RtpHeader;
use linecard_media::g711::encode_alaw;

const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: u32 = 160;
/// A packet that leaves later than this is missing in what is heard.
const LATE: Duration = Duration::from_millis(40);
const RATE_HZ: f64 = 8_000.0;
const PCMA: u8 = 8;
const AMPLITUDE: f64 = 8_000.0;

/// An order to the thread.
enum Order {
    Speak { end: (usize, Side), to: SocketAddr, call: usize },
    Hush { end: (usize, Side) },
    Stop,
}

/// The thread.
pub(super) struct Sound {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    notes: Arc<Mutex<Notes>>,
}

/// What has to be known of a call's sound to judge its recording.
#[derive(Debug, Default)]
struct Notes {
    /// Calls in which something was said too late.
    late: HashSet<usize>,
    /// The most packets of an end that were lost in a row.
    lost: HashMap<(usize, Side), u32>,
}

/// How the network treats sound.
#[derive(Debug)]
struct Loss {
    /// How many packets each of loss, doubling and overtaking befalls, 0 to 1.
    share: f64,
    chance: Chance,
}

/// An end that speaks, or is about to go on.
struct Stream {
    to: SocketAddr,
    call: usize,
    side: Side,
    started: Instant,
    /// The frame that is due next, counted from `started`; what is not said while it is hushed is passed over.
    frame: u32,
    sequence: u16,
    /// A packet that the next one overtakes.
    held: Option<Vec<u8>>,
    /// How many packets were lost since the last one that was not.
    lost: u32,
}

/// Every end, by whether it speaks now.
#[derive(Default)]
struct Ends {
    speaking: HashMap<(usize, Side), Stream>,
    hushed: HashMap<(usize, Side), Stream>,
}

impl Ends {
    /// An end speaks: of the same call it goes on, of another one it begins.
    fn speak(&mut self, end: (usize, Side), to: SocketAddr, call: usize) {
        let known = self.speaking.remove(&end).or_else(|| self.hushed.remove(&end));
        let stream = match known.filter(|known| known.call == call) {
            Some(known) => Stream { to, ..known }.caught_up(),
            None => Stream {
                to,
                call,
                side: end.1,
                started: Instant::now(),
                frame: 0,
                sequence: 0,
                held: None,
                lost: 0,
            },
        };
        self.speaking.insert(end, stream);
    }

    fn hush(&mut self, end: (usize, Side)) {
        if let Some(stream) = self.speaking.remove(&end) {
            // Nothing comes any more that could overtake a packet.
            self.hushed.insert(end, Stream { held: None, ..stream });
        }
    }
}

impl Sound {
    /// Opens a socket for each end of each desk at `ip`; each of loss, doubling and overtaking befalls a `share` of the packets,
    /// 0 to 1.
    ///
    /// # Errors
    /// When the system has no sockets to give.
    pub(super) fn open(
        ip: IpAddr,
        desks: usize,
        share: f64,
        chance: Chance,
    ) -> std::io::Result<(Self, Vec<SoundPorts>)> {
        let mut sockets = HashMap::new();
        let mut ports = Vec::with_capacity(desks);
        let mut reports = Vec::with_capacity(desks * Side::ALL.len());
        for desk in 0..desks {
            let mut open = |side| -> std::io::Result<SocketAddr> {
                let (sound, of_sound) = pair(ip)?;
                let address = sound.local_addr()?;
                reports.push(of_sound);
                sockets.insert((desk, side), sound);
                Ok(address)
            };
            ports.push(SoundPorts {
                customer: open(Side::Customer)?,
                agent: open(Side::Agent)?,
                other: open(Side::Other)?,
            });
        }
        let (orders, taken) = channel();
        let notes = Arc::new(Mutex::default());
        let known = Arc::clone(&notes);
        let mut loss = Loss { share, chance };
        let thread = std::thread::Builder::new().name("fleet-sound".into()).spawn(move || {
            // Open until the end, so that no report comes to somebody else.
            let _reports = reports;
            run(&sockets, &taken, &known, &mut loss);
        })?;
        Ok((Self { orders, thread: Some(thread), notes }, ports))
    }

    /// Gives the calls in which something was said too late, and how long the longest loss of each end was, in ms.
    pub(super) fn notes(&self) -> (HashSet<usize>, HashMap<(usize, Side), u64>) {
        let Ok(notes) = self.notes.lock() else { return Default::default() };
        let frame_ms = u64::from(FRAME.subsec_millis());
        let lost_ms = notes.lost.iter().map(|(end, packets)| (*end, u64::from(*packets) * frame_ms));
        (notes.late.clone(), lost_ms.collect())
    }

    pub(super) fn speak(&self, desk: usize, side: Side, to: SocketAddr, call: usize) {
        let _ = self.orders.send(Order::Speak { end: (desk, side), to, call });
    }

    pub(super) fn hush(&self, desk: usize, side: Side) {
        let _ = self.orders.send(Order::Hush { end: (desk, side) });
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens a socket for sound, and one on the port above it, to which reports of it go (RFC 3550 section 11).
fn pair(ip: IpAddr) -> std::io::Result<(UdpSocket, UdpSocket)> {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let sound = UdpSocket::bind((ip, 0))?;
        let above = sound.local_addr()?.port().checked_add(1);
        if let Some(Ok(reports)) = above.map(|port| UdpSocket::bind((ip, port))) {
            return Ok((sound, reports));
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "no two ports side by side are free"))
}

fn run(
    sockets: &HashMap<(usize, Side), UdpSocket>,
    orders: &Receiver<Order>,
    notes: &Mutex<Notes>,
    loss: &mut Loss,
) {
    let mut ends = Ends::default();
    loop {
        let next = ends.speaking.values().map(Stream::due).min();
        let wait = next.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
        match orders.recv_timeout(wait) {
            Ok(Order::Speak { end, to, call }) => ends.speak(end, to, call),
            Ok(Order::Hush { end }) => ends.hush(end),
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        for (end, stream) in &mut ends.speaking {
            if now.saturating_duration_since(stream.due()) > LATE
                && let Ok(mut notes) = notes.lock()
            {
                notes.late.insert(stream.call);
            }
            while stream.due() <= now {
                let packets = stream.packet().map_or(Vec::new(), |packet| stream.pass(packet, loss));
                for packet in packets {
                    if let Some(socket) = sockets.get(end) {
                        // What cannot be sent is lost, as on any network: the recording tells.
                        let _ = socket.send_to(&packet, stream.to);
                    }
                }
                stream.frame += 1;
                stream.sequence = stream.sequence.wrapping_add(1);
                if stream.lost > 0
                    && let Ok(mut notes) = notes.lock()
                {
                    let most = notes.lost.entry((stream.call, stream.side)).or_default();
                    *most = stream.lost.max(*most);
                }
            }
        }
    }
}

impl Stream {
    fn due(&self) -> Instant {
        self.started + FRAME * self.frame
    }

    /// Gives what arrives of a packet now: nothing, itself, itself twice, or with it the one that it overtakes.
    fn pass(&mut self, packet: Vec<u8>, loss: &mut Loss) -> Vec<Vec<u8>> {
        if loss.share <= 0.0 {
            return vec![packet];
        }
        let late = self.held.take();
        if loss.chance.happens(loss.share) {
            self.lost += 1;
            return late.into_iter().collect();
        }
        self.lost = 0;
        if late.is_none() && loss.chance.happens(loss.share) {
            self.held = Some(packet);
            return Vec::new();
        }
        let double = loss.chance.happens(loss.share).then(|| packet.clone());
        [Some(packet), double, late].into_iter().flatten().collect()
    }

    /// Passes over what was due before now.
    fn caught_up(self) -> Self {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.started).as_millis() / FRAME.as_millis();
        let frame = self.frame.max(u32::try_from(passed).unwrap_or(u32::MAX));
        Self { frame, ..self }
    }

    fn packet(&self) -> Option<Vec<u8>> {
        let hz = f64::from(tone_hz(self.call, self.side));
        let first = self.frame.wrapping_mul(FRAME_SAMPLES);
        let samples = (0..FRAME_SAMPLES).map(|n| {
            let angle = TAU * hz * f64::from(first.wrapping_add(n)) / RATE_HZ;
            // Of an amplitude below 2^15 nothing is cut.
            #[allow(clippy::cast_possible_truncation)]
            let sample = (AMPLITUDE * angle.sin()) as i16;
            encode_alaw(sample)
        });
        let payload: Vec<u8> = samples.collect();
        let header = RtpHeader {
            payload_type: PCMA,
            marker: self.frame == 0,
            sequence: self.sequence,
            timestamp: first,
            ssrc: u32::try_from(self.call & 0x3fff_ffff).unwrap_or(0) * 4 + self.side as u32,
        };
        header.build(&payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(share: f64, count: u16) -> (Vec<u16>, u32) {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut ends = Ends::default();
        ends.speak((0, Side::Agent), to, 1);
        let stream = ends.speaking.get_mut(&(0, Side::Agent)).unwrap();
        let mut loss = Loss { share, chance: Chance::new(3) };
        let (mut arrived, mut most) = (Vec::new(), 0);
        for number in 0..count {
            let packets = stream.pass(number.to_be_bytes().to_vec(), &mut loss);
            arrived.extend(packets.iter().map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])));
            most = most.max(stream.lost);
        }
        (arrived, most)
    }

    #[test]
    fn a_bad_network_loses_doubles_and_reorders_sound_and_notes_what_it_lost_in_a_row() {
        assert_eq!(passed(0.0, 500), ((0..500).collect(), 0));
        let (arrived, most) = passed(0.05, 10_000);
        let kinds: HashSet<u16> = arrived.iter().copied().collect();
        let lost = 10_000 - kinds.len();
        assert!((400..600).contains(&lost), "{lost} lost");
        let doubled = arrived.len() - kinds.len();
        assert!((350..600).contains(&doubled), "{doubled} doubled");
        let overtaken = arrived.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((300..600).contains(&overtaken), "{overtaken} overtaken");
        let longest = arrived.iter().copied().collect::<std::collections::BTreeSet<u16>>();
        let longest: Vec<u16> = longest.into_iter().collect();
        let run = longest.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap();
        assert_eq!(u32::from(run), most);
    }
}
