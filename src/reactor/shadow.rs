//! Lines that ring along beside a desk phone: an INVITE is evidence of a call, never answered nor refused here.
//!
//! A final response of ours might end the other forks, so there is none while the PBX waits; 180 goes out once the
//! evidence is safe, as for any call.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use linecard_calls::{
    AlarmKind, Input, LineId, Reach, Reason, Side, Sighting, SightingEnd, SightingId, SightingOver,
    SightingStage, Source,
};
use linecard_sip::invite::DialogHandle;
use linecard_sip::message::Request;
use linecard_store::lines::Line;

use super::Reactor;
use crate::clock::wall_clock;
use crate::directory::pbx_of;
use crate::translate;

/// Longer than any PBX lets a fork ring: what is still there then was forgotten by it.
const RINGS_AT_MOST: Duration = Duration::from_secs(600);
/// Told to a PBX that has forgotten a fork; it ends no other one.
const NOT_THERE: u16 = 480;

/// The INVITEs that ring along.
#[derive(Debug, Default)]
pub(super) struct Shadows(HashMap<DialogHandle, Shadow>);

#[derive(Debug)]
struct Shadow {
    id: SightingId,
    since: Instant,
}

impl Shadows {
    fn of_sighting(&self, id: SightingId) -> Option<DialogHandle> {
        self.0.iter().find(|(_, shadow)| shadow.id == id).map(|(handle, _)| *handle)
    }
}

impl Reactor {
    /// An INVITE came to a line beside a desk phone.
    pub(super) fn shadow_invited(&mut self, handle: DialogHandle, line: &Line, request: &Request) {
        let at = wall_clock();
        let party = translate::caller(&self.parts.dial_plan, request);
        let id = self.parts.engine.make_sighting(at);
        let sighting = Sighting {
            id,
            leg: self.parts.engine.make_leg(at),
            line: line.id,
            user: line.account.user_id,
            extension: line.account.username.clone(),
            server: pbx_of(line),
            side: Side::Called,
            reach: self.reach_of_caller(line, request, party.number.as_deref()),
            party,
            did: translate::did(&self.parts.dial_plan, request, &line.account.username),
            sip_call_id: request.headers.call_id().ok().map(str::to_owned),
            stage: SightingStage::Ringing,
        };
        self.shadows.0.insert(handle, Shadow { id, since: Instant::now() });
        self.forked(line.id);
        self.engine(Input::Sighted { sighting, source: Source::Shadow });
    }

    fn reach_of_caller(&self, line: &Line, request: &Request, number: Option<&str>) -> Reach {
        let from = request.headers.from_().ok();
        let account = from.and_then(|from| from.uri.as_sip().and_then(|uri| uri.user.clone()));
        if account.is_some_and(|account| self.is_own_account(&account, line)) {
            return Reach::Ours;
        }
        let inside = number
            .map(|number| self.parts.dial_plan.number(number))
            .is_some_and(|number| number.e164.is_none() && number.extension.is_some());
        if inside { Reach::Inside } else { Reach::Outside }
    }

    /// Rings along, once what was seen is safe.
    pub(super) fn ring_along(&mut self, id: SightingId) {
        if let Some(handle) = self.shadows.of_sighting(id) {
            let _ = self.parts.agent.ring(handle, 180, None, Instant::now());
        }
    }

    /// A fork is over; false when it is none that rings along.
    pub(super) fn shadow_over(
        &mut self,
        handle: DialogHandle,
        end: SightingEnd,
        reasons: Vec<Reason>,
    ) -> bool {
        let Some(shadow) = self.shadows.0.remove(&handle) else { return false };
        let over = SightingOver { id: shadow.id, end, status: None, reasons };
        self.engine(Input::SightingOver { over, source: Source::Shadow });
        true
    }

    /// Gives up forks that nobody cancels.
    pub(super) fn end_forgotten_shadows(&mut self, now: Instant) {
        let forgotten = |shadow: &Shadow| now.duration_since(shadow.since) >= RINGS_AT_MOST;
        let handles: Vec<DialogHandle> = self
            .shadows
            .0
            .iter()
            .filter(|(_, shadow)| forgotten(shadow))
            .map(|(handle, _)| *handle)
            .collect();
        for handle in handles {
            let _ = self.parts.agent.reject(handle, NOT_THERE, None, now);
            self.shadow_over(handle, SightingEnd::Untold, Vec::new());
        }
    }

    /// Raises the alarm that a desk phone was pushed out, or clears it.
    pub(super) fn phone_pushed_out(&mut self, line: LineId, contacts: Option<&str>) {
        let subject = Some(line.to_string());
        match contacts {
            Some(contacts) if self.pushed_out.insert(line) => {
                let text = format!(
                    "registering beside a desk phone pushed it out: {contacts}; the line has withdrawn"
                );
                self.alarm(AlarmKind::PhonePushedOut, subject, &text);
            }
            None if self.pushed_out.remove(&line) => {
                self.clear_alarm(AlarmKind::PhonePushedOut, subject, "the desk phone has its place");
            }
            _ => {}
        }
    }
}
