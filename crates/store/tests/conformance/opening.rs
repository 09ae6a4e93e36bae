//! Opening, reopening and checking a database.

use linecard_store::{Store, StoreError};

use crate::support::{Ids, add_contact, add_user, batch_of, contact_draft, entry, fresh_store, signal};

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
    let mut other = crate::locked::connect(&store.url).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', TRUE, x'00', 0)",
    )
    .execute(&mut other)
    .await
    .unwrap();
    let refused = Store::open(&store.url).await;
    assert!(matches!(refused, Err(StoreError::Migrate(_))), "{refused:?}");
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    for url in [
        "postgres://linecard@localhost/linecard".to_owned(),
        "mysql:x".to_owned(),
        String::new(),
        format!("{path}/linecard.db"),
    ] {
        let refused = Store::open(&url).await;
        assert!(matches!(refused, Err(StoreError::Url { .. })), "{url:?}: {refused:?}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_or_lies_nowhere_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let letter = dir.path().join("letter.txt");
    std::fs::write(&letter, "Уважаемый сосед! ".repeat(100)).unwrap();
    for path in [letter.clone(), dir.path().join("missing/linecard.db")] {
        let url = format!("sqlite://{}", path.display());
        let refused = Store::open(&url).await;
        assert!(matches!(refused, Err(StoreError::Open { .. })), "{url}: {refused:?}");
    }
    assert_eq!(std::fs::read_to_string(&letter).unwrap(), "Уважаемый сосед! ".repeat(100));
}

#[tokio::test]
async fn a_damaged_file_does_not_pass_the_check() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let user = add_user(&store, &mut ids, "ADA-LOVELACE").await;
    store.close().await;
    let path = store.dir.path().join("linecard.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The key of the login stands in the row and in the index; now the two differ.
    let at = bytes.windows(12).position(|part| part == b"ada-lovelace").unwrap();
    bytes[at] = b'z';
    std::fs::write(&path, bytes).unwrap();
    let again = Store::open(&store.url).await.unwrap();
    assert!(again.user(&user.id.to_string()).await.unwrap().is_some());
    assert_ne!(again.integrity_faults().await.unwrap(), Vec::<String>::new());
}
