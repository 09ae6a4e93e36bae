//! What the relay and the recorder tell: sound that flows or is gone, how it was heard, what became of recordings.

use std::time::Instant;

use linecard_calls::{AlarmKind, CallId, Input, LegId};
use linecard_media::LegQuality;

use super::Reactor;
use super::legs::Sound;
use crate::clock::wall_clock;
use crate::media::MediaEvent;
use crate::recorder::RecordingEvent;
use crate::translate;

impl Reactor {
    pub(super) fn media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Flowing { leg } if self.session_sounds(leg, Sound::Flowing) => {}
            MediaEvent::Flowing { leg } => {
                if let Some(leg) = self.legs.of_media(leg).and_then(|id| self.legs.get_mut(id)) {
                    leg.sound = Sound::Flowing;
                }
            }
            MediaEvent::Lost { leg, .. }
                if self.session_sounds(leg, Sound::Silent { asked_at: Instant::now() }) => {}
            MediaEvent::Lost { leg, silent_ms } => {
                let Some(leg) = self.legs.of_media(leg).and_then(|id| self.legs.get_mut(id)) else { return };
                tracing::info!(silent_ms, "a leg is silent; its dialog is asked");
                let now = Instant::now();
                leg.sound = Sound::Silent { asked_at: now };
                let handle = leg.handle;
                let _ = self.parts.agent.send_options(handle, now);
            }
            MediaEvent::Mapped { leg, mapped } => self.mapped(leg, mapped),
            MediaEvent::Measured { leg, quality } => {
                if let Some(measured) = self.measured(leg, &quality) {
                    self.engine(measured.into());
                }
            }
            MediaEvent::LegClosed { leg, totals } => {
                self.tally.leg_closed(&totals);
                if let Some(measured) = self.measured(leg, &totals.quality) {
                    self.tally.leg_heard(measured.call, &measured.quality);
                    self.engine(measured.into());
                }
            }
            MediaEvent::Done => {
                if let Some(call) = self.releasing.pop_front() {
                    self.engine(Input::MediaReleased { call });
                }
            }
            MediaEvent::Recording(event) => self.recording_event(event),
            MediaEvent::Broken { part } => {
                tracing::error!(
                    ?part,
                    "a thread of the media path has ended; stopping so that a restart mends it"
                );
                self.drain();
            }
        }
    }

    /// Says which leg of the ledger was heard how; one without sound was not.
    fn measured(&self, media: crate::media::LegId, quality: &LegQuality) -> Option<Measured> {
        let leg = self.legs.of_media(media)?;
        let call = self.legs.get(leg)?.call?;
        let heard = quality.received.is_some() || quality.sent.is_some();
        let quality = heard.then(|| translate::leg_quality(quality, (Instant::now(), wall_clock())))?;
        Some(Measured { call, leg, quality: Box::new(quality) })
    }

    fn recording_event(&mut self, event: RecordingEvent) {
        match event {
            RecordingEvent::Closed(closed) => {
                if let Ok(id) = closed.id.as_str().parse() {
                    self.engine(translate::recording_closed(id, &closed));
                }
            }
            RecordingEvent::Failed { id, why } => {
                tracing::error!(recording = %id, %why, "a recording cannot be written; the talk goes on");
                self.alarm(AlarmKind::RecordingFailed, Some(id.to_string()), &why);
            }
            RecordingEvent::Resumed { id } => {
                tracing::info!(recording = %id, "a recording is written again");
                self.clear_alarm(AlarmKind::RecordingFailed, Some(id.to_string()), "it is written again");
            }
        }
    }
}

/// How a leg was heard.
struct Measured {
    call: CallId,
    leg: LegId,
    quality: Box<linecard_calls::LegQuality>,
}

impl From<Measured> for Input {
    fn from(Measured { call, leg, quality }: Measured) -> Self {
        Self::LegMeasured { call, leg, quality }
    }
}
