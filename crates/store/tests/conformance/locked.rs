//! A database that somebody else holds locked.

use std::time::{Duration, Instant};

use linecard_calls::CallId;
use linecard_store::contacts::ContactDraft;
use linecard_store::frames::FrameRow;
use linecard_store::interactions::InteractionFilter;
use linecard_store::ledger::Batch;
use linecard_store::page::PageRequest;
use sqlx::Connection;

use crate::database::{LOCK, Outside};

use super::support::{
    Ids, NOW, add_company, add_contact, batch_of, contact_draft, entry, fresh_store, interaction, public,
    saved, signal,
};

/// Opens a connection that the store knows nothing of.
pub(crate) async fn connect(url: &str) -> Outside {
    Outside::connect(url).await.expect("a second connection")
}

async fn lock(url: &str) -> Outside {
    let mut other = connect(url).await;
    for statement in LOCK {
        sqlx::query(*statement).execute(&mut other).await.expect("the lock is free");
    }
    other
}

async fn unlock(mut other: Outside) {
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the lock is ours");
    other.close().await.expect("a connection closes");
}

#[tokio::test]
async fn an_append_to_a_locked_database_fails_soon_and_writes_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let it = interaction(&mut ids, NOW);
    let batch = Batch {
        signals: vec![entry(1, signal(&mut ids, it.call_id))],
        saves: vec![saved(&it, &[])],
        missed: Vec::new(),
        epoch: "e".to_owned(),
        frames: vec![FrameRow { seq: 1, at: 1, frame: "{}".to_owned() }],
        frames_lost_until: None,
    };
    let other = lock(&store.url).await;
    for _ in 0..3 {
        let begun = Instant::now();
        let failed = store.append(&batch).await.unwrap_err();
        // The ledger waits 50 ms; the rest is for a busy machine, far from the 5 s that a person's request waits.
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(failed.is_passing(), "{failed}");
    }
    unlock(other).await;
    assert_eq!(store.last_signal_seq().await.unwrap(), 0);
    assert_eq!(store.calls_after(None, 9).await.unwrap(), []);
    assert_eq!(store.interaction(it.id).await.unwrap(), None);
    assert_eq!(store.frames_floor("e").await.unwrap(), None);
    store.append(&batch).await.unwrap();
    assert_eq!(store.signals_after(0, 9).await.unwrap(), batch.signals);
    assert_eq!(store.interaction(it.id).await.unwrap(), Some(it));
}

#[tokio::test]
async fn readers_go_on_while_the_database_is_locked() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let contact = add_contact(&store, &mut ids, &contact_draft("Пётр", &[public("+79030000001")])).await;
    let call: CallId = ids.make();
    let first = entry(1, signal(&mut ids, call));
    store.append(&batch_of(vec![first.clone()])).await.unwrap();
    let other = lock(&store.url).await;
    assert_eq!(store.contact(contact.id).await.unwrap(), Some(contact.clone()));
    assert_eq!(store.candidates(&public("+79030000001"), None, NOW).await.unwrap().len(), 1);
    assert_eq!(store.signals_of(call).await.unwrap(), [first.signal]);
    let page = store.interactions(&InteractionFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.total, 0);
    unlock(other).await;
}

#[tokio::test]
async fn a_persons_request_waits_for_the_lock() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let other = lock(&store.url).await;
    let (id, card) = (ids.make(), contact_draft("Пётр", &[]));
    let mut adding = Box::pin(store.add_contact(id, &card, NOW));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut adding).await;
    assert!(early.is_err(), "it neither fails nor succeeds while the lock is held: {early:?}");
    unlock(other).await;
    adding.await.unwrap();
    assert!(store.contact(id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_request_that_reads_before_it_writes_waits_for_the_other_writer_too() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let company = add_company(&store, &mut ids, "Ёж", &[]).await;
    let mut other = lock(&store.url).await;
    sqlx::query("INSERT INTO server_state (name, value) VALUES ('a', 'b')")
        .execute(&mut other)
        .await
        .unwrap();
    let (id, card) = (ids.make(), ContactDraft { company_id: Some(company), ..contact_draft("Пётр", &[]) });
    let mut adding = Box::pin(store.add_contact(id, &card, NOW));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut adding).await;
    assert!(early.is_err(), "the company was read, the lock is held: {early:?}");
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    adding.await.unwrap();
}

#[tokio::test]
async fn an_append_that_its_caller_gave_up_writes_nothing_and_blocks_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let call = ids.make();
    let (given_up, next) = (entry(1, signal(&mut ids, call)), entry(2, signal(&mut ids, call)));
    let other = lock(&store.url).await;
    let batch = batch_of(vec![given_up]);
    let abandoned = tokio::time::timeout(Duration::from_millis(5), store.append(&batch));
    assert!(abandoned.await.is_err());
    unlock(other).await;
    store.append(&batch_of(vec![next.clone()])).await.unwrap();
    assert_eq!(store.signals_after(0, 9).await.unwrap(), [next]);
}
