//! Recording files that a crash has cut anywhere, and proof of what a file is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::io::Cursor;

use linecard_media::{
    Expected, MediaError, SampleRate, Span, SpanKind, VerifyFault, WavTrack,
    wav::{FRAME_LEN, HEADER_LEN, repair, verify},
};
use proptest::prelude::*;

fn frames(count: usize) -> Vec<i16> {
    (0..count * 2).map(|n| (n % 30_000) as i16 + 1).collect()
}

/// Writes a file in blocks; returns its bytes.
fn written(blocks: &[usize]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    {
        let mut track = WavTrack::create(Borrowed(&mut bytes), SampleRate::Narrow).unwrap();
        for block in blocks {
            track.write(&frames(*block)).unwrap();
        }
        track.finish().unwrap();
    }
    bytes.into_inner()
}

struct Borrowed<'a>(&'a mut Cursor<Vec<u8>>);

impl std::io::Read for Borrowed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl std::io::Write for Borrowed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl std::io::Seek for Borrowed<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

impl linecard_media::WavFile for Borrowed<'_> {
    fn set_len(&mut self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
}

#[test]
fn a_file_is_what_hound_reads() {
    let bytes = written(&[800, 1_600]);
    let mut reader = hound::WavReader::new(Cursor::new(&bytes)).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8_000, 16));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(samples, [frames(800), frames(1_600)].concat());
}

#[test]
fn the_header_is_true_after_every_write() {
    let mut bytes = Cursor::new(Vec::new());
    let mut track = WavTrack::create(Borrowed(&mut bytes), SampleRate::Narrow).unwrap();
    track.write(&frames(4_000)).unwrap();
    assert_eq!(track.frames(), 4_000);
    std::mem::forget(track);
    let found = verify(&mut bytes, &Expected::default()).unwrap();
    assert_eq!((found.frames, found.duration_ms()), (4_000, 500));
}

#[test]
fn a_resumed_file_has_silence_where_nothing_could_be_written() {
    let bytes = written(&[1_000]);
    // A torn write beyond what was acknowledged.
    let mut file = Cursor::new([bytes.as_slice(), &[7; 1_501]].concat());
    let mut track = WavTrack::resume(Borrowed(&mut file), SampleRate::Narrow, 1_000, 3_000).unwrap();
    track.write(&frames(500)).unwrap();
    assert_eq!(track.finish().unwrap(), 3_500);
    let found = verify(&mut file, &Expected::default()).unwrap();
    assert_eq!(found.frames, 3_500);
    let gap = &file.get_ref()[bytes.len()..bytes.len() + 8_000];
    assert!(gap.iter().all(|byte| *byte == 0), "nothing is left of the torn write");
    let mut file = Cursor::new(bytes.clone());
    let track = WavTrack::resume(Borrowed(&mut file), SampleRate::Narrow, 1_000, 2_000).unwrap();
    track.finish().unwrap();
    let gap = &file.get_ref()[bytes.len()..];
    assert_eq!((gap.len(), gap.iter().all(|byte| *byte == 0)), (4_000, true));
}

#[test]
fn a_foreign_file_is_left_alone() {
    let mut bytes = written(&[100]);
    bytes[22] = 1;
    let before = bytes.clone();
    let mut file = Cursor::new(bytes);
    assert!(matches!(repair(&mut file), Err(MediaError::ForeignWav { offset: 22 })));
    assert_eq!(*file.get_ref(), before);
    assert!(repair(&mut Cursor::new(b"#!/bin/sh".to_vec())).is_err());
}

#[test]
fn verification_names_what_is_wrong() {
    let bytes = written(&[8_000]);
    let found = verify(&mut Cursor::new(&bytes), &Expected::default()).unwrap();
    assert_eq!(found.sha256.len(), 64);
    let right = Expected { duration_ms: Some(1_015), sha256: Some(found.sha256), spans: vec![] };
    assert!(verify(&mut Cursor::new(&bytes), &right).is_ok());
    let wrong = Expected { duration_ms: Some(1_100), ..right.clone() };
    assert!(matches!(verify(&mut Cursor::new(&bytes), &wrong), Err(VerifyFault::Duration { .. })));
    let mut changed = bytes.clone();
    changed[5_000] ^= 1;
    assert!(matches!(verify(&mut Cursor::new(&changed), &right), Err(VerifyFault::Checksum { .. })));
    let short = &bytes[..bytes.len() - 4];
    assert!(matches!(verify(&mut Cursor::new(short), &right), Err(VerifyFault::Header { .. })));
}

#[test]
fn a_wide_file_has_twice_the_frames_in_its_header_and_its_repair() {
    let mut bytes = Cursor::new(Vec::new());
    let mut track = WavTrack::create(Borrowed(&mut bytes), SampleRate::Wide).unwrap();
    track.write(&frames(16_000)).unwrap();
    track.finish().unwrap();
    let found = verify(&mut bytes, &Expected { duration_ms: Some(1_000), ..Expected::default() }).unwrap();
    assert_eq!((found.rate, found.frames, found.duration_ms()), (SampleRate::Wide, 16_000, 1_000));
    let reader = hound::WavReader::new(Cursor::new(bytes.get_ref())).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.duration()), (16_000, 16_000));
    bytes.get_mut().truncate(44 + 4 * 8_000 + 3);
    let repaired = repair(&mut bytes).unwrap();
    assert_eq!((repaired.duration_ms(), repaired.lost_ms(), repaired.cut_bytes), (500, 500, 3));
    let mut resumed = WavTrack::resume(Borrowed(&mut bytes), SampleRate::Wide, 8_000, 12_000).unwrap();
    resumed.write(&frames(4_000)).unwrap();
    resumed.finish().unwrap();
    assert_eq!(verify(&mut bytes, &Expected::default()).unwrap().duration_ms(), 1_000);
}

#[test]
fn sound_inside_a_masked_span_is_found_and_a_loss_may_be_concealed() {
    let mut track_bytes = Cursor::new(Vec::new());
    let mut track = WavTrack::create(Borrowed(&mut track_bytes), SampleRate::Narrow).unwrap();
    let mut samples = frames(80_000);
    samples[40_000 * 2..48_000 * 2].fill(0);
    samples[60_000 * 2..64_000 * 2].iter_mut().step_by(2).for_each(|left| *left = 0);
    track.write(&samples).unwrap();
    track.finish().unwrap();
    let mut check = |kind, from_ms, until_ms| {
        let spans = vec![Span { kind, from_ms, until_ms }];
        verify(&mut track_bytes, &Expected { spans, ..Expected::default() })
    };
    assert!(check(SpanKind::Masked, 5_000, 6_000).is_ok());
    assert!(matches!(
        check(SpanKind::Masked, 7_500, 8_000),
        Err(VerifyFault::Sound { kind: SpanKind::Masked, .. })
    ));
    assert!(matches!(check(SpanKind::Masked, 8_000, 9_000), Err(VerifyFault::Sound { at_ms: 8_001, .. })));
    assert!(check(SpanKind::Loss, 8_000, 9_000).is_ok());
    assert!(check(SpanKind::Hold, 0, 10_000).is_ok());
}

proptest! {
    /// The header is that of the last flush, the file ends at a random byte, before or after it.
    #[test]
    fn a_file_cut_at_any_byte_is_repaired_to_its_whole_frames(
        flushed in 0_usize..300, more in 0_usize..300, cut in 0.0_f64..=1.0
    ) {
        let head = written(&[flushed]);
        let full = written(&[flushed, more]);
        let mut bytes = full.clone();
        bytes[..44].copy_from_slice(&head[..44]);
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        let len = bytes.len() as u64;
        let mut file = Cursor::new(bytes);
        let done = repair(&mut file).unwrap();
        let whole = len.saturating_sub(HEADER_LEN) / FRAME_LEN;
        prop_assert_eq!(done.frames, whole);
        let named = if len < HEADER_LEN { 0 } else { flushed as u64 };
        prop_assert_eq!(done.named_frames, named);
        let kept = if len < HEADER_LEN { 0 } else { HEADER_LEN + whole * FRAME_LEN };
        prop_assert_eq!(done.cut_bytes, len - kept);
        let found = verify(&mut file, &Expected::default()).unwrap();
        prop_assert_eq!(found.frames, whole);
        let audio = &file.get_ref()[44..];
        prop_assert_eq!(audio, &full[44..44 + audio.len()]);
        prop_assert!(repair(&mut file).unwrap().is_clean());
    }

    #[test]
    fn arbitrary_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = repair(&mut Cursor::new(bytes.clone()));
        let _ = verify(&mut Cursor::new(bytes), &Expected::default());
    }
}
