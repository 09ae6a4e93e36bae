//! Opening, reopening and checking a database.

use linecard_store::{Store, StoreError};

use super::support::{Ids, add_contact, batch_of, contact_draft, entry, fresh_store, signal};

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let contact = add_contact(&store, &mut ids, &contact_draft("Пётр", &[])).await;
    let call = ids.make();
    let first = entry(1, signal(&mut ids, call));
    store.append(&batch_of(vec![first.clone()])).await.unwrap();
    store.close().await;
    let again = Store::open(&store.url).await.unwrap();
    assert_eq!(again.contact(contact.id).await.unwrap(), Some(contact));
    assert_eq!(again.signals_after(0, 9).await.unwrap(), [first]);
    assert_eq!(again.integrity_faults().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_closed_store_fails_and_does_not_hang() {
    let store = fresh_store().await;
    store.close().await;
    assert!(store.last_signal_seq().await.is_err());
    assert!(store.append(&batch_of(Vec::new())).await.is_err());
}

#[tokio::test]
async fn a_schema_newer_than_the_program_is_refused() {
    let store = fresh_store().await;
    store.close().await;
    let mut other = super::locked::connect(&store.url).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', TRUE, $1, 0)",
    )
    .bind(vec![0_u8])
    .execute(&mut other)
    .await
    .unwrap();
    let refused = Store::open(&store.url).await;
    assert!(matches!(refused, Err(StoreError::Migrate(_))), "{refused:?}");
}
