//! Two ends of a leg over a network that loses, delays and shuffles, on a fabricated clock: what each measures itself, and
//! what it learns from the other's reports.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_media::rtcp::{self, ReceptionBlock, RtcpItem};
use linecard_media::{
    LegInput, LegOutput, LegQuality, MasterKey, RelayLeg, Remote, RtpHeader, SessionOrigin, SrtpKeys,
    SrtpSuite, Standing,
};

const PTIME: Duration = Duration::from_millis(20);
const OURS: &str = "10.0.0.1:4000";
const THEIRS: &str = "10.0.0.2:4000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn beside(address: &str) -> SocketAddr {
    let rtp = at(address);
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

/// How a network treats packet `n` of one direction: how long it takes, or that it is lost.
type Network = fn(u32) -> Option<u64>;

fn clean(_: u32) -> Option<u64> {
    Some(40)
}

/// One end: a leg, and what is under way to it.
struct End {
    leg: RelayLeg,
    address: &'static str,
    ssrc: u32,
    inbound: Vec<(Instant, bool, Vec<u8>)>,
    /// The reports that it made.
    made: Vec<(Instant, Vec<RtcpItem>)>,
    turns: usize,
}

impl End {
    fn new(address: &'static str, peer: &str, ssrc: u32, now: Instant) -> Self {
        let clock = (now, 3_900_000_000_u64 << 32);
        let origin = SessionOrigin { name: [7; 12], ssrc: ssrc + 1_000, seed: u64::from(ssrc), clock };
        let mut leg = RelayLeg::new(Duration::from_secs(30), origin);
        leg.handle_input(LegInput::Remote(Remote::new(at(peer))), now);
        Self { leg, address, ssrc, inbound: Vec::new(), made: Vec::new(), turns: 0 }
    }

    fn packet(&mut self, n: u32, now: Instant) -> Vec<u8> {
        let sequence = u16::try_from((n + 65_000) % 65_536).unwrap();
        let header =
            RtpHeader { payload_type: 8, marker: false, sequence, timestamp: n * 160, ssrc: self.ssrc };
        self.leg.protect(&header.build(&[0xd5; 160]).unwrap(), now).unwrap().into_owned()
    }

    /// Takes what has arrived, and what time brings; returns reports for the other end.
    fn live(&mut self, from: &str, now: Instant) -> Vec<Vec<u8>> {
        self.inbound.sort_by_key(|(due, ..)| *due);
        while self.inbound.first().is_some_and(|(due, ..)| *due <= now) {
            let (due, report, bytes) = self.inbound.remove(0);
            if report {
                let bytes = self.leg.open_rtcp(&bytes).unwrap().into_owned();
                self.leg.handle_input(LegInput::Rtcp { from: beside(from), bytes: &bytes }, due);
            } else {
                let bytes = self.leg.open(&bytes).unwrap().into_owned();
                self.leg.handle_input(LegInput::Rtp { from: at(from), bytes: &bytes }, due);
            }
        }
        self.leg.handle_input(LegInput::Tick, now);
        let mut reports = Vec::new();
        loop {
            match self.leg.poll_output() {
                LegOutput::Report(report) => {
                    self.made.push((now, rtcp::read(&report).unwrap()));
                    reports.push(self.leg.protect_rtcp(&report).unwrap().into_owned());
                }
                LegOutput::QualityTurned => self.turns += 1,
                LegOutput::Timeout { .. } | LegOutput::Idle => return reports,
                LegOutput::Flowing | LegOutput::Lost { .. } => {}
            }
        }
    }
}

/// Both ends, and which packets each sends.
struct Talk {
    ends: [End; 2],
    began: Instant,
    now: Instant,
    n: u32,
}

impl Talk {
    fn new() -> Self {
        let now = Instant::now();
        let ends = [End::new(OURS, THEIRS, 11, now), End::new(THEIRS, OURS, 22, now)];
        Self { ends, began: now, now, n: 0 }
    }

    /// Lets both talk for a while; `networks` are from ours and from theirs.
    fn go_on(&mut self, seconds: u64, networks: [Network; 2]) {
        self.go_on_sending(seconds, networks, |_, _| true);
    }

    fn go_on_sending(&mut self, seconds: u64, networks: [Network; 2], sends: fn(usize, u32) -> bool) {
        for _ in 0..seconds * 50 {
            for (side, network) in networks.into_iter().enumerate() {
                if sends(side, self.n) {
                    let packet = self.ends[side].packet(self.n, self.now);
                    self.carry(side, network(self.n), false, packet);
                }
            }
            self.n += 1;
            self.pass();
        }
    }

    /// Lets the time of one packet pass.
    fn pass(&mut self) {
        self.now += PTIME;
        for side in 0..2 {
            let from = self.ends[1 - side].address;
            for report in self.ends[side].live(from, self.now) {
                self.carry(side, Some(40), true, report);
            }
        }
    }

    fn carry(&mut self, from: usize, delay_ms: Option<u64>, report: bool, bytes: Vec<u8>) {
        if let Some(ms) = delay_ms {
            self.ends[1 - from].inbound.push((self.now + Duration::from_millis(ms), report, bytes));
        }
    }

    fn ours(&self) -> LegQuality {
        self.ends[0].leg.quality()
    }
}

fn near(value: f64, expected: f64, within: f64, what: &str) {
    assert!((value - expected).abs() <= within, "{what}: {value}, expected {expected}");
}

#[test]
fn both_ends_measure_what_the_network_did_and_tell_each_other() {
    let mut talk = Talk::new();
    // A tenth of ours is lost; theirs come up to 15 ms later than they should.
    let lossy: Network = |n| (n % 10 != 3).then_some(40);
    let uneven: Network = |n| Some(40 + u64::from(n * 7 % 16));
    talk.go_on(120, [lossy, uneven]);
    let ours = talk.ours();
    let (received, sent) = (ours.received.unwrap(), ours.sent.unwrap());
    assert_eq!(received.heard.lost, 0);
    near(sent.heard.loss, 0.10, 0.005, "what they lost of us, as they report it");
    near(talk.ends[1].leg.quality().received.unwrap().heard.loss, 0.10, 0.005, "as they count it");
    assert!((4.0..12.0).contains(&received.heard.jitter_ms), "{}", received.heard.jitter_ms);
    assert!(sent.heard.jitter_ms < 1.0, "{}", sent.heard.jitter_ms);
    let round_trip = ours.round_trip.unwrap();
    // Each moment is one of a tick of 20 ms.
    near(round_trip.mean_ms, 80.0, 21.0, "to and fro");
    assert!(received.mos > 4.2 && sent.mos < 3.5, "{} {}", received.mos, sent.mos);
}

#[test]
fn a_clean_talk_scores_above_4_3_both_ways() {
    let mut talk = Talk::new();
    talk.go_on(60, [clean, clean]);
    let ours = talk.ours();
    assert!(ours.received.unwrap().mos > 4.3 && ours.sent.unwrap().mos > 4.3, "{ours:?}");
    assert_eq!(ours.sent.unwrap().heard.lost, 0);
}

#[test]
fn what_was_lost_before_this_leg_is_not_blamed_on_it() {
    let mut talk = Talk::new();
    // Each seventh number never leaves, since the other leg lost it; of the rest the network here loses a twentieth.
    let lossy: Network = |n| (n % 20 != 0).then_some(40);
    talk.go_on_sending(120, [lossy, clean], |side, n| side == 1 || n % 7 != 0);
    let sent = talk.ours().sent.unwrap();
    near(sent.heard.loss, 0.05, 0.005, "of what left");
}

#[test]
fn disorder_before_this_leg_is_no_loss_behind_it() {
    let mut talk = Talk::new();
    // Ours sends each third packet behind the one after it, as it came from the other leg.
    let lossy: Network = |n| (n % 10 != 0).then_some(40);
    for turn in 0..2_000_u32 {
        let n = match turn % 3 {
            1 => turn + 1,
            2 => turn - 1,
            _ => turn,
        };
        let packet = talk.ends[0].packet(n, talk.now);
        talk.carry(0, lossy(turn), false, packet);
        talk.pass();
    }
    near(talk.ours().sent.unwrap().heard.loss, 0.10, 0.01, "what they lost of what left");
}

#[test]
fn a_minute_that_was_bad_in_a_long_talk_is_found_and_told_once() {
    let mut talk = Talk::new();
    talk.go_on(600, [clean, clean]);
    let bad: Network = |n| (n % 5 != 0).then_some(40);
    let bad_from = talk.now;
    talk.go_on(60, [bad, clean]);
    let Standing::Bad { window, .. } = talk.ours().sent.unwrap().standing else { panic!("it is bad now") };
    near(window.loss, 0.2, 0.03, "as it is now");
    assert_eq!(talk.ends[0].turns, 1);
    talk.go_on(60, [clean, clean]);
    assert_eq!((talk.ours().sent.unwrap().standing, talk.ends[0].turns), (Standing::Well, 2));
    talk.go_on(600, [clean, clean]);
    let sent = talk.ours().sent.unwrap();
    assert!(sent.mos > 4.0, "on average nothing was wrong: {}", sent.mos);
    let worst = sent.worst.unwrap();
    assert!(worst.mos < 3.1, "{worst:?}");
    let into = worst.began.saturating_duration_since(bad_from);
    assert!(into < Duration::from_secs(60), "within the bad minute, {into:?} into it");
    let heard = talk.ends[1].leg.quality().received.unwrap();
    near(heard.worst.unwrap().loss, 0.2, 0.02, "as the other end measured it");
    assert_eq!(heard.standing, Standing::Well);
}

#[test]
fn reports_leave_by_the_times_of_the_rfc_and_say_who_sends() {
    let mut talk = Talk::new();
    // Nobody speaks: nothing has to be reported.
    talk.go_on_sending(30, [clean, clean], |_, _| false);
    assert!(talk.ends[0].made.is_empty());
    assert_eq!(talk.ends[0].leg.leave(talk.now), None, "who never took part does not take leave");
    // Ours listens.
    talk.go_on_sending(60, [clean, clean], |side, _| side == 1);
    let ours = &talk.ends[0].made;
    assert!(ours.iter().all(|(_, items)| matches!(items[0], RtcpItem::ReceiverReport { ssrc: 1_011, .. })));
    let listened = ours.len();
    assert!((9..=30).contains(&listened), "{listened}");
    talk.go_on(300, [clean, clean]);
    let ours = &talk.ends[0].made;
    for (_, items) in &ours[listened + 1..] {
        assert!(matches!(
            &items[..],
            [RtcpItem::SenderReport { ssrc: 11, .. }, RtcpItem::Name { ssrc: 11, .. }]
        ));
    }
    let RtcpItem::Name { cname, .. } = &ours[0].1[1] else { panic!("a name") };
    assert_eq!(cname, &"07".repeat(12));
    let pauses: Vec<f64> = ours.windows(2).map(|two| (two[1].0 - two[0].0).as_secs_f64()).collect();
    assert!(pauses.iter().all(|pause| (2.0..6.3).contains(pause)), "{pauses:?}");
    let (least, most) =
        pauses.iter().fold((9.0_f64, 0.0_f64), |(least, most), it| (least.min(*it), most.max(*it)));
    assert!(most - least > 1.5, "they differ, so that two ends do not keep step: {least} to {most}");
    let (_, last) = ours.last().unwrap();
    let RtcpItem::SenderReport { packets, octets, .. } = last[0] else { panic!("a sender's") };
    assert!(packets > 14_000 && octets == packets * 160, "{packets} {octets}");
    let farewell = rtcp::read(&talk.ends[0].leg.leave(talk.now).unwrap()).unwrap();
    assert!(matches!(farewell.last(), Some(RtcpItem::Bye { ssrcs }) if ssrcs == &[11]));
    assert!(talk.began < talk.now);
}

#[test]
fn encrypted_legs_report_encrypted() {
    let mut talk = Talk::new();
    let keys = [MasterKey::new([1; 30]), MasterKey::new([2; 30])];
    for side in 0..2 {
        let [local, remote] = [keys[side], keys[1 - side]];
        let srtp = Some(SrtpKeys { suite: SrtpSuite::Aes128Sha1Tag80, local, remote });
        let remote = Remote { srtp, ..Remote::new(at([THEIRS, OURS][side])) };
        talk.ends[side].leg.handle_input(LegInput::Remote(remote), talk.now);
    }
    let lossy: Network = |n| (n % 10 != 3).then_some(40);
    talk.go_on(60, [lossy, clean]);
    near(talk.ours().sent.unwrap().heard.loss, 0.10, 0.01, "through SRTCP");
    assert_eq!(talk.ends[0].leg.statistics().unprotected, 0);
}

#[test]
fn a_hold_is_neither_loss_nor_a_bad_direction() {
    let mut talk = Talk::new();
    let bad: Network = |n| (n % 4 != 0).then_some(40);
    talk.go_on(30, [clean, bad]);
    assert!(matches!(talk.ours().received.unwrap().standing, Standing::Bad { .. }));
    let before = talk.ours().received.unwrap().heard;
    let held = Remote { sends: false, receives: false, ..Remote::new(at(THEIRS)) };
    talk.ends[0].leg.handle_input(LegInput::Remote(held), talk.now);
    talk.go_on(30, [clean, bad]);
    let during = talk.ours().received.unwrap();
    assert_eq!(during.standing, Standing::Well, "nobody hears anything: nothing is bad");
    assert_eq!((during.heard.received, during.heard.lost), (before.received, before.lost));
    talk.ends[0].leg.handle_input(LegInput::Remote(Remote::new(at(THEIRS))), talk.now);
    talk.go_on(30, [clean, clean]);
    assert_eq!(talk.ours().received.unwrap().heard.lost, before.lost);
}

#[test]
fn reports_that_cannot_be_true_change_nothing() {
    let mut talk = Talk::new();
    talk.go_on(20, [clean, clean]);
    let before = talk.ours();
    let block = |ssrc, extended_sequence, sender_report| ReceptionBlock {
        ssrc,
        fraction_lost: 255,
        cumulative_lost: 0xff_ffff,
        extended_sequence,
        jitter: u32::MAX,
        sender_report,
        since_sender_report: 0,
    };
    let newest = (talk.n + 65_000) % 65_536 - 1;
    // Another source; a number that never left; a report of ours that never was.
    for block in [block(99, newest, 1), block(11, 40_000, 1), block(11, 64_000, 0x1234_5678)] {
        let report = RtcpItem::ReceiverReport { ssrc: 22, blocks: vec![block] };
        let bytes = rtcp::build(&[report]).unwrap();
        talk.ends[0].leg.handle_input(LegInput::Rtcp { from: beside(THEIRS), bytes: &bytes }, talk.now);
    }
    assert_eq!(talk.ours(), before);
    // A number that did leave, with a loss of less than nothing, and the most jitter there is.
    let report = RtcpItem::ReceiverReport { ssrc: 22, blocks: vec![block(11, newest, 0)] };
    let bytes = rtcp::build(&[report]).unwrap();
    talk.ends[0].leg.handle_input(LegInput::Rtcp { from: beside(THEIRS), bytes: &bytes }, talk.now);
    let after = talk.ours().sent.unwrap();
    assert_eq!(after.heard.lost, 0);
    assert!(after.heard.jitter_max_ms <= 10_000.0 && (1.0..=4.5).contains(&after.mos));
}
