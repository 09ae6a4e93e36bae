//! Evidence: its order, its repeats, and that a batch is one thing.

use linecard_calls::{CallId, Caller, IdentitySource, Lookup, Offer, Signal, SignalBody, Source, UtcMillis};
use linecard_store::frames::FrameRow;
use linecard_store::ledger::{Batch, LedgerEntry, SavedCall};
use linecard_store::{Store, StoreError};

use super::support::{Ids, NOW, batch_of, entry, fresh_store, interaction, record, saved, signal};

/// Signals of several shapes, in an order that neither time nor name would give.
fn story(ids: &mut Ids, call: CallId) -> Vec<Signal> {
    let offer = SignalBody::LegOffered(Offer {
        leg: ids.make(),
        interaction: ids.make(),
        line: ids.make(),
        user: None,
        caller: Caller {
            number: None,
            dialled: Some("аноним".to_owned()),
            display: Some("Ё\"'\u{0}\n".to_owned()),
            chosen: IdentitySource::From,
            headers: vec![("From".to_owned(), "<sip:anonymous@x>".to_owned())],
        },
        did: Some("+78312000000".to_owned()),
        user_to_user: Vec::new(),
        sip_call_id: "a@b".to_owned(),
        from_tag: "t".to_owned(),
    });
    let looked_up =
        SignalBody::ContactLookedUp { number: None, candidates: Vec::new(), lookup: Lookup::Unavailable };
    let dialog = serde_json::json!({"cseq": 4_294_967_295_u64, "route": ["<sip:p;lr>", null], "вложено": {}});
    let recorded = SignalBody::DialogRecorded { leg: ids.make(), dialog };
    let bodies = [(looked_up, Source::Crm, 5), (offer, Source::Anchor, 9), (recorded, Source::Recovery, -3)];
    let mut signals = Vec::new();
    for (body, source, at_ms) in bodies {
        let observed_at = UtcMillis(NOW.0 + at_ms);
        signals.push(Signal { id: ids.make(), call_id: call, source, observed_at, order: u64::MAX, body });
    }
    signals.reverse();
    signals
}

async fn all(store: &Store) -> Vec<LedgerEntry> {
    store.signals_after(0, 1_000).await.expect("the ledger reads")
}

#[tokio::test]
async fn signals_come_back_as_they_were_and_in_the_order_of_the_ledger() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    assert_eq!(store.last_signal_seq().await.unwrap(), 0);
    let (call, other) = (ids.make(), ids.make());
    let told = story(&mut ids, call);
    let foreign = signal(&mut ids, other);
    let mut entries: Vec<_> = (1..).zip(told.clone()).map(|(seq, signal)| entry(seq, signal)).collect();
    entries.push(LedgerEntry { late_durable: true, ..entry(4, foreign.clone()) });
    store.append(&batch_of(entries[..2].to_vec())).await.unwrap();
    store.append(&batch_of(entries[2..].to_vec())).await.unwrap();
    assert_eq!(all(&store).await, entries);
    assert_eq!(store.signals_after(1, 2).await.unwrap(), entries[1..3]);
    assert_eq!(store.signals_after(4, 2).await.unwrap(), []);
    assert_eq!(store.last_signal_seq().await.unwrap(), 4);
    assert_eq!(store.signals_of(call).await.unwrap(), told);
    assert_eq!(store.signals_of(other).await.unwrap(), [foreign]);
    assert_eq!(store.signals_of(ids.make()).await.unwrap(), []);
}

#[tokio::test]
async fn a_repeated_signal_is_left_as_it_is() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let call = ids.make();
    let first = entry(1, signal(&mut ids, call));
    store.append(&batch_of(vec![first.clone()])).await.unwrap();
    let again = Signal { body: SignalBody::RouteUnavailable {}, order: 99, ..first.signal.clone() };
    let next = entry(3, signal(&mut ids, call));
    store.append(&batch_of(vec![entry(2, again.clone()), next.clone(), entry(4, again)])).await.unwrap();
    assert_eq!(all(&store).await, [first.clone(), next.clone()]);
    store.append(&batch_of(vec![first.clone()])).await.unwrap();
    assert_eq!(all(&store).await, [first, next]);
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let old = interaction(&mut ids, NOW);
    let before = Batch {
        signals: vec![entry(1, signal(&mut ids, old.call_id))],
        saves: vec![saved(&old, &[])],
        missed: Vec::new(),
        epoch: "e".to_owned(),
        frames: vec![FrameRow { seq: 1, at: 1, frame: "{}".to_owned() }],
        frames_lost_until: None,
    };
    store.append(&before).await.unwrap();

    let mut fresh = interaction(&mut ids, NOW);
    let recording = record(&mut ids, &mut fresh);
    let sound = Batch {
        signals: vec![entry(2, signal(&mut ids, fresh.call_id))],
        saves: vec![saved(&fresh, std::slice::from_ref(&recording))],
        missed: Vec::new(),
        epoch: "e".to_owned(),
        frames: vec![FrameRow { seq: 2, at: 2, frame: "{}".to_owned() }],
        frames_lost_until: Some(1),
    };
    let mut taken_place = sound.clone();
    taken_place.signals.push(entry(1, signal(&mut ids, fresh.call_id)));
    let mut second_of_a_call = sound.clone();
    let rival = linecard_calls::Interaction { id: ids.make(), ..old.clone() };
    second_of_a_call.saves.push(saved(&rival, &[]));
    let mut endless = sound.clone();
    endless.saves[0].recordings[0].duration_ms = Some(u64::MAX);
    for broken in [taken_place, second_of_a_call, endless] {
        let failed = store.append(&broken).await.unwrap_err();
        assert!(!failed.is_passing(), "trying again would not help: {failed}");
        assert_eq!(all(&store).await, before.signals);
        assert_eq!(store.signals_of(fresh.call_id).await.unwrap(), []);
        assert_eq!(store.calls_after(None, 10).await.unwrap(), [old.call_id]);
        assert_eq!(store.interaction(fresh.id).await.unwrap(), None);
        assert_eq!(store.recording(recording.id).await.unwrap(), None);
        assert_eq!(store.frames_between("e", 0, 9, 9).await.unwrap(), before.frames);
    }
    store.append(&sound).await.unwrap();
    assert_eq!(store.interaction(fresh.id).await.unwrap(), Some(fresh));
    assert_eq!(store.recording(recording.id).await.unwrap(), Some(recording));
    assert_eq!(store.frames_between("e", 0, 9, 9).await.unwrap(), sound.frames);
}

#[tokio::test]
async fn an_empty_batch_writes_nothing() {
    let store = fresh_store().await;
    assert!(Batch::default().is_empty());
    store.append(&Batch::default()).await.unwrap();
    assert_eq!(store.last_signal_seq().await.unwrap(), 0);
    assert_eq!(store.calls_after(None, 10).await.unwrap(), []);
}

#[test]
fn a_batch_that_carries_anything_is_not_empty() {
    let mut ids = Ids::new();
    let call = ids.make();
    let it = interaction(&mut ids, NOW);
    let frame = FrameRow { seq: 1, at: 1, frame: "{}".to_owned() };
    for batch in [
        batch_of(vec![entry(1, signal(&mut ids, call))]),
        Batch { saves: vec![saved(&it, &[])], ..Batch::default() },
        Batch { frames: vec![frame], ..Batch::default() },
        Batch { frames_lost_until: Some(1), ..Batch::default() },
    ] {
        assert!(!batch.is_empty(), "{batch:?}");
    }
}

#[tokio::test]
async fn a_call_is_unsettled_until_it_is_saved_as_settled() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    assert!(store.unsettled_calls().await.unwrap().is_empty());
    let (it, silent) = (interaction(&mut ids, NOW), ids.make());
    let told = story(&mut ids, it.call_id);
    let lone = signal(&mut ids, silent);
    let mut entries: Vec<_> = (1..).zip(told.clone()).map(|(seq, signal)| entry(seq, signal)).collect();
    entries.insert(1, entry(9, lone.clone()));
    store.append(&batch_of(entries)).await.unwrap();
    let both = [(it.call_id, told.clone()), (silent, vec![lone.clone()])];
    assert_eq!(store.unsettled_calls().await.unwrap(), both.clone().into_iter().collect());

    let live = SavedCall { settled: false, ..saved(&it, &[]) };
    store.append(&Batch { saves: vec![live.clone()], ..Batch::default() }).await.unwrap();
    assert_eq!(store.unsettled_calls().await.unwrap(), both.clone().into_iter().collect());

    store.append(&Batch { saves: vec![saved(&it, &[])], ..Batch::default() }).await.unwrap();
    assert_eq!(store.unsettled_calls().await.unwrap(), [(silent, vec![lone])].into_iter().collect());

    store.append(&Batch { saves: vec![live], ..Batch::default() }).await.unwrap();
    assert_eq!(store.unsettled_calls().await.unwrap(), both.into_iter().collect());
}

#[tokio::test]
async fn an_edit_of_a_settled_call_leaves_it_settled() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let it = interaction(&mut ids, NOW);
    let signals = vec![entry(1, signal(&mut ids, it.call_id))];
    store.append(&Batch { signals, saves: vec![saved(&it, &[])], ..Batch::default() }).await.unwrap();
    let body = SignalBody::NoteEdited { notes: "ёж".to_owned(), user: ids.make() };
    let edit = Signal { body, ..signal(&mut ids, it.call_id) };
    store.append(&batch_of(vec![entry(2, edit)])).await.unwrap();
    assert!(store.unsettled_calls().await.unwrap().is_empty());
    assert_eq!(store.signals_of(it.call_id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn every_call_is_walked_once_in_the_order_of_its_id() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let calls: Vec<CallId> = (0..5).map(|_| ids.make()).collect();
    let mut entries = Vec::new();
    for (seq, index) in (1..).zip([3, 0, 4, 1, 2, 0, 3]) {
        entries.push(entry(seq, signal(&mut ids, calls[index])));
    }
    store.append(&batch_of(entries)).await.unwrap();
    let mut walked = Vec::new();
    loop {
        let step = store.calls_after(walked.last().copied(), 2).await.unwrap();
        if step.is_empty() {
            break;
        }
        walked.extend(step);
    }
    assert_eq!(walked, calls);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_skipped() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let it = interaction(&mut ids, NOW);
    let signals = vec![entry(1, signal(&mut ids, it.call_id))];
    store.append(&Batch { signals, saves: vec![saved(&it, &[])], ..Batch::default() }).await.unwrap();
    let mut other = super::locked::connect(&store.url).await;
    sqlx::query("UPDATE signals SET signal = '{\"kind\": \"of the future\"}'")
        .execute(&mut other)
        .await
        .unwrap();
    sqlx::query("UPDATE interactions SET interaction = '{'").execute(&mut other).await.unwrap();
    let signals = store.signals_of(it.call_id).await;
    assert!(matches!(signals, Err(StoreError::Unreadable { table: "signals", .. })), "{signals:?}");
    let read = store.interaction(it.id).await;
    assert!(matches!(read, Err(StoreError::Unreadable { table: "interactions", .. })), "{read:?}");
}
