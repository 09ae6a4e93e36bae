//! A sender with a script, a network that impairs, and the samples that ought to come out.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

use std::time::{Duration, Instant};

use linecard_media::{
    AudioCodec, Losses, Mixed, PayloadKind, PayloadMap, RtpHeader, RtpPacket, SampleRate, Side, SpanKind,
    StereoMix, g711, rtp,
};

pub const EVENT: u8 = 101;

/// One packet on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub bytes: Vec<u8>,
    /// Sample at which its audio was spoken.
    pub at: i64,
    pub samples: i64,
    /// Arrival in samples; `None` is a loss.
    pub arrival: Option<i64>,
    pub stream: u32,
}

/// A phone that speaks in packets.
#[derive(Clone, Debug)]
pub struct Phone {
    pub header: RtpHeader,
    pub now: i64,
    pub ptime_ms: i64,
    pub sent: Vec<Sent>,
    pub noise: u32,
    /// A steady voice of this pitch instead of noise.
    pub voice_hz: Option<u32>,
}

impl Phone {
    pub fn new(ssrc: u32) -> Self {
        let header =
            RtpHeader { payload_type: rtp::PCMA, marker: false, sequence: 1000, timestamp: 5000, ssrc };
        Self { header, now: 0, ptime_ms: 20, sent: Vec::new(), noise: ssrc | 1, voice_hz: None }
    }

    fn payload(&mut self, len: i64) -> Vec<u8> {
        if let Some(hz) = self.voice_hz {
            let radians = f64::from(hz) * std::f64::consts::TAU / 8_000.0;
            let voice = (self.now..self.now + len).map(|at| (9_000.0 * (at as f64 * radians).cos()) as i16);
            return voice.map(g711::encode_alaw).collect();
        }
        (0..len)
            .map(|_| {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Never a code whose value is zero, so that silence is always absence.
                match (self.noise >> 24) as u8 {
                    0x7f | 0xff => 0x10,
                    code => code,
                }
            })
            .collect()
    }

    fn emit(&mut self, payload: &[u8], samples: i64) {
        let bytes = self.header.build(payload).unwrap();
        self.sent.push(Sent {
            bytes,
            at: self.now,
            samples,
            arrival: Some(self.now),
            stream: self.header.ssrc,
        });
        self.header.sequence = self.header.sequence.wrapping_add(1);
    }

    pub fn speak(&mut self, packets: usize) -> &mut Self {
        for _ in 0..packets {
            let len = self.ptime_ms * 8;
            let payload = self.payload(len);
            self.emit(&payload, len);
            self.pass(self.ptime_ms);
        }
        self
    }

    /// Time goes by, on the wall and on the RTP clock.
    pub fn pass(&mut self, ms: i64) -> &mut Self {
        self.now += ms * 8;
        self.header.timestamp = self.header.timestamp.wrapping_add((ms * 8) as u32);
        self
    }

    /// Time goes by on the wall only: a sender whose clock stands still.
    pub fn pause_clock(&mut self, ms: i64) -> &mut Self {
        self.now += ms * 8;
        self
    }

    pub fn comfort_noise(&mut self) -> &mut Self {
        let pt = std::mem::replace(&mut self.header.payload_type, rtp::COMFORT_NOISE);
        self.emit(&[60], 0);
        self.header.payload_type = pt;
        self
    }

    /// A key of 100 ms: five reports and two repeated ends, all with the timestamp of its beginning.
    pub fn press(&mut self, code: u8) -> &mut Self {
        let pt = std::mem::replace(&mut self.header.payload_type, EVENT);
        let began = self.now;
        for report in 1..=7_u16 {
            let duration = 160 * report.min(5);
            let event = linecard_media::TelephoneEvent::new(code, report >= 5, 10, duration);
            self.emit(&event.to_payload(), 0);
            self.now = began + i64::from(duration);
        }
        self.header.timestamp = self.header.timestamp.wrapping_add(800);
        self.header.payload_type = pt;
        self
    }

    pub fn lose(&mut self, which: std::ops::Range<usize>) -> &mut Self {
        self.sent[which].iter_mut().for_each(|sent| sent.arrival = None);
        self
    }

    pub fn delay(&mut self, which: usize, ms: i64) -> &mut Self {
        let sent = &mut self.sent[which];
        sent.arrival = Some(sent.at + ms * 8);
        self
    }

    /// The payloads that arrived, in the order in which they were sent.
    pub fn arrived(&self) -> Vec<u8> {
        let arrived = self.sent.iter().filter(|sent| sent.arrival.is_some());
        arrived.flat_map(|sent| RtpPacket::parse(&sent.bytes).unwrap().payload().to_vec()).collect()
    }

    /// The line of samples as spoken, with silence for what never arrived.
    pub fn heard(&self, len: i64) -> Vec<i16> {
        let mut line = vec![0; len as usize];
        for sent in self.sent.iter().filter(|sent| sent.arrival.is_some() && sent.samples > 0) {
            let packet = RtpPacket::parse(&sent.bytes).unwrap();
            for (n, code) in packet.payload().iter().enumerate() {
                let sample = match PayloadMap::default().kind(packet.payload_type()) {
                    PayloadKind::Audio(AudioCodec::Pcmu) => g711::decode_ulaw(*code),
                    _ => g711::decode_alaw(*code),
                };
                if let Some(place) = line.get_mut(sent.at as usize + n) {
                    *place = sample;
                }
            }
        }
        line
    }
}

pub fn instant(start: Instant, samples: i64) -> Instant {
    start + Duration::from_micros((samples * 125) as u64)
}

/// Plays both phones through a mix that is advanced every 20 ms; returns left, right and the result.
pub fn record(customer: &Phone, agent: &Phone, until: i64) -> (Vec<i16>, Vec<i16>, Mixed) {
    record_with(Losses::Silent, customer, agent, until)
}

/// The same, with what stands for losses.
pub fn record_with(
    losses: Losses,
    customer: &Phone,
    agent: &Phone,
    until: i64,
) -> (Vec<i16>, Vec<i16>, Mixed) {
    record_at(SampleRate::Narrow, losses, customer, agent, until)
}

/// The same, into a file of a rate.
pub fn record_at(
    rate: SampleRate,
    losses: Losses,
    customer: &Phone,
    agent: &Phone,
    until: i64,
) -> (Vec<i16>, Vec<i16>, Mixed) {
    let start = Instant::now();
    let mut mix = StereoMix::new(start, rate, losses);
    let mut wire: Vec<(i64, Side, &[u8])> = Vec::new();
    for (side, phone) in [(Side::Customer, customer), (Side::Agent, agent)] {
        let arrived = phone.sent.iter().filter_map(|sent| Some((sent.arrival?, side, sent.bytes.as_slice())));
        wire.extend(arrived);
    }
    wire.sort_by_key(|(at, ..)| *at);
    let map = PayloadMap::new([(EVENT, PayloadKind::TelephoneEvent(linecard_media::ClockRate::Hz8000))]);
    let mut frames = Vec::new();
    let mut tick = 0;
    for (at, side, bytes) in wire.into_iter().filter(|(at, ..)| *at < until) {
        while tick + 160 <= at {
            tick += 160;
            mix.advance(instant(start, tick), &mut frames);
        }
        let packet = RtpPacket::parse(bytes).unwrap();
        mix.push(side, &packet, map.kind(packet.payload_type()), instant(start, at));
    }
    while tick + 160 <= until {
        tick += 160;
        mix.advance(instant(start, tick), &mut frames);
    }
    let mixed = mix.finish(instant(start, until), &mut frames);
    let left = frames.iter().step_by(2).copied().collect();
    let right = frames.iter().skip(1).step_by(2).copied().collect();
    (left, right, mixed)
}

/// Plays one phone as the customer; what its last packet says behind `until` is left out.
pub fn record_one(customer: &Phone, until: i64) -> (Vec<i16>, Mixed) {
    let (mut left, right, mixed) = record(customer, &Phone::new(0), until);
    assert!(right.iter().all(|sample| *sample == 0), "the agent said nothing");
    assert!((until..until + 160).contains(&(left.len() as i64)), "{} for {until}", left.len());
    left.truncate(until as usize);
    (left, mixed)
}

/// Fails with the first difference rather than with two long lists.
pub fn assert_same(got: &[i16], wanted: &[i16]) {
    assert_eq!(got.len(), wanted.len(), "length");
    if let Some(at) = got.iter().zip(wanted).position(|(got, wanted)| got != wanted) {
        panic!("sample {at} ({} ms): {} instead of {}", at / 8, got[at], wanted[at]);
    }
}

pub fn losses(mixed: &Mixed) -> Vec<(u64, u64)> {
    let lost = mixed.spans.iter().filter(|span| span.kind == SpanKind::Loss);
    lost.map(|span| (span.from_ms, span.until_ms)).collect()
}
