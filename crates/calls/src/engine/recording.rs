//! What the recorder tells of recordings, also of those whose call is over and forgotten.

use super::Engine;
use super::outbox::RecordingOwner;
use crate::event::{AlarmKind, AlarmView, Event, RecordingView};
use crate::id::RecordingId;
use crate::signal::{RecordingClosed, RecordingState, SignalBody, Source};

impl Engine {
    pub(super) fn recording_opened(&mut self, recording: RecordingId, path: String) {
        let Some(owner) = self.out.recordings.get(&recording).copied() else {
            return;
        };
        let body = SignalBody::RecordingOpened { recording, path };
        if self.calls.contains_key(&owner.call) {
            self.on_call(owner.call, |call, out| {
                call.record(Source::Media, body, out);
            });
        } else {
            self.amend(owner.call, Source::Media, body);
        }
        let view = recording_view(recording, owner, RecordingState::Recording);
        self.out.publish(Event::RecordingStarted(view));
    }

    pub(super) fn recording_closed(&mut self, closed: RecordingClosed) {
        let (recording, state) = (closed.recording, closed.state);
        match state {
            RecordingState::Finished | RecordingState::Repaired => self.clear_recording_alarm(),
            _ => self.raise_recording_alarm(recording, "a recording is incomplete"),
        }
        self.recording_over(recording, state, SignalBody::RecordingClosed(closed));
    }

    pub(super) fn recording_failed(&mut self, recording: RecordingId, why: String) {
        self.raise_recording_alarm(recording, &why);
        let body = SignalBody::RecordingFailed { recording, why };
        self.recording_over(recording, RecordingState::Failed, body);
    }

    fn recording_over(&mut self, recording: RecordingId, state: RecordingState, body: SignalBody) {
        let Some(owner) = self.out.recordings.remove(&recording) else {
            return;
        };
        self.out.publish(Event::RecordingFinished(recording_view(recording, owner, state)));
        if self.calls.contains_key(&owner.call) {
            self.on_call(owner.call, |call, out| call.recording_done(recording, body, out));
        } else {
            self.amend(owner.call, Source::Media, body);
        }
    }

    fn raise_recording_alarm(&mut self, recording: RecordingId, text: &str) {
        if self.out.recordings.contains_key(&recording) && self.out.recording_alarm.is_none() {
            let subject = Some(recording.to_string());
            let alarm = AlarmView { alarm: AlarmKind::RecordingFailed, subject, text: text.to_owned() };
            self.out.recording_alarm = Some(alarm.clone());
            self.out.publish(Event::AlarmRaised(alarm));
        }
    }

    fn clear_recording_alarm(&mut self) {
        if let Some(alarm) = self.out.recording_alarm.take() {
            self.out.publish(Event::AlarmCleared(alarm));
        }
    }
}

fn recording_view(recording: RecordingId, owner: RecordingOwner, state: RecordingState) -> RecordingView {
    RecordingView {
        recording_id: recording,
        interaction_id: owner.interaction,
        call_id: owner.call,
        user_id: owner.user,
        state,
    }
}
