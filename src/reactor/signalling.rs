//! What SIP events do: to the table of legs, to the relay, and as inputs to the engine.

use std::time::Instant;

use linecard_calls::{EndCause, Input, LegId, MediaFault, Offer, Party, SightingEnd};
use linecard_sip::invite::DialogHandle;
use linecard_sip::message::Request;
use linecard_sip::sdp::{LocalSession, NotAcceptable};
use linecard_sip::transport::Flow;
use linecard_sip::ua::{Event, Inviter, LineId as SipLineId, ReinviteAnswer};
use linecard_store::lines::{Line, LineMode};

use super::legs::{Leg, passing_on};
use super::{Course, Reactor};
use crate::clock::wall_clock;
use crate::translate;

impl Reactor {
    /// Takes in one event of the user agent.
    pub(super) fn sip_event(&mut self, event: Event) {
        match event {
            Event::RegistrationChanged { line, state } => self.registration_changed(&line, &state),
            Event::Unresolved { host } => self.unresolved(&host),
            Event::SubscriptionChanged { handle, state } => self.subscription_changed(handle, &state),
            Event::Notified { handle, body } => self.dialogs_told(handle, &body),
            Event::InviteReceived { handle, offer, replaces: Some(replaced), flow, .. } => {
                self.replacement_invited(handle, replaced, offer.as_deref(), flow);
            }
            Event::KeyPressed { handle, key } => self.key_pressed(handle, key),
            Event::Referred { handle, target, replaces } => self.referred(handle, &target, replaces),
            Event::ReferralTold { handle, told } => self.referral_told(handle, told),
            Event::PhoneChanged { phone, bindings } => self.phone_changed(&phone, &bindings),
            Event::GuesserLocked { source, username } => self.guesser_locked(source, &username),
            Event::InviteReceived { handle, by: Inviter::Phone(phone), request, offer, flow, .. } => {
                self.phone_dials(handle, &phone, &request, (offer, flow));
            }
            Event::InviteReceived { handle, by: Inviter::Line(line), request, offer, flow, .. } => {
                self.invite_received(handle, &line, &request, offer.as_deref(), flow);
            }
            Event::PeerNamed { handle, identity } => self.peer_named(handle, &identity),
            Event::Cancelled { handle, reasons } => {
                let reasons = translate::reasons(&reasons);
                self.phone_dials.remove(&handle);
                if !self.shadow_over(handle, SightingEnd::Cancelled, reasons.clone())
                    && !self.session_over(handle, EndCause::Remote, SightingEnd::Cancelled)
                {
                    self.on_leg(handle, |leg| Some(Input::LegCancelled { leg, reasons }));
                }
            }
            Event::Progress { handle, status, sdp, .. } => self.progressed(handle, status, sdp.as_deref()),
            Event::Answered { handle, sdp, .. } => self.leg_answered(handle, sdp.as_deref()),
            Event::Rejected { handle, status, reasons, redirects, .. } => {
                let reasons = translate::reasons(&reasons);
                if !self.follow(handle, status, redirects) {
                    self.on_leg(handle, |leg| Some(Input::LegRejected { leg, status, reasons }));
                }
            }
            Event::StrayAnswerReleased { handle, .. } => {
                self.on_leg(handle, |leg| Some(Input::LegRejected { leg, status: 487, reasons: Vec::new() }));
            }
            Event::Confirmed { handle, sdp } => self.confirmed(handle, sdp.as_deref()),
            Event::MetadataReceived { handle, document } => self.metadata_received(handle, document),
            Event::ServerAsked { line, status } => self.recorder_asked(&line, status),
            Event::ReinviteReceived { handle, offer } => self.offered_anew(handle, offer.as_deref()),
            Event::Ended { handle, cause } => {
                self.phone_dials.remove(&handle);
                if !self.shadow_over(handle, SightingEnd::Untold, Vec::new())
                    && !self.session_ended(handle, &cause)
                {
                    self.on_leg(handle, |leg| translate::leg_ended(leg, &cause));
                }
            }
            Event::DialogUpdated { handle } => self.dialog_updated(handle),
            Event::Released { call_id, status } => {
                tracing::info!(%call_id, ?status, "a dialog of an earlier run is ended");
            }
            Event::Suspicious { flow, why, count } => {
                tracing::debug!(remote = %flow.remote, ?why, count, "dropped what no known peer sent");
            }
            Event::ShutDown => self.course = Course::Gone,
            Event::ReinviteAnswered { handle, sdp } => self.change_answered(handle, Ok(sdp.as_deref())),
            Event::ReinviteRejected { handle, status } => self.change_answered(handle, Err(status)),
            // A live dialog needs no answer to its OPTIONS.
            Event::OptionsAnswered { .. } | Event::OptionsUnanswered { .. } => {}
        }
    }

    fn offered_anew(&mut self, handle: DialogHandle, offer: Option<&[u8]>) {
        if !self.session_reoffered(handle, offer) {
            self.reinvited(handle, offer);
        }
    }

    /// Writes a dialog down, so that a later process can end it.
    fn dialog_updated(&mut self, handle: DialogHandle) {
        let leg = self.session_leg(handle).or_else(|| self.legs.of_handle(handle));
        if let (Some(leg), Some(record)) = (leg, self.parts.agent.dialog_record(handle)) {
            let dialog = translate::dialog_to_json(record);
            self.engine(Input::DialogChanged { leg, dialog });
        }
    }

    fn on_leg(&mut self, handle: DialogHandle, input: impl FnOnce(LegId) -> Option<Input>) {
        if let Some(input) = self.legs.of_handle(handle).and_then(input) {
            self.engine(input);
        }
    }

    fn invite_received(
        &mut self,
        handle: DialogHandle,
        line: &SipLineId,
        request: &Request,
        offer: Option<&[u8]>,
        flow: Flow,
    ) {
        let known = line.as_str().parse().ok().and_then(|id| self.parts.directory.line(id)).cloned();
        let (Some(line), Course::Running) = (known, self.course) else {
            let _ = self.parts.agent.reject(handle, 503, None, Instant::now());
            return;
        };
        if self.parts.test_calls.take(line.id, request) {
            // The doctor's own: no call of anybody, and this ends no other fork.
            let _ = self.parts.agent.reject(handle, 480, None, Instant::now());
            return;
        }
        match line.account.mode {
            LineMode::Shadow => self.shadow_invited(handle, &line, request),
            LineMode::Siprec => self.session_invited(handle, &line, request, offer, flow),
            LineMode::Anchor | LineMode::DialogInfo => {
                self.customer_invited(handle, &line, request, offer, flow);
            }
        }
    }

    /// A customer calls a line that runs through this server.
    fn customer_invited(
        &mut self,
        handle: DialogHandle,
        line: &Line,
        request: &Request,
        offer: Option<&[u8]>,
        flow: Flow,
    ) {
        let sip_line = &SipLineId::new(&line.id.to_string());
        let (now, at) = (Instant::now(), wall_clock());
        let (line_id, user, username) = (line.id, line.account.user_id, line.account.username.clone());
        let leg = self.parts.engine.make_leg(at);
        // With the ports of the first device that will ring: a call has both or is refused.
        let route = self.route_to(user);
        let places = [
            self.behind_nat(self.parts.settings.places.towards(Some(flow.remote.ip())), sip_line),
            self.place_of_devices(line_id, &route),
        ];
        let media = match self.parts.media.has_room() {
            true => self.parts.media.open_pair(places).map_err(|error| {
                tracing::error!(%error, "no RTP ports for a call; widen media.port_min and media.port_max");
                MediaFault::NoPort
            }),
            false => Err(MediaFault::NoRoom),
        };
        let own = media.as_ref().ok().map(|[own, _]| *own);
        let mut new = Leg::offered(handle, LocalSession::new(at.0.unsigned_abs()), own, flow, now);
        let handed_over = request.headers.user_to_user();
        new.handed_over = handed_over.iter().map(|value| value.raw.clone()).collect();
        let refused = offer.and_then(|offer| self.refuses(&mut new, offer));
        self.legs.add(leg, new);
        let from = request.headers.from_().ok();
        let from_tag = from.and_then(|from| from.tag().map(|tag| tag.to_string())).unwrap_or_default();
        let interaction = self.parts.engine.make_interaction(at);
        self.engine(Input::LegOffered(Offer {
            leg,
            interaction,
            line: line_id,
            user,
            caller: translate::caller(&self.parts.dial_plan, request),
            did: translate::did(&self.parts.dial_plan, request, &username),
            user_to_user: handed_over.into_iter().map(|value| value.text).collect(),
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            from_tag,
        }));
        let call = self.parts.engine.call_of(leg);
        if let (Some(call), Ok([_, device])) = (call, &media) {
            self.legs.reserve(call, [*device]);
        }
        if let Some(known) = self.legs.get_mut(leg) {
            known.call = call;
        }
        let why = match (media, refused) {
            (Ok(_), None) => return,
            (Ok(_), Some(why)) | (Err(why), _) => why,
        };
        if let Some(call) = call {
            self.engine(Input::MediaUnavailable { call, why });
        }
    }

    /// Reads a customer's first offer and says why nothing of it can be passed on, if so; without ports nobody asks.
    pub(super) fn refuses(&self, leg: &mut Leg, offer: &[u8]) -> Option<MediaFault> {
        let media = leg.media?;
        let local = leg.hear(offer).and_then(|audio| passing_on(&media, Some(&audio)));
        let judged =
            local.zip(leg.description.as_ref()).map(|(local, offer)| leg.session.judge(offer, &local));
        match judged {
            Some(Ok(())) => None,
            Some(Err(why @ (NotAcceptable::Unencrypted | NotAcceptable::Transport { .. }))) => {
                tracing::warn!(%why, "an offer is refused");
                Some(MediaFault::NoEncryption)
            }
            Some(Err(NotAcceptable::NoAudio | NotAcceptable::NoCommonCodec { .. })) | None => {
                Some(MediaFault::NoCodec)
            }
        }
    }

    fn leg_answered(&mut self, handle: DialogHandle, sdp: Option<&[u8]>) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        let heard = match (self.legs.get_mut(leg), sdp) {
            (Some(leg), Some(sdp)) => leg.hear(sdp).and(leg.remote()),
            _ => None,
        };
        if heard.is_none_or(|remote| remote.formats.codecs().next().is_none()) {
            tracing::warn!(%leg, "a leg was answered without a codec that can be passed on");
            let _ = self.parts.agent.bye(handle, None, Instant::now());
            return self.engine(Input::LegRejected { leg, status: 488, reasons: Vec::new() });
        }
        if self.legs.get(leg).is_some_and(|leg| leg.party == Party::Customer) {
            return self.callee_answered(leg);
        }
        self.tell_remote(leg);
        self.engine(Input::LegAnswered { leg });
    }

    fn confirmed(&mut self, handle: DialogHandle, sdp: Option<&[u8]>) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        if let (Some(known), Some(sdp)) = (self.legs.get_mut(leg), sdp)
            && known.hear(sdp).is_some()
        {
            self.tell_remote(leg);
        }
        self.engine(Input::LegConfirmed { leg });
        self.say_again(leg);
    }

    /// Answers a change of the session with what was agreed before; hold and its end are evidence.
    fn reinvited(&mut self, handle: DialogHandle, offer: Option<&[u8]>) {
        let now = Instant::now();
        let Some((id, answer, held)) = self.answer_to_reinvite(handle, offer) else {
            let _ = self.parts.agent.answer_reinvite(handle, ReinviteAnswer::Refuse(488), now);
            return;
        };
        if self.parts.agent.answer_reinvite(handle, ReinviteAnswer::Accept(answer), now).is_err() {
            return;
        }
        self.tell_remote(id);
        self.engine(if held { Input::LegHeld { leg: id } } else { Input::LegRetrieved { leg: id } });
        self.say_again(id);
    }

    fn answer_to_reinvite(
        &mut self,
        handle: DialogHandle,
        offer: Option<&[u8]>,
    ) -> Option<(LegId, Vec<u8>, bool)> {
        let id = self.legs.of_handle(handle)?;
        let other = self.other_side(id);
        let leg = self.legs.get_mut(id)?;
        let before = leg.description.clone();
        let Some(offer) = offer else {
            let mut local = passing_on(leg.media.as_ref()?, other.as_ref())?;
            local.direction = leg.said.direction();
            return Some((id, leg.session.offer(&local).to_bytes(), false));
        };
        let audio = leg.hear(offer)?;
        let local = leg.media.as_ref().and_then(|media| passing_on(media, other.as_ref()));
        let description = leg.description.clone();
        let answered = local.zip(description).and_then(|(mut local, offer)| {
            local.direction = leg.said.direction().answering(audio.direction);
            leg.answer_to(&offer, &local).ok()
        });
        match answered {
            Some(answer) => Some((id, answer.to_bytes(), audio.is_hold())),
            None => {
                leg.description = before;
                None
            }
        }
    }
}
