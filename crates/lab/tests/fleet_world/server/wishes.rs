//! What agents ask for: in the interface, and by REFER on their phones.

use std::time::Instant;

use linecard_calls::{
    CallId, CallState, Callee, CalleeKind, DialRequest, DialStanding, Input, Role, TalkRefusal, TransferKind,
    TransferRequest, TransferTarget, Viewer,
};
use linecard_lab::fleet::{Course, PlannedCall, Wish};
use linecard_sip::ua::DialogHandle;
use linecard_sip::uri::Uri;

use super::{Server, line_of, user_of};

impl Server {
    /// An agent asks for something in the interface.
    pub(crate) fn asked(&mut self, call: usize, wish: &Wish, now: Instant) -> Result<(), String> {
        let PlannedCall { desk, course, .. } = self.world.calls[call].clone();
        let refused = |why: TalkRefusal| format!("{why:?}");
        let viewer = Viewer { user_id: user_of(desk), role: Role::Agent };
        let user = viewer.user_id;
        let input = match wish {
            Wish::Dial => return self.clicked(desk, &course, now),
            Wish::HandOver { to, attended } => {
                let call = self.talk_of(desk)?;
                let kind = if *attended { TransferKind::Attended } else { TransferKind::Blind };
                let to = self.target(to, None);
                let by = self.engine.may_transfer(call, &viewer, &to).map_err(refused)?;
                let request = TransferRequest { by, by_name: None, kind, to, asked_on: None };
                Input::TransferRequested { call, request }
            }
            Wish::Complete => {
                let call = self.talk_of(desk)?;
                self.engine.may_complete(call, &viewer).map_err(refused)?;
                Input::TransferCompleted { call, user }
            }
            Wish::Retrieve => {
                let call = self.talk_of(desk)?;
                self.engine.may_retrieve(call, &viewer).map_err(refused)?;
                Input::RetrieveRequested { call, user }
            }
        };
        self.engine(input, now);
        self.pump(now);
        Ok(())
    }

    /// The call that an agent talks in.
    fn talk_of(&self, desk: usize) -> Result<CallId, String> {
        let snapshot = self.engine.snapshot(&Viewer { user_id: user_of(desk), role: Role::Agent });
        let talks = |state| matches!(state, CallState::Answered | CallState::Held);
        let call = snapshot.calls.iter().find(|call| call.line_id == line_of(desk) && talks(call.state));
        call.map(|call| call.call_id).ok_or_else(|| "there is no such talk".to_owned())
    }

    /// A colleague, when the number is one's extension.
    fn target(&self, number: &str, replaces: Option<String>) -> TransferTarget {
        let desk = self.world.desks.iter().position(|desk| desk.extension == number);
        match desk.filter(|_| replaces.is_none()) {
            Some(desk) => TransferTarget::User { name: None, route: self.route(desk) },
            None => {
                TransferTarget::Number { number: number.to_owned(), dialled: number.to_owned(), replaces }
            }
        }
    }

    /// An agent clicks as often as the world says; a second click has to be the same call.
    fn clicked(&mut self, desk: usize, course: &Course, now: Instant) -> Result<(), String> {
        let Course::Outbound { callee, clicks, .. } = course else { unreachable!("{course:?}") };
        let number = callee.number.clone().unwrap();
        for _ in 0..*clicks {
            match self.engine.dial_standing(user_of(desk), &number) {
                DialStanding::Free => self.dial(desk, number.clone(), now),
                DialStanding::Underway(_) => {}
                DialStanding::InCall(_) => return Err("the agent is in another call".to_owned()),
            }
        }
        self.pump(now);
        Ok(())
    }

    /// A phone asks by REFER to hand its customer over.
    pub(super) fn referred(
        &mut self,
        handle: DialogHandle,
        target: &Uri,
        replaces: Option<String>,
        now: Instant,
    ) {
        let order = self.transfer_asked(handle, target, replaces);
        let answer = order.as_ref().map(|_| ()).map_err(|status| *status);
        if self.ua.answer_referral(handle, answer, now).is_ok()
            && let Ok(input) = order
        {
            self.engine(input, now);
        }
    }

    fn transfer_asked(
        &self,
        handle: DialogHandle,
        target: &Uri,
        replaces: Option<String>,
    ) -> Result<Input, u16> {
        let leg = *self.by_handle.get(&handle).ok_or(481_u16)?;
        let call = self.engine.call_of(leg).ok_or(481_u16)?;
        let number = target.as_sip().and_then(|uri| uri.user.clone()).ok_or(404_u16)?;
        let everybody = Viewer { user_id: user_of(0), role: Role::Admin };
        let to = self.target(&number, replaces);
        let by = self.engine.may_transfer(call, &everybody, &to).map_err(|_| 486_u16)?;
        let kind = TransferKind::Blind;
        Ok(Input::TransferRequested {
            call,
            request: TransferRequest { by, by_name: None, kind, to, asked_on: Some(leg) },
        })
    }

    fn dial(&mut self, desk: usize, number: String, now: Instant) {
        let at = self.at(now);
        let callee =
            Callee { typed: number.clone(), dialled: number.clone(), number, kind: CalleeKind::Outside };
        let request = DialRequest {
            leg: self.engine.make_leg(at),
            interaction: self.engine.make_interaction(at),
            line: line_of(desk),
            user: user_of(desk),
            callee,
            caller_id: None,
        };
        let route = self.route(desk);
        self.engine(Input::DialRequested { request, route, contact: None }, now);
    }
}
