//! Answers to the offers of recording sessions (RFC 7866 section 7): several streams that a recording client sends and
//! that are only received here.

use super::audio::{Audio, Codec, Direction, audios_of};
use super::description::{Attribute, Media, SessionDescription};
use super::exchange::{LocalAudio, LocalSession, NotAcceptable, accepted};

/// A stream of an offer that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStream {
    /// Which `m=` line it is.
    pub index: usize,
    /// What is received there.
    pub local: LocalAudio,
    /// What the recording client is told of the recording.
    pub awareness: Awareness,
}

/// Whether a stream is recorded, as the recording client is told (`a=record`, RFC 7866 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awareness {
    /// It is.
    On,
    /// It is not: nothing is to be recorded here.
    Off,
    /// It will be again when the client sends.
    Paused,
}

impl Awareness {
    fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Paused => "paused",
        }
    }
}

/// Lists the audio streams of an offer that could be received, by what `local` would take; each with its label.
///
/// # Errors
/// Why none of them can.
pub fn receivable(offer: &SessionDescription, local: &LocalAudio) -> Result<Vec<Audio>, NotAcceptable> {
    let open: Vec<Audio> = audios_of(offer).into_iter().filter(|audio| audio.port != 0).collect();
    let taken: Vec<Audio> = open.into_iter().filter(|audio| local.accepts(audio).is_some()).collect();
    if taken.is_empty() {
        // The usual judgement says why.
        LocalSession::new(0).judge(offer, local)?;
    }
    Ok(taken)
}

/// Returns the label of a stream (RFC 4574).
#[must_use]
pub fn label_of(offer: &SessionDescription, index: usize) -> Option<String> {
    offer.media.get(index)?.attribute("label")?.text().map(|label| label.trim().to_owned())
}

impl LocalSession {
    /// Answers an offer: the given streams are received, all others get port 0.
    ///
    /// # Errors
    /// When no stream is given that is offered so that it can be taken; our last description then still holds.
    pub fn answer_recorded(
        &mut self,
        offer: &SessionDescription,
        streams: &[RecordedStream],
    ) -> Result<SessionDescription, NotAcceptable> {
        let mut media: Vec<Media> = offer.media.iter().map(Media::rejected).collect();
        let mut first = None;
        for offered in audios_of(offer) {
            let Some(stream) = streams.iter().find(|stream| stream.index == offered.index) else { continue };
            let Some(codecs) = stream.local.accepts(&offered) else { continue };
            if let Some(place) = media.get_mut(offered.index) {
                *place = received(offer, &offered, &codecs, stream);
                first = first.or(Some((stream.local.address, offered.index)));
            }
        }
        let (address, index) = first.ok_or(NotAcceptable::NoAudio)?;
        let times = offer.lines.iter().filter(|line| line.letter == b't').cloned().collect();
        Ok(self.publish(address, times, media, index))
    }
}

fn received(offer: &SessionDescription, offered: &Audio, codecs: &[Codec], stream: &RecordedStream) -> Media {
    let direction = Direction::ReceiveOnly.answering(offered.direction);
    let mut media = accepted(offer, offered, codecs, &stream.local, direction);
    if let Some(label) = label_of(offer, offered.index) {
        media.attributes.push(Attribute::with("label", label));
    }
    media.attributes.push(Attribute::with("record", stream.awareness.as_str()));
    media
}
