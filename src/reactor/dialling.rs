//! Calls that users ask for: the wish itself, the INVITE to the one who is called, one codec for both legs, tones.

use std::time::Instant;

use linecard_calls::{
    CallId, CallView, Callee, CalleeKind, DialRequest, DialStanding, Input, LegId, LineId, Party, Tone,
};
use linecard_media::{PayloadMap, ProgressTone, ToneStream};
use linecard_sip::invite::DialogHandle;
use linecard_sip::sdp::{Audio, LocalSession};
use linecard_sip::ua::CallerId;
use linecard_web::port::{DialOrder, Refusal};

use super::effects::Placing;
use super::legs::passing_on;
use super::{Course, Reactor};
use crate::clock::wall_clock;

impl Reactor {
    /// Takes a user's wish for a call; a second one for the same number is the same call.
    pub(super) fn dial_ordered(&mut self, order: DialOrder) -> Result<CallView, Refusal> {
        if self.course != Course::Running {
            return Err(Refusal::Stopping);
        }
        match self.parts.engine.dial_standing(order.user, &order.callee.number) {
            DialStanding::Free => {}
            DialStanding::Underway(view) => return Ok(*view),
            DialStanding::InCall(_) => return Err(Refusal::InAnotherCall),
        }
        let route = self.ringing_route(order.user);
        if route.devices.is_empty() {
            let has_phone = self.parts.directory.phones().any(|phone| phone.user == order.user);
            return Err(if has_phone { Refusal::PhoneAbsent } else { Refusal::NoDevice });
        }
        if self.parts.directory.line(order.line).is_none() {
            return Err(Refusal::NoSuchLine);
        }
        if !self.has_room_for(&order.callee) {
            return Err(Refusal::NoRoom);
        }
        let places = [self.place_of_devices(order.line, &route), self.place_through(order.line)];
        let media = self.parts.media.open_pair(places).map_err(|error| {
            tracing::error!(%error, "no RTP ports for a call");
            Refusal::NoPorts
        })?;
        let at = wall_clock();
        let leg = self.parts.engine.make_leg(at);
        let request = DialRequest {
            leg,
            interaction: self.parts.engine.make_interaction(at),
            line: order.line,
            user: order.user,
            callee: order.callee,
            caller_id: order.caller_id,
        };
        self.engine(Input::DialRequested { request, route, contact: order.contact });
        let call = self.parts.engine.call_of(leg);
        match call {
            Some(call) => self.legs.reserve(call, media),
            None => media.iter().for_each(|leg| self.parts.media.close_leg(leg.id, Instant::now())),
        }
        let call = call.and_then(|call| self.parts.engine.call(call));
        call.ok_or(Refusal::NoSuchCall)
    }

    /// Tells whether a call to somebody can be relayed. Who calls for help is not sent away: such numbers belong to no
    /// numbering plan.
    pub(super) fn has_room_for(&self, callee: &Callee) -> bool {
        callee.kind == CalleeKind::Special || self.parts.media.has_room()
    }

    /// Sends the INVITE to the one who is called, in the codec that the agent's device speaks first.
    pub(super) fn dial_callee(
        &mut self,
        leg: LegId,
        call: CallId,
        line: LineId,
        dialled: &str,
        caller_id: Option<&str>,
    ) {
        let agent = self.legs.of_call(call).filter(|(_, leg)| leg.party == Party::Agent);
        let agent = agent.filter_map(|(_, leg)| leg.audio()).next();
        let placed =
            self.parts.directory.extension_at(line, dialled).ok_or(404).and_then(|(target, route)| {
                let shown =
                    caller_id.and_then(|number| self.parts.directory.asserted_identity(line, number, None));
                let placing = Placing {
                    target,
                    route,
                    caller: CallerId { display: None, user: None },
                    headers: shown.into_iter().collect(),
                    like: agent,
                    party: Party::Customer,
                };
                self.place(leg, call, placing)
            });
        if let Err(status) = placed {
            self.engine(Input::LegRejected { leg, status, reasons: Vec::new() });
        }
    }

    /// The one who is called rings; what sounds before the answer is passed on to the agent's device.
    pub(super) fn progressed(&mut self, handle: DialogHandle, status: u16, sdp: Option<&[u8]>) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        self.engine(Input::LegProgressed { leg, status });
        let Some(known) = self.legs.get_mut(leg).filter(|known| known.party == Party::Customer) else {
            return;
        };
        let heard = sdp.and_then(|sdp| known.hear(sdp)).map(|_| known.formats());
        let heard = heard.is_some_and(|formats| formats.codecs().next().is_some());
        if heard && self.agent_beside(leg).is_some() {
            self.tell_remote(leg);
            self.engine(Input::EarlyMedia { leg });
        }
    }

    /// The agent's leg of the call that `leg` belongs to, and what is agreed on with its device.
    fn agent_beside(&self, leg: LegId) -> Option<(LegId, PayloadMap)> {
        let call = self.legs.get(leg)?.call?;
        let mut legs = self.legs.of_call(call).filter(|(_, leg)| leg.party == Party::Agent);
        // Devices that were cancelled have said nothing.
        let answered = legs.find(|(_, leg)| leg.description.is_some())?;
        Some((answered.0, answered.1.formats()))
    }

    /// The one who is called answered: the agent's device is asked to speak the same codec before the two are connected.
    pub(super) fn callee_answered(&mut self, leg: LegId) {
        self.tell_remote(leg);
        let callee = self.legs.get(leg).map(|leg| (leg.audio(), leg.formats()));
        if let (Some((Some(callee), formats)), Some((agent, heard))) = (callee, self.agent_beside(leg))
            && !speak_alike(&heard, &formats)
            && let Some(before) = self.reoffer(agent, &callee)
        {
            self.reoffers.insert(agent, Reoffer { callee: leg, before });
            return;
        }
        self.engine(Input::LegAnswered { leg });
    }

    /// Offers the agent's device what the called one speaks; returns what held before.
    fn reoffer(&mut self, agent: LegId, callee: &Audio) -> Option<LocalSession> {
        let known = self.legs.get_mut(agent)?;
        let local = known.media.as_ref().and_then(|media| passing_on(media, Some(callee)))?;
        let before = known.session.clone();
        let offer = known.session.offer(&local).to_bytes();
        if self.parts.agent.reinvite(known.handle, &offer, Instant::now()).is_err() {
            known.session.take_back(before);
            return None;
        }
        Some(before)
    }

    /// The agent's device answered, or refused (`None`), the offer of the called one's codec. One that keeps to its own
    /// is transcoded.
    pub(super) fn reoffer_answered(&mut self, agent: LegId, reoffer: Reoffer, sdp: Option<&[u8]>) {
        let Reoffer { callee, before } = reoffer;
        if let Some(known) = self.legs.get_mut(agent) {
            match sdp.and_then(|sdp| known.hear(sdp)) {
                Some(_) => self.tell_remote(agent),
                None => known.session.take_back(before),
            }
        }
        self.engine(Input::LegAnswered { leg: callee });
    }

    /// Lets a leg's party hear a tone in its own codec.
    pub(super) fn play_tone(&self, id: LegId, tone: Tone) {
        let Some(leg) = self.legs.get(id) else { return };
        let codec = leg.formats().codecs().next();
        let (Some(media), Some((number, codec))) = (leg.media, codec) else { return };
        let [.., a, b, c, d] = *id.as_uuid().as_bytes();
        let tone = match tone {
            Tone::Ringback => ProgressTone::Ringback,
            Tone::Busy => ProgressTone::Busy,
            Tone::Congestion => ProgressTone::Congestion,
            Tone::Hold => ProgressTone::Hold,
        };
        if matches!(tone, ProgressTone::Busy | ProgressTone::Congestion) {
            // What still comes from the called side would end the tone.
            self.parts.media.unbridge(media.id);
        }
        let table = &self.parts.settings.tones;
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        self.parts.media.play(media.id, ToneStream::new(table, tone, codec, number, ssrc));
    }
}

/// An offer to the agent's device that is not answered yet.
#[derive(Debug)]
pub(super) struct Reoffer {
    /// The leg of the called one, which waits for it.
    callee: LegId,
    /// What this end had agreed on with the device.
    before: LocalSession,
}

/// Tells whether what the agent's device sends can be played by the called one's, and the other way round, as it is.
fn speak_alike(agent: &PayloadMap, callee: &PayloadMap) -> bool {
    let [agent, callee] = [agent, callee].map(|map| map.codecs().map(|(_, codec)| codec).collect::<Vec<_>>());
    !agent.is_empty() && agent.first() == callee.first() && agent.iter().all(|codec| callee.contains(codec))
}

#[cfg(test)]
mod tests {
    use linecard_media::PayloadKind;

    use super::*;

    fn agreed(numbers: &[u8]) -> PayloadMap {
        let known = PayloadMap::default();
        PayloadMap::new(numbers.iter().map(|number| (*number, known.kind(*number))))
    }

    #[test]
    fn legs_speak_alike_when_neither_may_send_what_the_other_cannot_play() {
        for (agent, callee, alike) in [
            (&[8][..], &[8][..], true),
            (&[8], &[8, 0], true),
            (&[0], &[8], false),
            (&[8, 0], &[8], false),
            (&[8], &[0, 8], false),
            (&[0, 8], &[0, 8], true),
            (&[9], &[9, 8], true),
            (&[9], &[8], false),
            (&[18], &[18], false),
        ] {
            assert_eq!(speak_alike(&agreed(agent), &agreed(callee)), alike, "{agent:?} and {callee:?}");
        }
        let other_number = PayloadMap::new([(97, PayloadKind::Audio(linecard_media::AudioCodec::Pcma))]);
        assert!(speak_alike(&other_number, &agreed(&[8])), "the relay gives each its own number");
    }
}
