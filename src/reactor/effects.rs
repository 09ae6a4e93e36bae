//! Carrying out what the engine wants: SIP requests, orders to the media, questions to the store.

use std::time::{Duration, Instant};

use linecard_calls::{
    CallId, Caller, DeviceAddress, Effect, HangUpReason, Input, LegId, LineId, Party, Pickup, RecordingId,
    RoutedDevice, SignalId,
};
use linecard_sip::message::{Header, HeaderName, ReasonValue};
use linecard_sip::sdp::{Audio, Direction, LocalAudio, LocalSession, NotAcceptable};
use linecard_sip::ua::{self, CallerId, CommandRefused, DialogHandle, OutgoingInvite, UserAgent};
use linecard_sip::uri::{Uri, escape_user};

use super::legs::{Leg, passing_on};
use super::mappings::Held;
use super::redirecting::Placed;
use super::talking::OtherDialled;
use super::{Answer, Reactor};
use crate::clock::wall_clock;
use crate::media::{Bridge, MediaHandle, OpenLeg, Telling};
use crate::{recorder, translate};

/// How long the contacts may take before the pop says that they are unavailable.
const LOOKUP_WITHIN: Duration = Duration::from_secs(2);

impl Reactor {
    /// Carries an effect out, once the signal it rests on is durable.
    pub(super) fn perform_after(&mut self, effect: Effect, after: Option<SignalId>) {
        let (Some(signal), Some(call)) = (after, self.call_of(&effect)) else {
            return self.perform(effect);
        };
        if let Some(effect) = self.gate.hold(effect, signal, call, Instant::now()) {
            self.perform(effect);
        }
    }

    fn call_of(&self, effect: &Effect) -> Option<CallId> {
        match effect {
            Effect::FindRoute { call, .. }
            | Effect::FindContact { call, .. }
            | Effect::DialDevice { call, .. }
            | Effect::DialCallee { call, .. }
            | Effect::DialOther { call, .. }
            | Effect::OpenRecording { call, .. }
            | Effect::RingAlong { call, .. }
            | Effect::AcceptSession { call, .. }
            | Effect::RecordSession { call, .. }
            | Effect::ReleaseMedia { call } => Some(*call),
            Effect::RingBack { leg }
            | Effect::CancelLeg { leg }
            | Effect::AnswerLeg { leg }
            | Effect::AnswerEarly { leg }
            | Effect::RejectLeg { leg, .. }
            | Effect::HangUpLeg { leg, .. }
            | Effect::HangUpDialog { leg, .. }
            | Effect::HoldLeg { leg }
            | Effect::RetrieveLeg { leg }
            | Effect::TellReferrer { leg, .. }
            | Effect::NameParty { leg, .. }
            | Effect::ReleaseLeg { leg }
            | Effect::UnbridgeMedia { leg }
            | Effect::StopTone { leg }
            | Effect::PlayTone { leg, .. }
            | Effect::BridgeMedia { customer: leg, .. } => self.legs.get(*leg).and_then(|leg| leg.call),
            Effect::CloseRecording { .. } | Effect::BeginSpan { .. } | Effect::EndSpan { .. } => None,
        }
    }

    /// Carries an effect out now. A leg that is gone meanwhile makes it void.
    pub(super) fn perform(&mut self, effect: Effect) {
        let (now, at) = (Instant::now(), self.told_at);
        match effect {
            Effect::FindRoute { call, line } => {
                let route = self.route_to(self.parts.directory.user_of(line));
                self.engine(Input::RouteFound { call, route });
            }
            Effect::FindContact { call, number } => self.find_contact(call, number),
            Effect::RingBack { leg } => {
                self.on_dialog(leg, |agent, handle| agent.ring(handle, 180, None, now))
            }
            Effect::RingAlong { sighting, .. } => self.ring_along(sighting),
            Effect::AcceptSession { leg, .. } => self.accept_session(leg),
            Effect::RecordSession { recording, leg, .. } => self.record_session(recording, leg),
            Effect::DialDevice { leg, call, line, device, caller, pickup } => {
                self.dial(Dialled { leg, call, line, device: &device, caller: &caller, pickup });
            }
            Effect::DialCallee { leg, call, line, dialled, caller_id } => {
                self.dial_callee(leg, call, line, &dialled, caller_id.as_deref());
            }
            Effect::CancelLeg { leg } => self.cancel(leg, now),
            Effect::AnswerLeg { leg } | Effect::AnswerEarly { leg } => self.answer_when_mapped(leg, effect),
            Effect::RejectLeg { leg, status } => {
                self.on_dialog(leg, |agent, handle| agent.reject(handle, status, None, now));
            }
            Effect::HangUpLeg { leg, reason } => {
                let reason = translate::hang_up_reason(reason);
                self.on_dialog(leg, |agent, handle| agent.bye(handle, Some(&reason), now));
            }
            Effect::HangUpDialog { dialog, .. } => self.hang_up_dialog(&dialog),
            Effect::DialOther { leg, call, line, dialled, replaces, caller } => {
                self.dial_other(leg, call, OtherDialled { line, dialled, replaces, caller });
            }
            Effect::HoldLeg { leg } => self.say(leg, Direction::SendOnly),
            Effect::RetrieveLeg { leg } => self.say(leg, Direction::SendReceive),
            Effect::NameParty { leg, line, party } => self.name_party(leg, line, &party),
            Effect::TellReferrer { leg, status } => self.tell_referrer(leg, status),
            Effect::BridgeMedia { customer, agent } => self.bridge(customer, agent),
            Effect::UnbridgeMedia { leg } => self.on_media(leg, |media, id| media.unbridge(id)),
            Effect::PlayTone { leg, tone } => self.play_tone(leg, tone),
            Effect::StopTone { leg } => self.on_media(leg, |media, id| media.hush(id)),
            Effect::OpenRecording { recording, call } => self.open_recording(recording, call),
            Effect::CloseRecording { recording } => {
                self.on_file(recording, |media, id| media.stop_recording(id, at));
            }
            Effect::BeginSpan { recording, kind } => {
                self.on_file(recording, |media, id| media.begin_span(id, translate::span_kind(kind), at));
            }
            Effect::EndSpan { recording, kind } => {
                self.on_file(recording, |media, id| media.end_span(id, translate::span_kind(kind), at));
            }
            Effect::ReleaseLeg { leg } => self.on_media(leg, |media, id| media.close_leg(id, at)),
            Effect::ReleaseMedia { call } => self.release_media(call),
        }
    }

    fn release_media(&mut self, call: CallId) {
        let reserved = self.legs.release_reserved(call).into_iter().chain(self.held_ports(call));
        for media in self.legs.of_call(call).filter_map(|(_, leg)| leg.media).chain(reserved) {
            self.parts.media.close_leg(media.id, self.told_at);
        }
        self.releasing.push_back(call);
        self.parts.media.tell_when_done();
    }

    fn on_file(&self, recording: RecordingId, act: impl FnOnce(&MediaHandle, recorder::RecordingId)) {
        if let Some(id) = file_id(recording) {
            act(&self.parts.media, id);
        }
    }

    fn on_media(&self, leg: LegId, act: impl FnOnce(&MediaHandle, crate::media::LegId)) {
        if let Some(media) = self.legs.get(leg).and_then(|leg| leg.media) {
            act(&self.parts.media, media.id);
        }
    }

    /// Gives a leg up that was dialled; one that is answered meanwhile is hung up.
    fn cancel(&mut self, id: LegId, now: Instant) {
        if self.take_back(id) {
            return;
        }
        let Some(leg) = self.legs.get(id) else { return };
        let reason = (leg.party == Party::Agent).then(elsewhere);
        self.on_dialog(id, |agent, handle| {
            agent.cancel(handle, reason.as_ref(), now).or_else(|_| {
                agent.bye(handle, Some(&translate::hang_up_reason(HangUpReason::Requested)), now)
            })
        });
    }

    pub(super) fn on_dialog(
        &mut self,
        leg: LegId,
        act: impl FnOnce(&mut UserAgent, DialogHandle) -> Result<(), CommandRefused>,
    ) {
        let Some(handle) = self.legs.get(leg).map(|leg| leg.handle) else { return };
        if let Err(error) = act(&mut self.parts.agent, handle) {
            tracing::debug!(%leg, %error, "a leg took no command any more");
        }
    }

    fn find_contact(&self, call: CallId, number: String) {
        let asked = self.parts.dial_plan.number(&number);
        let (store, answers) = (self.parts.store.clone(), self.answers.clone());
        let user = self.parts.engine.call(call).and_then(|view| view.user_id);
        tokio::spawn(async move {
            let found =
                tokio::time::timeout(LOOKUP_WITHIN, store.candidates(&asked, user, wall_clock())).await;
            let candidates = match found {
                Ok(Ok(candidates)) => Some(candidates),
                Ok(Err(error)) => {
                    tracing::warn!(%call, %error, "the contacts could not be read");
                    None
                }
                Err(_) => None,
            };
            let _ = answers.send(Answer::Contacts { call, number, candidates });
        });
    }

    fn dial(&mut self, dialled: Dialled<'_>) {
        let leg = dialled.leg;
        if let Err(status) = self.try_dial(dialled) {
            self.engine(Input::LegRejected { leg, status, reasons: Vec::new() });
        }
    }

    /// Sends the INVITE to a device, or says with which status it counts as refused.
    fn try_dial(&mut self, dialled: Dialled<'_>) -> Result<(), u16> {
        let Dialled { leg, call, line, device, caller, pickup } = dialled;
        let (target, route) = match &device.address {
            DeviceAddress::Sip { uri } => self.parts.directory.target(line, uri).ok_or(404_u16)?,
            DeviceAddress::Phone { contact } => {
                let contact = contact.as_ref().ok_or(480_u16)?;
                self.phone_target(device.device, contact).ok_or(480_u16)?
            }
            // The softphone in the browser is not part of this version: such a device is simply not there.
            DeviceAddress::Browser {} => return Err(480),
        };
        let (number, display) = (caller.number.as_deref(), caller.display.as_deref());
        let asserted =
            number.and_then(|number| self.parts.directory.asserted_identity(line, number, display));
        let mut headers: Vec<Header> = asserted.into_iter().collect();
        if pickup == Pickup::ByItself {
            headers.extend(picks_up_by_itself(&target));
        }
        let customer = self.legs.customer_of(call).and_then(|(_, customer)| customer.agreed());
        let display = caller.display.clone().or_else(|| caller.dialled.clone());
        // A telephone that is here calls a number back by its own list of calls.
        let is_here = matches!(route, ua::Route::Phone(_));
        let user = caller.number.as_deref().filter(|_| is_here).map(escape_user);
        let caller = CallerId { display, user };
        self.place(leg, call, Placing { target, route, caller, headers, like: customer, party: Party::Agent })
    }

    /// Sends an INVITE with an offer of its own, or says with which status it counts as refused.
    pub(super) fn place(&mut self, leg: LegId, call: CallId, placing: Placing) -> Result<(), u16> {
        let place = self.place_towards(&placing.route, &placing.target);
        let media = self.ports_at(call, place).map_err(|error| {
            tracing::error!(%error, "no RTP ports for a leg");
            503_u16
        })?;
        if media.telling == Telling::Asked {
            self.held.push(Held::Invite { leg, call, placing: Box::new(placing), media });
            return Ok(());
        }
        self.place_over(media, leg, call, placing)
    }

    /// Sends an INVITE whose sound is to come to these ports.
    pub(super) fn place_over(
        &mut self,
        media: OpenLeg,
        leg: LegId,
        call: CallId,
        placing: Placing,
    ) -> Result<(), u16> {
        let Placing { target, route, caller, mut headers, like, party } = placing;
        let now = Instant::now();
        let mut session = LocalSession::new(wall_clock().0.unsigned_abs());
        // First what the other party speaks, so that transcoding is the last resort.
        let local = passing_on(&media, like.as_ref()).map(LocalAudio::with_others);
        let offer = local.map(|local| session.offer(&local).to_bytes()).ok_or(488_u16);
        let customer = self.legs.customer_of(call).map(|(_, customer)| customer);
        let handed_over = customer.into_iter().flat_map(|customer| customer.handed_over.clone());
        headers.extend(handed_over.map(|value| Header { name: HeaderName::UserToUser, value }));
        let any = || self.legs.of_call(call).next().map(|(_, leg)| leg);
        let beside = customer.or_else(any).map(|leg| leg.handle);
        let invite =
            offer.map(|offer| OutgoingInvite { target, route, caller, headers, offer: Some(offer), beside });
        let placed = invite.and_then(|invite| {
            let sent = self.parts.agent.invite(invite.clone(), now).map_err(|error| {
                tracing::warn!(%error, "a leg could not be dialled");
                503_u16
            });
            Ok((sent?, Placed::new(invite)))
        });
        match placed {
            Ok((handle, invite)) => {
                let new = Leg::new(handle, party, session, Some(media), now);
                let new = Leg { call: Some(call), placed: Some(invite), ..new };
                self.legs.add(leg, new);
                Ok(())
            }
            Err(status) => {
                self.parts.media.close_leg(media.id, now);
                Err(status)
            }
        }
    }

    /// Answers a leg once it is known how its ports are seen.
    fn answer_when_mapped(&mut self, leg: LegId, effect: Effect) {
        match self.hold_answer(leg, effect) {
            Some(Effect::AnswerLeg { leg }) => self.answer(leg),
            Some(Effect::AnswerEarly { leg }) => self.answer_early(leg),
            _ => {}
        }
    }

    /// Sends 200 to the customer with what the agent's device said, so that payloads pass untouched; and to a device that
    /// dialled, with what the called one said.
    fn answer(&mut self, leg: LegId) {
        let Some((handle, description)) = self.own_description(leg) else { return };
        let now = Instant::now();
        match description {
            Ok(description) => match self.parts.agent.accept(handle, &description, now) {
                Ok(()) => {
                    self.tell_remote(leg);
                    self.engine(Input::LegAnswered { leg });
                }
                Err(error) => tracing::debug!(%error, "the customer is gone at the moment of the answer"),
            },
            Err(error) => {
                tracing::warn!(%error, "customer and agent share no codec");
                let _ = self.parts.agent.reject(handle, 488, None, now);
            }
        }
    }

    /// Lets a device that dialled hear what sounds before the answer.
    fn answer_early(&mut self, leg: LegId) {
        let Some((handle, Ok(description))) = self.own_description(leg) else { return };
        match self.parts.agent.ring(handle, 183, Some(&description), Instant::now()) {
            Ok(()) => self.tell_remote(leg),
            Err(error) => tracing::debug!(%error, "a device that dialled is gone"),
        }
    }

    /// Describes our media to a party that called, with what the other one said.
    fn own_description(&mut self, leg: LegId) -> Option<(DialogHandle, Result<Vec<u8>, NotAcceptable>)> {
        let known = self.legs.get(leg)?;
        let (call, party) = (known.call?, known.party);
        let others = self.legs.of_call(call).filter(|(_, other)| other.party != party);
        let other_audio = others.filter_map(|(_, other)| other.audio()).next();
        let known = self.legs.get_mut(leg)?;
        let local = passing_on(known.media.as_ref()?, other_audio.as_ref())?;
        let description = match known.description.clone() {
            Some(offer) => known.answer_to(&offer, &local),
            None => Ok(known.session.offer(&local)),
        };
        Some((known.handle, description.map(|description| description.to_bytes())))
    }

    /// Tells the relay where a leg's party is.
    pub(super) fn tell_remote(&self, leg: LegId) {
        let Some(leg) = self.legs.get(leg) else { return };
        if let (Some(media), Some(remote)) = (&leg.media, leg.remote()) {
            self.parts.media.set_remote(media.id, remote);
        }
    }

    fn bridge(&mut self, customer: LegId, agent: LegId) {
        for (leg, beside) in [(customer, agent), (agent, customer)] {
            if let Some(leg) = self.legs.get_mut(leg) {
                leg.beside = Some(beside);
            }
        }
        let media = |leg: LegId| self.legs.get(leg).and_then(|leg| leg.media);
        if let (Some(customer), Some(agent)) = (media(customer), media(agent)) {
            let at = self.told_at;
            self.parts.media.bridge(Bridge { customer: customer.id, agent: agent.id, recording: None, at });
        }
    }

    fn open_recording(&mut self, recording: RecordingId, call: CallId) {
        let customer = self.legs.customer_of(call).and_then(|(_, leg)| leg.media);
        let (Some(customer), Some(id)) = (customer, file_id(recording)) else {
            let why = "the customer's leg is gone".to_owned();
            return self.engine(Input::RecordingFailed { recording, why });
        };
        self.parts.media.start_recording(id, customer.id, self.told_at);
        self.engine(Input::RecordingOpened { recording, path: format!("{recording}.wav") });
    }

    fn hang_up_dialog(&mut self, dialog: &serde_json::Value) {
        let Some(record) = translate::dialog_of_json(dialog) else {
            tracing::error!("a dialog of the ledger cannot be read; its peer gets no BYE");
            return;
        };
        let reason = translate::hang_up_reason(HangUpReason::System);
        if let Err(error) = self.parts.agent.restore_and_bye(&record, &reason, Instant::now()) {
            tracing::error!(%error, "a dialog of an earlier run cannot be ended");
        }
    }
}

/// A device that is to ring.
#[derive(Clone, Copy)]
struct Dialled<'a> {
    leg: LegId,
    call: CallId,
    line: LineId,
    device: &'a RoutedDevice,
    caller: &'a Caller,
    pickup: Pickup,
}

/// An INVITE to be sent.
pub(super) struct Placing {
    pub(super) target: Uri,
    pub(super) route: ua::Route,
    pub(super) caller: CallerId,
    pub(super) headers: Vec<Header>,
    /// What the other leg speaks, to be offered first.
    pub(super) like: Option<Audio>,
    pub(super) party: Party,
}

/// The headers by which phones answer without a hand: Call-Info as Broadsoft, Snom and Grandstream read it, Alert-Info
/// as Polycom and Yealink do, Answer-Mode of RFC 5373. What a phone does not know it rings on.
fn picks_up_by_itself(target: &Uri) -> [Header; 3] {
    let host = target.as_sip().map_or_else(|| "localhost".to_owned(), |uri| uri.host.to_string());
    let header =
        |name: &str, value: String| Header { name: HeaderName::from(name), value: value.into_bytes() };
    [
        header("Call-Info", format!("<sip:{host}>;answer-after=0")),
        header("Alert-Info", format!("<sip:{host}>;info=alert-autoanswer;delay=0")),
        header("Answer-Mode", "Auto".to_owned()),
    ]
}

/// Returns a recording's name as a file.
pub(super) fn file_id(recording: RecordingId) -> Option<recorder::RecordingId> {
    recorder::RecordingId::new(recording.to_string()).ok()
}

fn elsewhere() -> ReasonValue {
    let text = Some("Call completed elsewhere".to_owned());
    ReasonValue { protocol: "SIP".to_owned(), cause: Some(200), text }
}
