//! The outline of a recording: how loud each side was in each part of it, for a picture.
//!
//! Read from the file that [`crate::wav`] writes. The work is bounded whatever the length: of a long part only the
//! beginning is looked at.

use std::io::{Read, Seek, SeekFrom};

use crate::MediaError;
use crate::codec::SampleRate;
use crate::wav::{FRAME_LEN, HEADER_LEN, Header, read_header};

/// Frames that a part is judged by at most: two and a half seconds at 8 kHz.
const LOOKED_AT_MAX: u64 = 20_000;

/// The lowest and the highest sample of a side in a part.
pub type Peak = (i16, i16);

/// How loud both sides were, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Frames of the whole recording.
    pub frames: u64,
    /// Frames per second.
    pub rate: SampleRate,
    /// The customer's peaks.
    pub customer: Vec<Peak>,
    /// The agent's peaks, as many.
    pub agent: Vec<Peak>,
}

/// Reads the outline of a recording in `parts` equal parts; a file of fewer frames has fewer.
///
/// # Errors
/// [`MediaError::ForeignWav`] when it is no recording of ours, [`MediaError::Io`] as the file says.
pub fn outline<R: Read + Seek>(file: &mut R, parts: u32) -> Result<Outline, MediaError> {
    let Header { rate, frames: named } = read_header(file)?;
    let held = file.seek(SeekFrom::End(0))?.saturating_sub(HEADER_LEN) / FRAME_LEN;
    let frames = named.min(held);
    let parts = u64::from(parts).min(frames);
    let mut outline = Outline { frames, rate, ..Outline::default() };
    let mut block = Vec::new();
    for part in 0..parts {
        let (first, end) = (frames * part / parts, frames * (part + 1) / parts);
        let looked_at = (end - first).min(LOOKED_AT_MAX);
        file.seek(SeekFrom::Start(HEADER_LEN + first * FRAME_LEN))?;
        block.resize(usize::try_from(looked_at * FRAME_LEN).unwrap_or_default(), 0);
        file.read_exact(&mut block)?;
        let (customer, agent) = peaks_of(&block);
        outline.customer.push(customer);
        outline.agent.push(agent);
    }
    Ok(outline)
}

/// Returns the peaks of both sides: of the left channel and of the right one.
fn peaks_of(block: &[u8]) -> (Peak, Peak) {
    let mut peaks = None;
    for frame in block.chunks_exact(4) {
        let [a, b, c, d] = frame else { continue };
        let (left, right) = (i16::from_le_bytes([*a, *b]), i16::from_le_bytes([*c, *d]));
        let (customer, agent) = peaks.unwrap_or(((left, left), (right, right)));
        peaks = Some((widened(customer, left), widened(agent, right)));
    }
    peaks.unwrap_or_default()
}

fn widened((low, high): Peak, sample: i16) -> Peak {
    (low.min(sample), high.max(sample))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::wav::write_header;

    fn recorded(frames: &[[i16; 2]]) -> Cursor<Vec<u8>> {
        let samples = frames.as_flattened().iter().flat_map(|sample| sample.to_le_bytes());
        let mut file = Cursor::new([vec![0; 44], samples.collect()].concat());
        write_header(&mut file, u64::try_from(frames.len()).unwrap(), SampleRate::Narrow).unwrap();
        file
    }

    #[test]
    fn each_part_has_the_lowest_and_highest_sample_of_each_side() {
        let mut file = recorded(&[[1, 10], [-5, 20], [7, -30], [0, 0], [100, 3], [-100, 4]]);
        let outline = outline(&mut file, 3).unwrap();
        assert_eq!(outline.frames, 6);
        assert_eq!(outline.customer, [(-5, 1), (0, 7), (-100, 100)]);
        assert_eq!(outline.agent, [(10, 20), (-30, 0), (3, 4)]);
    }

    #[test]
    fn parts_that_do_not_divide_the_length_cover_every_frame_once() {
        for length in 1..40_i16 {
            let frames: Vec<[i16; 2]> = (0..length).map(|at| [at, -at]).collect();
            let outline = outline(&mut recorded(&frames), 7).unwrap();
            let mut next = 0;
            for (low, high) in &outline.customer {
                assert_eq!(*low, next, "of {length} frames: {outline:?}");
                next = high + 1;
            }
            assert_eq!(next, length);
            assert_eq!(outline.customer.len(), outline.agent.len());
        }
    }

    #[test]
    fn a_file_without_frames_has_no_parts() {
        assert_eq!(outline(&mut recorded(&[]), 100).unwrap(), Outline::default());
    }

    #[test]
    fn a_header_that_names_more_than_the_file_holds_is_not_believed() {
        let mut file = recorded(&[[3, 4]; 100]);
        file.get_mut().truncate(44 + 4 * 10);
        assert_eq!(outline(&mut file, 2).unwrap().frames, 10);
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let mut file = Cursor::new(vec![7; 200]);
        assert!(matches!(outline(&mut file, 2), Err(MediaError::ForeignWav { offset: 0 })));
    }

    #[test]
    fn of_a_long_part_the_beginning_counts() {
        let mut frames = vec![[1, 1]; 25_000];
        frames[24_999] = [900, 900];
        assert_eq!(outline(&mut recorded(&frames), 1).unwrap().customer, [(1, 1)]);
        assert_eq!(outline(&mut recorded(&frames), 2).unwrap().customer, [(1, 1), (1, 900)]);
    }
}
