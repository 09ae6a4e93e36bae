//! Within a dialog, either way: ACK, BYE, CANCEL, re-INVITE.

use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Method, Request, Response, StatusCode};
use linecard_sip::transaction::{ClientTransactionId, ServerTransactionId};

use super::leg::{ForkState, LegId, LegState, Sends};
use super::phones::{answer, tag_of};
use super::{Change, Pbx, PbxOutput, Task, status};
use crate::fleet::quirk::Quirk;
use crate::fleet::talk::Side;

/// How soon a re-INVITE that met another is tried again (RFC 3261 section 14.1).
const GLARE: Duration = Duration::from_millis(120);

impl Pbx {
    /// A response to a request of ours.
    pub(super) fn responded(&mut self, id: ClientTransactionId, response: &Response, now: Instant) {
        if let Some((leg, change)) = self.changes.get(&id).copied() {
            return self.change_answered(id, leg, change, response, now);
        }
        if self.forks.contains_key(&id) {
            return self.fork_answered(id, response);
        }
        if let Some(call) = self.partings.get(&id).copied() {
            if !response.status.is_provisional() {
                self.partings.remove(&id);
                self.note(call, |deeds| deeds.let_go = Some(now));
            }
            return;
        }
        if self.notify_answered(id, response, now) || self.referral_answered(id, response, now) {
            return;
        }
        let Some(leg_id) = self.invites.get(&id).copied() else { return };
        if response.status.is_provisional() {
            return;
        }
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let call = leg.call;
        if response.status.is_success() {
            if let Ok(to) = response.headers.to() {
                leg.remote = to;
            }
            if let Some(contact) = response.headers.contacts().ok().and_then(|all| all.into_iter().next()) {
                leg.target = contact.uri;
            }
            leg.hear(&response.body);
            self.acknowledge(leg_id, response);
            let Some(leg) = self.legs.get_mut(&leg_id) else { return };
            match leg.state {
                LegState::Calling { .. } => leg.state = LegState::Up,
                // It answered while the customer gave up: the customer is gone.
                LegState::GivingUp => {
                    leg.state = LegState::Up;
                    return self.hang_up_leg_of(leg_id, now);
                }
                _ => return,
            }
            self.customer_told(call, response, now);
        } else if !leg.is_over() {
            self.customer_told(call, response, now);
            self.leg_over(leg_id, now);
        }
    }

    /// A 200 that comes again.
    pub(super) fn stray_answer(&mut self, response: &Response) {
        let call_id = response.headers.call_id().unwrap_or_default();
        if let Some(leg) = self.by_call_id.get(call_id).copied() {
            self.acknowledge(leg, response);
        }
    }

    /// Acknowledges a 200 with the number of the INVITE that it answers.
    fn acknowledge(&mut self, id: LegId, response: &Response) {
        let contact = self.contact();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let mut ack = leg.request(Method::Ack, &contact);
        if let Ok(sequence) = response.headers.cseq() {
            ack.headers.set(HeaderName::CSeq, format!("{} ACK", sequence.number));
        }
        let flow = self.door.flow(self.address, leg.server);
        self.layer.send_ack(&mut ack, flow);
    }

    /// The server's ACK of our 200, or of our second fork's.
    pub(super) fn acknowledged(&mut self, request: &Request, now: Instant) {
        let call_id = request.headers.call_id().unwrap_or_default();
        let tag = tag_of(request.headers.to().ok());
        let Some(leg) = self.by_call_id.get(call_id).and_then(|id| self.legs.get_mut(id)) else { return };
        if let Some(fork) = leg.second_fork.as_mut().filter(|fork| Some(&fork.tag) == tag.as_ref()) {
            fork.state = ForkState::Acknowledged;
        } else if let LegState::Answered { .. } = leg.state
            && leg.local.tag() == tag.as_deref()
        {
            leg.state = LegState::Up;
        }
        let call = leg.call;
        match leg.side {
            Side::Customer => self.customer_connected(call, now),
            Side::Agent => {}
            Side::Other => self.taken_over(call, now),
        }
    }

    /// The server takes an INVITE back.
    pub(super) fn cancelled(
        &mut self,
        id: ServerTransactionId,
        invite: Option<ServerTransactionId>,
        request: &Request,
        now: Instant,
    ) {
        let code = if invite.is_some() { 200 } else { 481 };
        self.reply(id, Response::reply_to(request, status(code)), now);
        let contact = self.contact();
        let call_id = request.headers.call_id().unwrap_or_default();
        let Some(leg_id) = self.by_call_id.get(call_id).copied() else { return };
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let LegState::Called { invite, request } = &leg.state else { return };
        let response = answer(request, status(487), leg, &contact, None);
        let _ = self.layer.respond(*invite, response, now);
        self.leg_over(leg_id, now);
    }

    /// A request of the server's inside a dialog.
    pub(super) fn requested_within(&mut self, id: ServerTransactionId, request: &Request, now: Instant) {
        let call_id = request.headers.call_id().unwrap_or_default();
        let tag = tag_of(request.headers.to().ok());
        let Some(leg_id) = self.by_call_id.get(call_id).copied() else {
            return self.reply(id, Response::reply_to(request, status(481)), now);
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        if request.method == Method::Bye && leg.lets_go(tag.as_deref()) {
            let call = leg.call;
            self.reply(id, Response::reply_to(request, StatusCode::OK), now);
            return self.taken_over(call, now);
        }
        if leg.is_over() {
            return self.reply(id, Response::reply_to(request, status(481)), now);
        }
        match request.method {
            Method::Bye => {
                self.reply(id, Response::reply_to(request, StatusCode::OK), now);
                self.leg_over(leg_id, now);
            }
            Method::Invite => self.reinvited(id, leg_id, request, now),
            Method::Notify => {
                let call = leg.call;
                self.told_of_referral(call, &request.body);
                self.reply(id, Response::reply_to(request, StatusCode::OK), now);
            }
            _ => self.reply(id, Response::reply_to(request, StatusCode::OK), now),
        }
    }

    /// The server changes a session; an end that is held sends nothing until it is held no more.
    fn reinvited(&mut self, id: ServerTransactionId, leg_id: LegId, request: &Request, now: Instant) {
        let contact = self.contact();
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let was_held = leg.sends == Sends::Hears;
        let held = leg.hear(&request.body);
        leg.version += 1;
        if held || was_held {
            leg.sends = if held { Sends::Hears } else { Sends::Both };
        }
        let (call, side) = (leg.call, leg.side);
        let body = self.description_of(leg_id);
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let response = answer(request, StatusCode::OK, leg, &contact, body);
        let _ = self.layer.respond(id, response, now);
        match (was_held, held) {
            (false, true) => {
                // The holder's own answer may be lost.
                self.note(call, |deeds| {
                    deeds.held.get_or_insert((now, None));
                });
                self.hush(call, side);
            }
            (true, false) => {
                self.retrieved(call, now);
                self.speak(call, side);
            }
            _ => {}
        }
    }

    /// Somebody hangs up, as planned.
    pub(super) fn hang_up(&mut self, call: usize, side: Side, now: Instant) {
        let Some(id) = self.leg_of(call, side) else { return };
        if self.legs.get(&id).is_none_or(|leg| !matches!(leg.state, LegState::Up | LegState::Answered { .. }))
        {
            return;
        }
        let connected = self.deeds.get(&call).is_some_and(|deeds| deeds.connected.is_some());
        let others_left = self.deeds.get(&call).is_some_and(|deeds| deeds.hung_up.is_some());
        let parting = self.hang_up_leg(id, now);
        if !others_left && (connected || side == Side::Agent) {
            self.note(call, |deeds| deeds.hung_up = Some((side, now)));
            self.partings.extend(parting.map(|bye| (bye, call)));
        }
        self.leg_over(id, now);
    }

    pub(super) fn hang_up_leg_of(&mut self, id: LegId, now: Instant) {
        self.hang_up_leg(id, now);
        self.leg_over(id, now);
    }

    /// Sends the request that ends a leg, whatever its state; gives the transaction of its BYE.
    pub(super) fn hang_up_leg(&mut self, id: LegId, now: Instant) -> Option<ClientTransactionId> {
        let contact = self.contact();
        let leg = self.legs.get_mut(&id)?;
        match &leg.state {
            LegState::Up | LegState::Answered { .. } => {
                let mut bye = leg.request(Method::Bye, &contact);
                if self.profile.has(Quirk::HangupCauseHeader) {
                    bye.headers.push(HeaderName::from("X-Asterisk-HangupCause"), "Normal Clearing");
                    bye.headers.push(HeaderName::from("X-Asterisk-HangupCauseCode"), "16");
                }
                let flow = self.door.flow(self.address, leg.server);
                // Which of two forks the server took is not known before it has hung the other up.
                let fork = leg.second_fork.take().map(|fork| {
                    let mut from = leg.local.clone();
                    from.set_tag(&fork.tag);
                    let mut bye = bye.clone();
                    bye.headers.set(HeaderName::From, from.to_bytes());
                    bye
                });
                let parting = self.layer.send_request(bye, flow, now);
                if let Some(fork) = fork {
                    self.layer.send_request(fork, flow, now);
                }
                return Some(parting);
            }
            LegState::Calling { invite } => {
                let _ = self.layer.cancel(*invite, Vec::new(), now);
            }
            LegState::Called { invite, request } => {
                let response = answer(request, status(480), leg, &contact, None);
                let _ = self.layer.respond(*invite, response, now);
            }
            LegState::GivingUp | LegState::Over => {}
        }
        None
    }

    /// Offers the server a changed session.
    pub(super) fn change(&mut self, call: usize, side: Side, change: Change, now: Instant) {
        let (Some(id), contact) = (self.leg_of(call, side), self.contact()) else { return };
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| matches!(leg.state, LegState::Up)) else {
            return;
        };
        leg.version += 1;
        let mut invite = leg.request(Method::Invite, &contact);
        let (flow, sends) = (self.door.flow(self.address, leg.server), change.sends(leg.sends));
        invite.headers.push(HeaderName::ContentType, "application/sdp");
        let Some(body) = self.described(id, sends) else { return };
        invite.body = body;
        let transaction = self.layer.send_request(invite, flow, now);
        self.changes.insert(transaction, (id, change));
    }

    fn change_answered(
        &mut self,
        id: ClientTransactionId,
        leg_id: LegId,
        change: Change,
        response: &Response,
        now: Instant,
    ) {
        if response.status.is_provisional() {
            return;
        }
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (call, side) = (leg.call, leg.side);
        if !response.status.is_success() {
            self.changes.remove(&id);
            return self.change_refused(leg_id, change, response.status.get(), now);
        }
        leg.hear(&response.body);
        leg.sends = change.sends(leg.sends);
        self.acknowledge(leg_id, response);
        match change {
            Change::Hold(_) => {
                self.note(call, |deeds| {
                    deeds.held.get_or_insert((now, None));
                });
                self.hush(call, side);
            }
            Change::Retrieve => {
                self.retrieved(call, now);
                self.speak(call, side);
            }
            Change::Refresh => {}
        }
    }

    fn change_refused(&mut self, leg: LegId, change: Change, code: u16, now: Instant) {
        let Some(leg) = self.legs.get(&leg).filter(|leg| !leg.is_over()) else { return };
        let (call, side) = (leg.call, leg.side);
        match (code, change) {
            // 500: one before it is not done with (RFC 3261 section 14.2).
            (491 | 500, Change::Hold(_) | Change::Retrieve) => {
                self.later(now + GLARE, Task::Change(call, side, change));
            }
            // The other side may have hung up meanwhile: then there is nothing to change.
            (481 | 408 | 491 | 500, _) => {}
            _ => self.fault(call, format!("a changed session was refused with {code}")),
        }
    }

    /// An end begins to speak, once it knows where to.
    pub(super) fn speak(&mut self, call: usize, side: Side) {
        let Some(desk) = self.world.calls.get(call).map(|planned| planned.desk) else { return };
        let to = self.leg_of(call, side).and_then(|leg| self.legs.get(&leg)?.sound_to);
        if let Some(to) = to {
            self.outputs.push_back(PbxOutput::Speak { desk, side, to, call });
        }
    }

    fn hush(&mut self, call: usize, side: Side) {
        if let Some(desk) = self.world.calls.get(call).map(|planned| planned.desk) {
            self.outputs.push_back(PbxOutput::Hush { desk, side });
        }
    }
}
