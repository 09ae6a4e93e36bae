//! What a recording's timeline makes of every impairment that a network or a phone knows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod talk;

use std::time::{Duration, Instant};

use linecard_media::{Losses, SampleRate, Span, SpanKind, StereoMix, g722, halfband, rtp};
use proptest::prelude::*;
use talk::{Phone, assert_same, instant, losses, record, record_at, record_one, record_with};

#[test]
fn an_undisturbed_talk_is_recorded_sample_by_sample_on_its_own_sides() {
    let (mut customer, mut agent) = (Phone::new(1), Phone::new(2));
    customer.speak(100);
    agent.pass(7).speak(90);
    let until = 100 * 160;
    let (left, right, mixed) = record(&customer, &agent, until);
    assert_same(&left, &customer.heard(until));
    assert_same(&right, &agent.heard(until));
    assert_eq!(mixed.spans, []);
}

#[test]
fn the_first_packet_is_not_clipped() {
    // The talk begins in the middle of a stream: its first packet was spoken 30 ms before and comes late.
    let mut phone = Phone::new(1);
    phone.speak(10);
    let spoken = phone.heard(1_600);
    for sent in &mut phone.sent {
        sent.arrival = Some((sent.at - 240).max(40));
    }
    let (left, _) = record_one(&phone, 2_400);
    assert_same(&left[..1_600], &spoken);
}

#[test]
fn jitter_moves_no_sample() {
    let mut phone = Phone::new(1);
    phone.speak(200);
    for n in 1..200 {
        phone.delay(n, (n as i64 * 37) % 60);
    }
    let (left, mixed) = record_one(&phone, 204 * 160);
    assert_same(&left, &phone.heard(204 * 160));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn late_first_packets_do_not_shift_the_rest() {
    let mut phone = Phone::new(1);
    phone.pass(1_000).speak(100);
    for (n, delay_ms) in [90, 70, 50, 30, 10].into_iter().enumerate() {
        phone.delay(n, delay_ms);
    }
    let (left, _) = record_one(&phone, 3_000 * 8);
    assert_same(&left, &phone.heard(3_000 * 8));
}

#[test]
fn a_stream_that_begins_in_a_jam_keeps_every_packet() {
    let mut phone = Phone::new(1);
    phone.pass(1_000).speak(100);
    // Nothing gets through for 280 ms, then all at once.
    for n in 0..14 {
        phone.delay(n, 280 - 20 * n as i64);
    }
    let (left, mixed) = record_one(&phone, 3_000 * 8);
    assert_same(&left, &phone.heard(3_000 * 8));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn reordered_packets_find_their_place() {
    let mut phone = Phone::new(1);
    phone.speak(50).delay(10, 65).delay(11, 30).delay(20, 250);
    let (left, mixed) = record_one(&phone, 50 * 160);
    assert_same(&left, &phone.heard(50 * 160));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn a_packet_later_than_the_horizon_is_a_loss() {
    let mut phone = Phone::new(1);
    phone.speak(100).delay(10, 400);
    let (left, mixed) = record_one(&phone, 100 * 160);
    phone.lose(10..11);
    assert_same(&left, &phone.heard(100 * 160));
    assert_eq!(losses(&mixed), [(200, 220)]);
    assert_eq!(mixed.customer.late, 1);
}

#[test]
fn duplicates_are_dropped() {
    let mut phone = Phone::new(1);
    phone.speak(50);
    let again: Vec<_> = phone.sent.iter().step_by(3).cloned().collect();
    let expected = phone.heard(50 * 160);
    phone.sent.extend(again);
    let (left, mixed) = record_one(&phone, 50 * 160);
    assert_same(&left, &expected);
    assert_eq!(mixed.customer.duplicates, 17);
}

#[test]
fn loss_is_silence_and_marked() {
    let mut phone = Phone::new(1);
    phone.speak(100).lose(20..23).lose(60..61);
    let (left, mixed) = record_one(&phone, 100 * 160);
    assert_same(&left, &phone.heard(100 * 160));
    assert_eq!(losses(&mixed), [(400, 460), (1_200, 1_220)]);
}

#[test]
fn a_concealed_loss_is_marked_all_the_same_and_touches_no_sample_that_came() {
    let mut phone = Phone::new(1);
    phone.voice_hz = Some(125);
    phone.speak(100).lose(20..23).lose(60..61).lose(80..90);
    let silent = phone.heard(100 * 160);
    let (left, _, mixed) = record_with(Losses::Concealed, &phone, &Phone::new(0), 100 * 160);
    assert_eq!(losses(&mixed), [(400, 460), (1_200, 1_220), (1_600, 1_800)]);
    let loud =
        |from_ms: usize, until_ms: usize| left[from_ms * 8..until_ms * 8].iter().any(|s| s.abs() > 2_000);
    assert!(loud(400, 410) && loud(420, 430) && loud(1_200, 1_220) && loud(1_600, 1_620));
    assert!(left[1_660 * 8..1_800 * 8].iter().all(|sample| *sample == 0), "faded out after 60 ms");
    let lost = [400..460, 1_200..1_220, 1_600..1_800];
    let came = |at: &usize| !lost.iter().any(|ms| (ms.start * 8..ms.end * 8).contains(at));
    let pick = |line: &[i16]| (0..line.len()).filter(came).map(|at| line[at]).collect::<Vec<_>>();
    assert_same(&pick(&left), &pick(&silent));
}

#[test]
fn suppressed_silence_is_not_concealed() {
    let mut phone = Phone::new(1);
    phone.voice_hz = Some(125);
    phone.speak(50).comfort_noise().pass(1_000).speak(20);
    let (left, _, mixed) = record_with(Losses::Concealed, &phone, &Phone::new(0), 120 * 160);
    assert_same(&left, &phone.heard(120 * 160));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn a_wideband_talk_is_decoded_bit_exactly_into_a_wide_file() {
    let mut phone = Phone::new(1);
    phone.header.payload_type = rtp::G722;
    phone.speak(100).lose(40..42);
    let (left, right, mixed) = record_at(SampleRate::Wide, Losses::Silent, &phone, &Phone::new(0), 100 * 160);
    let mut decoded = Vec::new();
    g722::Decoder::default().decode(&phone.arrived(), &mut decoded);
    let place = 2 * 160;
    assert_same(&left[..40 * place], &decoded[..40 * place]);
    assert_same(&left[40 * place..42 * place], &vec![0; 2 * place]);
    assert_same(&left[42 * place..], &decoded[40 * place..]);
    assert_eq!((mixed.frames, losses(&mixed)), (100 * 320, vec![(800, 840)]));
    assert_eq!(right.len(), 100 * 320);
}

#[test]
fn a_narrow_party_in_a_wide_file_keeps_each_sample_in_every_second_place() {
    let mut phone = Phone::new(1);
    phone.speak(50).pass(400).speak(20);
    let until = 100 * 160;
    let (left, _, _) = record_at(SampleRate::Wide, Losses::Silent, &phone, &Phone::new(0), until);
    let even: Vec<i16> = left.iter().step_by(2).copied().collect();
    let spoken = phone.heard(until);
    assert_same(&even[halfband::DELAY..], &spoken[..spoken.len() - halfband::DELAY]);
}

#[test]
fn a_wideband_party_in_a_narrow_file_is_heard_at_its_time() {
    let mut phone = Phone::new(1);
    phone.speak(50);
    phone.header.payload_type = rtp::G722;
    phone.speak(50);
    let (left, mixed) = record_one(&phone, 110 * 160);
    assert_same(&left[..50 * 160], &phone.heard(110 * 160)[..50 * 160]);
    assert!(left[50 * 160 + 40..100 * 160].iter().any(|sample| sample.abs() > 500));
    assert!(left[100 * 160 + 40..].iter().all(|sample| *sample == 0));
    assert_eq!((losses(&mixed), mixed.customer.undecodable), (vec![], 0));
}

#[test]
fn the_sequence_wrap_is_no_loss() {
    let mut phone = Phone::new(1);
    phone.header.sequence = 65_530;
    phone.header.timestamp = u32::MAX - 800;
    phone.speak(50);
    let (left, mixed) = record_one(&phone, 50 * 160);
    assert_same(&left, &phone.heard(50 * 160));
    assert_eq!((losses(&mixed), mixed.customer.anchored), (vec![], 1));
}

#[test]
fn a_new_ssrc_goes_on_where_the_wall_is() {
    let mut phone = Phone::new(1);
    phone.speak(50).pass(333);
    phone.header.ssrc = 77;
    phone.header.sequence = 40_000;
    phone.header.timestamp = 3_000_000_000;
    phone.speak(50);
    let until = 2_400 * 8;
    let (left, _) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
}

#[test]
fn a_new_ssrc_that_follows_at_once_is_joined_without_a_click() {
    for delay_samples in [0, 40, 64] {
        let mut phone = Phone::new(1);
        phone.speak(50);
        phone.header.ssrc = 77;
        phone.speak(50);
        for sent in &mut phone.sent[50..] {
            sent.arrival = Some(sent.at + delay_samples);
        }
        let (left, _) = record_one(&phone, 102 * 160);
        assert_same(&left, &phone.heard(102 * 160));
    }
}

#[test]
fn a_straggler_of_a_silent_source_finds_its_place_after_the_source_has_changed() {
    let mut phone = Phone::new(1);
    phone.speak(5).pass(2_500).speak(1);
    phone.header.ssrc = 77;
    phone.speak(5).delay(5, 40);
    let until = phone.now;
    let (left, _) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
}

#[test]
fn a_timestamp_jump_keeps_the_alignment() {
    for jump in [1_000_000_u32, 8_000, (-8_000_i32) as u32, (-1_000_000_i32) as u32, 1 << 31] {
        let mut phone = Phone::new(1);
        phone.speak(50);
        phone.header.timestamp = phone.header.timestamp.wrapping_add(jump);
        phone.speak(50).delay(51, 35);
        let (left, mixed) = record_one(&phone, 100 * 160);
        assert_same(&left, &phone.heard(100 * 160));
        assert_eq!(losses(&mixed), [], "jump by {jump}");
    }
}

#[test]
fn a_clock_that_stands_still_during_a_pause_keeps_the_alignment() {
    let mut phone = Phone::new(1);
    phone.speak(50).pause_clock(5_000).speak(50);
    let until = 7_000 * 8;
    let (left, mixed) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn every_packet_time_from_10_to_60_ms_is_recorded() {
    let mut phone = Phone::new(1);
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        phone.ptime_ms = ptime_ms;
        phone.speak(20);
    }
    let until = phone.now;
    let (left, mixed) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn suppressed_silence_is_no_loss() {
    let mut phone = Phone::new(1);
    phone.speak(20).comfort_noise().pass(2_500).speak(20).pass(190).speak(20);
    let until = phone.now;
    let (left, mixed) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn a_loss_beside_suppressed_silence_is_marked_by_its_own_length_only() {
    let mut phone = Phone::new(1);
    phone.speak(20).pass(2_000).speak(20).lose(20..21);
    let until = phone.now;
    let (_, mixed) = record_one(&phone, until);
    assert_eq!(losses(&mixed), [(2_400, 2_420)]);
}

#[test]
fn the_payload_type_may_change_in_mid_stream() {
    let mut phone = Phone::new(1);
    phone.speak(20);
    phone.header.payload_type = rtp::PCMU;
    phone.speak(20);
    phone.header.payload_type = rtp::PCMA;
    phone.speak(20);
    let (left, _) = record_one(&phone, 60 * 160);
    assert_same(&left, &phone.heard(60 * 160));
}

#[test]
fn telephone_events_make_no_sound_and_keep_the_time() {
    let mut phone = Phone::new(1);
    phone.speak(20).press(5).speak(20).press(11).press(3).speak(20);
    let until = phone.now;
    let (left, mixed) = record_one(&phone, until);
    assert_same(&left, &phone.heard(until));
    assert_eq!(losses(&mixed), []);
}

#[test]
fn an_undecodable_payload_is_silence_and_counted() {
    let mut phone = Phone::new(1);
    phone.speak(20);
    phone.header.payload_type = 18;
    phone.speak(5);
    phone.header.payload_type = rtp::PCMA;
    phone.speak(20);
    let (left, mixed) = record_one(&phone, 45 * 160);
    assert!(left[20 * 160..25 * 160].iter().all(|sample| *sample == 0));
    assert_eq!(mixed.customer.undecodable, 5);
}

#[test]
fn a_burst_after_a_stalled_network_stays_aligned() {
    let mut phone = Phone::new(1);
    phone.speak(200);
    for n in 50..100 {
        let at = 100 * 160;
        phone.sent[n].arrival = Some(at);
    }
    let (left, _) = record_one(&phone, 200 * 160);
    let heard = phone.heard(200 * 160);
    assert_same(&left[..50 * 160], &heard[..50 * 160]);
    assert_same(&left[100 * 160..], &heard[100 * 160..]);
    // What of the burst is younger than the horizon is saved, in its place.
    assert_same(&left[86 * 160..100 * 160], &heard[86 * 160..100 * 160]);
}

#[test]
fn clocks_that_drift_apart_stay_within_60_ms_of_the_wall() {
    for ppm in [-500_i64, 500] {
        let mut phone = Phone::new(1);
        let minutes = 10;
        phone.speak((minutes * 60 * 50) as usize);
        for sent in &mut phone.sent {
            sent.arrival = Some(sent.at + sent.at * ppm / 1_000_000);
        }
        let until = minutes * 60 * 8_000;
        let (left, mixed) = record_one(&phone, until);
        // The clocks end 300 ms apart; the last packet that is whole has to be near its arrival.
        let last = phone.sent[phone.sent.len() - 40].clone();
        let one = Phone { sent: vec![last.clone()], ..phone.clone() };
        let spoken = &one.heard(last.at + 160)[last.at as usize..];
        let found = left.windows(160).rposition(|window| window == spoken).unwrap() as i64;
        assert!((found - last.arrival.unwrap()).abs() < 60 * 8, "{ppm} ppm: {found}");
        assert!(mixed.customer.anchored > 3, "{ppm} ppm was corrected");
    }
}

#[test]
fn the_length_is_the_wall_time_and_the_rest_of_the_packet_that_has_begun() {
    let (mut spoken, silent) = (Phone::new(1), Phone::new(2));
    spoken.speak(40);
    for (until, heard) in
        [(0, 0), (1, 160), (79, 160), (160, 160), (6_399, 6_400), (6_401, 6_401), (80_123, 80_123)]
    {
        for (customer, agent) in [(&spoken, &silent), (&silent, &spoken)] {
            let (left, right, mixed) = record(customer, agent, until);
            assert_eq!([left.len(), right.len()], [heard as usize; 2], "until {until}");
            assert_eq!(mixed.frames as i64, heard, "until {until}");
            let voice = if agent.sent.is_empty() { left } else { right };
            let said = spoken.heard(6_400.max(heard));
            assert_same(&voice, &said[..heard as usize]);
        }
    }
}

#[test]
fn a_long_packet_lengthens_a_recording_by_20_ms_and_no_more() {
    let mut phone = Phone { ptime_ms: 150, ..Phone::new(1) };
    phone.speak(2);
    let (left, _, mixed) = record(&phone, &Phone::new(2), 1_210);
    assert_eq!((left.len(), mixed.frames), (1_210 + 160, 1_210 + 160));
    assert_same(&left, &phone.heard(2_400)[..1_370]);
}

#[test]
fn a_hold_is_a_marked_span_and_never_a_cut() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut mix = StereoMix::new(start, SampleRate::Narrow, Losses::Silent);
    let mut frames = Vec::new();
    mix.begin(SpanKind::Hold, at(1_000));
    mix.begin(SpanKind::Hold, at(1_500));
    mix.advance(at(2_500), &mut frames);
    mix.end(SpanKind::Hold, at(3_000));
    mix.end(SpanKind::Hold, at(3_500));
    mix.begin(SpanKind::Transfer, at(4_000));
    let mixed = mix.finish(at(5_000), &mut frames);
    assert_eq!(frames.len(), 5_000 * 16);
    let span = |kind, from_ms, until_ms| Span { kind, from_ms, until_ms };
    assert_eq!(mixed.spans, [span(SpanKind::Hold, 1_000, 3_000), span(SpanKind::Transfer, 4_000, 5_000)]);
}

#[test]
fn a_masked_stretch_is_silent_on_both_sides_and_marked() {
    let start = Instant::now();
    let mut phone = Phone::new(1);
    phone.speak(250);
    let mut mix = StereoMix::new(start, SampleRate::Narrow, Losses::Silent);
    let mut frames = Vec::new();
    for sent in &phone.sent {
        let now = instant(start, sent.at);
        match sent.at / 8 {
            1_000 => mix.begin(SpanKind::Masked, now),
            2_000 => mix.end(SpanKind::Masked, now),
            3_000 => mix.begin(SpanKind::Masked, now),
            3_100 => mix.end(SpanKind::Masked, now),
            _ => {}
        }
        let packet = linecard_media::RtpPacket::parse(&sent.bytes).unwrap();
        for side in [linecard_media::Side::Customer, linecard_media::Side::Agent] {
            mix.push(
                side,
                &packet,
                linecard_media::PayloadKind::Audio(linecard_media::AudioCodec::Pcma),
                now,
            );
        }
        mix.advance(now, &mut frames);
    }
    let mixed = mix.finish(instant(start, 5_000 * 8), &mut frames);
    let mut expected = phone.heard(5_000 * 8);
    expected[8_000..16_000].fill(0);
    expected[24_000..24_800].fill(0);
    for side in 0..2 {
        assert_same(&frames.iter().skip(side).step_by(2).copied().collect::<Vec<_>>(), &expected);
    }
    assert_eq!(mixed.spans.len(), 2);
}

#[test]
fn a_flood_of_streams_and_jumps_is_bounded() {
    let mut phone = Phone::new(1);
    for n in 0..5_000_u32 {
        phone.header.ssrc = n % 300;
        phone.header.timestamp = n.wrapping_mul(2_654_435_761);
        phone.header.sequence = (n as u16).wrapping_mul(7_919);
        phone.speak(1);
        let last = phone.sent.len() - 1;
        phone.sent[last].arrival = Some(i64::from(n) / 50);
    }
    let (left, _) = record_one(&phone, 8_000);
    assert_eq!(left.len(), 8_000);
}

/// A step of a talk in the property below.
#[derive(Clone, Copy, Debug)]
enum Step {
    Speak(usize),
    Silence(i64),
    Noise,
    Press,
    Ptime(i64),
    Codec(u8),
    NewSource(u32, u16, u32),
    Jump(u32),
    StandStill(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_usize..40).prop_map(Step::Speak),
        2 => (1_i64..300).prop_map(|n| Step::Silence(n * 10)),
        1 => Just(Step::Noise),
        1 => Just(Step::Press),
        2 => (1_i64..=6).prop_map(|n| Step::Ptime(n * 10)),
        1 => prop_oneof![Just(rtp::PCMA), Just(rtp::PCMU)].prop_map(Step::Codec),
        1 => any::<(u32, u16, u32)>().prop_map(|(a, b, c)| Step::NewSource(a, b, c)),
        1 => (8_000_u32..0xffff_0000).prop_map(Step::Jump),
        1 => (60_i64..300).prop_map(|n| Step::StandStill(n * 10)),
    ]
}

/// Talks a script and returns the phone with the packets at which a relation of clocks begins.
fn talk(steps: &[Step]) -> (Phone, Vec<usize>) {
    let mut phone = Phone::new(0x100);
    let mut begins = vec![0];
    phone.speak(1);
    for step in steps {
        match *step {
            Step::Speak(packets) => drop(phone.speak(packets)),
            Step::Silence(ms) => drop(phone.pass(ms)),
            Step::Noise => drop(phone.comfort_noise().pass(100)),
            Step::Press => drop(phone.press(4)),
            Step::Ptime(ms) => phone.ptime_ms = ms,
            Step::Codec(pt) => phone.header.payload_type = pt,
            Step::NewSource(ssrc, sequence, timestamp) => {
                // RFC 3550 section 8: a source that comes anew has another number.
                let ssrc = (ssrc << 8) | u32::try_from(begins.len()).unwrap();
                phone.header = rtp::RtpHeader { ssrc, sequence, timestamp, ..phone.header };
                begins.push(phone.sent.len());
                phone.speak(1);
            }
            Step::Jump(by) => {
                phone.header.timestamp = phone.header.timestamp.wrapping_add(by);
                begins.push(phone.sent.len());
                phone.speak(1);
            }
            Step::StandStill(ms) => {
                phone.pause_clock(ms);
                begins.push(phone.sent.len());
                phone.speak(1);
            }
        }
    }
    (phone, begins)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Where received, the samples are those that were sent; where lost, silence; the length is the wall's.
    /// The first packet of each relation of clocks comes without delay, so that the truth is known exactly.
    #[test]
    fn an_arbitrarily_impaired_talk_keeps_samples_silence_and_length(
        steps in proptest::collection::vec(step(), 1..25),
        fates in proptest::collection::vec((0_u8..100, 0_i64..120, 0_u8..100), 64),
        tail_ms in 0_i64..500,
    ) {
        let (mut phone, begins) = talk(&steps);
        let mut copies = Vec::new();
        for (n, sent) in phone.sent.iter_mut().enumerate().filter(|(n, _)| !begins.contains(n)) {
            let (loss, delay_ms, copy) = fates[n % fates.len()];
            sent.arrival = (loss >= 10).then_some(sent.at + delay_ms * 8);
            if copy < 5 && sent.arrival.is_some() {
                copies.push(copy_of(sent, delay_ms));
            }
        }
        let until = phone.now + tail_ms * 8;
        // A packet that arrives after the end was never received.
        for sent in &mut phone.sent {
            sent.arrival = sent.arrival.filter(|at| *at < until);
        }
        let heard = phone.heard(until);
        phone.sent.extend(copies);
        let (left, mixed) = record_one(&phone, until);
        assert_same(&left, &heard);
        for (from_ms, until_ms) in losses(&mixed) {
            let inside = &heard[from_ms as usize * 8..((until_ms * 8) as usize).min(heard.len())];
            prop_assert!(inside.iter().all(|sample| *sample == 0), "{from_ms}..{until_ms} is marked as lost");
        }
    }
}

fn copy_of(sent: &talk::Sent, later_ms: i64) -> talk::Sent {
    talk::Sent { arrival: sent.arrival.map(|at| at + later_ms * 8), ..sent.clone() }
}
