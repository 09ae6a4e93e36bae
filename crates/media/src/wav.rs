//! Recording files: stereo, 16 bit, 8 or 16 kHz, PCM, a header of 44 bytes that is true after every flush.
//!
//! Written by `hound`; repaired and verified here, on anything that reads, writes and seeks. Names, folders
//! and fsync belong to whoever opens the files. RIFF/WAVE as in Microsoft's Multimedia Programming Interface.

use std::io::{Read, Seek, SeekFrom, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    MediaError,
    codec::SampleRate,
    span::{Span, SpanKind},
};

/// Length of the header.
pub const HEADER_LEN: u64 = 44;
/// Bytes of one frame: two samples of 16 bits.
pub const FRAME_LEN: u64 = 4;
/// Frames that a header can name.
pub const MAX_FRAMES: u64 = (u32::MAX as u64 - HEADER_LEN) / FRAME_LEN;

fn spec(rate: SampleRate) -> WavSpec {
    let (bits_per_sample, sample_format) = (16, SampleFormat::Int);
    WavSpec { channels: 2, sample_rate: rate.hz(), bits_per_sample, sample_format }
}

/// Bytes 0 to 43 as `hound` writes them for our format at 8 kHz, both lengths zero.
const TEMPLATE: [u8; 44] =
    *b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data\0\0\0\0";

/// Bytes 0 to 43 of a file at a rate, both lengths zero.
fn template(rate: SampleRate) -> [u8; 44] {
    let mut head = TEMPLATE;
    let bytes_per_second = rate.hz() * 4;
    let rates = [rate.hz().to_le_bytes(), bytes_per_second.to_le_bytes()];
    head.iter_mut().skip(24).zip(rates.as_flattened()).for_each(|(place, byte)| *place = *byte);
    head
}

/// A file that can be cut or extended with zeros.
pub trait WavFile: Read + Write + Seek {
    /// Sets the length in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn set_len(&mut self, len: u64) -> std::io::Result<()>;
}

impl WavFile for std::io::Cursor<Vec<u8>> {
    fn set_len(&mut self, len: u64) -> std::io::Result<()> {
        let len = usize::try_from(len).map_err(std::io::Error::other)?;
        self.get_mut().resize(len, 0);
        Ok(())
    }
}

/// Samples written at a time: the writer keeps a buffer of this size as long as the recording goes on.
const PART: usize = 2_048;

/// A recording being written.
pub struct WavTrack<F: Write + Seek> {
    writer: WavWriter<F>,
    frames: u64,
}

impl<F: WavFile> WavTrack<F> {
    /// Begins a recording in an empty file.
    ///
    /// # Errors
    /// As the file says.
    pub fn create(file: F, rate: SampleRate) -> Result<Self, MediaError> {
        let mut writer = WavWriter::new(file, spec(rate))?;
        writer.flush()?;
        Ok(Self { writer, frames: 0 })
    }

    /// Continues a recording of which the first `kept` frames are good at frame `at`. Between them is silence, whatever
    /// an interrupted write has left there; most file systems store it without using space.
    ///
    /// # Errors
    /// As the file says; [`MediaError::WavTooLong`] beyond [`MAX_FRAMES`].
    pub fn resume(mut file: F, rate: SampleRate, kept: u64, at: u64) -> Result<Self, MediaError> {
        if at > MAX_FRAMES {
            return Err(MediaError::WavTooLong);
        }
        file.set_len(HEADER_LEN + kept.min(at) * FRAME_LEN)?;
        file.set_len(HEADER_LEN + at * FRAME_LEN)?;
        write_header(&mut file, at, rate)?;
        file.rewind()?;
        Ok(Self { writer: WavWriter::new_append(file)?, frames: at })
    }

    /// Writes interleaved frames and makes the header true.
    ///
    /// # Errors
    /// As the file says; [`MediaError::WavTooLong`] beyond [`MAX_FRAMES`]. After an error the track is of no
    /// more use: the file is to be resumed at [`WavTrack::frames`].
    pub fn write(&mut self, interleaved: &[i16]) -> Result<(), MediaError> {
        let frames = u64::try_from(interleaved.len() / 2).unwrap_or(u64::MAX);
        if self.frames + frames > MAX_FRAMES {
            return Err(MediaError::WavTooLong);
        }
        let whole = interleaved.get(..interleaved.len() / 2 * 2).unwrap_or_default();
        for part in whole.chunks(PART) {
            let samples = u32::try_from(part.len()).map_err(|_| MediaError::WavTooLong)?;
            let mut block = self.writer.get_i16_writer(samples);
            part.iter().for_each(|sample| block.write_sample(*sample));
            block.flush()?;
        }
        self.writer.flush()?;
        self.frames += frames;
        Ok(())
    }

    /// Returns the number of frames that are safely in the file.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// As the file says.
    pub fn finish(self) -> Result<u64, MediaError> {
        self.writer.finalize()?;
        Ok(self.frames)
    }
}

/// What a repair found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Frames per second.
    pub rate: SampleRate,
    /// Whole frames kept.
    pub frames: u64,
    /// Frames the header had named; fewer were flushed, or more were there than the file holds.
    pub named_frames: u64,
    /// Bytes of a torn frame or header that were cut off.
    pub cut_bytes: u64,
}

impl Repair {
    /// Returns the length kept, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.frames / self.rate.per_ms()
    }

    /// Returns the milliseconds that the header promised and the file does not hold.
    #[must_use]
    pub fn lost_ms(&self) -> u64 {
        self.named_frames.saturating_sub(self.frames).div_ceil(self.rate.per_ms())
    }

    /// Says that the file was sound.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.named_frames == self.frames && self.cut_bytes == 0
    }
}

/// Makes a file true that a crash has left: whole frames are kept, the header names exactly them.
///
/// # Errors
/// [`MediaError::ForeignWav`] if the header is not one of ours; else as the file says.
pub fn repair<F: WavFile>(file: &mut F) -> Result<Repair, MediaError> {
    let len = file.seek(SeekFrom::End(0))?;
    if len < HEADER_LEN {
        return restart(file, len);
    }
    let Header { rate, frames: named_frames } = read_header(file)?;
    let frames = ((len - HEADER_LEN) / FRAME_LEN).min(MAX_FRAMES);
    let whole = HEADER_LEN + frames * FRAME_LEN;
    if whole != len {
        file.set_len(whole)?;
    }
    if named_frames != frames {
        write_header(file, frames, rate)?;
    }
    Ok(Repair { rate, frames, named_frames, cut_bytes: len - whole })
}

/// A header that was never complete holds no audio.
fn restart<F: WavFile>(file: &mut F, len: u64) -> Result<Repair, MediaError> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(len).read_to_end(&mut head)?;
    let rate = rate_of(&head)?;
    file.set_len(0)?;
    file.rewind()?;
    write_header(file, 0, rate)?;
    Ok(Repair { rate, frames: 0, named_frames: 0, cut_bytes: len })
}

/// Finds the rate whose header this is, or the beginning of it, but for the two lengths.
fn rate_of(head: &[u8]) -> Result<SampleRate, MediaError> {
    let differs = |rate: SampleRate| {
        let bytes = head.iter().zip(template(rate)).enumerate();
        let mut bytes = bytes.filter(|(offset, _)| !matches!(offset, 4..8 | 40..44));
        bytes.find(|(_, (byte, wanted))| *byte != wanted).map(|(offset, _)| offset)
    };
    match (differs(SampleRate::Narrow), differs(SampleRate::Wide)) {
        (None, _) => Ok(SampleRate::Narrow),
        (_, None) => Ok(SampleRate::Wide),
        (Some(one), Some(other)) => Err(MediaError::ForeignWav { offset: one.max(other) }),
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) rate: SampleRate,
    pub(crate) frames: u64,
}

pub(crate) fn read_header<R: Read + Seek>(file: &mut R) -> Result<Header, MediaError> {
    let mut head = [0; 44];
    file.rewind()?;
    file.read_exact(&mut head)?;
    let rate = rate_of(&head)?;
    let [.., a, b, c, d] = head;
    Ok(Header { rate, frames: u64::from(u32::from_le_bytes([a, b, c, d])) / FRAME_LEN })
}

pub(crate) fn write_header<F: WavFile>(
    file: &mut F,
    frames: u64,
    rate: SampleRate,
) -> Result<(), MediaError> {
    let audio = u32::try_from(frames * FRAME_LEN).map_err(|_| MediaError::WavTooLong)?;
    let riff = audio.checked_add(36).ok_or(MediaError::WavTooLong)?;
    let template = template(rate);
    let [front, back] = [template.get(..4), template.get(8..40)].map(Option::unwrap_or_default);
    let head = [front, &riff.to_le_bytes(), back, &audio.to_le_bytes()].concat();
    file.rewind()?;
    file.write_all(&head)?;
    file.flush()?;
    Ok(())
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Frames per second.
    pub rate: SampleRate,
    /// Frames in it.
    pub frames: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Inspection {
    /// Returns the length in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.frames / self.rate.per_ms()
    }
}

/// What the ledger says a file should be; what is `None` or empty is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Length in milliseconds; 20 ms of difference are allowed.
    pub duration_ms: Option<u64>,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Marked spans: what is marked as masked has to be silent.
    pub spans: Vec<Span>,
}

/// Why a file is not what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyFault {
    /// It cannot be read as a recording.
    #[error(transparent)]
    Unreadable(#[from] MediaError),
    /// The header names another number of frames than the file holds.
    #[error("the header names {named} frames, the file holds {held}")]
    Header {
        /// Frames by the header.
        named: u64,
        /// Whole frames by the file's length.
        held: u64,
    },
    /// The length differs from the ledger's.
    #[error("{found_ms} ms long, recorded as {expected_ms} ms")]
    Duration {
        /// By the file.
        found_ms: u64,
        /// By the ledger.
        expected_ms: u64,
    },
    /// The checksum differs from the ledger's.
    #[error("checksum {found} differs from the recorded {expected}")]
    Checksum {
        /// By the file.
        found: String,
        /// By the ledger.
        expected: String,
    },
    /// A span that has to be silent is not.
    #[error("sound at {at_ms} ms inside a span marked {kind}")]
    Sound {
        /// What the span is.
        kind: SpanKind,
        /// Where the sound is.
        at_ms: u64,
    },
}

/// Length tolerance against the ledger, in milliseconds.
const TOLERANCE_MS: u64 = 20;

/// Reads a whole file and compares it with what it should be.
///
/// # Errors
/// The first [`VerifyFault`] found.
pub fn verify<R: Read + Seek>(file: &mut R, expected: &Expected) -> Result<Inspection, VerifyFault> {
    let len = file.seek(SeekFrom::End(0)).map_err(MediaError::from)?;
    let Header { rate, frames: named } = read_header(file)?;
    let held = len.saturating_sub(HEADER_LEN) / FRAME_LEN;
    if named != held || HEADER_LEN + held * FRAME_LEN != len {
        return Err(VerifyFault::Header { named, held });
    }
    let inspection = Inspection { rate, frames: held, sha256: read_all(file, rate, &expected.spans)? };
    let found_ms = inspection.duration_ms();
    if let Some(expected_ms) = expected.duration_ms.filter(|wanted| wanted.abs_diff(found_ms) > TOLERANCE_MS)
    {
        return Err(VerifyFault::Duration { found_ms, expected_ms });
    }
    match &expected.sha256 {
        Some(wanted) if *wanted != inspection.sha256 => {
            Err(VerifyFault::Checksum { found: inspection.sha256, expected: wanted.clone() })
        }
        _ => Ok(inspection),
    }
}

/// Reads a file once, for its checksum and for sound where silence is marked.
fn read_all<R: Read + Seek>(file: &mut R, rate: SampleRate, spans: &[Span]) -> Result<String, VerifyFault> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    let mut head = [0; 44];
    file.rewind().and_then(|()| file.read_exact(&mut head)).map_err(MediaError::from)?;
    hash.update(head);
    let mut frame = 0;
    loop {
        let read = read_block(file, &mut block)?;
        let bytes = block.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(bytes);
        let masked = spans.iter().filter(|span| span.kind == SpanKind::Masked);
        masked.into_iter().try_for_each(|span| check_silence(bytes, frame, rate, span))?;
        frame += u64::try_from(read).unwrap_or_default() / FRAME_LEN;
    }
}

fn read_block<R: Read>(file: &mut R, block: &mut [u8]) -> Result<usize, MediaError> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Checks the frames of one block, the first of which is `first`.
fn check_silence(bytes: &[u8], first: u64, rate: SampleRate, span: &Span) -> Result<(), VerifyFault> {
    // Spans are rounded outwards to milliseconds: one on either end may hold sound.
    let from = ((span.from_ms + 1) * rate.per_ms()).saturating_sub(first);
    let until = (span.until_ms.saturating_sub(1) * rate.per_ms()).saturating_sub(first);
    let range = |frames: u64| usize::try_from(frames).unwrap_or(usize::MAX);
    let sounds = |frame: &[u8]| frame.iter().any(|byte| *byte != 0);
    let frames = bytes.chunks_exact(4).take(range(until)).enumerate().skip(range(from));
    match frames.into_iter().find(|(_, frame)| sounds(frame)) {
        Some((at, _)) => {
            let at_ms = (first + u64::try_from(at).unwrap_or_default()) / rate.per_ms();
            Err(VerifyFault::Sound { kind: span.kind, at_ms })
        }
        None => Ok(()),
    }
}
