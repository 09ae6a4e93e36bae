//! Log-ins.

use linecard_calls::{UserId, UtcMillis};
use linecard_store::StoreError;

use super::support::{Ids, NOW, add_user, fresh_store, session};

#[tokio::test]
async fn a_session_names_its_user_until_it_expires() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let open = session(&mut ids, anna.id, NOW.0 + 1_000);
    store.open_session("hash", &open).await.unwrap();
    let found = Some((anna, open));
    assert_eq!(store.session_user("hash", NOW).await.unwrap(), found, "as it was written");
    assert_eq!(store.session_user("hash", NOW.plus_ms(999)).await.unwrap(), found);
    assert_eq!(store.session_user("hash", NOW.plus_ms(1_000)).await.unwrap(), None);
    assert_eq!(store.session_user("HASH", NOW).await.unwrap(), None);
    assert_eq!(store.session_user("", NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_session_is_over_and_the_others_go_on() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, olga) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "olga").await);
    let (desk, phone) =
        (session(&mut ids, anna.id, NOW.0 + 1_000), session(&mut ids, anna.id, NOW.0 + 1_000));
    store.open_session("desk", &desk).await.unwrap();
    store.open_session("phone", &phone).await.unwrap();
    assert!(!store.close_session(olga.id, desk.id).await.unwrap(), "not hers");
    assert!(store.session_user("desk", NOW).await.unwrap().is_some());
    assert!(store.close_session(anna.id, desk.id).await.unwrap());
    assert_eq!(store.session_user("desk", NOW).await.unwrap(), None);
    assert!(store.session_user("phone", NOW).await.unwrap().is_some());
    assert!(!store.close_session(anna.id, desk.id).await.unwrap());
}

#[tokio::test]
async fn a_user_has_the_own_sessions_newest_first_and_ends_all_but_one() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, olga) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "olga").await);
    let mut own = Vec::new();
    for (after_ms, lasts_ms) in [(0, 2_000), (1, 1_000), (2, 1_000)] {
        let mut open = session(&mut ids, anna.id, NOW.0 + after_ms + lasts_ms);
        open.created_at = NOW.plus_ms(after_ms);
        open.user_agent = (after_ms != 1).then(|| format!("Browser {after_ms}"));
        store.open_session(&format!("own{after_ms}"), &open).await.unwrap();
        own.insert(0, open);
    }
    store.open_session("olga", &session(&mut ids, olga.id, NOW.0 + 2_000)).await.unwrap();
    assert_eq!(store.sessions(anna.id, NOW).await.unwrap(), own);
    assert_eq!(
        store.sessions(anna.id, NOW.plus_ms(1_500)).await.unwrap(),
        own[2..],
        "what is over is not there"
    );
    assert_eq!(store.close_other_sessions(anna.id, own[1].id).await.unwrap(), 2);
    assert_eq!(store.sessions(anna.id, NOW).await.unwrap(), own[1..2]);
    assert_eq!(store.close_other_sessions(anna.id, own[1].id).await.unwrap(), 0);
    assert_eq!(store.sessions(olga.id, NOW).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_session_makes_the_ended_ones_forgotten() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await.id;
    let until = NOW.0 + 1_000;
    store.open_session("hash", &session(&mut ids, anna, until)).await.unwrap();
    // A hash is there once: it is free again only once its row is gone.
    let mut next = session(&mut ids, anna, until + 1_000);
    next.created_at = UtcMillis(until - 1);
    assert!(store.open_session("hash", &next).await.is_err());
    assert_eq!(store.session_user("hash", NOW).await.unwrap().unwrap().1.expires_at.0, until);
    next.created_at = UtcMillis(until);
    store.open_session("hash", &next).await.unwrap();
    assert_eq!(store.session_user("hash", next.created_at).await.unwrap().unwrap().1, next);
}

#[tokio::test]
async fn a_session_of_nobody_is_refused() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let nobody: UserId = ids.make();
    let refused = store.open_session("hash", &session(&mut ids, nobody, NOW.0 + 1_000)).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    assert_eq!(store.session_user("hash", NOW).await.unwrap(), None);
}
