//! The rule: a caller's evidence becomes items.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Act, Answer, CallerEvidence, Deed, MissedCall, MissedItem, MissedState};
use crate::id::{InteractionId, MissedId, UserId};
use crate::time::UtcMillis;

/// An item with the calls that it counts, in the order in which they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// As REST shows it.
    pub record: MissedItem,
    /// The missed calls.
    pub calls: Vec<MissedCall>,
}

/// Makes the items of one caller, oldest first.
///
/// A missed call opens an item or is one more attempt of the open one. An answer closes the open item. A caller who
/// was answered while a call of theirs rang (a ring group that forks to several lines) was not missed by that call.
pub fn items(evidence: &CallerEvidence) -> Vec<Item> {
    let mut answers: Vec<UtcMillis> = evidence.answered.values().map(|answer| answer.at).collect();
    answers.sort_unstable();
    let missed = evidence.missed.values().filter(|call| !was_answered_meanwhile(call, &answers));
    let answered = evidence.answered.values().map(Step::Answered);
    let mut steps: Vec<Step<'_>> =
        missed.map(Step::Missed).chain(evidence.acts.iter().map(Step::Acted)).chain(answered).collect();
    steps.sort_by_key(Step::key);
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    for step in steps {
        let open = drafts.last_mut().filter(|draft| draft.closing.is_none());
        match (step, open) {
            (Step::Missed(call), Some(draft)) => draft.calls.push(call),
            (Step::Missed(call), None) => drafts.push(Draft::open(call)),
            (Step::Answered(answer), Some(draft)) => draft.closing = Some(Closing::answered(answer)),
            (Step::Acted(act), Some(draft)) => draft.act(act),
            (Step::Answered(_) | Step::Acted(_), None) => {}
        }
    }
    drafts.into_iter().map(Draft::item).collect()
}

fn was_answered_meanwhile(call: &MissedCall, answers: &[UtcMillis]) -> bool {
    let next = answers.partition_point(|at| *at < call.started_at);
    answers.get(next).is_some_and(|at| *at < call.ended_at)
}

/// One piece of evidence at its place in time.
#[derive(Clone, Copy)]
enum Step<'a> {
    Missed(&'a MissedCall),
    Acted(&'a Act),
    Answered(&'a Answer),
}

impl Step<'_> {
    /// Of the same millisecond: first what was missed, then what was done about it.
    fn key(&self) -> (UtcMillis, u8, Uuid) {
        match self {
            Step::Missed(call) => (call.ended_at, 0, *call.interaction_id.as_uuid()),
            Step::Acted(act) => {
                let rank = if act.deed == Deed::Claim { 1 } else { 2 };
                (act.at, rank, *act.user_id.as_uuid())
            }
            Step::Answered(answer) => (answer.at, 3, *answer.interaction_id.as_uuid()),
        }
    }
}

struct Draft<'a> {
    first: &'a MissedCall,
    calls: Vec<&'a MissedCall>,
    owner: Option<UserId>,
    closing: Option<Closing>,
}

struct Closing {
    by: Option<UserId>,
    at: UtcMillis,
    answered: Option<InteractionId>,
}

impl Closing {
    fn answered(answer: &Answer) -> Self {
        Self { by: answer.user_id, at: answer.at, answered: Some(answer.interaction_id) }
    }
}

impl<'a> Draft<'a> {
    fn open(call: &'a MissedCall) -> Self {
        Self { first: call, calls: vec![call], owner: None, closing: None }
    }

    /// A claim or close of an earlier item is nothing to this one.
    fn act(&mut self, act: &Act) {
        if !self.calls.iter().any(|call| call.call_id == act.call_id) {
            return;
        }
        match act.deed {
            Deed::Claim => {
                self.owner.get_or_insert(act.user_id);
            }
            Deed::Close => self.closing = Some(Closing { by: Some(act.user_id), at: act.at, answered: None }),
        }
    }

    fn item(self) -> Item {
        let last = self.calls.last().copied().unwrap_or(self.first);
        let users: BTreeSet<UserId> = self.calls.iter().filter_map(|call| call.user_id).collect();
        let started = || self.calls.iter().map(|call| call.started_at);
        let state = match (&self.closing, self.owner) {
            (Some(_), _) => MissedState::Closed,
            (None, Some(_)) => MissedState::Claimed,
            (None, None) => MissedState::Open,
        };
        let record = MissedItem {
            id: MissedId::from_uuid(*self.first.interaction_id.as_uuid()),
            number: last.number.clone(),
            number_dialled: last.number_dialled.clone(),
            contact_id: self.calls.iter().rev().find_map(|call| call.contact_id),
            attempts: u64::try_from(self.calls.len()).unwrap_or(u64::MAX),
            first_at: started().min().unwrap_or(last.started_at),
            last_at: started().max().unwrap_or(last.started_at),
            owner_id: self.owner,
            state,
            closed_by: self.closing.as_ref().and_then(|closing| closing.by),
            closed_at: self.closing.as_ref().map(|closing| closing.at),
            answered_interaction_id: self.closing.as_ref().and_then(|closing| closing.answered),
            interaction_id: last.interaction_id,
            user_ids: users.into_iter().collect(),
        };
        Item { record, calls: self.calls.into_iter().cloned().collect() }
    }
}
