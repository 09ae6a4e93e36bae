//! What users do with a talk: hold, and handing the customer over; and how the parties are told of it.

use std::time::Instant;

use linecard_calls::{
    AgentState, CallId, CallView, Caller, Input, LegId, LineId, Party, TalkRefusal, TransferKind,
    TransferRequest, TransferTarget, UserId, Viewer,
};
use linecard_crm::Destination;
use linecard_media::{Digit, EventFormat};
use linecard_sip::invite::DialogHandle;
use linecard_sip::message::{Header, HeaderName};
use linecard_sip::sdp::{Audio, Direction};
use linecard_sip::ua::{CallerId, Key, PeerIdentity};
use linecard_web::port::{Colleague, Refusal, TalkWish, TransferTo};

use super::Reactor;
use super::effects::Placing;
use super::legs::{Said, passing_on};
use crate::translate;

/// A number to which a customer is handed over.
pub(super) struct OtherDialled {
    pub(super) line: LineId,
    pub(super) dialled: String,
    pub(super) replaces: Option<String>,
    pub(super) caller: Caller,
}

/// Wishes of users.
impl Reactor {
    pub(super) fn talk_wish(
        &mut self,
        call: CallId,
        viewer: &Viewer,
        wish: TalkWish,
    ) -> Result<CallView, Refusal> {
        let view = self.parts.engine.call(call).filter(|view| view.visible_to(viewer));
        let view = view.ok_or(Refusal::NoSuchCall)?;
        if view.watched {
            return Err(Refusal::OnDeskPhone);
        }
        if self.is_referring(call) && !matches!(wish, TalkWish::Press(_)) {
            return Err(Refusal::Talk(TalkRefusal::TransferUnderWay));
        }
        let (engine, user) = (&self.parts.engine, viewer.user_id);
        let input = match wish {
            TalkWish::Press(keys) => {
                engine.may_hold(call, viewer).map_err(Refusal::Talk)?;
                let keys: Vec<Key> = keys.chars().filter_map(Key::of).collect();
                if let Some((customer, _)) = self.legs.customer_of(call) {
                    self.press(customer, &keys);
                }
                let count = u16::try_from(keys.len()).unwrap_or(u16::MAX);
                Ok(Input::DigitsSent { call, user, count })
            }
            TalkWish::Hold => engine.may_hold(call, viewer).map(|()| Input::HoldRequested { call, user }),
            TalkWish::Retrieve => {
                engine.may_retrieve(call, viewer).map(|()| Input::RetrieveRequested { call, user })
            }
            TalkWish::Complete => {
                engine.may_complete(call, viewer).map(|()| Input::TransferCompleted { call, user })
            }
            TalkWish::Transfer { kind, to } => {
                let to = self.transfer_target(view.line_id, to)?;
                engine.may_transfer(call, viewer, &to).map(|by| {
                    let request = self.transfer_request(by, kind, to, None);
                    Input::TransferRequested { call, request }
                })
            }
        };
        match input.map_err(Refusal::Talk)? {
            Input::TransferRequested { call, request } => {
                if let Err(request) = self.refer_customer(call, request) {
                    self.engine(Input::TransferRequested { call, request: *request });
                }
            }
            Input::TransferCompleted { call, user } if self.refer_consulted(call, user) => {}
            input => self.engine(input),
        }
        Ok(self.parts.engine.call(call).unwrap_or(view))
    }

    pub(super) fn transfer_request(
        &self,
        by: UserId,
        kind: TransferKind,
        to: TransferTarget,
        asked_on: Option<LegId>,
    ) -> TransferRequest {
        let by_name = self.parts.directory.name_of(by).map(str::to_owned);
        TransferRequest { by, by_name, kind, to, asked_on }
    }

    /// Finds out who is meant: an internal number of a user is that user, whose phones ring and whose screen pops.
    fn transfer_target(&self, line: LineId, to: TransferTo) -> Result<TransferTarget, Refusal> {
        match to {
            TransferTo::User(user) => self.user_target(user).ok_or(Refusal::NoSuchUser),
            TransferTo::Number(destination) => {
                self.number_target(line, &destination, None).ok_or(Refusal::NoSuchLine)
            }
        }
    }

    fn user_target(&self, user: UserId) -> Option<TransferTarget> {
        let name = self.parts.directory.name_of(user)?.to_owned();
        let route = self.ringing_route(user);
        Some(TransferTarget::User { name: Some(name), route })
    }

    pub(super) fn number_target(
        &self,
        line: LineId,
        destination: &Destination,
        replaces: Option<String>,
    ) -> Option<TransferTarget> {
        let number = destination.number();
        if let (Destination::Inside(_), None) = (destination, &replaces)
            && let Some(user) = self.parts.directory.user_at(line, number)
        {
            return self.user_target(user);
        }
        let account = &self.parts.directory.line(line)?.account;
        let plan = &self.parts.dial_plan;
        let dialled = destination.dialled(plan, account.dial_format, account.dial_prefix.as_deref());
        Some(TransferTarget::Number { number: number.to_owned(), dialled, replaces })
    }

    pub(super) fn colleagues(&self) -> Vec<Colleague> {
        let agents = self.parts.engine.snapshot(&super::everybody()).agents;
        let state = |user: UserId| agents.iter().find(|agent| agent.user_id == user).map(|agent| agent.state);
        let colleague = |user: &linecard_store::users::User| Colleague {
            id: user.id,
            name: user.name.clone(),
            extension: user.extension.clone(),
            state: state(user.id).unwrap_or(AgentState::Available),
        };
        self.parts.directory.users().map(colleague).collect()
    }
}

/// What the parties are told.
impl Reactor {
    /// Sends an INVITE to the number to which the customer is handed over; it sees who comes.
    pub(super) fn dial_other(&mut self, leg: LegId, call: CallId, other: OtherDialled) {
        let placed = self.place_other(leg, call, other);
        if let Err(status) = placed {
            self.engine(Input::LegRejected { leg, status, reasons: Vec::new() });
        }
    }

    fn place_other(&mut self, leg: LegId, call: CallId, other: OtherDialled) -> Result<(), u16> {
        let OtherDialled { line, dialled, replaces, caller } = other;
        let directory = &self.parts.directory;
        let (target, route) = directory.extension_at(line, &dialled).ok_or(404_u16)?;
        let (number, display) = (caller.number.as_deref(), caller.display.as_deref());
        let shown = number.and_then(|number| directory.asserted_identity(line, number, display));
        let replaces = replaces.map(|value| Header { name: HeaderName::Replaces, value: value.into_bytes() });
        let placing = Placing {
            target,
            route,
            caller: CallerId { display: caller.display.or(caller.dialled), user: None },
            headers: shown.into_iter().chain(replaces).collect(),
            like: self.legs.customer_of(call).and_then(|(_, customer)| customer.agreed()),
            party: Party::Agent,
        };
        self.place(leg, call, placing)
    }

    /// Lets an agent's phone show who is at the customer's end now.
    pub(super) fn name_party(&mut self, leg: LegId, line: LineId, party: &Caller) {
        let shown = party.number.as_deref();
        let identity = shown.and_then(|number| {
            self.parts.directory.asserted_identity(line, number, party.display.as_deref())
        });
        if let Some(identity) = identity {
            self.on_dialog(leg, |agent, handle| agent.tell_identity(handle, vec![identity], Instant::now()));
        }
    }

    /// Somebody else is at the other end of a leg. What an agent's phone says of itself is known already, and what a line
    /// says of its own account is no party.
    pub(super) fn peer_named(&mut self, handle: DialogHandle, identity: &PeerIdentity) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        if self.legs.get(leg).is_none_or(|leg| leg.party != Party::Customer) {
            return;
        }
        let Some(party) = translate::named(&self.parts.dial_plan, identity) else { return };
        let call = self.parts.engine.call_of(leg).and_then(|call| self.parts.engine.call(call));
        let account = call.and_then(|call| self.parts.directory.line(call.line_id)).map(|line| &line.account);
        if account.is_none_or(|account| party.number.as_ref() != Some(&account.username)) {
            self.engine(Input::PartyNamed { leg, party });
        }
    }

    /// Tells a leg's party by re-INVITE that it is held, or held no more.
    pub(super) fn say(&mut self, id: LegId, direction: Direction) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        match leg.said {
            Said::Told(told) if told == direction => {}
            Said::Asked { asked, .. } => leg.said = Said::Asked { asked, next: direction },
            Said::Told(_) | Said::Waiting { .. } => {
                leg.said = Said::Waiting { next: direction };
                self.say_again(id);
            }
        }
    }

    /// Sends what waits to be said, if that is possible now.
    pub(super) fn say_again(&mut self, id: LegId) {
        let other = self.other_side(id);
        let Some(leg) = self.legs.get_mut(id) else { return };
        let Said::Waiting { next } = leg.said else { return };
        let like = leg.agreed().or(other);
        let Some(mut local) = leg.media.as_ref().and_then(|media| passing_on(media, like.as_ref())) else {
            return;
        };
        local.direction = next;
        let before = leg.session.clone();
        let offer = leg.session.offer(&local).to_bytes();
        match self.parts.agent.reinvite(leg.handle, &offer, Instant::now()) {
            Ok(()) => leg.said = Said::Asked { asked: next, next },
            // Said again when the other change is done.
            Err(_) => leg.session = before,
        }
    }

    /// Says what still waits, on every leg.
    pub(super) fn say_what_waits(&mut self) {
        let waiting = self.legs.all().filter(|(_, leg)| matches!(leg.said, Said::Waiting { .. }));
        let waiting: Vec<LegId> = waiting.map(|(id, _)| id).collect();
        waiting.into_iter().for_each(|leg| self.say_again(leg));
    }

    /// A party answered, or refused with a status, what this end wanted to change.
    pub(super) fn change_answered(&mut self, handle: DialogHandle, answer: Result<Option<&[u8]>, u16>) {
        let Some(id) = self.legs.of_handle(handle) else { return };
        if let Some(reoffer) = self.reoffers.remove(&id) {
            return self.reoffer_answered(id, reoffer, answer.ok().flatten());
        }
        let Some(leg) = self.legs.get_mut(id) else { return };
        let Said::Asked { asked, next } = leg.said else { return };
        leg.said = Said::Told(asked);
        match answer {
            Ok(sdp) => {
                if let Some(sdp) = sdp {
                    leg.hear(sdp);
                }
                self.tell_remote(id);
            }
            // The party is parked all the same. What it must not believe is that it is held still.
            Err(status) if asked == Direction::SendReceive => {
                tracing::info!(leg = %id, status, "a party refused to come back from hold; it is asked again");
                leg.said = Said::Waiting { next };
                return;
            }
            Err(status) => tracing::debug!(leg = %id, status, "a party takes no hold"),
        }
        if next != asked {
            self.say(id, next);
        }
    }

    /// Sends digits to a leg's party: in its sound, or by INFO where it has no telephone events.
    fn press(&mut self, leg: LegId, keys: &[Key]) {
        let Some(known) = self.legs.get(leg) else { return };
        match (EventFormat::of(&known.formats()), known.media) {
            (Some(format), Some(media)) => {
                let digits = keys.iter().filter_map(|key| Digit::of(key.get())).collect();
                self.parts.media.press(media.id, digits, format);
            }
            _ => self.on_dialog(leg, |agent, handle| agent.press(handle, keys, Instant::now())),
        }
    }

    /// A party pressed a key and told it by INFO: the one it talks with is told in its own way.
    pub(super) fn key_pressed(&mut self, handle: DialogHandle, key: Key) {
        let leg = self.legs.of_handle(handle).and_then(|leg| self.legs.get(leg));
        if let Some(beside) = leg.and_then(|leg| leg.beside) {
            self.press(beside, &[key]);
        }
    }

    /// What the other side of a leg has said that it speaks.
    pub(super) fn other_side(&self, id: LegId) -> Option<Audio> {
        let leg = self.legs.get(id)?;
        let beside = leg.beside.and_then(|beside| self.legs.get(beside));
        let any = || self.legs.of_call(leg.call?).find(|(_, other)| other.party != leg.party);
        beside.and_then(|other| other.audio()).or_else(|| any()?.1.audio())
    }
}
