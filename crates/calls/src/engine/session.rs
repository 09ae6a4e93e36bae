//! Recording sessions (RFC 7866): a call that goes on elsewhere is recorded here while the recording client sends it.

use super::Engine;
use super::call::{Call, Feed, RecordingStage};
use super::outbox::{Outbox, RecordingOwner};
use crate::effect::Effect;
use crate::id::{CallId, LegId, RecordingId, SightingId};
use crate::io::{EngineConfig, RecordingPolicy};
use crate::recorded::SessionTold;
use crate::sighting::Side;
use crate::signal::{EndCause, SignalBody, Source};

impl Engine {
    /// Returns the call of which a part is seen.
    #[must_use]
    pub fn call_seen_by(&self, sighting: SightingId) -> Option<CallId> {
        self.out.sightings.get(&sighting).copied()
    }

    /// Returns on which side an extension of a PBX is seen to take part in a call, by others than these.
    #[must_use]
    pub fn side_seen(&self, extension: &str, server: &str, but: &[SightingId]) -> Option<Side> {
        let calls = self.calls.values().filter(|call| call.is_live());
        let legs = calls.flat_map(|call| call.watch.live().map(|(_, leg)| leg));
        let mut sides = legs.filter(|leg| leg.extension == extension && leg.server == server);
        let only = sides.next().filter(|leg| !leg.is_seen_only_by(but))?;
        sides.next().is_none().then_some(only.side)
    }

    /// A recording client tells of a call: of the one that its session belongs to, else of the one that it saw.
    pub(super) fn session_told(&mut self, told: SessionTold, seen: Option<SightingId>) {
        let known = self.out.legs.get(&told.leg).copied();
        let Some(id) = known.or_else(|| self.call_seen_by(seen?)) else { return };
        let config = self.config;
        self.on_call(id, |call, out| call.session_told(told, &config, out));
    }

    pub(super) fn session_over(&mut self, leg: LegId, by: EndCause) {
        let config = self.config;
        self.on_leg(leg, |call, out| call.session_over(leg, by, &config, out));
    }
}

impl Call {
    fn session_told(&mut self, told: SessionTold, config: &EngineConfig, out: &mut Outbox) {
        let leg = told.leg;
        let news = !self.sessions.contains(&leg);
        if !self.is_live() || !(news || self.has_room()) {
            return;
        }
        let written = self.record(Source::Siprec, SignalBody::SessionTold(told), out);
        if news {
            out.legs.insert(leg, self.id);
            self.sessions.push(leg);
            out.effect_after(Effect::AcceptSession { call: self.id, leg }, written);
            self.tape(config, |effect, out| out.effect_after(effect, written), out);
            self.follow(out);
        }
    }

    /// Records what the first session of the call sends, unless the talk is recorded already or runs through this server.
    fn tape(&mut self, config: &EngineConfig, give: impl FnOnce(Effect, &mut Outbox), out: &mut Outbox) {
        let free = matches!(self.recording, RecordingStage::Nothing | RecordingStage::Done);
        let Some(leg) = self.sessions.first().copied() else { return };
        if !free || !self.is_watched() || config.recording != RecordingPolicy::All {
            return;
        }
        let recording: RecordingId = out.ids.make(out.at);
        let (interaction, user) = (self.opening.interaction(), self.user());
        out.recordings.insert(recording, RecordingOwner { call: self.id, interaction, user });
        self.recording = RecordingStage::Open(recording, Feed::Session(leg));
        give(Effect::RecordSession { recording, call: self.id, leg }, out);
    }

    fn session_over(&mut self, leg: LegId, by: EndCause, config: &EngineConfig, out: &mut Outbox) {
        out.legs.remove(&leg);
        self.sessions.retain(|known| *known != leg);
        if !self.is_live() {
            return;
        }
        self.record(Source::Siprec, SignalBody::SessionOver { leg, by }, out);
        if let RecordingStage::Open(recording, Feed::Session(feeds)) = self.recording
            && feeds == leg
        {
            out.effect(Effect::CloseRecording { recording });
            self.recording = if self.sessions.is_empty() {
                RecordingStage::Closing(recording)
            } else {
                RecordingStage::Done
            };
            self.tape(config, |effect, out| out.effect(effect), out);
        }
        self.follow(out);
    }
}
