//! Recordings, judged sample by sample against what was said.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use linecard_media::g711::decode_alaw;

use crate::sound::{FRAME, Noise};

/// Samples that tell one frame from all others.
const MARK: usize = 12;
/// How many frames of a stream its recording may have lost at its start and still be told from the others.
const FIRST: usize = 50;

/// What was found in all recordings of a run.
#[derive(Debug, Default, Clone)]
pub struct Judged {
    /// Recordings.
    pub files: usize,
    /// Sides of recordings in which a stream was found.
    pub sides: usize,
    /// Samples that were said and compared.
    pub samples: usize,
    /// Of them, those that differ or are missing.
    pub wrong: usize,
    /// Frames missing before the first that is there.
    pub clipped: usize,
}

/// Judges every recording below a folder. `sent` tells how many frames of a stream were said.
///
/// # Errors
/// When a file cannot be read.
pub fn judge(folder: &Path, noise: &Noise, streams: usize, sent: impl Fn(usize) -> usize) -> Result<Judged> {
    let marks = marks(noise, streams);
    let mut judged = Judged::default();
    for path in files(folder)? {
        let mut reader = hound::WavReader::open(&path).with_context(|| path.display().to_string())?;
        ensure!(reader.spec().channels == 2, "{} is not stereo", path.display());
        let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
        judged.files += 1;
        for side in 0..2 {
            let side: Vec<i16> = samples.iter().skip(side).step_by(2).copied().collect();
            judge_side(&side, noise, &marks, &sent, &mut judged);
        }
    }
    Ok(judged)
}

type Marks = HashMap<[i16; MARK], (usize, usize)>;

fn marks(noise: &Noise, streams: usize) -> Marks {
    let all = (0..streams).flat_map(|stream| (0..FIRST).map(move |number| (stream, number)));
    all.map(|(stream, number)| (mark(noise.frame(stream, number)), (stream, number))).collect()
}

fn mark(frame: &[u8]) -> [i16; MARK] {
    let mut mark = [0; MARK];
    for (place, byte) in mark.iter_mut().zip(frame) {
        *place = decode_alaw(*byte);
    }
    mark
}

fn judge_side(
    side: &[i16],
    noise: &Noise,
    marks: &Marks,
    sent: &impl Fn(usize) -> usize,
    judged: &mut Judged,
) {
    let found = side.windows(MARK).enumerate().find_map(|(at, window)| {
        let window: [i16; MARK] = window.try_into().ok()?;
        marks.get(&window).map(|(stream, number)| (at, *stream, *number))
    });
    let Some((at, stream, first)) = found else { return };
    judged.sides += 1;
    judged.clipped += first;
    let said =
        (first..sent(stream)).flat_map(|number| noise.frame(stream, number)).map(|byte| decode_alaw(*byte));
    let rest = side.get(at..).unwrap_or_default();
    let count = sent(stream).saturating_sub(first) * FRAME;
    let same = said.zip(rest).filter(|(said, kept)| said == *kept).count();
    judged.samples += count;
    judged.wrong += count - same;
}

/// Every finished recording below a folder.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "wav") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::sound::Sound;

    #[test]
    fn a_sample_that_differs_and_a_frame_that_is_missing_are_found() {
        let sound = Sound::open(Ipv4Addr::LOCALHOST).expect("sockets");
        let (noise, marks) = (sound.noise(), marks(sound.noise(), 2));
        let said = |from: usize| {
            let frames = (from..10).flat_map(|number| noise.frame(1, number)).map(|byte| decode_alaw(*byte));
            std::iter::repeat_n(0, 37).chain(frames).collect::<Vec<i16>>()
        };
        let judge = |side: &[i16]| {
            let mut judged = Judged::default();
            judge_side(side, noise, &marks, &|_| 10, &mut judged);
            (judged.sides, judged.samples, judged.wrong, judged.clipped)
        };
        assert_eq!(judge(&said(0)), (1, 1_600, 0, 0));
        assert_eq!(judge(&said(2)), (1, 1_280, 0, 2));
        let mut torn = said(0);
        if let Some(sample) = torn.get_mut(37 + 800) {
            *sample = sample.wrapping_add(1);
        }
        assert_eq!(judge(&torn), (1, 1_600, 1, 0));
        assert_eq!(judge(&[0; 4_000]), (0, 0, 0, 0));
    }
}
