//! Missed-call items: which calls make them, what closes them, and that order and repetition do not matter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Desk, WALL, contact, named, route, user};
use linecard_calls::missed::{
    Act, Answer, Book, CallerEvidence, CallerKey, Callers, Judgement, MissedCall, items,
};
use linecard_calls::*;
use proptest::prelude::*;

const NUMBER: &str = "+79101234567";

fn at(second: i64) -> UtcMillis {
    UtcMillis(WALL + second * 1_000)
}

/// An inbound call of `owner`'s line that nobody answered.
fn missed(n: u16, owner: Option<UserId>, from: i64, until: i64) -> Interaction {
    let mut desk = Desk::new();
    let (_, customer) = desk.offer(owner);
    desk.give(Input::LegCancelled { leg: customer, reasons: Vec::new() });
    desk.wait_ms(10_000);
    let base = desk.ended.first().unwrap().1.clone();
    Interaction {
        id: named(10, n),
        call_id: named(11, n),
        user_id: owner,
        started_at: at(from),
        ended_at: Some(at(until)),
        ..base
    }
}

fn answered(n: u16, who: UserId, from: i64, connected: i64) -> Interaction {
    let ended_at = Some(at(connected + 60));
    let it = missed(n, Some(who), from, connected);
    Interaction { outcome: Some(Outcome::Answered), answered_at: Some(at(connected)), ended_at, ..it }
}

fn made(interactions: &[Interaction]) -> Vec<MissedItem> {
    let mut callers = Callers::default();
    interactions.iter().for_each(|it| callers.take(it, &[]));
    callers.items().map(|item| item.record).collect()
}

#[test]
fn two_calls_of_one_caller_are_one_item_with_two_attempts() {
    let found = made(&[missed(1, Some(user(1)), 0, 20), missed(2, Some(user(2)), 100, 110)]);
    let [item] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((item.attempts, item.state), (2, MissedState::Open));
    assert_eq!((item.first_at, item.last_at), (at(0), at(100)));
    assert_eq!(item.number.as_deref(), Some(NUMBER));
    assert_eq!(item.user_ids, [user(1), user(2)], "whose lines were called");
    assert_eq!(item.id.to_string(), named::<InteractionId>(10, 1).to_string(), "named after the first call");
    assert_eq!(item.interaction_id, named(10, 2), "the last one");
}

#[test]
fn every_way_not_to_be_answered_is_a_missed_call_and_nothing_else_is() {
    let call = missed(1, Some(user(1)), 0, 20);
    for outcome in [
        Outcome::Abandoned,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Rejected,
        Outcome::Failed,
        Outcome::Interrupted,
    ] {
        let it = Interaction { outcome: Some(outcome), ..call.clone() };
        assert_eq!(made(&[it]).len(), 1, "{outcome:?}");
    }
    let live = Interaction { state: InteractionState::Live, ended_at: None, ..call.clone() };
    let cut_talk = Interaction { outcome: Some(Outcome::Interrupted), ..answered(1, user(1), 0, 5) };
    let to_customer = Interaction { direction: Direction::Outbound, ..call.clone() };
    let between_users = Interaction { direction: Direction::Internal, ..call };
    for it in [live, cut_talk, to_customer, between_users] {
        assert_eq!(made(std::slice::from_ref(&it)), [], "{it:?}");
    }
}

#[test]
fn an_answer_by_anybody_in_either_direction_closes_it_and_a_later_miss_opens_another() {
    let (first, second) = (missed(1, Some(user(1)), 0, 20), missed(3, Some(user(1)), 500, 520));
    let back = answered(2, user(2), 100, 110);
    let dialled = Interaction {
        direction: Direction::Outbound,
        caller_number: Some("105".to_owned()),
        callee_number: Some(NUMBER.to_owned()),
        ..back.clone()
    };
    for answer in [back, dialled] {
        let found = made(&[first.clone(), answer.clone(), second.clone()]);
        let [closed, open] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((closed.state, closed.closed_by), (MissedState::Closed, Some(user(2))));
        assert_eq!((closed.closed_at, closed.answered_interaction_id), (Some(at(110)), Some(answer.id)));
        assert_eq!((open.state, open.attempts, open.first_at), (MissedState::Open, 1, at(500)));
    }
}

#[test]
fn a_live_talk_closes_it_before_its_end() {
    let talk =
        Interaction { state: InteractionState::Live, ended_at: None, ..answered(2, user(2), 100, 110) };
    assert_eq!(made(&[missed(1, None, 0, 20), talk])[0].state, MissedState::Closed);
}

#[test]
fn a_ring_group_that_a_colleague_answered_leaves_no_phantom() {
    // The PBX forks to three lines at once; one answers, the PBX cancels the others a moment later.
    let mine = missed(1, Some(user(1)), 0, 8);
    let hers = answered(2, user(2), 0, 7);
    let his = missed(3, Some(user(3)), 1, 8);
    assert_eq!(made(&[mine.clone(), hers.clone(), his.clone()]), []);
    let again = missed(4, Some(user(1)), 8, 20);
    let found = made(&[mine, hers, his, again]);
    assert_eq!((found.len(), found[0].attempts), (1, 1), "what comes after the answer counts");
}

#[test]
fn a_withheld_number_is_a_caller_of_its_own_each_time() {
    let withheld = |n, from| Interaction {
        caller_number: None,
        customer_number: None,
        ..missed(n, Some(user(1)), from, from + 5)
    };
    let nameless = Interaction { caller_dialled: Some("1234&SIP/x".to_owned()), ..withheld(3, 50) };
    let found = made(&[withheld(1, 0), withheld(2, 10), nameless]);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|item| item.number.is_none() && item.attempts == 1));
    let talk = Interaction { caller_number: None, customer_number: None, ..answered(4, user(1), 60, 65) };
    let found = made(&[withheld(1, 0), talk]);
    assert_eq!(found[0].state, MissedState::Open, "another withheld caller says nothing about this one");
}

#[test]
fn an_amended_call_changes_nothing_but_the_contact() {
    let call = missed(1, Some(user(1)), 0, 20);
    let mut book = Book::default();
    let opened = book.take(&call);
    assert_eq!(opened.len(), 1);
    assert_eq!(book.take(&call), [], "a second time changes nothing");
    let noted = Interaction { notes: Some("перезвонить".to_owned()), ..call.clone() };
    assert_eq!(book.amend(&noted), []);
    let named = Interaction { contact_id: Some(contact(7)), ..call.clone() };
    let amended = book.amend(&named);
    let expected = MissedItem { contact_id: Some(contact(7)), ..opened[0].item.clone() };
    assert_eq!(amended.iter().map(|change| &change.item).collect::<Vec<_>>(), [&expected]);
    let mut fresh = Book::default();
    assert_eq!(fresh.amend(&named), [], "an amended call of long ago opens nothing");
}

#[test]
fn a_claim_is_refused_to_another_and_a_closed_item_to_everybody() {
    let mut book = Book::default();
    let item = book.take(&missed(1, Some(user(1)), 0, 20))[0].item.clone();
    assert_eq!(item.judge(Deed::Claim, user(1)), Judgement::Due);
    let act = book.date(item.id, user(1), Deed::Claim, at(-3_600)).unwrap();
    assert_eq!(act.at, at(20), "a clock that fell back dates no claim before its call");
    let claimed = book.act(item.id, act)[0].item.clone();
    assert_eq!((claimed.state, claimed.owner_id), (MissedState::Claimed, Some(user(1))));
    assert_eq!(book.act(item.id, act), [], "twice is once");
    assert_eq!(claimed.judge(Deed::Claim, user(1)), Judgement::Done);
    assert_eq!(claimed.judge(Deed::Claim, user(2)), Judgement::Refused);
    let rival = Act { user_id: user(2), at: at(30), ..act };
    assert_eq!(book.act(item.id, rival), [], "the first claim holds");
    let again = book.take(&missed(2, Some(user(2)), 40, 50))[0].item.clone();
    assert_eq!((again.state, again.owner_id, again.attempts), (MissedState::Claimed, Some(user(1)), 2));
    let close = book.date(item.id, user(2), Deed::Close, at(60)).unwrap();
    let closed = book.act(item.id, close)[0].item.clone();
    assert_eq!((closed.state, closed.closed_by), (MissedState::Closed, Some(user(2))));
    assert_eq!(closed.judge(Deed::Claim, user(1)), Judgement::Refused);
    assert_eq!(closed.judge(Deed::Close, user(1)), Judgement::Done);
}

#[test]
fn the_engine_opens_the_item_before_it_tells_the_end_and_closes_it_at_the_answer() {
    let mut desk = Desk::new();
    let (_, customer, _) = desk.ringing(&[1], Ring::Together);
    desk.events.clear();
    desk.give(Input::LegCancelled { leg: customer, reasons: Vec::new() });
    let names = desk.event_names();
    let place =
        |name: &str| names.iter().position(|it| *it == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    assert!(place("missed.opened") < place("call.missed"), "{names:?}");
    let owner = Viewer { user_id: user(1), role: Role::Agent };
    let other = Viewer { user_id: user(2), role: Role::Agent };
    let watching = Viewer { user_id: user(9), role: Role::Supervisor };
    let opened = |viewer: &Viewer| desk.engine.snapshot(viewer).missed_open;
    assert_eq!((opened(&owner), opened(&other), opened(&watching)), (1, 0, 1));
    let event = desk.events.iter().find(|event| event.name() == "missed.opened").unwrap();
    assert!(event.visible_to(&owner) && event.visible_to(&watching) && !event.visible_to(&other));
    desk.wait_ms(10_000);
    desk.events.clear();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.route(call, route(Some(user(1)), &[1], Ring::Together));
    let phone = *desk.dialled().last().unwrap();
    desk.give(Input::LegAnswered { leg: phone });
    desk.give(Input::LegAnswered { leg: customer });
    let names = desk.event_names();
    let closed = names.iter().position(|it| *it == "missed.closed").unwrap();
    assert!(closed < names.iter().position(|it| *it == "call.answered").unwrap(), "{names:?}");
    assert_eq!(desk.engine.snapshot(&watching).missed_open, 0);
}

#[test]
fn a_claim_is_evidence_and_a_new_process_knows_what_was_claimed() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.give(Input::LegCancelled { leg: customer, reasons: Vec::new() });
    desk.wait_ms(10_000);
    let opened = desk.missed.last().unwrap().clone();
    let deed = Deed::Claim;
    desk.give(Input::MissedActed { item: opened.item.id, user: user(1), deed });
    desk.give(Input::MissedActed { item: opened.item.id, user: user(2), deed });
    let acts: Vec<Act> = desk.signals.iter().filter_map(Act::of).collect();
    assert_eq!(acts.len(), 1, "one claim, one signal");
    assert_eq!((acts[0].user_id, acts[0].call_id), (user(1), call));
    assert!(explain(&desk.signals).unwrap().sentences.iter().any(|it| it.key == "missed_claimed"));
    let claimed = desk.missed.last().unwrap().item.clone();
    assert_eq!(claimed.state, MissedState::Claimed);

    let mut book = Book::default();
    let kept = missed::KeptItem { item: claimed.clone(), calls: opened.calls.clone(), acts: acts.clone() };
    assert_eq!(book.load(vec![kept]), [], "nothing new");
    let stale = missed::KeptItem { item: opened.item.clone(), calls: opened.calls, acts };
    let late = Book::default().load(vec![stale]);
    assert_eq!(late[0].item, claimed, "a claim that only the spool held is not lost");
    let mut callers = Callers::default();
    callers.take(&fold(&desk.signals).unwrap(), &desk.signals);
    assert_eq!(callers.items().map(|item| item.record).collect::<Vec<_>>(), [claimed]);
}

#[test]
fn a_call_that_rang_when_the_server_died_is_missed_once_however_often_it_is_recovered() {
    let mut before = Desk::new();
    before.ringing(&[1], Ring::Together);
    let mut after = Desk::with(RecordingPolicy::Nothing, 2);
    after.wait_ms(60_000);
    let now = after.at();
    for _ in 0..2 {
        let open = OpenCall { signals: before.signals.clone(), recordings: Vec::new() };
        after.engine.recover(vec![open], None, now);
        after.drain();
    }
    assert_eq!(after.missed.len(), 1);
    assert_eq!((after.missed[0].item.attempts, after.missed[0].item.state), (1, MissedState::Open));
    assert_eq!(after.missed[0].item.user_ids, [user(1)]);
}

#[test]
fn a_line_of_nobodys_leaves_an_item_for_supervisors() {
    let mut desk = Desk::new();
    let (call, _) = desk.offer(None);
    desk.route(call, route(None, &[], Ring::Together));
    let item = desk.missed[0].item.clone();
    assert_eq!(item.user_ids, []);
    assert!(!item.visible_to(&Viewer { user_id: user(1), role: Role::Agent }));
    assert!(item.visible_to(&Viewer { user_id: user(1), role: Role::Supervisor }));
}

/// One caller's life in small numbers: what, whose, when, how long.
fn lives() -> impl Strategy<Value = Vec<(u8, u16, i64, i64)>> {
    proptest::collection::vec((0_u8..5, 1_u16..4, 0_i64..40, 0_i64..6), 1..14)
}

/// The rule told once more in the plainest way: walk the milliseconds.
fn naive(calls: &[MissedCall], answers: &[Answer]) -> Vec<(u64, MissedState)> {
    let mut found: Vec<(u64, MissedState)> = Vec::new();
    for second in 0..60 {
        let now = at(second);
        for call in calls.iter().filter(|call| call.ended_at == now) {
            let reached = |answer: &Answer| call.started_at <= answer.at && answer.at < call.ended_at;
            if !answers.iter().any(reached) {
                match found.last_mut().filter(|(_, state)| *state == MissedState::Open) {
                    Some((attempts, _)) => *attempts += 1,
                    None => found.push((1, MissedState::Open)),
                }
            }
        }
        if answers.iter().any(|answer| answer.at == now)
            && let Some((_, state)) = found.last_mut()
        {
            *state = MissedState::Closed;
        }
    }
    found
}

proptest! {
    #[test]
    fn any_order_and_repetition_makes_the_same_items(life in lives(), order in proptest::collection::vec(any::<u16>(), 40)) {
        let interactions: Vec<Interaction> = (1_u16..).zip(&life).map(|(n, (what, who, from, long))| match what {
            0..=2 => missed(n, Some(user(*who)), *from, from + long),
            _ => answered(n, user(*who), *from, from + long),
        }).collect();
        let expected = made(&interactions);
        let mut mixed: Vec<&Interaction> = order.iter().map(|n| &interactions[usize::from(*n) % interactions.len()]).collect();
        mixed.extend(interactions.iter().rev());

        let mut book = Book::default();
        let mut told: std::collections::BTreeMap<MissedId, MissedItem> = std::collections::BTreeMap::new();
        let mut homes: std::collections::BTreeMap<InteractionId, MissedId> = std::collections::BTreeMap::new();
        for it in mixed {
            for change in book.take(it) {
                if change.void {
                    told.remove(&change.item.id);
                    homes.retain(|_, home| *home != change.item.id);
                } else {
                    homes.extend(change.calls.iter().map(|call| (call.interaction_id, change.item.id)));
                    told.insert(change.item.id, change.item);
                }
            }
        }
        let mut by_id = expected.clone();
        by_id.sort_by_key(|item| item.id);
        prop_assert_eq!(told.into_values().collect::<Vec<_>>(), by_id, "what was told on the way adds up");
        let open = expected.iter().filter(|item| item.state == MissedState::Open).count() as u64;
        let watching = Viewer { user_id: user(9), role: Role::Supervisor };
        prop_assert_eq!(book.open_for(&watching), open);
        for n in 1..4 {
            let agent = Viewer { user_id: user(n), role: Role::Agent };
            let own = expected.iter().filter(|item| item.state == MissedState::Open && item.visible_to(&agent)).count();
            prop_assert_eq!(book.open_for(&agent), own as u64);
        }
        let mut evidence = CallerEvidence::default();
        interactions.iter().for_each(|it| evidence.take(it));
        for item in items(&evidence) {
            for call in &item.calls {
                prop_assert_eq!(homes.get(&call.interaction_id), Some(&item.record.id), "each call is told its item");
            }
        }
        let calls: Vec<MissedCall> = interactions.iter().filter_map(MissedCall::of).collect();
        let answers: Vec<Answer> = interactions.iter().filter_map(Answer::of).collect();
        let plain: Vec<_> = expected.iter().map(|item| (item.attempts, item.state)).collect();
        prop_assert_eq!(plain, naive(&calls, &answers));
        prop_assert!(interactions.iter().all(|it| CallerKey::of(it) == Some(CallerKey::Number(NUMBER.to_owned()))));
    }
}
