//! Recordings as rows.

use linecard_calls::{Interaction, Recording, RecordingState, Span, SpanKind};
use linecard_store::page::PageRequest;

use super::support::{Ids, NOW, fresh_store, interaction, record, save, saved, walk};

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
        let mut it = Interaction { user_id, ..interaction(&mut ids, NOW.plus_ms(at_ms)) };
        let recording = record(&mut ids, &mut it);
        save(&store, vec![saved(&it, std::slice::from_ref(&recording))]).await;
        expected.push((user_id, recording));
    }
    expected.reverse();
    for limit in [1, 2, 6, 7] {
        let listed = walk(limit, async |page| store.recordings(None, page).await.unwrap()).await;
        assert!(listed.iter().eq(expected.iter().map(|(_, it)| it)), "pages of {limit}");
        let owner = anna.map(|id: linecard_calls::UserId| id.to_string());
        let hers = walk(limit, async |page| store.recordings(owner.as_deref(), page).await.unwrap()).await;
        let wanted = expected.iter().filter(|(user, _)| *user == anna).map(|(_, it)| it);
        assert!(hers.iter().eq(wanted), "pages of {limit}");
    }
    let page = store.recordings(Some(""), &PageRequest::default()).await.unwrap();
    assert_eq!((page.items, page.total), (Vec::new(), 0));
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
