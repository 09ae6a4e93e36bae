//! What can be wrong with a database that is a file.

use linecard_store::{Store, StoreError};

use crate::conformance::support::{Ids, add_user, fresh_store};

#[tokio::test]
async fn an_address_of_another_kind_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    for url in [
        "mysql:x".to_owned(),
        "postgres:linecard".to_owned(),
        "postgres://linecard@localhost:port/linecard".to_owned(),
        "postgres://linecard@localhost".to_owned(),
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
    let path = store.own.file();
    let mut bytes = std::fs::read(&path).unwrap();
    // The key of the login stands in the row and in the index; now the two differ.
    let at = bytes.windows(12).position(|part| part == b"ada-lovelace").unwrap();
    bytes[at] = b'z';
    std::fs::write(&path, bytes).unwrap();
    let again = Store::open(&store.url).await.unwrap();
    assert!(again.user(&user.id.to_string()).await.unwrap().is_some());
    assert_ne!(again.integrity_faults().await.unwrap(), Vec::<String>::new());
}
