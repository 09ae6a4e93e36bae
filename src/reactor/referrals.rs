//! Customers whom the PBX connects with somebody else, asked by REFER (RFC 3515, RFC 5589 section 6): the talk goes on meanwhile.

use std::time::Instant;

use linecard_calls::{CallId, Input, LegId, TransferKind, TransferRequest, TransferTarget};
use linecard_sip::invite::DialogHandle;
use linecard_sip::ua::ReferralTold;
use linecard_store::lines::LineTransfer;

use super::Reactor;

/// What the PBX was asked for and has not told the end of.
#[derive(Debug)]
pub(super) struct Referral {
    call: CallId,
    /// What is done here if the PBX will not.
    request: TransferRequest,
    number: String,
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
        self.referrals.insert(leg, Referral { call, request, number: number.clone() });
        self.engine(Input::ReferralSent { call, user, number });
        Ok(())
    }

    /// Tells whether the PBX is connecting the customer of a call.
    pub(super) fn is_referring(&self, call: CallId) -> bool {
        self.referrals.values().any(|referral| referral.call == call)
    }

    /// Forgets what a PBX was asked for about a call that is over.
    pub(super) fn forget_referrals(&mut self, call: CallId) {
        self.referrals.retain(|_, referral| referral.call != call);
    }

    /// Finds out whom the PBX of a call's line is to be asked for.
    fn referral_of(
        &self,
        call: CallId,
        request: &TransferRequest,
    ) -> Option<(LegId, DialogHandle, String, linecard_sip::uri::Uri)> {
        let TransferTarget::Number { number, dialled, replaces: None } = &request.to else { return None };
        let line = self.parts.engine.call(call)?.line_id;
        let wanted = self.parts.directory.line(line)?.account.transfer == LineTransfer::Pbx;
        let (leg, customer) = self.legs.customer_of(call)?;
        let (target, _) = self.parts.directory.extension_at(line, dialled)?;
        let asks = wanted && request.kind == TransferKind::Blind;
        asks.then(|| (leg, customer.handle, number.clone(), target))
    }

    /// The PBX told how it goes. What it refuses is done here; what came to nothing leaves the customer with the agent.
    pub(super) fn referral_told(&mut self, handle: DialogHandle, told: ReferralTold) {
        let Some(leg) = self.legs.of_handle(handle) else { return };
        let over = match told {
            ReferralTold::Accepted | ReferralTold::Progress { .. } => return,
            ReferralTold::Refused { .. } | ReferralTold::Over { .. } => self.referrals.remove(&leg),
        };
        let Some(Referral { call, request, number }) = over else { return };
        match told {
            ReferralTold::Over { status: 200..300 } => self.engine(Input::HandedToPbx { call, number }),
            ReferralTold::Over { status } => self.engine(Input::ReferralFailed { call, status }),
            ReferralTold::Refused { status } => {
                self.engine(Input::ReferralFailed { call, status });
                self.engine(Input::TransferRequested { call, request });
            }
            ReferralTold::Accepted | ReferralTold::Progress { .. } => {}
        }
    }
}
