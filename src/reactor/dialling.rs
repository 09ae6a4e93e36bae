//! Calls that users ask for: the wish itself, the INVITE to the one who is called, one codec for both legs, tones.

use std::time::Instant;

use linecard_calls::{
    CallId, CallView, DeviceAddress, DialRequest, DialStanding, Input, LegId, LineId, Party, Tone,
};
use linecard_media::{Law, ProgressTone, ToneStream};
use linecard_sip::invite::DialogHandle;
use linecard_sip::sdp::{Audio, Codec};
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
        let mut route = self.parts.directory.route_to(Some(order.user));
        route.devices.retain(|device| matches!(device.address, DeviceAddress::Sip { .. }));
        if route.devices.is_empty() {
            return Err(Refusal::NoDevice);
        }
        if self.parts.directory.line(order.line).is_none() {
            return Err(Refusal::NoSuchLine);
        }
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
        let call = self.parts.engine.call_of(leg).and_then(|call| self.parts.engine.call(call));
        call.ok_or(Refusal::NoSuchCall)
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

    /// The one who is called rings; what sounds before the answer is passed on when the agent's device takes it.
    pub(super) fn progressed(&mut self, handle: DialogHandle, status: u16, sdp: Option<&[u8]>) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        self.engine(Input::LegProgressed { leg, status });
        let Some(known) = self.legs.get_mut(leg).filter(|known| known.party == Party::Customer) else {
            return;
        };
        let heard = sdp.and_then(|sdp| known.hear(sdp));
        let agent = self.agent_beside(leg).and_then(|(_, agent)| agent);
        if let (Some(callee), Some(agent)) = (heard, agent)
            && can_hear(&agent, &callee)
        {
            self.tell_remote(leg);
            self.engine(Input::EarlyMedia { leg });
        }
    }

    /// The agent's leg of the call that `leg` belongs to, and what its device said.
    fn agent_beside(&self, leg: LegId) -> Option<(LegId, Option<Audio>)> {
        let call = self.legs.get(leg)?.call?;
        let mut legs = self.legs.of_call(call).filter(|(_, leg)| leg.party == Party::Agent);
        // Devices that were cancelled have said nothing.
        let answered = legs.find(|(_, leg)| leg.description.is_some())?;
        Some((answered.0, answered.1.audio()))
    }

    /// The one who is called answered: the two are connected once both speak the same codec.
    pub(super) fn callee_answered(&mut self, leg: LegId) {
        self.tell_remote(leg);
        let callee = self.legs.get(leg).and_then(|leg| leg.audio());
        let (Some(callee), Some((agent, heard))) = (callee, self.agent_beside(leg)) else {
            return self.engine(Input::LegAnswered { leg });
        };
        if heard.is_some_and(|heard| speak_alike(&heard, &callee)) {
            return self.engine(Input::LegAnswered { leg });
        }
        if self.reoffer(agent, &callee) {
            self.reoffers.insert(agent, leg);
        } else {
            self.no_common_codec(leg);
        }
    }

    /// Offers the agent's device what the called one speaks.
    fn reoffer(&mut self, agent: LegId, callee: &Audio) -> bool {
        let told = self.parts.settings.external_address;
        let Some(known) = self.legs.get_mut(agent) else { return false };
        let local = known.media.as_ref().and_then(|media| passing_on(media, Some(callee), told));
        let Some(local) = local else { return false };
        let offer = known.session.offer(&local).to_bytes();
        let handle = known.handle;
        self.parts.agent.reinvite(handle, &offer, Instant::now()).is_ok()
    }

    /// The agent's device answered, or refused (`None`), the offer of the called one's codec.
    pub(super) fn reoffer_answered(&mut self, agent: LegId, callee_leg: LegId, sdp: Option<&[u8]>) {
        let heard = match (self.legs.get_mut(agent), sdp) {
            (Some(known), Some(sdp)) => known.hear(sdp),
            _ => None,
        };
        let callee = self.legs.get(callee_leg).and_then(|leg| leg.audio());
        match (heard, callee) {
            (Some(heard), Some(callee)) if speak_alike(&heard, &callee) => {
                self.tell_remote(agent);
                self.engine(Input::LegAnswered { leg: callee_leg });
            }
            _ => self.no_common_codec(callee_leg),
        }
    }

    fn no_common_codec(&mut self, callee: LegId) {
        tracing::warn!(leg = %callee, "the agent's device and the called one share no codec");
        let reason = crate::translate::hang_up_reason(linecard_calls::HangUpReason::System);
        self.on_dialog(callee, |agent, handle| agent.bye(handle, Some(&reason), Instant::now()));
        self.engine(Input::LegRejected { leg: callee, status: 488, reasons: Vec::new() });
    }

    /// Lets a leg's party hear a tone in its own codec.
    pub(super) fn play_tone(&self, id: LegId, tone: Tone) {
        let Some(leg) = self.legs.get(id) else { return };
        let codec = leg.audio().and_then(|audio| audio.codecs.into_iter().find(Codec::is_g711));
        let (Some(media), Some(codec)) = (leg.media, codec) else { return };
        let law = if codec.encodes_like(&Codec::pcma()) { Law::A } else { Law::Mu };
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
        self.parts.media.play(media.id, ToneStream::new(table, tone, law, codec.payload_type, ssrc));
    }
}

/// Tells whether what the agent's device sends can be played by the called one's, and the other way round: packets are
/// passed on as they are.
fn speak_alike(agent: &Audio, callee: &Audio) -> bool {
    let (agent, callee) = (spoken(agent), spoken(callee));
    !agent.is_empty() && agent.first() == callee.first() && agent.iter().all(|codec| callee.contains(codec))
}

/// Tells whether the agent's device can play whatever the called one's side sends.
fn can_hear(agent: &Audio, callee: &Audio) -> bool {
    let (agent, callee) = (spoken(agent), spoken(callee));
    !callee.is_empty() && callee.iter().all(|codec| agent.contains(codec))
}

/// The payload types of G.711 in their order, and whether each is A-law.
fn spoken(audio: &Audio) -> Vec<(u8, bool)> {
    let g711 = audio.codecs.iter().filter(|codec| codec.is_g711());
    g711.map(|codec| (codec.payload_type, codec.encodes_like(&Codec::pcma()))).collect()
}

#[cfg(test)]
mod tests {
    use linecard_sip::sdp::{SessionDescription, audio_of};

    use super::*;

    fn audio(formats: &str) -> Audio {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n"
        );
        audio_of(&SessionDescription::parse(text.as_bytes()).expect("a description")).expect("audio")
    }

    #[test]
    fn legs_speak_alike_when_neither_may_send_what_the_other_cannot_play() {
        for (agent, callee, alike) in [
            ("8", "8", true),
            ("8", "8 0", true),
            ("0", "8", false),
            ("8 0", "8", false),
            ("8", "0 8", false),
            ("0 8", "0 8", true),
            ("9", "9", false),
        ] {
            assert_eq!(speak_alike(&audio(agent), &audio(callee)), alike, "{agent} and {callee}");
        }
        for (agent, callee, heard) in
            [("8 0", "8", true), ("8", "8 0", false), ("8", "0", false), ("8", "9", false)]
        {
            assert_eq!(can_hear(&audio(agent), &audio(callee)), heard, "{agent} and {callee}");
        }
    }
}
