//! Answers kept for a repeated POST.

use linecard_store::idempotency::KeptAnswer;

use crate::support::fresh_store;

fn answer(request: &str) -> KeptAnswer {
    KeptAnswer { request: request.to_owned(), status: 201, response: "{\"имя\":\"Ёж\"}".to_owned() }
}

#[tokio::test]
async fn an_answer_is_kept_for_its_user_and_key() {
    let store = fresh_store().await;
    store.keep_answer("anna", "k", &answer("a"), 1_000, 0).await.unwrap();
    store.keep_answer("boris", "k", &answer("b"), 1_000, 0).await.unwrap();
    store.keep_answer("anna", "K", &answer("c"), 1_000, 0).await.unwrap();
    assert_eq!(store.kept_answer("anna", "k", 0).await.unwrap(), Some(answer("a")));
    assert_eq!(store.kept_answer("boris", "k", 0).await.unwrap(), Some(answer("b")));
    assert_eq!(store.kept_answer("anna", "K", 0).await.unwrap(), Some(answer("c")));
    assert_eq!(store.kept_answer("boris", "K", 0).await.unwrap(), None);
}

#[tokio::test]
async fn the_first_answer_of_a_key_stands() {
    let store = fresh_store().await;
    store.keep_answer("anna", "k", &answer("first"), 1_000, 0).await.unwrap();
    store.keep_answer("anna", "k", &answer("second"), 2_000, 0).await.unwrap();
    assert_eq!(store.kept_answer("anna", "k", 0).await.unwrap(), Some(answer("first")));
}

#[tokio::test]
async fn an_old_answer_is_not_given_and_makes_room() {
    let store = fresh_store().await;
    store.keep_answer("anna", "k", &answer("old"), 1_000, 0).await.unwrap();
    assert!(store.kept_answer("anna", "k", 1_000).await.unwrap().is_some());
    assert_eq!(store.kept_answer("anna", "k", 1_001).await.unwrap(), None);
    store.keep_answer("anna", "other", &answer("x"), 2_000, 1_000).await.unwrap();
    assert!(store.kept_answer("anna", "k", 0).await.unwrap().is_some(), "1000 is not before 1000");
    store.keep_answer("anna", "k", &answer("new"), 2_000, 1_001).await.unwrap();
    assert_eq!(store.kept_answer("anna", "k", 0).await.unwrap(), Some(answer("new")));
}
