//! Log-ins.

use linecard_calls::UserId;

use super::support::{Ids, NOW, add_user, fresh_store};

#[tokio::test]
async fn a_session_names_its_user_until_it_expires() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let until = NOW.0 + 1_000;
    store.open_session("hash", &anna.id.to_string(), NOW.0, until).await.unwrap();
    assert_eq!(store.session_user("hash", NOW.0).await.unwrap(), Some((anna.clone(), until)));
    assert_eq!(store.session_user("hash", until - 1).await.unwrap(), Some((anna, until)));
    assert_eq!(store.session_user("hash", until).await.unwrap(), None);
    assert_eq!(store.session_user("HASH", NOW.0).await.unwrap(), None);
    assert_eq!(store.session_user("", NOW.0).await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_session_is_over_and_the_others_go_on() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    for hash in ["desk", "phone"] {
        store.open_session(hash, &anna.id.to_string(), NOW.0, NOW.0 + 1_000).await.unwrap();
    }
    store.close_session("desk").await.unwrap();
    assert_eq!(store.session_user("desk", NOW.0).await.unwrap(), None);
    assert!(store.session_user("phone", NOW.0).await.unwrap().is_some());
    store.close_session("desk").await.unwrap();
}

#[tokio::test]
async fn a_new_session_makes_the_ended_ones_forgotten() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await.id.to_string();
    let until = NOW.0 + 1_000;
    store.open_session("hash", &anna, NOW.0, until).await.unwrap();
    // The hash is the key: it is free again only once its row is gone.
    assert!(store.open_session("hash", &anna, until - 1, until + 1_000).await.is_err());
    assert_eq!(store.session_user("hash", NOW.0).await.unwrap().unwrap().1, until);
    store.open_session("hash", &anna, until, until + 1_000).await.unwrap();
    assert_eq!(store.session_user("hash", until).await.unwrap().unwrap().1, until + 1_000);
}

#[tokio::test]
async fn a_session_of_nobody_is_refused() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let nobody = ids.make::<UserId>().to_string();
    assert!(store.open_session("hash", &nobody, NOW.0, NOW.0 + 1_000).await.is_err());
    assert_eq!(store.session_user("hash", NOW.0).await.unwrap(), None);
}
