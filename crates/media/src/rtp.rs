//! A checked view of an RTP packet, and what its payload type means on a leg.
//!
//! Reading is done by `rtp-rs`; this adds the refusal of RTCP on the RTP port (RFC 5761 section 4) and the
//! meaning of payload types (RFC 3551 section 6, RFC 3389, RFC 4733). It does not interpret payloads.

use rtp_rs::{RtpPacketBuilder, RtpReader, RtpReaderError};

use crate::MediaError;
use crate::clock::ClockRate;
use crate::codec::AudioCodec;

/// A packet whose header has been checked: fixed part, CSRC list, extension and padding all lie inside it.
pub struct RtpPacket<'a> {
    reader: RtpReader<'a>,
}

impl<'a> RtpPacket<'a> {
    /// Checks the header.
    ///
    /// # Errors
    /// The `Rtp*` variants of [`MediaError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MediaError> {
        let reader = RtpReader::new(bytes).map_err(|error| match error {
            RtpReaderError::BufferTooShort(len) => MediaError::RtpTruncated { len },
            RtpReaderError::UnsupportedVersion(version) => MediaError::RtpVersion { version },
            RtpReaderError::HeadersTruncated { buffer_len, .. } => {
                MediaError::RtpTruncated { len: buffer_len }
            }
            RtpReaderError::PaddingLengthInvalid(padding) => MediaError::RtpPadding { padding },
        })?;
        let payload_type = reader.payload_type();
        // RFC 5761 section 4: RTCP types 200 to 204 look like these payload types.
        if (72..=76).contains(&payload_type) {
            return Err(MediaError::RtcpOnRtp { payload_type });
        }
        Ok(Self { reader })
    }

    /// Returns the sequence number.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        self.reader.sequence_number().into()
    }

    /// Returns the RTP timestamp, in ticks of the clock of its payload type.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        self.reader.timestamp()
    }

    /// Returns the synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.reader.ssrc()
    }

    /// Returns the payload type, 0 to 127.
    #[must_use]
    pub fn payload_type(&self) -> u8 {
        self.reader.payload_type()
    }

    /// Returns the marker bit: the first packet of a talkspurt or of an event.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.reader.mark()
    }

    /// Returns the payload without padding.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.reader.payload()
    }
}

impl std::fmt::Debug for RtpPacket<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtpPacket")
            .field("payload_type", &self.payload_type())
            .field("sequence", &self.sequence())
            .field("timestamp", &self.timestamp())
            .field("ssrc", &self.ssrc())
            .field("payload_len", &self.payload().len())
            .finish()
    }
}

/// The fields of a packet to be built: no CSRC, extension or padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in ticks of the payload type's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Builds a packet, for generators and tests: the relay itself writes none.
    ///
    /// # Errors
    /// [`MediaError::RtpBuild`] if the payload type is above 127.
    pub fn build(&self, payload: &[u8]) -> Result<Vec<u8>, MediaError> {
        RtpPacketBuilder::new()
            .payload_type(self.payload_type)
            .marked(self.marker)
            .sequence(self.sequence.into())
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .payload(payload)
            .build()
            .map_err(|_| MediaError::RtpBuild { payload_type: self.payload_type })
    }
}

/// Static payload type of mu-law (RFC 3551 table 4).
pub const PCMU: u8 = 0;
/// Static payload type of A-law (RFC 3551 table 4).
pub const PCMA: u8 = 8;
/// Static payload type of G.722 (RFC 3551 table 4).
pub const G722: u8 = 9;
/// Static payload type of comfort noise (RFC 3389 section 4).
pub const COMFORT_NOISE: u8 = 13;

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Audio in a codec that is understood here.
    Audio(AudioCodec),
    /// Comfort noise: the sender is silent until its next audio packet.
    ComfortNoise,
    /// A telephone event: a key, not audio. It is as long as its clock says, and lies where the clock of the sound says that
    /// it shares source and times with (RFC 4733 section 2.1).
    TelephoneEvent(ClockRate),
    /// Something that is relayed but cannot be recorded.
    Other,
}

/// Formats that a party can have agreed on at most: more have no meaning here.
const MAX_FORMATS: usize = 8;

/// What each payload type means on one leg: what was agreed, in the party's order, else the static types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadMap {
    agreed: [Option<(u8, PayloadKind)>; MAX_FORMATS],
}

impl PayloadMap {
    /// Makes a map of what was agreed, best first; what has no place any more is left out.
    #[must_use]
    pub fn new(formats: impl IntoIterator<Item = (u8, PayloadKind)>) -> Self {
        let mut map = Self::default();
        map.agreed.iter_mut().zip(formats).for_each(|(place, format)| *place = Some(format));
        map
    }

    /// Returns what a payload type carries.
    #[must_use]
    pub fn kind(&self, payload_type: u8) -> PayloadKind {
        let agreed = self.formats().find(|(number, _)| *number == payload_type);
        match (agreed, payload_type) {
            (Some((_, kind)), _) => kind,
            (None, PCMU) => PayloadKind::Audio(AudioCodec::Pcmu),
            (None, PCMA) => PayloadKind::Audio(AudioCodec::Pcma),
            (None, G722) => PayloadKind::Audio(AudioCodec::G722),
            (None, COMFORT_NOISE) => PayloadKind::ComfortNoise,
            (None, _) => PayloadKind::Other,
        }
    }

    /// Returns the number that was agreed on for something.
    #[must_use]
    pub fn number_of(&self, kind: PayloadKind) -> Option<u8> {
        self.formats().find(|(_, known)| *known == kind).map(|(number, _)| number)
    }

    /// Returns the audio codecs that were agreed on, best first, with their numbers.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, AudioCodec)> {
        self.formats().filter_map(|(number, kind)| AudioCodec::of(kind).map(|codec| (number, codec)))
    }

    /// Returns the telephone events that go with the first codec: those of its clock, else any.
    #[must_use]
    pub fn events(&self) -> Option<(u8, ClockRate)> {
        let clock = self.clock();
        let mut events = self.formats().filter_map(|(number, kind)| match kind {
            PayloadKind::TelephoneEvent(clock) => Some((number, clock)),
            PayloadKind::Audio(_) | PayloadKind::ComfortNoise | PayloadKind::Other => None,
        });
        let first = events.clone().next();
        events.find(|(_, of)| *of == clock).or(first)
    }

    /// Returns the clock of the first codec.
    #[must_use]
    pub fn clock(&self) -> ClockRate {
        self.codecs().next().map(|(_, codec)| codec.clock()).unwrap_or_default()
    }

    fn formats(&self) -> impl Iterator<Item = (u8, PayloadKind)> + Clone {
        self.agreed.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_built_packet_reads_back() {
        let header = RtpHeader { payload_type: 8, marker: true, sequence: 65_535, timestamp: 7, ssrc: 9 };
        let bytes = header.build(&[1, 2, 3]).unwrap();
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((packet.payload_type(), packet.marker()), (8, true));
        assert_eq!((packet.sequence(), packet.timestamp(), packet.ssrc()), (65_535, 7, 9));
        assert_eq!(packet.payload(), [1, 2, 3]);
    }

    #[test]
    fn rtcp_on_the_rtp_port_is_no_rtp_packet() {
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        report.resize(12, 0);
        assert!(matches!(RtpPacket::parse(&report), Err(MediaError::RtcpOnRtp { payload_type: 73 })));
    }

    #[test]
    fn what_was_agreed_wins_over_the_static_types() {
        let map = PayloadMap::new([
            (9, PayloadKind::TelephoneEvent(ClockRate::Hz8000)),
            (97, PayloadKind::Audio(AudioCodec::Pcma)),
        ]);
        assert_eq!(map.kind(9), PayloadKind::TelephoneEvent(ClockRate::Hz8000));
        assert_eq!(map.kind(97), PayloadKind::Audio(AudioCodec::Pcma));
        assert_eq!(map.kind(0), PayloadKind::Audio(AudioCodec::Pcmu));
        assert_eq!(map.kind(13), PayloadKind::ComfortNoise);
        assert_eq!(map.kind(96), PayloadKind::Other);
        assert_eq!(map.number_of(PayloadKind::Audio(AudioCodec::Pcma)), Some(97));
        assert_eq!(map.codecs().collect::<Vec<_>>(), [(97, AudioCodec::Pcma)]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.payload().len() + 12 <= bytes.len());
            }
        }

        #[test]
        fn bytes_that_look_like_rtp_never_panic(
            first in 0x80_u8..0xc0, mut bytes in proptest::collection::vec(any::<u8>(), 1..120)
        ) {
            if let Some(byte) = bytes.first_mut() { *byte = first; }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.payload().len() + 12 <= bytes.len());
            }
        }
    }
}
