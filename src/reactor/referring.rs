//! What a party's phone asks by SIP: to hand the other party over (REFER), to take a party's place (Replaces).

use std::net::IpAddr;
use std::time::Instant;

use linecard_calls::{Input, LegId, Party, TransferKind, TransferTarget};
use linecard_crm::Destination;
use linecard_sip::invite::DialogHandle;
use linecard_sip::sdp::{Audio, Direction, LocalSession};
use linecard_sip::transport::Flow;
use linecard_sip::uri::{Uri, unescape};
use linecard_web::dial::permit_on_phone;

use super::legs::{Said, Sound, passing_on};
use super::{Answer, Reactor};
use crate::clock::wall_clock;

impl Reactor {
    /// An agent's phone asks to hand the customer over. What a customer's side asks is refused: nobody outside
    /// has calls placed here. A number is permitted, counted and audited as one that is asked for in the interface.
    pub(super) fn referred(&mut self, handle: DialogHandle, target: &Uri, replaces: Option<String>) {
        let asked = self.referral_asked(handle, target);
        let (user, address, number) = match asked {
            Ok(asked) => asked,
            Err(status) => return self.referral_judged(handle, Err(status)),
        };
        let (app, answers) = (self.parts.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            let judged = match replaces {
                // It names a dialog of ours or of the PBX: nobody is called.
                Some(replaces) => {
                    let read = Destination::read(&app.settings.dial_plan, &number).map_err(|_| 404);
                    read.map(|destination| (destination, Some(replaces)))
                }
                None => {
                    let judged = permit_on_phone(&app, user, address, &number).await;
                    judged.map(|destination| (destination, None)).map_err(|refusal| refusal.status)
                }
            };
            let _ = answers.send(Answer::ReferralJudged { handle, judged });
        });
    }

    /// Begins the transfer that a phone asked for, or refuses it.
    pub(super) fn referral_judged(
        &mut self,
        handle: DialogHandle,
        judged: Result<(Destination, Option<String>), u16>,
    ) {
        let order =
            judged.and_then(|(destination, replaces)| self.transfer_asked(handle, &destination, replaces));
        let answer = order.as_ref().map(|_| ()).map_err(|status| *status);
        if let Err(error) = self.parts.agent.answer_referral(handle, answer, Instant::now()) {
            tracing::debug!(%error, "a phone that asked for a transfer is gone");
            return;
        }
        match order {
            Ok(input) => self.engine(input),
            Err(status) => tracing::info!(status, "a transfer that a phone asked for is refused"),
        }
    }

    /// Reads a REFER: who asks, from where, for which number; or gives the status that refuses it.
    fn referral_asked(
        &self,
        handle: DialogHandle,
        target: &Uri,
    ) -> Result<(linecard_calls::UserId, IpAddr, String), u16> {
        let leg = self.legs.of_handle(handle).ok_or(481_u16)?;
        let known = self.legs.get(leg).filter(|known| known.party == Party::Agent).ok_or(403_u16)?;
        let view = known.call.and_then(|call| self.parts.engine.call(call)).ok_or(481_u16)?;
        let address = known.contact.unwrap_or_else(|| self.parts.settings.places.towards(None).local);
        let number = match target {
            Uri::Sip(uri) => uri.user.as_deref().map(unescape).and_then(|user| String::from_utf8(user).ok()),
            Uri::Tel(uri) => Some(uri.number.clone()),
            Uri::Other(_) => None,
        };
        Ok((view.user_id.ok_or(403_u16)?, address, number.ok_or(404_u16)?))
    }

    /// Makes of a REFER what the engine takes, or gives the status that refuses it.
    fn transfer_asked(
        &self,
        handle: DialogHandle,
        destination: &Destination,
        replaces: Option<String>,
    ) -> Result<Input, u16> {
        let leg = self.legs.of_handle(handle).ok_or(481_u16)?;
        let call = self.legs.get(leg).and_then(|known| known.call).ok_or(481_u16)?;
        let view = self.parts.engine.call(call).ok_or(481_u16)?;
        self.parts.settings.barring.permit(&self.parts.dial_plan, destination).map_err(|_| 403_u16)?;
        let to: TransferTarget = self.number_target(view.line_id, destination, replaces).ok_or(404_u16)?;
        let by = self.parts.engine.may_transfer(call, &super::everybody(), &to).map_err(|_| 486_u16)?;
        let request = self.transfer_request(by, TransferKind::Blind, to, Some(leg));
        Ok(Input::TransferRequested { call, request })
    }

    /// Tells a phone that asked for a transfer how it goes.
    pub(super) fn tell_referrer(&mut self, leg: LegId, status: u16) {
        self.on_dialog(leg, |agent, handle| agent.report_referral(handle, status, Instant::now()));
    }

    /// Another phone takes the place of a leg's party: the leg, its ports and its recording stay.
    pub(super) fn replacement_invited(
        &mut self,
        handle: DialogHandle,
        replaced: DialogHandle,
        offer: Option<&[u8]>,
        flow: Flow,
    ) {
        let now = Instant::now();
        let Some(leg) = self.legs.of_handle(replaced) else {
            let _ = self.parts.agent.reject(handle, 481, None, now);
            return;
        };
        let Some(answer) = self.answer_replacement(leg, handle, offer, flow) else {
            let _ = self.parts.agent.reject(handle, 488, None, now);
            return;
        };
        if self.parts.agent.accept(handle, &answer, now).is_err() {
            return;
        }
        let reason = crate::translate::hang_up_reason(linecard_calls::HangUpReason::Transferred);
        if let Err(error) = self.parts.agent.bye(replaced, Some(&reason), now) {
            tracing::debug!(%error, "the party that is replaced is gone already");
        }
        self.tell_remote(leg);
        self.engine(Input::PartyReplaced { leg });
    }

    /// Lets a leg go on in another dialog, and returns what that one is told.
    fn answer_replacement(
        &mut self,
        id: LegId,
        handle: DialogHandle,
        offer: Option<&[u8]>,
        flow: Flow,
    ) -> Option<Vec<u8>> {
        let other: Option<Audio> = self.other_side(id);
        let leg = self.legs.get_mut(id)?;
        let before = (leg.session.clone(), leg.description.clone());
        leg.session = LocalSession::new(wall_clock().0.unsigned_abs());
        let answer = leg.media.as_ref().and_then(|media| {
            let mut local = passing_on(media, other.as_ref())?;
            local.direction = leg.said.direction();
            Some(local)
        });
        let answer = answer.and_then(|local| match offer {
            None => Some(leg.session.offer(&local).to_bytes()),
            Some(offer) => {
                leg.hear(offer)?;
                let description = leg.description.clone()?;
                leg.answer_to(&description, &local).ok().map(|answer| answer.to_bytes())
            }
        });
        let Some(answer) = answer else {
            (leg.session, leg.description) = before;
            return None;
        };
        leg.contact = Some(flow.remote.ip());
        leg.sound = Sound::Silent { asked_at: Instant::now() };
        leg.said = Said::Told(match leg.said.direction() {
            Direction::SendOnly => Direction::SendOnly,
            _ => Direction::SendReceive,
        });
        self.legs.rename(id, handle);
        Some(answer)
    }
}
