//! What becomes of one direction's packets on their way to a party that does not take them as they are.
//!
//! Where sound changes its clock, whatever shares its source and times follows: telephone events, comfort noise, and what is
//! not known here (RFC 3550 section 5.1). A telephone event is as long as its own clock says (RFC 4733 section 2.3.5).

use std::borrow::Cow;

use crate::clock::ClockRate;
use crate::leg::Passage;
use crate::rtp::{PayloadKind, RtpHeader, RtpPacket};
use crate::telephone_event::TelephoneEvent;
use crate::transcode::Transcoder;

/// One direction between two parties.
#[derive(Debug, Default)]
pub struct Crossing {
    transcoder: Option<Transcoder>,
}

impl Crossing {
    /// Tells whether packets may pass as they are unless their passage says otherwise: no sound was transcoded lately.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.transcoder.is_none()
    }

    /// Makes what goes on of a packet; none where it became part of a later one.
    pub fn pass<'a>(
        &mut self,
        bytes: &'a [u8],
        kind: PayloadKind,
        passage: Passage,
    ) -> Option<Cow<'a, [u8]>> {
        let packet = RtpPacket::parse(bytes).ok()?;
        let number = match passage {
            Passage::Transcoded { from, to, number } => {
                let kept = self.transcoder.take().filter(|known| known.does(from, to));
                let transcoder = self.transcoder.insert(kept.unwrap_or_else(|| Transcoder::new(from, to)));
                return transcoder.transcode(&packet, number).map(Cow::Owned);
            }
            Passage::Untouched => packet.payload_type(),
            Passage::Renumbered { number } | Passage::Rescaled { number, .. } => number,
        };
        if let PayloadKind::Audio(_) = kind {
            self.transcoder = None;
        }
        let (merged, times) = match &mut self.transcoder {
            Some(transcoder) => (transcoder.merged(), transcoder.times()),
            None => (0, None),
        };
        let payload = match passage {
            Passage::Rescaled { from, to, .. } => rescaled(packet.payload(), from, to)?,
            Passage::Untouched | Passage::Renumbered { .. } | Passage::Transcoded { .. } => {
                if merged == 0 && times.is_none() {
                    return Some(Cow::Owned(renumbered(bytes, number)));
                }
                Cow::Borrowed(packet.payload())
            }
        };
        let timestamp =
            times.map_or(packet.timestamp(), |times| times.time(packet.ssrc(), packet.timestamp()));
        let header = RtpHeader {
            payload_type: number,
            marker: packet.marker(),
            sequence: packet.sequence().wrapping_sub(merged),
            timestamp,
            ssrc: packet.ssrc(),
        };
        header.build(&payload).ok().map(Cow::Owned)
    }
}

/// Gives a packet another payload type and leaves all else as it is.
fn renumbered(bytes: &[u8], number: u8) -> Vec<u8> {
    let mut renumbered = bytes.to_vec();
    renumbered.iter_mut().skip(1).take(1).for_each(|byte| *byte = (*byte & 0x80) | number);
    renumbered
}

/// Tells an event's length on another clock; the longest that can be told of one that is longer (RFC 4733 section 2.5.1.3).
fn rescaled(payload: &[u8], from: ClockRate, to: ClockRate) -> Option<Cow<'_, [u8]>> {
    let mut event = TelephoneEvent::parse(payload).ok()?;
    event.duration = u16::try_from(from.convert(i64::from(event.duration), to)).unwrap_or(u16::MAX);
    Some(Cow::Owned(event.to_payload().to_vec()))
}
