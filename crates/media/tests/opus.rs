//! Opus as a recording, a transcoder, a tone and a leg take it: RFC 6716, RFC 7587.

#![allow(clippy::cast_possible_truncation, clippy::unwrap_used, clippy::indexing_slicing)]

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use linecard_media::codec::{Decoder, Encoder};
use linecard_media::reception::Reception;
use linecard_media::reporting::ReportSession;
use linecard_media::rtcp::{ReceptionBlock, RtcpItem};
use linecard_media::{
    AudioCodec, ClockRate, Crossing, Digit, EventFormat, Losses, Outgoing, Passage, PayloadKind, PayloadMap,
    RtpHeader, RtpPacket, SampleRate, SessionOrigin, SpanKind, TelephoneEvent, Timeline, opus, rtcp,
};

const OPUS: PayloadKind = PayloadKind::Audio(AudioCodec::Opus);
const PCMA: PayloadKind = PayloadKind::Audio(AudioCodec::Pcma);
/// Samples at 16 kHz that the codec is late by: its encoder's 5 ms and its filters.
const LATE: usize = 104;

/// A voice-like sound: harmonics that rise and fall, at 16 kHz, or every second sample of it.
fn voice(from: usize, len: usize, step: usize) -> Vec<i16> {
    let sample = |at: usize| {
        let seconds = (at * step) as f64 / 16_000.0;
        let loud = 0.6 + 0.4 * (seconds * TAU * 3.0).sin();
        let turns = 140.0 * seconds - 20.0 / (TAU * 1.3) * (seconds * TAU * 1.3).cos();
        let sum: f64 = (1..9).map(|n| (turns * TAU * f64::from(n)).sin() / f64::from(n)).sum();
        (3_500.0 * loud * sum) as i16
    };
    (from..from + len).map(sample).collect()
}

/// Packets of 20 ms of that voice.
fn spoken(codec: AudioCodec, packets: usize) -> Vec<Vec<u8>> {
    let (mut encoder, step) = (Encoder::new(codec), if codec == AudioCodec::Opus { 1 } else { 2 });
    let len = 320 / step;
    let packet = |n: usize| {
        let mut payload = Vec::new();
        encoder.encode(&voice(n * len, len, step), &mut payload);
        payload
    };
    (0..packets).map(packet).collect()
}

fn rtp(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: 7 }.build(payload).unwrap()
}

fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let (mut decoder, mut heard) = (Decoder::new(AudioCodec::Opus), Vec::new());
    packets.iter().for_each(|packet| decoder.decode(packet, &mut heard));
    heard
}

/// How much louder a sound is than its difference from another, in dB.
fn likeness_db(meant: &[i16], heard: &[i16]) -> f64 {
    let square = |value: f64| value * value;
    let sound: f64 = meant.iter().map(|it| square(f64::from(*it))).sum();
    let error: f64 =
        meant.iter().zip(heard).map(|(one, two)| square(f64::from(*one) - f64::from(*two))).sum();
    10.0 * (sound / error.max(1.0)).log10()
}

/// A recording of one direction whose packets come as they should.
struct Line {
    timeline: Timeline,
    start: Instant,
    heard: Vec<i16>,
}

impl Line {
    fn new(rate: SampleRate) -> Self {
        let start = Instant::now();
        Self { timeline: Timeline::new(start, rate, Losses::Concealed), start, heard: Vec::new() }
    }

    fn comes(&mut self, ms: u64, kind: PayloadKind, packet: &[u8]) {
        let at = self.start + Duration::from_millis(ms);
        self.timeline.push(&RtpPacket::parse(packet).unwrap(), kind, at);
        let horizon = i64::try_from(ms).unwrap() * 8 - 300 * 8;
        // By and by, as a recorder does it: a loss may be played in pieces.
        self.timeline.advance(horizon, &mut self.heard);
    }

    fn ends(mut self, ms: i64) -> (Vec<i16>, Vec<(u64, u64)>) {
        self.timeline.advance(ms * 8, &mut self.heard);
        let losses = self.timeline.take_losses();
        assert!(losses.iter().all(|span| span.kind == SpanKind::Loss));
        (self.heard, losses.iter().map(|span| (span.from_ms, span.until_ms)).collect())
    }
}

/// How alike two sounds rise and fall over 10 ms, from -1 to 1: the waveform itself is not kept at this bit rate.
fn likeness(meant: &[i16], heard: &[i16]) -> f64 {
    let loudness = |sound: &[i16]| -> Vec<f64> {
        let part = |part: &[i16]| part.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
        sound.chunks_exact(160).map(part).collect()
    };
    let (one, two) = (loudness(meant), loudness(heard));
    let mean = |it: &[f64]| it.iter().sum::<f64>() / it.len() as f64;
    let (mean_one, mean_two) = (mean(&one), mean(&two));
    let both = one.iter().zip(&two).map(|(one, two)| (one - mean_one, two - mean_two));
    let sums = both.fold([0.0; 3], |[a, b, c], (one, two)| [a + one * two, b + one * one, c + two * two]);
    assert!((0.6..1.2).contains(&(mean_two / mean_one)), "as loud: {mean_two} and {mean_one}");
    sums[0] / (sums[1] * sums[2]).sqrt()
}

#[test]
fn what_is_spoken_is_heard_again() {
    let heard = decoded(&spoken(AudioCodec::Opus, 100));
    let like = likeness(&voice(8_000, 23_000, 1), &heard[LATE + 8_000..]);
    assert!(like > 0.95, "{like}");
}

#[test]
fn packets_of_any_length_that_rtp_has_are_made_and_measured() {
    for ms in [10, 20, 30, 40, 60, 120] {
        let mut encoder = Encoder::new(AudioCodec::Opus);
        let mut packets = Vec::new();
        for n in 0..2_400 / ms {
            let mut payload = Vec::new();
            encoder.encode(&voice(n * 16 * ms, 16 * ms, 1), &mut payload);
            packets.push(payload);
        }
        // The bandwidth is found within the first frames.
        assert!(packets[1..].iter().all(|packet| AudioCodec::Opus.ticks(packet) == 8 * ms), "{ms} ms");
        let heard = decoded(&packets);
        assert!(heard.len() > 36_000);
        let (late, skipped) = (38_400 - heard.len(), 4_800);
        let like = likeness(&voice(skipped + late, 30_000, 1), &heard[skipped + LATE..]);
        assert!(like > 0.9, "{ms} ms: {like}");
    }
    let (mut encoder, mut payload) = (Encoder::new(AudioCodec::Opus), Vec::new());
    encoder.encode(&voice(0, 80, 1), &mut payload);
    assert_eq!(payload, [], "5 ms wait for more");
    encoder.encode(&voice(80, 80, 1), &mut payload);
    assert_eq!(AudioCodec::Opus.ticks(&payload), 80);
    for (packet, ticks) in [
        (&[][..], 0),
        (&[0x48], 160),
        (&[0x4b], 0),
        (&[0x4b, 6], 960),
        (&[0x4b, 7], 0),
        (&[0xe0, 1], 20),
        (&[0x1a, 9, 9], 960),
        (&[0xfb, 48], 0),
        (&[0xe3, 48], 960),
    ] {
        assert_eq!(opus::ticks(packet), ticks, "{packet:x?}");
    }
}

/// Xorshift: the same packets at each run.
fn chance(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

#[test]
fn hostile_packets_sound_as_long_as_they_say_and_break_nothing() {
    let (mut state, real) = (0x9e37_79b9_7f4a_7c15, spoken(AudioCodec::Opus, 50));
    let (mut decoder, mut heard) = (opus::Decoder::default(), Vec::new());
    for n in 0..100_000 {
        let mut packet: Vec<u8> = match chance(&mut state) % 2 {
            0 => (0..chance(&mut state) % 80).map(|_| chance(&mut state) as u8).collect(),
            _ => real[chance(&mut state) % real.len()].clone(),
        };
        for _ in 0..chance(&mut state) % 6 {
            let at = chance(&mut state) % packet.len().max(1);
            packet.iter_mut().skip(at).take(1).for_each(|byte| *byte = chance(&mut state) as u8);
        }
        packet.truncate(chance(&mut state) % (packet.len() + 40));
        heard.clear();
        match chance(&mut state) % 4 {
            0 => decoder.rebuild(&packet, 160, &mut heard),
            _ => decoder.decode(&packet, &mut heard),
        }
        assert!(heard.len() == 320 || heard.len() == 2 * opus::ticks(&packet), "packet {n}");
        assert!(heard.len() <= 1_920);
    }
}

#[test]
fn hostile_sound_is_encoded_too() {
    let (mut state, mut encoder) = (7, opus::Encoder::default());
    for n in 0..5_000_usize {
        let kind = n / 40 % 6;
        let sample = |at: usize, state: &mut u64| match kind {
            0 => 0,
            1 => chance(state) as i16,
            2 if (at / 20).is_multiple_of(2) => i16::MAX,
            2 => i16::MIN,
            3 => i16::MIN,
            4 => i16::from(chance(state).is_multiple_of(40)) * i16::MAX,
            _ => (chance(state) % 3) as i16 - 1,
        };
        let sound: Vec<i16> = (0..320).map(|at| sample(at, &mut state)).collect();
        let mut payload = Vec::new();
        encoder.encode(&sound, &mut payload);
        assert_eq!(opus::ticks(&payload), 160, "frame {n}");
        assert!(payload.len() < 400, "frame {n} has {} octets", payload.len());
    }
}

#[test]
fn a_stereo_packet_is_mixed_down() {
    let mut encoder = opus_rs::OpusEncoder::new(48_000, 2, opus_rs::Application::Audio).unwrap();
    encoder.bitrate_bps = 96_000;
    let tone = |at: usize, hz: f64| (6_000.0 * (at as f64 * hz * TAU / 48_000.0).sin()) as i16;
    let (mut decoder, mut heard) = (Decoder::new(AudioCodec::Opus), Vec::new());
    for n in 0..50 {
        let frames = (n * 960..(n + 1) * 960).flat_map(|at| [tone(at, 500.0), tone(at, 900.0)]);
        let frames: Vec<i16> = frames.collect();
        let mut packet = vec![0; 1_275];
        let len = encoder.encode_i16(&frames, 960, &mut packet).unwrap();
        assert!(packet[0] & 4 != 0, "it is stereo");
        decoder.decode(&packet[..len], &mut heard);
    }
    assert_eq!(heard.len(), 16_000, "one channel");
    let level = |hz: f64| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (at, sample) in heard[4_000..].iter().enumerate() {
            let angle = at as f64 * hz * TAU / 16_000.0;
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * f64::hypot(real, imaginary) / 12_000.0
    };
    for hz in [500.0, 900.0] {
        assert!((2_400.0..3_600.0).contains(&level(hz)), "{hz} Hz is half as loud: {}", level(hz));
    }
}

#[test]
fn a_lost_packet_is_rebuilt_from_the_next_one_and_marked() {
    let packets = spoken(AudioCodec::Opus, 60);
    let mut line = Line::new(SampleRate::Wide);
    let lost = [20, 33, 41];
    for (n, payload) in packets.iter().enumerate().filter(|(n, _)| !lost.contains(n)) {
        let n = u16::try_from(n).unwrap();
        line.comes(20 * u64::from(n), OPUS, &rtp(111, n, 90_000 + 960 * u32::from(n), payload));
    }
    let (heard, losses) = line.ends(1_200);
    assert_eq!(losses, lost.map(|n| (20 * n as u64, 20 * n as u64 + 20)));
    let whole = decoded(&packets);
    assert_eq!(heard.len(), whole.len());
    for n in lost {
        let span = n * 320..(n + 1) * 320;
        let rebuilt = likeness_db(&whole[span.clone()], &heard[span.clone()]);
        let mut decoder = opus::Decoder::default();
        let mut guessed = Vec::new();
        packets[..n].iter().for_each(|packet| decoder.decode(packet, &mut guessed));
        guessed.clear();
        decoder.conceal(160, &mut guessed);
        let guessed = likeness_db(&whole[span], &guessed);
        assert!(rebuilt > 6.0 && rebuilt > guessed + 3.0, "packet {n}: {rebuilt} dB, guessed {guessed} dB");
    }
}

#[test]
fn a_long_loss_fades_and_a_pause_is_none() {
    let packets = spoken(AudioCodec::Opus, 60);
    let mut line = Line::new(SampleRate::Wide);
    for (n, payload) in packets.iter().enumerate() {
        let (lost, paused) = ((20..30).contains(&n), n >= 45);
        let at = 20 * n + if paused { 200 } else { 0 };
        if !lost {
            let n = u16::try_from(n).unwrap();
            line.comes(at as u64, OPUS, &rtp(111, n, 48 * at as u32, payload));
        }
    }
    let (heard, losses) = line.ends(1_400);
    assert_eq!(losses, [(400, 600)]);
    let loudest = |ms: std::ops::Range<usize>| {
        heard[ms.start * 16..ms.end * 16].iter().map(|it| it.unsigned_abs()).max()
    };
    assert!(loudest(400..420) > Some(1_000), "it goes on");
    assert!(loudest(470..578) < Some(50), "and fades: {:?}", loudest(470..578));
    assert_eq!(loudest(905..1_095), Some(0), "a pause of the sender is silent");
    assert!(loudest(1_110..1_300) > Some(1_000));
}

#[test]
fn a_codec_that_changes_within_one_source_leaves_one_continuous_line() {
    for rate in [SampleRate::Narrow, SampleRate::Wide] {
        let (narrow, wide) = (spoken(AudioCodec::Pcma, 150), spoken(AudioCodec::Opus, 150));
        let mut line = Line::new(rate);
        for n in 0..150_u16 {
            let (at, place) = (u64::from(n) * 20, usize::from(n));
            let packet = match n {
                // Where the time before would have gone on: the clock alone tells the two apart.
                50..100 => rtp(111, n, 85_000 + 960 * u32::from(n - 50), &wide[place]),
                _ => rtp(8, n, 77_000 + 160 * u32::from(n), &narrow[place]),
            };
            line.comes(at, if (50..100).contains(&n) { OPUS } else { PCMA }, &packet);
        }
        let (heard, losses) = line.ends(3_000);
        assert_eq!(losses, [], "{rate:?}: nothing was lost");
        let per_ms = usize::try_from(rate.per_ms()).unwrap();
        assert_eq!(heard.len(), 3_000 * per_ms);
        // No hole: each 10 ms have sound, but where the decoder begins.
        for (at, part) in heard.chunks_exact(10 * per_ms).enumerate().filter(|(at, _)| *at != 100) {
            let loudest = part.iter().map(|it| it.unsigned_abs()).max().unwrap();
            assert!(loudest > 200, "{rate:?}: silent at {} ms", at * 10);
        }
    }
}

fn narrow_and_wide() -> (PayloadMap, PayloadMap) {
    let narrow = PayloadMap::new([(8, PCMA), (101, PayloadKind::TelephoneEvent(ClockRate::Hz8000))]);
    let wide = PayloadMap::new([
        (111, OPUS),
        (101, PayloadKind::TelephoneEvent(ClockRate::Hz8000)),
        (110, PayloadKind::TelephoneEvent(ClockRate::Hz48000)),
    ]);
    (narrow, wide)
}

#[test]
fn digits_go_with_the_clock_of_the_sound() {
    let (narrow, wide) = narrow_and_wide();
    let of = |payload_type, clock, sound| Some(EventFormat { payload_type, clock, sound });
    assert_eq!(EventFormat::of(&narrow), of(101, ClockRate::Hz8000, ClockRate::Hz8000));
    assert_eq!(EventFormat::of(&wide), of(110, ClockRate::Hz48000, ClockRate::Hz48000));
    let only_narrow = PayloadMap::new([(111, OPUS), (97, PayloadKind::TelephoneEvent(ClockRate::Hz8000))]);
    assert_eq!(EventFormat::of(&only_narrow), of(97, ClockRate::Hz8000, ClockRate::Hz48000));
    assert_eq!(EventFormat::of(&PayloadMap::new([(111, OPUS)])), None);
    let (mut outgoing, mut scratch, mut now) = (Outgoing::default(), Vec::new(), Instant::now());
    outgoing.forward(&rtp(111, 1, 48_000, &[0x48]), &mut scratch, now);
    outgoing.press(&[Digit::of('5').unwrap()], EventFormat::of(&wide).unwrap());
    let mut told = Vec::new();
    while outgoing.is_pressing() {
        now += Duration::from_millis(20);
        told.extend(outgoing.poll_packet(7, now));
    }
    assert_eq!(told.len(), 11);
    for (n, packet) in told.iter().enumerate() {
        let packet = RtpPacket::parse(packet).unwrap();
        let event = TelephoneEvent::parse(packet.payload()).unwrap();
        assert_eq!((packet.payload_type(), packet.timestamp()), (110, 48_960), "20 ms behind the sound");
        assert_eq!(usize::from(event.duration), (n + 1).min(8) * 960);
    }
}

#[test]
fn what_shares_a_source_with_transcoded_sound_shares_its_clock() {
    let mut crossing = Crossing::default();
    let to_pcma = Passage::Transcoded { from: AudioCodec::Opus, to: AudioCodec::Pcma, number: 8 };
    let key = |duration| TelephoneEvent::new(5, false, 10, duration).to_payload();
    let rescaled = Passage::Rescaled { from: ClockRate::Hz48000, to: ClockRate::Hz8000, number: 101 };
    let sound = spoken(AudioCodec::Opus, 4);
    let event = PayloadKind::TelephoneEvent(ClockRate::Hz48000);
    let read = |packet: std::borrow::Cow<'_, [u8]>| {
        let it = RtpPacket::parse(&packet).unwrap();
        (it.payload_type(), it.sequence(), it.timestamp(), it.payload().to_vec())
    };
    let first = read(crossing.pass(&rtp(111, 9, 5_000, &sound[0]), OPUS, to_pcma).unwrap());
    assert_eq!((first.0, first.1, first.2, first.3.len()), (8, 9, 5_000, 160));
    let pressed = read(crossing.pass(&rtp(110, 10, 5_960, &key(1_920)), event, rescaled).unwrap());
    assert_eq!(pressed, (101, 10, 5_160, key(320).to_vec()));
    let noise = rtp(13, 11, 6_920, &[60]);
    let noise = read(crossing.pass(&noise, PayloadKind::ComfortNoise, Passage::Untouched).unwrap());
    assert_eq!(noise, (13, 11, 5_320, vec![60]));
    let later = read(crossing.pass(&rtp(111, 12, 5_000 + 48_000, &sound[1]), OPUS, to_pcma).unwrap());
    assert_eq!((later.1, later.2), (12, 5_000 + 8_000));
    assert!(!crossing.is_over());
    let again = rtp(8, 13, 99, &[0x55; 160]);
    assert_eq!(crossing.pass(&again, PCMA, Passage::Untouched).unwrap(), again, "both speak it now");
    assert!(crossing.is_over());
}

#[test]
fn packets_too_short_for_a_frame_become_part_of_the_next_and_leave_no_gap() {
    let mut crossing = Crossing::default();
    let to_opus = Passage::Transcoded { from: AudioCodec::Pcma, to: AudioCodec::Opus, number: 111 };
    let mut made = Vec::new();
    for n in 0..40_u16 {
        let packet = rtp(8, n, 40 * u32::from(n), &[0x55; 40]);
        made.extend(crossing.pass(&packet, PCMA, to_opus).map(std::borrow::Cow::into_owned));
    }
    let numbers: Vec<u16> = made.iter().map(|it| RtpPacket::parse(it).unwrap().sequence()).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert!(made.iter().all(|it| opus::ticks(RtpPacket::parse(it).unwrap().payload()) == 80));
}

fn origin(now: Instant) -> SessionOrigin {
    SessionOrigin { name: [1; 12], ssrc: 5, seed: 9, clock: (now, 1 << 40) }
}

#[test]
fn jitter_is_told_in_ms_and_reported_in_ticks_of_the_clock_of_opus() {
    let (start, mut reception) = (Instant::now(), Reception::default());
    for n in 0..200_u16 {
        let late_ms = if n % 2 == 0 { 0 } else { 8 };
        let at = start + Duration::from_millis(20 * u64::from(n) + late_ms);
        let packet = rtp(111, n, 960 * u32::from(n), &[0x48; 40]);
        reception.take(&RtpPacket::parse(&packet).unwrap(), OPUS, at);
    }
    let heard = reception.whole();
    assert!((7.0..8.1).contains(&heard.jitter_ms), "{} ms", heard.jitter_ms);
    let told = reception.report(0, 0).unwrap().jitter;
    assert!((7 * 48..=8 * 48).contains(&told), "{told} ticks");
}

#[test]
fn what_the_other_end_reports_of_opus_is_read_by_its_clock() {
    let (start, mut reception) = (Instant::now(), Reception::default());
    let mut session = ReportSession::new(origin(start));
    for n in 0..100_u16 {
        let at = start + Duration::from_millis(20 * u64::from(n));
        session.note_sent(&rtp(111, n, 960 * u32::from(n), &[0x48; 40]), ClockRate::Hz48000, at);
    }
    let block = ReceptionBlock {
        ssrc: 7,
        fraction_lost: 0,
        cumulative_lost: 0,
        extended_sequence: 99,
        jitter: 480,
        sender_report: 0,
        since_sender_report: 0,
    };
    session
        .take(&[RtcpItem::ReceiverReport { ssrc: 3, blocks: vec![block] }], start + Duration::from_secs(2));
    assert_eq!(session.whole().map(|heard| heard.jitter_ms), Some(10.0));
    let report = session.poll(&mut reception, start + Duration::from_secs(12)).expect("it is due");
    let items = rtcp::read(&report).unwrap();
    let Some(RtcpItem::SenderReport { rtp_timestamp, .. }) = items.first() else { panic!("{items:?}") };
    // Ten seconds and 20 ms after the last packet.
    assert_eq!(*rtp_timestamp, 960 * 99 + 48 * 10_020);
}
