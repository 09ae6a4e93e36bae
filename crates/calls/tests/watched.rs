//! Calls that go on elsewhere and are only seen: what is one call, who is shown it, how it counts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::watching::{Eye, Look, by_dialogs, by_invite};
use common::{Desk, contact, route, user};
use linecard_calls::*;

const CUSTOMER: &str = "+79101234567";

fn only(desk: &Desk) -> &Interaction {
    assert_eq!(desk.ended.len(), 1, "one call leaves one interaction");
    &desk.ended[0].1
}

fn pops_of(desk: &Desk, of: u16) -> Vec<(PopState, Option<UserId>)> {
    let pops = desk.events.iter().filter_map(|event| match event {
        Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop) => Some(pop),
        _ => None,
    });
    pops.filter(|pop| pop.user_id == user(of)).map(|pop| (pop.state, pop.taken_by)).collect()
}

fn rule(desk: &Desk) -> Rule {
    explain(&desk.signals).unwrap().rule
}

#[test]
fn a_call_answered_on_the_desk_phone_is_an_interaction_with_its_talk() {
    let mut desk = Desk::new();
    let eye = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.wait_ms(5_000);
    desk.talks(&eye);
    desk.wait_ms(60_000);
    desk.lost(&eye, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);

    let interaction = only(&desk);
    assert_eq!((interaction.direction, interaction.outcome), (Direction::Inbound, Some(Outcome::Answered)));
    assert_eq!((interaction.ringing_ms, interaction.talk_ms), (Some(5_000), Some(60_000)));
    assert_eq!((interaction.user_id, interaction.caller_number.as_deref()), (Some(user(1)), Some(CUSTOMER)));
    assert_eq!(interaction.hangup_by, Some(HangupBy::Caller));
    assert_eq!(rule(&desk), Rule::SeenTalking);
    assert_eq!(
        pops_of(&desk, 1),
        [(PopState::Ringing, None), (PopState::Mine, None), (PopState::Ended, None)]
    );
    assert!(desk.missed.is_empty());
    assert_eq!(desk.timer, None);
}

#[test]
fn a_call_dialled_on_the_desk_phone_is_an_outbound_interaction() {
    let mut desk = Desk::new();
    let eye = desk.sight(&Look::calling(1, Some(CUSTOMER)));
    desk.wait_ms(3_000);
    desk.talks(&eye);
    desk.wait_ms(7_000);
    desk.lost(&eye, SightingEnd::HungUp);
    desk.wait_ms(10_000);

    let interaction = only(&desk);
    assert_eq!((interaction.direction, interaction.outcome), (Direction::Outbound, Some(Outcome::Answered)));
    assert_eq!(interaction.callee_number.as_deref(), Some(CUSTOMER));
    assert_eq!(interaction.caller_number.as_deref(), Some("201"));
    assert_eq!((interaction.talk_ms, interaction.hangup_by), (Some(7_000), Some(HangupBy::Agent)));
    assert!(
        desk.effects
            .iter()
            .any(|(effect, _)| matches!(effect, Effect::FindContact { number, .. } if number == CUSTOMER))
    );
}

#[test]
fn what_a_pbx_tells_of_an_end_decides_how_an_unanswered_call_counts() {
    use SightingEnd::*;
    let called = [
        (Cancelled, None, Outcome::Abandoned, Rule::SeenUnanswered),
        (Untold, None, Outcome::Abandoned, Rule::SeenUnanswered),
        (RangOut, None, Outcome::NoAnswer, Rule::SeenRingOut),
        (Rejected, Some(486), Outcome::Busy, Rule::SeenRefused),
        (Rejected, Some(603), Outcome::Rejected, Rule::SeenRefused),
        (Rejected, Some(487), Outcome::Abandoned, Rule::SeenUnanswered),
    ];
    let calling = [
        (Cancelled, None, Outcome::Canceled, Rule::AgentLeft),
        (Rejected, Some(486), Outcome::Busy, Rule::CalleeBusy),
        (Rejected, Some(603), Outcome::Rejected, Rule::CalleeDeclined),
        (Rejected, Some(480), Outcome::NoAnswer, Rule::CalleeSilent),
        (Rejected, Some(503), Outcome::Failed, Rule::CalleeUnreachable),
        (Untold, None, Outcome::NoAnswer, Rule::SeenUnanswered),
    ];
    let looks = called.map(|row| (Look::called(1, Some(CUSTOMER)), row)).into_iter();
    for (look, (end, status, outcome, why)) in
        looks.chain(calling.map(|row| (Look::calling(1, Some(CUSTOMER)), row)))
    {
        let mut desk = Desk::new();
        let eye = desk.sight(&look);
        desk.wait_ms(9_000);
        desk.lost_with(&eye, end, status, &[]);
        desk.wait_ms(10_000);
        let interaction = only(&desk);
        assert_eq!((interaction.outcome, rule(&desk)), (Some(outcome), why), "{look:?} {end:?} {status:?}");
        assert_eq!(interaction.ringing_ms, Some(9_000), "the wait for another sighting does not count");
        assert_eq!(desk.missed.len(), usize::from(interaction.direction == Direction::Inbound));
    }
}

#[test]
fn a_reason_is_believed_only_when_nothing_weightier_is_told() {
    for (reason, end, status, outcome, why) in [
        (Some(200), SightingEnd::Cancelled, None, Outcome::Answered, Rule::AnsweredElsewhere),
        (None, SightingEnd::Cancelled, None, Outcome::Abandoned, Rule::SeenUnanswered),
        (Some(487), SightingEnd::Cancelled, None, Outcome::Abandoned, Rule::SeenUnanswered),
        (Some(200), SightingEnd::Rejected, Some(486), Outcome::Busy, Rule::SeenRefused),
        (Some(200), SightingEnd::RangOut, None, Outcome::NoAnswer, Rule::SeenRingOut),
    ] {
        let mut desk = Desk::new();
        let eye = desk.sight_by(&Look::called(1, Some(CUSTOMER)), Source::Shadow);
        desk.wait_ms(6_000);
        let reasons: Vec<u16> = reason.into_iter().collect();
        desk.lost_with(&eye, end, status, &reasons);
        let shown = pops_of(&desk, 1);
        desk.wait_ms(10_000);
        let interaction = only(&desk);
        assert_eq!((interaction.outcome, rule(&desk)), (Some(outcome), why), "{reason:?} {end:?}");
        let gone = if reason == Some(200) { PopState::Elsewhere } else { PopState::Missed };
        assert_eq!(shown.last().unwrap().0, gone, "the pop goes at once");
        assert_eq!(desk.missed.is_empty(), outcome == Outcome::Answered, "{reason:?} {end:?}");
    }
}

#[test]
fn a_reason_is_contradicted_by_an_extension_that_is_seen_to_talk() {
    let mut desk = Desk::new();
    let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
    let two = desk.sight(&Look::called(2, Some(CUSTOMER)));
    desk.wait_ms(4_000);
    desk.lost_with(&one, SightingEnd::Cancelled, None, &[]);
    desk.talks(&two);
    desk.wait_ms(30_000);
    desk.lost(&two, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);

    let interaction = only(&desk);
    assert_eq!((interaction.outcome, interaction.user_id), (Some(Outcome::Answered), Some(user(2))));
    let states: Vec<LegState> = interaction.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Ended, LegState::Cancelled, LegState::Ended]);
    assert!(desk.missed.is_empty(), "nobody missed it: a colleague took it");
    assert_eq!(pops_of(&desk, 1).len(), 2);
    assert_eq!(pops_of(&desk, 2).last().unwrap().0, PopState::Ended);
}

#[test]
fn a_losing_fork_whose_colleague_talks_already_is_elsewhere() {
    let mut desk = Desk::new();
    let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
    let two = desk.sight(&Look::called(2, Some(CUSTOMER)));
    desk.talks(&two);
    desk.lost(&one, SightingEnd::Cancelled);
    assert_eq!(pops_of(&desk, 1).last(), Some(&(PopState::Elsewhere, Some(user(2)))));
    let snapshot = desk.engine.snapshot(&Viewer { user_id: user(1), role: Role::Agent });
    assert!(snapshot.pops.is_empty());
}

#[test]
fn a_hunt_that_rings_one_after_the_other_is_one_call() {
    let mut desk = Desk::new();
    for member in [1, 2, 3] {
        let eye = desk.sight(&Look::called(member, Some(CUSTOMER)));
        desk.wait_ms(10_000);
        desk.lost(&eye, SightingEnd::Cancelled);
        desk.wait_ms(2_000);
    }
    desk.wait_ms(10_000);
    let interaction = only(&desk);
    assert_eq!(interaction.legs.len(), 4);
    assert_eq!((interaction.outcome, interaction.ringing_ms), (Some(Outcome::Abandoned), Some(34_000)));
    assert_eq!(desk.missed.len(), 1);
}

#[test]
fn a_caller_who_tries_again_later_makes_a_second_call() {
    let mut desk = Desk::new();
    for _ in 0..2 {
        let eye = desk.sight(&Look::called(1, Some(CUSTOMER)));
        desk.wait_ms(10_000);
        desk.lost(&eye, SightingEnd::Cancelled);
        desk.wait_ms(15_000);
    }
    assert_eq!(desk.ended.len(), 2);
    assert_eq!(desk.missed.last().unwrap().item.attempts, 2);
}

#[test]
fn two_callers_at_once_are_two_calls_and_so_are_two_of_one_number_to_two_numbers() {
    let mut desk = Desk::new();
    desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.sight(&Look::called(2, Some("+79107654321")));
    desk.sight(&Look { did: Some("+78312000001"), ..Look::called(3, Some("+79990000000")) });
    desk.sight(&Look { did: Some("+78312000002"), ..Look::called(4, Some("+79990000000")) });
    assert_eq!(desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor }).len(), 4);
}

#[test]
fn a_caller_who_withholds_the_number_is_not_the_one_whose_number_is_told() {
    let withheld = |desk: &mut Desk| {
        let mut offer = desk.new_offer(Some(user(9)), None, "withheld");
        offer.caller.chosen = IdentitySource::Nothing;
        desk.give(Input::LegOffered(offer));
        desk.wait_ms(100);
    };
    for withheld_first in [true, false] {
        let mut desk = Desk::new();
        if withheld_first {
            withheld(&mut desk);
        }
        desk.sight(&Look::called(1, Some(CUSTOMER)));
        desk.sight(&Look::called(2, Some("+79107654321")));
        if !withheld_first {
            withheld(&mut desk);
        }
        let calls = desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor });
        assert_eq!(calls.len(), 3, "withheld first: {withheld_first}");
    }
}

#[test]
fn forks_without_a_number_are_one_call_when_they_begin_together() {
    let mut desk = Desk::new();
    desk.sight(&Look::called(1, None));
    desk.wait_ms(200);
    desk.sight(&Look::called(2, None));
    desk.wait_ms(3_000);
    desk.sight(&Look::called(3, None));
    let calls = desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor });
    assert_eq!(calls.iter().map(|call| call.legs.len()).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn an_invite_that_comes_behind_the_end_of_its_call_makes_no_other() {
    // After a call that dialog events told, or the INVITE too; so long after its beginning; by whom the next sighting is.
    for (invited, after_ms, source, calls) in [
        (false, 3_500, Source::Shadow, 1),
        (false, 31_500, Source::Shadow, 1),
        (false, 33_000, Source::Shadow, 2),
        (false, 3_500, Source::DialogInfo, 2),
        (true, 3_500, Source::Shadow, 2),
    ] {
        let mut desk = Desk::new();
        let told = desk.sight(&Look::called(1, Some(CUSTOMER)));
        let fork = invited.then(|| desk.sight_by(&Look::called(1, Some(CUSTOMER)), Source::Shadow));
        desk.wait_ms(200);
        fork.iter().for_each(|fork| desk.lost_with(fork, SightingEnd::Cancelled, None, &[200]));
        desk.talks(&told);
        desk.wait_ms(500);
        desk.lost(&told, SightingEnd::OtherHungUp);
        desk.wait_ms(after_ms - 700);
        let shown = pops_of(&desk, 1).len();
        let next = desk.sight_by(&Look::called(1, Some(CUSTOMER)), source);
        assert_eq!(pops_of(&desk, 1).len() - shown, calls - 1, "{invited} {after_ms} {source:?}");
        desk.wait_ms(1_500);
        desk.lost_with(&next, SightingEnd::Cancelled, None, &[200]);
        desk.wait_ms(10_000);
        assert_eq!(desk.ended.len(), calls, "{invited} {after_ms} {source:?}");
    }
}

#[test]
fn a_late_invite_is_expected_once() {
    let mut desk = Desk::new();
    let told = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&told);
    desk.wait_ms(500);
    desk.lost(&told, SightingEnd::OtherHungUp);
    desk.wait_ms(3_000);
    desk.sight_by(&Look::called(1, Some(CUSTOMER)), Source::Shadow);
    assert!(desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor }).is_empty());
    desk.sight_by(&Look::called(2, Some(CUSTOMER)), Source::Shadow);
    desk.sight_by(&Look::called(1, Some(CUSTOMER)), Source::Shadow);
    assert_eq!(
        desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor }).len(),
        1,
        "a new call"
    );
}

#[test]
fn the_same_extension_seen_by_two_sources_is_one_leg_and_the_number_is_learned() {
    for first_by in [Source::Shadow, Source::DialogInfo] {
        let mut desk = Desk::new();
        let (dialogs, invite) = (Look::called(1, None), Look::called(1, Some(CUSTOMER)));
        let both = [(Source::DialogInfo, &dialogs), (Source::Shadow, &invite)];
        let order: Vec<_> =
            if first_by == Source::Shadow { both.into_iter().rev().collect() } else { both.to_vec() };
        let eyes: Vec<Eye> = order.into_iter().map(|(source, look)| desk.sight_by(look, source)).collect();
        let (shadow, dialog) =
            if first_by == Source::Shadow { (&eyes[0], &eyes[1]) } else { (&eyes[1], &eyes[0]) };
        desk.wait_ms(5_000);
        desk.lost_with(shadow, SightingEnd::Cancelled, None, &[200]);
        desk.talks(dialog);
        desk.wait_ms(20_000);
        desk.lost(dialog, SightingEnd::HungUp);
        desk.wait_ms(10_000);

        let interaction = only(&desk);
        assert_eq!((interaction.legs.len(), interaction.outcome), (2, Some(Outcome::Answered)));
        assert_eq!(interaction.caller_number.as_deref(), Some(CUSTOMER));
        assert_eq!((interaction.talk_ms, interaction.hangup_by), (Some(20_000), Some(HangupBy::Agent)));
        let asked = desk.effects.iter().filter(|(effect, _)| matches!(effect, Effect::FindContact { .. }));
        assert_eq!(asked.count(), 1, "the contacts are asked once the number is known");
        let shown = pops_of(&desk, 1);
        assert!(shown.iter().all(|(state, _)| *state != PopState::Elsewhere), "{shown:?}");
        let last = desk.events.iter().rev().find_map(|event| match event {
            Event::PopRetracted(pop) => Some(pop.number.clone()),
            _ => None,
        });
        assert_eq!(last.unwrap().as_deref(), Some(CUSTOMER));
    }
}

#[test]
fn two_extensions_that_call_each_other_are_one_internal_call() {
    for order in [[1, 2], [2, 1]] {
        let mut desk = Desk::new();
        let looks = order.map(|side| match side {
            1 => Look { reach: Reach::Inside, ..Look::calling(1, Some("202")) },
            _ => Look { reach: Reach::Inside, ..Look::called(2, Some("201")) },
        });
        let eyes: Vec<Eye> = looks.iter().map(|look| desk.sight(look)).collect();
        desk.wait_ms(3_000);
        eyes.iter().for_each(|eye| desk.talks(eye));
        desk.wait_ms(3_000);
        eyes.iter().for_each(|eye| desk.lost(eye, SightingEnd::Untold));
        desk.wait_ms(10_000);
        let interaction = only(&desk);
        assert_eq!(
            (interaction.direction, interaction.user_id),
            (Direction::Internal, Some(user(1))),
            "{order:?}"
        );
        assert_eq!(interaction.caller_number.as_deref(), Some("201"));
        assert_eq!(interaction.callee_number.as_deref(), Some("202"));
        assert!(pops_of(&desk, 1).contains(&(PopState::Mine, None)));
        assert!(pops_of(&desk, 2).contains(&(PopState::Mine, None)));
    }
}

#[test]
fn a_phone_that_this_server_rings_is_no_second_call() {
    for (reach, number) in
        [(Reach::Ours, Some("100")), (Reach::Outside, Some(CUSTOMER)), (Reach::Outside, None)]
    {
        let mut desk = Desk::new();
        let (call, customer) = desk.offer(Some(user(1)));
        desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
        let leg = desk.dialled()[0];
        let eye = desk.sight(&Look { reach, ..Look::called(1, number) });
        desk.give(Input::LegProgressed { leg, status: 180 });
        desk.give(Input::LegAnswered { leg });
        desk.talks(&eye);
        desk.give(Input::LegAnswered { leg: customer });
        desk.wait_ms(9_000);
        desk.give(Input::LegEnded { leg: customer, by: EndCause::Remote, reasons: vec![] });
        desk.lost(&eye, SightingEnd::OtherHungUp);
        desk.found(call, vec![]);
        desk.wait_ms(10_000);
        let interaction = only(&desk);
        assert_eq!((interaction.legs.len(), rule(&desk)), (2, Rule::Connected), "{reach:?} {number:?}");
        assert_eq!(pops_of(&desk, 1).len(), 3);
        assert_eq!(desk.engine.snapshot(&Viewer { user_id: user(9), role: Role::Admin }).calls.len(), 0);
    }
}

#[test]
fn a_phone_that_this_server_rings_is_no_second_call_however_late_it_is_told() {
    for (reach, number) in
        [(Reach::Ours, Some("100")), (Reach::Outside, Some(CUSTOMER)), (Reach::Outside, None)]
    {
        let mut desk = Desk::new();
        let (_, customer, _) = desk.talking();
        desk.wait_ms(5_000);
        let stage = SightingStage::Talking;
        let eye = desk.sight(&Look { reach, stage, ..Look::called(1, number) });
        assert_eq!(
            desk.engine.calls(&Viewer { user_id: user(9), role: Role::Admin }).len(),
            1,
            "{reach:?} {number:?}"
        );
        desk.bye(customer);
        desk.lost(&eye, SightingEnd::OtherHungUp);
        desk.wait_ms(20_000);
        assert_eq!(only(&desk).outcome, Some(Outcome::Answered));
    }
}

#[test]
fn a_call_of_this_server_that_is_over_opens_none_when_it_is_told_late() {
    let mut desk = Desk::new();
    let look = Look { reach: Reach::Ours, ..Look::called(1, Some("100")) };
    let eye = desk.sight(&look);
    desk.talks(&eye);
    desk.lost(&eye, SightingEnd::Untold);
    desk.wait_ms(10_000);
    assert!(desk.signals.is_empty() && desk.events.is_empty());
}

#[test]
fn two_calls_that_begin_together_are_not_told_apart_without_a_number() {
    let mut desk = Desk::new();
    desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.sight(&Look::called(2, Some("+79107654321")));
    desk.sight(&Look::called(3, None));
    let calls = desk.engine.calls(&Viewer { user_id: user(9), role: Role::Supervisor });
    assert_eq!(calls.len(), 3, "it may be of either, so it is of none");
}

#[test]
fn a_click_to_dial_rings_the_own_phone_without_a_second_call() {
    let mut desk = Desk::new();
    let (_, callee) = desk.request(CUSTOMER, &[1]);
    let leg = desk.dialled()[0];
    let eye = desk.sight(&Look { reach: Reach::Ours, ..Look::called(1, Some("100")) });
    desk.give(Input::LegAnswered { leg });
    desk.talks(&eye);
    desk.give(Input::LegRejected { leg: callee, status: 486, reasons: vec![] });
    desk.lost(&eye, SightingEnd::OtherHungUp);
    desk.wait_ms(60_000);
    assert_eq!((only(&desk).outcome, rule(&desk)), (Some(Outcome::Busy), Rule::CalleeBusy));
}

#[test]
fn a_group_of_a_line_and_a_desk_phone_is_one_call_whoever_is_seen_first_and_takes_it() {
    for (seen_first, taken_elsewhere) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut desk = Desk::new();
        let look = Look { did: None, ..Look::called(2, Some(CUSTOMER)) };
        let early = seen_first.then(|| desk.sight(&look));
        let (call, customer) = desk.offer(Some(user(1)));
        let eye = early.unwrap_or_else(|| desk.sight(&look));
        desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
        let leg = desk.dialled()[0];
        desk.give(Input::LegProgressed { leg, status: 180 });
        desk.wait_ms(4_000);
        if taken_elsewhere {
            desk.give(Input::LegCancelled { leg: customer, reasons: vec![] });
            desk.give(Input::LegRejected { leg, status: 487, reasons: vec![] });
            desk.talks(&eye);
            desk.wait_ms(8_000);
            desk.lost(&eye, SightingEnd::OtherHungUp);
        } else {
            desk.give(Input::LegAnswered { leg });
            desk.give(Input::LegAnswered { leg: customer });
            desk.lost(&eye, SightingEnd::Cancelled);
            desk.wait_ms(8_000);
            desk.give(Input::LegEnded { leg: customer, by: EndCause::Remote, reasons: vec![] });
        }
        desk.found(call, vec![]);
        desk.wait_ms(10_000);
        let interaction = only(&desk);
        let who = if taken_elsewhere { user(2) } else { user(1) };
        assert_eq!(
            (interaction.outcome, interaction.user_id),
            (Some(Outcome::Answered), Some(who)),
            "{seen_first}"
        );
        assert_eq!(interaction.talk_ms, Some(8_000), "{seen_first} {taken_elsewhere}");
        assert!(desk.missed.is_empty(), "{seen_first} {taken_elsewhere}: {:?}", desk.missed);
        let finals = desk.events.iter().filter(|event| matches!(event, Event::CallEnded(_))).count();
        assert_eq!(finals, 1);
        let calls: Vec<CallId> = desk.signals.iter().map(|signal| signal.call_id).collect();
        assert!(calls.iter().all(|id| *id == call), "one call");
        assert_eq!(fold(&desk.signals).unwrap(), *interaction);
    }
}

#[test]
fn a_group_of_which_nobody_answers_is_missed_once() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
    let leg = desk.dialled()[0];
    let eye = desk.sight(&Look { did: None, ..Look::called(2, Some(CUSTOMER)) });
    desk.wait_ms(5_000);
    desk.give(Input::LegCancelled { leg: customer, reasons: vec![] });
    desk.give(Input::LegRejected { leg, status: 487, reasons: vec![] });
    desk.lost(&eye, SightingEnd::Cancelled);
    desk.found(call, vec![]);
    desk.wait_ms(10_000);
    let interaction = only(&desk);
    assert_eq!((interaction.outcome, interaction.ringing_ms), (Some(Outcome::Abandoned), Some(5_000)));
    assert_eq!(desk.missed.len(), 1);
    assert_eq!(pops_of(&desk, 1).last().unwrap().0, PopState::Missed);
    assert_eq!(pops_of(&desk, 2).last().unwrap().0, PopState::Missed);
}

#[test]
fn a_transferred_call_keeps_its_interaction_and_is_shown_to_the_next_one() {
    let mut desk = Desk::new();
    let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&one);
    desk.wait_ms(30_000);
    desk.lost(&one, SightingEnd::Replaced);
    desk.wait_ms(300);
    let two = desk.sight(&Look::called(2, Some(CUSTOMER)));
    desk.wait_ms(5_000);
    desk.talks(&two);
    desk.wait_ms(10_000);
    desk.lost(&two, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    let interaction = only(&desk);
    assert_eq!((interaction.user_id, interaction.talk_ms), (Some(user(1)), Some(45_300)));
    assert!(
        desk.events
            .iter()
            .any(|event| matches!(event, Event::CallTransferred(call) if call.user_id == Some(user(2))))
    );
    assert!(pops_of(&desk, 2).contains(&(PopState::Mine, None)));
}

#[test]
fn a_transfer_is_one_call_also_when_its_new_end_is_told_first() {
    let mut desk = Desk::new();
    let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&one);
    desk.wait_ms(30_000);
    let two = desk.sight(&Look::called(2, Some(CUSTOMER)));
    assert!(pops_of(&desk, 2).is_empty(), "it may be a second call of this number");
    desk.wait_ms(100);
    desk.lost(&one, SightingEnd::Untold);
    assert_eq!(pops_of(&desk, 2), [(PopState::Ringing, None)], "shown as soon as that is known");
    desk.talks(&two);
    desk.wait_ms(5_000);
    desk.lost(&two, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    assert_eq!((only(&desk).legs.len(), only(&desk).talk_ms), (3, Some(35_100)));
}

#[test]
fn a_second_call_of_a_number_that_talks_already_is_shown_a_moment_later() {
    for ends_early in [true, false] {
        let mut desk = Desk::new();
        let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
        desk.talks(&one);
        desk.wait_ms(30_000);
        let two = desk.sight(&Look::called(2, Some(CUSTOMER)));
        desk.wait_ms(if ends_early { 300 } else { 750 });
        assert_eq!(pops_of(&desk, 2).is_empty(), ends_early);
        desk.lost(&two, SightingEnd::Cancelled);
        desk.wait_ms(10_000);
        assert_eq!(only(&desk).outcome, Some(Outcome::Abandoned), "{ends_early}");
        desk.lost(&one, SightingEnd::OtherHungUp);
        desk.wait_ms(10_000);
        assert_eq!((desk.ended.len(), desk.missed.len()), (2, 1));
        assert_eq!(desk.timer, None);
    }
}

#[test]
fn a_transfer_after_a_question_takes_the_customer_along() {
    let mut desk = Desk::new();
    let one = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&one);
    desk.wait_ms(20_000);
    // User 1 asks user 2 first; then the PBX connects user 2 with the customer.
    let inside = |look: Look| Look { reach: Reach::Inside, ..look };
    let asks = desk.sight(&inside(Look::calling(1, Some("202"))));
    let asked = desk.sight(&inside(Look::called(2, Some("201"))));
    desk.talks(&asks);
    desk.talks(&asked);
    desk.wait_ms(5_000);
    desk.lost(&one, SightingEnd::Replaced);
    desk.connected(&asked, CUSTOMER);
    desk.lost(&asks, SightingEnd::HungUp);
    desk.wait_ms(15_000);
    desk.lost(&asked, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    let mut ended: Vec<_> =
        desk.ended.iter().map(|(_, it, _)| (it.direction, it.talk_ms, it.legs.len())).collect();
    ended.sort_by_key(|(_, talk_ms, _)| *talk_ms);
    assert_eq!(ended, [(Direction::Internal, Some(5_000), 3), (Direction::Inbound, Some(40_000), 3)]);
}

#[test]
fn a_false_end_of_a_losing_fork_does_not_end_the_call() {
    let mut desk = Desk::new();
    let look = Look { sip_call_id: Some("shared"), ..Look::called(1, Some(CUSTOMER)) };
    let first = desk.sight(&look);
    let second = desk.sight(&look);
    desk.lost(&first, SightingEnd::Cancelled);
    desk.talks(&second);
    desk.wait_ms(20_000);
    desk.lost(&second, SightingEnd::Untold);
    desk.wait_ms(500);
    let again = desk.sight(&Look { stage: SightingStage::Talking, ..look });
    let live = desk.engine.live_interaction(desk.signals[0].call_id).unwrap();
    assert_eq!(live.legs[1].ended_at, None, "it goes on");
    desk.wait_ms(20_000);
    desk.lost(&again, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    let interaction = only(&desk);
    assert_eq!((interaction.legs.len(), interaction.talk_ms), (2, Some(40_500)));
    assert_eq!(interaction.hangup_by, Some(HangupBy::Caller));
}

#[test]
fn a_hold_on_the_desk_phone_is_told_and_counted() {
    let mut desk = Desk::new();
    let eye = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&eye);
    desk.wait_ms(10_000);
    desk.holds(&eye);
    desk.holds(&eye);
    let call = desk.signals[0].call_id;
    assert_eq!(desk.engine.call(call).unwrap().state, CallState::Held);
    assert_eq!(desk.engine.live_interaction(call).unwrap().legs[1].state, LegState::Held);
    desk.wait_ms(4_000);
    desk.talks(&eye);
    assert_eq!(desk.engine.call(call).unwrap().state, CallState::Answered);
    desk.wait_ms(6_000);
    desk.holds(&eye);
    desk.wait_ms(1_000);
    desk.lost(&eye, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    assert_eq!((only(&desk).talk_ms, only(&desk).hold_ms), (Some(21_000), Some(5_000)));
    let told = desk.event_names();
    let count = |name: &str| told.iter().filter(|told| **told == name).count();
    assert_eq!((count("call.held"), count("call.retrieved"), count("call.answered")), (2, 1, 1));
    assert_eq!(fold(&desk.signals).unwrap(), *only(&desk));
}

#[test]
fn a_user_on_the_desk_phone_is_busy_for_a_line_of_ours() {
    let mut desk = Desk::new();
    let eye = desk.sight(&Look::called(1, Some("+79107654321")));
    desk.talks(&eye);
    let snapshot = desk.engine.snapshot(&Viewer { user_id: user(1), role: Role::Agent });
    assert_eq!(snapshot.agents[0].state, AgentState::Busy);
    let (call, _) = desk.offer(Some(user(1)));
    desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
    assert!(desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::RejectLeg { status: 486, .. })));
}

#[test]
fn a_watched_call_cannot_be_hung_up_from_here_and_says_so() {
    let mut desk = Desk::new();
    let eye = desk.sight(&Look::called(1, Some(CUSTOMER)));
    desk.talks(&eye);
    let call = desk.signals[0].call_id;
    assert!(desk.engine.call(call).unwrap().watched);
    desk.give(Input::HangUp { call, user: user(1) });
    assert!(desk.engine.call(call).is_some());
    desk.give(Input::Edited {
        call, edit: Edit::Notes { notes: "Перезвонить".to_owned(), user: user(1) }
    });
    desk.give(Input::Edited { call, edit: Edit::Contact { contact: Some(contact(1)), user: user(1) } });
    desk.lost(&eye, SightingEnd::HungUp);
    desk.wait_ms(10_000);
    assert_eq!(only(&desk).notes.as_deref(), Some("Перезвонить"));
    assert_eq!(only(&desk).contact_id, Some(contact(1)));
}

#[test]
fn a_restart_keeps_a_call_that_goes_on_and_cuts_one_that_is_not_seen_again() {
    for seen_again in [true, false] {
        let mut before = Desk::new();
        let eye = before.sight(&Look::called(1, Some(CUSTOMER)));
        before.wait_ms(4_000);
        before.talks(&eye);
        before.wait_ms(10_000);
        let alive_until = before.at();
        let mut desk = before.restarted(60_000, alive_until);
        assert_eq!(desk.engine.calls(&Viewer { user_id: user(1), role: Role::Agent }).len(), 1);
        if seen_again {
            desk.wait_ms(5_000);
            let eye = desk.sight(&Look { stage: SightingStage::Talking, ..Look::called(1, Some(CUSTOMER)) });
            desk.wait_ms(100_000);
            desk.lost(&eye, SightingEnd::OtherHungUp);
        }
        desk.wait_ms(60_000);
        let interaction = only(&desk);
        let expected = if seen_again {
            (Some(Outcome::Answered), Some(175_000))
        } else {
            (Some(Outcome::Interrupted), Some(10_000))
        };
        assert_eq!((interaction.outcome, interaction.talk_ms), expected);
        assert_eq!(
            desk.signals.iter().map(|signal| signal.call_id).collect::<std::collections::BTreeSet<_>>().len(),
            1
        );
    }
}

#[test]
fn a_pbx_that_tells_without_end_fills_neither_memory_nor_disk() {
    let mut desk = Desk::new();
    let first = desk.sight(&Look::called(1, Some(CUSTOMER)));
    for _ in 0..5_000 {
        let eye = desk.sight(&Look { sip_call_id: Some("endless"), ..Look::called(2, Some(CUSTOMER)) });
        desk.lost(&eye, SightingEnd::Cancelled);
    }
    assert!(desk.signals.len() < 2_100, "{}", desk.signals.len());
    desk.lost(&first, SightingEnd::Cancelled);
    desk.wait_ms(10_000);
    only(&desk);
}

#[test]
fn an_invite_beside_a_desk_phone_is_told_180_once_it_is_written_down_and_nothing_more() {
    let mut desk = Desk::new();
    let dialog = desk.sight(&Look::called(1, Some(CUSTOMER)));
    assert!(!desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::RingAlong { .. })));
    let invite = desk.sight(&Look { source: by_invite(), ..Look::called(1, Some(CUSTOMER)) });
    let second = desk.sight(&Look { source: by_invite(), ..Look::called(2, Some(CUSTOMER)) });
    desk.talks(&dialog);
    desk.lost_with(&invite, SightingEnd::Cancelled, None, &[200]);
    desk.lost(&second, SightingEnd::Cancelled);
    desk.lost(&dialog, SightingEnd::OtherHungUp);
    desk.wait_ms(10_000);
    let told: Vec<_> =
        desk.effects.iter().filter(|(effect, _)| !matches!(effect, Effect::FindContact { .. })).collect();
    assert_eq!(told.len(), 3, "two that ring along and the end: {told:?}");
    for (effect, after) in &told[..2] {
        assert!(matches!(effect, Effect::RingAlong { .. }) && after.is_some(), "{effect:?}");
    }
    assert!(matches!(told[2].0, Effect::ReleaseMedia { .. }));
}

#[test]
fn every_sentence_says_what_was_seen_and_why_it_counts() {
    let mut desk = Desk::new();
    let dialog = desk.sight(&Look { source: by_dialogs(), ..Look::called(1, Some(CUSTOMER)) });
    let invite = desk.sight(&Look { source: by_invite(), ..Look::called(1, Some(CUSTOMER)) });
    desk.wait_ms(3_000);
    desk.lost_with(&invite, SightingEnd::Cancelled, None, &[200]);
    desk.lost(&dialog, SightingEnd::Cancelled);
    desk.wait_ms(10_000);
    let explanation = explain(&desk.signals).unwrap();
    let keys: Vec<&str> = explanation.sentences.iter().map(|sentence| sentence.key.as_str()).collect();
    assert_eq!(keys, ["seen_ringing", "seen_ringing", "seen_over", "seen_over", "watch_over"]);
    assert!(explanation.sentences[2].text.contains("SIP 200"), "{}", explanation.sentences[2].text);
    assert!(explanation.verdict.starts_with("Answered elsewhere"), "{}", explanation.verdict);
}
