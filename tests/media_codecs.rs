//! Talks between parties of different codecs over real sockets: passed on, transcoded, recorded.

#![allow(clippy::cast_possible_truncation)]

use std::time::Instant;

use crate::media_parties::{Exchange, Party, find, number_of, options, recording};
use linecard::recorder::RecordingState;
use linecard_media::codec::{Decoder, Encoder};
use linecard_media::srtp::SrtpLeg;
use linecard_media::{AudioCodec, MasterKey, RtpHeader, RtpPacket, SrtpKeys, SrtpSuite};

#[test]
fn a_wideband_talk_is_passed_on_untouched_and_recorded_at_16_khz() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let [customer, agent] = [11, 22].map(|ssrc| Party::speaking(ssrc, AudioCodec::G722));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let start = exchange.bridge(left.id, right.id, Some("wide"));
    let speakers = [customer.talk(left.rtp, 0..75), agent.talk(right.rtp, 0..75)];
    let (to_agent, to_customer) = (agent.receive(), customer.receive());
    speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
    let stop = Instant::now();
    exchange.handle.stop_recording(recording("wide"), stop);
    let sent = |party: &Party| (0..75).map(|n| party.packet(n)).collect::<Vec<_>>();
    assert!(to_agent == sent(&customer), "{} of 75 packets, or changed ones", to_agent.len());
    assert!(to_customer == sent(&agent), "{} of 75 packets, or changed ones", to_customer.len());
    let closed = exchange.wait_closed("wide");
    assert_eq!((closed.state, closed.sample_rate_hz), (RecordingState::Finished, 16_000));
    crate::media_parties::assert_lasts(&closed, stop - start);
    let (heard_left, heard_right) = exchange.heard("wide");
    for (channel, party) in [(&heard_left, &customer), (&heard_right, &agent)] {
        let at = find(channel, &party.samples(0..75)).expect("every sample, bit-exact, unbroken");
        assert!(at < 16 * 100, "began {at} samples after the talk");
    }
    assert_eq!(exchange.totals(left.id).transcoded, 0);
    exchange.media.shutdown();
}

/// Sends a tone of 1 kHz in a party's codec, in real time.
fn whistle(party: &Party, to: std::net::SocketAddr, packets: u16) {
    let per_packet = 160 * party.codec.rate().per_tick();
    let step = 1_000.0 * std::f64::consts::TAU / f64::from(party.codec.rate().hz());
    let mut encoder = Encoder::new(party.codec);
    let start = Instant::now();
    for n in 0..packets {
        let first = usize::from(n) * per_packet;
        let angle = |at: usize| f64::from(u32::try_from(at).unwrap()) * step;
        let tone: Vec<i16> =
            (first..first + per_packet).map(|at| (8_000.0 * angle(at).sin()) as i16).collect();
        let mut payload = Vec::new();
        encoder.encode(&tone, &mut payload);
        let header = RtpHeader {
            payload_type: number_of(party.codec),
            marker: n == 0,
            sequence: n,
            timestamp: u32::from(n) * 20 * party.codec.clock().per_ms(),
            ssrc: party.ssrc,
        };
        std::thread::sleep(
            (start + crate::media_parties::PTIME * n.into()).saturating_duration_since(Instant::now()),
        );
        party.rtp.send_to(&header.build(&payload).unwrap(), to).unwrap();
    }
}

/// How much of a sound is a tone of 1 kHz, from 0 to 1.
fn share(samples: &[i16], rate_hz: u32) -> f64 {
    let step = 1_000.0 * std::f64::consts::TAU / f64::from(rate_hz);
    let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 1.0);
    for (at, sample) in (0_u32..).zip(samples) {
        let (angle, sample) = (f64::from(at) * step, f64::from(*sample));
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        energy += sample * sample;
    }
    2.0 * (real * real + imaginary * imaginary) / (energy * f64::from(u32::try_from(samples.len()).unwrap()))
}

fn heard_by(party: &Party, packets: &[Vec<u8>]) -> Vec<i16> {
    let (mut decoder, mut samples) = (Decoder::new(party.codec), Vec::new());
    for packet in packets {
        let packet = RtpPacket::parse(packet).unwrap();
        assert_eq!(packet.payload_type(), number_of(party.codec), "each hears its own codec");
        decoder.decode(packet.payload(), &mut samples);
    }
    samples
}

#[test]
fn parties_that_share_no_codec_hear_each_other_and_are_both_recorded() {
    for [customer, agent] in [
        [AudioCodec::Pcma, AudioCodec::G722],
        [AudioCodec::Pcmu, AudioCodec::Opus],
        [AudioCodec::Opus, AudioCodec::G722],
    ] {
        hear_each_other_and_are_recorded(customer, agent);
    }
}

fn hear_each_other_and_are_recorded(customer: AudioCodec, agent: AudioCodec) {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let [customer, agent] = [Party::speaking(11, customer), Party::speaking(22, agent)];
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, Some("mixed"));
    let (to_agent, to_customer) = (agent.listen(), customer.listen());
    std::thread::scope(|scope| {
        scope.spawn(|| whistle(&customer, left.rtp, 75));
        scope.spawn(|| whistle(&agent, right.rtp, 75));
    });
    exchange.handle.stop_recording(recording("mixed"), Instant::now());
    for (party, packets) in [(&agent, to_agent.join().unwrap()), (&customer, to_customer.join().unwrap())] {
        assert_eq!(packets.len(), 75);
        let heard = heard_by(party, &packets);
        let share = share(&heard[heard.len() / 3..], party.codec.rate().hz());
        assert!(share > 0.97, "{:?} hears the tone: {share}", party.codec);
        let times = packets.iter().map(|packet| RtpPacket::parse(packet).unwrap().timestamp());
        let times: Vec<u32> = times.collect();
        let step = 20 * party.codec.clock().per_ms();
        assert!(times.windows(2).all(|two| two[1].wrapping_sub(two[0]) == step), "its own clock: {times:?}");
    }
    let closed = exchange.wait_closed("mixed");
    assert_eq!((closed.state, closed.sample_rate_hz), (RecordingState::Finished, 16_000));
    assert_eq!(closed.spans, []);
    let (heard_left, heard_right) = exchange.heard("mixed");
    for channel in [&heard_left, &heard_right] {
        let share = share(&channel[8_000..20_000], 16_000);
        assert!(share > 0.97, "the tone in the file: {share}");
    }
    assert_eq!(exchange.totals(left.id).transcoded, 75);
    assert_eq!(exchange.totals(right.id).transcoded, 75);
    exchange.media.shutdown();
}

#[test]
fn an_agent_who_goes_on_in_opus_stays_in_one_continuous_recording() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let [customer, narrow] = [Party::new(11), Party::new(22)];
    let (left, right) = (exchange.seat(&customer), exchange.seat(&narrow));
    let start = exchange.bridge(left.id, right.id, Some("changed"));
    let to_customer = customer.listen();
    whistle(&narrow, right.rtp, 50);
    let [rtp, rtcp] = [&narrow.rtp, &narrow.rtcp].map(|socket| socket.try_clone().unwrap());
    let wide = Party { rtp, rtcp, ssrc: 33, codec: AudioCodec::Opus };
    // What a re-INVITE comes down to.
    exchange.handle.set_remote(right.id, wide.remote());
    whistle(&wide, right.rtp, 50);
    let stop = Instant::now();
    exchange.handle.stop_recording(recording("changed"), stop);
    let heard = heard_by(&customer, &to_customer.join().unwrap());
    assert_eq!(heard.len(), 100 * 160, "the customer hears one codec all the time");
    assert!(share(&heard[1_000..7_000], 8_000) > 0.97 && share(&heard[9_000..15_000], 8_000) > 0.97);
    let closed = exchange.wait_closed("changed");
    assert_eq!((closed.state, closed.sample_rate_hz), (RecordingState::Finished, 8_000));
    assert_eq!(closed.spans, [], "nothing was lost");
    crate::media_parties::assert_lasts(&closed, stop - start);
    let (_, agent) = exchange.heard("changed");
    let silent = agent[800..15_000].chunks(80).filter(|part| part.iter().all(|it| it.unsigned_abs() < 500));
    assert!(silent.count() <= 8, "no hole but where one codec follows the other");
    exchange.media.shutdown();
}

#[test]
fn comfort_noise_is_passed_on_and_is_no_sound_and_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, Some("quiet"));
    customer.talk(left.rtp, 0..20).join().unwrap();
    let RtpHeader { sequence, timestamp, .. } = header_of(&customer.packet(20));
    let noise = RtpHeader { payload_type: 13, marker: false, sequence, timestamp, ssrc: 11 };
    let noise = noise.build(&[60]).unwrap();
    customer.rtp.send_to(&noise, left.rtp).unwrap();
    // The silence lasts 400 ms on the wall and on the clock; then the talk goes on with the next number.
    std::thread::sleep(std::time::Duration::from_millis(400));
    for n in 21..41_usize {
        let packet = customer.packet(n);
        let RtpHeader { sequence, timestamp, .. } = header_of(&packet);
        let packet = RtpPacket::parse(&packet).unwrap();
        let later =
            RtpHeader { payload_type: 8, marker: n == 21, sequence, timestamp: timestamp + 2_880, ssrc: 11 };
        customer.rtp.send_to(&later.build(packet.payload()).unwrap(), left.rtp).unwrap();
        std::thread::sleep(crate::media_parties::PTIME);
    }
    exchange.handle.stop_recording(recording("quiet"), Instant::now());
    let received = agent.receive();
    assert_eq!(received.len(), 41);
    assert_eq!(received[20], noise);
    let closed = exchange.wait_closed("quiet");
    assert_eq!(closed.spans, [], "a pause is no loss");
    let (heard, _) = exchange.heard("quiet");
    let end = find(&heard, &customer.samples(0..20)).unwrap() + 20 * 160;
    assert!(heard[end..end + 3_000].iter().all(|sample| *sample == 0), "silence, and no noise of ours");
    assert!(find(&heard, &customer.samples(21..41)).is_some_and(|at| at >= end + 3_000));
    exchange.media.shutdown();
}

#[test]
fn a_protected_leg_sends_and_believes_protected_packets_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let [ours, theirs] = [1, 2].map(|byte| MasterKey::new([byte; 30]));
    let suite = SrtpSuite::Aes128Sha1Tag80;
    let keys = SrtpKeys { suite, local: ours, remote: theirs };
    exchange.handle.set_remote(right.id, linecard::media::Remote { srtp: Some(keys), ..agent.remote() });
    exchange.bridge(left.id, right.id, Some("secret"));
    let mut agents_end = SrtpLeg::new(SrtpKeys { suite, local: theirs, remote: ours });
    let received = agent.listen();
    customer.talk(left.rtp, 0..20).join().unwrap();
    let received = received.join().unwrap();
    assert_eq!(received.len(), 20);
    for (n, packet) in received.iter().enumerate() {
        let plain = customer.packet(n);
        assert_ne!(packet[12..plain.len()], plain[12..], "nothing readable leaves");
        assert_eq!(agents_end.open(packet), Some(plain), "and the agent reads what was said");
    }
    let received = customer.listen();
    for n in 0..20 {
        let protected = agents_end.protect(&agent.packet(n)).unwrap();
        agent.rtp.send_to(&protected, right.rtp).unwrap();
        // Who records and sends again what was said reaches nobody, and neither does a plain packet.
        agent.rtp.send_to(&protected, right.rtp).unwrap();
        agent.rtp.send_to(&agent.packet(100 + n), right.rtp).unwrap();
        std::thread::sleep(crate::media_parties::PTIME);
    }
    exchange.handle.stop_recording(recording("secret"), Instant::now());
    assert_eq!(received.join().unwrap(), (0..20).map(|n| agent.packet(n)).collect::<Vec<_>>());
    assert_eq!(exchange.wait_closed("secret").spans, []);
    let (_, heard) = exchange.heard("secret");
    assert!(find(&heard, &agent.samples(0..20)).is_some(), "the recording is readable");
    assert_eq!(exchange.totals(right.id).heard.unprotected, 40);
    exchange.media.shutdown();
}

fn header_of(packet: &[u8]) -> RtpHeader {
    let packet = RtpPacket::parse(packet).unwrap();
    RtpHeader {
        payload_type: packet.payload_type(),
        marker: packet.marker(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
    }
}
