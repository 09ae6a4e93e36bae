//! Recordings as rows.

use linecard_calls::{
    Direction, Interaction, LegRecord, LegState, Outcome, Party, Recording, RecordingState, Span, SpanKind,
};
use linecard_store::interactions::{InteractionFilter, Whose};
use linecard_store::page::{CallOrder, PageRequest};
use linecard_store::recordings::{RecordedCall, RecordingFilter};

use super::support::{
    Ids, NOW, add_contact, contact_draft, fresh_store, interaction, record, save, saved, walk,
};

#[tokio::test]
async fn a_recording_reads_back_and_saving_again_replaces_it() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut it = interaction(&mut ids, NOW);
    let whole = record(&mut ids, &mut it);
    let begun = Recording {
        state: RecordingState::Recording,
        duration_ms: None,
        channels: None,
        sample_rate_hz: None,
        sha256: None,
        spans: Vec::new(),
        ..whole.clone()
    };
    save(&store, vec![saved(&it, std::slice::from_ref(&begun))]).await;
    assert_eq!(store.recording(whole.id).await.unwrap(), Some(begun));
    for state in [
        RecordingState::Finished,
        RecordingState::Repaired,
        RecordingState::Truncated,
        RecordingState::Failed,
    ] {
        let spans = [SpanKind::Hold, SpanKind::Loss, SpanKind::Masked, SpanKind::Transfer];
        let spans = spans.map(|kind| Span { kind, from_ms: 5, until_ms: 6 }).to_vec();
        let later = Recording { state, spans, ..whole.clone() };
        save(&store, vec![saved(&it, std::slice::from_ref(&later))]).await;
        assert_eq!(store.recording(whole.id).await.unwrap().as_ref(), Some(&later));
        assert_eq!(store.recordings_of(it.id).await.unwrap(), [later]);
    }
    assert_eq!(store.recording(ids.make()).await.unwrap(), None);
    assert_eq!(store.recordings_of(ids.make()).await.unwrap(), []);
}

#[tokio::test]
async fn recordings_are_listed_newest_first_and_by_their_owner() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) = (Some(ids.make()), Some(ids.make()));
    let mut expected = Vec::new();
    for (user_id, at_ms) in [(anna, 1), (boris, 1), (anna, 1), (anna, 2), (boris, 3), (None, 4)] {
        let mut interaction = Interaction { user_id, ..interaction(&mut ids, NOW.plus_ms(at_ms)) };
        let recording = record(&mut ids, &mut interaction);
        save(&store, vec![saved(&interaction, std::slice::from_ref(&recording))]).await;
        expected.push(RecordedCall { recording, interaction });
    }
    expected.reverse();
    for limit in [1, 2, 6, 7] {
        for whose in [None, Some(Whose::Of(anna.unwrap())), Some(Whose::Nobody)] {
            let filter = RecordingFilter { whose, ..RecordingFilter::default() };
            let listed = walk(limit, async |page| store.recordings(&filter, page).await.unwrap()).await;
            let wanted = |it: &&RecordedCall| match whose {
                None => true,
                Some(Whose::Of(user) | Whose::With(user)) => it.interaction.user_id == Some(user),
                Some(Whose::Nobody) => it.interaction.user_id.is_none(),
            };
            assert!(listed.iter().eq(expected.iter().filter(wanted)), "pages of {limit}, {whose:?}");
        }
    }
}

#[tokio::test]
async fn recordings_are_found_by_everything_that_is_known_of_the_call() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let contact = add_contact(&store, &mut ids, &contact_draft("Мария Ёлкина", &[])).await.id;
    let user = ids.make();
    let own = Interaction {
        user_id: Some(user),
        contact_id: Some(contact),
        direction: Direction::Outbound,
        outcome: Some(Outcome::Interrupted),
        callee_number: Some("+78312123456".to_owned()),
        ..interaction(&mut ids, NOW.plus_ms(50))
    };
    let mut found = Vec::new();
    for (mut it, duration_ms) in [(own, Some(9_000)), (interaction(&mut ids, NOW), Some(60_000))] {
        let recording = Recording { duration_ms, ..record(&mut ids, &mut it) };
        save(&store, vec![saved(&it, std::slice::from_ref(&recording))]).await;
        found.push(recording.id);
    }
    let none = RecordingFilter::default;
    let filters = [
        RecordingFilter { from: Some(NOW.0 + 50), ..none() },
        RecordingFilter { direction: Some(Direction::Outbound), ..none() },
        RecordingFilter { outcome: Some(Outcome::Interrupted), ..none() },
        RecordingFilter { whose: Some(Whose::Of(user)), ..none() },
        RecordingFilter { contact_id: Some(contact), ..none() },
        RecordingFilter { name: Some("елк".to_owned()), ..none() },
        RecordingFilter { number: Some("+78312123456".to_owned()), ..none() },
        RecordingFilter { duration_max_ms: Some(9_000), ..none() },
    ];
    let first = found.first().copied().unwrap();
    for filter in filters {
        let page = store.recordings(&filter, &PageRequest::default()).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|it| it.recording.id).collect();
        assert_eq!((ids, page.total), (vec![first], 1), "{filter:?}");
    }
    let others = [
        RecordingFilter { until: Some(NOW.0 + 50), ..none() },
        RecordingFilter { duration_min_ms: Some(9_001), ..none() },
    ];
    for filter in others {
        let page = store.recordings(&filter, &PageRequest::default()).await.unwrap();
        assert!(page.items.iter().map(|it| it.recording.id).eq(found.get(1).copied()), "{filter:?}");
    }
    let nobody = RecordingFilter { name: Some("лкина".to_owned()), ..none() };
    assert_eq!(store.recordings(&nobody, &PageRequest::default()).await.unwrap().items, []);
}

#[tokio::test]
async fn recordings_come_in_each_order() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut made = Vec::new();
    for (after_ms, duration_ms) in [(1, Some(500)), (2, None), (3, Some(9_000)), (4, Some(20))] {
        let mut it = interaction(&mut ids, NOW.plus_ms(after_ms));
        let recording = Recording { duration_ms, ..record(&mut ids, &mut it) };
        save(&store, vec![saved(&it, std::slice::from_ref(&recording))]).await;
        made.push(recording.id);
    }
    for (order, expected) in [
        (CallOrder::Newest, [3, 2, 1, 0]),
        (CallOrder::Oldest, [0, 1, 2, 3]),
        (CallOrder::Longest, [2, 0, 3, 1]),
        (CallOrder::Shortest, [1, 3, 0, 2]),
    ] {
        let filter = RecordingFilter { order, ..RecordingFilter::default() };
        for limit in [1, 3, 4] {
            let listed = walk(limit, async |page| store.recordings(&filter, page).await.unwrap()).await;
            let listed: Vec<_> = listed.iter().map(|it| it.recording.id).collect();
            assert_eq!(listed, expected.map(|at: usize| made[at]), "{order:?}, pages of {limit}");
        }
    }
}

#[tokio::test]
async fn the_recordings_of_an_interaction_are_its_own_in_the_order_made() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (mut one, mut other) = (interaction(&mut ids, NOW), interaction(&mut ids, NOW));
    let (first, second) = (record(&mut ids, &mut one), record(&mut ids, &mut one));
    let foreign = record(&mut ids, &mut other);
    save(&store, vec![saved(&one, &[second.clone(), first.clone()]), saved(&other, &[foreign])]).await;
    assert_eq!(store.recordings_of(one.id).await.unwrap(), [first, second]);
}

#[tokio::test]
async fn a_call_that_was_handed_over_is_found_by_each_who_talked() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (first, second, third) = (ids.make(), ids.make(), ids.make());
    let mut it = Interaction { user_id: Some(first), ..interaction(&mut ids, NOW) };
    let leg = |leg_id, user_id, answered_at| LegRecord {
        leg_id,
        party: Party::Agent,
        user_id: Some(user_id),
        device_id: None,
        number: None,
        state: LegState::Ended,
        started_at: NOW,
        answered_at,
        ended_at: Some(NOW),
        sip_status: None,
        quality: None,
    };
    it.legs.extend([
        leg(ids.make(), first, Some(NOW)),
        leg(ids.make(), second, Some(NOW)),
        leg(ids.make(), third, None),
    ]);
    let recording = record(&mut ids, &mut it);
    for _ in 0..2 {
        save(&store, vec![saved(&it, std::slice::from_ref(&recording))]).await;
    }
    for (user, finds) in [(first, 1), (second, 1), (third, 0)] {
        let whose = Some(Whose::With(user));
        let filter = RecordingFilter { whose, ..RecordingFilter::default() };
        let recordings = store.recordings(&filter, &PageRequest::default()).await.unwrap();
        let filter = InteractionFilter { whose, ..InteractionFilter::default() };
        let interactions = store.interactions(&filter, &PageRequest::default()).await.unwrap();
        assert_eq!((recordings.items.len(), interactions.items.len()), (finds, finds), "{user}");
        assert_eq!(filter.fits(&it, None), finds == 1, "{user}");
    }
    let of_second = InteractionFilter { whose: Some(Whose::Of(second)), ..InteractionFilter::default() };
    assert!(store.interactions(&of_second, &PageRequest::default()).await.unwrap().items.is_empty());
}
