//! Customers whom the PBX connects with somebody else, asked by REFER (RFC 3515, RFC 5589): the talk goes on meanwhile.

use std::time::Instant;

use linecard_calls::{CallId, Input, LegId, TransferKind, TransferRequest, TransferTarget, UserId};
use linecard_sip::invite::DialogHandle;
use linecard_sip::ua::ReferralTold;
use linecard_sip::uri::Uri;
use linecard_store::lines::LineTransfer;

use super::Reactor;

/// What the PBX was asked for and has not told the end of.
#[derive(Debug)]
pub(super) struct Referral {
    call: CallId,
    number: String,
    /// What is done here if the PBX will not.
    instead: Input,
}

impl Referral {
    /// What comes of a number that did not take the customer: one who was asked first is still there and gets it.
    fn if_refused_there(self) -> Option<Input> {
        matches!(self.instead, Input::TransferCompleted { .. }).then_some(self.instead)
    }
}

impl Reactor {
    /// Asks the PBX to connect a customer where the line wants that; gives the wish back where it does not, or where the PBX
    /// cannot be asked.
    pub(super) fn refer_customer(
        &mut self,
        call: CallId,
        request: TransferRequest,
    ) -> Result<(), Box<TransferRequest>> {
        let Some((leg, handle, number, target)) = self.referral_of(call, &request) else {
            return Err(Box::new(request));
        };
        if let Err(error) = self.parts.agent.refer(handle, &target, Instant::now()) {
            tracing::debug!(%error, "the PBX cannot be asked to connect a customer");
            return Err(Box::new(request));
        }
        let user = request.by;
        let instead = Input::TransferRequested { call, request };
        self.pbx_asked(leg, user, Referral { call, number, instead });
        Ok(())
    }

    /// Asks the PBX to connect a customer with the one who was asked first, where both came by it and the line wants that;
    /// tells whether it was asked.
    pub(super) fn refer_consulted(&mut self, call: CallId, user: UserId) -> bool {
        let Some((leg, customer, other, number)) = self.consulted_at_pbx(call) else { return false };
        if let Err(error) = self.parts.agent.refer_to_peer_of(customer, other, Instant::now()) {
            tracing::debug!(%error, "the PBX cannot be asked to connect two parties");
            return false;
        }
        self.pbx_asked(
            leg,
            user,
            Referral { call, number, instead: Input::TransferCompleted { call, user } },
        );
        true
    }

    fn pbx_asked(&mut self, leg: LegId, user: UserId, referral: Referral) {
        let (call, number) = (referral.call, referral.number.clone());
        self.referrals.insert(leg, referral);
        self.engine(Input::ReferralSent { call, user, number });
    }

    /// Tells whether the PBX is connecting the customer of a call.
    pub(super) fn is_referring(&self, call: CallId) -> bool {
        self.referrals.values().any(|referral| referral.call == call)
    }

    /// Forgets what a PBX was asked for about a call that is over.
    pub(super) fn forget_referrals(&mut self, call: CallId) {
        self.referrals.retain(|_, referral| referral.call != call);
    }

    /// Tells whether a call's line lets its PBX connect customers.
    fn pbx_connects(&self, call: CallId) -> bool {
        let line = self.parts.engine.call(call).and_then(|call| self.parts.directory.line(call.line_id));
        line.is_some_and(|line| line.account.transfer == LineTransfer::Pbx)
    }

    /// Finds out whom the PBX of a call's line is to be asked for.
    fn referral_of(
        &self,
        call: CallId,
        request: &TransferRequest,
    ) -> Option<(LegId, DialogHandle, String, Uri)> {
        let TransferTarget::Number { number, dialled, replaces: None } = &request.to else { return None };
        let line = self.parts.engine.call(call)?.line_id;
        let (leg, customer) = self.legs.customer_of(call)?;
        let (target, _) = self.parts.directory.extension_at(line, dialled)?;
        let asks = self.pbx_connects(call) && request.kind == TransferKind::Blind;
        asks.then(|| (leg, customer.handle, number.clone(), target))
    }

    /// Finds the two dialogs with the PBX whose peers are to be connected, and the number of the second.
    fn consulted_at_pbx(&self, call: CallId) -> Option<(LegId, DialogHandle, DialogHandle, String)> {
        let (other, request) = self.parts.engine.consultation(call)?;
        let TransferTarget::Number { number, replaces: None, .. } = &request.to else { return None };
        let (leg, customer) = self.legs.customer_of(call)?;
        let other = self.legs.get(other)?;
        self.pbx_connects(call).then(|| (leg, customer.handle, other.handle, number.clone()))
    }

    /// The PBX told how it goes. What it refuses is done here; what came to nothing leaves the customer with the agent, or with
    /// the one whom the agent has asked.
    pub(super) fn referral_told(&mut self, handle: DialogHandle, told: ReferralTold) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        let over = match told {
            ReferralTold::Accepted | ReferralTold::Progress { .. } => return,
            ReferralTold::Refused { .. } | ReferralTold::Over { .. } => self.referrals.remove(&leg),
        };
        let Some(referral) = over else { return };
        let call = referral.call;
        let (status, instead) = match told {
            ReferralTold::Over { status: 200..300 } => {
                return self.engine(Input::HandedToPbx { call, number: referral.number });
            }
            ReferralTold::Over { status } => (status, referral.if_refused_there()),
            ReferralTold::Refused { status } => (status, Some(referral.instead)),
            ReferralTold::Accepted | ReferralTold::Progress { .. } => return,
        };
        self.engine(Input::ReferralFailed { call, status });
        if let Some(instead) = instead {
            self.engine(instead);
        }
    }
}
