//! Storage that refuses, a folder that a crash has left, names that try to escape.

#![allow(clippy::cast_possible_truncation)]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::media_parties::{Exchange, Party, find, options, recording};
use crate::peers::small_disk::{fill, with_small_disk};
use linecard::media::{MediaEvent, SpanKind};
use linecard::recorder::{RecorderError, RecordingEvent, RecordingId, RecordingState, RecordingStore};
use linecard_media::wav::Expected;

fn failed(event: &MediaEvent) -> Option<String> {
    match event {
        MediaEvent::Recording(RecordingEvent::Failed { why, .. }) => Some(why.clone()),
        _ => None,
    }
}

fn resumed(event: &MediaEvent) -> Option<()> {
    matches!(event, MediaEvent::Recording(RecordingEvent::Resumed { .. })).then_some(())
}

#[test]
fn a_disk_that_fills_up_flags_the_recording_and_leaves_the_talk_alone() {
    with_small_disk(
        "recording_storage::a_disk_that_fills_up_flags_the_recording_and_leaves_the_talk_alone",
        |disk| {
            let mut exchange = Exchange::start(&disk.join("recordings"), &options());
            let (customer, agent) = (Party::new(11), Party::new(22));
            let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
            let start = exchange.bridge(left.id, right.id, Some("short"));
            let speaker = customer.talk(left.rtp, 0..300);
            let listener = agent.listen();
            thread::sleep(Duration::from_millis(1_500));
            fill(&disk.join("filler"));
            let why = exchange.wait("failure", failed);
            assert!(why.contains("No space"), "{why}");
            fs::remove_file(disk.join("filler")).unwrap();
            exchange.wait("resumption", resumed);
            speaker.join().unwrap();
            let received = listener.join().unwrap();
            assert!(
                received == (0..300).map(|n| customer.packet(n)).collect::<Vec<_>>(),
                "{} of 300",
                received.len()
            );
            let stop = Instant::now();
            exchange.handle.stop_recording(recording("short"), stop);
            let closed = exchange.wait_closed("short");
            assert_eq!(closed.state, RecordingState::Truncated);
            crate::media_parties::assert_lasts(&closed, stop - start);
            let lost: Vec<_> = closed.spans.iter().filter(|span| span.kind == SpanKind::Loss).collect();
            assert_eq!(lost.len(), 1, "{lost:?}");
            let expected = Expected {
                duration_ms: Some(closed.duration_ms),
                sha256: closed.sha256,
                spans: closed.spans.clone(),
            };
            exchange.store.verify(&recording("short"), &expected).unwrap();
            let (heard, _) = exchange.heard("short");
            let first = find(&heard, &customer.samples(0..20)).expect("what came before");
            let last = find(&heard, &customer.samples(280..300)).expect("what came after");
            assert_eq!(last - first, 280 * 160, "both at their time");
            // The next talk is recorded as if nothing had been.
            exchange.bridge(left.id, right.id, Some("next"));
            customer.talk(left.rtp, 300..320).join().unwrap();
            exchange.handle.stop_recording(recording("next"), Instant::now() + Duration::from_millis(40));
            assert_eq!(exchange.wait_closed("next").state, RecordingState::Finished);
            exchange.media.shutdown();
        },
    );
}

#[test]
fn a_disk_full_from_the_start_fails_the_recording_and_the_talk_goes_on() {
    with_small_disk(
        "recording_storage::a_disk_full_from_the_start_fails_the_recording_and_the_talk_goes_on",
        |disk| {
            let mut exchange = Exchange::start(&disk.join("recordings"), &options());
            fill(&disk.join("filler"));
            let (customer, agent) = (Party::new(11), Party::new(22));
            let (left, right) = (exchange.seat(&customer), exchange.seat(&agent));
            exchange.bridge(left.id, right.id, Some("none"));
            exchange.wait("failure", failed);
            customer.talk(left.rtp, 0..50).join().unwrap();
            assert_eq!(agent.receive().len(), 50);
            exchange.handle.stop_recording(recording("none"), Instant::now());
            let closed = exchange.wait_closed("none");
            assert_eq!((closed.state, closed.sha256), (RecordingState::Failed, None));
            fs::remove_file(disk.join("filler")).unwrap();
            exchange.bridge(left.id, right.id, Some("next"));
            customer.talk(left.rtp, 50..100).join().unwrap();
            exchange.handle.stop_recording(recording("next"), Instant::now() + Duration::from_millis(40));
            assert_eq!(exchange.wait_closed("next").state, RecordingState::Finished);
            let (heard, _) = exchange.heard("next");
            assert!(find(&heard, &customer.samples(50..100)).is_some());
            exchange.media.shutdown();
        },
    );
}

#[test]
fn a_folder_left_by_a_crash_is_made_whole_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = RecordingStore::open(folder.path()).unwrap();
    let mut exchange = Exchange::start(folder.path(), &options());
    let customer = Party::new(11);
    let left = exchange.seat(&customer);
    exchange.handle.start_recording(recording("done"), left.id, Instant::now());
    exchange.handle.stop_recording(recording("done"), Instant::now() + Duration::from_millis(500));
    let closed = exchange.wait_closed("done");
    exchange.media.shutdown();
    // A recording cut in a frame, one without a whole header, and a file that is not ours.
    let whole = fs::read(store.path(&recording("done"))).unwrap();
    fs::write(store.part_path(&recording("torn")), &whole[..whole.len() - 403]).unwrap();
    fs::write(store.spans_path(&recording("torn")), "loss 10 20\nhold 30 4").unwrap();
    fs::write(store.part_path(&recording("empty")), &whole[..13]).unwrap();
    fs::write(store.part_path(&recording("alien")), b"not a recording at all, whatever its name may say")
        .unwrap();
    let (mut found, mut refused) = (Vec::new(), 0);
    for recovered in store.recover().unwrap() {
        match recovered {
            Ok(recovered) => found.push(recovered),
            Err(error) => {
                assert!(matches!(error, RecorderError::Content { .. }), "{error}");
                refused += 1;
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let [done, empty, torn] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(refused, 1);
    assert_eq!((done.repair, done.duration_ms), (None, closed.duration_ms));
    assert_eq!(Some(&done.sha256), closed.sha256.as_ref());
    assert_eq!(empty.duration_ms, 0);
    assert_eq!(torn.duration_ms, 500 - 13);
    assert_eq!(torn.repair.unwrap().lost_ms(), 13);
    assert_eq!(torn.spans.len(), 1);
    for recovered in &found {
        let expected = Expected { sha256: Some(recovered.sha256.clone()), ..Expected::default() };
        store.verify(&recovered.id, &expected).unwrap();
        store.acknowledge(&recovered.id).unwrap();
    }
    let again: Vec<_> = store.recover().unwrap().into_iter().filter_map(Result::ok).collect();
    assert_eq!(again, []);
}

#[test]
fn recording_names_cannot_leave_their_folder() {
    for hostile in
        ["", ".", "..", "../x", "a/b", "a\\b", "A", "x.wav", "%2e", "a\0", "a\n", "\u{44f}", &"a".repeat(65)]
    {
        assert!(RecordingId::new(hostile).is_err(), "{hostile:?}");
    }
    assert!(RecordingId::new("0198f0c2-7d5e-7b51-8d3c-b8a4dd5a4f3e").is_ok());
}

#[test]
fn a_recording_in_progress_is_unfinished_and_an_unknown_one_missing() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(folder.path(), &options());
    let customer = Party::new(11);
    let left = exchange.seat(&customer);
    exchange.handle.start_recording(recording("now"), left.id, Instant::now());
    let until = Instant::now() + Duration::from_secs(5);
    while !exchange.store.part_path(&recording("now")).exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
    let verify = |name| exchange.store.verify(&recording(name), &Expected::default());
    assert!(matches!(verify("now"), Err(RecorderError::Unfinished(_))));
    assert!(matches!(verify("never"), Err(RecorderError::Missing(_))));
    exchange.media.shutdown();
}
