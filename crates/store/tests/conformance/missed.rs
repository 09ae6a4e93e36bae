//! Missed-call items: written with the interaction that brought them about, found by those who may see them.

use linecard_calls::missed::{Act, Book, MissedCall};
use linecard_calls::{
    Deed, Interaction, MissedChange, MissedItem, MissedState, Signal, SignalBody, Source, UserId, UtcMillis,
};
use linecard_store::Store;
use linecard_store::ledger::{Batch, SavedCall};
use linecard_store::missed::MissedFilter;
use linecard_store::page::PageRequest;

use super::support::{Ids, NOW, entry, fresh_store, interaction, save, saved};

/// A call that nobody answered.
fn missed(ids: &mut Ids, started_at: UtcMillis) -> Interaction {
    Interaction {
        answered_at: None,
        talk_ms: Some(0),
        outcome: Some(linecard_calls::Outcome::Abandoned),
        ended_at: Some(started_at.plus_ms(9_000)),
        ..interaction(ids, started_at)
    }
}

/// Saves an interaction with what it changes.
async fn end(store: &Store, book: &mut Book, it: &Interaction) -> Vec<MissedChange> {
    let missed = book.take(it);
    let saves = vec![SavedCall { settled: true, ..saved(it, &[]) }];
    store.append(&Batch { saves, missed: missed.clone(), ..Batch::default() }).await.expect("a sound batch");
    missed
}

async fn all(store: &Store, filter: &MissedFilter) -> Vec<MissedItem> {
    store.missed_items(filter, &PageRequest::default()).await.expect("a page").items
}

fn of_user(user: Option<UserId>) -> MissedFilter {
    MissedFilter { user_id: user.map(|user| user.to_string()), ..MissedFilter::default() }
}

#[tokio::test]
async fn an_item_is_written_with_its_interaction_and_rewritten_whole() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let (first, second) = (missed(&mut ids, NOW), missed(&mut ids, NOW.plus_ms(60_000)));
    let opened = end(&store, &mut book, &first).await.remove(0).item;
    assert_eq!(store.missed_item(opened.id).await.unwrap(), Some(opened.clone()));
    assert_eq!(store.interaction(first.id).await.unwrap(), Some(first.clone()));
    end(&store, &mut book, &first).await;
    assert_eq!(all(&store, &MissedFilter::default()).await, [opened], "a second time changes nothing");
    let grown = end(&store, &mut book, &second).await.remove(0).item;
    assert_eq!(grown.attempts, 2);
    assert_eq!(all(&store, &MissedFilter::default()).await, std::slice::from_ref(&grown));
    for user in [first.user_id, second.user_id] {
        assert_eq!(
            all(&store, &of_user(user)).await,
            std::slice::from_ref(&grown),
            "both whose lines were called see it"
        );
    }
    assert_eq!(all(&store, &of_user(Some(ids.make()))).await, [], "and no other");
    assert_eq!(store.missed_item(ids.make()).await.unwrap(), None);

    let answered = interaction(&mut ids, NOW.plus_ms(120_000));
    let closed = end(&store, &mut book, &answered).await.remove(0).item;
    assert_eq!((closed.state, closed.closed_by), (MissedState::Closed, answered.user_id));
    assert_eq!(store.missed_item(closed.id).await.unwrap(), Some(closed));
}

#[tokio::test]
async fn a_failed_commit_leaves_neither_the_interaction_nor_the_item() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let it = missed(&mut ids, NOW);
    let rival = Interaction { id: ids.make(), ..it.clone() };
    let batch = Batch {
        saves: vec![saved(&it, &[]), saved(&rival, &[])],
        missed: book.take(&it),
        ..Batch::default()
    };
    store.append(&batch).await.unwrap_err();
    assert_eq!(store.interaction(it.id).await.unwrap(), None);
    assert_eq!(all(&store, &MissedFilter::default()).await, []);
}

#[tokio::test]
async fn the_caller_heard_of_last_comes_first_and_filters_hold() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let mut told = Vec::new();
    for n in 0..5_i64 {
        let number = Some(format!("+7903000000{n}"));
        let it = Interaction { caller_number: number, ..missed(&mut ids, NOW.plus_ms(n * 1_000)) };
        told.extend(end(&store, &mut book, &it).await.into_iter().map(|change| change.item));
    }
    told.reverse();
    assert_eq!(all(&store, &MissedFilter::default()).await, told);
    let mut walked = Vec::new();
    let mut request = PageRequest { limit: 2, ..PageRequest::default() };
    loop {
        let page = store.missed_items(&MissedFilter::default(), &request).await.unwrap();
        assert_eq!(page.total, 5);
        walked.extend(page.items);
        let Some(next) = page.next else { break };
        request.cursor = Some(next);
    }
    assert_eq!(walked, told);
    let open = MissedFilter { state: Some(MissedState::Open), ..MissedFilter::default() };
    assert_eq!(all(&store, &open).await.len(), 5);
    let closed = MissedFilter { state: Some(MissedState::Closed), ..MissedFilter::default() };
    assert_eq!(all(&store, &closed).await, []);
    let without = MissedFilter { without: vec![told[0].id], ..MissedFilter::default() };
    assert_eq!(all(&store, &without).await, told[1..]);
    for item in &told {
        assert_eq!(without.fits(item), item.id != told[0].id);
        assert!(open.fits(item) && !closed.fits(item));
    }
}

#[tokio::test]
async fn a_new_process_learns_what_is_not_closed_with_its_calls_and_acts() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let first = missed(&mut ids, NOW);
    let other = Interaction { caller_number: None, ..missed(&mut ids, NOW.plus_ms(5)) };
    let opened = end(&store, &mut book, &first).await.remove(0).item;
    let gone = end(&store, &mut book, &other).await.remove(0).item;
    let claim = book.date(opened.id, ids.make(), Deed::Claim, NOW.plus_ms(70_000)).unwrap();
    let close = book.date(gone.id, claim.user_id, Deed::Close, NOW.plus_ms(70_000)).unwrap();
    let mut signals = Vec::new();
    for (seq, act) in (1..).zip([claim, close]) {
        signals.push(entry(seq, signal_of(&mut ids, act)));
    }
    // A note that speaks the ledger's language is still a note.
    let body = SignalBody::NoteEdited { notes: "\"kind\":\"missed_x".to_owned(), user: claim.user_id };
    signals.push(entry(3, Signal { body, ..signal_of(&mut ids, claim) }));
    let mut missed = book.act(opened.id, claim);
    missed.extend(book.act(gone.id, close));
    store.append(&Batch { signals, missed, ..Batch::default() }).await.unwrap();
    settle(&store, &[&first, &other]).await;

    let kept = store.kept_missed().await.unwrap();
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(kept.item, *book.item(opened.id).unwrap());
    assert_eq!(kept.calls, [MissedCall::of(&first).unwrap()]);
    assert_eq!(kept.acts, [claim]);
    let mut fresh = Book::default();
    assert_eq!(fresh.load(vec![kept.clone()]), [], "what is read back is what was told");

    let unsettled = SavedCall { settled: false, ..saved(&other, &[]) };
    save(&store, vec![unsettled]).await;
    let kept = store.kept_missed().await.unwrap();
    let closed = kept.iter().find(|kept| kept.item.id == gone.id).expect("a restart looks at its call again");
    assert_eq!((closed.item.state, closed.acts.as_slice()), (MissedState::Closed, [close].as_slice()));
}

/// Claims and closes come after the calls were settled.
async fn settle(store: &Store, calls: &[&Interaction]) {
    save(store, calls.iter().map(|it| saved(it, &[])).collect()).await;
}

fn signal_of(ids: &mut Ids, act: Act) -> Signal {
    let (id, call_id) = (ids.make(), act.call_id);
    Signal { id, call_id, source: Source::User, observed_at: act.at, order: 1, body: act.body() }
}

#[tokio::test]
async fn an_amended_call_gives_its_contact_to_an_item_that_is_long_closed() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let it = missed(&mut ids, NOW);
    end(&store, &mut book, &it).await;
    let closed = end(&store, &mut book, &interaction(&mut ids, NOW.plus_ms(20_000))).await.remove(0).item;
    let contact = ids.make();
    let amended = Interaction { contact_id: Some(contact), ..it.clone() };
    save(&store, vec![saved(&amended, &[])]).await;
    let expected = MissedItem { contact_id: Some(contact), ..closed.clone() };
    assert_eq!(store.missed_item(closed.id).await.unwrap(), Some(expected));
    save(&store, vec![saved(&it, &[])]).await;
    assert_eq!(store.missed_item(closed.id).await.unwrap(), Some(closed));
}

#[tokio::test]
async fn an_item_that_later_evidence_takes_back_is_gone_and_its_calls_move() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let (early, late) = (missed(&mut ids, NOW), missed(&mut ids, NOW.plus_ms(30_000)));
    let first_told = end(&store, &mut book, &late).await.remove(0).item;
    end(&store, &mut book, &early).await;
    assert_eq!(store.missed_item(first_told.id).await.unwrap(), None, "an earlier call names the item now");
    let kept = store.kept_missed().await.unwrap();
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(kept.calls.len(), 2, "{kept:?}");
    assert_eq!(*kept.item.id.as_uuid(), *early.id.as_uuid());
}

#[tokio::test]
async fn answered_calls_with_a_number_are_found_whoever_called() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let number = "+79030000001";
    let inbound = interaction(&mut ids, NOW);
    let outbound = Interaction {
        direction: linecard_calls::Direction::Outbound,
        caller_number: Some("105".to_owned()),
        callee_number: Some(number.to_owned()),
        ..interaction(&mut ids, NOW.plus_ms(1))
    };
    let old = interaction(&mut ids, NOW.plus_ms(-1));
    let lost = missed(&mut ids, NOW);
    let stranger = Interaction { caller_number: None, ..interaction(&mut ids, NOW) };
    let put_through = Interaction {
        caller_number: Some("101".to_owned()),
        customer_number: Some(number.to_owned()),
        ..interaction(&mut ids, NOW.plus_ms(2))
    };
    let of_another = Interaction {
        caller_number: Some("+79030000009".to_owned()),
        callee_number: Some(number.to_owned()),
        ..interaction(&mut ids, NOW.plus_ms(3))
    };
    let calls = [&inbound, &outbound, &old, &lost, &stranger, &put_through, &of_another];
    save(&store, calls.iter().map(|it| saved(it, &[])).collect()).await;
    assert_eq!(store.answered_with(number, NOW).await.unwrap(), [inbound, outbound, put_through]);
}

#[tokio::test]
async fn a_nul_in_a_number_is_no_reason_to_refuse_a_batch() {
    let (store, mut ids, mut book) = (fresh_store().await, Ids::new(), Book::default());
    let it = Interaction { caller_dialled: Some("890\0".to_owned()), ..missed(&mut ids, NOW) };
    let opened = end(&store, &mut book, &it).await.remove(0).item;
    let stored = store.missed_item(opened.id).await.unwrap().expect("the item");
    assert_eq!(stored.number_dialled.as_deref(), Some("890\u{fffd}"));
}
