//! Talks through the relay over real sockets: what is forwarded, what is not, and what the recording holds.

#![allow(clippy::cast_possible_truncation)]

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use crate::media_parties::{Exchange, PTIME, Party, drain, find, options, own_address, recording, split};
use linecard::media::{Bridge, Feed, MediaEvent, PortError, RelayOptions, SpanKind, Voice};
use linecard::recorder::RecordingState;
use linecard_media::rtcp::{self, RtcpItem};
use linecard_media::wav::Expected;
use linecard_media::{RtpHeader, TelephoneEvent};

#[test]
fn a_talk_is_relayed_bit_exact_and_recorded_left_and_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let start = exchange.bridge(left.id, right.id, Some("talk"));
    let speakers = [customer.talk(left.rtp, 0..75), agent.talk(right.rtp, 0..75)];
    let (to_agent, to_customer) = (agent.receive(), customer.receive());
    speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
    let stop = Instant::now();
    exchange.handle.stop_recording(recording("talk"), stop);
    let sent = |party: &Party| (0..75).map(|n| party.packet(n)).collect::<Vec<_>>();
    assert!(to_agent == sent(&customer), "{} of 75 packets, or changed ones, to the agent", to_agent.len());
    assert!(
        to_customer == sent(&agent),
        "{} of 75 packets, or changed ones, to the customer",
        to_customer.len()
    );

    let closed = exchange.wait_closed("talk");
    assert_eq!(closed.state, RecordingState::Finished);
    crate::media_parties::assert_lasts(&closed, stop - start);
    assert_eq!(closed.spans, []);
    let (heard_left, heard_right) = exchange.heard("talk");
    for (channel, party) in [(&heard_left, &customer), (&heard_right, &agent)] {
        let at =
            find(channel, &party.samples(0..75)).expect("every sample, from the first packet on, unbroken");
        assert!(at < 8 * 100, "began {at} samples after the talk");
    }
    let expected =
        Expected { duration_ms: Some(closed.duration_ms), sha256: closed.sha256, spans: closed.spans };
    exchange.store.verify(&recording("talk"), &expected).unwrap();
    let totals = exchange.totals(left.id);
    assert_eq!((totals.heard.received, totals.forwarded, totals.unforwarded), (75, 75, 0));
    exchange.media.shutdown();
}

#[test]
fn streams_that_go_nowhere_are_recorded_on_the_side_that_is_said_and_may_change_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, first, second) = (Party::new(11), Party::new(22), Party::new(33));
    let seats = [&customer, &first, &second].map(|party| exchange.seat(party));
    let [left, right, other] = seats.map(|seat| seat.id);
    let feeds =
        |agent| vec![Feed { leg: left, voice: Voice::Customer }, Feed { leg: agent, voice: Voice::Agent }];
    exchange.handle.feed(recording("fed"), feeds(right), Instant::now());
    let speakers = [customer.talk(seats[0].rtp, 0..50), first.talk(seats[1].rtp, 0..50)];
    speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
    thread::sleep(Duration::from_millis(100));
    // Who has left is not heard any more, and closing its leg ends nothing.
    exchange.handle.feed(recording("fed"), feeds(other), Instant::now());
    let speakers = [customer.talk(seats[0].rtp, 50..100), second.talk(seats[2].rtp, 0..50)];
    let unheard = first.talk(seats[1].rtp, 50..60);
    speakers.into_iter().chain([unheard]).for_each(|speaker| speaker.join().unwrap());
    // The last packet's sound is as long as a packet.
    thread::sleep(Duration::from_millis(100));
    exchange.handle.close_leg(right, Instant::now());
    exchange.handle.stop_recording(recording("fed"), Instant::now());
    assert_eq!(exchange.wait_closed("fed").state, RecordingState::Finished);
    let (heard_left, heard_right) = exchange.heard("fed");
    assert!(find(&heard_left, &customer.samples(0..50)).is_some());
    assert!(find(&heard_left, &customer.samples(50..100)).is_some());
    let places = [first.samples(0..50), second.samples(0..50)].map(|voice| find(&heard_right, &voice));
    assert!(places[0] < places[1] && places[0].is_some(), "{places:?}");
    assert_eq!(find(&heard_right, &first.samples(50..60)), None);
    assert_eq!(customer.receive().len() + first.receive().len(), 0, "nothing is sent to a client");
    exchange.media.shutdown();
}

#[test]
fn a_mixed_stream_is_recorded_on_both_sides_and_ends_with_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(folder.path(), &options());
    let party = Party::new(11);
    let seat = exchange.seat(&party);
    let feeds = vec![Feed { leg: seat.id, voice: Voice::Both }];
    exchange.handle.feed(recording("mixed"), feeds, Instant::now());
    party.talk(seat.rtp, 0..50).join().unwrap();
    thread::sleep(Duration::from_millis(100));
    let store = exchange.store.clone();
    exchange.media.shutdown();
    let file = folder.path().join("mixed.wav");
    let (heard_left, heard_right) = split(hound::WavReader::open(file).unwrap());
    assert!(heard_left == heard_right && find(&heard_left, &party.samples(0..50)).is_some());
    store.verify(&recording("mixed"), &Expected::default()).unwrap();
}

#[test]
fn the_file_is_valid_and_a_second_old_at_most_while_the_talk_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let start = exchange.bridge(left.id, right.id, Some("live"));
    let speaker = customer.talk(left.rtp, 0..175);
    let part = exchange.store.part_path(&recording("live"));
    for moment_ms in [1_130, 1_900, 2_570, 3_300] {
        thread::sleep((start + Duration::from_millis(moment_ms)).saturating_duration_since(Instant::now()));
        // What kill -9 would leave.
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(&part, crashed.path().join("live.wav.part")).unwrap();
        let elapsed_ms = start.elapsed().as_millis() as u64;
        let (heard, _) = split(hound::WavReader::open(crashed.path().join("live.wav.part")).unwrap());
        assert!(heard.iter().any(|sample| *sample != 0));
        let store = linecard::recorder::RecordingStore::open(crashed.path()).unwrap();
        let recovered = store.recover().unwrap().remove(0).unwrap();
        assert!(recovered.duration_ms + 1_000 >= elapsed_ms, "{} of {elapsed_ms} ms", recovered.duration_ms);
        store.verify(&recording("live"), &Expected::default()).unwrap();
    }
    speaker.join().unwrap();
    exchange.media.shutdown();
    assert!(!part.exists());
}

#[test]
fn before_the_bridge_packets_are_counted_and_go_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, _right) = (exchange.seat(&customer), exchange.seat(&agent));
    customer.talk(left.rtp, 0..5).join().unwrap();
    assert_eq!(agent.receive().len(), 0);
    let totals = exchange.totals(left.id);
    assert_eq!((totals.heard.received, totals.forwarded, totals.unforwarded), (5, 0, 5));
    exchange.media.shutdown();
}

#[test]
fn sound_that_overtakes_the_word_of_its_answer_is_heard_and_recorded_from_the_first_packet() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent, stranger) = (Party::new(11), Party::new(22), Party::new(33));
    let [left, right] = exchange.handle.open_pair([own_address().into(); 2]).unwrap();
    stranger.talk(right.rtp, 0..2).join().unwrap();
    let spoke = Instant::now();
    agent.rtp.send_to(&agent.packet(0), right.rtp).unwrap();
    let answered = Instant::now();
    exchange.handle.set_remote(right.id, agent.remote());
    let bridge = Bridge { customer: left.id, agent: right.id, recording: None, at: answered };
    exchange.handle.bridge(bridge);
    agent.rtp.send_to(&agent.packet(1), right.rtp).unwrap();
    // The evidence is safe: the customer may have the answer, and the recording its file.
    exchange.handle.set_remote(left.id, customer.remote());
    exchange.handle.start_recording(recording("overtaken"), left.id, Instant::now());
    agent.talk(right.rtp, 2..12).join().unwrap();
    let received = customer.receive();
    // On a busy machine the first packet comes earlier than the word of the answer by more than it may.
    let first =
        if answered - spoke < Duration::from_millis(10) { 0 } else { 12 - received.len().clamp(11, 12) };
    assert!(received == (first..12).map(|n| agent.packet(n)).collect::<Vec<_>>());
    exchange.handle.stop_recording(recording("overtaken"), Instant::now());
    exchange.wait_closed("overtaken");
    let (_, heard) = exchange.heard("overtaken");
    assert!(find(&heard, &agent.samples(first..12)).is_some_and(|at| at < 160), "clipped");
    let totals = exchange.totals(right.id);
    let told = (totals.forwarded, totals.unforwarded, totals.heard.unknown_source);
    assert_eq!(told, (12 - first as u64, first as u64, 0));
    exchange.media.shutdown();
}

#[test]
fn what_was_said_before_a_talk_is_not_heard_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    agent.talk(right.rtp, 0..10).join().unwrap();
    std::thread::sleep(2 * PTIME);
    exchange.bridge(left.id, right.id, Some("later"));
    agent.talk(right.rtp, 10..15).join().unwrap();
    assert!(customer.receive() == (10..15).map(|n| agent.packet(n)).collect::<Vec<_>>());
    exchange.handle.stop_recording(recording("later"), Instant::now());
    assert_eq!(exchange.wait_closed("later").agent.placed, 5);
    exchange.media.shutdown();
}

#[test]
fn what_was_heard_before_the_answer_is_not_in_the_recording_of_the_talk() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, None);
    agent.talk(right.rtp, 0..13).join().unwrap();
    std::thread::sleep(PTIME);
    let answered = Instant::now();
    exchange.handle.start_recording(recording("answered"), left.id, answered);
    agent.talk(right.rtp, 13..30).join().unwrap();
    assert!(customer.receive() == (0..30).map(|n| agent.packet(n)).collect::<Vec<_>>());
    exchange.handle.stop_recording(recording("answered"), Instant::now());
    exchange.wait_closed("answered");
    let (_, heard) = exchange.heard("answered");
    let at = find(&heard, &agent.samples(13..30)).expect("what was said in the talk");
    assert!(at < 320, "the talk is {at} samples late");
    exchange.media.shutdown();
}

#[test]
fn a_stranger_reaches_nobody_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent, stranger) = (Party::new(11), Party::new(22), Party::new(33));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, Some("guarded"));
    customer.talk(left.rtp, 0..5).join().unwrap();
    stranger.talk(left.rtp, 0..5).join().unwrap();
    customer.talk(left.rtp, 5..10).join().unwrap();
    let received = agent.receive();
    assert_eq!(received, (0..10).map(|n| customer.packet(n)).collect::<Vec<_>>());
    exchange.handle.stop_recording(recording("guarded"), Instant::now());
    assert_eq!(exchange.wait_closed("guarded").customer.placed, 10);
    assert_eq!(exchange.totals(left.id).heard.unknown_source, 5);
    exchange.media.shutdown();
}

#[test]
fn telephone_events_pass_untouched_and_reports_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, None);
    let event = TelephoneEvent::new(7, true, 10, 800).to_payload();
    let header = RtpHeader { payload_type: 101, marker: true, sequence: 1, timestamp: 0, ssrc: 11 };
    let event = header.build(&event).unwrap();
    let report = rtcp::build(&[RtcpItem::ReceiverReport { ssrc: 11, blocks: vec![] }]).unwrap();
    customer.rtp.send_to(&event, left.rtp).unwrap();
    customer.rtcp.send_to(&report, left.rtcp).unwrap();
    assert_eq!(agent.receive(), [event]);
    assert!(!drain(&agent.rtcp).contains(&report));
    let heard = exchange.totals(left.id).heard;
    assert_eq!((heard.telephone_events, heard.rtcp), (1, 1));
    exchange.media.shutdown();
}

/// Reads reports until one fits.
fn report_at(socket: &UdpSocket, what: &str, fits: impl Fn(&[RtcpItem]) -> bool) -> Vec<RtcpItem> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let reports = drain(socket).into_iter().filter_map(|bytes| rtcp::read(&bytes).ok());
        if let Some(report) = reports.into_iter().find(|items| fits(items)) {
            return report;
        }
    }
    panic!("no report: {what}");
}

#[test]
fn each_party_gets_reports_of_this_server_and_a_farewell() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    exchange.bridge(left.id, right.id, None);
    // The customer alone speaks, with a gap: it gets a receiver's report, the agent a sender's.
    let spoken: Vec<_> = (0..60).filter(|n| !(20..35).contains(n)).collect();
    for n in spoken {
        customer.rtp.send_to(&customer.packet(n), left.rtp).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    let heard =
        |items: &[RtcpItem]| matches!(items, [RtcpItem::ReceiverReport { .. }, RtcpItem::Name { .. }]);
    let report = report_at(&customer.rtcp, "to who speaks", heard);
    let RtcpItem::ReceiverReport { blocks, .. } = &report[0] else { panic!("a receiver's") };
    assert_eq!((blocks[0].ssrc, blocks[0].cumulative_lost), (11, 15));
    let sends =
        |items: &[RtcpItem]| matches!(items, [RtcpItem::SenderReport { ssrc: 11, packets: 45, .. }, ..]);
    report_at(&agent.rtcp, "to who listens", sends);
    let totals = exchange.totals(left.id);
    let received = totals.quality.received.unwrap().heard;
    assert_eq!((received.received, received.lost, received.bursts), (45, 15, 1));
    report_at(&customer.rtcp, "a farewell", |items| matches!(items.last(), Some(RtcpItem::Bye { .. })));
    exchange.media.shutdown();
}

#[test]
fn reports_share_the_port_of_rtp_where_both_have_agreed_on_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let remote = linecard::media::Remote { rtcp: linecard::media::RtcpPath::Muxed, ..customer.remote() };
    exchange.handle.set_remote(left.id, remote);
    exchange.bridge(left.id, right.id, None);
    customer.rtp.send_to(&customer.packet(0), left.rtp).unwrap();
    let report = rtcp::build(&[RtcpItem::ReceiverReport { ssrc: 11, blocks: vec![] }]).unwrap();
    customer.rtp.send_to(&report, left.rtp).unwrap();
    report_at(&customer.rtp, "on the port of RTP", |items| {
        matches!(items[0], RtcpItem::ReceiverReport { .. })
    });
    let heard = exchange.totals(left.id).heard;
    assert_eq!((heard.received, heard.rtcp, heard.malformed), (1, 1, 0));
    exchange.media.shutdown();
}

#[test]
fn a_held_party_hears_nothing_and_the_hold_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, agent) = (Party::new(11), Party::new(22));
    let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
    let start = exchange.bridge(left.id, right.id, Some("held"));
    let held = linecard::media::Remote { receives: false, sends: false, ..agent.remote() };
    exchange.handle.set_remote(right.id, held);
    exchange.handle.begin_span(recording("held"), SpanKind::Hold, start + Duration::from_millis(40));
    customer.talk(left.rtp, 0..5).join().unwrap();
    assert_eq!(agent.receive().len(), 0);
    exchange.handle.set_remote(right.id, agent.remote());
    exchange.handle.end_span(recording("held"), SpanKind::Hold, start + Duration::from_millis(240));
    customer.talk(left.rtp, 5..10).join().unwrap();
    assert_eq!(agent.receive().len(), 5);
    exchange.handle.stop_recording(recording("held"), Instant::now());
    let closed = exchange.wait_closed("held");
    let holds: Vec<_> = closed.spans.iter().filter(|span| span.kind == SpanKind::Hold).collect();
    assert_eq!(holds.len(), 1);
    assert_eq!((holds[0].from_ms, holds[0].until_ms), (40, 240));
    exchange.media.shutdown();
}

#[test]
fn a_recording_goes_on_with_the_next_agent() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let (customer, first, second) = (Party::new(11), Party::new(22), Party::new(33));
    let [left, right, next] = [&customer, &first, &second].map(|party| exchange.seat(party));
    exchange.bridge(left.id, right.id, Some("moved"));
    first.talk(right.rtp, 0..10).join().unwrap();
    exchange.handle.unbridge(left.id);
    first.talk(right.rtp, 10..20).join().unwrap();
    exchange.bridge(left.id, next.id, Some("moved"));
    second.talk(next.rtp, 0..10).join().unwrap();
    thread::sleep(Duration::from_millis(50));
    // The customer hangs up: the recording ends with its leg.
    assert_eq!(exchange.totals(left.id).heard.received, 0);
    assert_eq!(exchange.wait_closed("moved").state, RecordingState::Finished);
    let (_, heard) = exchange.heard("moved");
    let before = find(&heard, &first.samples(0..10)).expect("the first agent");
    let after = find(&heard, &second.samples(0..10)).expect("the second agent");
    assert!(before < after);
    assert_eq!(find(&heard, &first.samples(12..13)), None, "nothing between the bridges");
    exchange.media.shutdown();
}

#[test]
fn media_that_stays_away_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let timeout = RelayOptions { rtp_timeout: Duration::from_millis(700), ..options() };
    let mut exchange = Exchange::start(folder.path(), &timeout);
    let customer = Party::new(11);
    let left = exchange.seat(&customer);
    customer.talk(left.rtp, 0..3).join().unwrap();
    let flowing = |event: &MediaEvent| (*event == MediaEvent::Flowing { leg: left.id }).then_some(());
    exchange.wait("flow", flowing);
    let silent_ms = exchange.wait("loss", |event| match event {
        MediaEvent::Lost { leg, silent_ms } if *leg == left.id => Some(*silent_ms),
        _ => None,
    });
    assert!((700..2_500).contains(&silent_ms), "{silent_ms}");
    customer.talk(left.rtp, 3..6).join().unwrap();
    exchange.wait("flow again", flowing);
    exchange.media.shutdown();
}

#[test]
fn exhausted_ports_are_an_error_and_come_back_after_a_rest() {
    let folder = tempfile::tempdir().unwrap();
    let port_rest = Duration::from_millis(300);
    let few = RelayOptions { port_min: 21_000, port_max: 21_005, port_rest, ..options() };
    let mut exchange = Exchange::start(folder.path(), &few);
    let legs: Vec<_> = (0..3).map(|_| exchange.handle.open_leg(own_address()).unwrap()).collect();
    for leg in &legs {
        assert!(leg.rtp.port() % 2 == 0 && leg.rtcp.port() == leg.rtp.port() + 1);
    }
    let refused = exchange.handle.open_leg(own_address());
    assert!(matches!(refused, Err(PortError::Exhausted { pairs: 3 })));
    let closing = Instant::now();
    exchange.totals(legs[1].id);
    assert!(exchange.handle.open_pair([own_address().into(); 2]).is_err(), "not one without the other");
    let again = loop {
        match exchange.handle.open_leg(own_address()) {
            Ok(leg) => break leg,
            Err(_) => assert!(closing.elapsed() < Duration::from_secs(5), "they come back"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(closing.elapsed() >= port_rest, "late packets of the old call meet nobody");
    assert_eq!(again.rtp, legs[1].rtp);
    assert!(exchange.handle.open_leg(own_address()).is_err());
    exchange.media.shutdown();
}

#[test]
fn a_port_held_by_another_program_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let few = RelayOptions { port_min: 21_000, port_max: 21_005, ..options() };
    let exchange = Exchange::start(folder.path(), &few);
    let _held = UdpSocket::bind((own_address(), 21_003)).unwrap();
    let mut ports = [(); 2].map(|()| exchange.handle.open_leg(own_address()).unwrap().rtp.port());
    ports.sort_unstable();
    assert_eq!(ports, [21_000, 21_004]);
    assert!(matches!(exchange.handle.open_leg(own_address()), Err(PortError::Taken)));
    exchange.media.shutdown();
}

#[test]
fn a_shutdown_brings_every_recording_to_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(folder.path(), &options());
    let parties: Vec<_> = (0..6).map(Party::new).collect();
    let legs: Vec<_> = parties.iter().map(|party| exchange.seat(party)).collect();
    for (n, pair) in legs.chunks(2).enumerate() {
        exchange.bridge(pair[0].id, pair[1].id, Some(&format!("call-{n}")));
    }
    parties[0].talk(legs[0].rtp, 0..20).join().unwrap();
    let store = exchange.store.clone();
    exchange.media.shutdown();
    for n in 0..3 {
        let found = store.verify(&recording(&format!("call-{n}")), &Expected::default()).unwrap();
        assert!((350..2_000).contains(&found.duration_ms()), "{found:?}");
    }
}

#[test]
fn twenty_talks_at_once_are_recorded_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let talks: Vec<_> = (0..20).map(|n| (Party::new(100 + n), Party::new(200 + n))).collect();
    // A generator that is itself held up for as long as the recorder waits proves nothing: it has to try again.
    let round = (0..5).find(|round| talk_at_once(&mut exchange, &talks, *round) < Duration::from_millis(150));
    let round = round.expect("a machine with time for a generator of 2,000 packets a second");
    for (n, (customer, agent)) in talks.iter().enumerate() {
        let (left, right) = exchange.heard(&format!("call-{round}-{n}"));
        assert!(find(&left, &customer.samples(0..50)).is_some(), "customer of call {n}");
        assert!(find(&right, &agent.samples(0..50)).is_some(), "agent of call {n}");
        assert_eq!(agent.receive(), (0..50).map(|n| customer.packet(n)).collect::<Vec<_>>());
    }
    exchange.media.shutdown();
}

/// Lets all talk for a second; returns by how much the generator was late at worst.
fn talk_at_once(exchange: &mut Exchange, talks: &[(Party, Party)], round: usize) -> Duration {
    let mut speakers = Vec::new();
    for (n, (customer, agent)) in talks.iter().enumerate() {
        let (left, right) = (exchange.seat(customer), exchange.seat(agent));
        exchange.bridge(left.id, right.id, Some(&format!("call-{round}-{n}")));
        speakers.extend([(customer, left), (agent, right)]);
        // What an earlier round has left.
        [customer, agent].into_iter().for_each(Party::discard);
    }
    let (start, mut late) = (Instant::now(), Duration::ZERO);
    for n in 0..50_u32 {
        let due = start + PTIME * n;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for (party, leg) in &speakers {
            party.rtp.send_to(&party.packet(n as usize), leg.rtp).unwrap();
        }
        late = late.max(due.elapsed());
    }
    thread::sleep(Duration::from_millis(100));
    let stop = Instant::now();
    for n in 0..talks.len() {
        let name = format!("call-{round}-{n}");
        exchange.handle.stop_recording(recording(&name), stop);
        assert_eq!(exchange.wait_closed(&name).state, RecordingState::Finished);
    }
    speakers.iter().for_each(|(_, leg)| exchange.handle.close_leg(leg.id, stop));
    late
}
