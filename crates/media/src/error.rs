//! The crate's one error type. A peer's nonsense is no error of the relay: it becomes a
//! [`DropReason`](crate::DropReason) with a counter; these errors say why bytes were not understood.

use thiserror::Error;

/// Says why bytes could not be read as, or written to, a media format.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The bytes end before the RTP header does (RFC 3550 section 5.1).
    #[error("RTP header cut short after {len} bytes")]
    RtpTruncated {
        /// Length of the bytes given.
        len: usize,
    },
    /// The version field is not 2.
    #[error("RTP version {version}, expected 2")]
    RtpVersion {
        /// The version found.
        version: u8,
    },
    /// The padding count is zero or longer than the packet.
    #[error("RTP padding of {padding} bytes does not fit the packet")]
    RtpPadding {
        /// The padding count found.
        padding: u8,
    },
    /// The payload type lies in the range that RTCP occupies (RFC 5761 section 4).
    #[error("payload type {payload_type} is RTCP, not RTP")]
    RtcpOnRtp {
        /// The payload type found.
        payload_type: u8,
    },
    /// The header fields do not make a packet.
    #[error("RTP packet cannot be built: payload type {payload_type} is above 127")]
    RtpBuild {
        /// The payload type asked for.
        payload_type: u8,
    },
    /// The bytes are no compound RTCP packet (RFC 3550 section 6.1).
    #[error("RTCP not understood: {0}")]
    Rtcp(#[from] rtcp_types::RtcpParseError),
    /// An RTCP packet could not be built.
    #[error("RTCP cannot be built: {0}")]
    RtcpBuild(#[from] rtcp_types::RtcpWriteError),
    /// A telephone-event payload is not 4 bytes long (RFC 4733 section 2.3).
    #[error("telephone event of {len} bytes, expected 4")]
    EventLength {
        /// Length of the payload.
        len: usize,
    },
    /// The file is no WAV of ours: 16 bit, 8 or 16 kHz, stereo, PCM, one `data` chunk at byte 36.
    #[error("not a recording of this server: unexpected bytes at offset {offset}")]
    ForeignWav {
        /// Byte offset of the first field that differs.
        offset: usize,
    },
    /// The recording would pass the 4 GiB that a WAV header can name.
    #[error("recording longer than a WAV file can hold")]
    WavTooLong,
    /// A line of a span list is not `kind from_ms until_ms`.
    #[error("span list not understood in line {line}")]
    SpanLine {
        /// Line number, from 1.
        line: usize,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The WAV writer refused.
    #[error("WAV: {0}")]
    Wav(hound::Error),
}

impl From<hound::Error> for MediaError {
    fn from(error: hound::Error) -> Self {
        match error {
            hound::Error::IoError(io) => Self::Io(io),
            other => Self::Wav(other),
        }
    }
}
