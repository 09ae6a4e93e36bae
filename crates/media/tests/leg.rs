//! One leg of the relay on a fabricated clock: whom it believes, what it counts, when it calls media lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use linecard_media::{
    AudioCodec, DropReason, LegInput, LegOutput, LegTimer, Passage, PayloadKind, PayloadMap, RelayLeg,
    Remote, RtcpPath, RtpHeader, SessionOrigin, TelephoneEvent, Verdict,
    rtcp::{self, RtcpItem},
};

const TIMEOUT: Duration = Duration::from_secs(30);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn packet(sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type: 8, marker: false, sequence, timestamp, ssrc: 9 };
    header.build(&[0xd5; 160]).unwrap()
}

fn origin() -> SessionOrigin {
    SessionOrigin { name: [0xab; 12], ssrc: 77, seed: 4_711, clock: (Instant::now(), 3_900_000_000 << 32) }
}

struct Bench {
    leg: RelayLeg,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { leg: RelayLeg::new(TIMEOUT, origin()), now: Instant::now() };
        bench.remote(Remote {
            formats: PayloadMap::new([(101, PayloadKind::TelephoneEvent(linecard_media::ClockRate::Hz8000))]),
            ..Remote::new(at("10.0.0.1:4000"))
        });
        bench
    }

    fn remote(&mut self, remote: Remote) {
        assert_eq!(self.leg.handle_input(LegInput::Remote(remote), self.now), Verdict::Taken);
    }

    fn rtp(&mut self, from: &str, bytes: &[u8]) -> Verdict {
        self.leg.handle_input(LegInput::Rtp { from: at(from), bytes }, self.now)
    }

    fn tick(&mut self, seconds: u64) -> Vec<LegOutput> {
        self.now += Duration::from_secs(seconds);
        self.leg.handle_input(LegInput::Tick, self.now);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<LegOutput> {
        let mut outputs = Vec::new();
        loop {
            match self.leg.poll_output() {
                LegOutput::Timeout { .. } | LegOutput::Idle => return outputs,
                LegOutput::Report(_) => {}
                output => outputs.push(output),
            }
        }
    }
}

#[test]
fn audio_from_the_signalled_address_is_forwarded_and_counted() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.rtp("10.0.0.1:4000", &packet(1)),
        Verdict::Forward(PayloadKind::Audio(AudioCodec::Pcma))
    );
    assert_eq!(bench.outputs(), [LegOutput::Flowing]);
    assert_eq!(bench.leg.statistics().received, 1);
}

#[test]
fn before_an_answer_nobody_is_known() {
    let mut leg = RelayLeg::new(TIMEOUT, origin());
    let input = LegInput::Rtp { from: at("10.0.0.1:4000"), bytes: &packet(1) };
    assert_eq!(leg.handle_input(input, Instant::now()), Verdict::Dropped(DropReason::UnknownSource));
    assert_eq!(leg.rtp_target(), None);
}

#[test]
fn packets_from_elsewhere_are_counted_and_not_forwarded() {
    let mut bench = Bench::new();
    bench.rtp("10.0.0.1:4321", &packet(1));
    for _ in 0..3 {
        let verdict = bench.rtp("10.0.0.66:4000", &packet(2));
        assert_eq!(verdict, Verdict::Dropped(DropReason::UnknownSource));
    }
    assert_eq!(bench.rtp("10.0.0.1:4322", &packet(2)), Verdict::Dropped(DropReason::UnknownSource));
    assert_eq!(bench.leg.rtp_target(), Some(at("10.0.0.1:4321")));
    let counted = bench.leg.statistics();
    assert_eq!((counted.received, counted.unknown_source), (1, 4));
}

#[test]
fn nothing_is_learned_from_a_datagram_that_is_no_rtp() {
    let mut bench = Bench::new();
    assert_eq!(bench.rtp("10.0.0.1:9", b"hello"), Verdict::Dropped(DropReason::Malformed));
    assert_eq!(bench.leg.rtp_target(), Some(at("10.0.0.1:4000")));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn a_re_invite_moves_the_leg_to_its_new_address() {
    let mut bench = Bench::new();
    bench.rtp("10.0.0.1:4000", &packet(1));
    bench.remote(Remote::new(at("10.0.0.2:6000")));
    assert_eq!(bench.rtp("10.0.0.1:4000", &packet(2)), Verdict::Dropped(DropReason::UnknownSource));
    assert_eq!(
        bench.rtp("10.0.0.2:6002", &packet(2)),
        Verdict::Forward(PayloadKind::Audio(AudioCodec::Pcma))
    );
    assert_eq!(bench.leg.rtp_target(), Some(at("10.0.0.2:6002")));
}

#[test]
fn telephone_events_are_recognised_and_passed_on() {
    let mut bench = Bench::new();
    let header = RtpHeader { payload_type: 101, marker: true, sequence: 5, timestamp: 0, ssrc: 9 };
    let bytes = header.build(&TelephoneEvent::new(4, false, 10, 160).to_payload()).unwrap();
    assert_eq!(
        bench.rtp("10.0.0.1:4000", &bytes),
        Verdict::Forward(PayloadKind::TelephoneEvent(linecard_media::ClockRate::Hz8000))
    );
    assert_eq!(bench.leg.statistics().telephone_events, 1);
}

#[test]
fn rtcp_is_checked_guarded_and_ends_here() {
    let mut bench = Bench::new();
    let report = rtcp::build(&[RtcpItem::ReceiverReport { ssrc: 9, blocks: vec![] }]).unwrap();
    let mut judge =
        |from, bytes: &[u8]| bench.leg.handle_input(LegInput::Rtcp { from: at(from), bytes }, bench.now);
    assert_eq!(judge("10.0.0.1:4001", &report), Verdict::Taken);
    assert_eq!(judge("10.0.0.3:4001", &report), Verdict::Dropped(DropReason::UnknownSource));
    assert_eq!(judge("10.0.0.1:4001", &report[1..]), Verdict::Dropped(DropReason::Malformed));
    assert_eq!(bench.leg.rtcp_target(), Some(at("10.0.0.1:4001")));
    let counted = bench.leg.statistics();
    assert_eq!((counted.rtcp, counted.unknown_source, counted.malformed), (1, 1, 1));
}

#[test]
fn media_that_stays_away_for_30_s_is_lost_once_and_flows_again() {
    let mut bench = Bench::new();
    bench.rtp("10.0.0.1:4000", &packet(1));
    assert_eq!(bench.outputs(), [LegOutput::Flowing]);
    let at = bench.now + TIMEOUT;
    assert_eq!(bench.leg.poll_output(), LegOutput::Timeout { at, reason: LegTimer::Silence });
    assert_eq!(bench.tick(29), []);
    assert_eq!(bench.tick(1), [LegOutput::Lost { silent_ms: 30_000 }]);
    assert_eq!(bench.tick(100), []);
    bench.rtp("10.0.0.1:4000", &packet(2));
    assert_eq!(bench.outputs(), [LegOutput::Flowing]);
}

#[test]
fn every_packet_puts_the_silence_off() {
    let mut bench = Bench::new();
    for sequence in 0..10 {
        bench.rtp("10.0.0.1:4000", &packet(sequence));
        assert!(!bench.tick(20).iter().any(|output| matches!(output, LegOutput::Lost { .. })));
    }
}

#[test]
fn packets_from_a_stranger_do_not_keep_a_dead_call_alive() {
    let mut bench = Bench::new();
    bench.rtp("10.0.0.1:4000", &packet(1));
    bench.outputs();
    bench.tick(29);
    bench.rtp("10.0.0.9:4000", &packet(2));
    assert_eq!(bench.tick(1), [LegOutput::Lost { silent_ms: 30_000 }]);
}

#[test]
fn a_held_leg_is_not_sent_to_and_not_called_lost() {
    let mut bench = Bench::new();
    bench.rtp("10.0.0.1:4000", &packet(1));
    bench.outputs();
    let held = Remote { receives: false, sends: false, ..Remote::new(at("10.0.0.1:4000")) };
    bench.remote(held);
    assert_eq!(bench.leg.rtp_target(), None);
    assert_eq!(bench.leg.rtcp_target(), Some(at("10.0.0.1:4001")));
    bench.rtp("10.0.0.1:4000", &packet(2));
    assert_eq!(bench.tick(60), []);
    bench.remote(Remote::new(at("10.0.0.1:4000")));
    bench.rtp("10.0.0.1:4000", &packet(3));
    assert_eq!(bench.outputs(), [LegOutput::Flowing]);
}

#[test]
fn rtcp_goes_where_the_description_says() {
    let mut bench = Bench::new();
    let told = Remote { rtcp: RtcpPath::At(at("10.0.0.4:5555")), ..Remote::new(at("10.0.0.1:4000")) };
    bench.remote(told);
    assert_eq!(bench.leg.rtcp_target(), Some(at("10.0.0.4:5555")));
    let report = rtcp::build(&[RtcpItem::ReceiverReport { ssrc: 9, blocks: vec![] }]).unwrap();
    assert!(!bench.leg.is_muxed_rtcp(&report), "nobody has agreed on one port");
    bench.remote(Remote { rtcp: RtcpPath::Muxed, ..told });
    assert!(bench.leg.is_muxed_rtcp(&report) && !bench.leg.is_muxed_rtcp(&packet(1)));
    bench.rtp("10.0.0.1:4444", &packet(1));
    assert_eq!(bench.leg.rtcp_target(), Some(at("10.0.0.1:4444")), "where RTP really comes from");
    let input = LegInput::Rtcp { from: at("10.0.0.1:4444"), bytes: &report };
    assert_eq!(bench.leg.handle_input(input, bench.now), Verdict::Taken);
}

#[test]
fn loss_and_duplicates_are_counted_across_the_wrap_and_a_new_source() {
    let mut bench = Bench::new();
    for sequence in [65_534, 65_535, 1, 0, 0, 3] {
        bench.rtp("10.0.0.1:4000", &packet(sequence));
    }
    let counted = bench.leg.statistics();
    assert_eq!((counted.lost, counted.duplicates), (1, 1));
    let header = RtpHeader { payload_type: 8, marker: false, sequence: 9, timestamp: 0, ssrc: 10 };
    for sequence in [9, 12] {
        bench.rtp("10.0.0.1:4000", &RtpHeader { sequence, ..header }.build(&[0; 160]).unwrap());
    }
    let counted = bench.leg.statistics();
    assert_eq!((counted.lost, counted.restarts, counted.received), (3, 1, 8));
}

#[test]
fn a_packet_passes_untouched_where_the_party_speaks_its_codec_and_is_transcoded_only_else() {
    use AudioCodec::{G722, Pcma, Pcmu};
    let mut bench = Bench::new();
    let mut passage = |formats: &[(u8, PayloadKind)], kind, payload_type| {
        let formats = PayloadMap::new(formats.iter().copied());
        bench.remote(Remote { formats, ..Remote::new(at("10.0.0.1:4000")) });
        bench.leg.passage(kind, payload_type)
    };
    let (event, noise) =
        (PayloadKind::TelephoneEvent(linecard_media::ClockRate::Hz8000), PayloadKind::ComfortNoise);
    let both = [(9, PayloadKind::Audio(G722)), (8, PayloadKind::Audio(Pcma)), (96, event)];
    assert_eq!(passage(&both, PayloadKind::Audio(Pcma), 8), Passage::Untouched);
    assert_eq!(passage(&both, PayloadKind::Audio(G722), 9), Passage::Untouched);
    assert_eq!(passage(&both, event, 101), Passage::Renumbered { number: 96 });
    assert_eq!(passage(&both, noise, 13), Passage::Untouched);
    let transcoded = Passage::Transcoded { from: Pcmu, to: G722, number: 9 };
    assert_eq!(passage(&both, PayloadKind::Audio(Pcmu), 0), transcoded);
    assert_eq!(passage(&both, PayloadKind::Other, 18), Passage::Untouched);
    assert_eq!(passage(&[], PayloadKind::Audio(Pcmu), 0), Passage::Untouched);
}
