//! Restarts and cut connections: a PBX holds new calls back until it may happen, and then until the lines are there again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linecard_sip::transaction::TransactionLayer;

use super::leg::LegState;
use super::watch::PhoneState;
use super::{Pbx, PbxOutput, Seat, Task, configured};
use crate::fleet::mishap::{Absence, Mishap};
use crate::fleet::world::Mode;

/// How long a PBX is silent that restarts.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// So long nothing is said before something happens: no message is under way.
const QUIET_FOR: Duration = Duration::from_millis(150);
/// How often is looked whether it may happen.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long people wait before they use a line that is there again: the server has to hear of it.
const TRUSTED_AFTER: Duration = Duration::from_secs(1);

/// Whether a PBX carries calls.
#[derive(Debug)]
pub(super) struct Service {
    planned: Vec<(u64, Mishap)>,
    state: ServiceState,
    /// What is to happen after what happens now.
    next: VecDeque<Mishap>,
    /// When the last message came or left.
    last_word: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServiceState {
    /// Calls come and go.
    Open,
    /// New calls wait until it may happen.
    Holds(Mishap),
    /// Nobody is there.
    Silent,
}

/// Since when a line is not there, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away {
    mishap: Mishap,
    since: Instant,
    /// The line is there again, and nobody trusts it yet.
    returned: bool,
}

impl Service {
    pub(super) fn new(planned: Vec<(u64, Mishap)>) -> Self {
        Self { planned, state: ServiceState::Open, next: VecDeque::new(), last_word: None }
    }

    pub(super) fn holds_back(&self) -> bool {
        self.state != ServiceState::Open
    }
}

impl Seat {
    /// Takes note that the line is not there from `since` on.
    pub(super) fn is_away(&mut self, mishap: Mishap, since: Instant) {
        if self.away.is_none_or(|away| away.returned) {
            self.away = Some(Away { mishap, since, returned: false });
        }
    }
}

impl Pbx {
    /// Tells whether the server has done for every desk's line what its mode asks for.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.seats.keys().all(|desk| self.is_there(*desk))
    }

    fn is_there(&self, desk: usize) -> bool {
        let mode = self.world.desks.get(desk).map_or(Mode::Anchor, |desk| desk.mode);
        self.seats.get(&desk).is_some_and(|seat| {
            let (bound, watched) = (seat.binding.is_some(), seat.watcher.is_some());
            (bound || mode == Mode::DialogInfo) && (watched || mode == Mode::Anchor)
        })
    }

    /// Lists the times for which lines were not there; those that are not yet are among them.
    #[must_use]
    pub fn absences(&self) -> Vec<Absence> {
        let lasting = self.seats.iter().filter_map(|(desk, seat)| {
            let away = seat.away.filter(|away| !away.returned)?;
            Some(Absence { desk: *desk, mishap: away.mishap, since: away.since, until: None })
        });
        self.absences.iter().copied().chain(lasting).collect()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.service.state == ServiceState::Silent
    }

    /// A message came or leaves.
    pub(super) fn heard(&mut self, now: Instant) {
        self.service.last_word = Some(now);
    }

    pub(super) fn expect_mishaps(&mut self, now: Instant) {
        for (at_ms, mishap) in std::mem::take(&mut self.service.planned) {
            self.later(now + Duration::from_millis(at_ms), Task::Suffer(mishap));
        }
    }

    /// Something is due: it happens as soon as it may.
    pub(super) fn suffer(&mut self, mishap: Mishap, now: Instant) {
        self.service.next.push_back(mishap);
        self.hold_back(now);
    }

    fn hold_back(&mut self, now: Instant) {
        if self.service.state == ServiceState::Open
            && let Some(mishap) = self.service.next.pop_front()
        {
            self.service.state = ServiceState::Holds(mishap);
            self.later(now + LOOK_EVERY, Task::Look);
        }
    }

    /// Looks whether what is due may happen now, and lets it.
    pub(super) fn look(&mut self, now: Instant) {
        let ServiceState::Holds(mishap) = self.service.state else { return };
        if !self.may_happen(mishap, now) {
            return self.later(now + LOOK_EVERY, Task::Look);
        }
        match mishap {
            Mishap::Restart => self.restart(now),
            Mishap::Cut => {
                self.cut(Mishap::Cut, now);
                self.open_again(now);
            }
        }
    }

    /// A restart takes no call with it, and a cut no message: what would become of one is up to each end.
    fn may_happen(&self, mishap: Mishap, now: Instant) -> bool {
        let quiet = self.service.last_word.is_none_or(|last| now >= last + QUIET_FOR);
        let mut under_way = self
            .deeds
            .iter()
            .filter(|(_, deeds)| deeds.begun.is_some() && deeds.done.is_none())
            .map(|(call, _)| *call);
        quiet
            && match mishap {
                Mishap::Restart => under_way.next().is_none() && self.has_told_all(),
                Mishap::Cut => under_way.all(|call| self.talks(call)),
            }
    }

    /// Tells whether a call's ends only talk.
    fn talks(&self, call: usize) -> bool {
        let legs = || self.open_legs(call).filter_map(|id| self.legs.get(&id));
        legs().count() > 1 && legs().all(|leg| matches!(leg.state, LegState::Up) && leg.second_fork.is_none())
    }

    fn cut(&mut self, mishap: Mishap, now: Instant) {
        for peer in self.door.peers() {
            self.stream_over(peer, mishap, now);
        }
        self.outputs.push_back(PbxOutput::Cut);
    }

    /// Forgets everything but who has an account.
    fn restart(&mut self, now: Instant) {
        self.cut(Mishap::Restart, now);
        self.layer =
            TransactionLayer::new(configured(self.door.transport, self.address), self.chance.split());
        self.nonce = self.chance.token();
        self.legs.clear();
        self.by_call.clear();
        self.by_call_id.clear();
        self.invites.clear();
        self.changes.clear();
        self.partings.clear();
        self.referrals.clear();
        self.forks.clear();
        let back = now + SILENT_FOR;
        for seat in self.seats.values_mut() {
            seat.binding = None;
            seat.watcher = None;
            seat.phone = PhoneState::Idle;
            seat.away = None;
            seat.is_away(Mishap::Restart, back);
        }
        self.service.state = ServiceState::Silent;
        self.later(back, Task::Return);
    }

    /// Calls come and go again, at desks whose lines are there.
    pub(super) fn open_again(&mut self, now: Instant) {
        self.service.state = ServiceState::Open;
        let desks: Vec<usize> = self.seats.keys().copied().collect();
        for desk in desks {
            self.serve(desk, now);
        }
        self.hold_back(now);
    }

    /// Notes which lines are there again.
    pub(super) fn look_after(&mut self, now: Instant) {
        let back: Vec<usize> = self
            .seats
            .iter()
            .filter(|(desk, seat)| seat.away.is_some_and(|away| !away.returned) && self.is_there(**desk))
            .map(|(desk, _)| *desk)
            .collect();
        for desk in back {
            let Some(away) = self.seats.get_mut(&desk).and_then(|seat| seat.away.as_mut()) else { continue };
            away.returned = true;
            let Away { mishap, since, .. } = *away;
            self.absences.push(Absence { desk, mishap, since, until: Some(now) });
            self.later(now + TRUSTED_AFTER, Task::Welcome(desk));
        }
    }

    /// People use a line again.
    pub(super) fn welcome(&mut self, desk: usize, now: Instant) {
        if let Some(seat) = self.seats.get_mut(&desk)
            && seat.away.take_if(|away| away.returned).is_some()
        {
            self.serve(desk, now);
        }
    }

    /// Lets the next call of a desk begin, if it can.
    pub(super) fn serve(&mut self, desk: usize, now: Instant) {
        let holds = self.service.holds_back();
        let Some(seat) = self.seats.get_mut(&desk) else { return };
        if holds || seat.call.is_some() || seat.away.is_some() {
            return;
        }
        if let Some(next) = seat.waiting.pop_front() {
            self.begin(next, now);
        }
    }
}
