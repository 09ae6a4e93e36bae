//! Calls that users dial on telephones that register here: judged as those of the interface, then the called one is dialled
//! while the telephone waits; it hears by SIP what comes of it.

use std::time::Instant;

use linecard_calls::{DeviceId, DialRequest, Input, MediaFault, Party, UserId};
use linecard_sip::invite::DialogHandle;
use linecard_sip::message::Request;
use linecard_sip::registrar::PhoneId;
use linecard_sip::sdp::LocalSession;
use linecard_sip::transport::Flow;
use linecard_sip::uri::SipUri;
use linecard_web::dial::{PhoneRefusal, audit_phone, order_at_once, order_of_phone};
use linecard_web::port::DialOrder;

use super::legs::Leg;
use super::{Answer, Course, Reactor};
use crate::clock::wall_clock;

/// What was dialled on a telephone and is not decided yet.
#[derive(Debug)]
pub(super) struct Dialled {
    device: DeviceId,
    offer: Option<Vec<u8>>,
    flow: Flow,
}

impl Reactor {
    /// A telephone calls: whether it may is asked beside.
    pub(super) fn phone_dials(
        &mut self,
        handle: DialogHandle,
        phone: &PhoneId,
        request: &Request,
        (offer, flow): (Option<Vec<u8>>, Flow),
    ) {
        let device: Option<DeviceId> = phone.as_str().parse().ok();
        let user = device.and_then(|device| Some(self.parts.directory.phone(device)?.user));
        let called = request.uri.as_sip().and_then(SipUri::user_decoded);
        let number = called.and_then(|user| String::from_utf8(user).ok());
        let (Some(device), Some(user), Course::Running) = (device, user, self.course) else {
            return self.refuse_dial(handle, 503, None);
        };
        let Some(number) = number else { return self.refuse_dial(handle, 404, None) };
        self.phone_dials.insert(handle, Dialled { device, offer, flow });
        // A call for help waits for nothing that may be slow or gone.
        if let Some(order) = order_at_once(&self.parts.app, user, self.parts.directory.lines(), &number) {
            return self.phone_judged(handle, Ok(order));
        }
        let (app, answers, address) = (self.parts.app.clone(), self.answers.clone(), flow.remote.ip());
        tokio::spawn(async move {
            let order = order_of_phone(&app, user, address, &number).await;
            let _ = answers.send(Answer::PhoneJudged { handle, order });
        });
    }

    fn refuse_dial(&mut self, handle: DialogHandle, status: u16, phrase: Option<&str>) {
        let now = Instant::now();
        // A phrase that cannot be printed is left out.
        if self.parts.agent.reject(handle, status, phrase, now).is_err() {
            let _ = self.parts.agent.reject(handle, status, None, now);
        }
    }

    /// It is decided; the telephone may have given up meanwhile.
    pub(super) fn phone_judged(&mut self, handle: DialogHandle, order: Result<DialOrder, PhoneRefusal>) {
        let Some(dialled) = self.phone_dials.remove(&handle) else { return };
        match order {
            Ok(order) => {
                if let Err(status) = self.phone_calls(handle, dialled, order) {
                    self.refuse_dial(handle, status, None);
                }
            }
            Err(PhoneRefusal { status, phrase }) => {
                tracing::info!(status, "a call that was dialled on a telephone is refused");
                self.refuse_dial(handle, status, Some(&phrase));
            }
        }
    }

    /// Dials the one who is called; gives the status when there is no sound for it.
    fn phone_calls(
        &mut self,
        handle: DialogHandle,
        Dialled { device, offer, flow }: Dialled,
        order: DialOrder,
    ) -> Result<(), u16> {
        if self.course != Course::Running || self.parts.directory.line(order.line).is_none() {
            return Err(503);
        }
        if !self.has_room_for(&order.callee) {
            return Err(503);
        }
        let own = self.parts.settings.places.towards(Some(flow.remote.ip()));
        let media = self.parts.media.open_pair([own, self.place_through(order.line)]).map_err(|error| {
            tracing::error!(%error, "no RTP ports for a call");
            503_u16
        })?;
        let (now, at) = (Instant::now(), wall_clock());
        let [own, callee] = media;
        let session = LocalSession::new(at.0.unsigned_abs());
        let mut leg = Leg::new(handle, Party::Agent, session, Some(own), now);
        leg.contact = Some(flow.remote.ip());
        let fault = offer.as_deref().and_then(|offer| self.refuses(&mut leg, offer));
        if let Some(fault) = fault {
            media.iter().for_each(|leg| self.parts.media.close_leg(leg.id, now));
            return Err(if fault == MediaFault::NoPort { 503 } else { 488 });
        }
        let (id, callee_id) = (self.parts.engine.make_leg(at), self.parts.engine.make_leg(at));
        let interaction = self.parts.engine.make_interaction(at);
        let (user, line) = (order.user, order.line);
        let (callee_told, caller_id) = (order.callee, order.caller_id);
        let request = DialRequest { leg: callee_id, interaction, line, user, callee: callee_told, caller_id };
        self.legs.add(id, leg);
        let route = self.ringing_route(user);
        self.engine(Input::PhoneDialled { request, leg: id, device, route });
        let call = self.parts.engine.call_of(id);
        if let (Some(call), Some(known)) = (call, self.legs.get_mut(id)) {
            known.call = Some(call);
            self.legs.reserve(call, [callee]);
        }
        self.write_down(user, flow, interaction);
        Ok(())
    }

    fn write_down(&self, user: UserId, flow: Flow, interaction: linecard_calls::InteractionId) {
        let app = self.parts.app.clone();
        tokio::spawn(async move { audit_phone(&app, user, flow.remote.ip(), interaction).await });
    }
}
