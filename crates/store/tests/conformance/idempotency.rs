//! Answers kept for a repeated POST.

use linecard_store::idempotency::KeptAnswer;

use super::support::fresh_store;

fn answer(request: &str) -> KeptAnswer {
    KeptAnswer {
        request: request.to_owned(),
        status: 201,
        content_type: Some("application/json".to_owned()),
        response: "{\"имя\":\"Ёж\"}".to_owned(),
    }
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
async fn an_answer_without_a_body_reads_back() {
    let store = fresh_store().await;
    let empty = KeptAnswer { status: 204, content_type: None, response: String::new(), ..answer("a") };
    store.keep_answer("anna", "k", &empty, 1_000, 0).await.unwrap();
    assert_eq!(store.kept_answer("anna", "k", 0).await.unwrap(), Some(empty));
}

#[tokio::test]
async fn an_old_answer_is_not_given_and_gives_way_to_a_new_one() {
    let store = fresh_store().await;
    store.keep_answer("anna", "k", &answer("old"), 1_000, 0).await.unwrap();
    assert!(store.kept_answer("anna", "k", 1_000).await.unwrap().is_some());
    assert_eq!(store.kept_answer("anna", "k", 1_001).await.unwrap(), None);
    store.keep_answer("anna", "k", &answer("early"), 2_000, 1_000).await.unwrap();
    assert_eq!(
        store.kept_answer("anna", "k", 0).await.unwrap(),
        Some(answer("old")),
        "1000 is not before 1000"
    );
    store.keep_answer("anna", "k", &answer("new"), 2_000, 1_001).await.unwrap();
    assert_eq!(store.kept_answer("anna", "k", 2_000).await.unwrap(), Some(answer("new")));
}

#[tokio::test]
async fn old_answers_are_forgotten_and_young_ones_stay() {
    let store = fresh_store().await;
    for (key, at) in [("a", 1_000), ("b", 2_000), ("c", 3_000)] {
        store.keep_answer("anna", key, &answer(key), at, 0).await.unwrap();
    }
    assert_eq!(store.forget_answers(2_000).await.unwrap(), 1);
    assert_eq!(store.kept_answer("anna", "a", 0).await.unwrap(), None);
    assert_eq!(store.kept_answer("anna", "b", 0).await.unwrap(), Some(answer("b")));
    assert_eq!(store.kept_answer("anna", "c", 0).await.unwrap(), Some(answer("c")));
}
